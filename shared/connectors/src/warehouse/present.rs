//! Values as they stand in a table, in the form in which the mapping made them: what content is compared by.
//!
//! Invariant: a value that a warehouse wrote comes back equal to the mapped value it was. What somebody else put there and
//! is none of the declared type stays what it is, and so equals no mapped value.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate};
use engine::model::decimal::Decimal;
use engine::model::id::RecordKey;
use engine::model::table::{ColumnType, TableSpec};
use engine::model::totals::{GroupBy, GroupTotal};
use engine::model::value::Value;
use engine::ports::standing;
use engine::{Error, Result};

use super::summable;

/// A value of a column of type `kind`, from the form in which the database gives it.
pub(crate) fn declared(kind: ColumnType, value: Value<'_>) -> Value<'_> {
    let declared = match (kind, &value) {
        (ColumnType::Decimal { scale, .. }, Value::Text(text)) => at_scale(Decimal::parse(text).ok(), scale),
        (ColumnType::Decimal { scale, .. }, Value::Integer(i)) => at_scale(Some(Decimal::new((*i).into(), 0)), scale),
        (ColumnType::Integer, Value::Text(text)) => whole(text),
        (ColumnType::Boolean, Value::Integer(bit @ (0 | 1))) => Some(Value::Bool(*bit == 1)),
        (ColumnType::Boolean, Value::Text(text)) => text.parse().ok().map(Value::Bool),
        (ColumnType::Date, Value::Text(text)) => NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(Value::date),
        (ColumnType::Timestamp, Value::Text(text)) => {
            DateTime::parse_from_rfc3339(text).ok().map(|t| Value::Timestamp(t.timestamp_micros()))
        }
        _ => None,
    };
    match (kind, declared, value) {
        (_, Some(declared), _) => declared,
        (ColumnType::Json, None, Value::Text(text)) => Value::Json(text),
        (_, None, value) => value,
    }
}

fn at_scale(decimal: Option<Decimal>, scale: u8) -> Option<Value<'static>> {
    // Digits that the column does not declare are somebody else's, and stay.
    decimal.map(|decimal| Value::Decimal(decimal.with_scale(scale).unwrap_or(decimal)))
}

fn whole(text: &str) -> Option<Value<'static>> {
    let whole = Decimal::parse(text).ok()?.with_scale(0)?;
    i64::try_from(whole.units()).ok().map(Value::Integer)
}

/// The columns of rows that are read back.
pub(crate) fn standing_columns(table: &TableSpec) -> Vec<&str> {
    standing::COLUMNS.into_iter().chain(table.columns.iter().map(|column| column.name.as_str())).collect()
}

/// The hash that is kept with a record; null where it is none.
pub(crate) fn kept_hash(bytes: Option<&[u8]>) -> Value<'static> {
    bytes.and_then(|bytes| bytes.try_into().ok()).map_or(Value::Null, |bytes| Value::Hash(u128::from_be_bytes(bytes)))
}

/// The texts of the key's columns.
///
/// # Errors
/// Stops when it is no key of this table.
pub(crate) fn key_parts(table: &TableSpec, key: &RecordKey) -> Result<Vec<String>> {
    let parts = key.parts();
    if parts.len() == table.key.len() {
        return Ok(parts);
    }
    Err(Error::stop(format!("`{key}` is no key of table `{}`, whose key has {} columns", table.name, table.key.len())))
}

/// The column by which records are put into groups, with its declared type; `None` for all together.
///
/// # Errors
/// Stops when the table has no such column, or its values cannot be compared as text, or it is no date and months are
/// asked for.
pub(crate) fn group_column<'a>(table: &TableSpec, by: &'a GroupBy) -> Result<Option<(&'a str, ColumnType)>> {
    let (GroupBy::Value(name) | GroupBy::Month(name)) = by else { return Ok(None) };
    let kind = table.column(name).and_then(|i| table.columns.get(i)).map(|column| column.kind);
    match (by, kind) {
        (_, None) => Err(Error::stop(format!("table `{}` has no column `{name}`", table.name))),
        (GroupBy::Month(_), Some(kind)) if kind != ColumnType::Date => {
            Err(Error::stop(format!("`{name}` of table `{}` is {kind} and has no months: name a date", table.name)))
        }
        (_, Some(ColumnType::Json)) => {
            Err(Error::stop(format!("`{name}` of table `{}` is json and makes no groups", table.name)))
        }
        (_, Some(kind)) => Ok(Some((name, kind))),
    }
}

/// Counts and sums in groups, filled record by record or group by group.
#[derive(Debug)]
pub(crate) struct Groups<'a> {
    by: &'a GroupBy,
    found: BTreeMap<Option<String>, GroupTotal>,
    columns: usize,
}

impl<'a> Groups<'a> {
    /// No groups yet; all records together are always one, be they none.
    ///
    /// # Errors
    /// Stops when a column cannot be summed.
    pub fn new(table: &TableSpec, by: &'a GroupBy, columns: &[String]) -> Result<Self> {
        for column in columns {
            summable(table, column)?;
        }
        let mut groups = Self { by, found: BTreeMap::new(), columns: columns.len() };
        if *by == GroupBy::All {
            groups.group(None);
        }
        Ok(groups)
    }

    /// The group of records that have this value.
    pub fn of(&mut self, value: &Value<'_>) -> &mut GroupTotal {
        let text = (!value.is_null()).then(|| value.to_text().into_owned());
        let text = match self.by {
            GroupBy::All => None,
            GroupBy::Value(_) => text,
            // `2026-11-20`; what is no date is a group of its own.
            GroupBy::Month(_) => text.map(|text| text.get(..7).unwrap_or(&text).to_owned()),
        };
        self.group(text)
    }

    fn group(&mut self, group: Option<String>) -> &mut GroupTotal {
        let columns = self.columns;
        let new = |group| GroupTotal { group, records: 0, sums: vec![None; columns] };
        self.found.entry(group.clone()).or_insert_with(|| new(group))
    }

    /// The groups, in the order of their texts, the records without a value first.
    pub fn finish(self) -> Vec<GroupTotal> {
        self.found.into_values().collect()
    }
}

/// Adds to a sum that may have no value yet.
pub(crate) fn add(sum: &mut Option<Decimal>, value: Decimal) -> Result<()> {
    *sum = Some(sum.map_or(Ok(value), |sum| sum.plus(value))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_database_gives_is_what_the_mapping_made_and_anything_else_stays_apart() {
        let read = |kind: &str, text: &'static str| declared(kind.parse().unwrap(), Value::text(text));
        assert_eq!(read("decimal(9,2)", "12.50"), Value::Decimal(Decimal::new(1_250, 2)));
        assert_eq!(read("decimal(9,2)", "12.5"), Value::Decimal(Decimal::new(1_250, 2)));
        assert_eq!(read("decimal(9,2)", "12.505"), Value::Decimal(Decimal::new(12_505, 3)));
        assert_eq!(read("decimal(9,2)", "NaN"), Value::text("NaN"));
        assert_eq!(read("integer", "-7"), Value::Integer(-7));
        assert_eq!(read("integer", "7.5"), Value::text("7.5"));
        assert_eq!(read("date", "2026-11-20").to_text(), "2026-11-20");
        assert_eq!(read("date", "20.11.2026"), Value::text("20.11.2026"));
        assert_eq!(read("timestamp", "1970-01-01T00:00:00.000077Z"), Value::Timestamp(77));
        assert_eq!(read("json", "{}"), Value::Json("{}".into()));
        assert_eq!(declared(ColumnType::Boolean, Value::Integer(1)), Value::Bool(true));
        assert_eq!(declared(ColumnType::Boolean, Value::Integer(2)), Value::Integer(2));
    }
}
