use std::collections::BTreeMap;

use async_trait::async_trait;
use engine::model::table::{ColumnType, TableSpec};
use engine::ports::Destination;
use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

use super::{Harness, Texts};
use crate::warehouse::{Sqlite, SqliteSettings, meta, quoted};

pub(super) struct SqliteFile {
    folder: TempDir,
    destination: Sqlite,
}

impl SqliteFile {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let destination = Sqlite::open(&SqliteSettings { path: folder.path().join("new/warehouse.sqlite") });
        Self { folder, destination }
    }

    fn connection(&self) -> Connection {
        std::fs::create_dir_all(self.folder.path().join("new")).unwrap();
        Connection::open(self.folder.path().join("new/warehouse.sqlite")).unwrap()
    }
}

#[async_trait]
impl Harness for SqliteFile {
    fn destination(&self) -> &dyn Destination {
        &self.destination
    }

    fn another(&self) -> Box<dyn Destination> {
        Box::new(Sqlite::open(&SqliteSettings { path: self.folder.path().join("new/warehouse.sqlite") }))
    }

    async fn rows(&self, table: &TableSpec) -> BTreeMap<String, Texts> {
        let connection = self.connection();
        let mut statement = connection.prepare(&format!("SELECT * FROM {}", quoted(&table.name))).unwrap();
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query(()).unwrap();
        let mut found = BTreeMap::new();
        while let Some(row) = rows.next().unwrap() {
            let mut texts = Texts::new();
            for (i, name) in names.iter().enumerate() {
                let declared = table.column(name).map(|c| table.columns[c].kind);
                let is_boolean = declared == Some(ColumnType::Boolean) || name == meta::IS_DELETED;
                texts.insert(
                    name.clone(),
                    match row.get(i).unwrap() {
                        Value::Null => None,
                        Value::Integer(value) if is_boolean => Some((value != 0).to_string()),
                        Value::Integer(value) => Some(value.to_string()),
                        Value::Text(text) => Some(text),
                        Value::Blob(bytes) => Some(bytes.iter().map(|b| format!("{b:02x}")).collect()),
                        Value::Real(_) => panic!("nothing is a float"),
                    },
                );
            }
            found.insert(texts[meta::SOURCE_ID].clone().unwrap_or_default(), texts);
        }
        found
    }

    async fn run(&self, sql: &str) {
        self.connection().execute_batch(&sql.replace("{schema}", "")).unwrap();
    }

    async fn ledger(&self) -> Vec<[i64; 7]> {
        let connection = self.connection();
        let mut statement = connection
            .prepare(
                "SELECT rows_in, coalesce(inserted, 0), coalesce(updated, 0), coalesce(unchanged, 0), coalesce(superseded, 0), deleted, coalesce(rejected, 0) FROM etl_load_batches ORDER \
                 BY rowid",
            )
            .unwrap();
        let rows = statement.query_map((), |row| {
            Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?])
        });
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }
}
