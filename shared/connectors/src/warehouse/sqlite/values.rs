//! How values are kept in SQLite.

use chrono::{DateTime, SecondsFormat};
use engine::model::table::ColumnType;
use engine::model::value::Value;
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, Value as Owned, ValueRef};

use super::super::fits::at_scale;

/// The storage class of a declared type.
pub(super) fn storage(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Integer | ColumnType::Boolean => "INTEGER",
        // A NUMERIC column would turn decimals into floats.
        ColumnType::Text { .. }
        | ColumnType::Decimal { .. }
        | ColumnType::Date
        | ColumnType::Timestamp
        | ColumnType::Json => "TEXT",
    }
}

/// A value as it is kept.
pub(super) fn kept<'v>(kind: ColumnType, value: &'v Value<'_>) -> ToSqlOutput<'v> {
    let owned = |text: String| ToSqlOutput::Owned(Owned::Text(text));
    match (kind, value) {
        (_, Value::Null) => ToSqlOutput::Borrowed(ValueRef::Null),
        (_, Value::Bool(b)) => ToSqlOutput::Owned(Owned::Integer(i64::from(*b))),
        (_, Value::Integer(i)) => ToSqlOutput::Owned(Owned::Integer(*i)),
        (ColumnType::Decimal { precision, scale }, Value::Decimal(d)) => {
            owned(at_scale(*d, precision, scale).unwrap_or(*d).to_string())
        }
        (_, Value::Timestamp(micros)) => owned(timestamp(*micros)),
        (_, Value::Text(text) | Value::Json(text) | Value::Number(text)) => {
            ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes()))
        }
        (_, value) => owned(value.to_text().into_owned()),
    }
}

/// A value that is ready to be bound.
pub(super) struct Kept<'v>(pub ToSqlOutput<'v>);

impl ToSql for Kept<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match &self.0 {
            ToSqlOutput::Owned(value) => ToSqlOutput::Borrowed(value.into()),
            other => other.clone(),
        })
    }
}

/// RFC 3339 in UTC with six digits behind the second, so that texts sort as the times do.
pub(super) fn timestamp(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros)
        .map_or_else(|| micros.to_string(), |t| t.to_rfc3339_opts(SecondsFormat::Micros, true))
}

/// The microseconds of such a text.
pub(super) fn micros(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text).ok().map(|t| t.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_have_one_width_and_read_back() {
        for micros in [0, -1, 1_000_000, 946_684_800_000_001, -62_135_596_800_000_000, 253_402_300_799_999_999] {
            let text = timestamp(micros);
            assert_eq!(text.len(), 27, "{text}");
            assert_eq!(self::micros(&text), Some(micros), "{text}");
        }
    }
}
