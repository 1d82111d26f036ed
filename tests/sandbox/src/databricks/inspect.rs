//! What a test looks at and changes behind the callers' backs.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use rusqlite::types::Value;

use super::catalog::{Name, Privileges};
use super::jobs::JobRun;
use super::server::DatabricksSandbox;
use super::sql::{STACK, Session, convert_text, run};
use super::volumes;

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Its name.
    pub name: String,
    /// Its type as SQL writes it, such as `DECIMAL(18,2)`.
    pub ty: String,
    /// Whether it may be empty.
    pub nullable: bool,
    /// What it means.
    pub comment: Option<String>,
}

/// The rows of a result; every value is text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// The names of the columns.
    pub names: Vec<String>,
    /// The types of the columns.
    pub types: Vec<String>,
    /// The values, nothing for NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Rows {
    /// The rows as texts, NULL as `null`: easy to compare.
    pub fn texts(&self) -> Vec<Vec<&str>> {
        self.rows.iter().map(|row| row.iter().map(|cell| cell.as_deref().unwrap_or("null")).collect()).collect()
    }
}

impl DatabricksSandbox {
    /// Runs a statement as somebody else, who may do everything: to set up tables, to edit rows, or to look.
    ///
    /// # Errors
    ///
    /// The service's words, beginning with the error class in brackets.
    pub fn sql(&self, statement: &str) -> Result<Rows, String> {
        let session = Session {
            catalog: self.shared.settings.catalog.clone(),
            schema: self.shared.settings.schema.clone(),
            user: "somebody@example.com".into(),
            now: self.shared.clock.now(),
            privileges: Privileges::default(),
            parameters: Vec::new(),
            row_limit: None,
            began_at: None,
            stop: Arc::new(AtomicBool::new(false)),
        };
        let output = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK);
            let running = thread.spawn_scoped(scope, || run(&self.shared.world, &session, statement));
            let ended = running.map_err(|error| error.to_string())?.join();
            ended.map_err(|_| "the statement's thread died".to_owned())?.map_err(|error| error.to_string())
        })?;
        let (names, types) = output.columns.iter().map(|column| (column.name.clone(), column.ty.to_string())).unzip();
        Ok(Rows { names, types, rows: output.rows })
    }

    /// All rows of a table, such as `main.erp.vendors`, in the order of its first columns.
    ///
    /// # Errors
    ///
    /// The service's words, where there is no such table.
    pub fn rows(&self, table: &str) -> Result<Rows, String> {
        let columns = self.columns(table)?;
        let order: Vec<String> = (1..=columns.len().min(3)).map(|place| place.to_string()).collect();
        self.sql(&format!("SELECT * FROM {table} ORDER BY {}", order.join(", ")))
    }

    /// The columns of a table.
    ///
    /// # Errors
    ///
    /// The service's words, where there is no such table.
    pub fn columns(&self, table: &str) -> Result<Vec<ColumnInfo>, String> {
        let catalog = self.shared.world.catalog();
        let found = catalog.table(&self.name(table)).map_err(|error| error.to_string())?;
        let columns = found.columns.iter().map(|column| ColumnInfo {
            name: column.name.clone(),
            ty: column.ty.to_string(),
            nullable: column.nullable,
            comment: column.comment.clone(),
        });
        Ok(columns.collect())
    }

    /// What a table is said to mean.
    pub fn table_comment(&self, table: &str) -> Option<String> {
        self.shared.world.catalog().table(&self.name(table)).ok().and_then(|table| table.comment.clone())
    }

    /// The latest version of a table; nothing where there is none.
    pub fn version(&self, table: &str) -> Option<i64> {
        self.shared.world.catalog().table(&self.name(table)).ok().map(|table| table.version())
    }

    /// Forgets the versions of a table before this one, as retention does, and what was changed in them.
    ///
    /// # Errors
    ///
    /// The service's words, where there is no such table.
    pub fn forget_versions_before(&self, table: &str, version: i64) -> Result<(), String> {
        let storage = self.shared.world.storage();
        let mut catalog = self.shared.world.catalog();
        let table = catalog.table_mut(&self.name(table)).map_err(|error| error.to_string())?;
        table.history.retain(|commit| commit.version >= version);
        storage.forget_changes(table, version).map_err(|error| error.to_string())
    }

    /// Puts rows into a table, each with a text for every column.
    ///
    /// # Errors
    ///
    /// Words that say which value is none of its column.
    pub fn seed(&self, table: &str, rows: &[Vec<Option<&str>>]) -> Result<(), String> {
        let storage = self.shared.world.storage();
        let mut catalog = self.shared.world.catalog();
        let now = self.shared.clock.now();
        let table = catalog.table_mut(&self.name(table)).map_err(|error| error.to_string())?;
        let cells: Vec<Vec<Value>> = rows
            .iter()
            .map(|row| {
                let cells = row.iter().zip(&table.columns).map(|(cell, column)| match cell {
                    Some(text) => convert_text(text, &column.ty).map_err(|error| format!("{}: {error}", column.name)),
                    None => Ok(Value::Null),
                });
                cells.collect()
            })
            .collect::<Result<_, String>>()?;
        storage.insert(table, &cells, now).map_err(|error| error.to_string())
    }

    /// The paths of the files below a path of a volume, in order.
    pub fn files(&self, path: &str) -> Vec<String> {
        let Some((_, place)) = volumes::resolve(path) else {
            return Vec::new();
        };
        let files = self.shared.world.files();
        files.below(&place).map(|(path, _)| path.clone()).collect()
    }

    /// What a file holds.
    pub fn file(&self, path: &str) -> Option<Bytes> {
        let (_, place) = volumes::resolve(path)?;
        self.shared.world.files().get(&place).map(|file| file.content.clone())
    }

    /// Puts a file into a volume as somebody else; whether the path is one.
    pub fn put_file(&self, path: &str, content: impl Into<Bytes>) -> bool {
        let Some((_, place)) = volumes::resolve(path) else {
            return false;
        };
        self.shared.world.files().put(&place, content.into(), self.shared.clock.now());
        true
    }

    /// The statements that callers have sent, oldest first.
    pub fn statements(&self) -> Vec<String> {
        self.shared.state().statements.all.iter().map(|one| one.order.text.clone()).collect()
    }

    /// How many statements callers have sent whose text contains this, whatever the case: `MERGE`, or a table's name.
    pub fn count_statements(&self, text: &str) -> usize {
        let text = text.to_lowercase();
        self.statements().iter().filter(|statement| statement.to_lowercase().contains(&text)).count()
    }

    /// The most statements that were under way at once on one warehouse.
    pub fn most_statements_at_once(&self) -> usize {
        self.shared.state().statements.most_at_once
    }

    /// A warehouse falls asleep; what runs on it fails with an error that may be tried again. Whether there is such a one.
    pub fn stop_warehouse(&self, id: &str) -> bool {
        self.shared.stop_warehouse(id)
    }

    /// All access tokens die at once.
    pub fn revoke_tokens(&self) {
        self.shared.state().tokens.revoke_all();
    }

    /// The runs of jobs that were started, oldest first.
    pub fn job_runs(&self) -> Vec<JobRun> {
        self.shared.state().jobs.runs.clone()
    }

    fn name(&self, table: &str) -> Name {
        let parts: Vec<&str> = table.split('.').collect();
        let own = |text: &str| text.trim_matches('`').to_owned();
        let settings = &self.shared.settings;
        match parts.as_slice() {
            [catalog, schema, name] => Name { catalog: own(catalog), schema: own(schema), own: own(name) },
            [schema, name] => Name { catalog: settings.catalog.clone(), schema: own(schema), own: own(name) },
            _ => Name { catalog: settings.catalog.clone(), schema: settings.schema.clone(), own: own(table) },
        }
    }
}
