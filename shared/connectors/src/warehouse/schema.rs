//! What a table lacks, compared with what a blueprint declares: only ever additions, and everything else in words.

use engine::model::table::{ColumnType, TableSpec};
use engine::{Error, Result};

use super::{meta, quoted};

/// A column as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingColumn {
    /// Its name.
    pub name: String,
    /// Its type in the database's words.
    pub kind: String,
    /// Whether every row must give it a value.
    pub required: bool,
}

/// A table as the database has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExistingTable {
    /// Its columns.
    pub columns: Vec<ExistingColumn>,
    /// The columns of each of its unique keys.
    pub unique: Vec<Vec<String>>,
}

/// One addition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Create the table.
    Create,
    /// Add a column of this type.
    Add {
        /// The column.
        column: String,
        /// Its type in the database's words.
        kind: String,
    },
    /// Give a column a type that holds everything it held, without writing the table anew.
    Widen {
        /// The column.
        column: String,
        /// Its type in the database's words.
        kind: String,
    },
}

/// How the type that is there compares with the type that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It holds every value of the wanted type.
    Holds,
    /// It can be widened in place at once.
    Widens,
    /// It can only be changed by writing the table anew, which is for a maintenance window.
    Rewrites,
    /// Its values mean something else.
    Differs,
}

/// How a database names its types.
pub trait Dialect {
    /// The type for a declared type.
    fn column_type(&self, kind: ColumnType) -> String;
    /// The type of a metadata column.
    fn meta_type(&self, column: &str) -> &'static str;
    /// Compares what is there with what is declared.
    fn fit(&self, there: &str, wanted: ColumnType) -> Fit;
    /// The statement that changes a column's type in a maintenance window.
    fn change_type(&self, table: &TableSpec, column: &str, kind: &str) -> String;
}

/// The steps that make the table what the blueprint declares; none when it is.
///
/// # Errors
/// Stops, naming everything that no addition can mend, and what to do about each.
pub fn diff(table: &TableSpec, existing: Option<&ExistingTable>, dialect: &dyn Dialect) -> Result<Vec<Step>> {
    let Some(existing) = existing else {
        return Ok(vec![Step::Create]);
    };
    let mut steps = Vec::new();
    let mut refusals = Vec::new();
    let there = |name: &str| existing.columns.iter().find(|c| c.name == name);
    for column in &table.columns {
        let kind = dialect.column_type(column.kind);
        let Some(found) = there(&column.name) else {
            steps.push(Step::Add { column: column.name.clone(), kind });
            continue;
        };
        match dialect.fit(&found.kind, column.kind) {
            Fit::Holds => {}
            Fit::Widens => steps.push(Step::Widen { column: column.name.clone(), kind }),
            Fit::Rewrites => refusals.push(format!(
                "column `{}` is {} and {kind} is wanted, which writes the whole table anew: run `{}` in a maintenance \
                 window",
                column.name,
                found.kind,
                dialect.change_type(table, &column.name, &kind)
            )),
            Fit::Differs => refusals.push(format!(
                "column `{}` is {} and {kind} is wanted: give the column another name in the blueprint, or convert it by \
                 hand and load again",
                column.name, found.kind
            )),
        }
    }
    for name in meta::COLUMNS {
        let kind = dialect.meta_type(name);
        match there(name) {
            None => steps.push(Step::Add { column: name.to_owned(), kind: kind.to_owned() }),
            Some(found) if found.kind == kind => {}
            Some(found) => refusals.push(format!(
                "metadata column `{name}` is {} and {kind} is wanted: the table was made by something else; rename it",
                found.kind
            )),
        }
    }
    let mut key: Vec<&str> = table.key_columns().map(|c| c.name.as_str()).collect();
    key.sort_unstable();
    let is_unique = existing.unique.iter().any(|columns| {
        let mut columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        columns.sort_unstable();
        columns == key
    });
    if !is_unique {
        refusals.push(format!(
            "there is no unique key on ({}), by which records are found: rename the table and let it be created anew, or \
             add that primary key",
            key.join(", ")
        ));
    }
    for column in existing.columns.iter().filter(|c| c.required) {
        if table.column(&column.name).is_none() && !meta::COLUMNS.contains(&column.name.as_str()) {
            refusals.push(format!(
                "column `{}` must have a value and is not in the blueprint: add it there, or run `ALTER TABLE … ALTER \
                 COLUMN {} DROP NOT NULL`",
                column.name,
                quoted(&column.name)
            ));
        }
    }
    if refusals.is_empty() {
        return Ok(steps);
    }
    Err(Error::stop(format!("table `{}` cannot be loaded: {}", table.name, refusals.join("; "))))
}

/// The steps in words, for people who check before they load.
pub fn describe(steps: &[Step]) -> String {
    if steps.is_empty() {
        return "as declared".to_owned();
    }
    let words = steps.iter().map(|step| match step {
        Step::Create => "would be created".to_owned(),
        Step::Add { column, kind } => format!("would get column `{column}` {kind}"),
        Step::Widen { column, kind } => format!("column `{column}` would be widened to {kind}"),
    });
    words.collect::<Vec<_>>().join(", ")
}
