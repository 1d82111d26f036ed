//! Queries and their rows, and the filter expressions in which they say what they want.
//!
//! Invariants: every query names its limit, goes past the caches and runs in production; a row that lacks a field, or
//! holds an error in place of rows, is an error; numbers keep every digit that Looker wrote.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use engine::model::decimal::Decimal;
use engine::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::client::{Ask, Client};
use super::refusal::{Failure, damaged, is_passing};
use crate::http::Method;

/// A filter that lets only records without a value through, for fields of every type.
pub(super) const NULL: &str = "NULL";
/// A filter that lets only records with a value through, for numbers and dates.
pub(super) const NOT_NULL: &str = "NOT NULL";

/// What querying an explore needs.
pub(super) const MAY_QUERY: &str = "`access_data` and `explore`, and the model";

/// The body of a query. Looker calls the explore `view`, and takes the limit as text.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Query {
    pub(super) model: String,
    pub(super) view: String,
    pub(super) fields: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) filters: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) sorts: Vec<String>,
    pub(super) limit: String,
    pub(super) query_timezone: &'static str,
}

impl Query {
    pub(super) fn new(model: &str, explore: &str, fields: Vec<String>, limit: usize) -> Self {
        Self {
            model: model.to_owned(),
            view: explore.to_owned(),
            fields,
            filters: BTreeMap::new(),
            sorts: Vec::new(),
            limit: limit.to_string(),
            query_timezone: "UTC",
        }
    }

    pub(super) fn filter(mut self, field: &str, expression: impl Into<String>) -> Self {
        self.filters.insert(field.to_owned(), expression.into());
        self
    }

    pub(super) fn sort(mut self, sort: impl Into<String>) -> Self {
        self.sorts.push(sort.into());
        self
    }
}

/// One row: a member per field, as Looker wrote it.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Row(BTreeMap<String, Box<RawValue>>);

impl Row {
    /// A cell as text: numbers as they were written, `None` for null.
    ///
    /// # Errors
    /// Stops when the row has no such field.
    pub(super) fn text(&self, field: &str) -> Result<Option<String>> {
        let raw = self.0.get(field).ok_or_else(|| {
            Error::stop(format!(
                "Looker's answer lacks the field `{field}` that was asked for: is it hidden from the API user?"
            ))
        })?;
        Ok(match raw.get() {
            "null" => None,
            text => Some(serde_json::from_str::<String>(text).unwrap_or_else(|_| text.to_owned())),
        })
    }

    /// A number, exactly; some dialects give decimals as text.
    ///
    /// # Errors
    /// Stops when the row has no such field or it holds no number.
    pub(super) fn number(&self, field: &str) -> Result<Option<Decimal>> {
        let text = self.text(field)?.filter(|text| !text.trim().is_empty());
        let number = text.map(|text| Decimal::parse(text.trim()));
        number.transpose().map_err(|e| Error::stop(format!("`{field}`: {e}: is it a measure with a number?")))
    }

    fn error(&self) -> Option<String> {
        let raw = self.0.get("looker_error")?;
        Some(serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned()))
    }
}

/// A 200 that brings errors in place of rows.
#[derive(Deserialize)]
struct Reported {
    message: Option<String>,
    looker_error: Option<String>,
    errors: Option<Vec<Problem>>,
}

#[derive(Deserialize)]
struct Problem {
    message: Option<String>,
    message_details: Option<String>,
}

impl Reported {
    fn words(self) -> String {
        let details = self.errors.into_iter().flatten().flat_map(|problem| [problem.message, problem.message_details]);
        let words: Vec<_> = [self.looker_error, self.message].into_iter().chain(details).flatten().collect();
        words.join(": ")
    }
}

/// Runs a query. `what` says what for, in messages.
///
/// # Errors
/// As every call; Stop also when the query fails in the database, Later when that is about how the database is.
pub(super) async fn run(client: &Client, query: &Query, what: &str, needs: &str) -> Result<Vec<Row>, Failure> {
    let ask = Ask::new(Method::POST, &["queries", "run", "json"], what, needs)
        .with("cache", "false")
        .with("apply_formatting", "false")
        .with("force_production", "true")
        .json(query)?;
    let answer = client.answer(&ask).await?;
    let text = answer.text()?;
    let broken = |e: serde_json::Error| client.within(&ask, "", |call| damaged(call, &e));
    if text.trim_start().starts_with('{') {
        let reported: Reported = serde_json::from_str(text).map_err(broken)?;
        return Err(failed(client, what, &reported.words()).into());
    }
    let rows: Vec<Row> = serde_json::from_str(text).map_err(broken)?;
    match rows.iter().find_map(Row::error) {
        Some(words) => Err(failed(client, what, &words).into()),
        None => Ok(rows),
    }
}

fn failed(client: &Client, what: &str, words: &str) -> Error {
    let message = format!("{} could not run {what}: «{}»", client.http.host(), client.quote(words));
    if is_passing(words) {
        Error::later(message)
    } else {
        Error::stop(format!("{message}: the LookML or the database has to be mended"))
    }
}

/// A filter expression for text that is exactly this, whatever it holds: what has a meaning there is escaped with `^`.
pub(super) fn exactly(text: &str) -> String {
    let mut expression = String::with_capacity(text.len() + 8);
    for (at, c) in text.chars().enumerate() {
        if matches!(c, '^' | '%' | '_' | ',' | '"') || (at == 0 && c == '-') {
            expression.push('^');
        }
        expression.push(c);
    }
    expression
}

/// A filter expression for dates from `from` on and before `to`.
pub(super) fn dates(from: NaiveDate, to: NaiveDate) -> String {
    format!("{from} to {to}")
}

/// A filter expression for numbers from `from` on and below `to`.
pub(super) fn numbers(from: Decimal, to: Decimal) -> String {
    format!("[{from},{to})")
}

/// A filter expression for times since `since`: whole hours back, the open one included, with one to spare.
pub(super) fn hours_since(since: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("{} hours", (now - since).num_hours().max(0) + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_whatever_it_holds() {
        for (name, expression) in [
            ("AP daily [run 01J]", "AP daily [run 01J]"),
            ("50%_off, \"now\" ^ [x]", "50^%^_off^, ^\"now^\" ^^ [x]"),
            ("-minus - inside", "^-minus - inside"),
        ] {
            assert_eq!(exactly(name), expression);
        }
    }

    #[test]
    fn hours_cover_the_request() {
        let now: DateTime<Utc> = "2026-11-21T10:59:59Z".parse().unwrap();
        let ago = |minutes| now - chrono::TimeDelta::minutes(minutes);
        for (minutes, hours) in
            [(0, "2 hours"), (59, "2 hours"), (61, "3 hours"), (-5, "2 hours"), (24 * 60, "26 hours")]
        {
            assert_eq!(hours_since(ago(minutes), now), hours, "{minutes}");
        }
    }
}
