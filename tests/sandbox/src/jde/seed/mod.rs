//! A ledger that looks real: companies, accounts, suppliers, purchase orders and invoices that refer to one another.
//!
//! Invariant: the same options give the same rows, cell for cell; every supplier, business unit, account and order that a
//! row names exists. Nothing is stamped later than `today`.

mod details;
mod invoices;
mod masters;
mod names;
mod orders;

use chrono::{Days, NaiveDate};

pub(super) use invoices::{Invoices, PayItem, draw};

use super::table_error::TableError;
use super::tables::Tables;
use super::value::julian;
use crate::random::Random;

/// How much of what to make.
#[derive(Clone, Debug)]
pub struct SeedOptions {
    /// Another seed, other rows.
    pub seed: u64,
    /// Rows of F0411 (pay items); a voucher has one to four of them.
    pub invoices: usize,
    /// Rows of F4301; each has one to six lines in F4311.
    pub purchase_orders: usize,
    /// Suppliers in F0101 and F0401.
    pub suppliers: usize,
    /// Whether the ledgers behind the invoices are filled, too: F0911, F0902, F0413 and F0414.
    pub details: bool,
    /// The day the data is seen from. Update stamps reach three years back; only a few are of the last ten days.
    pub today: NaiveDate,
}

impl SeedOptions {
    /// 20,000 invoices, 4,000 orders and 1,200 suppliers as of `today`.
    pub fn new(today: NaiveDate) -> Self {
        Self { seed: 1, invoices: 20_000, purchase_orders: 4_000, suppliers: 1_200, details: true, today }
    }
}

impl Default for SeedOptions {
    /// As of 2026-11-20, for whoever does not care about the day.
    fn default() -> Self {
        Self::new(NaiveDate::from_ymd_opt(2026, 11, 20).unwrap_or_default())
    }
}

/// All tables, filled. The error would be a fault of the seeding itself.
pub fn ledger(options: &SeedOptions) -> Result<Tables, TableError> {
    let random = Random::new(options.seed);
    let mut tables = Tables::standard();
    let masters = masters::fill(&mut tables, options, &random)?;
    let orders = orders::fill(&mut tables, options, &masters, &mut random.fork("orders"))?;
    let vouchers = invoices::fill(&mut tables, options, &masters, &orders, &mut random.fork("invoices"))?;
    if options.details {
        details::fill(&mut tables, options, &masters, &vouchers, &mut random.fork("details"))?;
    }
    Ok(tables)
}

/// A company.
#[derive(Clone, Copy, Debug)]
pub(super) struct Company {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) currency: &'static str,
}

/// 00000 holds the defaults and never has transactions; the one in yen has no decimals.
pub(super) const COMPANIES: &[Company] = &[
    Company { code: "00001", name: "Northwind Manufacturing Co.", currency: "USD" },
    Company { code: "00010", name: "Northwind Distribution", currency: "USD" },
    Company { code: "00020", name: "Northwind Europe GmbH", currency: "EUR" },
    Company { code: "00030", name: "Northwind UK Ltd", currency: "GBP" },
    Company { code: "00040", name: "Northwind Japan K.K.", currency: "JPY" },
    Company { code: "00070", name: "Northwind Canada Inc.", currency: "CAD" },
];

/// What the other tables refer to.
pub(super) struct Masters {
    pub(super) suppliers: Vec<i64>,
    pub(super) buyers: Vec<i64>,
    /// Company index, business unit.
    pub(super) units: Vec<(usize, String)>,
    /// Account id, business unit index, object, subsidiary.
    pub(super) accounts: Vec<(String, usize, &'static str, &'static str)>,
    /// Item number, second item number, description.
    pub(super) items: Vec<(i64, String, &'static str)>,
}

impl Masters {
    /// A company, with the first taking most of the business, and one of its business units.
    pub(super) fn place(&self, random: &mut Random) -> (&'static Company, &str) {
        let index = random.skewed(self.units.len());
        let (company, unit) = self.units.get(index).map_or((0, ""), |(company, unit)| (*company, unit.as_str()));
        (COMPANIES.get(company).unwrap_or(&COMPANIES[0]), unit)
    }
}

/// One purchase order, as invoices refer to it.
pub(super) struct Order {
    pub(super) number: i64,
    pub(super) company: &'static Company,
    pub(super) supplier: i64,
    pub(super) lines: i64,
}

/// Julian day of `today - back`.
pub(super) fn days_back(today: NaiveDate, back: i64) -> i64 {
    let back = Days::new(u64::try_from(back).unwrap_or(0));
    today.checked_sub_days(back).map_or(0, |day| i64::from(julian(day)))
}

/// How many days ago a row was last touched: now and then within the last ten days, otherwise within three years.
pub(super) fn age(random: &mut Random) -> i64 {
    if random.chance(4) { random.between(0, 9) } else { random.between(10, 1095) }
}

/// A time within a working day, `HHMMSS`.
pub(super) fn working_time(random: &mut Random) -> i64 {
    random.between(6, 19) * 10_000 + random.between(0, 59) * 100 + random.between(0, 59)
}

/// A currency, its rate into the base in 7 decimals, and whether it has cents.
pub(super) fn foreign(random: &mut Random, base: &str) -> (&'static str, i64, bool) {
    /// Currency, US dollars for one of it in 7 decimals, cents.
    const RATES: &[(&str, i64, bool)] = &[
        ("USD", 10_000_000, true),
        ("EUR", 10_843_210, true),
        ("GBP", 12_688_400, true),
        ("CAD", 7_305_150, true),
        ("CHF", 11_302_700, true),
        ("SEK", 957_340, true),
        ("JPY", 66_213, false),
    ];
    let base_rate = RATES.iter().find(|(code, ..)| *code == base).map_or(10_000_000, |(_, rate, _)| *rate);
    let others: Vec<_> = RATES.iter().filter(|(code, ..)| *code != base).collect();
    random.pick(&others).map_or(("USD", 10_000_000, true), |(code, rate, cents)| {
        let drift = random.between(-40, 40);
        (code, (rate + rate * drift / 1000).saturating_mul(10_000_000) / base_rate, *cents)
    })
}
