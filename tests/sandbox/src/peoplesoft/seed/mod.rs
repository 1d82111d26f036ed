//! A site that looks real: business units, accounts, suppliers, orders, vouchers and payments that refer to one another.
//!
//! Invariant: the same options give the same rows, value for value; every supplier, account, department and order that a row
//! names exists. Nothing but effective-dated rows lies later than `today`.

mod journals;
mod masters;
mod payables;
mod payroll;
mod purchasing;
mod words;

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime};

pub(super) use masters::{Masters, UNITS};
pub(super) use payables::{Voucher, draw, write};

use super::cell::Decimal;
use super::record::Records;
use super::schema::RecordError;
use crate::random::Random;

/// How much of what to make.
#[derive(Clone, Debug)]
pub struct SeedOptions {
    /// Another seed, other rows.
    pub seed: u64,
    /// Vouchers; each has one to three lines, most lines one distribution.
    pub vouchers: usize,
    /// Whether vouchers have their lines, distributions, scheduled payments and payments; they are two thirds of the memory.
    pub voucher_details: bool,
    /// Purchase orders; each has one to four lines with a schedule and a distribution.
    pub purchase_orders: usize,
    /// Requisitions; each has one or two lines.
    pub requisitions: usize,
    /// Suppliers.
    pub vendors: usize,
    /// Customers.
    pub customers: usize,
    /// Journals; each has two to six lines.
    pub journals: usize,
    /// Pay checks.
    pub pay_checks: usize,
    /// The day the data is seen from, of the database's wall clock. Stamps reach two years back; a few are of this week.
    pub today: NaiveDate,
}

impl SeedOptions {
    /// 20,000 vouchers, 3,000 orders, 1,000 suppliers and the rest in proportion, as of `today`.
    pub fn new(today: NaiveDate) -> Self {
        Self::sized(20_000, today)
    }

    /// So many vouchers, and the rest in proportion.
    pub fn sized(vouchers: usize, today: NaiveDate) -> Self {
        Self {
            seed: 1,
            vouchers,
            voucher_details: true,
            purchase_orders: vouchers * 3 / 20,
            requisitions: vouchers / 10,
            vendors: (vouchers / 20).clamp(20, 5_000),
            customers: (vouchers / 40).clamp(10, 5_000),
            journals: vouchers / 10,
            pay_checks: vouchers / 20,
            today,
        }
    }
}

impl Default for SeedOptions {
    /// As of 2026-11-20, for whoever does not care about the day.
    fn default() -> Self {
        Self::new(NaiveDate::from_ymd_opt(2026, 11, 20).unwrap_or_default())
    }
}

/// All records, filled. The error would be a fault of the seeding itself.
pub fn site(options: &SeedOptions) -> Result<Records, RecordError> {
    let random = Random::new(options.seed);
    let mut records = Records::standard()?;
    let masters = masters::fill(&mut records, options, &random)?;
    purchasing::requisitions(&mut records, options, &masters, &mut random.fork("requisitions"))?;
    let orders = purchasing::orders(&mut records, options, &masters, &mut random.fork("orders"))?;
    payables::fill(&mut records, options, &masters, &orders, &random)?;
    journals::fill(&mut records, options, &masters, &mut random.fork("journals"))?;
    payroll::fill(&mut records, options, &masters, &mut random.fork("payroll"))?;
    Ok(records)
}

/// One purchase order, as vouchers refer to it.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) unit: usize,
    pub(super) number: String,
    pub(super) vendor: usize,
    pub(super) lines: i64,
}

pub(super) fn cents(amount: i64) -> Decimal {
    Decimal::new(amount, 2)
}

/// A day so many days before; after, when negative.
pub(super) fn days_before(day: NaiveDate, days: i64) -> NaiveDate {
    let by = Days::new(days.unsigned_abs());
    let moved = if days < 0 { day.checked_add_days(by) } else { day.checked_sub_days(by) };
    moved.unwrap_or(day)
}

/// How many days ago something was last touched: now and then this week, otherwise within two years.
pub(super) fn age(random: &mut Random) -> i64 {
    if random.chance(8) { random.between(1, 7) } else { random.between(8, 730) }
}

/// A moment of a working day; some have fractions of a second.
pub(super) fn working_time(day: NaiveDate, random: &mut Random) -> NaiveDateTime {
    let seconds = random.between(6 * 3600, 19 * 3600) as u32;
    let micros = if random.chance(300) { random.between(1, 999_999) as u32 } else { 0 };
    day.and_time(NaiveTime::from_num_seconds_from_midnight_opt(seconds, micros * 1000).unwrap_or_default())
}

/// An amount: many small ones, few large ones. In cents.
pub(super) fn amount(random: &mut Random) -> i64 {
    let size = random.skewed(6) as u32;
    random.between(1, 9) * 10_i64.pow(size + 2) + random.between(0, 9_999)
}
