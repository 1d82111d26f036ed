//! A record as each side has it.

use std::collections::{BTreeMap, HashMap};

use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::mapping::Mapping;
use crate::model::batch::meta;
use crate::model::decimal::Decimal;
use crate::model::id::RecordKey;
use crate::model::reconcile::FieldDifference;
use crate::model::rows::Rows;
use crate::model::table::{ColumnType, TableSpec};
use crate::model::value::Value;
use crate::ports::standing;

/// A record as the source has it, mapped.
#[derive(Debug, Clone)]
pub(in crate::stages) struct Ours<'r> {
    pub key: RecordKey,
    pub stamp: Option<i64>,
    pub hash: Option<u128>,
    /// Its row in the block that was mapped.
    pub row: u32,
    pub cells: Vec<Value<'r>>,
}

/// A record as it stands at the destination.
#[derive(Debug, Clone)]
pub(in crate::stages) struct There<'r> {
    /// What it says its key is, where something of ours wrote it.
    pub id: Option<String>,
    pub stamp: Option<i64>,
    pub hash: Option<u128>,
    pub is_deleted: bool,
    pub version: Option<i64>,
    pub mapping: Option<i64>,
    pub cells: Vec<Value<'r>>,
}

impl There<'_> {
    /// Whether this program has put it there.
    pub fn is_ours(&self) -> bool {
        self.version.is_some()
    }
}

/// Walks over the rows of a mapped block.
pub(in crate::stages) fn each_ours<'r>(rows: &'r Rows, mut show: impl FnMut(Ours<'r>) -> Result<()>) -> Result<()> {
    let mut reader = rows.reader();
    let mut cells = Vec::new();
    while reader.next_into(&mut cells)? {
        let mut head = cells.drain(..meta::COLUMNS.len().min(cells.len()));
        let (Some(Value::Text(key)), Some(stamp), Some(hash), Some(_), Some(Value::Integer(row))) =
            (head.next(), head.next(), head.next(), head.next(), head.next())
        else {
            return Err(damaged());
        };
        drop(head);
        show(Ours {
            key: RecordKey::new(key),
            stamp: instant(&stamp),
            hash: hash_of(&hash),
            row: u32::try_from(row).unwrap_or(u32::MAX),
            cells: std::mem::take(&mut cells),
        })?;
    }
    Ok(())
}

/// The records of a block that was read back, in its order, each with the key that its columns make.
pub(super) fn there<'r>(table: &TableSpec, rows: &'r Rows) -> Result<Vec<(RecordKey, There<'r>)>> {
    let mut found = Vec::new();
    let mut reader = rows.reader();
    let mut cells = Vec::new();
    while reader.next_into(&mut cells)? {
        if cells.len() != standing::COLUMNS.len() + table.columns.len() {
            return Err(damaged());
        }
        let mut head = cells.drain(..standing::COLUMNS.len());
        let mut next = || head.next().unwrap_or(Value::Null);
        let (id, stamp, hash, deleted, version, mapping) = (next(), next(), next(), next(), next(), next());
        drop(head);
        let parts: Vec<_> = table.key.iter().map(|at| cells.get(*at).map(Value::to_text).unwrap_or_default()).collect();
        let key = RecordKey::join(parts.iter().map(AsRef::as_ref));
        drop(parts);
        let record = There {
            id: (!id.is_null()).then(|| id.to_text().into_owned()),
            stamp: instant(&stamp),
            hash: hash_of(&hash),
            is_deleted: deleted == Value::Bool(true),
            version: whole(&version),
            mapping: whole(&mapping),
            cells: std::mem::take(&mut cells),
        };
        found.push((key, record));
    }
    Ok(found)
}

/// As [`there`], by key.
pub(in crate::stages) fn there_by_key<'r>(table: &TableSpec, rows: &'r Rows) -> Result<HashMap<RecordKey, There<'r>>> {
    Ok(there(table, rows)?.into_iter().collect())
}

fn damaged() -> Error {
    Error::stop("rows that were read to be compared do not have the columns of their table")
}

fn instant(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Timestamp(micros) => Some(*micros),
        _ => None,
    }
}

fn hash_of(value: &Value<'_>) -> Option<u128> {
    match value {
        Value::Hash(hash) => Some(*hash),
        _ => None,
    }
}

fn whole(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Integer(whole) => Some(*whole),
        _ => None,
    }
}

/// Whether two values of a column are the same. A database may write JSON another way than it came.
fn is_same(kind: ColumnType, one: &Value<'_>, other: &Value<'_>) -> bool {
    match (kind, one, other) {
        (ColumnType::Json, Value::Json(one), Value::Json(other)) => one == other || is_same_json(one, other),
        _ => one == other,
    }
}

/// Whether two JSON documents say the same: spaces, the order of members and the way numbers are written aside. Of a
/// member that comes twice the last counts, as databases have it.
fn is_same_json(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim(), other.trim());
    if one == other {
        return true;
    }
    let first = |text: &str| text.bytes().next().unwrap_or_default();
    match (first(one), first(other)) {
        (b'{', b'{') => {
            let members = |text| serde_json::from_str::<BTreeMap<String, &RawValue>>(text).ok();
            let (Some(one), Some(other)) = (members(one), members(other)) else { return false };
            one.len() == other.len()
                && one.iter().zip(&other).all(|((a, x), (b, y))| a == b && is_same_json(x.get(), y.get()))
        }
        (b'[', b'[') => {
            let items = |text| serde_json::from_str::<Vec<&RawValue>>(text).ok();
            let (Some(one), Some(other)) = (items(one), items(other)) else { return false };
            one.len() == other.len() && one.iter().zip(&other).all(|(x, y)| is_same_json(x.get(), y.get()))
        }
        (b'"', b'"') => {
            let text = |text| serde_json::from_str::<String>(text).ok();
            text(one).is_some_and(|one| Some(one) == text(other))
        }
        _ => {
            let number = |text| Decimal::parse(text).ok().map(Decimal::normalized);
            number(one).is_some_and(|one| Some(one) == number(other))
        }
    }
}

/// Whether both sides hold the same content.
pub(super) fn is_same_content(table: &TableSpec, ours: &[Value<'_>], there: &[Value<'_>]) -> bool {
    table.columns.iter().zip(ours.iter().zip(there)).all(|(column, (one, other))| is_same(column.kind, one, other))
}

/// The fields that differ.
pub(in crate::stages) fn fields(table: &TableSpec, ours: &[Value<'_>], there: &[Value<'_>]) -> Vec<FieldDifference> {
    let pairs = table.columns.iter().zip(ours.iter().zip(there));
    let differing = pairs.filter(|(column, (one, other))| !is_same(column.kind, one, other));
    let text = |value: &Value<'_>| (!value.is_null()).then(|| value.to_text().into_owned());
    differing
        .map(|(column, (one, other))| FieldDifference {
            column: column.name.clone(),
            source: text(one),
            destination: text(other),
        })
        .collect()
}

/// Whether somebody else has changed what was loaded: whether the present values still have the hash they were loaded with.
/// JSON that says what the source's says counts as it came. `None` when that cannot be told.
pub(super) fn is_touched(
    mapping: &Mapping,
    table: &TableSpec,
    there: &There<'_>,
    ours: Option<&Ours<'_>>,
) -> Option<bool> {
    let hash = there.hash?;
    if mapping.content_hash(&there.cells) == hash {
        return Some(false);
    }
    if !table.columns.iter().any(|column| column.kind == ColumnType::Json) {
        return Some(true);
    }
    let ours = ours?;
    let pairs = table.columns.iter().zip(ours.cells.iter().zip(&there.cells));
    let (mut cells, mut says_the_same) = (Vec::with_capacity(there.cells.len()), true);
    for (column, (one, other)) in pairs {
        let is_json = column.kind == ColumnType::Json;
        says_the_same &= !is_json || is_same(column.kind, one, other);
        cells.push(if is_json { one.clone() } else { other.clone() });
    }
    match (says_the_same, mapping.content_hash(&cells) == hash) {
        (same, true) => Some(!same),
        (true, false) => Some(true),
        // The document that was loaded is neither the source's nor the present one: nobody knows who changed it.
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_compared_by_what_it_says() {
        for (one, other) in [
            (r#"{"b": [1, 2.50], "a": null}"#, r#"{"a":null,"b":[1,2.5]}"#),
            (r#"{"a": 1, "a": 2}"#, r#"{"a": 2}"#),
            (r#""\u00e9""#, r#""é""#),
            ("1e2", "100"),
            ("12345678901234567890.1", "12345678901234567890.10"),
            (" [ ] ", "[]"),
        ] {
            assert!(is_same_json(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("12345678901234567890.1", "12345678901234567890.2"),
            (r#"{"a": 1}"#, r#"{"a": 1, "b": 1}"#),
            ("[1, 2]", "[2, 1]"),
            ("null", "false"),
            (r#""1""#, "1"),
            ("{", "{}"),
        ] {
            assert!(!is_same_json(one, other), "{one} {other}");
        }
    }
}
