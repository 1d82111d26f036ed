//! Warehouses: SQL databases that records are loaded into by key, and that Looker reads.
//!
//! What they share is here: the metadata columns, which row wins, what a value must be to fit its column, and how the
//! outcomes of a batch are kept in the ledger. Each warehouse is one module beside it that says how its database does
//! it; a new one is a new module that implements [`engine::ports::Destination`].
//!
//! Invariant: the rules are written once, in [`judge`] and [`fits`]. A warehouse that lets its server decide (PostgreSQL)
//! says the same in SQL, and one battery of tests holds them all to it.

pub(crate) mod fits;
pub(crate) mod incoming;
#[cfg(feature = "sqlite")]
mod judge;
mod ledger;
pub mod postgres;
pub(crate) mod present;
pub mod schema;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod sqlite_settings;
#[cfg(feature = "sqlite")]
#[cfg(test)]
pub(crate) mod tests;

pub use postgres::{Postgres, PostgresSettings};
#[cfg(feature = "sqlite")]
pub use sqlite::Sqlite;
pub use sqlite_settings::SqliteSettings;

use engine::model::batch::Version;
use engine::model::id::SyncId;
use engine::model::table::{ColumnType, TableSpec};
use engine::{Error, Result};

/// The metadata columns, by the same names in every warehouse.
pub mod meta {
    /// The source system's name.
    pub const SOURCE_SYSTEM: &str = "_source_system";
    /// The company, as the source names it.
    pub const SOURCE_COMPANY: &str = "_source_company";
    /// The record's key as text.
    pub const SOURCE_ID: &str = "_source_id";
    /// The source's own time of change, where it tells one.
    pub const SOURCE_UPDATED_AT: &str = "_source_updated_at";
    /// Hash of the mapped content.
    pub const ROW_HASH: &str = "_row_hash";
    /// `U` for a record that is there, `D` for one marked deleted.
    pub const OP: &str = "_op";
    /// Whether the record is marked deleted.
    pub const IS_DELETED: &str = "_is_deleted";
    /// The batch that brought the content, or the sweep that marked the record deleted.
    pub const BATCH_ID: &str = "_batch_id";
    /// The row in the archived form of that batch, from 0; nothing for a sweep.
    pub const SEQ: &str = "_seq";
    /// Which read last saw the record so.
    pub const VERSION: &str = "_version";
    /// The version of the mapping.
    pub const MAPPING: &str = "_mapping";
    /// When the record was first loaded.
    pub const FIRST_LOADED_AT: &str = "_first_loaded_at";
    /// When the content was loaded.
    pub const LOADED_AT: &str = "_loaded_at";
    /// All of them, in the order in which tables have them.
    pub const COLUMNS: [&str; 13] = [
        SOURCE_SYSTEM,
        SOURCE_COMPANY,
        SOURCE_ID,
        SOURCE_UPDATED_AT,
        ROW_HASH,
        OP,
        IS_DELETED,
        BATCH_ID,
        SEQ,
        VERSION,
        MAPPING,
        FIRST_LOADED_AT,
        LOADED_AT,
    ];

    /// What a metadata column means, for the comment in the database.
    pub fn description(column: &str) -> &'static str {
        match column {
            SOURCE_SYSTEM => "The source system.",
            SOURCE_COMPANY => "The company, as the source names it.",
            SOURCE_ID => "The record's key as text.",
            SOURCE_UPDATED_AT => "The source's own time of change.",
            ROW_HASH => "Hash of the mapped content: equal means unchanged.",
            OP => "U for a record that is there, D for one marked deleted.",
            IS_DELETED => "Whether the record is marked deleted: filter on it.",
            BATCH_ID => "What brought the record to this state; see the load_batches table.",
            SEQ => "The row in the archived batch, from 0.",
            VERSION => "Which read last saw the record so; a greater one is newer.",
            MAPPING => "The version of the mapping.",
            FIRST_LOADED_AT => "When the record was first loaded.",
            LOADED_AT => "When the content was loaded.",
            _ => "",
        }
    }
}

/// The longest name that every warehouse takes; PostgreSQL silently cuts longer ones.
const MAX_NAME_BYTES: usize = 63;

/// Checks that a name can be used for a table, column or schema everywhere without surprises.
fn check_name(what: &str, name: &str) -> Result<()> {
    let well_formed = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if well_formed && name.len() <= MAX_NAME_BYTES {
        return Ok(());
    }
    Err(Error::stop(format!(
        "`{name}` cannot be the name of a {what}: use at most {MAX_NAME_BYTES} letters (a-z), digits and underscores, \
         beginning with a letter"
    )))
}

/// Checks everything about a table that no database needs to be asked for.
pub(crate) fn check_table(table: &TableSpec) -> Result<()> {
    check_name("table", &table.name)?;
    for (i, column) in table.columns.iter().enumerate() {
        check_name("column", &column.name).map_err(|e| e.at(format!("table `{}`", table.name)))?;
        // Databases compare unquoted names without case; two columns that differ in case alone would confuse people.
        let same = |name: &str| name.eq_ignore_ascii_case(&column.name);
        if meta::COLUMNS.iter().any(|name| same(name)) {
            return Err(Error::stop(format!(
                "table `{}`: column `{}` has the name of a metadata column: rename it in the blueprint",
                table.name, column.name
            )));
        }
        if table.columns[..i].iter().any(|earlier| same(&earlier.name)) {
            return Err(Error::stop(format!("table `{}` has column `{}` twice", table.name, column.name)));
        }
    }
    if table.key.is_empty() || table.key_columns().count() != table.key.len() {
        return Err(Error::stop(format!("table `{}` needs a key made of its own columns", table.name)));
    }
    if let Some(column) = table.key_columns().find(|c| c.kind == ColumnType::Json) {
        return Err(Error::stop(format!("table `{}`: `{}` is JSON and cannot be a key", table.name, column.name)));
    }
    if table.company.is_some_and(|i| i >= table.columns.len()) {
        return Err(Error::stop(format!("table `{}` takes its company from a column it does not have", table.name)));
    }
    Ok(())
}

/// Tells one shape of a table from another: changes when a migration or other SQL is needed.
pub(crate) fn fingerprint(table: &TableSpec) -> u128 {
    // The first character changes when this module makes other tables from the same shape.
    let mut text = format!("1\n{}\n{}\n{}\n", table.name, table.source_system, table.description);
    for column in &table.columns {
        text.push_str(&format!("{}\t{}\t{}\n", column.name, column.kind, column.description));
    }
    text.push_str(&format!("{:?} {:?}", table.key, table.company));
    xxhash_rust::xxh3::xxh3_128(text.as_bytes())
}

/// The id under which the records that a full read did not find are marked, so that the same call again can tell which
/// they were. It stands in the ledger like a batch.
pub(crate) fn sweep_id(sync: &SyncId, before: Version) -> [u8; 16] {
    xxhash_rust::xxh3::xxh3_128(format!("sweep/{sync}/{}", before.0).as_bytes()).to_be_bytes()
}

/// The run under which the ledger lists them.
pub(crate) const SWEEP: &str = "sweep";

/// An identifier in double quotes, as standard SQL writes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text literal, as standard SQL writes it. Only for descriptions, which no parameter can carry.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\0', "").replace('\'', "''"))
}

/// Identifiers in double quotes with commas between.
fn quoted_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// Checks that a column can be summed exactly.
pub(crate) fn summable(table: &TableSpec, column: &str) -> Result<()> {
    let kind = table.column(column).and_then(|i| table.columns.get(i)).map(|c| c.kind);
    match kind {
        Some(ColumnType::Integer | ColumnType::Decimal { .. }) => Ok(()),
        Some(kind) => Err(Error::stop(format!("`{column}` of table `{}` is {kind} and has no sum", table.name))),
        None => Err(Error::stop(format!("table `{}` has no column `{column}`", table.name))),
    }
}
