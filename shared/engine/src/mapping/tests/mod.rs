//! What a mapping does, by example, and what holds for every row.

mod expressions;
mod properties;
mod records;
mod values;

use chrono_tz::Tz;
use indexmap::IndexMap;
use serde::Deserialize;

use super::*;
use crate::plan::UpdatedSpec;

/// A sync's mapping as YAML.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    columns: IndexMap<String, ColumnSpec>,
    #[serde(default = "id")]
    key: Vec<String>,
    #[serde(default)]
    source_key: Vec<String>,
    #[serde(default)]
    updated: Option<UpdatedSpec>,
    #[serde(default, rename = "where")]
    filter: Option<String>,
    #[serde(default)]
    needs: Vec<NeedSpec>,
    #[serde(default = "utc")]
    zone: String,
}

fn id() -> Vec<String> {
    vec!["id".to_owned()]
}

fn utc() -> String {
    "UTC".to_owned()
}

fn compile(yaml: &str) -> Result<Mapping, Vec<Fault>> {
    let written: Written = serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{error}"));
    Mapping::compile(&Declaration {
        columns: &written.columns,
        key: &written.key,
        source_key: &written.source_key,
        updated: written.updated.as_ref(),
        filter: written.filter.as_deref(),
        needs: &written.needs,
        zone: written.zone.parse::<Tz>().unwrap(),
    })
}

/// A mapping of an id and of one more column, written as YAML.
fn column(declared: &str) -> Mapping {
    let yaml = format!("columns:\n  id: {{from: ID, type: integer}}\n  it: {{{declared}}}\nzone: America/Denver\n");
    compile(&yaml).unwrap_or_else(|faults| panic!("{declared}: {faults:?}"))
}

fn fault_of(declared: &str) -> String {
    let yaml = format!("columns:\n  id: {{from: ID, type: integer}}\n  it: {{{declared}}}\n");
    let faults = compile(&yaml).map(|_| panic!("{declared} has no mistake")).unwrap_or_else(|faults| faults);
    format!("{}: {}", faults[0].path.join("."), faults[0].message)
}

fn cell(json: &str) -> Value<'_> {
    match json {
        "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        text if text.starts_with('"') => Value::text(text.trim_matches('"')),
        document if document.starts_with(['{', '[']) => Value::Json(document.into()),
        number => Value::Number(number.into()),
    }
}

/// The column `it` of a row whose source columns `A`, `B`, … hold these cells, each written as JSON.
fn it(mapping: &Mapping, cells: &[&str]) -> Result<String, String> {
    let columns: Vec<_> = ["ID", "A", "B", "C"].map(str::to_owned).into_iter().take(cells.len() + 1).collect();
    let cells: Vec<_> = ["1"].iter().chain(cells).map(|json| cell(json)).collect();
    let mut out = Vec::new();
    match mapping.bind(&columns).unwrap().map(&cells, &mut out) {
        Mapped::Row { .. } if out[1].is_null() => Ok("null".to_owned()),
        Mapped::Row { .. } => Ok(match &out[1] {
            Value::Text(text) => format!("'{text}'"),
            other => other.to_text().into_owned(),
        }),
        Mapped::Refused(refusal) => Err(refusal.reason),
        Mapped::Filtered => panic!("filtered"),
    }
}

/// Checks `declaration → cells → result`; a result that begins with `!` is the beginning of the reason of a refusal.
fn check(declared: &str, examples: &[(&[&str], &str)]) {
    let mapping = column(declared);
    for (cells, expected) in examples {
        match (it(&mapping, cells), expected.strip_prefix('!')) {
            (Ok(value), None) => assert_eq!(value, *expected, "{declared}: {cells:?}"),
            (Err(reason), Some(expected)) => assert!(reason.starts_with(expected), "{declared}: {cells:?}: {reason}"),
            (result, _) => panic!("{declared}: {cells:?} gave {result:?} instead of {expected}"),
        }
    }
}
