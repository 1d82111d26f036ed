//! Formats: how the source writes a value, read from their text and checked against the column's type.

use chrono::format::{Item, StrftimeItems};

use crate::model::table::ColumnType;

/// How a cell becomes a value of the column's type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Convert {
    Text { trim: Trim, pad: Option<Pad>, max: Option<usize> },
    Integer { implied: u8 },
    Decimal { precision: u8, scale: u8, implied: u8, limit: u128 },
    Boolean,
    Date(DateFormat),
    Timestamp(TimestampFormat),
    Json,
}

/// Which blanks of a text go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trim {
    /// Those at the end, with which fixed-width columns are filled up.
    End,
    /// Those at both ends.
    Both,
    /// None.
    Never,
}

/// Filling up on the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pad {
    pub width: usize,
    pub with: char,
}

/// How the source writes dates.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum DateFormat {
    Yyyymmdd,
    /// Century since 1900, year, day of the year: 126324 is 2026-11-20. Zero is no date.
    Cyyddd,
    Iso,
    Pattern(Vec<Item<'static>>),
}

/// How the source writes points in time.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TimestampFormat {
    /// A date column and a time column, HHMMSS as a number.
    DateAndTime(DateFormat),
    Iso,
    EpochMillis,
    Pattern(Vec<Item<'static>>),
}

impl Convert {
    /// Reads a format for a column of this type that takes its value from so many source columns.
    pub(super) fn new(kind: ColumnType, format: Option<&str>, sources: usize) -> Result<Self, String> {
        if sources > 1 && kind != ColumnType::Timestamp {
            return Err(format!("only a timestamp is read from two columns, not {kind}: combine them with `expr`"));
        }
        match kind {
            ColumnType::Text { max } => text(format, max),
            ColumnType::Integer => Ok(Self::Integer { implied: implied(format)? }),
            ColumnType::Decimal { precision, scale } => {
                let limit = 10_u128.pow(u32::from(precision));
                Ok(Self::Decimal { precision, scale, implied: implied(format)?, limit })
            }
            ColumnType::Date => Ok(Self::Date(date(format)?)),
            ColumnType::Timestamp => Ok(Self::Timestamp(timestamp(format, sources)?)),
            ColumnType::Boolean => none(format, "boolean").map(|()| Self::Boolean),
            ColumnType::Json => none(format, "json").map(|()| Self::Json),
        }
    }

    /// Whether a blank of the source is kept as empty text unless something else is declared.
    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Text { .. })
    }
}

fn none(format: Option<&str>, kind: &str) -> Result<(), String> {
    match format {
        None => Ok(()),
        Some(format) => Err(format!("a {kind} column has no format `{format}`: leave it out")),
    }
}

fn text(format: Option<&str>, max: Option<u32>) -> Result<Convert, String> {
    let max = max.map(|max| max as usize);
    let (trim, pad) = match format {
        None => (Trim::End, None),
        Some("trim") => (Trim::Both, None),
        Some("as_is") => (Trim::Never, None),
        Some(format) => (Trim::Both, Some(pad(format)?)),
    };
    Ok(Convert::Text { trim, pad, max })
}

fn pad(format: &str) -> Result<Pad, String> {
    let wrong = || format!("`{format}` is no format of text: use trim, as_is or pad_left(8,0)");
    let arguments = format.strip_prefix("pad_left(").and_then(|rest| rest.strip_suffix(')')).ok_or_else(wrong)?;
    let (width, with) = arguments.split_once(',').ok_or_else(wrong)?;
    let width = width.trim().parse().ok().filter(|width| (1..=255).contains(width)).ok_or_else(wrong)?;
    let mut with = with.trim().chars();
    match (with.next(), with.next()) {
        (Some(with), None) => Ok(Pad { width, with }),
        _ => Err(wrong()),
    }
}

fn implied(format: Option<&str>) -> Result<u8, String> {
    let Some(format) = format else { return Ok(0) };
    format
        .strip_prefix("implied(")
        .and_then(|rest| rest.strip_suffix(')'))
        .and_then(|places| places.trim().parse().ok())
        .filter(|places| (1..=18).contains(places))
        .ok_or_else(|| format!("`{format}` is no format of a number: use implied(2), or leave it out"))
}

fn date(format: Option<&str>) -> Result<DateFormat, String> {
    match format {
        None | Some("yyyymmdd") => Ok(DateFormat::Yyyymmdd),
        Some("cyyddd") => Ok(DateFormat::Cyyddd),
        Some("iso") => Ok(DateFormat::Iso),
        Some(format) if format.contains('%') => Ok(DateFormat::Pattern(pattern(format)?)),
        Some(format) => {
            Err(format!("`{format}` is no format of a date: use yyyymmdd, cyyddd, iso or a pattern such as %m/%d/%y"))
        }
    }
}

fn timestamp(format: Option<&str>, sources: usize) -> Result<TimestampFormat, String> {
    let two_columns = sources == 2;
    let format = format.unwrap_or(if two_columns { "yyyymmdd hhmmss" } else { "iso" });
    let read = match format {
        "yyyymmdd hhmmss" => TimestampFormat::DateAndTime(DateFormat::Yyyymmdd),
        "cyyddd hhmmss" => TimestampFormat::DateAndTime(DateFormat::Cyyddd),
        "iso" => TimestampFormat::Iso,
        "epoch_millis" => TimestampFormat::EpochMillis,
        format if format.contains('%') => TimestampFormat::Pattern(pattern(format)?),
        format => {
            return Err(format!(
                "`{format}` is no format of a timestamp: use yyyymmdd hhmmss or cyyddd hhmmss with two columns in `from`, \
                 or iso, epoch_millis or a pattern with one"
            ));
        }
    };
    match (&read, two_columns) {
        (TimestampFormat::DateAndTime(_), false) => {
            Err(format!("`{format}` reads two columns: write from: [date column, time column]"))
        }
        (TimestampFormat::DateAndTime(_), true) | (_, false) => Ok(read),
        (_, true) => Err(format!("`{format}` reads one column, and `from` names two")),
    }
}

fn pattern(format: &str) -> Result<Vec<Item<'static>>, String> {
    StrftimeItems::new(format)
        .parse_to_owned()
        .map_err(|_| format!("`{format}` is no pattern: write it as in strftime, such as %m/%d/%y"))
}
