//! The three kinds of thing a JDE column holds besides text: decimals, Julian dates and times of day.
//!
//! Invariant: amounts are whole numbers with a scale, never binary floating point, so that a cent is a cent.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Timelike};
use chrono_tz::Tz;

/// An exact decimal number: `units` / 10^`scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    /// The digits as a whole number.
    pub units: i64,
    /// How many of them stand after the point.
    pub scale: u8,
}

impl Decimal {
    /// `units` / 10^`scale`.
    pub fn new(units: i64, scale: u8) -> Self {
        Self { units, scale }
    }

    /// Reads `-1250.75`; no exponent, no thousands separator, at most 18 digits.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut units: i64 = 0;
        for byte in whole.bytes().chain(fraction.bytes()) {
            if !byte.is_ascii_digit() {
                return None;
            }
            units = units.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
        }
        let scale = u8::try_from(fraction.len()).ok().filter(|scale| *scale <= 18)?;
        Some(Self { units: if negative { -units } else { units }, scale })
    }

    /// The same value in `scale` decimals, or nothing when digits would be lost.
    pub fn rescale(self, scale: u8) -> Option<i64> {
        let (units, exact) = self.floor_at(scale)?;
        exact.then_some(units)
    }

    /// The largest value in `scale` decimals that is not above this one, and whether it is this very value.
    pub fn floor_at(self, scale: u8) -> Option<(i64, bool)> {
        if scale >= self.scale {
            let factor = 10_i64.checked_pow(u32::from(scale - self.scale))?;
            return Some((self.units.checked_mul(factor)?, true));
        }
        let factor = 10_i64.checked_pow(u32::from(self.scale - scale))?;
        Some((self.units.div_euclid(factor), self.units.rem_euclid(factor) == 0))
    }

    /// Appends the number as JSON writes it; `full` keeps the zeros at the end (`1.000` instead of `1`).
    pub fn write(self, full: bool, out: &mut Vec<u8>) {
        let mut digits = [b'0'; 40];
        let mut at = digits.len();
        let mut rest = self.units.unsigned_abs();
        let mut decimals = usize::from(self.scale);
        if !full {
            while decimals > 0 && rest.is_multiple_of(10) {
                rest /= 10;
                decimals -= 1;
            }
        }
        let mut written = 0;
        while rest > 0 || written <= decimals {
            if written == decimals && decimals > 0 {
                at -= 1;
                digits[at] = b'.';
            }
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            written += 1;
        }
        if self.units < 0 {
            out.push(b'-');
        }
        out.extend_from_slice(&digits[at..]);
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(24);
        self.write(false, &mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

/// `CYYDDD` of a day: 2026-11-20 is 126324, 1999-12-31 is 99365.
pub fn julian(day: NaiveDate) -> i32 {
    (day.year() - 1900) * 1000 + day.ordinal() as i32
}

/// The day of a `CYYDDD`; nothing for 0 (no date), a day that is not in the calendar, or more digits than six.
pub fn from_julian(value: i32) -> Option<NaiveDate> {
    let ordinal = u32::try_from(value.checked_rem(1000)?).ok()?;
    (1..1_000_000).contains(&value).then(|| NaiveDate::from_yo_opt(1900 + value / 1000, ordinal)).flatten()
}

/// `HHMMSS` as a number, the form of UPMT and TDAY: 09:15:02 is 91502.
pub fn time_number(time: NaiveTime) -> i32 {
    (time.hour() * 10_000 + time.minute() * 100 + time.second()) as i32
}

/// The date and time stamp that the server puts on a row it writes at `now`: its own wall clock, without a zone.
pub fn stamp(now: DateTime<chrono::Utc>, zone: Tz) -> (NaiveDate, i32) {
    let local = now.with_timezone(&zone).naive_local();
    (local.date(), time_number(local.time()))
}

/// Formats a day by the part of Java's date patterns that JDE's date preferences use (`yyyy`, `yy`, `MM`, `dd`).
pub fn format_day(pattern: &str, day: NaiveDate) -> String {
    pattern
        .replace("yyyy", &format!("{:04}", day.year()))
        .replace("yy", &format!("{:02}", day.year().rem_euclid(100)))
        .replace("MM", &format!("{:02}", day.month()))
        .replace("dd", &format!("{:02}", day.day()))
}

/// Reads a day written by such a pattern; nothing when the text does not follow it to the letter.
pub fn parse_day(pattern: &str, text: &str) -> Option<NaiveDate> {
    let (mut year, mut month, mut day) = (None, None, None);
    let mut pattern = pattern;
    let mut text = text;
    while !pattern.is_empty() {
        let (token, width) = ["yyyy", "yy", "MM", "dd"]
            .into_iter()
            .find(|token| pattern.starts_with(token))
            .map_or((None, 1), |token| (Some(token), token.len()));
        let literal = pattern.get(..width)?;
        let piece = text.get(..width)?;
        match token {
            Some("yyyy") => year = number(piece),
            Some("yy") => year = number(piece).map(|short| short + if short < 70 { 2000 } else { 1900 }),
            Some("MM") => month = number(piece),
            Some(_) => day = number(piece),
            None if piece == literal => {}
            None => return None,
        }
        pattern = pattern.get(width..)?;
        text = text.get(width..)?;
    }
    if !text.is_empty() {
        return None;
    }
    NaiveDate::from_ymd_opt(i32::try_from(year?).ok()?, month?, day?)
}

fn number(digits: &str) -> Option<u32> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// Appends `YYYYMMDD`; false when the value is no date and nothing was written.
pub fn write_day(value: i32, out: &mut Vec<u8>) -> bool {
    const STARTS: [i32; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];
    let (year, ordinal) = (1900 + value / 1000, value % 1000);
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = if leap { 366 } else { 365 };
    if value <= 0 || ordinal < 1 || ordinal > days {
        return false;
    }
    let leap_day = i32::from(leap);
    let start = |month: usize| STARTS[month] + if month >= 2 { leap_day } else { 0 };
    let mut month = ((ordinal - 1) / 31) as usize;
    if month < 11 && ordinal > start(month + 1) {
        month += 1;
    }
    let day = ordinal - start(month);
    for (part, width) in [(year, 4), (month as i32 + 1, 2), (day, 2)] {
        let mut divisor = 10_i32.pow(width - 1);
        while divisor > 0 {
            out.push(b'0' + (part / divisor % 10) as u8);
            divisor /= 10;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_written_and_compared_exactly() {
        for (text, units, scale) in [("1250.75", 125_075, 2), ("-0.05", -5, 2), ("7", 7, 0), ("1.000", 1000, 3)] {
            assert_eq!(Decimal::parse(text), Some(Decimal::new(units, scale)), "{text}");
        }
        for text in ["", "-", ".", "1e3", "1,5", "12a", "99999999999999999999"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
        let written = |decimal: Decimal, full| {
            let mut out = Vec::new();
            decimal.write(full, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(Decimal::new(125_075, 2), false), "1250.75");
        assert_eq!(written(Decimal::new(-5, 2), false), "-0.05");
        assert_eq!(written(Decimal::new(1000, 3), false), "1");
        assert_eq!(written(Decimal::new(1000, 3), true), "1.000");
        assert_eq!(written(Decimal::new(0, 2), false), "0");
        assert_eq!(written(Decimal::new(0, 2), true), "0.00");
        assert_eq!(written(Decimal::new(i64::MIN, 0), false), i64::MIN.to_string());
        assert_eq!(Decimal::new(-1255, 3).floor_at(2), Some((-126, false)));
        assert_eq!(Decimal::new(1250, 3).rescale(2), Some(125));
    }

    #[test]
    fn julian_days_go_there_and_back() {
        let day = NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
        assert_eq!(julian(day), 126_324);
        assert_eq!(julian(NaiveDate::from_ymd_opt(1999, 12, 31).unwrap()), 99_365);
        assert_eq!(from_julian(0), None);
        assert_eq!(from_julian(126_366), None, "2026 has 365 days");
        assert_eq!(from_julian(20_261_118), None);
        let mut day = NaiveDate::from_ymd_opt(1995, 1, 1).unwrap();
        while day.year() < 2029 {
            let mut out = Vec::new();
            assert!(write_day(julian(day), &mut out));
            assert_eq!(String::from_utf8(out).unwrap(), day.format("%Y%m%d").to_string());
            assert_eq!(from_julian(julian(day)), Some(day));
            day = day.succ_opt().unwrap();
        }
        assert!(!write_day(126_366, &mut Vec::new()));
    }

    #[test]
    fn days_follow_the_users_pattern_to_the_letter() {
        let day = NaiveDate::from_ymd_opt(2026, 3, 9);
        assert_eq!(parse_day("MM/dd/yyyy", "03/09/2026"), day);
        assert_eq!(parse_day("dd.MM.yy", "09.03.26"), day);
        assert_eq!(parse_day("MM/dd/yyyy", "3/9/2026"), None);
        assert_eq!(parse_day("MM/dd/yyyy", "13/09/2026"), None);
        assert_eq!(parse_day("yyyyMMdd", "20260309 "), None);
        assert_eq!(format_day("dd.MM.yy", day.unwrap()), "09.03.26");
    }
}
