//! How a source row becomes a destination row: declared column by column, compiled once, applied without loss.
//!
//! [`ColumnSpec`] is what people write. [`Mapping::compile`] finds every mistake in it. [`Mapping::bind`] finds the
//! columns of a block of rows, and [`Mapper::map`] maps row after row.
//!
//! Invariants: a value that does not fit its declared type refuses the row, with field, value and reason; nothing is
//! cut, rounded or made up; no row makes the mapping panic. Formats of vendors are declared, none is known here.

mod apply;
mod compile;
mod convert;
mod dates;
mod declare;
mod exact;
mod expression;
mod format;
mod hash;
mod key;
mod number;
#[cfg(test)]
mod tests;

use chrono_tz::Tz;

pub use apply::Mapper;
pub(crate) use compile::is_name;
pub use compile::{Declaration, Fault};
pub use declare::{Blank, ColumnSpec, LookupSpec, NeedSpec, Other, SourceColumns};

use crate::error::{Error, Result};
use crate::model::id::RecordKey;
use crate::model::table::{ColumnType, TableColumn};
use crate::model::value::Value;

/// A compiled mapping.
#[derive(Debug)]
pub struct Mapping {
    hash: String,
    sources: Vec<String>,
    columns: Vec<compile::Column>,
    key: Vec<usize>,
    source_key: key::SourceKey,
    updated: Option<compile::Updated>,
    filter: Option<expression::Expression>,
    links: Vec<compile::Link>,
    zone: Tz,
}

/// A record of another stream that a mapped record names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// Position of the mapped column that the link's other side fills, or `None` when the record only has to be there.
    pub column: Option<usize>,
    /// The stream, of the same integration.
    pub stream: String,
    /// The record there.
    pub key: RecordKey,
    /// Whether this record waits until it is there; otherwise the column stays null.
    pub required: bool,
}

/// Why a row cannot be mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The record's key, where the row has a usable one.
    pub key: Option<RecordKey>,
    /// The mapped column that failed, or `where` for the sync's filter.
    pub field: String,
    /// The value it failed with, as the source wrote it, shortened.
    pub value: String,
    /// What is wrong, and what to do next.
    pub reason: String,
}

/// What mapping a row gave. The mapped cells are in the caller's buffer.
#[derive(Debug, Clone, PartialEq)]
pub enum Mapped {
    /// The row maps.
    Row {
        /// The record's key.
        key: RecordKey,
        /// The source's own time of change, in microseconds since 1970-01-01T00:00:00Z.
        updated_at: Option<i64>,
        /// Records of other streams it names.
        lookups: Vec<Lookup>,
    },
    /// The sync's filter leaves it out.
    Filtered,
    /// It cannot be mapped.
    Refused(Refusal),
}

impl Mapping {
    /// Tells this mapping from every other: changes when and only when its content changes.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The source columns it reads, the source's key and change columns first.
    pub fn source_columns(&self) -> &[String] {
        &self.sources
    }

    /// The destination columns it fills, in their order.
    pub fn table_columns(&self) -> Vec<TableColumn> {
        let columns = self.columns.iter().map(|column| TableColumn {
            name: column.name.clone(),
            kind: column.kind,
            nullable: !column.required,
            description: column.description.clone(),
        });
        columns.collect()
    }

    /// Positions of the key among the destination columns, in key order.
    pub fn key_columns(&self) -> &[usize] {
        &self.key
    }

    /// The source column that fills a destination column as it is, for sums on both sides; `None` where it is computed.
    pub fn plain_source(&self, column: &str) -> Option<&str> {
        let column = self.columns.iter().find(|known| known.name == column)?;
        self.sources.get(column.plain_source()?).map(String::as_str)
    }

    /// The one source column that a destination column is filled from, whatever becomes of its values on the way.
    pub fn cell_source(&self, column: &str) -> Option<&str> {
        let column = self.columns.iter().find(|known| known.name == column)?;
        self.sources.get(column.cell_source()?).map(String::as_str)
    }

    /// Binds the mapping to the columns of a block.
    ///
    /// # Errors
    /// Stops when a column that the mapping needs is not in the block, and names it.
    pub fn bind(&self, columns: &[String]) -> Result<Mapper<'_>> {
        let position = |source: &String| {
            columns.iter().position(|column| column == source).ok_or_else(|| {
                Error::stop(format!(
                    "the rows have no column {source}, which the mapping reads; they were read for an older mapping: \
                     read the records from the source again"
                ))
            })
        };
        let at = self.sources.iter().map(position).collect::<Result<_>>()?;
        Ok(Mapper { mapping: self, at, zone: dates::Zone::new(self.zone) })
    }

    /// The hash of a mapped row's content.
    pub fn content_hash(&self, cells: &[Value<'_>]) -> u128 {
        hash::content(cells)
    }

    /// Whether it leaves rows out by a condition of the sync's own, which the source does not count by.
    pub fn leaves_rows_out(&self) -> bool {
        self.filter.is_some()
    }

    /// The values of the source's own key, as the source writes them, for a record of this sync.
    ///
    /// # Errors
    /// Stops when the key is none of this sync's, or when the mapping's key columns cannot be turned back.
    pub fn source_key(&self, key: &RecordKey) -> Result<Vec<String>> {
        self.source_key.of(key)
    }
}

/// Reads a value that stands in the configuration: dates as `2026-11-20`, timestamps in UTC.
fn constant(kind: ColumnType, text: &str) -> std::result::Result<Value<'static>, String> {
    let format = match kind {
        ColumnType::Date | ColumnType::Timestamp => Some("iso"),
        ColumnType::Text { .. } => Some("as_is"),
        _ => None,
    };
    let convert = format::Convert::new(kind, format, 1)?;
    convert.apply(&Value::Text(text.to_owned().into()), &dates::Zone::new(Tz::UTC))
}

/// A text for people, cut to 80 characters.
fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        None => text.to_owned(),
        Some(_) => text.chars().take(MOST - 1).chain(['…']).collect(),
    }
}
