//! Hashes: of a mapping's declaration, and of a mapped row's content, equal exactly when the cells are equal.

use serde::Serialize;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::compile::Declaration;
use super::declare::{ColumnSpec, NeedSpec};
use crate::model::table::ColumnType;
use crate::model::value::Value;
use crate::plan::UpdatedSpec;

/// Part of every declaration's hash: goes up when the same declaration begins to give other values.
const RULES: u32 = 1;

/// Nearly every row fits, and is hashed in one go.
const ROOM: usize = 1024;

/// Hashes cells in an unambiguous form: a tag per cell, then bytes of a length that the tag fixes or that is written.
pub(super) fn content(cells: &[Value<'_>]) -> u128 {
    let mut form = Form { bytes: [0; ROOM], length: 0, overflow: None };
    for cell in cells {
        match cell {
            Value::Null => form.put(&[0]),
            Value::Bool(bool) => form.put(&[1, u8::from(*bool)]),
            Value::Integer(int) => form.put_tagged(2, int.to_le_bytes()),
            Value::Decimal(decimal) => {
                form.put(&[3, decimal.scale()]);
                form.put(&decimal.units().to_le_bytes());
            }
            Value::Date(days) => form.put_tagged(4, days.to_le_bytes()),
            Value::Timestamp(micros) => form.put_tagged(5, micros.to_le_bytes()),
            Value::Text(text) => form.put_text(6, text),
            Value::Number(text) => form.put_text(7, text),
            Value::Json(text) => form.put_text(8, text),
            Value::Hash(hash) => form.put_tagged(9, hash.to_le_bytes()),
        }
    }
    form.finish()
}

struct Form {
    bytes: [u8; ROOM],
    length: usize,
    overflow: Option<Box<Xxh3>>,
}

impl Form {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        match self.bytes.get_mut(self.length..self.length + bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.length += bytes.len();
            }
            None => self.put_beyond(bytes),
        }
    }

    #[inline]
    fn put_tagged<const N: usize>(&mut self, tag: u8, bytes: [u8; N]) {
        self.put(&[tag]);
        self.put(&bytes);
    }

    #[inline]
    fn put_text(&mut self, tag: u8, text: &str) {
        self.put_tagged(tag, (text.len() as u64).to_le_bytes());
        self.put(text.as_bytes());
    }

    #[cold]
    fn put_beyond(&mut self, bytes: &[u8]) {
        let overflow = self.overflow.get_or_insert_with(|| Box::new(Xxh3::new()));
        overflow.update(&self.bytes[..self.length]);
        overflow.update(bytes);
        self.length = 0;
    }

    fn finish(mut self) -> u128 {
        match self.overflow.take() {
            None => xxh3_128(&self.bytes[..self.length]),
            Some(mut overflow) => {
                overflow.update(&self.bytes[..self.length]);
                overflow.digest128()
            }
        }
    }
}

/// The declaration without what does not change values: descriptions, and how things happen to be written.
pub(super) fn declaration(declaration: &Declaration<'_>) -> String {
    #[derive(Serialize)]
    struct Content<'a> {
        rules: u32,
        columns: Vec<(&'a String, ColumnSpec)>,
        key: &'a [String],
        updated: Option<&'a UpdatedSpec>,
        filter: Option<&'a str>,
        needs: &'a [NeedSpec],
        zone: &'a str,
    }
    let columns = declaration.columns.iter().map(|(name, spec)| {
        let kind =
            spec.kind.as_ref().map(|kind| kind.parse().map_or_else(|_| kind.clone(), |k: ColumnType| k.to_string()));
        (name, ColumnSpec { kind, description: None, ..spec.clone() })
    });
    let content = Content {
        rules: RULES,
        columns: columns.collect(),
        key: declaration.key,
        updated: declaration.updated,
        filter: declaration.filter,
        needs: declaration.needs,
        zone: declaration.zone.name(),
    };
    // Strings, lists and maps with text keys: nothing that JSON could refuse.
    let content = serde_json::to_vec(&content).unwrap_or_default();
    format!("{:032x}", xxh3_128(&content))
}
