//! Answers of COUNT and AGGREGATION.

use std::borrow::Cow;
use std::collections::BTreeMap;

use engine::Error;
use engine::model::decimal::Decimal;
use serde_json::value::RawValue;

use super::decode::damaged;
use super::refusal::{Failure, Problem, Problems, report};

type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// Reads `{"ds_F0411":{"count":1234}}`; the number may be a string.
///
/// # Errors
/// Whatever the errors in it mean; Stop when there is no count.
pub(super) fn count(text: &str, object: &str) -> Result<u64, Failure> {
    let members = data(text, object)?;
    let number = members.get("count").map(|raw| plain(raw));
    number.and_then(|n| Decimal::parse(&n).ok()?.with_scale(0)).and_then(|n| u64::try_from(n.units()).ok()).ok_or_else(
        || Error::stop(format!("the answer for {object} holds no count: is the capability `dataservice` on?")).into(),
    )
}

/// Reads the sum of a column from `{"ds_F0411":{"output":[{"F0411.AG_SUM":9100.50}]}}`, exactly. No rows sum up to zero.
///
/// # Errors
/// As [`count`].
pub(super) fn sum(text: &str, object: &str, column: &str) -> Result<Decimal, Failure> {
    let members = data(text, object)?;
    let missing =
        || Error::stop(format!("the answer for {object} holds no sum of {column}: does Tools know AGGREGATION?"));
    let output = members.get("output").ok_or_else(missing)?;
    let output: Option<Vec<Members<'_>>> = serde_json::from_str(output.get()).map_err(|e| damaged(object, &e))?;
    let alias = column.rsplit_once('.').map_or(column, |(_, alias)| alias);
    let names = [format!(".{alias}_SUM"), format!("_{alias}_SUM")];
    let mut sum = Decimal::default();
    // One row, or one per currency where the server processes currencies.
    for row in output.unwrap_or_default() {
        let found = row.iter().find(|(name, _)| names.iter().any(|wanted| name.ends_with(wanted)));
        let (_, raw) = found.ok_or_else(missing)?;
        let number = plain(raw);
        if number.is_empty() || number == "null" {
            continue;
        }
        let read = Decimal::parse(&number).and_then(|number| sum.plus(number));
        sum = read.map_err(|e| Error::stop(format!("the sum of {column}: {e}")))?;
    }
    Ok(sum)
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
