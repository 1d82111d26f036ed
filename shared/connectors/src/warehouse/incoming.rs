//! Reads the rows of a mapped batch for a warehouse.

use engine::model::batch::{MappedBatch, meta};
use engine::model::rows::RowReader;
use engine::model::table::TableSpec;
use engine::model::value::Value;
use engine::{Error, Result};

use super::fits::misfit;

/// One row of a batch, borrowed from it.
#[derive(Debug)]
pub(crate) struct Row<'r, 'b> {
    /// The record's key as text.
    pub key: &'r str,
    /// The source's own stamp, in microseconds since 1970.
    pub stamp: Option<i64>,
    /// Hash of the content.
    pub hash: u128,
    /// Whether the source says the record is deleted.
    pub deleted: bool,
    /// Its row in the archived batch.
    pub seq: i32,
    /// The values of the table's columns.
    pub cells: &'r [Value<'b>],
}

/// Walks over the rows of a batch.
#[derive(Debug)]
pub(crate) struct Incoming<'b> {
    reader: RowReader<'b>,
    cells: Vec<Value<'b>>,
}

impl<'b> Incoming<'b> {
    /// Checks that the batch has the columns of the table.
    pub fn new(table: &TableSpec, batch: &'b MappedBatch) -> Result<Self> {
        let expected = meta::COLUMNS.into_iter().chain(table.columns.iter().map(|c| c.name.as_str()));
        if !batch.rows.columns().iter().map(String::as_str).eq(expected) {
            return Err(Error::stop(format!(
                "batch {} does not have the columns of table `{}`: it was mapped for another shape; replay its run",
                batch.id, table.name
            )));
        }
        Ok(Self { reader: batch.rows.reader(), cells: Vec::with_capacity(batch.rows.columns().len()) })
    }

    /// The next row.
    pub fn next(&mut self) -> Result<Option<Row<'_, 'b>>> {
        if !self.reader.next_into(&mut self.cells)? {
            return Ok(None);
        }
        let wrong = |what| Error::stop(format!("a row of the batch has no usable {what}: replay its run"));
        let [key, stamp, hash, deleted, seq, cells @ ..] = self.cells.as_slice() else {
            return Err(wrong(meta::KEY));
        };
        Ok(Some(Row {
            key: match key {
                Value::Text(text) => text,
                _ => return Err(wrong(meta::KEY)),
            },
            stamp: match stamp {
                Value::Timestamp(micros) => Some(*micros),
                Value::Null => None,
                _ => return Err(wrong(meta::UPDATED_AT)),
            },
            hash: match hash {
                Value::Hash(hash) => *hash,
                _ => return Err(wrong(meta::HASH)),
            },
            deleted: match deleted {
                Value::Bool(deleted) => *deleted,
                _ => return Err(wrong(meta::DELETED)),
            },
            seq: match seq {
                Value::Integer(seq) => i32::try_from(*seq).map_err(|_| wrong(meta::ROW))?,
                _ => return Err(wrong(meta::ROW)),
            },
            cells,
        }))
    }
}

impl Row<'_, '_> {
    /// Says in words why the row cannot be loaded, if it cannot.
    pub fn misfit(&self, table: &TableSpec) -> Option<String> {
        if self.key.as_bytes().contains(&0) {
            return Some("the key contains the character U+0000, which databases cannot keep in text".to_owned());
        }
        self.cells.iter().enumerate().find_map(|(position, value)| misfit(table, position, value))
    }
}
