//! Days and points in time in the database's own zone, as prompts want them.

use std::fmt::{Display, Write};
use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::settings::QuietHours;

/// Whether a text is a pattern of strftime for dates that prompts can carry.
pub(super) fn is_date_pattern(pattern: &str) -> bool {
    is_pattern(pattern) && is_written(NaiveDate::default().format(pattern))
}

/// Whether a text is a pattern of strftime for dates with a time that prompts can carry.
pub(super) fn is_datetime_pattern(pattern: &str) -> bool {
    is_pattern(pattern) && is_written(NaiveDateTime::default().format(pattern))
}

fn is_pattern(pattern: &str) -> bool {
    pattern.contains('%') && !pattern.contains(',')
}

/// Whether all of it can be written: `to_string` panics on an item that a date does not have, such as its hour.
fn is_written(text: impl Display) -> bool {
    write!(String::new(), "{text}").is_ok()
}

/// The point in time of a wall clock. When clocks go back an hour comes twice: the earlier one. When they go forward an
/// hour is skipped: what the clock showed before.
pub(super) fn to_utc(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    let earliest = |local: NaiveDateTime| zone.from_local_datetime(&local).earliest();
    let found = earliest(local)
        .or_else(|| earliest(local - TimeDelta::hours(1)))
        .or_else(|| earliest(local - TimeDelta::days(1)));
    found.map_or_else(|| Utc.from_utc_datetime(&local), |t| t.with_timezone(&Utc))
}

/// When a day begins.
pub(super) fn start_of(zone: Tz, day: NaiveDate) -> DateTime<Utc> {
    to_utc(zone, day.and_time(NaiveTime::MIN))
}

/// The end of a slice of so many days: the beginning of a day.
pub(super) fn days_later(zone: Tz, from: DateTime<Utc>, days: u32) -> Option<DateTime<Utc>> {
    let day = from.with_timezone(&zone).date_naive().checked_add_days(Days::new(u64::from(days)))?;
    Some(start_of(zone, day))
}

/// The first moment of a window as a date prompt: its day.
pub(super) fn day_from(zone: Tz, from: DateTime<Utc>) -> NaiveDate {
    from.with_timezone(&zone).date_naive()
}

/// The first moment after a window as a date prompt: the first day that holds nothing of the window.
pub(super) fn day_to(zone: Tz, to: DateTime<Utc>) -> NaiveDate {
    let local = to.with_timezone(&zone).naive_local();
    match local.time() == NaiveTime::MIN {
        true => local.date(),
        false => local.date().checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX),
    }
}

/// The first moment of a window as a prompt with a time: whole seconds that lose nothing. In the hour that comes twice the
/// prompt is an hour early: what is written when it comes again may show less than the clock shows now.
pub(super) fn second_from(zone: Tz, from: DateTime<Utc>) -> NaiveDateTime {
    let local = from.with_timezone(&zone).naive_local();
    match zone.from_local_datetime(&local) {
        chrono::LocalResult::Ambiguous(_, _) => local - TimeDelta::hours(1),
        _ => local,
    }
}

/// The first moment after a window as a prompt with a time. Prompts have whole seconds: what is left of one counts as
/// one more. In the hour that comes twice the prompt is an hour late, so that nothing of it is left out.
pub(super) fn second_to(zone: Tz, to: DateTime<Utc>) -> NaiveDateTime {
    let whole = DateTime::from_timestamp(to.timestamp(), 0).unwrap_or(to);
    let up = if whole < to { whole + TimeDelta::seconds(1) } else { whole };
    let local = up.with_timezone(&zone).naive_local();
    match zone.from_local_datetime(&local) {
        chrono::LocalResult::Ambiguous(_, _) => local + TimeDelta::hours(1),
        _ => local,
    }
}

/// How long quiet hours last from now on, when it is one of them.
pub(super) fn quiet_for(hours: &[QuietHours], zone: Tz, now: DateTime<Utc>) -> Option<(Duration, String)> {
    let local = now.with_timezone(&zone).naive_local();
    hours.iter().find_map(|quiet| {
        let (from, to) = quiet.times()?;
        let time = local.time();
        let (inside, day) = match from < to {
            true => (from <= time && time < to, 0),
            false => (from <= time || time < to, u64::from(from <= time)),
        };
        if !inside {
            return None;
        }
        let end = to_utc(zone, local.date().checked_add_days(Days::new(day))?.and_time(to));
        let wait = (end - now).to_std().unwrap_or_default().max(Duration::from_secs(1));
        Some((wait, format!("from {} to {} in {zone}", quiet.from, quiet.to)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: Tz = Tz::America__Chicago;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn the_ends_of_a_window_leave_nothing_out() {
        assert_eq!(day_from(ZONE, at("2026-11-20T05:59:59Z")).to_string(), "2026-11-19");
        assert_eq!(day_to(ZONE, at("2026-11-20T06:00:00Z")).to_string(), "2026-11-20");
        assert_eq!(day_to(ZONE, at("2026-11-20T06:00:01Z")).to_string(), "2026-11-21");
        assert_eq!(second_from(ZONE, at("2026-11-20T06:00:00.9Z")).format("%T").to_string(), "00:00:00");
        assert_eq!(second_to(ZONE, at("2026-11-20T06:00:00.1Z")).format("%T").to_string(), "00:00:01");
        // Clocks go back at 2 o'clock: 01:30 comes twice.
        for (from, prompt) in
            [("06:30", "00:30:00"), ("07:30", "00:30:00"), ("05:59", "00:59:00"), ("08:00", "02:00:00")]
        {
            let from = at(&format!("2026-11-01T{from}:00Z"));
            assert_eq!(second_from(ZONE, from).format("%T").to_string(), prompt);
        }
        assert_eq!(second_to(ZONE, at("2026-11-01T06:30:00Z")).format("%T").to_string(), "02:30:00");
    }

    #[test]
    fn slices_begin_with_days_whatever_the_clocks_do() {
        let from = at("2026-10-30T17:00:00Z");
        assert_eq!(days_later(ZONE, from, 5), Some(at("2026-11-04T06:00:00Z")));
    }

    #[test]
    fn quiet_hours_end_when_they_say() {
        let hours = |from: &str, to: &str| vec![QuietHours { from: from.to_owned(), to: to.to_owned() }];
        let wait = |hours: &[QuietHours], now: &str| quiet_for(hours, ZONE, at(now)).map(|(wait, _)| wait.as_secs());
        let night = hours("22:00", "02:30");
        assert_eq!(wait(&night, "2026-11-20T04:00:00Z"), Some(16_200));
        assert_eq!(wait(&night, "2026-11-20T08:29:59Z"), Some(1));
        assert_eq!(wait(&night, "2026-11-20T08:30:00Z"), None);
        assert_eq!(wait(&hours("06:00", "07:00"), "2026-11-20T12:30:00Z"), Some(1_800));
        assert_eq!(wait(&hours("06:00", "07:00"), "2026-11-20T13:00:00Z"), None);
    }

    #[test]
    fn patterns_are_those_of_strftime() {
        assert!(is_datetime_pattern("%Y-%m-%d-%H.%M.%S") && is_date_pattern("%m/%d/%Y"));
        for pattern in ["YYYY", "%Q", "%d,%m", "%Y-%m-%d %z"] {
            assert!(!is_date_pattern(pattern) && !is_datetime_pattern(pattern), "{pattern}");
        }
        assert!(!is_date_pattern("%Y-%m-%d-%H.%M.%S"), "a date has no hours");
    }
}
