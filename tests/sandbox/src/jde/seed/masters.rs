//! Master data: companies, business units, accounts, the address book, suppliers and items.

use super::names::{ACCOUNTS, DEPARTMENTS, GOODS, person, supplier};
use super::{COMPANIES, Masters, SeedOptions, age, days_back, working_time};
use crate::jde::table_error::TableError;
use crate::jde::tables::Tables;
use crate::random::Random;

pub(super) fn fill(tables: &mut Tables, options: &SeedOptions, random: &Random) -> Result<Masters, TableError> {
    companies(tables, options)?;
    let units = units(tables, options, &mut random.fork("units"))?;
    let accounts = accounts(tables, options, &units, &mut random.fork("accounts"))?;
    let (suppliers, buyers) = addresses(tables, options, &units, &mut random.fork("addresses"))?;
    let items = items(tables, options, &mut random.fork("items"))?;
    Ok(Masters { suppliers, buyers, units, accounts, items })
}

fn companies(tables: &mut Tables, options: &SeedOptions) -> Result<(), TableError> {
    let table = tables.existing("F0010")?;
    let [co, name, crcd, user, upmj, upmt] =
        table.schema().positions_of(["CO", "NAME", "CRCD", "USER", "UPMJ", "UPMT"])?;
    let mut rows = table.bulk();
    let defaults = ("00000", "Default Company", "USD");
    for (code, title, currency) in
        std::iter::once(defaults).chain(COMPANIES.iter().map(|each| (each.code, each.name, each.currency)))
    {
        rows.row();
        rows.text(co, code);
        rows.text(name, title);
        rows.text(crcd, currency);
        rows.text(user, "ADMIN");
        rows.int(upmj, days_back(options.today, 900));
        rows.int(upmt, 80_000);
    }
    rows.finish()
}

/// About sixty: short numbers, long numbers and letters, as they grow over the years.
fn units(tables: &mut Tables, options: &SeedOptions, random: &mut Random) -> Result<Vec<(usize, String)>, TableError> {
    let table = tables.existing("F0006")?;
    let [mcu, styl, dc, ldm, co, dl01, dl02, rp01, rp02, pecc, user, pid, upmj, upmt] =
        table.schema().positions_of([
            "MCU", "STYL", "DC", "LDM", "CO", "DL01", "DL02", "RP01", "RP02", "PECC", "USER", "PID", "UPMJ", "UPMT",
        ])?;
    let mut rows = table.bulk();
    let mut units = Vec::new();
    for number in 0..60_usize {
        let company = if number < 24 { number % 2 } else { number % COMPANIES.len() };
        let code = match number {
            0 => "1".to_owned(),
            1..=9 => format!("{}", number * 10),
            10..=39 => format!("{}", 1000 + number * 5),
            40..=49 => format!("M{number}"),
            _ => format!("EU-{number}X"),
        };
        let department = DEPARTMENTS.get(number % DEPARTMENTS.len()).copied().unwrap_or("");
        let title = if number < DEPARTMENTS.len() { department.into() } else { format!("{department} {number}") };
        rows.row();
        rows.text(mcu, &code);
        rows.text(styl, if number == 0 { "BS" } else { ["IS", "IS", "BP", "JB"][number % 4] });
        rows.text(dc, &title.to_uppercase().replace(' ', ""));
        rows.text(ldm, "9");
        rows.text(co, COMPANIES[company].code);
        rows.text(dl01, &title);
        rows.text(dl02, if number % 7 == 0 { "since reorganization" } else { "" });
        rows.text(rp01, ["NOR", "SOU", "EMA", ""][number % 4]);
        rows.text(rp02, if number % 3 == 0 { "100" } else { "" });
        rows.text(pecc, if number % 29 == 28 { "N" } else { "" });
        rows.text(user, "ADMIN");
        rows.text(pid, "EP0006");
        rows.int(upmj, days_back(options.today, age(random)));
        rows.int(upmt, working_time(random));
        units.push((company, code));
    }
    rows.finish()?;
    Ok(units)
}

type Accounts = Vec<(String, usize, &'static str, &'static str)>;

/// About nine hundred: each business unit has its share of the object accounts, some with subsidiaries.
fn accounts(
    tables: &mut Tables,
    options: &SeedOptions,
    units: &[(usize, String)],
    random: &mut Random,
) -> Result<Accounts, TableError> {
    let table = tables.existing("F0901")?;
    let [aid, co, mcu, obj, sub, ans, dl01, lda, pec, crcd, user, pid, upmj, upmt] = table.schema().positions_of([
        "AID", "CO", "MCU", "OBJ", "SUB", "ANS", "DL01", "LDA", "PEC", "CRCD", "USER", "PID", "UPMJ", "UPMT",
    ])?;
    let mut rows = table.bulk();
    let mut accounts = Accounts::new();
    for (at, (company, unit)) in units.iter().enumerate() {
        for (index, (object, title)) in ACCOUNTS.iter().enumerate() {
            if index >= 8 && random.chance(300) {
                continue;
            }
            let subsidiary = if *object == "1110" { ["BEAR", "FIB", ""][at % 3] } else { "" };
            let id = format!("{:08}", 10_000 + accounts.len() * 7);
            rows.row();
            rows.text(aid, &id);
            rows.text(co, COMPANIES[*company].code);
            rows.text(mcu, unit);
            rows.text(obj, object);
            rows.text(sub, subsidiary);
            rows.text(ans, &if at % 5 == 0 { format!("{unit}-{object}") } else { String::new() });
            rows.text(dl01, title);
            rows.text(lda, ["6", "7", "8", "9"][index % 4]);
            rows.text(pec, if random.chance(970) { "" } else { ["I", "N", "B"][at % 3] });
            rows.text(crcd, if *object == "1110" { COMPANIES[*company].currency } else { "" });
            rows.text(user, "ADMIN");
            rows.text(pid, "EP0901");
            rows.int(upmj, days_back(options.today, age(random)));
            rows.int(upmt, working_time(random));
            accounts.push((id, at, *object, subsidiary));
        }
    }
    rows.finish()?;
    Ok(accounts)
}

/// The address book: suppliers, some customers and employees; and the supplier master.
fn addresses(
    tables: &mut Tables,
    options: &SeedOptions,
    units: &[(usize, String)],
    random: &mut Random,
) -> Result<(Vec<i64>, Vec<i64>), TableError> {
    let mut suppliers = Vec::with_capacity(options.suppliers);
    let mut buyers = Vec::new();
    let stamps: Vec<_> = {
        let mut number = 4000;
        let others = 120;
        (0..options.suppliers + others)
            .map(|index| {
                number += random.between(1, 9);
                (index, number, days_back(options.today, age(random)), working_time(random))
            })
            .collect()
    };
    let table = tables.existing("F0101")?;
    let [an8, alky, tax, alph, dc, mcu, at1, taxc, atp, ac01, rmk, user, pid, upmj, upmt] =
        table.schema().positions_of([
            "AN8", "ALKY", "TAX", "ALPH", "DC", "MCU", "AT1", "TAXC", "ATP", "AC01", "RMK", "USER", "PID", "UPMJ",
            "UPMT",
        ])?;
    let mut rows = table.bulk();
    for (index, number, day, time) in &stamps {
        let is_supplier = *index < options.suppliers;
        let employee = !is_supplier && index % 2 == 0;
        let name = if employee { person(random) } else { supplier(random, *index) };
        rows.row();
        rows.int(an8, *number);
        rows.text(alky, &if index % 3 == 0 { format!("V-{number:06}") } else { String::new() });
        rows.text(
            tax,
            &if index % 4 == 1 { format!("{:02}-{:07}", index % 90 + 10, number * 37) } else { String::new() },
        );
        rows.text(alph, &name);
        let compressed: String = name.chars().filter(|letter| letter.is_alphanumeric()).take(40).collect();
        rows.text(dc, &compressed.to_uppercase().chars().take(40).collect::<String>());
        rows.text(mcu, units.first().map_or("", |unit| unit.1.as_str()));
        rows.text(
            at1,
            if is_supplier {
                "V"
            } else if employee {
                "E"
            } else {
                "C"
            },
        );
        rows.text(taxc, if index % 11 == 0 { "P" } else { "C" });
        rows.text(atp, if is_supplier { "Y" } else { "N" });
        rows.text(ac01, ["", "", "LOC", "INT"][index % 4]);
        rows.text(rmk, if index % 50 == 0 { "Do not use - see new number" } else { "" });
        rows.text(user, ["APCLERK1", "APCLERK2", "ADMIN"][index % 3]);
        rows.text(pid, "EP01012");
        rows.int(upmj, *day);
        rows.int(upmt, *time);
        if is_supplier {
            suppliers.push(*number);
        } else if employee {
            buyers.push(*number);
        }
    }
    rows.finish()?;
    let table = tables.existing("F0401")?;
    let [an8, apc, trap, hdpy, pyin, crrp, crca, txa2, hold, user, pid, upmj, upmt] = table.schema().positions_of([
        "AN8", "APC", "TRAP", "HDPY", "PYIN", "CRRP", "CRCA", "TXA2", "HOLD", "USER", "PID", "UPMJ", "UPMT",
    ])?;
    let mut rows = table.bulk();
    for (index, number, day, time) in stamps.iter().take(options.suppliers) {
        rows.row();
        rows.int(an8, *number);
        rows.text(apc, ["TRAD", "SERV", ""][index % 3]);
        rows.text(trap, ["N30", "N60", "", "N14", "2/1"][index % 5]);
        rows.text(hdpy, if index % 37 == 0 { "Y" } else { "N" });
        rows.text(pyin, ["T", "C", ""][index % 3]);
        rows.text(crrp, ["USD", "USD", "EUR", "GBP"][index % 4]);
        rows.text(crca, ["USD", "USD", "EUR", "GBP"][index % 4]);
        rows.text(txa2, if index % 6 == 0 { "ONT" } else { "" });
        rows.text(hold, if index % 90 == 89 { "H1" } else { "" });
        rows.text(user, "APCLERK1");
        rows.text(pid, "EP0401");
        rows.int(upmj, *day);
        rows.int(upmt, *time);
    }
    rows.finish()?;
    Ok((suppliers, buyers))
}

type Items = Vec<(i64, String, &'static str)>;

fn items(tables: &mut Tables, options: &SeedOptions, random: &mut Random) -> Result<Items, TableError> {
    let table = tables.existing("F4101")?;
    let [itm, litm, aitm, dsc1, dsc2, srtx, uom1, glpt, stkt, lnty, user, upmj, tday] =
        table.schema().positions_of([
            "ITM", "LITM", "AITM", "DSC1", "DSC2", "SRTX", "UOM1", "GLPT", "STKT", "LNTY", "USER", "UPMJ", "TDAY",
        ])?;
    let mut rows = table.bulk();
    let mut items = Items::new();
    for index in 0..300_usize {
        let title = GOODS.get(index % GOODS.len()).copied().unwrap_or("");
        let number = 60_003 + index as i64 * 9;
        let second = format!("{}-{:04}", ["AX", "B", "LAB", "Z9"][index % 4], index * 3 + 11);
        rows.row();
        rows.int(itm, number);
        rows.text(litm, &second);
        rows.text(aitm, &format!("{number:013}"));
        rows.text(dsc1, title);
        rows.text(dsc2, if index % 9 == 0 { "old drawing" } else { "" });
        rows.text(srtx, &title.to_uppercase().chars().take(30).collect::<String>());
        rows.text(uom1, ["EA", "EA", "BX", "KG"][index % 4]);
        rows.text(glpt, ["IN30", "IN20"][index % 2]);
        rows.text(stkt, ["P", "P", "M", "N", "O"][index % 5]);
        rows.text(lnty, if index % 5 == 3 { "N" } else { "S" });
        rows.text(user, "ITEMADM");
        rows.int(upmj, days_back(options.today, age(random)));
        rows.int(tday, working_time(random));
        items.push((number, second, title));
    }
    rows.finish()?;
    Ok(items)
}
