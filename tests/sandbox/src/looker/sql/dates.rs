//! Filter expressions on dates and times: `2024-03`, `2024-01-01 to 2024-02-01`, `after 2024-01-01`, `7 days`, `NULL`.
//!
//! Invariant: every expression is a half-open stretch of time; stretches are found in the query's time zone.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;

use super::super::warehouse::Dialect;

/// The units that expressions count in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

/// What the words of an expression mean.
pub(super) struct Calendar {
    pub(super) now: DateTime<Utc>,
    pub(super) zone: Tz,
}

type Stretch = (Option<NaiveDateTime>, Option<NaiveDateTime>);

impl Calendar {
    /// The SQL condition, or what is wrong with the expression.
    pub(super) fn condition(&self, dialect: Dialect, sql: &str, expression: &str) -> Result<String, String> {
        let mut any = Vec::new();
        for part in expression.split(',') {
            let text = part.trim().to_ascii_lowercase();
            any.push(match text.as_str() {
                "null" => format!("({sql}) IS NULL"),
                "not null" | "-null" => format!("({sql}) IS NOT NULL"),
                _ => {
                    let stretch = self.stretch(&text).ok_or_else(|| format!("\"{part}\" is no date expression"))?;
                    self.between(dialect, sql, stretch)
                }
            });
        }
        Ok(format!("({})", any.join(" OR ")))
    }

    fn between(&self, dialect: Dialect, sql: &str, (from, to): Stretch) -> String {
        let bound = |operator: &str, at: NaiveDateTime| {
            format!("{} {operator} {}", dialect.instant(sql), dialect.moment(self.utc(at)))
        };
        let bounds: Vec<String> =
            from.map(|at| bound(">=", at)).into_iter().chain(to.map(|at| bound("<", at))).collect();
        format!("({})", bounds.join(" AND "))
    }

    fn utc(&self, local: NaiveDateTime) -> NaiveDateTime {
        // An hour that the clock skips is taken as UTC; no test stands on it.
        local.and_local_timezone(self.zone).earliest().map_or(local, |at| at.naive_utc())
    }

    fn stretch(&self, text: &str) -> Option<Stretch> {
        if let Some(rest) = text.strip_prefix("after ") {
            return Some((Some(self.point(rest)?.0), None));
        }
        if let Some(rest) = text.strip_prefix("before ") {
            return Some((None, Some(self.point(rest)?.0)));
        }
        if let Some((from, to)) = text.split_once(" to ") {
            return Some((Some(self.point(from)?.0), Some(self.point(to)?.0)));
        }
        let (from, to) = self.point(text)?;
        Some((Some(from), Some(to)))
    }

    /// The stretch that one date or one word covers.
    fn point(&self, text: &str) -> Option<(NaiveDateTime, NaiveDateTime)> {
        let text = text.trim();
        if let Some(stretch) = absolute(text) {
            return Some(stretch);
        }
        let local = self.now.with_timezone(&self.zone).naive_local();
        let around = |unit: Unit, back: i64| {
            let from = unit.add(unit.floor(local)?, -back)?;
            Some((from, unit.add(from, 1)?))
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            ["now"] => Some((local, local + TimeDelta::seconds(1))),
            ["today"] => around(Unit::Day, 0),
            ["yesterday"] => around(Unit::Day, 1),
            ["this", unit] => around(Unit::find(unit)?, 0),
            ["last", unit] => around(Unit::find(unit)?, 1),
            // The last n whole units, the one under way not among them.
            ["last", number, unit] => {
                let (number, unit) = (number.parse::<i64>().ok()?, Unit::find(unit)?);
                let to = unit.floor(local)?;
                Some((unit.add(to, -number)?, to))
            }
            [number, unit, "ago"] => around(Unit::find(unit)?, number.parse().ok()?),
            // The last n units, the one under way among them.
            [number, unit] => {
                let (number, unit) = (number.parse::<i64>().ok()?, Unit::find(unit)?);
                let to = unit.add(unit.floor(local)?, 1)?;
                Some((unit.add(to, -number)?, to))
            }
            _ => None,
        }
    }
}

/// `2024`, `2024-03`, `2024-03-05`, `2024-03-05 17:30[:00]`; `/` works like `-`.
fn absolute(text: &str) -> Option<(NaiveDateTime, NaiveDateTime)> {
    let text = text.replace('/', "-");
    for (form, unit) in [("%Y-%m-%d %H:%M:%S", Unit::Second), ("%Y-%m-%d %H:%M", Unit::Minute)] {
        if let Ok(at) = NaiveDateTime::parse_from_str(&text.replacen('t', " ", 1), form) {
            return Some((at, unit.add(at, 1)?));
        }
    }
    let mut parts = text.split('-');
    let whole = |part: Option<&str>| part.map(|part| part.parse::<u32>().ok());
    let year: i32 = parts.next().filter(|year| year.len() == 4)?.parse().ok()?;
    let (month, day) = (whole(parts.next()), whole(parts.next()));
    if parts.next().is_some() {
        return None;
    }
    let (unit, month, day) = match (month, day) {
        (None, _) => (Unit::Year, 1, 1),
        (Some(month), None) => (Unit::Month, month?, 1),
        (Some(month), Some(day)) => (Unit::Day, month?, day?),
    };
    let from = NaiveDate::from_ymd_opt(year, month, day)?.and_time(NaiveTime::MIN);
    Some((from, unit.add(from, 1)?))
}

impl Unit {
    fn find(name: &str) -> Option<Self> {
        Some(match name.strip_suffix('s').unwrap_or(name) {
            "second" => Self::Second,
            "minute" => Self::Minute,
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "quarter" => Self::Quarter,
            "year" => Self::Year,
            _ => return None,
        })
    }

    /// The beginning of the unit that holds this time; weeks begin on Monday.
    fn floor(self, at: NaiveDateTime) -> Option<NaiveDateTime> {
        let day = at.date();
        let date = match self {
            Self::Second => return at.with_nanosecond(0),
            Self::Minute => return at.with_nanosecond(0)?.with_second(0),
            Self::Hour => return at.with_nanosecond(0)?.with_second(0)?.with_minute(0),
            Self::Day => day,
            Self::Week => day - TimeDelta::days(i64::from(day.weekday().num_days_from_monday())),
            Self::Month => day.with_day(1)?,
            Self::Quarter => day.with_day(1)?.with_month((day.month0() / 3) * 3 + 1)?,
            Self::Year => NaiveDate::from_ymd_opt(day.year(), 1, 1)?,
        };
        Some(date.and_time(NaiveTime::MIN))
    }

    fn add(self, at: NaiveDateTime, number: i64) -> Option<NaiveDateTime> {
        let months = |months: i64| {
            let count = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
            if months < 0 { at.checked_sub_months(count) } else { at.checked_add_months(count) }
        };
        let days = |days: i64| {
            let count = Days::new(days.unsigned_abs());
            if days < 0 { at.checked_sub_days(count) } else { at.checked_add_days(count) }
        };
        match self {
            Self::Second => at.checked_add_signed(TimeDelta::try_seconds(number)?),
            Self::Minute => at.checked_add_signed(TimeDelta::try_minutes(number)?),
            Self::Hour => at.checked_add_signed(TimeDelta::try_hours(number)?),
            Self::Day => days(number),
            Self::Week => days(number.checked_mul(7)?),
            Self::Month => months(number),
            Self::Quarter => months(number.checked_mul(3)?),
            Self::Year => months(number.checked_mul(12)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_become_half_open_stretches() {
        let now = "2026-11-20T12:34:56Z".parse().unwrap();
        let utc = Calendar { now, zone: Tz::UTC };
        for (expression, from, to) in [
            ("2024-01-01 to 2024-02-01", "2024-01-01 00:00", "2024-02-01 00:00"),
            ("after 2024-01-01", "2024-01-01 00:00", ""),
            ("before 2024/01/02", "", "2024-01-02 00:00"),
            ("2024", "2024-01-01 00:00", "2025-01-01 00:00"),
            ("2024-12", "2024-12-01 00:00", "2025-01-01 00:00"),
            ("2024-02-29", "2024-02-29 00:00", "2024-03-01 00:00"),
            ("2024-02-29 17:30", "2024-02-29 17:30", "2024-02-29 17:31"),
            ("7 days", "2026-11-14 00:00", "2026-11-21 00:00"),
            ("2 hours", "2026-11-20 11:00", "2026-11-20 13:00"),
            ("last 7 days", "2026-11-13 00:00", "2026-11-20 00:00"),
            ("last month", "2026-10-01 00:00", "2026-11-01 00:00"),
            ("this week", "2026-11-16 00:00", "2026-11-23 00:00"),
            ("yesterday", "2026-11-19 00:00", "2026-11-20 00:00"),
            ("3 days ago", "2026-11-17 00:00", "2026-11-18 00:00"),
            ("before 3 days ago", "", "2026-11-17 00:00"),
        ] {
            let shown =
                |at: Option<NaiveDateTime>| at.map_or(String::new(), |at| at.format("%Y-%m-%d %H:%M").to_string());
            let (found_from, found_to) = utc.stretch(expression).unwrap_or_else(|| panic!("{expression}"));
            assert_eq!((shown(found_from), shown(found_to)), (from.into(), to.into()), "{expression}");
        }
        for expression in ["", "soon", "2024-13", "2024-1-1-1", "7 fortnights", "24-01-01"] {
            assert!(utc.condition(Dialect::Sqlite, "d", expression).is_err(), "{expression}");
        }
    }

    #[test]
    fn bounds_are_written_in_utc_whatever_the_zone_of_the_query() {
        let there = Calendar { now: "2026-11-20T12:00:00Z".parse().unwrap(), zone: chrono_tz::America::New_York };
        assert_eq!(
            there.condition(Dialect::Sqlite, "d", "2026-11-20, NULL").unwrap(),
            "((looker_moment(d) >= '2026-11-20 05:00:00.000000' AND looker_moment(d) < '2026-11-21 05:00:00.000000') \
             OR (d) IS NULL)"
        );
        assert_eq!(
            there.condition(Dialect::Postgres, "d", "before 2026-07-01").unwrap(),
            "(((d)::timestamptz < '2026-07-01 04:00:00.000000+00'::timestamptz))"
        );
    }
}
