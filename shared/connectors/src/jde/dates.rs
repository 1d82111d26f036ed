//! Dates as JD Edwards writes them, in filters and in answers.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use engine::{Error, Result};

use super::query::Literal;

/// How the dates of one request are written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum DateWriter {
    /// As days from the server's today.
    Special {
        /// The server's today.
        today: NaiveDate,
    },
    /// By a Java date pattern, the user's date preference.
    Pattern(String),
    /// As `CYYDDD`.
    Julian,
    /// As `YYYYMMDD`.
    Iso,
}

impl DateWriter {
    /// The literal of a day.
    pub(super) fn literal(&self, day: NaiveDate) -> Literal {
        match self {
            Self::Special { today } => match (*today - day).num_days() {
                0 => Literal::special("0", "TODAY"),
                past if past > 0 => Literal::special(&past.to_string(), "TODAY_MINUS_DAY"),
                future => Literal::special(&future.unsigned_abs().to_string(), "TODAY_PLUS_DAY"),
            },
            Self::Pattern(pattern) => Literal::text(&by_pattern(pattern, day)),
            Self::Julian => Literal::text(&julian(day).to_string()),
            Self::Iso => Literal::text(&day.format("%Y%m%d").to_string()),
        }
    }

    /// How many days a window is widened at both ends: a day that passes between asking and answering shifts days that
    /// are counted from today.
    pub(super) fn widening(&self) -> u64 {
        u64::from(matches!(self, Self::Special { .. }))
    }
}

/// `CYYDDD`: 2026-11-20 is 126324, 1999-12-31 is 99365.
pub(super) fn julian(day: NaiveDate) -> i64 {
    (i64::from(day.year()) - 1900) * 1000 + i64::from(day.ordinal())
}

/// Refuses a Java date pattern with other fields than year, month and day.
///
/// # Errors
/// Stops and names the pattern.
pub(super) fn check_pattern(pattern: &str) -> Result<()> {
    let known = |c: char| !c.is_ascii_alphabetic() || matches!(c, 'y' | 'M' | 'd');
    let complete = ["y", "M", "d"].iter().all(|field| pattern.contains(field));
    if pattern.chars().all(known) && complete && !pattern.contains("MMM") {
        return Ok(());
    }
    Err(Error::stop(format!(
        "the date format `{pattern}` is not made of yyyy or yy, MM and dd: set `date_format`, or use another `date_literal`"
    )))
}

/// Writes a day by a Java pattern of `yyyy`, `yy`, `MM`, `M`, `dd`, `d` and separators.
fn by_pattern(pattern: &str, day: NaiveDate) -> String {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some(field) = rest.chars().next() {
        let end = rest.find(|c| c != field).unwrap_or(rest.len());
        let (run, tail) = rest.split_at(end);
        match (field, run.len()) {
            ('y', 2) => text.push_str(&format!("{:02}", day.year().rem_euclid(100))),
            ('y', _) => text.push_str(&format!("{:04}", day.year())),
            ('M', 1) => text.push_str(&day.month().to_string()),
            ('M', _) => text.push_str(&format!("{:02}", day.month())),
            ('d', 1) => text.push_str(&day.day().to_string()),
            ('d', _) => text.push_str(&format!("{:02}", day.day())),
            _ => text.push_str(run),
        }
        rest = tail;
    }
    text
}

/// Reads the `timeStamp` of an answer, `2026-11-20:14.30.02`: the server's wall clock, without a zone.
pub(super) fn time_stamp(text: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d:%H.%M.%S").ok()
}

/// Reads the date of a cell, `20261120`; anything else is none.
pub(super) fn cell_date(text: &str) -> Option<NaiveDate> {
    let digits = text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| NaiveDate::parse_from_str(text, "%Y%m%d").ok()).flatten()
}

/// The point in time of a wall clock. When clocks go back an hour comes twice: the earlier one, so that a watermark is
/// never too late. When they go forward an hour is skipped: what the clock showed before.
pub(super) fn to_utc(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    let earliest = |local: NaiveDateTime| zone.from_local_datetime(&local).earliest();
    let found = earliest(local)
        .or_else(|| earliest(local - TimeDelta::hours(1)))
        .or_else(|| earliest(local - TimeDelta::days(1)));
    found.map_or_else(|| Utc.from_utc_datetime(&local), |t| t.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_is_written_as_the_site_wants_it() {
        let special = |today: &str| DateWriter::Special { today: day(today) };
        for (writer, content, id) in [
            (special("2026-11-20"), "0", "TODAY"),
            (special("2026-11-23"), "3", "TODAY_MINUS_DAY"),
            (special("2026-11-18"), "2", "TODAY_PLUS_DAY"),
            (DateWriter::Pattern("MM/dd/yyyy".into()), "11/20/2026", "LITERAL"),
            (DateWriter::Pattern("d.M.yy".into()), "20.11.26", "LITERAL"),
            (DateWriter::Pattern("yyyy-MM-dd".into()), "2026-11-20", "LITERAL"),
            (DateWriter::Julian, "126324", "LITERAL"),
            (DateWriter::Iso, "20261120", "LITERAL"),
        ] {
            assert_eq!(writer.literal(day("2026-11-20")), Literal::special(content, id), "{writer:?}");
        }
        assert_eq!(julian(day("1999-12-31")), 99_365);
        assert_eq!(julian(day("2000-01-01")), 100_001);
    }

    #[test]
    fn patterns_of_other_fields_are_refused() {
        for good in ["MM/dd/yyyy", "dd.MM.yy", "yyyy-MM-dd", "d/M/yyyy"] {
            check_pattern(good).unwrap();
        }
        for bad in ["", "MM/yyyy", "dd MMM yyyy", "DDDyyyyMM", "dd/MM/yyyy HH"] {
            assert!(check_pattern(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_hour_that_comes_twice_is_the_earlier_one_and_a_skipped_one_is_not_late() {
        let zone: Tz = "America/Chicago".parse().unwrap();
        for (local, utc) in [
            ("2026-11-20:14.30.02", "2026-11-20T20:30:02Z"),
            ("2026-11-01:01.30.00", "2026-11-01T06:30:00Z"),
            ("2026-03-08:02.30.00", "2026-03-08T07:30:00Z"),
        ] {
            assert_eq!(to_utc(zone, time_stamp(local).unwrap()), utc.parse::<DateTime<Utc>>().unwrap(), "{local}");
        }
        assert_eq!(time_stamp("2026-11-20 14:30:02"), None);
    }

    #[test]
    fn only_eight_digits_of_the_calendar_are_a_date() {
        assert_eq!(cell_date("20261120"), Some(day("2026-11-20")));
        for text in ["", " ", "20261332", "2026112", "+2026112", "2026-1-1"] {
            assert_eq!(cell_date(text), None, "{text}");
        }
    }
}
