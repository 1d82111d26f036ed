//! A table: its columns, its properties, and the log of its versions.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::types::{Field, Type};

/// The property that makes a table record its changes.
pub(in super::super) const CHANGE_FEED: &str = "delta.enableChangeDataFeed";

/// A table or a view.
#[derive(Clone, Debug)]
pub(in super::super) struct Table {
    /// Where its rows are: the numbers of the table and of its columns are never used again.
    pub(in super::super) id: u64,
    pub(in super::super) name: String,
    pub(in super::super) kind: Kind,
    pub(in super::super) columns: Vec<Column>,
    pub(in super::super) comment: Option<String>,
    pub(in super::super) properties: BTreeMap<String, String>,
    pub(in super::super) tags: BTreeMap<String, String>,
    pub(in super::super) constraints: Vec<Constraint>,
    pub(in super::super) clustered_by: Vec<String>,
    pub(in super::super) partitioned_by: Vec<String>,
    pub(in super::super) history: Vec<Commit>,
    /// The files that COPY INTO has loaded.
    pub(in super::super) loaded: BTreeSet<String>,
    pub(in super::super) owner: String,
    pub(in super::super) created_at: DateTime<Utc>,
    pub(in super::super) updated_at: DateTime<Utc>,
}

/// What stands behind a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Kind {
    Managed,
    /// The query of a view.
    View(String),
}

#[derive(Clone, Debug)]
pub(in super::super) struct Column {
    pub(in super::super) id: u64,
    pub(in super::super) name: String,
    pub(in super::super) ty: Type,
    pub(in super::super) nullable: bool,
    pub(in super::super) comment: Option<String>,
    pub(in super::super) default: Option<String>,
}

/// A primary key, which nobody enforces, or a check, which is enforced.
#[derive(Clone, Debug)]
pub(in super::super) enum Constraint {
    PrimaryKey { name: String, columns: Vec<String> },
    ForeignKey { name: String, columns: Vec<String> },
    Check { name: String, condition: String },
}

impl Constraint {
    pub(in super::super) fn name(&self) -> &str {
        match self {
            Self::PrimaryKey { name, .. } | Self::ForeignKey { name, .. } | Self::Check { name, .. } => name,
        }
    }
}

/// One version of a table.
#[derive(Clone, Debug)]
pub(in super::super) struct Commit {
    pub(in super::super) version: i64,
    pub(in super::super) at: DateTime<Utc>,
    pub(in super::super) user: String,
    pub(in super::super) operation: &'static str,
    pub(in super::super) parameters: Vec<(String, String)>,
    pub(in super::super) metrics: Vec<(String, String)>,
    /// Only added rows, without having read the table: such a version disturbs no other writer.
    pub(in super::super) blind_append: bool,
    /// Whether what it changed was recorded.
    pub(in super::super) recorded: bool,
}

impl Table {
    pub(in super::super) fn is_view(&self) -> bool {
        matches!(self.kind, Kind::View(_))
    }

    pub(in super::super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }

    pub(in super::super) fn column_mut(&mut self, name: &str) -> Option<&mut Column> {
        self.columns.iter_mut().find(|column| column.name.eq_ignore_ascii_case(name))
    }

    pub(in super::super) fn column_names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    /// Its columns as a struct, as errors show them.
    pub(in super::super) fn as_struct(&self) -> Type {
        let fields = self.columns.iter().map(|column| Field { name: column.name.clone(), ty: column.ty.clone() });
        Type::Struct(fields.collect())
    }

    /// The name of the storage's table with its rows.
    pub(in super::super) fn storage(&self) -> String {
        format!("t{}", self.id)
    }

    /// The name of the storage's table with its changes.
    pub(in super::super) fn feed(&self) -> String {
        format!("f{}", self.id)
    }

    pub(in super::super) fn version(&self) -> i64 {
        self.history.last().map_or(-1, |commit| commit.version)
    }

    pub(in super::super) fn records_changes(&self) -> bool {
        let found = self.properties.iter().find(|(name, _)| name.eq_ignore_ascii_case(CHANGE_FEED));
        found.is_some_and(|(_, value)| value.eq_ignore_ascii_case("true"))
    }

    pub(in super::super) fn property_is_true(&self, name: &str) -> bool {
        self.properties.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}
