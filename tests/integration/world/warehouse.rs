//! The warehouse of a test, read with the database's own client and not with the product's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::types::ValueRef;

/// The rows of a table: by `_source_id`, each with its columns as text. Without a value, without an entry.
pub type Rows = BTreeMap<String, BTreeMap<String, String>>;

/// Where the program under test loads to.
pub enum Warehouse {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// Schemas of its own in the PostgreSQL server that the environment names.
    Postgres(Postgres),
    /// A simulated Databricks workspace.
    #[cfg(feature = "databricks")]
    Databricks(super::lakehouse::Lakehouse),
}

/// A PostgreSQL server that the environment names.
pub struct Postgres {
    pub(super) url: String,
    /// Without the password.
    pub public_url: String,
    /// The password, where the URL has one.
    pub password: Option<String>,
    /// The schema of the tables.
    pub schema: String,
    /// The schema of the ledger.
    pub ledger_schema: String,
}

impl Warehouse {
    /// Schemas of their own in the PostgreSQL server of `ML_CONNECTOR_TEST_POSTGRES`, if it names one.
    pub fn postgres() -> Option<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let url = std::env::var("ML_CONNECTOR_TEST_POSTGRES").ok()?;
        let (scheme, rest) = url.split_once("://").expect("ML_CONNECTOR_TEST_POSTGRES is a URL");
        let (user, place) = rest.split_once('@').expect("ML_CONNECTOR_TEST_POSTGRES names a user");
        let (user, password) = match user.split_once(':') {
            Some((user, password)) => (user, Some(password.to_owned())),
            None => (user, None),
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let schema = format!("erp_{}_{number}", std::process::id());
        let ledger_schema = format!("etl_{}_{number}", std::process::id());
        let public_url = format!("{scheme}://{user}@{place}");
        Some(Self::Postgres(Postgres { public_url, password, schema, ledger_schema, url }))
    }

    /// The connection of the tenant file.
    pub fn settings(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("    sqlite:\n      path: \"{}\"\n", path.display()),
            Self::Postgres(Postgres { public_url, password, schema, ledger_schema, .. }) => {
                let secret = password.as_ref().map_or("", |_| "      secret: warehouse\n");
                format!(
                    "    postgres:\n      url: {public_url}\n{secret}      schema: {schema}\n      ledger_schema: {ledger_schema}\n"
                )
            }
            #[cfg(feature = "databricks")]
            Self::Databricks(lakehouse) => lakehouse.settings(),
        }
    }

    /// Variables in the environment of the program that tell it the secret.
    pub fn environment(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Sqlite(_) => Vec::new(),
            Self::Postgres(postgres) => {
                let password = postgres.password.as_deref();
                password.map(|password| ("ML_CONNECTOR_SECRET_WAREHOUSE_PASSWORD", password)).into_iter().collect()
            }
            #[cfg(feature = "databricks")]
            Self::Databricks(lakehouse) => lakehouse.secrets().to_vec(),
        }
    }

    /// Every row of a table, those marked deleted included; a table that is not there has none.
    pub fn rows(&self, table: &str) -> Rows {
        match self {
            Self::Sqlite(path) => sqlite_rows(path, table),
            Self::Postgres(postgres) => postgres.rows(table),
            #[cfg(feature = "databricks")]
            Self::Databricks(lakehouse) => lakehouse.rows(table),
        }
    }

    /// The rows that are not marked deleted, without the metadata columns.
    pub fn records(&self, table: &str) -> Rows {
        let mut rows = self.rows(table);
        rows.retain(|_, row| !matches!(row["_is_deleted"].as_str(), "1" | "t" | "true"));
        rows.values_mut().for_each(|row| row.retain(|column, _| !column.starts_with('_')));
        rows
    }

    /// A table as its SQL names it.
    pub fn table(&self, name: &str) -> String {
        match self {
            Self::Sqlite(_) => name.to_owned(),
            Self::Postgres(postgres) => format!("\"{}\".{name}", postgres.schema),
            #[cfg(feature = "databricks")]
            Self::Databricks(_) => format!("main.erp.{name}"),
        }
    }

    /// Does something to the database from outside, such as locking a table or taking rights away.
    pub fn execute(&self, sql: &str) {
        match self {
            Self::Sqlite(path) => rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap(),
            Self::Postgres(postgres) => {
                postgres.query(sql);
            }
            #[cfg(feature = "databricks")]
            Self::Databricks(lakehouse) => _ = lakehouse.sql(sql),
        }
    }
}

impl Postgres {
    fn rows(&self, table: &str) -> Rows {
        let exists = format!("select 1 from pg_tables where schemaname = '{}' and tablename = '{table}'", self.schema);
        if self.query(&exists).is_empty() {
            return Rows::new();
        }
        let rows = self.query(&format!("select * from \"{}\".\"{table}\"", self.schema));
        rows.into_iter().map(|row| (row["_source_id"].clone(), row)).collect()
    }

    /// The rows of a query, every value as the server writes it.
    pub fn query(&self, sql: &str) -> Vec<BTreeMap<String, String>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&self.url, tokio_postgres::NoTls).await.unwrap();
            let connection = tokio::spawn(connection);
            let sql = format!("set datestyle = 'ISO'; set timezone = 'UTC'; {sql}");
            let messages = client.simple_query(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
            drop(client);
            connection.await.unwrap().unwrap();
            let rows = messages.into_iter().filter_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            });
            rows.map(|row| {
                let cells = row.columns().iter().enumerate();
                cells.filter_map(|(i, column)| Some((column.name().to_owned(), row.get(i)?.to_owned()))).collect()
            })
            .collect()
        })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A failing test may be looked into; the server is thrown away anyway, unless somebody named one of their own.
        if !std::thread::panicking() {
            self.query(&format!(
                "drop schema if exists \"{}\" cascade; drop schema if exists \"{}\" cascade",
                self.schema, self.ledger_schema
            ));
        }
    }
}

fn sqlite_rows(path: &std::path::Path, table: &str) -> Rows {
    if !path.exists() {
        return Rows::new();
    }
    let file = rusqlite::Connection::open(path).unwrap();
    let exists: bool =
        file.query_row("select count(*) from sqlite_master where name = ?1", [table], |row| row.get(0)).unwrap();
    if !exists {
        return Rows::new();
    }
    let mut query = file.prepare(&format!("select * from \"{table}\"")).unwrap();
    let names: Vec<String> = query.column_names().map(ToOwned::to_owned).collect();
    let rows = query.query_map([], |row| {
        let mut cells = BTreeMap::new();
        for (i, name) in names.iter().enumerate() {
            let text = match row.get_ref(i)? {
                ValueRef::Null => continue,
                ValueRef::Integer(number) => number.to_string(),
                ValueRef::Real(number) => panic!("{table}.{name} holds {number}, a floating-point number"),
                ValueRef::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
                ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            };
            cells.insert(name.clone(), text);
        }
        Ok(cells)
    });
    rows.unwrap().map(|row| row.map(|row| (row["_source_id"].clone(), row)).unwrap()).collect()
}
