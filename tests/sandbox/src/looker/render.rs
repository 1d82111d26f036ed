//! Results as they are shown: JSON, JSON with detail, CSV and text.
//!
//! Invariant: an unformatted number is written with the very digits the database gave, never by way of a binary float.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};

use super::answer::Answer;
use super::lookml::{Frame, Kind, Measure};
use super::run::{Failure, Ran};
use super::sql::Column;
use super::warehouse::decimal::Decimal;

/// How a result is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    JsonDetail,
    Csv,
    Txt,
    Sql,
}

impl Format {
    pub(super) fn find(name: &str) -> Option<Self> {
        Some(match name {
            "json" | "inline_json" => Self::Json,
            "json_detail" | "json_bi" => Self::JsonDetail,
            "csv" => Self::Csv,
            "txt" => Self::Txt,
            "sql" => Self::Sql,
            _ => return None,
        })
    }
}

/// The rows in a format, as text.
pub(super) fn rows(ran: &Ran, format: Format, formatted: bool) -> String {
    match format {
        Format::Json => json_rows(ran, formatted),
        Format::JsonDetail => detail(ran),
        Format::Csv => table(ran, b',', formatted),
        Format::Txt => table(ran, b'\t', formatted),
        Format::Sql => ran.sql.clone(),
    }
}

/// The answer to a run call; a database that fails is no HTTP error.
pub(super) fn answer(
    result: Result<Ran, Failure>,
    format: Format,
    formatted: bool,
) -> Result<Answer, super::error::Refusal> {
    let (body, failed) = match result {
        Ok(ran) => (rows(&ran, format, formatted), false),
        Err(Failure::Refused(refusal)) => return Err(refusal),
        Err(Failure::Query { message, sql }) => (failure(&message, sql.as_deref(), format), true),
    };
    let content_type = match format {
        Format::Json | Format::JsonDetail => "application/json",
        Format::Csv if !failed => "text/csv;charset=utf-8",
        _ => "text/plain;charset=utf-8",
    };
    Ok(Answer { status: 200, content_type, retry_after: None, body: body.into_bytes() })
}

fn failure(message: &str, sql: Option<&str>, format: Format) -> String {
    match format {
        Format::Json => json!([{"looker_error": message}]).to_string(),
        Format::JsonDetail => {
            let error = json!({"title": "Query failed", "message": message, "message_details": message});
            json!({"data": [], "errors": [error], "sql": sql, "fields": null}).to_string()
        }
        Format::Csv | Format::Txt | Format::Sql => format!("Error: {message}\n"),
    }
}

fn json_rows(ran: &Ran, formatted: bool) -> String {
    let mut text = String::from("[");
    for (at, row) in ran.table.rows.iter().enumerate() {
        text.push_str(if at == 0 { "\n{" } else { ",\n{" });
        for (at, (column, cell)) in ran.columns.iter().zip(row).enumerate() {
            if at > 0 {
                text.push(',');
            }
            let value = if formatted { cell.as_deref().map(|cell| quote(&rendered(column, cell))) } else { None };
            let value = value.or_else(|| cell.as_deref().map(|cell| token(column, cell)));
            text.push_str(&format!("{}:{}", quote(&column.name), value.unwrap_or_else(|| "null".into())));
        }
        text.push('}');
    }
    text.push_str("\n]");
    text
}

fn detail(ran: &Ran) -> String {
    let of = |measures: bool| -> Vec<Json> {
        let columns = ran.columns.iter().filter(|column| column.kind.is_measure() == measures);
        let described = columns.map(|column| {
            json!({
                "name": column.name, "label": column.label, "type": column.kind.type_name(),
                "is_numeric": column.kind.is_numeric(),
                "category": if measures { "measure" } else { "dimension" },
            })
        });
        described.collect()
    };
    let mut data = String::from("[");
    for (at, row) in ran.table.rows.iter().enumerate() {
        data.push_str(if at == 0 { "{" } else { ",{" });
        for (at, (column, cell)) in ran.columns.iter().zip(row).enumerate() {
            if at > 0 {
                data.push(',');
            }
            let cell = cell.as_deref().map_or_else(
                || r#"{"value":null}"#.to_owned(),
                |cell| format!(r#"{{"value":{},"rendered":{}}}"#, token(column, cell), quote(&rendered(column, cell))),
            );
            data.push_str(&format!("{}:{cell}", quote(&column.name)));
        }
        data.push('}');
    }
    data.push(']');
    let head = json!({
        "id": ran.cache_key, "ran_at": iso(ran.at), "runtime": "0.01", "from_cache": ran.cached, "sql": ran.sql,
        "fields": {"dimensions": of(false), "measures": of(true), "table_calculations": [], "pivots": []},
        "has_totals": false, "has_row_totals": false, "errors": null, "truncated": null,
    });
    let head = head.to_string();
    format!("{},\"data\":{data}}}", head.strip_suffix('}').unwrap_or(&head))
}

fn table(ran: &Ran, separator: u8, formatted: bool) -> String {
    let mut writer = csv::WriterBuilder::new().delimiter(separator).from_writer(Vec::new());
    let mut whole = writer.write_record(ran.columns.iter().map(|column| &column.label)).is_ok();
    for row in &ran.table.rows {
        let cells = ran.columns.iter().zip(row).map(|(column, cell)| {
            let cell = cell.as_deref().unwrap_or_default();
            if formatted && !cell.is_empty() { rendered(column, cell) } else { cell.to_owned() }
        });
        whole &= writer.write_record(cells).is_ok();
    }
    // Writing to memory does not fail.
    let bytes = writer.into_inner().ok().filter(|_| whole).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The value as a JSON token: the digits of a number as they are.
fn token(column: &Column, cell: &str) -> String {
    let number = column.kind.is_numeric()
        && Decimal::parse(cell).is_some()
        && serde_json::from_str::<&RawValue>(cell).is_ok_and(|raw| raw.get() == cell);
    if number { cell.to_owned() } else { quote(cell) }
}

fn quote(text: &str) -> String {
    Json::from(text).to_string()
}

/// The value as a person sees it.
fn rendered(column: &Column, cell: &str) -> String {
    if let Kind::Time(Frame::Quarter) | Kind::Measure(Measure::Time(Frame::Quarter)) = column.kind {
        let (year, month) = cell.split_once('-').unwrap_or((cell, "1"));
        return format!("{year}-Q{}", month.parse::<u32>().unwrap_or(1).div_ceil(3));
    }
    let Some(number) = Decimal::parse(cell).filter(|_| column.kind.is_numeric()) else {
        return cell.to_owned();
    };
    let decimals = |places: u32| number.rounded(places).unwrap_or(number).grouped();
    let plain = cell.to_owned();
    match column.value_format.as_deref() {
        Some("id") => plain,
        Some("decimal_0") => decimals(0),
        Some("decimal_1") => decimals(1),
        Some("decimal_2") => decimals(2),
        Some("usd") => format!("${}", decimals(2)),
        Some("eur") => format!("€{}", decimals(2)),
        Some("gbp") => format!("£{}", decimals(2)),
        Some("usd_0") => format!("${}", decimals(0)),
        _ if column.kind.is_measure() => number.grouped(),
        _ => plain,
    }
}

/// A point in time as the API writes it.
pub(super) fn iso(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, false)
}
