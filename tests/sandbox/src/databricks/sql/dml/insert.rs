//! INSERT.

use sqlparser::ast::{Expr, Insert, Query, SetExpr, TableObject};

use super::{Target, execute};
use crate::databricks::catalog::Column;
use crate::databricks::sql::bind::{Binder, Scope, Typed};
use crate::databricks::sql::error::{Result, SqlError};
use crate::databricks::sql::run::{Outcome, Output};

pub(super) fn run(binder: &mut Binder<'_>, insert: &Insert, by_name: bool) -> Outcome {
    let (TableObject::TableName(name), Some(source)) = (&insert.table, &insert.source) else {
        return Err(SqlError::syntax("'INSERT'"));
    };
    let unknown =
        insert.on.is_some() || insert.returning.is_some() || insert.partitioned.is_some() || insert.or.is_some();
    if unknown || insert.ignore || insert.replace_into {
        return Err(SqlError::syntax("a part of an INSERT that the sandbox does not know"));
    }
    let target = Target::open(binder, name, None, false)?;
    target.begin(binder, !insert.overwrite)?;
    let mut columns = Vec::new();
    for name in &insert.columns {
        let parts = crate::databricks::sql::bind::parts(name)?;
        columns.push(target.column(parts.last().map_or("", String::as_str))?.clone());
    }
    let written = match plain_rows(source) {
        Some(rows) if !by_name => values(binder, &target, &columns, rows)?,
        _ => selected(binder, &target, columns, source, by_name)?,
    };
    if insert.overwrite {
        execute(binder, &format!("DELETE FROM {}", target.table.storage()))?;
    }
    let count = execute(binder, &written).map_err(|error| target.worded(error))?;
    let mode = if insert.overwrite { "Overwrite" } else { "Append" };
    let metrics = [("numFiles", 1), ("numOutputRows", count)];
    target.commit(binder, "WRITE", vec![("mode".into(), mode.into())], &metrics, !insert.overwrite)?;
    Ok(Output::counts(&[("num_affected_rows", count), ("num_inserted_rows", count)]))
}

/// The rows of a plain VALUES, in which DEFAULT may stand.
fn plain_rows(query: &Query) -> Option<Vec<&[Expr]>> {
    match &*query.body {
        SetExpr::Values(values) if query.with.is_none() && query.limit_clause.is_none() => {
            Some(values.rows.iter().map(|row| row.as_slice()).collect())
        }
        _ => None,
    }
}

fn arity(target: &Target, found: usize, wanted: usize) -> SqlError {
    let message = format!(
        "Cannot write to '{}', {} data columns: the target has {wanted} column(s), the inserted data has {found} column(s).",
        target.name.full(),
        if found < wanted { "not enough" } else { "too many" }
    );
    SqlError::new("DELTA_INSERT_COLUMN_ARITY_MISMATCH", "42802", message)
}

fn values(binder: &mut Binder<'_>, target: &Target, columns: &[Column], rows: Vec<&[Expr]>) -> Result<String> {
    let named: Vec<Column> = if columns.is_empty() { target.table.columns.clone() } else { columns.to_vec() };
    let mut written = Vec::new();
    let defaults = missing(binder, target, &named)?;
    for row in rows {
        if row.len() != named.len() {
            return Err(arity(target, row.len(), named.len()));
        }
        let mut cells = Vec::new();
        for (cell, column) in row.iter().zip(&named) {
            cells.push(super::assigned(binder, target, column, cell, &Scope::default(), "insert")?);
        }
        cells.extend(defaults.iter().map(|(_, value)| value.clone()));
        written.push(format!("({})", cells.join(", ")));
    }
    let names = named.iter().map(|column| column.id).chain(defaults.iter().map(|(id, _)| *id));
    let names: Vec<String> = names.map(|id| format!("c{id}")).collect();
    Ok(format!("INSERT INTO {} ({}) VALUES {}", target.table.storage(), names.join(", "), written.join(", ")))
}

/// The columns that a statement does not name, with what they get.
fn missing(binder: &mut Binder<'_>, target: &Target, named: &[Column]) -> Result<Vec<(u64, String)>> {
    let left = target
        .table
        .columns
        .iter()
        .filter(|column| !named.iter().any(|one| one.id == column.id) && column.default.is_some());
    let left: Vec<Column> = left.cloned().collect();
    left.iter().map(|column| Ok((column.id, target.default(binder, column, "insert")?))).collect()
}

fn selected(
    binder: &mut Binder<'_>,
    target: &Target,
    mut columns: Vec<Column>,
    source: &Query,
    by_name: bool,
) -> Result<String> {
    let bound = binder.query(source, None)?;
    if by_name {
        let named = bound.columns.iter().map(|column| target.column(&column.name).cloned());
        columns = named.collect::<Result<_>>()?;
    } else if columns.is_empty() {
        columns.clone_from(&target.table.columns);
    }
    if bound.columns.len() != columns.len() {
        return Err(arity(target, bound.columns.len(), columns.len()));
    }
    let mut cells = Vec::new();
    for (at, (found, column)) in bound.columns.iter().zip(&columns).enumerate() {
        let value = Typed::new(format!("s.c{at}"), found.ty.clone());
        cells.push(binder.store(value, &column.ty, &column.name, "insert")?);
    }
    let defaults = missing(binder, target, &columns)?;
    cells.extend(defaults.iter().map(|(_, value)| value.clone()));
    let names = columns.iter().map(|column| column.id).chain(defaults.iter().map(|(id, _)| *id));
    let names: Vec<String> = names.map(|id| format!("c{id}")).collect();
    Ok(format!(
        "INSERT INTO {} ({}) SELECT {} FROM ({}) AS s",
        target.table.storage(),
        names.join(", "),
        cells.join(", "),
        bound.sql
    ))
}
