//! The hot path: one source row becomes one destination row, borrowing its text and allocating only its key.

use std::fmt::Write;

use super::compile::{Column, Link, Read, Rule};
use super::convert::{Converted, cell_text, trim};
use super::dates::{self, Zone};
use super::format::{Convert, TimestampFormat};
use super::{Lookup, Mapped, Mapping, Refusal, shortened};
use crate::model::id::RecordKey;
use crate::model::value::Value;

/// A mapping bound to the columns of a block of source rows.
#[derive(Debug)]
pub struct Mapper<'m> {
    pub(super) mapping: &'m Mapping,
    /// For every source column of the mapping, its position in the block.
    pub(super) at: Vec<usize>,
    pub(super) zone: Zone,
}

/// The cells of one row, found by the mapping's own numbering of source columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'r, 'v> {
    cells: &'r [Value<'v>],
    at: &'r [usize],
}

impl<'r, 'v> Row<'r, 'v> {
    pub(super) fn cell(self, source: usize) -> &'r Value<'v> {
        self.at.get(source).and_then(|at| self.cells.get(*at)).unwrap_or(&Value::Null)
    }
}

impl Mapper<'_> {
    /// Maps one row: reads `cells` and fills `out` (cleared first) with the mapped columns in the table's order.
    pub fn map<'v>(&self, cells: &[Value<'v>], out: &mut Vec<Value<'v>>) -> Mapped {
        out.clear();
        let mapping = self.mapping;
        let row = Row { cells, at: &self.at };
        if let Some(filter) = &mapping.filter {
            match filter.evaluate(row) {
                Ok(Value::Bool(true)) => {}
                Ok(Value::Bool(false)) => return Mapped::Filtered,
                Ok(other) => {
                    let reason = format!("the filter gives `{}` instead of true or false", other.to_text());
                    return self.refused(row, "where", filter.inputs(row), reason);
                }
                Err(reason) => return self.refused(row, "where", filter.inputs(row), reason),
            }
        }
        for column in &mapping.columns {
            match column.map(row, &self.zone) {
                Ok(value) => out.push(value),
                Err(reason) => return self.refused(row, &column.name, column.source_text(row), reason),
            }
        }
        Mapped::Row { key: self.key(out), updated_at: self.updated_at(row), lookups: self.lookups(out) }
    }

    /// The source's own time of a row's change, in microseconds since 1970-01-01T00:00:00Z, also of one that does not map.
    pub fn stamp(&self, cells: &[Value<'_>]) -> Option<i64> {
        self.updated_at(Row { cells, at: &self.at })
    }

    fn key(&self, mapped: &[Value<'_>]) -> RecordKey {
        key_of(self.mapping.key.iter().filter_map(|at| mapped.get(*at)))
    }

    fn updated_at(&self, row: Row<'_, '_>) -> Option<i64> {
        let updated = self.mapping.updated.as_ref()?;
        let date = cell_text(row.cell(updated.date));
        let time = updated.time.map(|time| cell_text(row.cell(time)));
        dates::change_stamp(&date, time.as_deref(), &self.zone)
    }

    fn lookups(&self, mapped: &[Value<'_>]) -> Vec<Lookup> {
        // An empty Vec does not allocate.
        self.mapping.links.iter().filter_map(|link| link.named_by(mapped)).collect()
    }

    #[cold]
    fn refused(&self, row: Row<'_, '_>, field: &str, value: String, reason: String) -> Mapped {
        let key: Result<Vec<_>, _> =
            self.mapping.key.iter().map(|at| self.mapping.columns[*at].map(row, &self.zone)).collect();
        Mapped::Refused(Refusal {
            key: key.ok().map(|parts| key_of(parts.iter())),
            field: field.to_owned(),
            value: shortened(&value),
            reason,
        })
    }
}

impl Mapping {
    /// What a cell becomes in a destination column that is filled from one source column; `None` where it is filled another
    /// way, or the cell does not map.
    pub fn convert<'v>(&self, column: &str, cell: &Value<'v>) -> Option<Value<'v>> {
        let column = self.columns.iter().find(|known| known.name == column)?;
        column.cell_source()?;
        let value = column.convert_cell(cell, &Zone::new(self.zone)).ok()?;
        match value.is_null() {
            true => Some(column.default.clone().unwrap_or(Value::Null)),
            false => Some(value),
        }
    }
}

/// Joins the canonical texts of the key, as [`RecordKey::join`] does, without building them one by one.
fn key_of<'c, 'v: 'c>(parts: impl Iterator<Item = &'c Value<'v>>) -> RecordKey {
    let mut key = String::with_capacity(48);
    for (i, part) in parts.enumerate() {
        if i > 0 {
            key.push('|');
        }
        match part {
            Value::Text(text) if text.contains(['|', '\\']) => {
                for c in text.chars() {
                    if matches!(c, '|' | '\\') {
                        key.push('\\');
                    }
                    key.push(c);
                }
            }
            Value::Text(text) => key.push_str(text),
            // Writing to a String cannot fail.
            Value::Integer(int) => write!(key, "{int}").unwrap_or_default(),
            other => key.push_str(&other.to_text()),
        }
    }
    RecordKey::new(key)
}

impl Link {
    fn named_by(&self, mapped: &[Value<'_>]) -> Option<Lookup> {
        let parts = || self.key.iter().filter_map(|at| mapped.get(*at));
        if parts().any(|part| part.is_null() || matches!(part, Value::Text(text) if text.is_empty())) {
            return None;
        }
        Some(Lookup { column: self.column, stream: self.stream.clone(), key: key_of(parts()), required: self.required })
    }
}

impl Column {
    /// The column's value for a row.
    fn map<'v>(&self, row: Row<'_, 'v>, zone: &Zone) -> Converted<'v> {
        let value = match &self.read {
            Read::Cell(source) => self.convert_cell(row.cell(*source), zone),
            Read::Pair(date, time) => self.convert_pair(row.cell(*date), row.cell(*time), zone),
            Read::Expression(expression) => self.convert_cell(&expression.evaluate(row)?, zone),
            Read::Link => return Ok(Value::Null),
        }?;
        if !value.is_null() {
            return Ok(value);
        }
        match &self.default {
            Some(default) => Ok(default.clone()),
            None if self.required => Err(self.missing()),
            None => Ok(Value::Null),
        }
    }

    #[cold]
    fn missing(&self) -> String {
        "has no value, and the column needs one: fill it at the source, or give the column a `default`".to_owned()
    }

    /// What people see of the source when the column fails.
    fn source_text(&self, row: Row<'_, '_>) -> String {
        match &self.read {
            Read::Cell(source) => cell_text(row.cell(*source)).into_owned(),
            Read::Pair(date, time) => format!("{} {}", cell_text(row.cell(*date)), cell_text(row.cell(*time))),
            Read::Expression(expression) => expression.inputs(row),
            Read::Link => String::new(),
        }
    }

    fn convert_cell<'v>(&self, cell: &Value<'v>, zone: &Zone) -> Converted<'v> {
        if cell.is_null() {
            return Ok(Value::Null);
        }
        if let Some(codes) = &self.codes {
            let text = cell_text(cell);
            let code = trim(&text);
            if codes.is_null(code) {
                return Ok(Value::Null);
            }
            if let Some(value) = codes.value(code) {
                return Ok(value.clone());
            }
            if !codes.values.is_empty() && !code.is_empty() {
                match codes.other {
                    Rule::Keep => {}
                    Rule::Null => return Ok(Value::Null),
                    Rule::Reject => {
                        return Err(
                            "is a code that `values` does not list: add it there, or say `other: keep`".to_owned()
                        );
                    }
                }
            }
        }
        if let Value::Text(text) = cell
            && text.bytes().all(|byte| byte == b' ')
        {
            match self.blank {
                Rule::Keep => {}
                Rule::Null => return Ok(Value::Null),
                Rule::Reject => {
                    return Err("is blank: fill it at the source, or change the column's `blank`".to_owned());
                }
            }
        }
        self.convert.apply(cell, zone)
    }

    fn convert_pair<'v>(&self, date: &Value<'_>, time: &Value<'_>, zone: &Zone) -> Converted<'v> {
        let Convert::Timestamp(TimestampFormat::DateAndTime(format)) = &self.convert else {
            return Err("is read from two columns, which only a timestamp is".to_owned());
        };
        let (date, time) = (cell_text(date), cell_text(time));
        let date = trim(&date);
        if self.codes.as_ref().is_some_and(|codes| codes.is_null(date)) {
            return Ok(Value::Null);
        }
        if date.is_empty() {
            return match self.blank {
                Rule::Reject => Err("is blank: fill it at the source, or change the column's `blank`".to_owned()),
                Rule::Null | Rule::Keep => Ok(Value::Null),
            };
        }
        let instant = dates::date_and_time(format, date, trim(&time), zone)?;
        Ok(instant.map_or(Value::Null, Value::Timestamp))
    }
}
