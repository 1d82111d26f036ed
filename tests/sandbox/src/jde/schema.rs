//! What a table looks like: its columns with their types, its primary key, and where its update stamp sits.
//!
//! Invariant: a schema never changes once rows exist; the position of a column is its name inside this crate.

use super::dictionary::{ALIASES, TABLES};
use super::table_error::TableError;

/// What a column holds, and so how it is stored, compared and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text of at most `width` characters; trailing blanks do not count.
    Text {
        /// Characters.
        width: usize,
        /// Padded with leading blanks to the full width, as business units are.
        right: bool,
    },
    /// A number; the answer shows it with its decimals applied.
    Number {
        /// Digits after the point, from the data dictionary.
        decimals: u8,
    },
    /// A Julian date (`CYYDDD` in the database, `YYYYMMDD` in an answer).
    Date,
    /// A time of day as the number `HHMMSS`, without leading zeros.
    Time,
}

/// One column of a table.
#[derive(Clone, Debug)]
pub struct ColumnDef {
    /// The data dictionary alias, such as `AN8`; the database prefix (`RPAN8`) never appears on the wire.
    pub alias: String,
    /// The heading shown in the `columns` map of an answer.
    pub title: String,
    /// What it holds.
    pub kind: Kind,
}

/// A table's columns and key.
#[derive(Clone, Debug)]
pub struct Schema {
    name: String,
    title: String,
    columns: Vec<ColumnDef>,
    key: Vec<usize>,
}

/// Why a schema cannot be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The key names a column that is not there.
    #[error("the key of {table} names {alias}, which is not one of its columns")]
    UnknownKeyColumn {
        /// The table.
        table: String,
        /// The key column that is missing.
        alias: String,
    },
    /// A table needs a key of at least one column.
    #[error("{0} has no key")]
    NoKey(String),
    /// Two columns share an alias.
    #[error("{table} has two columns {alias}")]
    Twice {
        /// The table.
        table: String,
        /// The alias given twice.
        alias: String,
    },
}

impl Schema {
    /// A table of your own: sites add F55…F59 tables, so the simulator serves them too.
    pub fn new(name: &str, title: &str, columns: Vec<ColumnDef>, key: &[&str]) -> Result<Self, SchemaError> {
        for (at, column) in columns.iter().enumerate() {
            if columns.iter().take(at).any(|other| other.alias == column.alias) {
                return Err(SchemaError::Twice { table: name.into(), alias: column.alias.clone() });
            }
        }
        let mut positions = Vec::with_capacity(key.len());
        for alias in key {
            let position = columns.iter().position(|column| column.alias == *alias);
            positions.push(
                position.ok_or_else(|| SchemaError::UnknownKeyColumn { table: name.into(), alias: (*alias).into() })?,
            );
        }
        if positions.is_empty() {
            return Err(SchemaError::NoKey(name.into()));
        }
        Ok(Self { name: name.into(), title: title.into(), columns, key: positions })
    }

    /// A table of the vendor's, such as F0411; nothing when the simulator does not know it.
    pub fn standard(name: &str) -> Option<Self> {
        let (name, title, key, columns) = TABLES.iter().find(|table| table.0 == name)?;
        let columns =
            columns.split_whitespace().flat_map(expand).map(|alias| look_up(&alias)).collect::<Option<_>>()?;
        Self::new(name, title, columns, &key.split_whitespace().collect::<Vec<_>>()).ok()
    }

    /// The names of the vendor's tables that the simulator knows.
    pub fn standard_names() -> impl Iterator<Item = &'static str> {
        TABLES.iter().map(|table| table.0)
    }

    /// The table's name, such as `F0411`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the table is called, such as `Accounts Payable Ledger`.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// All columns in their order.
    pub fn columns(&self) -> &[ColumnDef] {
        &self.columns
    }

    /// The positions of the key columns, in the order of the unique index.
    pub fn key(&self) -> &[usize] {
        &self.key
    }

    /// The position of a column.
    pub fn position(&self, alias: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.alias == alias)
    }

    /// The positions of several columns; the error names the first that is not there.
    pub fn positions_of<const N: usize>(&self, aliases: [&str; N]) -> Result<[usize; N], TableError> {
        let mut positions = [0; N];
        for (position, alias) in positions.iter_mut().zip(aliases) {
            *position = self
                .position(alias)
                .ok_or_else(|| TableError::UnknownColumn { table: self.name.clone(), alias: alias.into() })?;
        }
        Ok(positions)
    }

    /// Where the update stamp sits: UPMJ, and UPMT (financials) or TDAY (distribution).
    pub fn stamp(&self) -> Option<(usize, usize)> {
        let time = self.position("UPMT").or_else(|| self.position("TDAY"))?;
        Some((self.position("UPMJ")?, time))
    }
}

/// A column as the data dictionary describes its alias; nothing for an alias it does not have.
pub fn look_up(alias: &str) -> Option<ColumnDef> {
    for line in ALIASES.lines() {
        let mut parts = line.splitn(3, ' ');
        let (Some(aliases), Some(kind), Some(title)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let run = aliases.contains("..") && aliases.bytes().next() == alias.bytes().next();
        let hit = aliases == alias || (run && expand(aliases).iter().any(|each| each == alias));
        if !hit {
            continue;
        }
        let (letter, size) = kind.split_at(1);
        let size: usize = size.parse().unwrap_or(0);
        let kind = match letter {
            "C" => Kind::Text { width: size, right: false },
            "R" => Kind::Text { width: size, right: true },
            "N" => Kind::Number { decimals: size as u8 },
            "J" => Kind::Date,
            _ => Kind::Time,
        };
        let number = if aliases == alias { "" } else { alias.trim_start_matches(|c: char| c.is_ascii_alphabetic()) };
        return Some(ColumnDef { alias: alias.into(), title: format!("{title} {number}").trim_end().into(), kind });
    }
    None
}

/// `RP01..RP50` becomes its fifty aliases; anything else stays as it is.
fn expand(word: &str) -> Vec<String> {
    let Some((first, last)) = word.split_once("..") else {
        return vec![word.into()];
    };
    let digits = first.chars().rev().take_while(char::is_ascii_digit).count();
    // AN81 is the first of six related addresses AN8: the run counts in as many digits as first and last differ in.
    let shared = first.chars().zip(last.chars()).take_while(|(a, b)| a == b).count();
    let width = digits.min(first.len().saturating_sub(shared)).max(1);
    let (stem, from) = first.split_at(first.len().saturating_sub(width));
    let to = last.get(stem.len()..).and_then(|to| to.parse::<u32>().ok()).unwrap_or(0);
    (from.parse::<u32>().unwrap_or(0)..=to).map(|number| format!("{stem}{number:0width$}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_of_the_dictionary_resolves() {
        for name in Schema::standard_names() {
            let schema = Schema::standard(name).unwrap_or_else(|| panic!("{name} does not resolve"));
            assert!(schema.stamp().is_some(), "{name} has no update stamp");
        }
        assert!(Schema::standard("F9999").is_none());
    }

    #[test]
    fn runs_of_aliases_are_spelt_out() {
        let columns = |name: &str| Schema::standard(name).unwrap().columns().len();
        assert_eq!(columns("F0411"), 62);
        let business_units = Schema::standard("F0006").unwrap();
        for alias in ["DL01", "DL04", "RP01", "RP09", "RP10", "RP50"] {
            assert!(business_units.position(alias).is_some(), "{alias}");
        }
        assert!(business_units.position("RP51").is_none());
        let address = Schema::standard("F0101").unwrap();
        for alias in ["AN8", "AN81", "AN86", "AC30"] {
            assert!(address.position(alias).is_some(), "{alias}");
        }
        assert_eq!(look_up("AC07").unwrap().title, "Category Code Address 07");
    }

    #[test]
    fn keys_follow_the_unique_index() {
        let ledger = Schema::standard("F0411").unwrap();
        let names: Vec<_> = ledger.key().iter().map(|at| ledger.columns()[*at].alias.as_str()).collect();
        assert_eq!(names, ["DOC", "DCT", "KCO", "SFX", "SFXE"]);
    }

    #[test]
    fn a_schema_of_ones_own_must_hold_its_key() {
        let column = |alias: &str| ColumnDef { alias: alias.into(), title: alias.into(), kind: Kind::Date };
        assert_eq!(Schema::new("F5501", "x", vec![column("A")], &[]).unwrap_err(), SchemaError::NoKey("F5501".into()));
        assert!(Schema::new("F5501", "x", vec![column("A")], &["B"]).is_err());
        assert!(Schema::new("F5501", "x", vec![column("A"), column("A")], &["A"]).is_err());
    }
}
