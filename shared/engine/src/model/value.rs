//! One cell of a record.

use std::borrow::Cow;

use chrono::{DateTime, Days, NaiveDate};

use super::decimal::Decimal;

/// A cell, borrowed from the batch that holds it.
///
/// Rows of a source carry only what its wire carries: `Null`, `Bool`, `Number`, `Text`, `Json`. Mapped rows carry the
/// declared types and never a `Number`.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// An exact decimal, at the scale its column declares.
    Decimal(Decimal),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// Text, whole and as it came.
    Text(Cow<'a, str>),
    /// A number exactly as the source wrote it, not yet read.
    Number(Cow<'a, str>),
    /// A JSON document as text.
    Json(Cow<'a, str>),
    /// A content hash.
    Hash(u128),
}

impl<'a> Value<'a> {
    /// Text that borrows.
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// A calendar date.
    pub fn date(date: NaiveDate) -> Self {
        // Every NaiveDate lies within some 96 million days of the epoch, far inside an i32.
        Self::Date(i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).unwrap_or(i32::MAX))
    }

    /// Whether there is no value.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The canonical text of the value: what keys are made of and what people read. `Null` is empty.
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Null => Cow::Borrowed(""),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            Self::Integer(i) => Cow::Owned(i.to_string()),
            Self::Decimal(d) => Cow::Owned(d.to_string()),
            Self::Date(days) => Cow::Owned(date_text(*days)),
            Self::Timestamp(micros) => Cow::Owned(timestamp_text(*micros)),
            Self::Text(t) | Self::Number(t) | Self::Json(t) => Cow::Borrowed(t),
            Self::Hash(hash) => Cow::Owned(format!("{hash:032x}")),
        }
    }

    /// The value as JSON, for people and for `--json`. Decimals stay exact: they are written as text.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(b) => (*b).into(),
            Self::Integer(i) => (*i).into(),
            Self::Number(n) => serde_json::from_str(n).unwrap_or_else(|_| n.as_ref().into()),
            Self::Json(j) => serde_json::from_str(j).unwrap_or_else(|_| j.as_ref().into()),
            other => other.to_text().into(),
        }
    }
}

/// `YYYY-MM-DD` of days since 1970-01-01.
pub fn date_text(days: i32) -> String {
    let offset = Days::new(u64::from(days.unsigned_abs()));
    let epoch = NaiveDate::default();
    let date = if days < 0 { epoch.checked_sub_days(offset) } else { epoch.checked_add_days(offset) };
    date.map_or_else(|| days.to_string(), |d| d.to_string())
}

/// RFC 3339 of microseconds since 1970-01-01T00:00:00Z.
pub fn timestamp_text(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros)
        .map_or_else(|| micros.to_string(), |t| t.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
}
