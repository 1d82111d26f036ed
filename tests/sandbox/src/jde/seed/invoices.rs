//! Supplier invoices: vouchers with one to four pay items each, in F0411.
//!
//! Invariant: [`Invoices::write`] is the one place where a pay item becomes a row, for the seeded past as for the changes
//! made later.

use chrono::{Datelike, NaiveDate};

use super::names::{invoice_number, remark};
use super::orders::scale;
use super::{Company, Masters, Order, SeedOptions, age, days_back, foreign, working_time};
use crate::jde::bulk::Bulk;
use crate::jde::schema::Schema;
use crate::jde::table_error::TableError;
use crate::jde::tables::Tables;
use crate::jde::value::from_julian;
use crate::random::Random;

/// One row of F0411 before it is written. Amounts in cents, days Julian.
#[derive(Clone, Debug)]
pub(in crate::jde) struct PayItem {
    pub(in crate::jde) document: i64,
    pub(in crate::jde) kind: &'static str,
    pub(in crate::jde) company: &'static Company,
    pub(in crate::jde) item: i64,
    pub(in crate::jde) supplier: i64,
    /// Who is paid, if not the supplier.
    pub(in crate::jde) payee: i64,
    pub(in crate::jde) unit: String,
    pub(in crate::jde) gross: i64,
    pub(in crate::jde) open: i64,
    /// Currency, rate in 7 decimals, gross and open in it; nothing for the company's own currency.
    pub(in crate::jde) foreign: Option<(&'static str, i64, i64, i64)>,
    pub(in crate::jde) status: &'static str,
    pub(in crate::jde) void: bool,
    pub(in crate::jde) posted: bool,
    pub(in crate::jde) invoice_number: String,
    /// Order number and its document type's company come from the voucher's own.
    pub(in crate::jde) order: Option<(i64, i64)>,
    pub(in crate::jde) remark: &'static str,
    pub(in crate::jde) invoice_day: i64,
    pub(in crate::jde) ledger_day: i64,
    pub(in crate::jde) due_day: i64,
    pub(in crate::jde) updated: i64,
    pub(in crate::jde) updated_time: i64,
}

/// What the ledgers behind the invoices need to know of a voucher.
pub(super) struct Voucher {
    pub(super) first: PayItem,
    pub(super) gross: i64,
}

/// Pay status and how often out of a hundred, for what is old enough to be paid.
const STATUSES: &[(&str, usize)] = &[("P", 78), ("A", 13), ("H", 4), ("D", 2), ("#", 1), ("%", 2)];

pub(super) fn fill(
    tables: &mut Tables,
    options: &SeedOptions,
    masters: &Masters,
    orders: &[Order],
    random: &mut Random,
) -> Result<Vec<Voucher>, TableError> {
    let table = tables.existing("F0411")?;
    let invoices = Invoices::of(table.schema())?;
    let mut vouchers = Vec::new();
    let mut rows = table.bulk();
    let mut document = 100_000;
    let mut made = 0;
    while made < options.invoices {
        document += if random.chance(20) { random.between(2, 9) } else { 1 };
        let mut item = draw(masters, orders, options.today, document, random);
        let share = random.below(100);
        let items = [1, 2, 3, 4][usize::from(share >= 70) + usize::from(share >= 88) + usize::from(share >= 96)];
        let mut gross = 0;
        for number in 1..=items.min(options.invoices - made) {
            item.item = number as i64;
            if number > 1 {
                item.due_day = later(item.due_day, 30);
                reprice(&mut item, random);
            }
            gross += item.gross;
            invoices.write(&mut rows, &item);
            made += 1;
        }
        if options.details {
            vouchers.push(Voucher { first: PayItem { item: 1, ..item }, gross });
        }
    }
    rows.finish()?;
    Ok(vouchers)
}

/// A new voucher's first pay item.
pub(in crate::jde) fn draw(
    masters: &Masters,
    orders: &[Order],
    today: NaiveDate,
    document: i64,
    random: &mut Random,
) -> PayItem {
    let order = if random.chance(550) { orders.get(random.below(orders.len())) } else { None };
    let (mut company, unit) = masters.place(random);
    let mut supplier = masters.suppliers.get(random.skewed(masters.suppliers.len())).copied().unwrap_or(0);
    if let Some(order) = order {
        company = order.company;
        supplier = order.supplier;
    }
    let kind = match random.below(100) {
        0..=4 => "PD",
        5..=7 => "PM",
        _ => "PV",
    };
    let touched = age(random);
    // A handful has lain around since the nineties.
    let invoiced =
        if random.chance(3) { touched + random.between(9500, 12_000) } else { touched + random.between(3, 60) };
    let invoice_day = days_back(today, invoiced);
    let settled = touched > 45;
    let mut draw = random.below(100);
    let status = if settled {
        let picked = STATUSES.iter().find(|(_, share)| {
            let hit = draw < *share;
            draw = draw.saturating_sub(*share);
            hit
        });
        picked.map_or("A", |(status, _)| status)
    } else {
        ["A", "A", "A", "H", "D"][random.below(5)]
    };
    let void = random.chance(15);
    let mut number = String::new();
    invoice_number(random, &mut number);
    let mut item = PayItem {
        document,
        kind,
        company,
        item: 1,
        supplier,
        payee: if supplier % 50 == 1 { masters.suppliers.first().copied().unwrap_or(supplier) } else { supplier },
        unit: unit.into(),
        gross: 0,
        open: 0,
        foreign: random.chance(120).then(|| {
            let (currency, rate, _) = foreign(random, company.currency);
            (currency, rate, 0, 0)
        }),
        status: if void { "P" } else { status },
        void,
        posted: random.chance(if settled { 980 } else { 800 }),
        invoice_number: number,
        order: order.map(|order| (order.number, random.between(1, order.lines))),
        remark: remark(random),
        invoice_day,
        ledger_day: days_back(today, touched + random.between(0, 2)).max(invoice_day),
        due_day: later(invoice_day, [30, 30, 60, 14][random.below(4)]),
        updated: days_back(today, touched),
        updated_time: working_time(random),
    };
    reprice(&mut item, random);
    item
}

/// Draws the amounts: many small ones, few large ones, credit memos negative, voids nothing.
fn reprice(item: &mut PayItem, random: &mut Random) {
    let size = random.skewed(9);
    let cents = random.between(1, 9) * 10_i64.pow(size as u32 % 6 + 2) / 10 + random.between(0, 99_999);
    let sign = if item.kind == "PD" { -1 } else { 1 };
    let whole = |currency: &str, cents: i64| if currency == "JPY" { cents / 100 * 100 } else { cents };
    let amount = if item.void { 0 } else { sign * cents };
    let part_open = match item.status {
        "P" => 0,
        "A" if random.chance(60) => 50,
        _ => 100,
    };
    match &mut item.foreign {
        Some((currency, rate, gross, open)) => {
            *gross = whole(currency, amount);
            *open = whole(currency, *gross * part_open / 100);
            item.gross = whole(item.company.currency, scale(*gross, *rate));
            item.open = whole(item.company.currency, scale(*open, *rate));
        }
        None => {
            item.gross = whole(item.company.currency, amount);
            item.open = whole(item.company.currency, item.gross * part_open / 100);
        }
    }
}

fn later(day: i64, days: u64) -> i64 {
    let day = from_julian(day as i32).and_then(|day| day.checked_add_days(chrono::Days::new(days)));
    day.map_or(0, |day| i64::from(crate::jde::value::julian(day)))
}

/// The columns of F0411 that an invoice fills, resolved once.
pub(in crate::jde) struct Invoices {
    key: [usize; 4],
    texts: [usize; 27],
    ints: [usize; 25],
}

impl Invoices {
    pub(in crate::jde) fn of(schema: &Schema) -> Result<Self, TableError> {
        Ok(Self {
            key: schema.positions_of(["DOC", "DCT", "KCO", "SFX"])?,
            texts: schema.positions_of([
                "CO", "ICUT", "PST", "TXA1", "EXR1", "CRRM", "CRCD", "GLC", "GLBA", "POST", "MCU", "OBJ", "PTC", "VOD",
                "VINV", "PKCO", "PO", "PDCT", "SFXO", "RMK", "PYIN", "BCRC", "TORG", "USER", "PID", "JOBN", "MCU2",
            ])?,
            ints: schema.positions_of([
                "AN8", "PYE", "SNTO", "DIVJ", "DSVJ", "DDJ", "DDNJ", "DGJ", "FY", "CTRY", "PN", "ICU", "DICJ", "AG",
                "AAP", "ADSC", "ATXA", "ATXN", "STAM", "CRR", "ACR", "FAP", "LNID", "UPMJ", "UPMT",
            ])?,
        })
    }

    /// Writes one row.
    pub(in crate::jde) fn write(&self, rows: &mut Bulk<'_>, item: &PayItem) {
        let [doc, dct, kco, sfx] = self.key;
        rows.row();
        rows.int(doc, item.document);
        rows.text(dct, item.kind);
        rows.text(kco, item.company.code);
        rows.text(sfx, ["001", "002", "003", "004"][(item.item - 1).clamp(0, 3) as usize]);
        self.write_texts(rows, item);
        self.write_ints(rows, item);
    }

    fn write_texts(&self, rows: &mut Bulk<'_>, item: &PayItem) {
        let taxed = item.supplier % 5 == 0;
        let mut order_number = [0_u8; 20];
        let values: [&str; 27] = [
            item.company.code,
            "V",
            item.status,
            if taxed { "VAT20" } else { "" },
            if taxed { "V" } else { "" },
            if item.foreign.is_some() { "F" } else { "D" },
            item.foreign.map_or(item.company.currency, |(currency, ..)| currency),
            ["", "TRAD", "UC"][(item.supplier % 3) as usize],
            "00010028",
            if item.posted { "P" } else { ["", "D"][(item.document % 2) as usize] },
            &item.unit,
            if item.document % 4 == 0 { "4110" } else { "" },
            ["N30", "N60", "", "N14", "2/1"][(item.supplier % 5) as usize],
            if item.void { "V" } else { "" },
            &item.invoice_number,
            if item.order.is_some() { item.company.code } else { "" },
            item.order.map_or("", |(number, _)| digits(number, &mut order_number)),
            if item.order.is_some() { "OP" } else { "" },
            if item.order.is_some() { "000" } else { "" },
            item.remark,
            ["T", "C", ""][(item.supplier % 3) as usize],
            item.company.currency,
            "APCLERK1",
            ["APCLERK1", "APCLERK2", "SVCLOAD"][(item.document % 3) as usize],
            ["P0411", "R04110Z", "P0411"][(item.document % 3) as usize],
            "JDEWEB01",
            if item.document % 40 == 0 { &item.unit } else { "" },
        ];
        for (column, value) in self.texts.iter().zip(values) {
            rows.text(*column, value);
        }
    }

    fn write_ints(&self, rows: &mut Bulk<'_>, item: &PayItem) {
        let taxed = item.supplier % 5 == 0;
        let taxable = if taxed { item.gross * 5 / 6 } else { 0 };
        let (rate, foreign_gross, foreign_open) =
            item.foreign.map_or((0, 0, 0), |(_, rate, gross, open)| (rate, gross, open));
        let ledger = from_julian(item.ledger_day as i32);
        let values: [i64; 25] = [
            item.supplier,
            item.payee,
            if item.status == "H" { 8_000 } else { 0 },
            item.invoice_day,
            if taxed { item.invoice_day } else { 0 },
            item.due_day,
            if item.supplier % 5 == 4 { item.due_day } else { 0 },
            item.ledger_day,
            ledger.map_or(0, |day| i64::from(day.year().rem_euclid(100))),
            ledger.map_or(0, |day| i64::from(day.year() / 100)),
            ledger.map_or(0, |day| i64::from(day.month())),
            20_000 + item.document / 40,
            item.ledger_day,
            item.gross,
            item.open,
            if item.supplier % 5 == 4 { item.gross / 50 } else { 0 },
            taxable,
            if taxed { 0 } else { item.gross },
            item.gross - if taxed { taxable } else { item.gross },
            rate,
            foreign_gross,
            foreign_open,
            item.order.map_or(0, |(_, line)| line * 1000),
            item.updated,
            item.updated_time,
        ];
        for (column, value) in self.ints.iter().zip(values) {
            rows.int(*column, value);
        }
    }
}

/// A number as text without allocating; a million rows ask for it.
fn digits(number: i64, buffer: &mut [u8; 20]) -> &str {
    let mut rest = number.unsigned_abs();
    let mut at = buffer.len();
    while at > 0 && (rest > 0 || at == buffer.len()) {
        at -= 1;
        buffer[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    std::str::from_utf8(&buffer[at..]).unwrap_or("")
}
