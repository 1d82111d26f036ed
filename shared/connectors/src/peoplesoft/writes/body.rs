//! A record as the body and address of a call: text and dates quoted, numbers with every digit.
//!
//! Invariant: whatever is put into the address is encoded, and into the body quoted, so that no value changes their shape.

use chrono::{DateTime, Days, NaiveDate};
use engine::model::table::TableSpec;
use engine::model::value::Value;
use engine::ports::Outgoing;
use engine::{Error, Result};

use super::WriteDefinition;
use crate::http::percent_encode;
use crate::peoplesoft::query::Call;
use crate::peoplesoft::settings::PeopleSoftSettings;

/// The call that writes a record.
///
/// # Errors
/// Stops when the path has a place that is none of the table's fields; Reject when a value stands there that no address can
/// carry, or a date lies outside of the calendar.
pub(in crate::peoplesoft) fn call(
    write: &WriteDefinition,
    table: &TableSpec,
    record: &Outgoing<'_>,
    settings: &PeopleSoftSettings,
) -> Result<Call> {
    let mut members = Vec::with_capacity(table.columns.len() + 1);
    for (column, value) in table.columns.iter().zip(record.cells) {
        let value = member(write, value, settings)
            .ok_or_else(|| Error::reject(format!("`{}`: PeopleSoft has no such date", column.name)))?;
        members.push((write.field(&column.name), value));
    }
    if let Some(reference) = &write.reference {
        members.push((reference.clone(), Member::Text(record.reference.to_owned())));
    }
    let (path, query) = address(write, &members)?;
    let body: Vec<_> = members.iter().map(|(name, value)| format!("{}:{}", quoted(name), value.json())).collect();
    Ok(Call {
        path,
        query,
        body: Some(format!("{{{}}}", body.join(","))),
        headers: write.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        what: format!("operation {} for {} {}", write.operation, write.record, shown(record)),
    })
}

/// The key of a record, for messages: `SHARE/0000000042`.
pub(in crate::peoplesoft) fn shown(record: &Outgoing<'_>) -> String {
    record.key.parts().join("/")
}

/// The value of a member.
enum Member {
    Text(String),
    Number(String),
}

impl Member {
    fn json(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Number(digits) => digits.clone(),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) => text,
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A value as operations take it: nothing is an empty text, as PeopleSoft knows no null but of dates.
fn member(write: &WriteDefinition, value: &Value<'_>, settings: &PeopleSoftSettings) -> Option<Member> {
    Some(match value {
        Value::Null => Member::Text(String::new()),
        Value::Bool(is) => Member::Text(if *is { "Y" } else { "N" }.to_owned()),
        Value::Integer(_) | Value::Decimal(_) => Member::Number(value.to_text().into_owned()),
        Value::Date(days) => {
            let offset = Days::new(u64::from(days.unsigned_abs()));
            let epoch = NaiveDate::default();
            let day = if *days < 0 { epoch.checked_sub_days(offset) } else { epoch.checked_add_days(offset) }?;
            Member::Text(day.format(&write.date_format).to_string())
        }
        Value::Timestamp(micros) => {
            let local = DateTime::from_timestamp_micros(*micros)?.with_timezone(&settings.zone).naive_local();
            Member::Text(local.format(&write.datetime_format).to_string())
        }
        Value::Text(_) | Value::Number(_) | Value::Json(_) | Value::Hash(_) => {
            Member::Text(value.to_text().into_owned())
        }
    })
}

/// The address below the node, and its query.
fn address(write: &WriteDefinition, members: &[(String, Member)]) -> Result<(String, Option<String>)> {
    let Some(template) = &write.path else { return Ok((write.operation.clone(), None)) };
    let mut text = format!("{}/", write.operation);
    let mut rest = template.as_str();
    while let Some((before, place)) = rest.split_once('{') {
        text.push_str(before);
        let (name, after) = place.split_once('}').unwrap_or((place, ""));
        let value = members.iter().find(|(field, _)| field == name).map(|(_, value)| value.text());
        let value = value.ok_or_else(|| {
            let fields: Vec<_> = members.iter().map(|(field, _)| field.as_str()).collect();
            let table = &write.table;
            Error::stop(format!(
                "`writes.{table}.path` has the place {{{name}}}, which is no field of the table `{table}`: it has {}",
                fields.join(", ")
            ))
        })?;
        if value.is_empty() || value.contains('/') {
            return Err(Error::reject(format!(
                "{name} is `{value}`, which the address of {} cannot carry",
                write.operation
            )));
        }
        text.push_str(&percent_encode(value));
        rest = after;
    }
    text.push_str(rest);
    Ok(match text.split_once('?') {
        Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
        None => (text, None),
    })
}

#[cfg(test)]
mod tests {
    use engine::model::decimal::Decimal;
    use engine::model::id::RecordKey;
    use engine::model::table::{ColumnType, TableColumn};

    use super::*;

    fn settings(write: serde_json::Value) -> PeopleSoftSettings {
        let settings = serde_json::json!({"url": "https://psft.example.com/PSIGW/RESTListeningConnector", "node": "PSFT_EP",
            "secret": "s", "zone": "America/New_York", "writes": {"t": write}});
        serde_json::from_value(settings).unwrap()
    }

    fn table(columns: &[&str]) -> TableSpec {
        let column = |name: &&str| TableColumn {
            name: (*name).to_owned(),
            kind: ColumnType::Text { max: None },
            nullable: true,
            description: String::new(),
        };
        TableSpec {
            name: "t".to_owned(),
            description: String::new(),
            columns: columns.iter().map(column).collect(),
            key: vec![0],
            company: None,
            source_system: "databricks".to_owned(),
        }
    }

    fn call_of(write: serde_json::Value, cells: &[(&str, Value<'_>)]) -> Result<Call> {
        let settings = settings(write);
        let columns: Vec<_> = cells.iter().map(|(name, _)| *name).collect();
        let cells: Vec<_> = cells.iter().map(|(_, value)| value.clone()).collect();
        let record = Outgoing { key: &RecordKey::new("42"), cells: &cells, there: None, reference: "B1-7" };
        call(&WriteDefinition::of("t", &settings)?, &table(&columns), &record, &settings)
    }

    #[test]
    fn every_value_is_written_exactly_and_nothing_is_an_empty_text() {
        let write =
            serde_json::json!({"operation": "CX.v1", "read": "CX", "fields": {"id": "CX_ID"}, "reference": "CX_REF"});
        let call = call_of(
            write,
            &[
                ("id", Value::text("0042")),
                ("limit", Value::Decimal(Decimal::new(-123_456_789_012_345_678_901_234_567, 3))),
                ("count", Value::Integer(9_007_199_254_740_993)),
                ("name", Value::text("O'N \"3\"\n")),
                ("active", Value::Bool(true)),
                ("since", Value::Date(-1)),
                ("stamp", Value::Timestamp(1_795_184_102_000_000)),
                ("note", Value::Null),
            ],
        );
        let call = call.unwrap();
        assert_eq!(
            call.body.unwrap(),
            r#"{"CX_ID":"0042","LIMIT":-123456789012345678901234.567,"COUNT":9007199254740993,"NAME":"O'N \"3\"\n","ACTIVE":"Y","SINCE":"1969-12-31","STAMP":"2026-11-20-09.15.02.000000","NOTE":"","CX_REF":"B1-7"}"#
        );
        assert_eq!((call.path.as_str(), call.query), ("CX.v1", None));
    }

    #[test]
    fn the_address_takes_fields_and_only_whole_ones() {
        let write = |path: &str| serde_json::json!({"operation": "CX.v1", "read": "CX", "path": path, "date_format": "%Y/%m/%d"});
        let cells = [("id", Value::text("A 4,2")), ("since", Value::Date(0)), ("none", Value::Null)];
        let call = call_of(write("suppliers/{ID}?mode=update"), &cells).unwrap();
        assert_eq!((call.path.as_str(), call.query.as_deref()), ("CX.v1/suppliers/A%204%2C2", Some("mode=update")));
        let error = call_of(write("{VENDOR}"), &cells).unwrap_err().to_string();
        assert!(error.contains("`writes.t.path`") && error.contains("it has ID, SINCE, NONE"), "{error}");
        for path in ["{NONE}", "{SINCE}"] {
            let error = call_of(write(path), &cells).unwrap_err();
            assert_eq!(error.kind(), engine::error::Kind::Reject, "{error}");
        }
    }
}
