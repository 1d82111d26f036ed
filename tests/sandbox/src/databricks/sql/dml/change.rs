//! UPDATE and DELETE.

use sqlparser::ast::{Delete, Expr, FromTable, Update};

use super::{Target, assigned, assignments, execute};
use crate::databricks::sql::bind::{Binder, Scope};
use crate::databricks::sql::error::{Result, SqlError};
use crate::databricks::sql::run::{Outcome, Output};

pub(super) fn update(binder: &mut Binder<'_>, update: &Update) -> Outcome {
    let unknown =
        update.from.is_some() || update.returning.is_some() || update.limit.is_some() || !update.order_by.is_empty();
    if unknown || !update.table.joins.is_empty() {
        return Err(SqlError::syntax("a part of an UPDATE that the sandbox does not know"));
    }
    let target = Target::of_factor(binder, &update.table.relation)?;
    target.begin(binder, false)?;
    let scope = Scope { relations: vec![target.relation()], ..Scope::default() };
    let mut sets = Vec::new();
    for (column, value) in assignments(&target, &update.assignments)? {
        let value = assigned(binder, &target, &column, value, &scope, "write")?;
        sets.push(format!("c{} = {value}", column.id));
    }
    let condition = condition(binder, update.selection.as_ref(), &scope)?;
    let sql = format!("UPDATE {} AS t SET {}{condition}", target.table.storage(), sets.join(", "));
    let count = execute(binder, &sql).map_err(|error| target.worded(error))?;
    if count > 0 {
        let predicate = update.selection.as_ref().map(ToString::to_string).unwrap_or_default();
        target.commit(binder, "UPDATE", vec![("predicate".into(), predicate)], &[("numUpdatedRows", count)], false)?;
    }
    Ok(Output::counts(&[("num_affected_rows", count)]))
}

pub(super) fn delete(binder: &mut Binder<'_>, delete: &Delete) -> Outcome {
    let unknown =
        delete.using.is_some() || delete.returning.is_some() || delete.limit.is_some() || !delete.tables.is_empty();
    let FromTable::WithFromKeyword(tables) = &delete.from else {
        return Err(SqlError::syntax("'DELETE' without FROM"));
    };
    let ([table], false) = (tables.as_slice(), unknown) else {
        return Err(SqlError::syntax("a part of a DELETE that the sandbox does not know"));
    };
    let target = Target::of_factor(binder, &table.relation)?;
    target.begin(binder, false)?;
    let scope = Scope { relations: vec![target.relation()], ..Scope::default() };
    let condition = condition(binder, delete.selection.as_ref(), &scope)?;
    let count = execute(binder, &format!("DELETE FROM {} AS t{condition}", target.table.storage()))?;
    if count > 0 {
        let predicate = delete.selection.as_ref().map(ToString::to_string).unwrap_or_default();
        target.commit(binder, "DELETE", vec![("predicate".into(), predicate)], &[("numDeletedRows", count)], false)?;
    }
    Ok(Output::counts(&[("num_affected_rows", count)]))
}

fn condition(binder: &mut Binder<'_>, condition: Option<&Expr>, scope: &Scope<'_>) -> Result<String> {
    let Some(condition) = condition else {
        return Ok(String::new());
    };
    let value = binder.expr(condition, scope)?;
    Ok(format!(" WHERE {}", binder.condition(value, condition)?))
}
