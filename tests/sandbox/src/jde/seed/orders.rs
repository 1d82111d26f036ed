//! Purchase orders (F4301) and their lines (F4311).

use super::{Masters, Order, SeedOptions, age, days_back, foreign, working_time};
use crate::jde::table_error::TableError;
use crate::jde::tables::Tables;
use crate::random::Random;

/// What a line has come to: last status, next status, part received in hundredths.
const STATUSES: &[(&str, &str, i64)] = &[
    ("400", "999", 100),
    ("400", "999", 100),
    ("400", "999", 100),
    ("280", "400", 0),
    ("280", "400", 40),
    ("220", "230", 0),
    ("980", "999", 0),
];

pub(super) fn fill(
    tables: &mut Tables,
    options: &SeedOptions,
    masters: &Masters,
    random: &mut Random,
) -> Result<Vec<Order>, TableError> {
    let mut orders = Vec::with_capacity(options.purchase_orders);
    let mut heads = Vec::with_capacity(options.purchase_orders);
    lines(tables, options, masters, random, &mut orders, &mut heads)?;
    let table = tables.existing("F4301")?;
    let [kcoo, doco, dcto, sfxo, mcu, an8, shan, drqj, trdj, pddj, vr01, rmk, desc, ptc, hold, anby] =
        table.schema().positions_of([
            "KCOO", "DOCO", "DCTO", "SFXO", "MCU", "AN8", "SHAN", "DRQJ", "TRDJ", "PDDJ", "VR01", "RMK", "DESC", "PTC",
            "HOLD", "ANBY",
        ])?;
    let [otot, crrm, crcd, crr, fap, orby, tkby, bcrc, user, pid, jobn, upmj, tday] = table.schema().positions_of([
        "OTOT", "CRRM", "CRCD", "CRR", "FAP", "ORBY", "TKBY", "BCRC", "USER", "PID", "JOBN", "UPMJ", "TDAY",
    ])?;
    let mut rows = table.bulk();
    for (order, head) in orders.iter().zip(&heads) {
        rows.row();
        rows.text(kcoo, order.company.code);
        rows.int(doco, order.number);
        rows.text(dcto, head.kind);
        rows.text(sfxo, "000");
        rows.text(mcu, &head.unit);
        rows.int(an8, order.supplier);
        rows.int(shan, order.supplier);
        rows.int(trdj, days_back(options.today, head.age + 20));
        rows.int(drqj, days_back(options.today, head.age + 5));
        rows.int(pddj, days_back(options.today, head.age + 3));
        rows.text(vr01, &if order.number % 3 == 0 { format!("Q-{}", order.number * 3) } else { String::new() });
        rows.text(rmk, super::names::remark(random));
        rows.text(desc, if order.number % 9 == 0 { "Blanket agreement" } else { "" });
        rows.text(ptc, ["N30", "N60", ""][(order.number % 3) as usize]);
        rows.text(hold, if order.number % 61 == 0 { "B1" } else { "" });
        rows.int(anby, random.pick(&masters.buyers).copied().unwrap_or(0));
        rows.int(otot, head.total);
        rows.text(crrm, if head.rate > 0 { "F" } else { "D" });
        rows.text(crcd, head.currency);
        rows.int(crr, head.rate);
        rows.int(fap, head.foreign_total);
        rows.text(orby, "REQUEST01");
        rows.text(tkby, if order.number % 2 == 0 { "BUYER2" } else { "" });
        rows.text(bcrc, order.company.currency);
        rows.text(user, "PURCH01");
        rows.text(pid, "EP4310");
        rows.text(jobn, "JDEWEB01");
        rows.int(upmj, days_back(options.today, head.age));
        rows.int(tday, working_time(random));
    }
    rows.finish()?;
    Ok(orders)
}

/// What the header needs to know of its lines.
struct Head {
    kind: &'static str,
    unit: String,
    age: i64,
    total: i64,
    foreign_total: i64,
    currency: &'static str,
    rate: i64,
}

fn lines(
    tables: &mut Tables,
    options: &SeedOptions,
    masters: &Masters,
    random: &mut Random,
    orders: &mut Vec<Order>,
    heads: &mut Vec<Head>,
) -> Result<(), TableError> {
    let table = tables.existing("F4311")?;
    let [kcoo, doco, dcto, sfxo, lnid, mcu, co, an8, shan, drqj, trdj, pddj, vr01, itm, litm, dsc1] =
        table.schema().positions_of([
            "KCOO", "DOCO", "DCTO", "SFXO", "LNID", "MCU", "CO", "AN8", "SHAN", "DRQJ", "TRDJ", "PDDJ", "VR01", "ITM",
            "LITM", "DSC1",
        ])?;
    let [dsc2, lnty, nxtr, lttr, uom, uorg, uopn, urec, prrc, aexp, aopn, arec, ptc, anby, obj, omcu] =
        table.schema().positions_of([
            "DSC2", "LNTY", "NXTR", "LTTR", "UOM", "UORG", "UOPN", "UREC", "PRRC", "AEXP", "AOPN", "AREC", "PTC",
            "ANBY", "OBJ", "OMCU",
        ])?;
    let [crcd, crr, frrc, fea, fap, user, pid, jobn, upmj, tday] =
        table.schema().positions_of(["CRCD", "CRR", "FRRC", "FEA", "FAP", "USER", "PID", "JOBN", "UPMJ", "TDAY"])?;
    let mut rows = table.bulk();
    let mut number = 200_000;
    for _ in 0..options.purchase_orders {
        number += random.between(1, 3);
        let (company, unit) = masters.place(random);
        let supplier = masters.suppliers.get(random.skewed(masters.suppliers.len())).copied().unwrap_or(0);
        let is_foreign = random.chance(120);
        let (currency, rate, cents) = if is_foreign {
            foreign(random, company.currency)
        } else {
            (company.currency, 0, company.currency != "JPY")
        };
        let kind = if random.chance(930) { "OP" } else { "OB" };
        let count = if random.chance(600) { random.between(1, 2) } else { random.between(3, 6) };
        let touched = age(random);
        let (mut total, mut foreign_total) = (0, 0);
        for line in 1..=count {
            let (item, second, title) = random.pick(&masters.items).cloned().unwrap_or((0, String::new(), ""));
            let (last, next, received) = random.pick(STATUSES).copied().unwrap_or(("220", "230", 0));
            let cancelled = last == "980";
            // Hundredths of a unit, ten-thousandths of the currency, cents.
            let quantity = if random.chance(900) { random.between(1, 400) * 100 } else { random.between(25, 9999) };
            let cost = if cents { random.between(900, 3_000_000) } else { random.between(10, 90_000) * 10_000 };
            let priced = round_to(quantity * cost, 10_000, cents);
            let (base_cost, amount) = if is_foreign {
                (scale(cost, rate), round_to(scale(priced, rate), 1, company.currency != "JPY"))
            } else {
                (cost, priced)
            };
            let open = if cancelled { 0 } else { 100 - received };
            rows.row();
            rows.text(kcoo, company.code);
            rows.int(doco, number);
            rows.text(dcto, kind);
            rows.text(sfxo, "000");
            rows.int(lnid, line * 1000);
            rows.text(mcu, unit);
            rows.text(co, company.code);
            rows.int(an8, supplier);
            rows.int(shan, supplier);
            rows.int(trdj, days_back(options.today, touched + 20));
            rows.int(drqj, days_back(options.today, touched + 5));
            rows.int(pddj, days_back(options.today, touched + 3));
            rows.text(vr01, &if number % 3 == 0 { format!("Q-{}", number * 3) } else { String::new() });
            rows.int(itm, item);
            rows.text(litm, &second);
            rows.text(dsc1, title);
            rows.text(dsc2, if line == 3 { "as quoted, incl. freight" } else { "" });
            rows.text(lnty, if line % 4 == 3 { "N" } else { "S" });
            rows.text(lttr, last);
            rows.text(nxtr, next);
            rows.text(uom, ["EA", "BX", "KG", "HR"][(item % 4) as usize]);
            rows.int(uorg, quantity);
            rows.int(urec, quantity * received / 100);
            rows.int(uopn, if cancelled { 0 } else { quantity - quantity * received / 100 });
            rows.int(prrc, base_cost);
            rows.int(aexp, amount);
            rows.int(arec, amount * received / 100);
            rows.int(aopn, if cancelled { 0 } else { amount - amount * received / 100 });
            rows.text(ptc, ["N30", "N60", ""][(number % 3) as usize]);
            rows.int(anby, random.pick(&masters.buyers).copied().unwrap_or(0));
            rows.text(obj, if item % 4 == 3 { "8730" } else { "6110" });
            rows.text(omcu, unit);
            rows.text(crcd, currency);
            if is_foreign {
                rows.int(crr, rate);
                rows.int(frrc, cost);
                rows.int(fea, priced);
                rows.int(fap, priced * open / 100);
                foreign_total += priced;
            }
            rows.text(user, "PURCH01");
            rows.text(pid, "EP4310");
            rows.text(jobn, "JDEWEB01");
            rows.int(upmj, days_back(options.today, touched));
            rows.int(tday, working_time(random));
            total += amount;
        }
        orders.push(Order { number, company, supplier, lines: count });
        heads.push(Head { kind, unit: unit.into(), age: touched, total, foreign_total, currency, rate });
    }
    rows.finish()
}

/// `units` times a rate of 7 decimals.
pub(super) fn scale(units: i64, rate: i64) -> i64 {
    (i128::from(units) * i128::from(rate) / 10_000_000) as i64
}

/// Divides and rounds to cents, or to whole currency units where there are no cents.
fn round_to(units: i64, divisor: i64, cents: bool) -> i64 {
    let rounded = (units + divisor / 2) / divisor;
    if cents { rounded } else { rounded / 100 * 100 }
}
