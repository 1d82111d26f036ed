//! JSON answers: down to the rows by a pointer, then row after row.

use std::borrow::Cow;
use std::fmt;

use engine::Error;
use engine::model::rows::RowsWriter;
use engine::ports::TooBig;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::super::refusal::Failure;
use super::{Layout, Shape, Taken};
use crate::cells::{Cells, Row};

/// JSON that ends early was cut short on the way; anything else that is no JSON is as little an answer.
fn damaged(what: &str, error: &serde_json::Error) -> Error {
    let (line, column) = (error.line(), error.column());
    if error.is_eof() {
        return Error::later(format!("the answer of {what} was cut short at line {line}, column {column}"));
    }
    Error::later(format!("the answer of {what} is not the JSON that was asked for, at line {line}, column {column}"))
}

/// Long texts come with raw control characters, which JSON does not allow inside of text: they are escaped.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    // What an answer holds of them stands between its members, or nowhere: nearly always nothing is to be done.
    // In pieces, each of which is looked through without a branch: this walks over every answer.
    let has_control = |piece: &[u8]| piece.iter().fold(false, |found, byte| found | (*byte < b' '));
    if !text.as_bytes().chunks(128).any(has_control) {
        return Cow::Borrowed(text);
    }
    let (mut inside, mut escaped, mut found) = (false, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            control if control < b' ' && inside => {
                found = true;
                break;
            }
            _ => {}
        }
    }
    if !found {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 64);
    (inside, escaped) = (false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if inside => escaped = true,
            '"' => inside = !inside,
            control if control < ' ' && inside => {
                clean.push_str(&format!("\\u{:04x}", u32::from(control)));
                continue;
            }
            _ => {}
        }
        clean.push(c);
    }
    Cow::Owned(clean)
}

/// Decodes the rows and what stands beside them.
pub(super) fn rows(text: &str, shape: &Shape, layout: &Layout, rows: &mut RowsWriter) -> Result<Taken, Failure> {
    let mut reader = Reader { shape, layout, rows, taken: Taken::default(), refusal: None };
    let mut json = serde_json::Deserializer::from_str(text);
    let read = match shape.rows.is_empty() {
        true => Rowset(&mut reader).deserialize(&mut json),
        false => Node { reader: &mut reader, path: &mut Vec::new() }.deserialize(&mut json),
    };
    let read = read.and_then(|()| json.end());
    let Reader { taken, refusal, .. } = reader;
    if let Some(refusal) = refusal {
        return Err(refusal.into());
    }
    match read.map_err(|e| damaged(&layout.what, &e)) {
        Ok(()) => Ok(taken),
        Err(error) if taken.rows == 0 => Err(Failure::NoRows(error)),
        Err(error) => Err(error.into()),
    }
}

struct Reader<'a> {
    shape: &'a Shape,
    layout: &'a Layout,
    rows: &'a mut RowsWriter,
    taken: Taken,
    /// Why decoding was broken off by ourselves.
    refusal: Option<Error>,
}

/// What stands at a path.
enum Place {
    Rows,
    Status,
    Count,
    Error,
    Token,
    /// Something of these stands below.
    Above,
    Nothing,
}

impl Reader<'_> {
    fn place(&self, path: &[String]) -> Place {
        let shape = self.shape;
        let is = |pointer: &Option<Vec<String>>| pointer.as_deref() == Some(path);
        if shape.rows == path {
            return Place::Rows;
        }
        if is(&shape.status) {
            return Place::Status;
        }
        if is(&shape.count) {
            return Place::Count;
        }
        if is(&shape.token) {
            return Place::Token;
        }
        if shape.error.iter().any(|pointer| pointer == path) {
            return Place::Error;
        }
        let one = [Some(&shape.rows), shape.status.as_ref(), shape.count.as_ref(), shape.token.as_ref()];
        let mut all = one.into_iter().flatten().chain(&shape.error);
        match all.any(|pointer| pointer.starts_with(path)) {
            true => Place::Above,
            false => Place::Nothing,
        }
    }

    /// A value beside the rows as text; nothing where there is none.
    fn note(&mut self, place: &Place, raw: &RawValue) {
        let text = raw.get().trim();
        let text = serde_json::from_str::<String>(text).unwrap_or_else(|_| text.to_owned());
        let is_none = matches!(text.trim(), "" | "null" | "false" | "[]" | "{}");
        match (place, is_none) {
            (Place::Status, false) => self.taken.status = Some(text),
            (Place::Count, false) => self.taken.count = Some(text),
            (Place::Token, false) => self.taken.token = Some(text),
            (Place::Error, false) => self.taken.errors.push(text),
            _ => {}
        }
    }
}

/// An object or array on the way to the rows.
struct Node<'r, 'a, 'p> {
    reader: &'r mut Reader<'a>,
    path: &'p mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            self.path.push(name.into_owned());
            match self.reader.place(self.path) {
                Place::Rows => map.next_value_seed(Rowset(self.reader))?,
                Place::Above => map.next_value_seed(Node { reader: self.reader, path: self.path })?,
                Place::Nothing => drop(map.next_value::<IgnoredAny>()?),
                beside => self.reader.note(&beside, map.next_value::<&'de RawValue>()?),
            }
            self.path.pop();
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut at = 0_usize;
        loop {
            self.path.push(at.to_string());
            let next = match self.reader.place(self.path) {
                Place::Rows => seq.next_element_seed(Rowset(self.reader))?,
                Place::Above => seq.next_element_seed(Node { reader: self.reader, path: self.path })?,
                _ => seq.next_element::<IgnoredAny>()?.map(drop),
            };
            self.path.pop();
            if next.is_none() {
                return Ok(());
            }
            at += 1;
        }
    }
}

/// The rows: an array of them, or a single one without an array around it.
struct Rowset<'r, 'a>(&'r mut Reader<'a>);

impl Rowset<'_, '_> {
    fn keep(&mut self, row: &mut Row<'_, '_, Layout>) {
        let layout = self.0.layout;
        let reader = &mut *self.0;
        if reader.taken.rows == 0 {
            reader.taken.first = Some(row.values(&layout.after));
        }
        reader.taken.rows += 1;
        if row.bytes > layout.max_record_bytes {
            let key = row.values(&layout.key).into_iter().map(Option::unwrap_or_default).collect();
            reader.taken.too_big.push(TooBig { key, bytes: row.bytes });
            return;
        }
        if layout.treatments == super::Treatments::default() {
            reader.rows.push(row.cells.iter().take(layout.carried));
            return;
        }
        // The row is read into again, so what tells it apart must stay as it came.
        let mut cells: Vec<_> = row.cells.iter().take(layout.carried).cloned().collect();
        layout.treat(&mut cells);
        reader.rows.push(&cells);
    }

    fn end(self, row: &Row<'_, '_, Layout>) {
        if self.0.taken.rows > 0 {
            self.0.taken.last = Some(row.values(&self.0.layout.after));
        }
    }

    fn broken<E: serde::de::Error>(self, refusal: Option<Error>, error: E) -> E {
        match refusal {
            Some(refusal) => {
                self.0.refusal = Some(refusal);
                E::custom("refused")
            }
            None => error,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Rowset<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Rowset<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.taken.found = true;
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.0.taken.found = true;
        match text.trim().is_empty() {
            true => Ok(()),
            false => Err(E::custom("text in place of rows")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<(), A::Error> {
        self.0.taken.found = true;
        let mut row = Row::new(self.0.layout);
        match Cells(&mut row).visit_map(map) {
            Ok(()) => {
                self.keep(&mut row);
                self.end(&row);
                Ok(())
            }
            Err(error) => Err(self.broken(row.refusal, error)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut rowset: A) -> Result<(), A::Error> {
        self.0.taken.found = true;
        let mut row = Row::new(self.0.layout);
        loop {
            match rowset.next_element_seed(Cells(&mut row)) {
                Ok(Some(())) => self.keep(&mut row),
                Ok(None) => {
                    self.end(&row);
                    return Ok(());
                }
                Err(error) => return Err(self.broken(row.refusal, error)),
            }
        }
    }
}
