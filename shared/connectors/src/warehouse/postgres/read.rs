//! Reads back what stands in a table.

use engine::Result;
use engine::model::decimal::Decimal;
use engine::model::id::RecordKey;
use engine::model::rows::{Rows, RowsWriter};
use engine::model::table::{ColumnType, TableSpec};
use engine::model::totals::{GroupBy, GroupTotal};
use engine::model::value::Value;
use engine::ports::Which;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::super::present::{Groups, add, declared, group_column, kept_hash, key_parts, standing_columns};
use super::super::{quoted, quoted_list};
use super::Postgres;
use super::errors::Failure;
use super::sql::stage_type;
use super::types::{Date, Timestamp};

/// What a column is selected as: text for whatever no driver type holds whole, or whose type an administrator may have
/// chosen wider than declared.
fn selected(kind: ColumnType, column: &str) -> String {
    let column = quoted(column);
    match kind {
        ColumnType::Boolean | ColumnType::Date | ColumnType::Timestamp => column,
        ColumnType::Text { .. } | ColumnType::Integer | ColumnType::Decimal { .. } | ColumnType::Json => {
            format!("{column}::text")
        }
    }
}

/// The `i`th value of a row, in the form in which the mapping made it.
fn present(row: &Row, i: usize, kind: ColumnType) -> Result<Value<'_>, Failure> {
    let value = match kind {
        ColumnType::Boolean => row.try_get::<_, Option<bool>>(i)?.map(Value::Bool),
        ColumnType::Date => row.try_get::<_, Option<Date>>(i)?.map(|Date(days)| Value::Date(days)),
        ColumnType::Timestamp => {
            row.try_get::<_, Option<Timestamp>>(i)?.map(|Timestamp(micros)| Value::Timestamp(micros))
        }
        ColumnType::Text { .. } | ColumnType::Integer | ColumnType::Decimal { .. } | ColumnType::Json => {
            row.try_get::<_, Option<&str>>(i)?.map(Value::text)
        }
    };
    Ok(declared(kind, value.unwrap_or(Value::Null)))
}

pub(super) async fn control_totals(
    postgres: &Postgres,
    table: &TableSpec,
    by: &GroupBy,
    columns: &[String],
) -> Result<Vec<GroupTotal>, Failure> {
    let group = group_column(table, by)?;
    let mut groups = Groups::new(table, by, columns)?;
    let ready = postgres.ready(table).await?;
    // Months are grouped here: there are few dates, and an infinite one has no month.
    let mut names = vec![group.map_or("NULL::text".to_owned(), |(name, kind)| selected(kind, name))];
    names.push("count(*)".to_owned());
    names.extend(columns.iter().map(|column| format!("sum({})::text", quoted(column))));
    let statement = format!(
        "SELECT {} FROM {} WHERE NOT _is_deleted AND _source_system = $1 GROUP BY 1",
        names.join(", "),
        ready.table
    );
    for row in postgres.query(&statement, &[(&table.source_system, Type::TEXT)]).await? {
        let group = match group {
            Some((_, kind)) => groups.of(&present(&row, 0, kind)?),
            None => groups.of(&Value::Null),
        };
        group.records += u64::try_from(row.try_get::<_, i64>(1)?).unwrap_or(0);
        for (i, sum) in group.sums.iter_mut().enumerate() {
            if let Some(text) = row.try_get::<_, Option<&str>>(i + 2)? {
                add(sum, Decimal::parse(text)?)?;
            }
        }
    }
    Ok(groups.finish())
}

/// The records of this source, and those that nobody says whose they are.
const OURS: &str = "(_source_system = $1 OR _source_system IS NULL)";

pub(super) async fn count_standing(postgres: &Postgres, table: &TableSpec) -> Result<u64, Failure> {
    let ready = postgres.ready(table).await?;
    let sql = format!("SELECT count(*) FROM {} WHERE NOT COALESCE(_is_deleted, false) AND {OURS}", ready.table);
    let rows = postgres.query(&sql, &[(&table.source_system, Type::TEXT)]).await?;
    let count: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

pub(super) async fn standing(postgres: &Postgres, table: &TableSpec, which: Which<'_>) -> Result<Rows, Failure> {
    let ready = postgres.ready(table).await?;
    let columns: String = table.columns.iter().map(|c| format!(", {}", selected(c.kind, &c.name))).collect();
    let select = format!(
        "SELECT _source_id, _source_updated_at, _row_hash, COALESCE(_is_deleted, false), _version, _mapping{columns} FROM"
    );
    let key = quoted_list(table.key_columns().map(|column| column.name.as_str()));
    let rows = match which {
        Which::Keys(keys) => {
            let keys = Keys::new(table, keys)?;
            // LATERAL … LIMIT 1 keeps the planner, which knows nothing of the keys, from reading the whole table.
            let sql = format!(
                "{select} {} CROSS JOIN LATERAL (SELECT * FROM {} AS t WHERE {} AND {OURS} LIMIT 1) AS found",
                keys.given(2),
                ready.table,
                keys.same_key()
            );
            let mut parameters: Vec<(&(dyn ToSql + Sync), Type)> = vec![(&table.source_system, Type::TEXT)];
            parameters.extend(keys.parameters());
            postgres.query(&sql, &parameters).await?
        }
        Which::After(after, limit) => {
            let parts = after.map(|key| key_parts(table, key)).transpose()?.unwrap_or_default();
            let places = table.key_columns().enumerate();
            let places: Vec<String> =
                places.map(|(i, column)| format!("${}::text::{}", i + 2, stage_type(column.kind))).collect();
            let follows = after.map_or(String::new(), |_| format!(" AND ({key}) > ({})", places.join(", ")));
            let sql = format!("{select} {} WHERE {OURS}{follows} ORDER BY {key} LIMIT {limit}", ready.table);
            let mut parameters: Vec<(&(dyn ToSql + Sync), Type)> = vec![(&table.source_system, Type::TEXT)];
            parameters.extend(parts.iter().map(|part| (part as &(dyn ToSql + Sync), Type::TEXT)));
            postgres.query(&sql, &parameters).await?
        }
    };
    let mut found = RowsWriter::new(&standing_columns(table));
    for row in &rows {
        found.push(&cells(row, table)?);
    }
    Ok(found.into_rows()?)
}

fn cells<'r>(row: &'r Row, table: &TableSpec) -> Result<Vec<Value<'r>>, Failure> {
    let mut cells = vec![
        row.try_get::<_, Option<&str>>(0)?.map_or(Value::Null, Value::text),
        row.try_get::<_, Option<Timestamp>>(1)?.map_or(Value::Null, |Timestamp(micros)| Value::Timestamp(micros)),
        kept_hash(row.try_get(2)?),
        Value::Bool(row.try_get(3)?),
        row.try_get::<_, Option<i64>>(4)?.map_or(Value::Null, Value::Integer),
        row.try_get::<_, Option<i32>>(5)?.map_or(Value::Null, |mapping| Value::Integer(mapping.into())),
    ];
    for (i, column) in table.columns.iter().enumerate() {
        cells.push(present(row, i + 6, column.kind)?);
    }
    Ok(cells)
}

/// Keys as parameters: an array of texts per key column.
pub(super) struct Keys<'t> {
    table: &'t TableSpec,
    columns: Vec<Vec<String>>,
}

impl<'t> Keys<'t> {
    /// Takes them apart.
    ///
    /// # Errors
    /// Stops when one is no key of this table.
    pub fn new(table: &'t TableSpec, keys: &[RecordKey]) -> Result<Self> {
        let mut columns = vec![Vec::with_capacity(keys.len()); table.key.len()];
        for key in keys {
            for (column, part) in columns.iter_mut().zip(key_parts(table, key)?) {
                column.push(part);
            }
        }
        Ok(Self { table, columns })
    }

    /// `unnest(…) AS given(…)`: the keys as a table, with their number from 1, from this parameter on.
    pub fn given(&self, from: usize) -> String {
        let arrays: Vec<String> = (0..self.columns.len()).map(|i| format!("${}::text[]", i + from)).collect();
        let names: Vec<String> = (0..self.columns.len()).map(|i| format!("given_{i}")).collect();
        format!("unnest({}) WITH ORDINALITY AS given({}, given_at)", arrays.join(", "), names.join(", "))
    }

    /// What tells that a row of the table `t` has a given key.
    pub fn same_key(&self) -> String {
        let pairs =
            self.table.key_columns().enumerate().map(|(i, column)| {
                format!("t.{} = given.given_{i}::{}", quoted(&column.name), stage_type(column.kind))
            });
        pairs.collect::<Vec<_>>().join(" AND ")
    }

    /// The parameters.
    pub fn parameters(&self) -> impl Iterator<Item = (&(dyn ToSql + Sync), Type)> {
        self.columns.iter().map(|column| (column as &(dyn ToSql + Sync), Type::TEXT_ARRAY))
    }
}
