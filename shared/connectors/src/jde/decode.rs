//! From the bytes of a GRID_DATA answer straight into rows.
//!
//! Invariant: no value tree is built for rows; a cell goes from the answer to the block as the server wrote it, numbers
//! with every digit, text with every blank. An answer that lacks a column, is cut short or has another shape is an error.
//! This is the hot path: keys are matched by where they stood in the row before, cells borrow from the answer.

mod row;

use std::fmt;

use engine::model::rows::RowsWriter;
use engine::ports::TooBig;
use engine::{Error, Result};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::query::Key;
use super::refusal::{Failure, Link, Problem, Problems, report};
use crate::cells::{Cells, Row};
pub(super) use row::Layout;

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
    let mut reader = GridReader { layout, rows, grid: Grid::default(), refusal: None };
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
        _ if grid.rows == 0 && grid.more == Some(true) => {
            Err(Error::later(format!("the answer for {} says that more records exist and holds none", layout.object))
                .into())
        }
        _ => Ok(grid),
    }
}

/// JSON that ends early was cut short on the way; anything else that is no JSON is as little an answer.
pub(super) fn damaged(object: &str, error: &serde_json::Error) -> Error {
    let (line, column) = (error.line(), error.column());
    if error.is_eof() {
        return Error::later(format!("the answer for {object} was cut short at line {line}, column {column}"));
    }
    Error::later(format!("the answer for {object} is not the JSON of an AIS Server, at line {line}, column {column}"))
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
            "timeStamp" => reader.grid.time_stamp = map.next_value::<serde_json::Value>()?.as_str().map(str::to_owned),
            "sysErrors" => reader.grid.problems.extend(map.next_value::<Problems>()?.0),"links" => {
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
            "errors" => reader.grid.problems.extend(map.next_value::<Problems>()?.0),_ => drop(map.next_value::<IgnoredAny>()?),
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
        let mut row = Row::new(reader.layout);
        loop {
            match rowset.next_element_seed(Cells(&mut row)) {
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
                reader.grid.first = Some(row.values(&reader.layout.key));
            }
            reader.grid.rows += 1;
            if row.bytes > reader.layout.max_record_bytes {
                let key = row.values(&reader.layout.key).into_iter().map(Option::unwrap_or_default).collect();
                reader.grid.too_big.push(TooBig { key, bytes: row.bytes });
            } else {
                reader.rows.push(&row.cells);
            }
        }
        if reader.grid.rows > 0 {
            reader.grid.last = Some(row.values(&reader.layout.key));
        }
        Ok(())
    }
}
