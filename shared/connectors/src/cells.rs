//! One row of a JSON answer: names become columns, cells become values, and nothing is copied on the way.
//!
//! This is the hot path of every source that answers in JSON: names are matched by where they stood in the row before,
//! cells borrow from the answer, and a number keeps every digit. What a name means is the connector's own ([`Names`]).

use std::fmt;

use engine::Error;
use engine::model::decimal::Decimal;
use engine::model::value::Value;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::key_range::Key;

/// The columns of a stream as the answers of a system name them.
pub trait Names {
    /// How many columns a row has.
    fn width(&self) -> usize;

    /// Whether a member of this name is this column.
    fn is(&self, column: usize, name: &str) -> bool;

    /// The column of a member of this name.
    fn find(&self, name: &str) -> Option<usize> {
        (0..self.width()).find(|column| self.is(*column, name))
    }

    /// What to say when these columns are not in a row.
    fn missing(&self, columns: &[usize]) -> Error;

    /// What to say when a row is no row of cells.
    fn other_shape(&self) -> Error;

    /// An object or array in place of a cell; nothing where the system has none.
    fn nested<'de>(&self, _raw: &'de str) -> Option<Value<'de>> {
        None
    }

    /// What to say when two members of a row are this column; nothing where the last one counts.
    fn twice(&self, _column: usize) -> Option<Error> {
        None
    }
}

/// A member of the row before.
struct Member {
    name: String,
    /// `usize::MAX` for one that nobody asked for.
    column: usize,
}

/// The row being read; its memory is used again for the next.
pub struct Row<'l, 'de, L> {
    names: &'l L,
    /// What stood where in the row before.
    members: Vec<Member>,
    /// The cells, in the order of the columns.
    pub cells: Vec<Value<'de>>,
    /// How long the row is, in bytes.
    pub bytes: usize,
    filled: usize,
    seen: Vec<bool>,
    /// Why reading was broken off by ourselves.
    pub refusal: Option<Error>,
}

impl<'l, 'de, L: Names> Row<'l, 'de, L> {
    /// A row without values.
    pub fn new(names: &'l L) -> Self {
        let width = names.width();
        let (cells, seen) = (vec![Value::Null; width], vec![false; width]);
        Self { names, members: Vec::new(), cells, bytes: 0, filled: 0, seen, refusal: None }
    }

    /// Values as the server wrote them, but for numbers: without an exponent and without zeros at the end of a fraction,
    /// so that they mean the same to a server that writes decimals with a comma.
    pub fn values(&self, columns: &[usize]) -> Key {
        let value = |column: &usize| match self.cells.get(*column) {
            None | Some(Value::Null) => None,
            Some(Value::Number(n)) if n.contains(['.', 'e', 'E']) => {
                Some(Decimal::parse(n).map_or_else(|_| n.to_string(), |d| d.normalized().to_string()))
            }
            Some(value) => Some(value.to_text().into_owned()),
        };
        columns.iter().map(value).collect()
    }

    /// The column of the member at this place of the row. Rows of an answer are alike, so what a name means is found out once.
    #[inline]
    fn column(&mut self, at: usize, name: &str) -> usize {
        match self.members.get(at) {
            Some(member) if member.name == name => member.column,
            _ => self.meet(at, name),
        }
    }

    #[cold]
    fn meet(&mut self, at: usize, name: &str) -> usize {
        // Members mostly come in the order in which they were asked for.
        let guess = self.members.get(at).map_or(at, |member| member.column);
        let is_guess = guess < self.cells.len() && self.names.is(guess, name);
        let column = if is_guess { guess } else { self.names.find(name).unwrap_or(usize::MAX) };
        let member = Member { name: name.to_owned(), column };
        match self.members.get_mut(at) {
            Some(known) => *known = member,
            // Members are met from the first to the last.
            None => self.members.push(member),
        }
        column
    }

    fn refuse<E: serde::de::Error>(&mut self, refusal: Error) -> E {
        self.refusal = Some(refusal);
        E::custom("refused")
    }
}

/// Reads one row into [`Row`].
pub struct Cells<'r, 'l, 'de, L>(pub &'r mut Row<'l, 'de, L>);

impl<'de, L: Names> DeserializeSeed<'de> for Cells<'_, '_, 'de, L> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, L: Names> Visitor<'de> for Cells<'_, '_, 'de, L> {
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
            match value(raw).or_else(|| row.names.nested(raw)) {
                Some(value) => *cell = value,
                None => return Err(row.refuse(row.names.other_shape())),
            }
            if !std::mem::replace(&mut row.seen[column], true) {
                row.filled += 1;
            } else if let Some(refusal) = row.names.twice(column) {
                return Err(row.refuse(refusal));
            }
        }
        if row.filled == row.cells.len() {
            return Ok(());
        }
        if objects && row.filled == 0 {
            return Err(row.refuse(row.names.other_shape()));
        }
        let missing: Vec<_> = row.seen.iter().enumerate().filter(|(_, seen)| !**seen).map(|(at, _)| at).collect();
        Err(row.refuse(row.names.missing(&missing)))
    }
}

/// The name of a cell, which becomes its column without being copied.
struct Name<'r, 'l, 'de, L> {
    row: &'r mut Row<'l, 'de, L>,
    at: usize,
}

impl<'de, L: Names> DeserializeSeed<'de> for Name<'_, '_, '_, L> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<L: Names> Visitor<'_> for Name<'_, '_, '_, L> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a column's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<usize, E> {
        Ok(self.row.column(self.at, name))
    }
}

/// A cell as it stands in the answer; nothing for an object or array.
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
