//! From what people wrote to what runs: every mistake is found here and named by its place, none is left to the rows.

use std::cmp::Ordering;

use chrono_tz::Tz;
use indexmap::{IndexMap, IndexSet};

use super::convert::trim;
use super::declare::{Blank, ColumnSpec, NeedSpec, Other};
use super::expression::Expression;
use super::format::Convert;
use super::key::SourceKey;
use super::{Mapping, constant, hash};
use crate::model::decimal::Decimal;
use crate::model::table::ColumnType;
use crate::model::value::Value;
use crate::plan::UpdatedSpec;

/// What a mapping is compiled from.
#[derive(Debug, Clone, Copy)]
pub struct Declaration<'a> {
    /// The destination columns in their order.
    pub columns: &'a IndexMap<String, ColumnSpec>,
    /// Destination columns of the record's key.
    pub key: &'a [String],
    /// Source columns of the source's unique key.
    pub source_key: &'a [String],
    /// Source columns of the last change.
    pub updated: Option<&'a UpdatedSpec>,
    /// CEL: only rows for which it is true are mapped.
    pub filter: Option<&'a str>,
    /// Records that have to be there first.
    pub needs: &'a [NeedSpec],
    /// The zone of the source's local times.
    pub zone: Tz,
}

/// A mistake in a declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, as field names from the sync on: `columns`, `gross_amount`, `type`.
    pub path: Vec<String>,
    /// What is wrong and what to do.
    pub message: String,
}

/// One destination column, compiled.
#[derive(Debug)]
pub(super) struct Column {
    pub name: String,
    pub kind: ColumnType,
    pub description: String,
    pub read: Read,
    pub convert: Convert,
    pub codes: Option<Box<Codes>>,
    pub blank: Rule,
    pub default: Option<Value<'static>>,
    pub required: bool,
}

impl Column {
    /// The one source column it is filled from.
    pub(super) fn cell_source(&self) -> Option<usize> {
        match self.read {
            Read::Cell(source) => Some(source),
            _ => None,
        }
    }

    /// The one source column whose numbers it takes as they are.
    pub(super) fn plain_source(&self) -> Option<usize> {
        let as_is = matches!(self.convert, Convert::Integer { implied: 0 } | Convert::Decimal { implied: 0, .. });
        match self.read {
            Read::Cell(source) if as_is && self.codes.is_none() => Some(source),
            _ => None,
        }
    }
}

/// Where a column's value comes from. Numbers are positions among the mapping's source columns.
#[derive(Debug)]
pub(super) enum Read {
    Cell(usize),
    Pair(usize, usize),
    Expression(Box<Expression>),
    /// A link fills it after the row is mapped.
    Link,
}

/// What becomes of a value that has no other rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Keep,
    Null,
    Reject,
}

/// Values of the source that have a meaning of their own.
#[derive(Debug)]
pub(super) struct Codes {
    nulls: Vec<String>,
    null_numbers: Vec<Decimal>,
    /// Sorted by [`by_length`].
    pub values: Vec<(String, Value<'static>)>,
    pub other: Rule,
}

impl Codes {
    pub(super) fn is_null(&self, code: &str) -> bool {
        if self.nulls.iter().any(|null| null == code) {
            return true;
        }
        !self.null_numbers.is_empty()
            && Decimal::parse(code).is_ok_and(|number| self.null_numbers.contains(&number.normalized()))
    }

    pub(super) fn value(&self, code: &str) -> Option<&Value<'static>> {
        self.values.binary_search_by(|(known, _)| by_length(known, code)).ok().map(|at| &self.values[at].1)
    }
}

/// Orders codes by their length, then by their text. Nearly all codes are of one length, and comparing two empty texts is
/// surprisingly slow.
fn by_length(a: &str, b: &str) -> Ordering {
    match a.len().cmp(&b.len()) {
        Ordering::Equal if a.is_empty() => Ordering::Equal,
        Ordering::Equal => a.cmp(b),
        different => different,
    }
}

/// Records of another stream that rows name.
#[derive(Debug)]
pub(super) struct Link {
    pub column: Option<usize>,
    pub stream: String,
    pub key: Vec<usize>,
    pub required: bool,
}

/// Source columns of the last change.
#[derive(Debug)]
pub(super) struct Updated {
    pub date: usize,
    pub time: Option<usize>,
}

impl Mapping {
    /// Compiles a declaration.
    ///
    /// # Errors
    /// All its mistakes, each with its place.
    pub fn compile(declaration: &Declaration<'_>) -> Result<Self, Vec<Fault>> {
        let mut compiler = Compiler { declaration, sources: IndexSet::new(), faults: Vec::new() };
        let mapping = compiler.mapping();
        if compiler.faults.is_empty() { Ok(mapping) } else { Err(compiler.faults) }
    }
}

struct Compiler<'a> {
    declaration: &'a Declaration<'a>,
    sources: IndexSet<String>,
    faults: Vec<Fault>,
}

impl Compiler<'_> {
    fn mapping(&mut self) -> Mapping {
        let declaration = self.declaration;
        for column in declaration.source_key {
            self.source(column);
        }
        let updated = declaration.updated.map(|updated| Updated {
            date: self.source(&updated.date),
            time: updated.time.as_deref().map(|time| self.source(time)),
        });
        let key = self.key();
        let columns: Vec<_> = declaration.columns.iter().filter_map(|(name, spec)| self.column(name, spec)).collect();
        let links = self.links();
        let filter = declaration.filter.and_then(|filter| {
            let compiled = Expression::compile(filter, |column| self.sources.insert_full(column.to_owned()).0);
            compiled.map_err(|message| self.fault(&["where"], message)).ok()
        });
        let source_key = SourceKey::new(declaration.source_key, &self.sources, &columns, &key);
        Mapping {
            hash: hash::declaration(declaration),
            sources: self.sources.iter().cloned().collect(),
            columns,
            key,
            source_key,
            updated,
            filter,
            links,
            zone: declaration.zone,
        }
    }

    fn source(&mut self, column: &str) -> usize {
        self.sources.insert_full(column.to_owned()).0
    }

    fn fault(&mut self, path: &[&str], message: impl Into<String>) {
        let path = path.iter().map(|&part| part.to_owned()).collect();
        self.faults.push(Fault { path, message: message.into() });
    }

    fn key(&mut self) -> Vec<usize> {
        if self.declaration.key.is_empty() {
            self.fault(&["key"], "names no column: name the columns that make a record unique");
        }
        self.positions(&["key"], self.declaration.key)
    }

    /// Positions of mapped columns; unknown ones are faults.
    fn positions(&mut self, path: &[&str], names: &[String]) -> Vec<usize> {
        let columns = self.declaration.columns;
        let mut positions = Vec::new();
        for name in names {
            match columns.get_index_of(name) {
                Some(at) => positions.push(at),
                None => {
                    let nearest = crate::config::nearest(name, columns.keys().map(String::as_str));
                    self.fault(path, format!("`{name}` is no column of this sync{nearest}"));
                }
            }
        }
        positions
    }

    fn column(&mut self, name: &str, spec: &ColumnSpec) -> Option<Column> {
        if !is_name(name) {
            let message = format!(
                "`{name}` is no name for a column: use lower-case letters, digits and _, beginning with a letter, at \
                 most 63 characters"
            );
            self.fault(&["columns", name], message);
        }
        let kind = self.kind(name, spec)?;
        let (read, sources) = self.read(name, spec)?;
        let convert = Convert::new(kind, spec.format.as_deref(), sources)
            .map_err(|message| self.fault(&["columns", name, "format"], message))
            .ok()?;
        let default = spec.default.as_deref().and_then(|text| self.constant(&["columns", name, "default"], kind, text));
        let blank = match spec.blank {
            Some(Blank::Empty) if !convert.is_text() => {
                self.fault(
                    &["columns", name, "blank"],
                    format!("a column of type {kind} is never empty: use null or reject"),
                );
                Rule::Null
            }
            Some(Blank::Empty) => Rule::Keep,
            Some(Blank::Reject) => Rule::Reject,
            None if convert.is_text() && default.is_none() => Rule::Keep,
            Some(Blank::Null) | None => Rule::Null,
        };
        Some(Column {
            name: name.to_owned(),
            kind,
            description: spec.description.clone().unwrap_or_default(),
            read,
            convert,
            codes: self.codes(name, spec, kind),
            blank,
            default,
            required: spec.required.unwrap_or_default() || self.declaration.key.iter().any(|key| key == name),
        })
    }

    fn kind(&mut self, name: &str, spec: &ColumnSpec) -> Option<ColumnType> {
        match spec.kind.as_deref().map(str::parse) {
            Some(Ok(kind)) => Some(kind),
            Some(Err(error)) => {
                let error: crate::Error = error;
                self.fault(&["columns", name, "type"], error.to_string());
                None
            }
            None => {
                self.fault(
                    &["columns", name],
                    "has no `type`: say what the column holds, such as text or decimal(15,2)",
                );
                None
            }
        }
    }

    /// Where the value comes from, and from how many source columns at once.
    fn read(&mut self, name: &str, spec: &ColumnSpec) -> Option<(Read, usize)> {
        let origins = [spec.from.is_some(), spec.expr.is_some(), spec.lookup.is_some()];
        if origins.iter().filter(|given| **given).count() != 1 {
            self.fault(&["columns", name], "needs exactly one of `from`, `expr` and `lookup`");
            return None;
        }
        if let Some(from) = &spec.from {
            return match from.0.as_slice() {
                [column] => Some((Read::Cell(self.source(column)), 1)),
                [date, time] => Some((Read::Pair(self.source(date), self.source(time)), 2)),
                _ => {
                    self.fault(&["columns", name, "from"], "names one source column, or two: date and time");
                    None
                }
            };
        }
        if let Some(expr) = &spec.expr {
            return match Expression::compile(expr, |column| self.sources.insert_full(column.to_owned()).0) {
                Ok(expression) => Some((Read::Expression(Box::new(expression)), 1)),
                Err(message) => {
                    self.fault(&["columns", name, "expr"], message);
                    None
                }
            };
        }
        if spec.kind.as_deref().is_some_and(|kind| !kind.starts_with("text")) {
            self.fault(&["columns", name, "type"], "a looked-up id is text");
        }
        Some((Read::Link, 1))
    }

    fn constant(&mut self, path: &[&str], kind: ColumnType, text: &str) -> Option<Value<'static>> {
        match constant(kind, text) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.fault(path, format!("`{text}` {reason}"));
                None
            }
        }
    }

    fn codes(&mut self, name: &str, spec: &ColumnSpec, kind: ColumnType) -> Option<Box<Codes>> {
        if spec.other.is_some() && spec.values.is_none() {
            self.fault(
                &["columns", name, "other"],
                "says what happens to codes that `values` does not list: write `values`",
            );
        }
        if spec.nulls.is_none() && spec.values.is_none() {
            return None;
        }
        let code = |text: &String| trim(text).to_owned();
        let nulls: Vec<_> = spec.nulls.iter().flatten().map(code).collect();
        let numeric = matches!(kind, ColumnType::Integer | ColumnType::Decimal { .. });
        let null_numbers = match numeric {
            true => nulls.iter().filter_map(|null| Decimal::parse(null).ok()).map(Decimal::normalized).collect(),
            false => Vec::new(),
        };
        let mut values = Vec::new();
        for (text, value) in spec.values.iter().flatten() {
            let value = match value {
                None => Some(Value::Null),
                Some(value) => self.constant(&["columns", name, "values", text], kind, value),
            };
            values.extend(value.map(|value| (code(text), value)));
        }
        values.sort_by(|a, b| by_length(&a.0, &b.0));
        if let Some(twice) = values.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let message = format!("lists the code `{}` twice; blanks at its ends do not count", twice[0].0);
            self.fault(&["columns", name, "values"], message);
        }
        let other = match spec.other {
            Some(Other::Keep) => Rule::Keep,
            Some(Other::Null) => Rule::Null,
            Some(Other::Reject) | None => Rule::Reject,
        };
        Some(Box::new(Codes { nulls, null_numbers, values, other }))
    }

    fn links(&mut self) -> Vec<Link> {
        let declaration = self.declaration;
        let mut links = Vec::new();
        for need in declaration.needs {
            let key = self.positions(&["needs"], &need.key);
            links.push(Link { column: None, stream: need.stream.clone(), key, required: true });
        }
        for (at, (name, spec)) in declaration.columns.iter().enumerate() {
            if let Some(lookup) = &spec.lookup {
                let key = self.positions(&["columns", name, "lookup", "key"], &lookup.key);
                let stream = lookup.stream.clone();
                links.push(Link { column: Some(at), stream, key, required: lookup.required });
            }
        }
        links
    }
}

/// Names that every warehouse takes without quoting, and that no metadata column has.
pub(crate) fn is_name(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
