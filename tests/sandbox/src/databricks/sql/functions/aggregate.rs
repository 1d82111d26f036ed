//! Aggregates: exact sums, and those that the database does not have.

use rusqlite::Connection;
use rusqlite::functions::{Aggregate, Context, WindowAggregate};
use rusqlite::types::Value;
use serde_json::Value as Json;

use super::arithmetic::small;
use super::{PURE, integer, text};
use crate::databricks::sql::convert;
use crate::databricks::sql::decimal::{self, Decimal};
use crate::databricks::sql::error::SqlError;

pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    connection.create_window_function("decimal_sum", 3, PURE, Sum)?;
    connection.create_aggregate_function("decimal_avg", 3, PURE, Average)?;
    connection.create_aggregate_function("bits_xor", 1, PURE, Xor)?;
    connection.create_aggregate_function("best_by", 3, PURE, Best)?;
    connection.create_aggregate_function("collect_json", 1, PURE, Collect { distinct: false })?;
    connection.create_aggregate_function("collect_json_set", 1, PURE, Collect { distinct: true })
}

#[derive(Default)]
pub(super) struct Running {
    units: i128,
    count: i128,
    overflow: bool,
}

impl Running {
    fn add(&mut self, value: Option<i128>, sign: i128) {
        let Some(value) = value else { return };
        match self.units.checked_add(value * sign) {
            Some(units) => self.units = units,
            None => self.overflow = true,
        }
        self.count += sign;
    }
}

fn units(context: &Context<'_>, scale: u8) -> Option<i128> {
    Decimal::parse(&text(context, 0)).and_then(|value| value.rescaled(scale)).map(|value| value.units)
}

/// `decimal_sum(value, precision, scale)`, the two being those of the result.
struct Sum;

#[derive(Default)]
struct Total {
    running: Running,
    precision: u8,
    scale: u8,
}

impl Total {
    fn value(&self) -> rusqlite::Result<Option<String>> {
        if self.running.count == 0 {
            return Ok(None);
        }
        let sum = Decimal { units: self.running.units, scale: self.scale };
        let fitted = sum.fitted(self.precision, self.scale).filter(|_| !self.running.overflow);
        let fitted = fitted.ok_or_else(|| SqlError::out_of_range(&sum.to_string(), self.precision, self.scale))?;
        Ok(Some(fitted.to_string()))
    }

    fn step(&mut self, context: &Context<'_>, sign: i128) {
        (self.precision, self.scale) = (small(context, 1), small(context, 2));
        if !matches!(context.get_raw(0), rusqlite::types::ValueRef::Null) {
            self.running.add(units(context, self.scale), sign);
        }
    }
}

impl Aggregate<Total, Option<String>> for Sum {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Total> {
        Ok(Total::default())
    }

    fn step(&self, context: &mut Context<'_>, total: &mut Total) -> rusqlite::Result<()> {
        total.step(context, 1);
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, total: Option<Total>) -> rusqlite::Result<Option<String>> {
        total.map_or(Ok(None), |total| total.value())
    }
}

impl WindowAggregate<Total, Option<String>> for Sum {
    fn value(&self, total: Option<&mut Total>) -> rusqlite::Result<Option<String>> {
        total.map_or(Ok(None), |total| total.value())
    }

    fn inverse(&self, context: &mut Context<'_>, total: &mut Total) -> rusqlite::Result<()> {
        total.step(context, -1);
        Ok(())
    }
}

/// `decimal_avg(value, precision, scale)`, the two being those of the result.
struct Average;

impl Aggregate<Total, Option<String>> for Average {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Total> {
        Ok(Total::default())
    }

    fn step(&self, context: &mut Context<'_>, total: &mut Total) -> rusqlite::Result<()> {
        total.step(context, 1);
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, total: Option<Total>) -> rusqlite::Result<Option<String>> {
        let Some(total) = total.filter(|total| total.running.count > 0) else {
            return Ok(None);
        };
        let sum = Decimal { units: total.running.units, scale: total.scale };
        let count = Decimal { units: total.running.count, scale: 0 };
        let average = sum.over(count, total.scale).and_then(|average| average.fitted(total.precision, total.scale));
        let average = average.ok_or_else(|| SqlError::out_of_range(&sum.to_string(), total.precision, total.scale))?;
        Ok(Some(average.to_string()))
    }
}

struct Xor;

impl Aggregate<Option<i64>, Option<i64>> for Xor {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Option<i64>> {
        Ok(None)
    }

    fn step(&self, context: &mut Context<'_>, bits: &mut Option<i64>) -> rusqlite::Result<()> {
        if let rusqlite::types::ValueRef::Integer(number) = context.get_raw(0) {
            *bits = Some(bits.unwrap_or(0) ^ number);
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, bits: Option<Option<i64>>) -> rusqlite::Result<Option<i64>> {
        Ok(bits.flatten())
    }
}

/// `best_by(value, by, sign)`: the value where `by` is greatest, or least where the sign is -1.
struct Best;

impl Aggregate<Option<(Value, Value)>, Value> for Best {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Option<(Value, Value)>> {
        Ok(None)
    }

    fn step(&self, context: &mut Context<'_>, best: &mut Option<(Value, Value)>) -> rusqlite::Result<()> {
        let by = convert::owned(context.get_raw(1));
        if by == Value::Null {
            return Ok(());
        }
        let order = best.as_ref().map(|(known, _)| compare(&by, known));
        let wanted = if integer(context, 2) < 0 { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater };
        if order.is_none_or(|order| order == wanted) {
            *best = Some((by, convert::owned(context.get_raw(0))));
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, best: Option<Option<(Value, Value)>>) -> rusqlite::Result<Value> {
        Ok(best.flatten().map_or(Value::Null, |(_, value)| value))
    }
}

fn compare(a: &Value, b: &Value) -> std::cmp::Ordering {
    match (a, b) {
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        (Value::Real(a), Value::Real(b)) => a.total_cmp(b),
        (Value::Text(a), Value::Text(b)) if Decimal::parse(a).is_some() && Decimal::parse(b).is_some() => {
            decimal::compare(a, b)
        }
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        _ => std::cmp::Ordering::Equal,
    }
}

/// An array of the values that are not null.
struct Collect {
    distinct: bool,
}

impl Aggregate<Vec<Json>, String> for Collect {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Vec<Json>> {
        Ok(Vec::new())
    }

    fn step(&self, context: &mut Context<'_>, items: &mut Vec<Json>) -> rusqlite::Result<()> {
        let item = convert::to_json(&convert::owned(context.get_raw(0)));
        let known = self.distinct && items.contains(&item);
        if !(known || item.is_null()) {
            items.push(item);
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, items: Option<Vec<Json>>) -> rusqlite::Result<String> {
        Ok(Json::Array(items.unwrap_or_default()).to_string())
    }
}
