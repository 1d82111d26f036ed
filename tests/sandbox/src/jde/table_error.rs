//! Why rows could not be changed or found.

/// Why rows could not be changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// No table of that name.
    #[error("there is no table {0}")]
    UnknownTable(String),
    /// No row of that key.
    #[error("{table} has no row with key {key}")]
    NoSuchRow {
        /// The table.
        table: String,
        /// The key, its parts joined by `|`.
        key: String,
    },
    /// No column of that alias.
    #[error("{table} has no column {alias}")]
    UnknownColumn {
        /// The table.
        table: String,
        /// The alias asked for.
        alias: String,
    },
    /// The primary key is taken.
    #[error("{table} already holds a row with key {key}")]
    DuplicateKey {
        /// The table.
        table: String,
        /// The key, its parts joined by `|`.
        key: String,
    },
    /// A key column cannot hold what does not fit its type, and a row cannot change its key.
    #[error("{table}: {value:?} cannot be the key column {alias}")]
    BadKey {
        /// The table.
        table: String,
        /// The key column.
        alias: String,
        /// What was given.
        value: String,
    },
    /// A key must name a value for each key column.
    #[error("{table} has {expected} key columns, {given} were given")]
    KeyLength {
        /// The table.
        table: String,
        /// Columns of the key.
        expected: usize,
        /// Values given.
        given: usize,
    },
}
