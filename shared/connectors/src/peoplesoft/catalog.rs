//! What is read of PeopleSoft's own records: keys, fields, stamps of change.
//!
//! Records and keys are those of the delivered applications; sites add fields and may lack some.

mod ledger;
mod payables;
mod people;
mod purchasing;

use super::queries::{Effective, Kind, ROW_KEY, SETID};

/// A field of a record, with the alias of the record.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) personal: bool,
}

/// One stream.
pub(super) struct Entry {
    /// The query that reads it.
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    /// Record, alias, and the fields by which it is joined to the one before.
    pub(super) records: &'static [(&'static str, &'static str, &'static [&'static str])],
    /// The key, in the order of the record's index.
    pub(super) key: &'static [&'static str],
    /// The field that tells when a row changed last, where one can be depended on.
    pub(super) stamp: Option<&'static str>,
    pub(super) fields: &'static [Field],
    /// Amounts that are summed.
    pub(super) sums: &'static [&'static str],
    /// Field, operator, value.
    pub(super) criteria: &'static [(&'static str, &'static str, &'static str)],
    pub(super) effective: Option<Effective>,
    pub(super) personal: bool,
}

impl Entry {
    /// What every entry begins with.
    const PLAIN: Self = Self {
        name: "",
        description: "",
        records: &[],
        key: &[],
        stamp: None,
        fields: &[],
        sums: &[],
        criteria: &[],
        effective: None,
        personal: false,
    };

    /// A field by its name without alias.
    pub(super) fn field(&self, column: &str) -> Option<&Field> {
        self.fields.iter().find(|field| super::queries::bare(field.name) == column)
    }

    /// Whether it is master data, which is read SetID by SetID.
    pub(super) fn has_setid(&self) -> bool {
        self.key.first() == Some(&SETID)
    }

    /// The columns of the key that tell pages apart.
    pub(super) fn joined_key(&self) -> &'static [&'static str] {
        if self.has_setid() { self.key.get(1..).unwrap_or_default() } else { self.key }
    }

    /// The field that pages are told apart by.
    pub(super) fn page_key(&self) -> &'static str {
        match self.joined_key() {
            [one] => one,
            _ => ROW_KEY,
        }
    }

    /// The type of its stamp of change.
    pub(super) fn stamp_kind(&self) -> Option<Kind> {
        self.field(self.stamp?).map(|field| field.kind)
    }
}

/// All streams.
pub(super) fn all() -> impl Iterator<Item = &'static Entry> {
    [payables::ENTRIES, ledger::ENTRIES, purchasing::ENTRIES, people::ENTRIES].into_iter().flatten()
}

/// The stream that a query of this name reads.
pub(super) fn find(name: &str) -> Option<&'static Entry> {
    all().find(|entry| entry.name == name)
}

const fn text(name: &'static str, length: u16) -> Field {
    Field { name, kind: Kind::Character(length), personal: false }
}

const fn number(name: &'static str) -> Field {
    Field { name, kind: Kind::Number, personal: false }
}

const fn date(name: &'static str) -> Field {
    Field { name, kind: Kind::Date, personal: false }
}

const fn time(name: &'static str) -> Field {
    Field { name, kind: Kind::DateTime, personal: false }
}

const fn personal(field: Field) -> Field {
    Field { name: field.name, kind: field.kind, personal: true }
}
