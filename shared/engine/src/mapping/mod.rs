//! How a source row becomes a destination row: declared column by column, compiled once, applied without loss.

use crate::error::Result;
use crate::model::id::RecordKey;
use crate::model::value::Value;

/// A compiled mapping.
#[derive(Debug)]
pub struct Mapping {
    hash: String,
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
    /// The mapped column that failed.
    pub field: String,
    /// The value it failed with, shortened.
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

/// A mapping bound to the columns of a block of source rows.
#[derive(Debug)]
pub struct Mapper<'m> {
    mapping: &'m Mapping,
}

impl Mapping {
    /// Tells this mapping from every other: changes when and only when its content changes.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Binds the mapping to the columns of a block.
    ///
    /// # Errors
    /// Stops when a column that the mapping needs is not in the block, and names it.
    pub fn bind(&self, _columns: &[String]) -> Result<Mapper<'_>> {
        Ok(Mapper { mapping: self })
    }

    /// The values of the source's key columns for a record key, as the source writes them.
    ///
    /// # Errors
    /// Stops when the key columns are not plain source columns.
    pub fn source_key(&self, key: &RecordKey) -> Result<Vec<String>> {
        Ok(key.parts())
    }

    /// The hash of a mapped row's content.
    pub fn content_hash(&self, _cells: &[Value<'_>]) -> u128 {
        0
    }
}

impl Mapper<'_> {
    /// Maps one row: reads `cells` and fills `out` (cleared first) with the mapped columns in the table's order.
    pub fn map<'v>(&self, _cells: &[Value<'v>], _out: &mut Vec<Value<'v>>) -> Mapped {
        let _mapping = self.mapping;
        Mapped::Filtered
    }
}
