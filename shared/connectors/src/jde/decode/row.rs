//! One row: names become columns, cells become values, and nothing is copied on the way.

use std::fmt;

use engine::model::decimal::Decimal;
use engine::model::value::Value;
use engine::plan::StreamSpec;
use engine::{Error, Result};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::query::{Key, control, is_view};

/// The columns of a stream as answers name them.
#[derive(Debug)]
pub(in crate::jde) struct Layout {
    pub(super) object: String,
    /// `F0411.AG`, for messages.
    controls: Vec<String>,
    /// `F0411_AG`; for a bare column of a view `_AG`, which follows the name of whatever table it is from.
    names: Vec<String>,
    bare: bool,
    /// Positions of the key's columns.
    key: Vec<usize>,
    pub(super) max_record_bytes: usize,
}

impl Layout {
    /// The layout of answers that were asked for these columns.
    pub(in crate::jde) fn new(stream: &StreamSpec, columns: &[String], max_record_bytes: usize) -> Result<Self> {
        let controls: Vec<_> = columns.iter().map(|column| control(stream, column)).collect();
        let bare = is_view(stream);
        let name = |c: &String| {
            if c.contains('.') { c.replacen('.', "_", 1) } else { format!("_{c}") }
        };
        let position = |k: &String| {
            let missing =
                || Error::stop(format!("stream `{}` does not read `{k}`, which is part of its key", stream.name));
            columns.iter().position(|column| column == k).ok_or_else(missing)
        };
        let key = stream.key.iter().map(position).collect::<Result<_>>()?;
        let names = controls.iter().map(name).collect();
        Ok(Self { object: stream.object.clone(), controls, names, bare, key, max_record_bytes })
    }

    #[inline]
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
    pub(in crate::jde) fn missing(&self, names: &[String]) -> Vec<&str> {
        let absent = |(column, _): &(usize, &String)| !names.iter().any(|name| self.is(*column, name));
        self.controls.iter().enumerate().filter(absent).map(|(_, control)| control.as_str()).collect()
    }
}

/// The row being read; its memory is used again for the next.
pub(super) struct Row<'l, 'de> {
    layout: &'l Layout,
    /// Which column stood where in the row before; `usize::MAX` for one that nobody asked for.
    order: Vec<usize>,
    pub(super) cells: Vec<Value<'de>>,
    pub(super) bytes: usize,
    filled: usize,
    seen: Vec<bool>,
    pub(super) refusal: Option<Error>,
}

impl<'l, 'de> Row<'l, 'de> {
    pub(super) fn new(layout: &'l Layout) -> Self {
        let width = layout.names.len();
        let (order, cells, seen) = ((0..width).collect(), vec![Value::Null; width], vec![false; width]);
        Self { layout, order, cells, bytes: 0, filled: 0, seen, refusal: None }
    }

    /// The key's values as the server wrote them, but for numbers: without an exponent and without zeros at the end of a
    /// fraction, so that they mean the same to a server that writes decimals with a comma.
    pub(super) fn key(&self) -> Key {
        let value = |column: &usize| match self.cells.get(*column) {
            None | Some(Value::Null) => None,
            Some(Value::Number(n)) if n.contains(['.', 'e', 'E']) => {
                Some(Decimal::parse(n).map_or_else(|_| n.to_string(), |d| d.normalized().to_string()))
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

/// Reads one row into [`Row`].
pub(super) struct Cells<'r, 'l, 'de>(pub(super) &'r mut Row<'l, 'de>);

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
        let row = self.0;
        row.bytes = 0;
        row.filled = 0;
        row.seen.fill(false);
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
            if !std::mem::replace(&mut row.seen[column], true) {
                row.filled += 1;
            }
        }
        if row.filled == row.cells.len() {
            return Ok(());
        }
        if objects && row.filled == 0 {
            return Err(row.refuse(row.version1()));
        }
        let missing: Vec<_> =
            row.layout.controls.iter().zip(&row.seen).filter(|(_, seen)| !**seen).map(|(c, _)| c.as_str()).collect();
        let (columns, are) = if missing.len() == 1 { ("column", "is") } else { ("columns", "are") };
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
