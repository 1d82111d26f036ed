//! What the warehouse has to hold, worked out from the simulator's tables and the shipped blueprint alone: a second, plain
//! reading of both, without the engine's mapping.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, TimeZone, Utc};
use chrono_tz::Tz;
use sandbox::jde::{Row, Tables};

use super::warehouse::Rows;

const BLUEPRINT: &str = include_str!("../../../shared/integrations/jde-looker.yaml");

/// One stream of the blueprint, as far as these tests need it. Stream and table have the same name in it.
pub struct Stream {
    /// Its name.
    pub name: String,
    /// The table of JD Edwards.
    pub object: String,
    /// The destination's key columns.
    key: Vec<String>,
    pub(super) columns: Vec<Column>,
    only: Option<(String, String)>,
}

pub(super) struct Column {
    pub(super) name: String,
    /// The columns of the source that it is made of; none for an expression.
    pub(super) from: Vec<String>,
    pub(super) kind: String,
    trim: bool,
    /// Whether a blank is no value.
    pub(super) blank_is_null: bool,
}

/// All streams, in the order of the blueprint, which is the order in which they run.
pub fn streams() -> Vec<Stream> {
    read(BLUEPRINT)
}

/// The streams of a blueprint.
pub(super) fn read(blueprint: &str) -> Vec<Stream> {
    let mut streams: Vec<Stream> = Vec::new();
    for line in blueprint.lines().take_while(|line| !line.starts_with("dashboards:")) {
        let indent = line.len() - line.trim_start().len();
        let Some((name, value)) = line.trim().split_once(':') else { continue };
        let (name, value) = (name.trim(), value.trim());
        match (indent, streams.last_mut()) {
            (2, _) if value.is_empty() => streams.push(Stream {
                name: name.to_owned(),
                object: String::new(),
                key: Vec::new(),
                columns: Vec::new(),
                only: None,
            }),
            (4, Some(stream)) if name == "key" => stream.key = list(value),
            (6, Some(stream)) if name == "object" => value.clone_into(&mut stream.object),
            (8, Some(stream)) if name == "- {column" => {
                let (column, equals) = value.split_once(", equals:").unwrap();
                stream.only = Some((column.to_owned(), list(equals.trim().trim_end_matches('}')).remove(0)));
            }
            (6, Some(stream)) if value.starts_with("{from:") || value.starts_with("{expr:") => {
                stream.columns.push(Column {
                    name: name.to_owned(),
                    from: if value.starts_with("{from:") { list(field(value, "from")) } else { Vec::new() },
                    kind: field(value, "type").trim_matches('"').to_owned(),
                    trim: value.contains("format: trim"),
                    blank_is_null: value.contains("blank: null"),
                });
            }
            _ => {}
        }
    }
    streams
}

/// The stream of that name.
pub fn stream(name: &str) -> Stream {
    streams().into_iter().find(|stream| stream.name == name).unwrap()
}

/// `[A, B]` or `A`.
fn list(text: &str) -> Vec<String> {
    text.trim_matches(['[', ']']).split(',').map(|item| item.trim().to_owned()).collect()
}

/// The value of a field of a one-line mapping.
fn field<'t>(text: &'t str, name: &str) -> &'t str {
    let start = text.find(&format!("{name}: ")).unwrap() + name.len() + 2;
    let rest = &text[start..];
    let end = match rest.as_bytes()[0] {
        b'[' => rest.find(']').unwrap() + 1,
        b'"' => rest[1..].find('"').unwrap() + 2,
        _ => rest.find([',', '}']).unwrap(),
    };
    &rest[..end]
}

impl Stream {
    /// The records of this stream that the simulator holds, as the warehouse has to hold them.
    pub fn expected(&self, tables: &Tables, zone: Tz) -> Rows {
        let table = tables.get(&self.object).unwrap();
        let wanted = |row: &Row<'_>| self.only.as_ref().is_none_or(|(column, value)| row.text(column) == *value);
        table.rows().filter(wanted).map(|row| self.record(&row, zone)).collect()
    }

    fn record(&self, row: &Row<'_>, zone: Tz) -> (String, BTreeMap<String, String>) {
        let mut record = BTreeMap::new();
        for column in &self.columns {
            let cells: Vec<String> = column.from.iter().map(|alias| row.text(alias)).collect();
            let value = match column.kind.as_str() {
                "timestamp" => instant(&cells[0], &cells[1], zone),
                "boolean" => Some((cells[0] == "V").to_string()),
                "date" => date(&cells[0]).map(|date| date.to_string()),
                "integer" => Some(cells[0].clone()),
                kind if kind.starts_with("decimal") => Some(decimal(&cells[0])),
                // A blank is a value: JD Edwards knows no null. Leading blanks stay unless the blueprint trims them.
                _ if column.trim => Some(cells[0].trim().to_owned()),
                _ => Some(cells[0].clone()),
            };
            if let Some(value) = value {
                record.insert(column.name.clone(), value);
            }
        }
        (self.key(&record), record)
    }

    /// Rows of the warehouse in the same form: each value as its declared type is written here.
    pub fn canonical(&self, rows: Rows) -> Rows {
        let canonical = |row: BTreeMap<String, String>| -> BTreeMap<String, String> {
            let kinds: BTreeMap<_, _> = self.columns.iter().map(|c| (c.name.as_str(), c.kind.as_str())).collect();
            let cells = row.into_iter().filter_map(|(name, value)| {
                let value = match *kinds.get(name.as_str())? {
                    "timestamp" => warehouse_instant(&value),
                    "boolean" => matches!(value.as_str(), "1" | "t" | "true").to_string(),
                    kind if kind.starts_with("decimal") => decimal(&value),
                    _ => value,
                };
                Some((name, value))
            });
            cells.collect()
        };
        // The key is put together afresh: a decimal part of it is written with its declared scale.
        rows.into_values().map(canonical).map(|row| (self.key(&row), row)).collect()
    }

    /// The key of a record in this form.
    pub(super) fn key(&self, record: &BTreeMap<String, String>) -> String {
        let key = self.key.iter().map(|name| record.get(name).cloned().unwrap_or_default());
        key.collect::<Vec<_>>().join("|")
    }
}

fn date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y%m%d").ok()
}

/// The instant of a stamp by the wall clock of `zone`.
fn instant(day: &str, time: &str, zone: Tz) -> Option<String> {
    let time = chrono::NaiveTime::parse_from_str(&format!("{time:0>6}"), "%H%M%S").unwrap();
    let local = date(day)?.and_time(time);
    let at = zone.from_local_datetime(&local).earliest()?;
    Some(at.with_timezone(&Utc).to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// A time as SQLite (RFC 3339) or PostgreSQL (ISO with a space) writes it.
fn warehouse_instant(text: &str) -> String {
    let at = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc()).or_else(|_| {
        let utc = text.strip_suffix("+00").unwrap_or_else(|| panic!("`{text}` is not in UTC"));
        NaiveDateTime::parse_from_str(utc, "%Y-%m-%d %H:%M:%S%.f").map(|at| at.and_utc())
    });
    at.unwrap_or_else(|e| panic!("`{text}`: {e}")).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A decimal without the zeros at its end.
pub(super) fn decimal(text: &str) -> String {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    }
}

/// What differs between two sets of rows, in a few lines; empty when nothing does.
pub fn difference(expected: &Rows, actual: &Rows) -> String {
    let mut lines = Vec::new();
    for (key, row) in expected {
        match actual.get(key) {
            None => lines.push(format!("{key} is missing")),
            Some(there) if there != row => {
                let columns = row.keys().chain(there.keys()).filter(|column| row.get(*column) != there.get(*column));
                let cells = columns.map(|c| format!("{c}: {:?} expected, {:?} found", row.get(c), there.get(c)));
                lines.push(format!("{key}: {}", cells.collect::<Vec<_>>().join(", ")));
            }
            Some(_) => {}
        }
    }
    lines.extend(actual.keys().filter(|key| !expected.contains_key(*key)).map(|key| format!("{key} is too many")));
    let more = lines.len().saturating_sub(10);
    lines.truncate(10);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}
