use std::collections::BTreeMap;
use std::fmt::Write;

use async_trait::async_trait;
use engine::model::table::{ColumnType, TableSpec};
use engine::ports::{Destination, Secret};
use tokio_postgres::{Client, NoTls};

use super::{Harness, Texts};
use crate::warehouse::{Postgres, PostgresSettings, meta, quoted};

const SERVER: &str = "ML_CONNECTOR_TEST_POSTGRES";

pub(super) struct PostgresServer {
    settings: PostgresSettings,
    password: Option<String>,
    destination: Postgres,
    client: Client,
}

pub(super) fn settings(url: &str, schema: &str) -> PostgresSettings {
    let json = serde_json::json!({ "url": url, "schema": schema, "ledger_schema": format!("{schema}_etl") });
    serde_json::from_value(json).unwrap()
}

/// The address as a tenant file may hold it, and the password that belongs into a secret.
fn without_password(url: &str) -> (String, Option<String>) {
    let (scheme, rest) = url.split_once("://").unwrap();
    match rest.split_once('@').and_then(|(user, host)| Some((user.split_once(':')?, host))) {
        Some(((user, password), host)) => (format!("{scheme}://{user}@{host}"), Some(password.to_owned())),
        None => (url.to_owned(), None),
    }
}

fn open(settings: &PostgresSettings, password: Option<&str>) -> Postgres {
    let fields = password.map(|password| ("password".to_owned(), password.to_owned()));
    let secret = Secret::new(fields.into_iter().collect());
    Postgres::open(settings, password.map(|_| &secret)).unwrap()
}

impl PostgresServer {
    /// A destination with these settings and the server's password, which the roles of tests share.
    pub fn open(&self, settings: &PostgresSettings) -> Postgres {
        open(settings, self.password.as_deref())
    }

    /// Creates a role that may log in.
    pub async fn create_role(&self, role: &str) {
        let password = self.password.as_deref().map_or_else(String::new, |password| format!(" PASSWORD '{password}'"));
        self.run(&format!("CREATE ROLE {role} LOGIN{password}")).await;
    }

    /// A schema of its own on the server that the environment names, if it names one.
    pub async fn new(test: &str) -> Option<Self> {
        let Ok(url) = std::env::var(SERVER) else {
            eprintln!("left out: PostgreSQL tests (set {SERVER}, or run tests/run)");
            return None;
        };
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        // Names longer than 63 bytes are refused.
        let schema = format!("t_{:08x}_{}", xxhash_rust::xxh3::xxh3_64(test.as_bytes()) as u32, std::process::id());
        let (url, password) = without_password(&url);
        let mut settings = settings(&url, &schema);
        settings.secret = password.as_ref().map(|_| "server".to_owned());
        let destination = open(&settings, password.as_deref());
        let server = Self { destination, settings, password, client };
        server.clean_up().await;
        Some(server)
    }

    pub fn settings(&self) -> &PostgresSettings {
        &self.settings
    }

    /// The settings with another user.
    pub fn settings_as(&self, user: &str) -> PostgresSettings {
        let (_, rest) = self.settings.url.split_once('@').unwrap();
        PostgresSettings { url: format!("postgresql://{user}@{rest}"), ..self.settings.clone() }
    }

    /// Ends the sessions of this test that meet a condition on `pg_stat_activity`, as an administrator would.
    pub async fn end_sessions(&self, condition: &str) {
        let entity = format!("%{}%", self.settings.schema);
        let sql = format!(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {condition} AND (query LIKE $1 OR query \
             = 'COMMIT') AND pid <> pg_backend_pid()"
        );
        // Within a transaction the server goes on showing what it showed first.
        self.client.batch_execute("SELECT pg_stat_clear_snapshot()").await.unwrap();
        self.client.query(&sql, &[&entity]).await.unwrap();
    }

    /// The comment on a column.
    pub async fn comment(&self, table: &str, column: &str) -> Option<String> {
        let sql = "SELECT col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = $1::text::regclass AND \
                   attname = $2::text";
        let target = format!("{}.{}", self.settings.schema, table);
        self.client.query_one(sql, &[&target, &column]).await.unwrap().get(0)
    }

    /// How many shapes the history of tables has.
    pub async fn versions(&self) -> i64 {
        let sql = format!("SELECT count(*) FROM {}.schema_versions", self.settings.ledger_schema);
        self.client.query_one(&sql, &[]).await.unwrap().get(0)
    }

    pub async fn clean_up(&self) {
        let (data, ledger) = (&self.settings.schema, &self.settings.ledger_schema);
        let sql = format!("SET client_min_messages = error; DROP SCHEMA IF EXISTS {data}, {ledger} CASCADE");
        self.client.batch_execute(&sql).await.unwrap();
    }
}

#[async_trait]
impl Harness for PostgresServer {
    fn destination(&self) -> &dyn Destination {
        &self.destination
    }

    fn another(&self) -> Box<dyn Destination> {
        Box::new(self.open(&self.settings))
    }

    async fn rows(&self, table: &TableSpec) -> BTreeMap<String, Texts> {
        let mut select = String::from("SELECT _source_id");
        let target = format!("{}.{}", quoted(&self.settings.schema), quoted(&table.name));
        let names = self
            .client
            .query(
                "SELECT attname::text FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT \
                 attisdropped ORDER BY attnum",
                &[&target],
            )
            .await
            .unwrap();
        let names: Vec<String> = names.iter().map(|row| row.get(0)).collect();
        for name in &names {
            let declared = table.column(name).map(|c| table.columns[c].kind);
            let is_stamp = declared == Some(ColumnType::Timestamp) || name.ends_with("_at");
            let name = quoted(name);
            if is_stamp {
                write!(select, ", to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')").unwrap();
            } else if [meta::ROW_HASH, meta::BATCH_ID].contains(&name.trim_matches('"')) {
                write!(select, ", translate({name}::text, '\\x-', '')").unwrap();
            } else {
                write!(select, ", {name}::text").unwrap();
            }
        }
        let rows = self.client.query(&format!("{select} FROM {target}"), &[]).await.unwrap();
        let texts = |row: &tokio_postgres::Row| {
            names.iter().enumerate().map(|(i, name)| (name.clone(), row.get(i + 1))).collect::<Texts>()
        };
        rows.iter().map(|row| (row.get::<_, Option<String>>(0).unwrap_or_default(), texts(row))).collect()
    }

    async fn run(&self, sql: &str) {
        let sql = sql.replace("{schema}", &format!("{}.", quoted(&self.settings.schema)));
        self.client.batch_execute(&sql).await.unwrap();
    }

    async fn ledger(&self) -> Vec<[i64; 7]> {
        let sql = format!(
            "SELECT rows_in::bigint, coalesce(inserted, 0)::bigint, coalesce(updated, 0)::bigint, coalesce(unchanged, \
             0)::bigint, coalesce(superseded, 0)::bigint, deleted::bigint, coalesce(rejected, 0)::bigint FROM {}.load_batches ORDER BY finished_at",
            self.settings.ledger_schema
        );
        let rows = self.client.query(&sql, &[]).await.unwrap();
        rows.iter().map(|row| std::array::from_fn(|i| row.get(i))).collect()
    }
}
