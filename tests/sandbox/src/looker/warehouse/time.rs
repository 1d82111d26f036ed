//! Points in time as SQLite files hold them (text), and the timeframes they are shown in.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

/// A value of a date or time column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Moment {
    /// A day of the calendar, which no time zone moves.
    Day(NaiveDate),
    /// A point in time, in UTC.
    Instant(NaiveDateTime),
}

impl Moment {
    /// Reads `2026-11-20`, `2026-11-20T23:59:58.123456Z`, the same with a blank, an offset, or none of both.
    pub(in super::super) fn parse(text: &str) -> Option<Self> {
        if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return Some(Self::Day(day));
        }
        if let Ok(instant) = DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)) {
            return Some(Self::Instant(instant.with_timezone(&Utc).naive_utc()));
        }
        let local = NaiveDateTime::parse_from_str(&text.replacen('T', " ", 1), "%Y-%m-%d %H:%M:%S%.f");
        local.ok().map(Self::Instant)
    }

    /// As UTC, in a form that compares as text.
    pub(in super::super) fn key(self) -> String {
        let at = match self {
            Self::Day(day) => day.and_time(NaiveTime::MIN),
            Self::Instant(at) => at,
        };
        key(at)
    }

    /// The timeframe it falls into; `frame` is LookML's name.
    pub(in super::super) fn shown(self, frame: &str, zone: Tz) -> Option<String> {
        let local = match self {
            Self::Day(day) => day.and_time(NaiveTime::MIN),
            Self::Instant(at) => at.and_utc().with_timezone(&zone).naive_local(),
        };
        let day = local.date();
        Some(match frame {
            "time" => local.format("%Y-%m-%d %H:%M:%S").to_string(),
            "date" => day.format("%Y-%m-%d").to_string(),
            "week" => {
                let monday = day - TimeDelta::days(i64::from(day.weekday().num_days_from_monday()));
                monday.format("%Y-%m-%d").to_string()
            }
            "month" => day.format("%Y-%m").to_string(),
            "quarter" => format!("{:04}-{:02}", day.year(), (day.month0() / 3) * 3 + 1),
            "year" => day.year().to_string(),
            _ => return None,
        })
    }
}

/// A point in time in the form of [`Moment::key`].
pub(in super::super) fn key(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_times_are_shown_in_their_frames() {
        let zone = chrono_tz::America::New_York;
        for (text, frame, utc, there) in [
            ("2026-11-20T03:04:05.000000Z", "time", "2026-11-20 03:04:05", "2026-11-19 22:04:05"),
            ("2026-11-20T03:04:05.5Z", "date", "2026-11-20", "2026-11-19"),
            ("2026-11-20 03:04:05+02", "week", "2026-11-16", "2026-11-16"),
            ("2026-11-20", "week", "2026-11-16", "2026-11-16"),
            ("2026-11-20", "month", "2026-11", "2026-11"),
            ("2026-12-31", "quarter", "2026-10", "2026-10"),
            ("2027-01-01 00:00:00", "year", "2027", "2026"),
        ] {
            let text = text.replace("+02", "+02:00");
            let moment = Moment::parse(&text).unwrap();
            assert_eq!(moment.shown(frame, Tz::UTC).unwrap(), utc, "{text}");
            assert_eq!(moment.shown(frame, zone).unwrap(), there, "{text}");
        }
        assert_eq!(Moment::parse("20.11.2026"), None);
        assert!(Moment::parse("2026-11-20").unwrap().key() < Moment::parse("2026-11-20T00:00:01Z").unwrap().key());
    }
}
