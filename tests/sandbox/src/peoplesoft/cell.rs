//! One value of a record, and the forms in which PeopleSoft writes it.
//!
//! Invariant: nothing is repaired. A text that is no number or date where the field wants one stays a text, and whoever reads
//! it has to deal with it. Amounts are whole numbers with a scale, never floating point.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use chrono::{NaiveDate, NaiveDateTime};

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Character; blank is the empty text here and one blank in the real database.
    Text,
    /// Number or signed number with so many decimals; an empty one is 0.
    Number {
        /// Decimals of the column, which only the XML form shows in full.
        decimals: u8,
    },
    /// Date; may be null.
    Date,
    /// Date and time in the database's base time zone; may be null.
    DateTime,
}

/// A decimal number without zeros at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    units: i64,
    decimals: u8,
}

impl Decimal {
    /// `units` over ten to the `decimals`: 125050 and 2 make 1250.50.
    pub fn new(mut units: i64, mut decimals: u8) -> Self {
        while decimals > 0 && units % 10 == 0 {
            units /= 10;
            decimals -= 1;
        }
        Self { units, decimals }
    }

    /// Digits with one dot and a sign; nothing for anything else and for what has more than 18 digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && part.is_empty()) || !plain(whole) || !plain(part) {
            return None;
        }
        let units: i64 = format!("{whole}{part}").parse().ok()?;
        let sign = if text.starts_with('-') { -1 } else { 1 };
        Some(Self::new(sign * units, u8::try_from(part.len()).ok()?))
    }

    /// The number with at least so many decimals: `1250.500`.
    pub fn padded(self, decimals: u8) -> String {
        let text = self.to_string();
        let missing = usize::from(decimals.saturating_sub(self.decimals));
        if missing == 0 {
            return text;
        }
        let dot = if self.decimals == 0 { "." } else { "" };
        format!("{text}{dot}{}", "0".repeat(missing))
    }

    /// The sum; nothing when it is too large.
    pub fn plus(self, other: Self) -> Option<Self> {
        let decimals = self.decimals.max(other.decimals);
        let sum = self.scaled(decimals).checked_add(other.scaled(decimals))?;
        Some(Self::new(i64::try_from(sum).ok()?, decimals))
    }

    /// Appends the number as [`fmt::Display`] shows it.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        // The digits of 64 bits, a dot and a sign; zeros in front of a longer fraction than that are not met.
        let mut written = [b'0'; 32];
        let decimals = usize::from(self.decimals);
        if decimals > 20 {
            return out.extend_from_slice(self.to_string().as_bytes());
        }
        let (mut at, mut rest, mut digits) = (written.len(), self.units.unsigned_abs(), 0);
        while rest > 0 || digits <= decimals {
            if digits == decimals && decimals > 0 {
                at -= 1;
                written[at] = b'.';
            }
            at -= 1;
            written[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            digits += 1;
        }
        if self.units < 0 {
            at -= 1;
            written[at] = b'-';
        }
        out.extend_from_slice(&written[at..]);
    }

    fn scaled(self, decimals: u8) -> i128 {
        i128::from(self.units) * 10_i128.pow(u32::from(decimals - self.decimals.min(decimals)))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let decimals = self.decimals.max(other.decimals);
        self.scaled(decimals).cmp(&other.scaled(decimals))
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.decimals == 0 {
            return write!(f, "{}", self.units);
        }
        let decimals = usize::from(self.decimals);
        let digits = format!("{:0>width$}", self.units.unsigned_abs(), width = decimals + 1);
        let (whole, part) = digits.split_at(digits.len() - decimals);
        write!(f, "{}{whole}.{part}", if self.units < 0 { "-" } else { "" })
    }
}

/// One value. Values of one field compare as the database would compare them; null comes first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cell {
    /// An empty date or date and time.
    Null,
    /// A number.
    Number(Decimal),
    /// A date.
    Date(NaiveDate),
    /// A date and time of the database's wall clock.
    DateTime(NaiveDateTime),
    /// A text, or whatever stands where something else should.
    Text(Arc<str>),
}

impl Cell {
    /// What an empty field holds.
    pub fn empty(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text("".into()),
            Kind::Number { .. } => Self::Number(Decimal::new(0, 0)),
            Kind::Date | Kind::DateTime => Self::Null,
        }
    }

    /// A text as the field would hold it; a text stays a text where it does not fit.
    pub fn parse(kind: Kind, text: &str) -> Self {
        if text.trim().is_empty() {
            return Self::empty(kind);
        }
        let parsed = match kind {
            Kind::Text => None,
            Kind::Number { .. } => Decimal::parse(text.trim()).map(Self::Number),
            Kind::Date => NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").ok().map(Self::Date),
            Kind::DateTime => date_time(text.trim()).map(Self::DateTime),
        };
        parsed.unwrap_or_else(|| Self::Text(text.trim_end_matches(' ').into()))
    }

    /// Appends the plain form.
    pub(super) fn push_onto(&self, text: &mut String) {
        match self {
            Self::Text(own) => text.push_str(own),
            other => text.push_str(&other.to_string()),
        }
    }
}

/// The three forms of section 4, with or without fractions.
fn date_time(text: &str) -> Option<NaiveDateTime> {
    const FORMS: [&str; 3] = ["%Y-%m-%d-%H.%M.%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
    FORMS.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
}

/// The plain form: what a concatenation or a test sees.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Number(number) => number.fmt(f),
            Self::Date(day) => write!(f, "{}", day.format("%Y-%m-%d")),
            Self::DateTime(at) => write!(f, "{}", at.format("%Y-%m-%d-%H.%M.%S%.6f")),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Number(Decimal::new(number, 0))
    }
}

impl From<i32> for Cell {
    fn from(number: i32) -> Self {
        i64::from(number).into()
    }
}

impl From<Decimal> for Cell {
    fn from(number: Decimal) -> Self {
        Self::Number(number)
    }
}

impl From<NaiveDate> for Cell {
    fn from(day: NaiveDate) -> Self {
        Self::Date(day)
    }
}

impl From<Option<NaiveDate>> for Cell {
    fn from(day: Option<NaiveDate>) -> Self {
        day.map_or(Self::Null, Self::Date)
    }
}

impl From<NaiveDateTime> for Cell {
    fn from(at: NaiveDateTime) -> Self {
        Self::DateTime(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_value_and_lose_their_zeros() {
        let shown = |text: &str| Decimal::parse(text).map(|number| number.to_string());
        assert_eq!(shown("1250.500").as_deref(), Some("1250.5"));
        assert_eq!(shown("-0.050").as_deref(), Some("-0.05"));
        assert_eq!(shown("100").as_deref(), Some("100"));
        assert_eq!((shown("1,5"), shown(""), shown("9".repeat(19).as_str())), (None, None, None));
        assert_eq!(Decimal::new(12505, 1).padded(3), "1250.500");
        assert_eq!(Decimal::new(7, 0).padded(2), "7.00");
        assert!(Decimal::new(15, 1) < Decimal::new(2, 0) && Decimal::new(-2, 0) < Decimal::new(-15, 1));
        assert_eq!(Decimal::new(15, 1).plus(Decimal::new(25, 2)), Some(Decimal::new(175, 2)));
    }

    #[test]
    fn numbers_are_written_as_they_are_shown() {
        for (units, decimals) in
            [(0, 2), (5, 0), (5, 3), (-5, 3), (-125_050, 2), (i64::MIN, 0), (i64::MAX, 19), (7, 20), (7, 30)]
        {
            let (number, mut written) = (Decimal::new(units, decimals), Vec::new());
            number.write(&mut written);
            assert_eq!(String::from_utf8(written).unwrap(), number.to_string());
        }
    }

    #[test]
    fn what_does_not_fit_stays_as_it_came() {
        assert_eq!(Cell::parse(Kind::Number { decimals: 3 }, "n/a"), Cell::from("n/a"));
        assert_eq!(Cell::parse(Kind::Date, "2026-13-45"), Cell::from("2026-13-45"));
        assert_eq!(Cell::parse(Kind::Date, " "), Cell::Null);
        let at = NaiveDate::from_ymd_opt(2026, 11, 20).unwrap().and_hms_opt(9, 15, 2).unwrap();
        for form in ["2026-11-20-09.15.02.000000", "2026-11-20T09:15:02", "2026-11-20 09:15:02"] {
            assert_eq!(Cell::parse(Kind::DateTime, form), Cell::DateTime(at));
        }
    }
}
