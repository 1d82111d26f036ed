//! From the bytes of a GRID_DATA answer straight into rows.
//!
//! Invariant: no value tree is built for rows; a cell goes from the answer to the block as the server wrote it, numbers
//! with every digit, text with every blank. An answer that lacks a column, is cut short or has another shape is an error.
//! This is the hot path: keys are matched by where they stood in the row before, cells borrow from the answer.

use std::fmt;

use engine::model::decimal::Decimal;
use engine::model::rows::RowsWriter;
use engine::model::value::Value;
use engine::plan::StreamSpec;
use engine::ports::TooBig;
use engine::{Error, Result};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::query::{Key, control, is_view};
use super::refusal::{Failure, Link, Problem, report};

/// The columns of a stream as answers name them.
#[derive(Debug)]
pub(super) struct Layout {
    object: String,
    /// `F0411.AG`, for messages.
    controls: Vec<String>,
    /// `F0411_AG`; for a bare column of a view `_AG`, which follows the name of whatever table it is from.
    names: Vec<String>,
    bare: bool,
    /// Positions of the key's columns.
    key: Vec<usize>,
    max_record_bytes: usize,
}

impl Layout {
    /// The layout of answers that were asked for these columns.
    pub(super) fn new(stream: &StreamSpec, columns: &[String], max_record_bytes: usize) -> Result<Self> {
        let controls: Vec<_> = columns.iter().map(|column| control(stream, column)).collect();
        let bare = is_view(stream);
        let name = |c: &String| {
            if c.contains('.') {
                c.replacen('.', "_", 1)
            } else {
                format!("_{c}")
            }
        };
        let position = |k: &String| {
            let missing = || {
                Error::stop(format!(
                    "stream `{}` does not read `{k}`, which is part of its key",
                    stream.name
                ))
            };
            columns.iter().position(|column| column == k).ok_or_else(missing)
        };
        let key = stream.key.iter().map(position).collect::<Result<_>>()?;
        let names = controls.iter().map(name).collect();
        Ok(Self {
            object: stream.object.clone(),
            controls,
            names,
            bare,
            key,
            max_record_bytes,
        })
    }

    fn is(&self, column: usize, name: &str) -> bool {
        let Some(wanted) = self.names.get(column) else {
            return false;
        };
        if self.bare && wanted.starts_with('_') {
            return name.split_once('_').is_some_and(|(_, alias)| alias == &wanted[1..]);
        }
        wanted == name
    }

    fn find(&self, name: &str) -> Option<usize> {
        (0..self.names.len()).find(|column| self.is(*column, name))
    }

    /// The columns that are not among these names of an answer.
    pub(super) fn missing(&self, names: &[String]) -> Vec<&str> {
        let absent = |(column, _): &(usize, &String)| !names.iter().any(|name| self.is(*column, name));
        self.controls
            .iter()
            .enumerate()
            .filter(absent)
            .map(|(_, control)| control.as_str())
            .collect()
    }
}

/// What an answer says besides its rows.
#[derive(Debug, Default)]
pub(super) struct Grid {
    /// Rows in it.
    pub(super) rows: usize,
    /// Whether the server says that more rows exist.
    pub(super) more: Option<bool>,
    /// Key of the first row.
    pub(super) first: Option<Key>,
    /// Key of the last row.
    pub(super) last: Option<Key>,
    /// Rows left out for their size.
    pub(super) too_big: Vec<TooBig>,
    /// The server's wall clock.
    pub(super) time_stamp: Option<String>,
    /// Where the next page is.
    pub(super) next: Option<String>,
    /// The names in `columns` or `titles`.
    pub(super) columns: Vec<String>,
    records: Option<u64>,
    found: bool,
    problems: Vec<Problem>,
}

/// Decodes a GRID_DATA answer and appends its rows.
///
/// # Errors
/// Later when the answer is cut short, Stop when a column is missing or the shape is another, and whatever the answer's
/// own errors mean.
pub(super) fn grid(text: &str, layout: &Layout, rows: &mut RowsWriter) -> Result<Grid, Failure> {
    let mut reader = GridReader {
        layout,
        rows,
        grid: Grid::default(),
        refusal: None,
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Top(&mut reader).deserialize(&mut json).and_then(|()| json.end());
    let GridReader { grid, refusal, .. } = reader;
    if let Some(refusal) = refusal {
        return Err(refusal.into());
    }
    read.map_err(|e| damaged(&layout.object, &e))?;
    report(&grid.problems)?;
    if !grid.found {
        return Err(Error::stop(format!(
            "the answer for {} holds no GRID_DATA: check `api` and that `url` is the AIS Server",
            layout.object
        ))
        .into());
    }
    match grid.records {
        Some(records) if records != grid.rows as u64 => Err(Error::later(format!(
            "the answer for {} was cut short: it says {records} records and holds {}",
            layout.object, grid.rows
        ))
        .into()),
        _ if grid.rows == 0 && grid.more == Some(true) => Err(Error::later(format!(
            "the answer for {} says that more records exist and holds none",
            layout.object
        ))
        .into()),
        _ => Ok(grid),
    }
}

/// JSON that ends early was cut short on the way; anything else that is no JSON is as little an answer.
pub(super) fn damaged(object: &str, error: &serde_json::Error) -> Error {
    let (line, column) = (error.line(), error.column());
    if error.is_eof() {
        return Error::later(format!(
            "the answer for {object} was cut short at line {line}, column {column}"
        ));
    }
    Error::later(format!(
        "the answer for {object} is not the JSON of an AIS Server, at line {line}, column {column}"
    ))
}

struct GridReader<'a> {
    layout: &'a Layout,
    rows: &'a mut RowsWriter,
    grid: Grid,
    /// Why decoding was broken off by ourselves.
    refusal: Option<Error>,
}

impl GridReader<'_> {
    fn refuse<E: serde::de::Error>(&mut self, refusal: Error) -> E {
        self.refusal = Some(refusal);
        E::custom("refused")
    }
}

/// An object whose members are handled by name.
macro_rules! object {
    ($(#[$doc:meta])* $name:ident, |$reader:ident, $key:ident, $map:ident| $body:block) => {
        $(#[$doc])*
        struct $name<'r, 'a>(&'r mut GridReader<'a>);

        impl<'de> DeserializeSeed<'de> for $name<'_, '_> {
            type Value = ();

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.deserialize_map(self)
            }
        }

        impl<'de> Visitor<'de> for $name<'_, '_> {
            type Value = ();

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut $map: A) -> Result<(), A::Error> {
                let $reader = self.0;
                while let Some($key) = $map.next_key::<std::borrow::Cow<'de, str>>()? {
                    $body
                }
                Ok(())
            }
        }
    };
}

object! {
    /// The whole answer.
    Top, |reader, key, map| {
        match key.as_ref() {
            "timeStamp" => reader.grid.time_stamp = map.next_value::<Option<String>>()?,
            "sysErrors" => reader.grid.problems.extend(map.next_value::<Option<Vec<Problem>>>()?.unwrap_or_default()),
            "links" => {
                let links = map.next_value::<Option<Vec<Link>>>()?.unwrap_or_default();
                reader.grid.next = links.into_iter().find(|link| link.rel == "next").map(|link| link.href);
            }
            // A failure can come as the body of a 200 too.
            "message" | "exception" => {
                let words = map.next_value::<Option<String>>()?;
                reader.grid.problems.extend(words.map(Problem::from));
            }
            form if form.starts_with("fs_") => map.next_value_seed(Form(reader))?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
    }
}

object! {
    /// `fs_DATABROWSE_F0411`.
    Form, |reader, key, map| {
        match key.as_ref() {
            "data" => map.next_value_seed(Data(reader))?,
            "errors" => reader.grid.problems.extend(map.next_value::<Option<Vec<Problem>>>()?.unwrap_or_default()),
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
    }
}

object! {
    /// `data`.
    Data, |reader, key, map| {
        match key.as_ref() {
            "gridData" => {
                reader.grid.found = true;
                map.next_value_seed(GridData(reader))?;
            }
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
    }
}

object! {
    /// `gridData`.
    GridData, |reader, key, map| {
        match key.as_ref() {
            "rowset" => map.next_value_seed(Rowset(reader))?,
            "columns" | "titles" => map.next_value_seed(Names(reader))?,
            "summary" => {
                let summary: Summary = map.next_value()?;
                reader.grid.records = summary.records;
                reader.grid.more = summary.more_records;
            }
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
    }
}

object! {
    /// `columns`, or `titles` on older releases.
    Names, |reader, key, map| {
        map.next_value::<IgnoredAny>()?;
        reader.grid.columns.push(key.into_owned());
    }
}

#[derive(serde::Deserialize)]
struct Summary {
    records: Option<u64>,
    #[serde(rename = "moreRecords")]
    more_records: Option<bool>,
}

struct Rowset<'r, 'a>(&'r mut GridReader<'a>);

impl<'de> DeserializeSeed<'de> for Rowset<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Rowset<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of rows")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rowset: A) -> Result<(), A::Error> {
        let reader = self.0;
        let width = reader.layout.names.len();
        let mut row = Row {
            layout: reader.layout,
            order: (0..width).collect(),
            cells: Vec::new(),
            bytes: 0,
            filled: 0,
            refusal: None,
        };
        row.cells.resize(width, Value::Null);
        let mut seen = vec![false; width];
        loop {
            match rowset.next_element_seed(Cells {
                row: &mut row,
                seen: &mut seen,
            }) {
                Ok(Some(())) => {}
                Ok(None) => break,
                Err(e) => {
                    return Err(match row.refusal {
                        Some(refusal) => reader.refuse(refusal),
                        None => e,
                    });
                }
            }
            if reader.grid.rows == 0 {
                reader.grid.first = Some(row.key());
            }
            reader.grid.rows += 1;
            if row.bytes > reader.layout.max_record_bytes {
                let key = row.key().into_iter().map(Option::unwrap_or_default).collect();
                reader.grid.too_big.push(TooBig { key, bytes: row.bytes });
            } else {
                reader.rows.push(&row.cells);
            }
        }
        if reader.grid.rows > 0 {
            reader.grid.last = Some(row.key());
        }
        Ok(())
    }
}

/// The row being read; its memory is used again for the next.
struct Row<'l, 'de> {
    layout: &'l Layout,
    /// Which column stood where in the row before; `usize::MAX` for one that nobody asked for.
    order: Vec<usize>,
    cells: Vec<Value<'de>>,
    bytes: usize,
    filled: usize,
    refusal: Option<Error>,
}

impl<'de> Row<'_, 'de> {
    /// The key's values as the server wrote them, numbers without an exponent, so that they can be asked for.
    fn key(&self) -> Key {
        let value = |column: &usize| match self.cells.get(*column) {
            None | Some(Value::Null) => None,
            Some(Value::Number(n)) if n.contains(['e', 'E']) => {
                Some(Decimal::parse(n).map_or_else(|_| n.to_string(), |d| d.to_string()))
            }
            Some(value) => Some(value.to_text().into_owned()),
        };
        self.layout.key.iter().map(value).collect()
    }

    /// The column of the member at this place of the row.
    fn column(&mut self, at: usize, name: &str) -> usize {
        if let Some(column) = self.order.get(at).copied()
            && column != usize::MAX
            && self.layout.is(column, name)
        {
            return column;
        }
        let column = self.layout.find(name).unwrap_or(usize::MAX);
        if self.order.len() <= at {
            self.order.resize(at + 1, usize::MAX);
        }
        self.order[at] = column;
        column
    }

    fn refuse<E: serde::de::Error>(&mut self, refusal: Error) -> E {
        self.refusal = Some(refusal);
        E::custom("refused")
    }

    fn version1(&self) -> Error {
        Error::stop(format!(
            "the answer for {} has another shape than the GRID_DATA that was asked for: the AIS Server is older than Tools \
             release 9.2.0.2, or something in between changes requests",
            self.layout.object
        ))
    }
}

struct Cells<'r, 'l, 'de> {
    row: &'r mut Row<'l, 'de>,
    seen: &'r mut [bool],
}

impl<'de> DeserializeSeed<'de> for Cells<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Cells<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Cells { row, seen } = self;
        row.bytes = 0;
        row.filled = 0;
        seen.fill(false);
        let mut at = 0;
        let mut objects = false;
        while let Some(column) = map.next_key_seed(Name { row, at })? {
            at += 1;
            let raw = map.next_value::<&'de RawValue>()?.get();
            row.bytes += raw.len();
            let Some(cell) = row.cells.get_mut(column) else {
                objects |= raw.starts_with('{');
                continue;
            };
            match value(raw) {
                Some(value) => *cell = value,
                None => return Err(row.refuse(row.version1())),
            }
            if !std::mem::replace(&mut seen[column], true) {
                row.filled += 1;
            }
        }
        if row.filled == row.cells.len() {
            return Ok(());
        }
        if objects && row.filled == 0 {
            return Err(row.refuse(row.version1()));
        }
        let missing: Vec<_> = row
            .layout
            .controls
            .iter()
            .zip(seen.iter())
            .filter(|(_, seen)| !**seen)
            .map(|(c, _)| c.as_str())
            .collect();
        let (columns, are) = if missing.len() == 1 {
            ("column", "is")
        } else {
            ("columns", "are")
        };
        let refusal = Error::stop(format!(
            "{columns} {} {are} not in the answer: has security or the table changed?",
            missing.join(", ")
        ));
        Err(row.refuse(refusal))
    }
}

/// The name of a cell, which becomes its column without being copied.
struct Name<'r, 'l, 'de> {
    row: &'r mut Row<'l, 'de>,
    at: usize,
}

impl<'de> DeserializeSeed<'de> for Name<'_, '_, '_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_, '_, '_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a column's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<usize, E> {
        Ok(self.row.column(self.at, name))
    }
}

/// A cell as it stands in the answer; nothing for an object or array, which GRID_DATA does not have.
fn value(raw: &str) -> Option<Value<'_>> {
    Some(match raw.as_bytes() {
        [b'"', text @ .., b'"'] if !text.contains(&b'\\') => Value::text(raw.get(1..raw.len() - 1)?),
        [b'"', ..] => Value::Text(serde_json::from_str::<String>(raw).ok()?.into()),
        [b'n', ..] => Value::Null,
        [b't', ..] => Value::Bool(true),
        [b'f', ..] => Value::Bool(false),
        [b'-' | b'0'..=b'9', ..] => Value::Number(raw.into()),
        _ => return None,
    })
}
