//! Reads back what stands in a table.

use std::collections::HashSet;

use engine::model::decimal::Decimal;
use engine::model::id::RecordKey;
use engine::model::rows::{Rows, RowsWriter};
use engine::model::table::{ColumnType, TableSpec};
use engine::model::totals::{GroupBy, GroupTotal};
use engine::model::value::Value;
use engine::ports::{Totals, Which};
use engine::{Error, Result};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, Statement};

use super::super::present::{Groups, add, declared, group_column, kept_hash, key_parts, standing_columns};
use super::super::{quoted, quoted_list};
use super::failed;
use super::values::{Kept, kept, micros};

/// A value of a column, in the form in which the mapping made it.
fn present(kind: ColumnType, value: ValueRef<'_>) -> Value<'_> {
    let text = |bytes: &[u8]| Value::Text(String::from_utf8_lossy(bytes).into_owned().into());
    let value = match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(i) => Value::Integer(i),
        // No column of ours can hold one: somebody has made the table anew.
        ValueRef::Real(float) => Value::Text(format!("{float:?}").into()),
        ValueRef::Text(bytes) => std::str::from_utf8(bytes).map_or_else(|_| text(bytes), Value::text),
        ValueRef::Blob(bytes) => text(bytes),
    };
    declared(kind, value)
}

/// Counts and sums here, where decimals are exact: SQLite itself would add them as floats.
pub(super) fn totals(
    connection: &Connection,
    table: &TableSpec,
    columns: &[String],
    except: &[String],
) -> Result<Totals> {
    let except: HashSet<&str> = except.iter().map(String::as_str).collect();
    let names: String = columns.iter().map(|c| format!(", {}", quoted(c))).collect();
    let sql =
        format!("SELECT _source_id{names} FROM {} WHERE _is_deleted = 0 AND _source_system = ?1", quoted(&table.name));
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    let mut rows = statement.query((&table.source_system,)).map_err(failed)?;
    let mut totals = Totals { records: 0, sums: vec![None; columns.len()] };
    while let Some(row) = rows.next().map_err(failed)? {
        let key = row.get_ref(0).map_err(failed)?.as_str().unwrap_or_default();
        if except.contains(key) {
            continue;
        }
        totals.records += 1;
        for (i, sum) in totals.sums.iter_mut().enumerate() {
            if let Some(value) = amount(row.get_ref(i + 1).map_err(failed)?)? {
                add(sum, value)?;
            }
        }
    }
    Ok(totals)
}

/// As [`totals`], in groups.
pub(super) fn control_totals(
    connection: &Connection,
    table: &TableSpec,
    by: &GroupBy,
    columns: &[String],
) -> Result<Vec<GroupTotal>> {
    let group = group_column(table, by)?;
    let mut groups = Groups::new(table, by, columns)?;
    let names: Vec<String> = std::iter::once(group.map_or("NULL".to_owned(), |(name, _)| quoted(name)))
        .chain(columns.iter().map(|column| quoted(column)))
        .collect();
    let sql = format!(
        "SELECT {} FROM {} WHERE _is_deleted = 0 AND _source_system = ?1",
        names.join(", "),
        quoted(&table.name)
    );
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    let mut rows = statement.query((&table.source_system,)).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let value = row.get_ref(0).map_err(failed)?;
        let group = groups.of(&group.map_or(Value::Null, |(_, kind)| present(kind, value)));
        group.records += 1;
        for (i, sum) in group.sums.iter_mut().enumerate() {
            if let Some(value) = amount(row.get_ref(i + 1).map_err(failed)?)? {
                add(sum, value)?;
            }
        }
    }
    Ok(groups.finish())
}

/// A value that is summed.
fn amount(value: ValueRef<'_>) -> Result<Option<Decimal>> {
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(value) => Ok(Some(Decimal::new(value.into(), 0))),
        other => {
            let text = other.as_str().map_err(|_| Error::stop("an amount in the table is no number"))?;
            Decimal::parse(text).map(Some)
        }
    }
}

/// The records of this source, and those that nobody says whose they are.
const OURS: &str = "(_source_system = ?1 OR _source_system IS NULL)";

/// Counts the records that are there.
pub(super) fn count_standing(connection: &Connection, table: &TableSpec) -> Result<u64> {
    let sql = format!("SELECT count(*) FROM {} WHERE COALESCE(_is_deleted, 0) = 0 AND {OURS}", quoted(&table.name));
    let count: i64 = connection.query_row(&sql, (&table.source_system,), |row| row.get(0)).map_err(failed)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Records read back: a page of them, or those of some keys.
pub(super) enum Asked {
    /// As [`Which::After`].
    After(Option<RecordKey>, usize),
    /// As [`Which::Keys`].
    Keys(Vec<RecordKey>),
}

impl From<Which<'_>> for Asked {
    fn from(which: Which<'_>) -> Self {
        match which {
            Which::After(key, limit) => Self::After(key.cloned(), limit),
            Which::Keys(keys) => Self::Keys(keys.to_vec()),
        }
    }
}

pub(super) fn standing(connection: &Connection, table: &TableSpec, asked: &Asked) -> Result<Rows> {
    let mut found = RowsWriter::new(&standing_columns(table));
    let names = table.columns.iter().map(|column| column.name.as_str());
    let select = format!(
        "SELECT _source_id, _source_updated_at, _row_hash, COALESCE(_is_deleted, 0), _version, _mapping, {} FROM {} WHERE {OURS}",
        quoted_list(names),
        quoted(&table.name)
    );
    match asked {
        Asked::Keys(keys) => {
            let mut statement = connection.prepare(&format!("{select} AND {}", same_key(table, 2))).map_err(failed)?;
            for key in keys {
                bind_key(&mut statement, table, key, 2)?;
                read_into(&mut statement, table, &mut found)?;
            }
        }
        Asked::After(after, limit) => {
            let key = quoted_list(table.key_columns().map(|column| column.name.as_str()));
            let places: Vec<String> = (0..table.key.len()).map(|i| format!("?{}", i + 2)).collect();
            let follows = after.as_ref().map_or(String::new(), |_| format!(" AND ({key}) > ({})", places.join(", ")));
            let sql = format!("{select}{follows} ORDER BY {key} LIMIT {limit}");
            let mut statement = connection.prepare(&sql).map_err(failed)?;
            if let Some(after) = after {
                bind_key(&mut statement, table, after, 2)?;
            }
            read_into(&mut statement, table, &mut found)?;
        }
    }
    found.into_rows()
}

fn read_into(statement: &mut Statement<'_>, table: &TableSpec, found: &mut RowsWriter) -> Result<()> {
    statement.raw_bind_parameter(1, &table.source_system).map_err(failed)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(failed)? {
        found.push(&cells(row, table).map_err(failed)?);
    }
    Ok(())
}

fn cells<'r>(row: &'r Row<'_>, table: &TableSpec) -> rusqlite::Result<Vec<Value<'r>>> {
    let stamp = row.get_ref(1)?.as_str_or_null()?.and_then(micros);
    let mut cells = vec![
        row.get_ref(0)?.as_str_or_null()?.map_or(Value::Null, Value::text),
        stamp.map_or(Value::Null, Value::Timestamp),
        kept_hash(row.get_ref(2)?.as_blob_or_null()?),
        Value::Bool(row.get(3)?),
        row.get::<_, Option<i64>>(4)?.map_or(Value::Null, Value::Integer),
        row.get::<_, Option<i64>>(5)?.map_or(Value::Null, Value::Integer),
    ];
    for (i, column) in table.columns.iter().enumerate() {
        cells.push(present(column.kind, row.get_ref(i + 6)?));
    }
    Ok(cells)
}

/// `k1 = ?2 AND k2 = ?3`, from this place on.
pub(super) fn same_key(table: &TableSpec, from: usize) -> String {
    let pairs = table.key_columns().enumerate().map(|(i, column)| format!("{} = ?{}", quoted(&column.name), i + from));
    pairs.collect::<Vec<_>>().join(" AND ")
}

/// Binds the values of a key from this place on.
pub(super) fn bind_key(statement: &mut Statement<'_>, table: &TableSpec, key: &RecordKey, from: usize) -> Result<()> {
    for (i, (column, part)) in table.key_columns().zip(key_parts(table, key)?).enumerate() {
        let value = declared(column.kind, Value::text(&part));
        statement.raw_bind_parameter(i + from, Kept(kept(column.kind, &value))).map_err(failed)?;
    }
    Ok(())
}
