//! What happens to a ledger after it was seeded: a month-end, row by row, with its accidents.
//!
//! Invariant: every change is stamped with the server's own wall clock (or, where a change is meant to be late, with an
//! earlier moment of it), and everything done is reported with its keys, so that a test can ask for exactly that.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::cell::Value;
use super::row::Row;
use super::seed::{COMPANIES, Invoices, Masters, Order, PayItem, draw};
use super::table::Table;
use super::table_error::TableError;
use super::tables::Tables;
use super::value::{Decimal, julian, stamp};
use crate::clock::Clock;
use crate::random::Random;

/// The values of a primary key, as text, in the order of the unique index.
pub type Key = Vec<String>;

/// How much happens at a month-end.
#[derive(Clone, Debug)]
pub struct Plan {
    /// New invoices, one pay item each.
    pub new: usize,
    /// Invoices that get paid: pay status P, nothing open.
    pub paid: usize,
    /// Invoices that get voided.
    pub voided: usize,
    /// Whether one more invoice arrives late, stamped 18 hours ago.
    pub late: bool,
    /// Whether a purchase order line comes without its header; see [`deliver_header`].
    pub early_line: bool,
    /// One invoice with a value that no destination can take; see [`mend`].
    pub bad: Option<Bad>,
}

/// What is wrong with the bad row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// AG has nineteen digits.
    Amount,
    /// DGJ is `20261345`.
    Date,
}

/// What was done, by key.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// F0411 rows that are new, the late and the bad one not among them.
    pub new: Vec<Key>,
    /// F0411 rows that are paid now.
    pub paid: Vec<Key>,
    /// F0411 rows that are void now.
    pub voided: Vec<Key>,
    /// The F0411 row that came late.
    pub late: Option<Key>,
    /// The F4311 row whose F4301 row is missing.
    pub early_line: Option<Key>,
    /// The bad F0411 row.
    pub bad: Option<Key>,
}

/// Does what the plan says. Fewer rows are paid or voided than planned only when no more are left that can be.
pub fn month_end(
    tables: &mut Tables,
    clock: &Clock,
    zone: Tz,
    random: &mut Random,
    plan: &Plan,
) -> Result<Report, TableError> {
    let now = clock.now();
    let mut report = Report::default();
    let masters = masters(tables)?;
    let orders = orders(tables)?;
    let ledger = tables.existing("F0411")?;
    let open = |row: &Row<'_>| !row.text("PST").starts_with('P') && row.text("VOD").is_empty();
    let mut taken = HashSet::new();
    report.paid = pick(ledger, plan.paid, random, &mut taken, open);
    report.voided = pick(ledger, plan.voided, random, &mut taken, |row| row.text("VOD").is_empty());
    let nothing = || Value::from(0);
    for key in &report.paid {
        touch(ledger, key, now, zone, &[("PST", "P".into()), ("AAP", nothing()), ("FAP", nothing())])?;
    }
    let void = ["AG", "ACR", "AAP", "FAP"].map(|alias| (alias, nothing()));
    let void = [[("VOD", "V".into()), ("PST", "P".into())].as_slice(), &void].concat();
    for key in &report.voided {
        touch(ledger, key, now, zone, &void)?;
    }
    let mut document = ledger.rows().next_back().map_or(100_000, |row| row.number("DOC").units);
    let mut add = |ledger: &mut Table, at: DateTime<Utc>| {
        document += 1;
        let item = fresh(&masters, &orders, at, zone, document, random);
        let invoices = Invoices::of(ledger.schema())?;
        let mut rows = ledger.bulk();
        invoices.write(&mut rows, &item);
        rows.finish()?;
        Ok::<Key, TableError>(vec![
            document.to_string(),
            item.kind.into(),
            item.company.code.into(),
            "001".into(),
            "0".into(),
        ])
    };
    for _ in 0..plan.new {
        report.new.push(add(ledger, now)?);
    }
    if plan.late {
        report.late = Some(add(ledger, now - TimeDelta::hours(18))?);
    }
    if let Some(bad) = plan.bad {
        let key = add(ledger, now)?;
        let cell = match bad {
            Bad::Amount => ("AG", Value::from(Decimal::new(1_234_567_890_123_456_789, 2))),
            Bad::Date => ("DGJ", Value::from("20261345")),
        };
        ledger.update(&values(&key), &[cell])?;
        report.bad = Some(key);
    }
    if plan.early_line {
        report.early_line = Some(early_line(tables, &masters, now, zone)?);
    }
    Ok(report)
}

/// Mends the bad row at the source, as a clerk would: a proper amount and date, stamped now.
pub fn mend(tables: &mut Tables, clock: &Clock, zone: Tz, bad: &Key) -> Result<bool, TableError> {
    let (today, _) = stamp(clock.now(), zone);
    let amount = Value::from(Decimal::new(123_456, 2));
    let cells = vec![("AG", amount), ("DGJ", today.into())];
    touch(tables.existing("F0411")?, bad, clock.now(), zone, &cells)
}

/// Adds the header that an early purchase order line was missing, stamped now.
pub fn deliver_header(tables: &mut Tables, clock: &Clock, zone: Tz, line: &Key) -> Result<(), TableError> {
    let lines = tables.existing("F4311")?;
    let row = lines
        .get(&values(line))?
        .ok_or_else(|| TableError::NoSuchRow { table: "F4311".into(), key: line.join("|") })?;
    let copied = ["DOCO", "DCTO", "KCOO", "SFXO", "MCU", "AN8", "TRDJ", "CRCD", "USER"];
    let mut cells: Vec<(&str, Value)> = copied.iter().map(|alias| (*alias, Value::from(row.text(alias)))).collect();
    let total = row.number("AEXP");
    let (today, time) = stamp(clock.now(), zone);
    cells.extend([("OTOT", total.into()), ("UPMJ", today.into()), ("TDAY", time.into())]);
    tables.existing("F4301")?.insert(&cells)
}

/// Changes a row the way the application does: the named columns, and the update stamp of this moment.
pub fn touch(
    table: &mut Table,
    key: &[String],
    now: DateTime<Utc>,
    zone: Tz,
    cells: &[(&str, Value)],
) -> Result<bool, TableError> {
    let (today, time) = stamp(now, zone);
    let schema = table.schema();
    let stamp = schema.stamp().map(|(day, time)| [day, time].map(|at| schema.columns()[at].alias.clone()));
    let mut cells = cells.to_vec();
    if let Some([day_name, time_name]) = &stamp {
        cells.push((day_name, today.into()));
        cells.push((time_name, time.into()));
    }
    table.update(&values(key), &cells)
}

fn values(key: &[String]) -> Vec<Value> {
    key.iter().map(|part| Value::Text(part.clone())).collect()
}

/// Keys of rows that pass the test and were not taken before.
fn pick(
    table: &Table,
    count: usize,
    random: &mut Random,
    taken: &mut HashSet<Key>,
    test: impl Fn(&Row<'_>) -> bool,
) -> Vec<Key> {
    let mut keys = Vec::with_capacity(count);
    // Rows are drawn first; what is still missing then is looked for from the end, where rows are young and open.
    let drawn = (0..count * 20).filter_map(|_| table.nth(random.below(table.len()))).collect::<Vec<_>>();
    for row in drawn.into_iter().chain(table.rows().rev()) {
        if keys.len() == count {
            break;
        }
        if test(&row) && taken.insert(row.key()) {
            keys.push(row.key());
        }
    }
    keys
}

/// A new invoice, entered at `at`: approved and open.
fn fresh(
    masters: &Masters,
    orders: &[Order],
    at: DateTime<Utc>,
    zone: Tz,
    document: i64,
    random: &mut Random,
) -> PayItem {
    let (today, time) = stamp(at, zone);
    let mut item = draw(masters, orders, today, document, random);
    let today = i64::from(julian(today));
    item.open = item.gross;
    if let Some((_, _, gross, open)) = &mut item.foreign {
        *open = *gross;
    }
    item.status = "A";
    item.void = false;
    item.posted = false;
    item.ledger_day = today;
    item.updated = today;
    item.updated_time = i64::from(time);
    item
}

fn early_line(tables: &mut Tables, masters: &Masters, now: DateTime<Utc>, zone: Tz) -> Result<Key, TableError> {
    let (today, time) = stamp(now, zone);
    let lines = tables.existing("F4311")?;
    let order = lines.rows().next_back().map_or(200_000, |row| row.number("DOCO").units) + 1;
    let company = COMPANIES[0];
    let unit = masters.units.first().map_or("", |(_, unit)| unit.as_str());
    let supplier = masters.suppliers.first().copied().unwrap_or(0);
    lines.insert(&[
        ("DOCO", order.into()),
        ("DCTO", "OP".into()),
        ("KCOO", company.code.into()),
        ("SFXO", "000".into()),
        ("LNID", 1.into()),
        ("MCU", unit.into()),
        ("CO", company.code.into()),
        ("AN8", supplier.into()),
        ("TRDJ", today.into()),
        ("DSC1", "Emergency repair".into()),
        ("LNTY", "S".into()),
        ("LTTR", "220".into()),
        ("NXTR", "280".into()),
        ("UOM", "EA".into()),
        ("UORG", 2.into()),
        ("UOPN", 2.into()),
        ("PRRC", Decimal::new(12_345_678, 4).into()),
        ("AEXP", Decimal::new(246_914, 2).into()),
        ("AOPN", Decimal::new(246_914, 2).into()),
        ("CRCD", company.currency.into()),
        ("USER", "PURCH01".into()),
        ("UPMJ", today.into()),
        ("TDAY", time.into()),
    ])?;
    Ok(vec![order.to_string(), "OP".into(), company.code.into(), "000".into(), "1".into()])
}

/// What new invoices refer to, as it stands in the tables now.
fn masters(tables: &mut Tables) -> Result<Masters, TableError> {
    let suppliers = tables.existing("F0101")?.rows().filter(|row| row.text("AT1") == "V");
    let suppliers = suppliers.map(|row| row.number("AN8").units).collect();
    let company = |code: &str| COMPANIES.iter().position(|company| company.code == code);
    let units = tables.existing("F0006")?.rows();
    let units = units.filter_map(|row| Some((company(&row.text("CO"))?, row.text("MCU")))).collect();
    Ok(Masters { suppliers, buyers: Vec::new(), units, accounts: Vec::new(), items: Vec::new() })
}

fn orders(tables: &mut Tables) -> Result<Vec<Order>, TableError> {
    let company = |code: String| COMPANIES.iter().find(|company| company.code == code);
    let rows = tables.existing("F4301")?.rows();
    Ok(rows
        .filter_map(|row| {
            Some(Order {
                number: row.number("DOCO").units,
                company: company(row.text("KCOO"))?,
                supplier: row.number("AN8").units,
                lines: 1,
            })
        })
        .collect())
}
