//! The functions that the translated SQL calls and the embedded database lacks.
//!
//! Invariant: a function that is given nothing answers nothing, unless its name says otherwise.

mod aggregate;
mod arithmetic;
pub(super) mod json;
mod text;
mod time;

use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};

use super::convert;
use super::error::{Result, SqlError};
use crate::databricks::catalog::types::Type;

/// Adds all of them.
pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    casts(connection)?;
    arithmetic::register(connection)?;
    aggregate::register(connection)?;
    text::register(connection)?;
    time::register(connection)?;
    json::register(connection)
}

pub(super) const PURE: FunctionFlags =
    FunctionFlags::SQLITE_UTF8.union(FunctionFlags::SQLITE_DETERMINISTIC).union(FunctionFlags::SQLITE_INNOCUOUS);

/// A function of arguments of which none is null.
fn strict(
    connection: &Connection,
    name: &str,
    arguments: i32,
    work: impl Fn(&Context<'_>) -> Result<Value> + Send + 'static,
) -> rusqlite::Result<()> {
    connection.create_scalar_function(name, arguments, PURE, move |context| {
        if (0..context.len()).any(|at| matches!(context.get_raw(at), ValueRef::Null)) {
            return Ok(Value::Null);
        }
        Ok(work(context)?)
    })
}

/// The argument as text; numbers as they are written.
fn text(context: &Context<'_>, at: usize) -> String {
    match context.get_raw(at) {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn bytes<'a>(context: &'a Context<'_>, at: usize) -> &'a [u8] {
    match context.get_raw(at) {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
        _ => &[],
    }
}

fn integer(context: &Context<'_>, at: usize) -> i64 {
    match context.get_raw(at) {
        ValueRef::Integer(number) => number,
        _ => 0,
    }
}

/// A type that stands as text in the SQL, read once per statement.
fn type_at(context: &Context<'_>, at: usize) -> rusqlite::Result<Arc<Type>> {
    let place = i32::try_from(at).unwrap_or_default();
    context.get_or_create_aux(place, |value: ValueRef<'_>| -> rusqlite::Result<Type, SqlError> {
        Type::parse(value.as_str().unwrap_or_default())
    })
}

fn casts(connection: &Connection) -> rusqlite::Result<()> {
    connection.create_scalar_function("cast_as", 3, PURE, |context| {
        let (from, to) = (type_at(context, 1)?, type_at(context, 2)?);
        Ok(convert::converted(context.get_raw(0), &from, &to)?)
    })?;
    connection.create_scalar_function("try_cast_as", 3, PURE, |context| {
        let (from, to) = (type_at(context, 1)?, type_at(context, 2)?);
        Ok(convert::converted(context.get_raw(0), &from, &to).unwrap_or(Value::Null))
    })?;
    // A value on its way into a column: what does not fit is told with the column's name.
    connection.create_scalar_function("store_as", 5, PURE, |context| {
        let (from, to) = (type_at(context, 1)?, type_at(context, 2)?);
        let stored = convert::converted(context.get_raw(0), &from, &to);
        stored.map_err(|error| assigned(error, &from, &to, &text(context, 3), &text(context, 4)).into())
    })?;
    strict(connection, "raise_error", 1, |context| {
        Err(SqlError::new("USER_RAISED_EXCEPTION", "P0001", text(context, 0)))
    })?;
    connection.create_scalar_function("shown_as_json", 2, PURE, |context| {
        let ty = type_at(context, 1)?;
        let nothing = matches!(context.get_raw(0), ValueRef::Null);
        Ok(if nothing { Value::Null } else { Value::Text(convert::json_text(context.get_raw(0), &ty)) })
    })
}

/// The words for a value that does not fit its column; `MERGE` and `UPDATE` have their own.
fn assigned(error: SqlError, from: &Type, to: &Type, column: &str, how: &str) -> SqlError {
    let overflow = error.class.starts_with("NUMERIC_VALUE_OUT_OF_RANGE") || error.class == "CAST_OVERFLOW";
    if !overflow {
        return error;
    }
    if how == "insert" {
        let message = format!(
            "Fail to assign a value of \"{from}\" type to the \"{to}\" type column or variable `{column}` due to an \
             overflow. Use `try_cast` on the input value to tolerate overflow and return NULL instead."
        );
        return SqlError::new("CAST_OVERFLOW_IN_TABLE_INSERT", "22003", message);
    }
    let message = format!(
        "Failed to write a value of \"{from}\" type into the \"{to}\" type column `{column}` due to an overflow."
    );
    SqlError::new("DELTA_CAST_OVERFLOW_IN_TABLE_WRITE", "22003", message)
}
