//! Dates and points in time: read strictly, placed in the source's zone.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::format::{Item, Parsed, parse};
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Timelike};
use chrono_tz::Tz;

use super::convert::trim;
use super::format::{DateFormat, TimestampFormat};

const SECONDS_PER_DAY: i64 = 86_400;
const MICROS: i64 = 1_000_000;

/// 1970-01-01 in days of the common era.
const EPOCH_FROM_CE: i32 = 719_163;

/// Reads a date that is not blank: days since 1970-01-01, or `None` where the format has a value for "no date".
pub(super) fn date(format: &DateFormat, text: &str) -> Result<Option<i32>, String> {
    match format {
        DateFormat::Yyyymmdd => yyyymmdd(text).map(Some).ok_or_else(|| {
            "is not a date written YYYYMMDD: declare the `format` the source writes, or list the value in `nulls` if it \
             means no date"
                .to_owned()
        }),
        DateFormat::Cyyddd => cyyddd(text).ok_or_else(|| {
            "is not a date written CYYDDD, such as 126324 for 2026-11-20: declare the `format` the source writes".to_owned()
        }),
        DateFormat::Iso => iso_date(text)
            .map(Some)
            .ok_or_else(|| "is not a date written YYYY-MM-DD: declare the `format` the source writes".to_owned()),
        DateFormat::Pattern(items) => parsed(text, items)
            .and_then(|parsed| parsed.to_naive_date().ok())
            .and_then(within_calendar)
            .map(Some)
            .ok_or_else(|| "is not a date of the declared `format`: declare the one the source writes".to_owned()),
    }
}

/// The text of a date in a format of the source, for reading a record by its key.
pub(super) fn date_to_source(format: &DateFormat, days: i32) -> Option<String> {
    let date = NaiveDate::from_num_days_from_ce_opt(days.checked_add(EPOCH_FROM_CE)?)?;
    Some(match format {
        DateFormat::Yyyymmdd => date.format("%Y%m%d").to_string(),
        DateFormat::Cyyddd => ((date.year() - 1900) * 1000 + i32::try_from(date.ordinal()).ok()?).to_string(),
        DateFormat::Iso => date.to_string(),
        DateFormat::Pattern(items) => date.format_with_items(items.iter()).to_string(),
    })
}

/// Reads a point in time from one column: microseconds since 1970-01-01T00:00:00Z.
pub(super) fn timestamp(format: &TimestampFormat, text: &str, zone: &Zone) -> Result<i64, String> {
    match format {
        TimestampFormat::Iso => iso_timestamp(text, zone),
        TimestampFormat::EpochMillis => {
            let millis = super::number::integer(text, 0).ok().and_then(|millis| millis.checked_mul(1000));
            millis.filter(|micros| DateTime::from_timestamp_micros(*micros).is_some()).ok_or_else(|| {
                "is not a number of milliseconds since 1970: declare the `format` the source writes".into()
            })
        }
        TimestampFormat::Pattern(items) => by_pattern(text, items, zone)
            .ok_or_else(|| "is not a timestamp of the declared `format`: declare the one the source writes".to_owned()),
        TimestampFormat::DateAndTime(_) => Err("needs a date and a time column".to_owned()),
    }
}

/// Joins a date and a time that is a number HHMMSS without leading zeros: 91502 is 09:15:02.
pub(super) fn date_and_time(
    format: &DateFormat,
    date_text: &str,
    time_text: &str,
    zone: &Zone,
) -> Result<Option<i64>, String> {
    let Some(days) = date(format, date_text)? else {
        return Ok(None);
    };
    let seconds = hhmmss(time_text).ok_or_else(|| {
        "has a time that is not a number HHMMSS up to 235959: name the source's time column second in `from`".to_owned()
    })?;
    Ok(Some(zone.to_utc(days, i64::from(seconds) * MICROS)))
}

/// The stamp of a source's last change, whatever the source writes: `None` when it cannot be read.
pub(super) fn change_stamp(date_text: &str, time_text: Option<&str>, zone: &Zone) -> Option<i64> {
    let date_text = trim(date_text);
    let days = match date_text.len() {
        0 => return None,
        8 => yyyymmdd(date_text)?,
        5 | 6 => cyyddd(date_text)??,
        10 => iso_date(date_text)?,
        _ => return iso_timestamp(date_text, zone).ok(),
    };
    let seconds = match time_text.map(trim) {
        None | Some("") => 0,
        Some(time) => hhmmss(time)?,
    };
    Some(zone.to_utc(days, i64::from(seconds) * MICROS))
}

fn yyyymmdd(text: &str) -> Option<i32> {
    let digits: &[u8; 8] = text.as_bytes().try_into().ok()?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |part: &[u8]| part.iter().fold(0_u32, |n, digit| n * 10 + u32::from(digit - b'0'));
    let year = i32::try_from(number(&digits[..4])).ok()?;
    within_calendar(NaiveDate::from_ymd_opt(year, number(&digits[4..6]), number(&digits[6..]))?)
}

/// The inner `None` is zero: no date.
fn cyyddd(text: &str) -> Option<Option<i32>> {
    let number = super::number::integer(text, 0).ok()?;
    match number {
        0 => Some(None),
        1..=999_366 => {
            let year = i32::try_from(1900 + number / 1000).ok()?;
            let date = NaiveDate::from_yo_opt(year, u32::try_from(number % 1000).ok()?)?;
            within_calendar(date).map(Some)
        }
        _ => None,
    }
}

fn iso_date(text: &str) -> Option<i32> {
    let bytes: &[u8; 10] = text.as_bytes().try_into().ok()?;
    if bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let mut compact = [0; 8];
    compact[..4].copy_from_slice(&bytes[..4]);
    compact[4..6].copy_from_slice(&bytes[5..7]);
    compact[6..].copy_from_slice(&bytes[8..]);
    yyyymmdd(std::str::from_utf8(&compact).ok()?)
}

fn hhmmss(text: &str) -> Option<u32> {
    let number = u32::try_from(super::number::integer(text, 0).ok()?).ok()?;
    let (hours, minutes, seconds) = (number / 10_000, number / 100 % 100, number % 100);
    (hours < 24 && minutes < 60 && seconds < 60).then_some(hours * 3600 + minutes * 60 + seconds)
}

/// Dates that every warehouse holds: years 1 to 9999.
fn within_calendar(date: NaiveDate) -> Option<i32> {
    (1..=9999).contains(&date.year()).then(|| date.num_days_from_ce() - EPOCH_FROM_CE)
}

fn parsed(text: &str, items: &[Item<'static>]) -> Option<Parsed> {
    let mut parsed = Parsed::new();
    parse(&mut parsed, text, items.iter()).ok()?;
    Some(parsed)
}

fn by_pattern(text: &str, items: &[Item<'static>], zone: &Zone) -> Option<i64> {
    let parsed = parsed(text, items)?;
    if let Ok(instant) = parsed.to_datetime() {
        within_calendar(instant.date_naive())?;
        return whole_micros(instant.time()).map(|_| instant.timestamp_micros());
    }
    let local = parsed.to_naive_datetime_with_offset(0).ok()?;
    local_micros(local, zone)
}

/// RFC 3339, or the same without an offset: then it is a local time of the source's zone. The offset may lack its colon,
/// and a local time may be written as databases turn one into text, `2026-11-20-09.15.02.000000`.
fn iso_timestamp(text: &str, zone: &Zone) -> Result<i64, String> {
    if let Some(instant) = dotted(text, zone) {
        return Ok(instant);
    }
    let instant = match DateTime::parse_from_rfc3339(text) {
        Ok(instant) => {
            within_calendar(instant.date_naive()).and(whole_micros(instant.time())).map(|_| instant.timestamp_micros())
        }
        Err(_) => NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
            .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"))
            .ok()
            .and_then(|local| local_micros(local, zone))
            .or_else(|| by_pattern(text, &plain_offset(), zone)),
    };
    instant.ok_or_else(|| {
        "is not a timestamp written YYYY-MM-DDTHH:MM:SS with at most six digits of a second: declare the `format` the \
         source writes"
            .to_owned()
    })
}

/// `2026-11-20T09:15:02-0500`.
fn plain_offset() -> [Item<'static>; 12] {
    use chrono::format::{Fixed, Numeric, Pad};
    let number = |field| Item::Numeric(field, Pad::Zero);
    [
        number(Numeric::Year),
        Item::Literal("-"),
        number(Numeric::Month),
        Item::Literal("-"),
        number(Numeric::Day),
        Item::Literal("T"),
        number(Numeric::Hour),
        Item::Literal(":"),
        number(Numeric::Minute),
        Item::Literal(":"),
        number(Numeric::Second),
        Item::Fixed(Fixed::TimezoneOffset),
    ]
}

/// `2026-11-20-09.15.02`, with up to six digits of a second behind another point.
fn dotted(text: &str, zone: &Zone) -> Option<i64> {
    let (date, time) = (text.get(..10)?, text.as_bytes().get(10..)?);
    let [b'-', h1, h2, b'.', m1, m2, b'.', s1, s2, fraction @ ..] = time else { return None };
    let number = |digits: &[u8]| {
        let digit = |n: i64, digit: &u8| digit.is_ascii_digit().then(|| n * 10 + i64::from(digit - b'0'));
        digits.iter().try_fold(0, digit)
    };
    let (hours, minutes, seconds) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?, number(&[*s1, *s2])?);
    let micros = match fraction {
        [] => 0,
        [b'.', digits @ ..] if (1..=6).contains(&digits.len()) => {
            number(digits)? * 10_i64.pow(6 - u32::try_from(digits.len()).ok()?)
        }
        _ => return None,
    };
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    Some(zone.to_utc(iso_date(date)?, ((hours * 60 + minutes) * 60 + seconds) * MICROS + micros))
}

fn local_micros(local: NaiveDateTime, zone: &Zone) -> Option<i64> {
    Some(zone.to_utc(within_calendar(local.date())?, whole_micros(local.time())?))
}

/// Microseconds since midnight; `None` for leap seconds and for anything finer, which would be lost.
fn whole_micros(time: NaiveTime) -> Option<i64> {
    let nanos = time.nanosecond();
    let micros = i64::from(time.num_seconds_from_midnight()) * MICROS + i64::from(nanos / 1000);
    (nanos < 1_000_000_000 && nanos.is_multiple_of(1000)).then_some(micros)
}

/// The zone of a source. A local time that occurs twice is the earlier one; one that is skipped is shifted forward by
/// what was skipped.
#[derive(Debug)]
pub(super) struct Zone {
    zone: Tz,
    /// The day seen last and its offset, where the whole day has one: nearly every row falls on the same few days.
    last: AtomicU64,
}

impl Zone {
    pub(super) fn new(zone: Tz) -> Self {
        Self { zone, last: AtomicU64::new(pack(i32::MIN, 0)) }
    }

    /// Microseconds since 1970-01-01T00:00:00Z of a local day and time.
    fn to_utc(&self, days: i32, micros_of_day: i64) -> i64 {
        let local = i64::from(days) * SECONDS_PER_DAY * MICROS + micros_of_day;
        let (last_day, offset) = unpack(self.last.load(Ordering::Relaxed));
        if last_day == days {
            return local - i64::from(offset) * MICROS;
        }
        if let Some(offset) = self.offset_of_day(days) {
            self.last.store(pack(days, offset), Ordering::Relaxed);
            return local - i64::from(offset) * MICROS;
        }
        local - i64::from(self.offset_at(local)) * MICROS
    }

    fn offset_of_day(&self, days: i32) -> Option<i32> {
        let day = NaiveDate::default();
        let distance = Days::new(u64::from(days.unsigned_abs()));
        let day = if days < 0 { day.checked_sub_days(distance) } else { day.checked_add_days(distance) }?;
        let offset = |time| {
            let offset = self.zone.offset_from_local_datetime(&day.and_time(time)).single()?;
            Some(offset.fix().local_minus_utc())
        };
        let start = offset(NaiveTime::MIN)?;
        (offset(NaiveTime::from_hms_opt(23, 59, 59)?)? == start).then_some(start)
    }

    /// The offset of a local time on a day that has more than one.
    fn offset_at(&self, local_micros: i64) -> i32 {
        let Some(local) = DateTime::from_timestamp_micros(local_micros).map(|t| t.naive_utc()) else {
            return 0;
        };
        let offset = self.zone.offset_from_local_datetime(&local).earliest().unwrap_or_else(|| {
            let before = local.checked_sub_days(Days::new(1)).unwrap_or(local);
            self.zone.offset_from_utc_datetime(&before)
        });
        offset.fix().local_minus_utc()
    }
}

fn pack(days: i32, offset: i32) -> u64 {
    u64::from(days.cast_unsigned()) << 32 | u64::from(offset.cast_unsigned())
}

fn unpack(packed: u64) -> (i32, i32) {
    ((packed >> 32) as u32 as i32, packed as u32 as i32)
}
