//! Control totals: counts and exact sums of records in groups, told by two systems and compared.

use serde::{Deserialize, Serialize};

use super::decimal::Decimal;

/// How records are put into groups for control totals. Columns are those of the destination table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    /// All of them together.
    All,
    /// By the value of a column.
    Value(String),
    /// By the month of a date column.
    Month(String),
}

/// The records of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupTotal {
    /// What they have in common: the canonical text of the value, or the month as `2026-11`. `None` for records without
    /// a value, and for [`GroupBy::All`].
    pub group: Option<String>,
    /// How many they are, those that are marked deleted left out.
    pub records: u64,
    /// The exact sum per asked column, in the order asked; `None` where no record has a value.
    pub sums: Vec<Option<Decimal>>,
}
