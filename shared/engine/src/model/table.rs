//! The shape of a destination table: what the blueprint declares and every warehouse creates.

use std::fmt;
use std::str::FromStr;

use super::decimal::MAX_DIGITS;
use crate::error::{Error, Result};

/// The declared type of a mapped column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// Text, at most `max` characters where given. Text is never cut: longer text rejects the record.
    Text {
        /// Most characters.
        max: Option<u32>,
    },
    /// A whole number of 64 bits.
    Integer,
    /// An exact decimal.
    Decimal {
        /// Digits in all.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// True or false.
    Boolean,
    /// A calendar date without a zone.
    Date,
    /// A point in time.
    Timestamp,
    /// A JSON document.
    Json,
}

impl FromStr for ColumnType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::stop(format!(
                "`{text}` is not a column type: use text, text(n), integer, decimal(p,s), boolean, date, timestamp or json"
            ))
        };
        let (name, arguments) = match text.trim().split_once('(') {
            Some((name, rest)) => (name.trim(), Some(rest.strip_suffix(')').ok_or_else(wrong)?)),
            None => (text.trim(), None),
        };
        match (name, arguments) {
            ("text", None) => Ok(Self::Text { max: None }),
            ("text", Some(max)) => Ok(Self::Text { max: Some(max.trim().parse().map_err(|_| wrong())?) }),
            ("integer", None) => Ok(Self::Integer),
            ("decimal", Some(arguments)) => {
                let (precision, scale) = arguments.split_once(',').ok_or_else(wrong)?;
                let precision: u8 = precision.trim().parse().map_err(|_| wrong())?;
                let scale: u8 = scale.trim().parse().map_err(|_| wrong())?;
                if precision == 0 || u32::from(precision) > MAX_DIGITS || scale > precision {
                    return Err(Error::stop(format!("`{text}`: decimal(p,s) needs 1 ≤ p ≤ {MAX_DIGITS} and s ≤ p")));
                }
                Ok(Self::Decimal { precision, scale })
            }
            ("boolean", None) => Ok(Self::Boolean),
            ("date", None) => Ok(Self::Date),
            ("timestamp", None) => Ok(Self::Timestamp),
            ("json", None) => Ok(Self::Json),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { max: None } => f.write_str("text"),
            Self::Text { max: Some(max) } => write!(f, "text({max})"),
            Self::Integer => f.write_str("integer"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Boolean => f.write_str("boolean"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Json => f.write_str("json"),
        }
    }
}

/// One column of a destination table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name in the destination.
    pub name: String,
    /// Its declared type.
    pub kind: ColumnType,
    /// Whether it may be without a value. Key columns never are.
    pub nullable: bool,
    /// What it means, for the comment in the database.
    pub description: String,
}

/// A destination table: the mapped columns of a sync, its key, and what the metadata columns are filled with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSpec {
    /// Name of the table, without its schema.
    pub name: String,
    /// What it holds, for the comment in the database.
    pub description: String,
    /// The mapped columns, in the order of the mapped rows.
    pub columns: Vec<TableColumn>,
    /// Positions in `columns` of the key, in key order.
    pub key: Vec<usize>,
    /// Position of the column that tells the company, for `_source_company`.
    pub company: Option<usize>,
    /// The source system's name, for `_source_system`.
    pub source_system: String,
}

impl TableSpec {
    /// The key columns, in key order.
    pub fn key_columns(&self) -> impl Iterator<Item = &TableColumn> {
        self.key.iter().filter_map(|i| self.columns.get(*i))
    }

    /// The position of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }
}
