//! List prices. Nothing is taken off for free tiers, savings plans or contracts.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul};

use serde::{Serialize, Serializer};

/// Where these prices hold.
pub const REGION: &str = "us-east-1";

/// When they were read.
pub const READ_ON: &str = "2026-11-21";

/// An amount in billionths of a thousandth of a US dollar: the smallest price is a fraction of a millionth of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Usd(u64);

/// A DynamoDB write unit on demand: 1 KB.
pub const WRITE: Usd = Usd::per_million(625);
/// A DynamoDB read unit on demand: 4 KB, consistent.
pub const READ: Usd = Usd::per_million(125);
/// An SQS request about a message with a group, as fair queues have them: 64 KB.
pub const REQUEST: Usd = Usd::per_million(500);
/// An SQS request of a poller that finds nothing.
pub const EMPTY_REQUEST: Usd = Usd::per_million(400);
/// A Lambda invocation.
pub const INVOCATION: Usd = Usd::per_million(200);
/// A Lambda function of 1 GB on arm64 for a thousandth of a second. On x86_64 a quarter more.
pub const GB_MILLISECOND: Usd = Usd(13_333);
/// A firing of EventBridge Scheduler.
pub const FIRING: Usd = Usd::per_million(1_000);
/// A secret for a month.
pub const SECRET: Usd = Usd::cents(40);
/// A key for a month.
pub const KEY: Usd = Usd::cents(100);
/// An alarm for a month.
pub const ALARM: Usd = Usd::cents(10);

const PER_DOLLAR: u64 = 1_000_000_000_000;

impl Usd {
    /// A price of so many thousandths of a dollar per million.
    const fn per_million(thousandths: u64) -> Self {
        Self(thousandths * 1_000)
    }

    const fn cents(cents: u64) -> Self {
        Self(cents * PER_DOLLAR / 100)
    }

    /// What a million would cost when `count` cost this; `None` when there is none.
    pub fn per_million_of(self, count: u64) -> Option<Self> {
        let million = u128::from(self.0) * 1_000_000;
        let each = million.checked_div(u128::from(count))?;
        u64::try_from(each).ok().map(Self)
    }
}

impl Mul<u64> for Usd {
    type Output = Self;

    fn mul(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }
}

impl Add for Usd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Usd {
    /// In dollars: to the cent from ten cents on, to four digits below.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (decimals, unit) = if self.0 >= PER_DOLLAR / 10 { (2, PER_DOLLAR / 100) } else { (4, PER_DOLLAR / 10_000) };
        let rounded = (self.0 + unit / 2) / unit * unit;
        write!(f, "{}.{:0decimals$}", rounded / PER_DOLLAR, rounded % PER_DOLLAR / unit)
    }
}

impl Serialize for Usd {
    /// In dollars, to the millionth.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let micros = (self.0 + 500_000) / 1_000_000;
        #[allow(
            clippy::cast_precision_loss,
            reason = "nobody pays more than a double counts in millionths of a dollar"
        )]
        serializer.serialize_f64(micros as f64 / 1_000_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_those_of_the_lists() {
        let of_a_million = |price: Usd| (price * 1_000_000).to_string();
        assert_eq!(of_a_million(WRITE), "0.63");
        assert_eq!((WRITE * 100_000_000).to_string(), "62.50");
        assert_eq!((READ * 100_000_000).to_string(), "12.50");
        assert_eq!((REQUEST * 100_000_000).to_string(), "50.00");
        assert_eq!(of_a_million(GB_MILLISECOND), "0.0133");
        assert_eq!((GB_MILLISECOND * 1_000 * 1_000_000).to_string(), "13.33");
        assert_eq!((SECRET + KEY + ALARM).to_string(), "1.50");
    }

    #[test]
    fn small_amounts_keep_their_digits() {
        assert_eq!(Usd::cents(7).to_string(), "0.0700");
        assert_eq!((FIRING * 123).to_string(), "0.0001");
        assert_eq!(Usd::default().to_string(), "0.0000");
        assert_eq!(serde_json::to_string(&(FIRING * 123)).unwrap(), "0.000123");
        assert_eq!(Usd::cents(50).per_million_of(2_000_000).unwrap(), Usd::cents(25));
        assert_eq!(Usd::cents(50).per_million_of(0), None);
    }
}
