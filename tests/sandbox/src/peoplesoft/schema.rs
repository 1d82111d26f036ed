//! Which fields a record has: name, kind and key.

use super::cell::Kind;

/// One field of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The field's name, in upper case.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// A record definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    name: String,
    fields: Vec<Field>,
    key: Vec<usize>,
}

/// Why a record definition is none, or a row none of the record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The definition does not read `NAME*:KIND`.
    #[error("{record}: {part:?} is no field; write NAME:KIND with C, N and its decimals, D or T, and a * behind a key")]
    BadField {
        /// The record.
        record: String,
        /// The part of the definition.
        part: String,
    },
    /// No such record.
    #[error("there is no record {0}")]
    NoSuchRecord(String),
    /// The record has no such field.
    #[error("{record} has no field {field}; define the record with it first")]
    NoSuchField {
        /// The record.
        record: String,
        /// The field asked for.
        field: String,
    },
    /// A row with this key is there already.
    #[error("{record} already holds a row with key {key}")]
    DuplicateKey {
        /// The record.
        record: String,
        /// Its key fields, joined by `|`.
        key: String,
    },
    /// A key was given with too few or too many parts.
    #[error("the key of {record} is {fields}")]
    KeyLength {
        /// The record.
        record: String,
        /// Its key fields.
        fields: String,
    },
    /// Another number of values than of fields.
    #[error("{record}: {values} values for {fields} fields")]
    Miscounted {
        /// The record.
        record: String,
        /// How many fields were named.
        fields: usize,
        /// How many values there are.
        values: usize,
    },
    /// A row of a list cannot be a row of the record.
    #[error("row {row}: {error}")]
    Row {
        /// Its place in the list, counted from 1.
        row: usize,
        /// What is wrong with it.
        error: Box<RecordError>,
    },
}

impl Schema {
    /// Reads a definition such as `SETID*:C VENDOR_ID*:C NAME1:C GROSS_AMT:N3 INVOICE_DT:D LAST_UPDATE_DTTM:T`: character,
    /// number with its decimals, date, date and time; a star marks the key, in its order.
    pub fn parse(name: &str, fields: &str) -> Result<Self, RecordError> {
        let mut schema = Self { name: name.into(), fields: Vec::new(), key: Vec::new() };
        for part in fields.split_whitespace() {
            schema.add(part)?;
        }
        Ok(schema)
    }

    /// Adds one field, written as in [`Schema::parse`].
    pub(super) fn add(&mut self, part: &str) -> Result<(), RecordError> {
        let bad = || RecordError::BadField { record: self.name.clone(), part: part.into() };
        let (name, kind) = part.split_once(':').ok_or_else(bad)?;
        let kind = match kind.split_at_checked(1).ok_or_else(bad)? {
            ("C", _) => Kind::Text,
            ("N", "") => Kind::Number { decimals: 0 },
            ("N", decimals) => Kind::Number { decimals: decimals.parse().map_err(|_| bad())? },
            ("D", "") => Kind::Date,
            ("T", "") => Kind::DateTime,
            _ => return Err(bad()),
        };
        let bare = name.trim_end_matches('*');
        if bare.is_empty() || self.position(bare).is_some() {
            return Err(bad());
        }
        if bare.len() < name.len() {
            self.key.push(self.fields.len());
        }
        self.fields.push(Field { name: bare.into(), kind });
        Ok(())
    }

    pub(super) fn remove(&mut self, at: usize) {
        self.fields.remove(at);
        for key in self.key.iter_mut().filter(|key| **key > at) {
            *key -= 1;
        }
    }

    /// The record's name, without `PS_`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All fields in their order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Where the key fields stand.
    pub fn key(&self) -> &[usize] {
        &self.key
    }

    /// Where a field stands.
    pub fn position(&self, field: &str) -> Option<usize> {
        self.fields.iter().position(|known| known.name == field)
    }

    pub(super) fn existing(&self, field: &str) -> Result<usize, RecordError> {
        let missing = || RecordError::NoSuchField { record: self.name.clone(), field: field.into() };
        self.position(field).ok_or_else(missing)
    }

    /// Where EFFDT stands, when rows of the record take effect by date: it is part of the key.
    pub(super) fn effective_date(&self) -> Option<usize> {
        self.position("EFFDT").filter(|at| self.key.contains(at))
    }

    pub(super) fn key_names(&self) -> String {
        self.key.iter().map(|at| self.fields[*at].name.as_str()).collect::<Vec<_>>().join(", ")
    }
}
