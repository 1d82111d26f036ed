//! Days and instants: how they are read, written and cut.
//!
//! Invariant: a DATE is the days since 1970-01-01, both kinds of timestamp are microseconds since then; the session's zone is
//! UTC.

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};

pub(super) const MICROS_PER_DAY: i64 = 86_400_000_000;

pub(super) fn date_of(days: i64) -> Option<NaiveDate> {
    NaiveDate::from_epoch_days(i32::try_from(days).ok()?)
}

pub(super) fn days_of(date: NaiveDate) -> i64 {
    i64::from(date.to_epoch_days())
}

pub(super) fn instant(micros: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros).map(|at| at.naive_utc())
}

pub(super) fn micros_of(at: NaiveDateTime) -> i64 {
    at.and_utc().timestamp_micros()
}

/// `2026-11-21`, also with fewer digits, also with a time behind it.
pub(super) fn parse_date(text: &str) -> Option<i64> {
    let text = text.trim();
    let end = text.find(['T', ' ']).unwrap_or(text.len());
    let mut parts = text.get(..end)?.splitn(3, '-');
    let year = parts.next().filter(|year| year.len() == 4)?.parse().ok()?;
    let mut part = || parts.next().map_or(Some(1), |part| (1..=2).contains(&part.len()).then(|| part.parse().ok())?);
    let (month, day) = (part()?, part()?);
    NaiveDate::from_ymd_opt(year, month, day).map(days_of)
}

/// `2026-11-21 09:30:00.123456`, with `T` or a blank, with or without an offset; a date alone is its midnight.
pub(super) fn parse_timestamp(text: &str) -> Option<i64> {
    let text = text.trim();
    let Some(at) = text.find(['T', ' ']) else {
        return parse_date(text)?.checked_mul(MICROS_PER_DAY);
    };
    let day = parse_date(text.get(..at)?)?;
    let (clock, offset) = split_offset(text.get(at + 1..)?);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.splitn(3, ':').map(|part| part.parse::<u32>().ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    let time = NaiveTime::from_hms_opt(hour, minute, parts.next().unwrap_or(Some(0))?)?;
    let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let fraction: i64 = digits.parse().ok()?;
    let micros = i64::from(time.num_seconds_from_midnight()) * 1_000_000 + fraction;
    day.checked_mul(MICROS_PER_DAY)?.checked_add(micros)?.checked_sub(offset? * 60_000_000)
}

/// A time of day and the minutes of the offset behind it; no minutes where it is none.
fn split_offset(text: &str) -> (&str, Option<i64>) {
    if let Some(clock) = text.strip_suffix('Z').or_else(|| text.strip_suffix(" UTC")) {
        return (clock.trim_end(), Some(0));
    }
    let Some(at) = text.rfind(['+', '-']) else {
        return (text, Some(0));
    };
    let (clock, offset) = text.split_at(at);
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let digits = offset.get(1..).unwrap_or_default();
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => digits.split_at(2),
        None => (digits, "0"),
    };
    let minutes = hours.parse::<i64>().ok().zip(minutes.parse::<i64>().ok()).map(|(h, m)| sign * (h * 60 + m));
    (clock.trim_end(), minutes)
}

pub(super) fn date_text(days: i64) -> Option<String> {
    date_of(days).map(|date| date.format("%Y-%m-%d").to_string())
}

/// As results show it: `2026-11-21T09:30:00.000Z`, with all six digits where they are needed.
pub(super) fn result_text(micros: i64, zone: &str) -> Option<String> {
    let at = instant(micros)?;
    let format = if micros.rem_euclid(1000) == 0 { "%Y-%m-%dT%H:%M:%S%.3f" } else { "%Y-%m-%dT%H:%M:%S%.6f" };
    Some(format!("{}{zone}", at.format(format)))
}

/// As a cast to STRING shows it: `2026-11-21 09:30:00.5`.
pub(super) fn cast_text(micros: i64) -> Option<String> {
    let at = instant(micros)?;
    let mut text = at.format("%Y-%m-%d %H:%M:%S").to_string();
    let fraction = format!("{:06}", micros.rem_euclid(1_000_000));
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(fraction);
    }
    Some(text)
}

/// Cut to the beginning of its year, month, …; nothing for a unit that is none.
pub(super) fn truncated(micros: i64, unit: &str) -> Option<i64> {
    let at = instant(micros)?;
    let unit = unit.to_ascii_uppercase();
    let step = match unit.as_str() {
        "MICROSECOND" => Some(1),
        "MILLISECOND" => Some(1_000),
        "SECOND" => Some(1_000_000),
        "MINUTE" => Some(60_000_000),
        "HOUR" => Some(3_600_000_000),
        "DAY" | "DD" => Some(MICROS_PER_DAY),
        _ => None,
    };
    if let Some(step) = step {
        return Some(micros - micros.rem_euclid(step));
    }
    let date = at.date();
    let date = match unit.as_str() {
        "WEEK" => date - TimeDelta::days(i64::from(date.weekday().num_days_from_monday())),
        "MONTH" | "MM" | "MON" => date.with_day(1)?,
        "QUARTER" => NaiveDate::from_ymd_opt(date.year(), date.month0() / 3 * 3 + 1, 1)?,
        "YEAR" | "YYYY" | "YY" => NaiveDate::from_ymd_opt(date.year(), 1, 1)?,
        _ => return None,
    };
    Some(days_of(date) * MICROS_PER_DAY)
}

/// A part of it, such as its year; nothing for a part that is none.
pub(super) fn part(micros: i64, unit: &str) -> Option<i64> {
    let at = instant(micros)?;
    let number = match unit.to_ascii_uppercase().as_str() {
        "YEAR" => i64::from(at.year()),
        "QUARTER" => i64::from(at.month0() / 3 + 1),
        "MONTH" => i64::from(at.month()),
        "WEEK" => i64::from(at.iso_week().week()),
        "DAY" | "DAYOFMONTH" => i64::from(at.day()),
        "DAYOFWEEK" => i64::from(at.weekday().num_days_from_sunday() + 1),
        "DAYOFYEAR" => i64::from(at.ordinal()),
        "HOUR" => i64::from(at.hour()),
        "MINUTE" => i64::from(at.minute()),
        "SECOND" => i64::from(at.second()),
        _ => return None,
    };
    Some(number)
}

pub(super) fn plus_months(micros: i64, months: i64) -> Option<i64> {
    let at = instant(micros)?;
    let by = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    let moved = if months < 0 { at.checked_sub_months(by) } else { at.checked_add_months(by) };
    moved.map(micros_of)
}

/// By a pattern of letters such as `yyyy-MM-dd HH:mm:ss`; nothing for letters that are not known.
pub(super) fn formatted(micros: i64, pattern: &str) -> Option<String> {
    let at = instant(micros)?;
    let mut text = String::new();
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\'' {
            text.extend(letters.by_ref().take_while(|quoted| *quoted != '\''));
            continue;
        }
        if !letter.is_ascii_alphabetic() {
            text.push(letter);
            continue;
        }
        let mut width = 1;
        while letters.next_if_eq(&letter).is_some() {
            width += 1;
        }
        let number = match letter {
            'y' | 'u' if width == 2 => at.year().rem_euclid(100).unsigned_abs(),
            'y' | 'u' => at.year().unsigned_abs(),
            'M' | 'L' if width >= 3 => {
                text.push_str(&at.format(if width == 3 { "%b" } else { "%B" }).to_string());
                continue;
            }
            'E' => {
                text.push_str(&at.format(if width <= 3 { "%a" } else { "%A" }).to_string());
                continue;
            }
            'M' | 'L' => at.month(),
            'Q' | 'q' => at.month0() / 3 + 1,
            'd' => at.day(),
            'D' => at.ordinal(),
            'H' => at.hour(),
            'm' => at.minute(),
            's' => at.second(),
            'S' => {
                let digits = format!("{:09}", at.nanosecond() % 1_000_000_000);
                text.push_str(digits.get(..width.min(9))?);
                continue;
            }
            'X' => {
                text.push('Z');
                continue;
            }
            _ => return None,
        };
        text.push_str(&format!("{number:0>width$}"));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_and_written() {
        let at = parse_timestamp("2026-11-21T09:30:00.123456Z").unwrap();
        assert_eq!(result_text(at, "Z").unwrap(), "2026-11-21T09:30:00.123456Z");
        assert_eq!(
            cast_text(parse_timestamp("2026-11-21 09:30:00.500+02:00").unwrap()).unwrap(),
            "2026-11-21 07:30:00.5"
        );
        assert_eq!(result_text(parse_timestamp("2026-11-21").unwrap(), "").unwrap(), "2026-11-21T00:00:00.000");
        assert_eq!(parse_date("2026-2-30"), None);
        assert_eq!(parse_timestamp("yesterday"), None);
        assert_eq!(cast_text(truncated(at, "quarter").unwrap()).unwrap(), "2026-10-01 00:00:00");
        assert_eq!(formatted(at, "yyyyMMdd'T'HHmm.SSS").unwrap(), "20261121T0930.123");
        assert_eq!(
            cast_text(plus_months(parse_date("2026-01-31").unwrap() * MICROS_PER_DAY, 1).unwrap()).unwrap(),
            "2026-02-28 00:00:00"
        );
    }
}
