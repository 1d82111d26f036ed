//! The databases behind the connections: what a query finds there, as text, and what their catalogues say.
//!
//! Invariant: values travel as the text that the database shows, never through a binary float, and nothing is ever
//! written.

pub(super) mod decimal;
mod postgres;
pub(super) mod sqlite;
pub(super) mod time;

use std::fmt;
use std::path::PathBuf;

/// Where a LookML connection leads.
#[derive(Clone)]
pub enum Warehouse {
    /// A SQLite file; it is opened anew for each query, and only for reading. Decimals, dates and times stand in it as
    /// text.
    Sqlite(PathBuf),
    /// A PostgreSQL server by its URL, without TLS.
    Postgres(String),
}

impl fmt::Debug for Warehouse {
    // A URL carries a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "Sqlite({})", path.display()),
            Self::Postgres(_) => f.write_str("Postgres"),
        }
    }
}

/// What a query found, row by row; nothing is NULL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) rows: Vec<Vec<Option<String>>>,
}

/// A column of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) name: String,
    /// As the database names it.
    pub(super) kind: String,
}

impl Warehouse {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Runs one statement; the error is the database's own text.
    pub(super) async fn query(&self, sql: &str) -> Result<Table, String> {
        match self {
            Self::Sqlite(path) => {
                let (path, sql) = (path.clone(), sql.to_owned());
                let work = move || sqlite::query(&sqlite::open(&path)?, &sql);
                tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?
            }
            Self::Postgres(url) => postgres::query(url, sql).await,
        }
    }

    /// The columns of a schema (the database's default one unless it is named).
    pub(super) async fn columns(&self, schema: Option<&str>) -> Result<Vec<Column>, String> {
        let sql = match self {
            Self::Sqlite(_) => sqlite::COLUMNS.to_owned(),
            Self::Postgres(_) => postgres::columns(schema),
        };
        let table = self.query(&sql).await?;
        let column = |row: Vec<Option<String>>| {
            let mut cells = row.into_iter().map(Option::unwrap_or_default);
            Some(Column { schema: cells.next()?, table: cells.next()?, name: cells.next()?, kind: cells.next()? })
        };
        let columns = table.rows.into_iter().filter_map(column);
        Ok(columns.filter(|column| schema.is_none_or(|schema| column.schema == schema)).collect())
    }

    /// The address as a person sees it, without secrets.
    pub(super) fn address(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("jdbc:sqlite:{}", path.display()),
            Self::Postgres(url) => postgres::address(url),
        }
    }
}

/// The SQL that a database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// As the API names it. SQLite is no dialect of the product; the name says so.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}
