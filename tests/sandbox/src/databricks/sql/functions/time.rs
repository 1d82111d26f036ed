//! Days and instants.

use rusqlite::Connection;
use rusqlite::functions::Context;
use rusqlite::types::Value;

use super::{integer, strict, text};
use crate::databricks::sql::error::SqlError;
use crate::databricks::sql::moment::{self, MICROS_PER_DAY};

pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    strict(connection, "moment_trunc", 2, |context| {
        Ok(optional(moment::truncated(integer(context, 0), &text(context, 1))))
    })?;
    strict(connection, "moment_part", 2, |context| Ok(optional(moment::part(integer(context, 0), &text(context, 1)))))?;
    strict(connection, "moment_months", 2, |context| {
        Ok(optional(moment::plus_months(integer(context, 0), integer(context, 1))))
    })?;
    strict(connection, "moment_format", 2, |context| {
        let pattern = text(context, 1);
        let formatted = moment::formatted(integer(context, 0), &pattern);
        formatted.map(Value::Text).ok_or_else(|| {
            let message = format!("Unrecognized datetime pattern: '{pattern}'.");
            SqlError::new("INVALID_DATETIME_PATTERN.WITH_SUGGESTION", "22007", message)
        })
    })?;
    strict(connection, "last_day_of", 1, |context| {
        let days = integer(context, 0);
        let next = moment::truncated(days * MICROS_PER_DAY, "MONTH").and_then(|first| moment::plus_months(first, 1));
        Ok(optional(next.map(|next| next.div_euclid(MICROS_PER_DAY) - 1)))
    })?;
    strict(connection, "moment_diff", 3, |context| Ok(optional(difference(context))))
}

fn optional(number: Option<i64>) -> Value {
    number.map_or(Value::Null, Value::Integer)
}

/// `moment_diff(unit, from, to)`: the whole units between.
fn difference(context: &Context<'_>) -> Option<i64> {
    let between = integer(context, 2).checked_sub(integer(context, 1))?;
    let unit = match text(context, 0).to_ascii_uppercase().as_str() {
        "MICROSECOND" => 1,
        "MILLISECOND" => 1_000,
        "SECOND" => 1_000_000,
        "MINUTE" => 60_000_000,
        "HOUR" => 3_600_000_000,
        "DAY" => MICROS_PER_DAY,
        "WEEK" => 7 * MICROS_PER_DAY,
        _ => return None,
    };
    Some(between / unit)
}
