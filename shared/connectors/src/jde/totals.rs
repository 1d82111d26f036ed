//! Answers of COUNT and AGGREGATION.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::DateTime;
use engine::Error;
use engine::model::decimal::Decimal;
use engine::model::value::Value;
use engine::ports::SourceGroup;
use serde_json::value::RawValue;

use super::decode::damaged;
use super::query::is_date;
use super::refusal::{Failure, Problem, Problems, report};

type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// Reads `{"ds_F0411":{"count":1234}}`; the number may be a string.
///
/// # Errors
/// Whatever the errors in it mean; Stop when there is no count.
pub(super) fn count(text: &str, object: &str) -> Result<u64, Failure> {
    let members = data(text, object)?;
    members.get("count").and_then(|raw| whole(&plain(raw))).ok_or_else(|| {
        Error::stop(format!("the answer for {object} holds no count: is the capability `dataservice` on?")).into()
    })
}

/// Reads the sum of a column from `{"ds_F0411":{"output":[{"F0411.AG_SUM":9100.50}]}}`, exactly. No rows sum up to zero.
///
/// # Errors
/// As [`count`].
pub(super) fn sum(text: &str, object: &str, column: &str) -> Result<Decimal, Failure> {
    let mut sum = Decimal::default();
    // One row, or one per currency where the server processes currencies.
    for row in output(text, object)? {
        if let Some(number) = sum_in(&row, object, column)? {
            sum = sum.plus(number).map_err(|e| of_column(column, &e))?;
        }
    }
    Ok(sum)
}

/// Reads counts and sums by group from
/// `{"ds_F0411":{"output":[{"groupBy":{"F0411.AN8":4242},"F0411.AG_SUM":9100.5,"COUNT":3}]}}`.
///
/// # Errors
/// As [`count`]; Stop also when a group has no value or no count.
pub(super) fn groups(text: &str, object: &str, by: &str, columns: &[&str]) -> Result<Vec<SourceGroup>, Failure> {
    let read = |row: &Members<'_>| {
        let missing = |what: &str| {
            Error::stop(format!("the answer for {object} holds no {what} by {by}: does Tools know AGGREGATION?"))
        };
        let group = row.get("groupBy").ok_or_else(|| missing("groups"))?;
        let group: Members<'_> = serde_json::from_str(group.get()).map_err(|e| damaged(object, &e))?;
        let value = group.iter().find(|(name, _)| alias(name) == alias(by)).ok_or_else(|| missing("value"))?;
        let count = row.iter().find(|(name, _)| *name == "COUNT" || name.ends_with("_COUNT"));
        let count = count.and_then(|(_, raw)| whole(&plain(raw))).ok_or_else(|| missing("count"))?;
        let sums = columns.iter().map(|column| sum_in(row, object, column)).collect::<Result<_, _>>()?;
        Ok(SourceGroup { cell: cell(value.1, by), records: count, sums })
    };
    output(text, object)?.iter().map(read).collect()
}

/// The rows of an aggregation.
fn output<'a>(text: &'a str, object: &str) -> Result<Vec<Members<'a>>, Failure> {
    let members = data(text, object)?;
    let output = members.get("output").ok_or_else(|| {
        Error::stop(format!("the answer for {object} holds no aggregation: does Tools know AGGREGATION?"))
    })?;
    let output: Option<Vec<Members<'_>>> = serde_json::from_str(output.get()).map_err(|e| damaged(object, &e))?;
    Ok(output.unwrap_or_default())
}

/// The sum of a column in one row; `None` where it sums no rows.
fn sum_in(row: &Members<'_>, object: &str, column: &str) -> Result<Option<Decimal>, Failure> {
    let names = [format!(".{}_SUM", alias(column)), format!("_{}_SUM", alias(column))];
    let found = row.iter().find(|(name, _)| names.iter().any(|wanted| name.ends_with(wanted)));
    let (_, raw) = found.ok_or_else(|| {
        Error::stop(format!("the answer for {object} holds no sum of {column}: does Tools know AGGREGATION?"))
    })?;
    let number = plain(raw);
    if number.is_empty() || number == "null" {
        return Ok(None);
    }
    Decimal::parse(&number).map(Some).map_err(|e| of_column(column, &e).into())
}

fn of_column(column: &str, error: &Error) -> Error {
    Error::stop(format!("the sum of {column}: {error}"))
}

/// `F0411.AG`, `F0411_AG` and `AG` name the same column.
fn alias(column: &str) -> &str {
    column.rsplit_once(['.', '_']).map_or(column, |(_, alias)| alias)
}

/// A value of a group as rows have it. Dates come as milliseconds since 1970 here, and as `20261120` there.
fn cell(raw: &RawValue, column: &str) -> Value<'static> {
    match serde_json::from_str::<serde_json::Value>(raw.get()) {
        Ok(serde_json::Value::Null) | Err(_) => Value::Null,
        Ok(serde_json::Value::String(text)) => Value::Text(text.into()),
        Ok(_) if is_date(column) => {
            let day = raw.get().parse().ok().and_then(DateTime::from_timestamp_millis);
            day.map_or_else(
                || Value::Text(raw.get().to_owned().into()),
                |day| Value::Text(day.format("%Y%m%d").to_string().into()),
            )
        }
        Ok(_) => Value::Number(raw.get().to_owned().into()),
    }
}

fn whole(number: &str) -> Option<u64> {
    u64::try_from(Decimal::parse(number).ok()?.with_scale(0)?.units()).ok()
}

/// The members of `ds_<target>`, unless the answer reports errors.
fn data<'a>(text: &'a str, object: &str) -> Result<Members<'a>, Failure> {
    let read = |text: &'a str| serde_json::from_str::<Members<'a>>(text).map_err(|e| damaged(object, &e));
    let answer = read(text)?;
    let problems_in = |members: &Members<'_>, name: &str| -> Vec<Problem> {
        let raw = members.get(name).map(|raw| serde_json::from_str::<Problems>(raw.get()));
        raw.and_then(Result::ok).unwrap_or_default().0
    };
    let names = ["sysErrors", "errors", "message", "exception"];
    let problems: Vec<_> = names.iter().flat_map(|name| problems_in(&answer, name)).collect();
    report(&problems)?;
    let missing =
        || Error::stop(format!("the answer for {object} holds no data: check `api` and that `url` is the AIS Server"));
    let found = answer.iter().find(|(name, _)| name.starts_with("ds_")).map(|(_, raw)| raw.get());
    let members = read(found.ok_or_else(missing)?)?;
    report(&problems_in(&members, "error"))?;
    Ok(members)
}

/// A number or string as plain text.
fn plain(raw: &RawValue) -> String {
    serde_json::from_str::<String>(raw.get()).map_or_else(|_| raw.get().to_owned(), |text| text.trim().to_owned())
}
