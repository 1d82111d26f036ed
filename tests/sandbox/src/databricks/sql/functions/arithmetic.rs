//! Numbers: whole ones that overflow instead of becoming floats, and exact decimals.

use rusqlite::Connection;
use rusqlite::functions::Context;
use rusqlite::types::{Value, ValueRef};

use super::{integer, strict, text};
use crate::databricks::sql::decimal::Decimal;
use crate::databricks::sql::error::{Result, SqlError};

pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    whole(connection, "whole_add", |a, b| Some(a + b))?;
    whole(connection, "whole_sub", |a, b| Some(a - b))?;
    whole(connection, "whole_mul", i128::checked_mul)?;
    whole(connection, "whole_div", i128::checked_div)?;
    whole(connection, "whole_mod", i128::checked_rem)?;
    decimal(connection, "decimal_add", |a, b, _| a.plus(b))?;
    decimal(connection, "decimal_sub", |a, b, _| a.plus(b.negated()))?;
    decimal(connection, "decimal_mul", |a, b, _| a.times(b))?;
    decimal(connection, "decimal_div", Decimal::over)?;
    decimal(connection, "decimal_mod", |a, b, _| a.modulo(b))?;
    strict(connection, "decimal_neg", 1, |context| Ok(Value::Text(number(context, 0)?.negated().to_string())))?;
    strict(connection, "decimal_round", 2, |context| {
        let (value, places) = (number(context, 0)?, integer(context, 1));
        let Ok(places) = u8::try_from(places) else {
            return Err(SqlError::syntax("'round' with digits before the point, which the sandbox does not know"));
        };
        rounded(value.rescaled(places.min(value.scale)))
    })?;
    strict(connection, "decimal_floor", 1, |context| Ok(Value::Text(number(context, 0)?.floor().to_string())))?;
    strict(connection, "decimal_ceil", 1, |context| {
        let up = number(context, 0)?.negated().floor();
        Ok(Value::Text((-up).to_string()))
    })?;
    strict(connection, "float_div", 2, |context| {
        let (a, b) = (float(context, 0), float(context, 1));
        if b == 0.0 { Err(by_zero()) } else { Ok(Value::Real(a / b)) }
    })?;
    strict(connection, "float_round", 2, |context| {
        let places = integer(context, 1).clamp(-300, 300);
        let factor = 10_f64.powi(i32::try_from(places).unwrap_or_default());
        Ok(Value::Real((float(context, 0) * factor).round() / factor))
    })?;
    strict(connection, "float_floor", 1, |context| Ok(whole_float(float(context, 0).floor())))?;
    strict(connection, "float_ceil", 1, |context| Ok(whole_float(float(context, 0).ceil())))?;
    strict(connection, "float_power", 2, |context| Ok(Value::Real(float(context, 0).powf(float(context, 1)))))?;
    strict(connection, "float_sqrt", 1, |context| Ok(Value::Real(float(context, 0).sqrt())))
}

#[expect(clippy::cast_possible_truncation, reason = "a float beyond a BIGINT becomes the nearest one, as in Java")]
fn whole_float(number: f64) -> Value {
    Value::Integer(number as i64)
}

#[expect(clippy::cast_precision_loss, reason = "the arguments of functions of floats are floats")]
fn float(context: &Context<'_>, at: usize) -> f64 {
    match context.get_raw(at) {
        ValueRef::Integer(number) => number as f64,
        ValueRef::Real(number) => number,
        _ => text(context, at).parse().unwrap_or(f64::NAN),
    }
}

fn by_zero() -> SqlError {
    let message = "Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead. If necessary set \
        \"ansi_mode\" to \"false\" to bypass this error.";
    SqlError::new("DIVIDE_BY_ZERO", "22012", message)
}

/// A function of two whole numbers and the bits that the result may have.
fn whole(connection: &Connection, name: &str, work: fn(i128, i128) -> Option<i128>) -> rusqlite::Result<()> {
    let divides = name.ends_with("div") || name.ends_with("mod");
    strict(connection, name, 3, move |context| {
        let (a, b, bits) = (integer(context, 0), integer(context, 1), integer(context, 2));
        if divides && b == 0 {
            return Err(by_zero());
        }
        let limit = 1_i128 << (bits - 1);
        let result = work(a.into(), b.into()).filter(|result| (-limit..limit).contains(result));
        let result = result.and_then(|result| i64::try_from(result).ok());
        result.map(Value::Integer).ok_or_else(|| SqlError::overflow(if bits == 64 { "long" } else { "integer" }))
    })
}

/// A function of two decimals and the precision and scale of the result.
fn decimal(
    connection: &Connection,
    name: &str,
    work: fn(Decimal, Decimal, u8) -> Option<Decimal>,
) -> rusqlite::Result<()> {
    let divides = name.ends_with("div") || name.ends_with("mod");
    strict(connection, name, 4, move |context| {
        let (a, b) = (number(context, 0)?, number(context, 1)?);
        let (precision, scale) = (small(context, 2), small(context, 3));
        if divides && b.units == 0 {
            return Err(by_zero());
        }
        let fitted = work(a, b, scale).and_then(|result| result.fitted(precision, scale));
        let fitted = fitted.ok_or_else(|| SqlError::out_of_range(&format!("{a} … {b}"), precision, scale))?;
        Ok(Value::Text(fitted.to_string()))
    })
}

pub(super) fn small(context: &Context<'_>, at: usize) -> u8 {
    u8::try_from(integer(context, at)).unwrap_or(u8::MAX)
}

fn number(context: &Context<'_>, at: usize) -> Result<Decimal> {
    let text = text(context, at);
    Decimal::parse(&text).ok_or_else(|| SqlError::cast(&text, "STRING", "DECIMAL"))
}

fn rounded(value: Option<Decimal>) -> Result<Value> {
    value.map(|value| Value::Text(value.to_string())).ok_or_else(|| SqlError::overflow("decimal"))
}
