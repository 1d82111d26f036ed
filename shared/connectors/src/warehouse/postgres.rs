//! PostgreSQL as a destination.
//!
//! A batch is one transaction: a ledger row, a binary COPY into a staging table, one INSERT … ON CONFLICT guarded by
//! version, and the outcomes in the ledger row. Measured on PostgreSQL 15, binary COPY takes half the server's time of
//! text COPY, and leaving unchanged rows alone is worth more than anything else.

mod check;
mod connect;
mod copy;
mod errors;
mod load;
mod migrate;
mod read;
mod sql;
mod sweep;
mod types;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use engine::model::batch::{MappedBatch, Version};
use engine::model::decimal::Decimal;
use engine::model::id::{RecordKey, SyncId};
use engine::model::rows::Rows;
use engine::model::table::TableSpec;
use engine::model::totals::{GroupBy, GroupTotal};
use engine::ports::{AfterRun, Destination, DestinationCapabilities, Finding, Landed, Secret, Totals, Which, Written};
use engine::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::{check_name, check_table, fingerprint, quoted, summable};
use connect::{Lent, Pool};
use errors::Failure;
use load::Care;
use sql::{LoadSql, Schemas};

use crate::http::TimeOut;

/// A PostgreSQL database that records are loaded into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostgresSettings {
    /// Where the database is and as whom to log in, never with a password. Connections are encrypted and the
    /// certificate is verified, except on loopback and unix sockets.
    #[schemars(example = &"postgresql://loader@warehouse.example.com:5432/analytics")]
    pub url: String,
    /// The secret whose field `password` is the user's password. Left out where the server asks for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"acme-warehouse")]
    pub secret: Option<String>,
    /// The schema the tables are in. It is created if the user may.
    #[serde(default = "default_schema")]
    #[schemars(example = &"erp")]
    pub schema: String,
    /// The schema the ledger of loaded batches is in. It is created if the user may.
    #[serde(default = "default_ledger_schema")]
    #[schemars(example = &"etl")]
    pub ledger_schema: String,
    /// A file with the certificates to trust, in PEM form: the issuer of the server's certificate. Without it the
    /// issuers that browsers trust are trusted. Amazon RDS needs its `global-bundle.pem` here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"certificates/rds-global-bundle.pem")]
    pub ca_file: Option<PathBuf>,
    /// How long one statement may take.
    #[serde(default = "default_statement_timeout")]
    #[schemars(example = &"5m")]
    pub statement_timeout: TimeOut,
    /// How long to wait for a table that somebody has locked.
    #[serde(default = "default_lock_timeout")]
    #[schemars(example = &"10s")]
    pub lock_timeout: TimeOut,
    /// How many connections are used at once, which is how many batches are loaded at once.
    #[serde(default = "default_connections")]
    #[schemars(example = 2, range(min = 1, max = 100))]
    pub connections: usize,
}

fn default_schema() -> String {
    "erp".to_owned()
}

fn default_ledger_schema() -> String {
    "etl".to_owned()
}

fn default_statement_timeout() -> TimeOut {
    TimeOut(Duration::from_secs(300))
}

fn default_lock_timeout() -> TimeOut {
    TimeOut(Duration::from_secs(10))
}

/// More than this is a mistake: a server has a hundred for everybody unless told otherwise.
const MAX_CONNECTIONS: usize = 100;

fn default_connections() -> usize {
    2
}

/// Allows one more try where a connection that lay idle turns out dead, as behind a function that was frozen.
#[derive(Default)]
struct Patience {
    is_spent: bool,
}

impl Patience {
    fn allows(&mut self, lent: &Lent<'_>, failure: &Failure) -> bool {
        let allows = matches!(failure, Failure::Broken(_)) && lent.session.is_used && !self.is_spent;
        self.is_spent |= allows;
        allows
    }
}

/// PostgreSQL 12 or later as a destination.
pub struct Postgres {
    pool: Pool,
    schemas: Schemas,
    connections: usize,
    begin: String,
    /// The tables that were found to be as declared, by their fingerprints.
    prepared: Mutex<HashMap<u128, Arc<LoadSql>>>,
}

impl Postgres {
    /// Reads the settings and the secret they name; connects to nothing yet.
    ///
    /// # Errors
    /// Stops when a setting cannot be used, and says what to write.
    pub fn open(settings: &PostgresSettings, secret: Option<&Secret>) -> Result<Self> {
        for name in [&settings.schema, &settings.ledger_schema] {
            check_name("schema", name)?;
        }
        if !(1..=MAX_CONNECTIONS).contains(&settings.connections) {
            return Err(Error::stop(format!("`connections` must be 1 to {MAX_CONNECTIONS}")));
        }
        Ok(Self {
            pool: Pool::new(settings, secret)?,
            schemas: Schemas { data: settings.schema.clone(), ledger: settings.ledger_schema.clone() },
            connections: settings.connections,
            // All of it is local to the transaction, so that it works behind a pooler. A deferred constraint would speak
            // up at COMMIT, when it can no longer be told which row it means. Compiling a statement that runs for
            // milliseconds takes longer than running it.
            begin: format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout \
                 = {}; SET LOCAL synchronous_commit = on; SET LOCAL jit = off; SET CONSTRAINTS ALL IMMEDIATE",
                settings.statement_timeout.0.as_millis(),
                settings.lock_timeout.0.as_millis()
            ),
            prepared: Mutex::new(HashMap::new()),
        })
    }

    fn place(&self) -> String {
        format!("PostgreSQL database `{}`", self.pool.database())
    }

    /// Gives a connection back once no transaction is open on it.
    async fn settle(&self, lent: Lent<'_>, failure: &Failure) {
        if !matches!(failure, Failure::Broken(_)) && lent.session.client.batch_execute("ROLLBACK").await.is_ok() {
            lent.give_back();
        }
    }

    async fn ready(&self, table: &TableSpec) -> Result<Arc<LoadSql>, Failure> {
        let key = fingerprint(table);
        if let Some(sql) = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(sql));
        }
        check_table(table)?;
        let shape = format!("{key:032x}");
        let mut patience = Patience::default();
        loop {
            let lent = self.pool.lend().await?;
            match migrate::migrate(&lent.session.client, &self.schemas, table, &shape).await {
                Ok(()) => {
                    lent.give_back();
                    break;
                }
                Err(failure) if patience.allows(&lent, &failure) => self.pool.forget_idle(),
                Err(failure) => {
                    self.settle(lent, &failure).await;
                    return Err(failure);
                }
            }
        }
        let sql = Arc::new(LoadSql::new(table, &self.schemas));
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&sql));
        Ok(sql)
    }

    async fn load(&self, table: &TableSpec, batch: &MappedBatch) -> Result<Vec<Written>, Failure> {
        let sql = self.ready(table).await?;
        let mut care = Care::Plain;
        let mut patience = Patience::default();
        loop {
            let mut lent = self.pool.lend().await?;
            match load::load(&mut lent.session, &self.begin, &sql, table, batch, care).await {
                Ok(written) => {
                    lent.give_back();
                    return Ok(written);
                }
                Err(failure @ Failure::Data(_)) if care == Care::Plain => {
                    self.settle(lent, &failure).await;
                    care = Care::Bisect;
                }
                Err(failure) if patience.allows(&lent, &failure) => self.pool.forget_idle(),
                Err(failure) => {
                    if matches!(failure, Failure::Shape(_)) {
                        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).clear();
                    }
                    self.settle(lent, &failure).await;
                    return Err(failure);
                }
            }
        }
    }

    /// Runs one statement outside of a batch. It must be one that can be repeated.
    async fn query(
        &self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<tokio_postgres::Row>, Failure> {
        let mut patience = Patience::default();
        loop {
            let lent = self.pool.lend().await?;
            match self.query_on(&lent.session.client, sql, parameters).await {
                Ok(rows) => {
                    lent.give_back();
                    return Ok(rows);
                }
                Err(failure) if patience.allows(&lent, &failure) => self.pool.forget_idle(),
                Err(failure) => {
                    self.settle(lent, &failure).await;
                    return Err(failure);
                }
            }
        }
    }

    async fn query_on(
        &self,
        client: &Client,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<tokio_postgres::Row>, Failure> {
        client.batch_execute(&self.begin).await?;
        let rows = client.query_typed(sql, parameters).await?;
        client.batch_execute("COMMIT").await?;
        Ok(rows)
    }

    /// The error for the caller, without the place.
    fn explained(&self, failure: Failure) -> Error {
        failure.explained(|| {
            let (user, database) = (quoted(self.pool.user()), quoted(self.pool.database()));
            let (data, ledger) = (quoted(&self.schemas.data), quoted(&self.schemas.ledger));
            format!(
                "Let an administrator run `GRANT CREATE, TEMPORARY ON DATABASE {database} TO {user}`, so that schemas and \
                 tables can be created; or create them and run `GRANT USAGE ON SCHEMA {data}, {ledger} TO {user}; GRANT \
                 SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA {data}, {ledger} TO {user}`. Adding columns takes the owner \
                 of the table"
            )
        })
    }

    fn err(&self, failure: Failure) -> Error {
        self.explained(failure).at(self.place())
    }
}

#[async_trait]
impl Destination for Postgres {
    fn capabilities(&self) -> DestinationCapabilities {
        DestinationCapabilities {
            totals: true,
            parallel_batches: self.connections,
            applies_at_once: None,
            one_by_one: None,
        }
    }

    async fn check(&self, tables: &[&TableSpec]) -> Vec<Finding> {
        check::check(self, tables).await
    }

    async fn prepare(&self, table: &TableSpec) -> Result<()> {
        self.ready(table).await.map(|_| ()).map_err(|f| self.err(f))
    }

    async fn write(&self, table: &TableSpec, batch: &MappedBatch) -> Result<Vec<Written>> {
        self.load(table, batch).await.map_err(|f| self.err(f).at(format!("batch {}", batch.id)))
    }

    async fn count_stale(&self, table: &TableSpec, _: &SyncId, before: Version, except: &[String]) -> Result<u64> {
        sweep::count(self, table, before, except).await.map_err(|f| self.err(f))
    }

    async fn delete_stale(
        &self,
        table: &TableSpec,
        sync: &SyncId,
        before: Version,
        except: &[String],
    ) -> Result<Vec<String>> {
        sweep::sweep(self, table, sync, before, except).await.map_err(|f| self.err(f))
    }

    async fn newer_among(&self, table: &TableSpec, _: &SyncId, keys: &[String], than: Version) -> Result<Vec<String>> {
        let sql = self.ready(table).await.map_err(|f| self.err(f))?;
        let statement = format!(
            "SELECT _source_id FROM {} WHERE _version > $1 AND _source_system = $2 AND _source_id = ANY ($3)",
            sql.table
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&than.0, Type::INT8), (&table.source_system, Type::TEXT), (&keys, Type::TEXT_ARRAY)];
        let rows = self.query(&statement, &parameters).await.map_err(|f| self.err(f))?;
        rows.iter().map(|row| row.try_get(0).map_err(|e| self.err(e.into()))).collect()
    }

    async fn totals(&self, table: &TableSpec, _: &SyncId, columns: &[&str], except: &[String]) -> Result<Totals> {
        let sql = self.ready(table).await.map_err(|f| self.err(f))?;
        let mut selected = vec!["count(*)".to_owned()];
        for column in columns {
            summable(table, column)?;
            // As text, because no driver type holds 38 digits.
            selected.push(format!("sum({})::text", quoted(column)));
        }
        let statement = format!(
            "SELECT {} FROM {} WHERE NOT _is_deleted AND _source_system = $1 AND _source_id <> ALL ($2)",
            selected.join(", "),
            sql.table
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 2] =
            [(&table.source_system, Type::TEXT), (&except, Type::TEXT_ARRAY)];
        let rows = self.query(&statement, &parameters).await.map_err(|f| self.err(f))?;
        let mut totals = Totals::default();
        if let Some(row) = rows.first() {
            let count: i64 = row.try_get(0).map_err(|e| self.err(e.into()))?;
            totals.records = u64::try_from(count).unwrap_or(0);
            for i in 0..columns.len() {
                let sum: Option<&str> = row.try_get(i + 1).map_err(|e| self.err(e.into()))?;
                totals.sums.push(sum.map(Decimal::parse).transpose()?);
            }
        }
        Ok(totals)
    }

    async fn control_totals(
        &self,
        table: &TableSpec,
        _: &SyncId,
        by: &GroupBy,
        columns: &[&str],
    ) -> Result<Vec<GroupTotal>> {
        let columns: Vec<String> = columns.iter().map(|c| (*c).to_owned()).collect();
        read::control_totals(self, table, by, &columns).await.map_err(|f| self.err(f))
    }

    async fn standing(&self, table: &TableSpec, _: &SyncId, which: Which<'_>) -> Result<Rows> {
        read::standing(self, table, which).await.map_err(|f| self.err(f))
    }

    async fn count_standing(&self, table: &TableSpec, _: &SyncId) -> Result<u64> {
        read::count_standing(self, table).await.map_err(|f| self.err(f))
    }

    async fn forget(&self, table: &TableSpec, _: &SyncId, keys: &[RecordKey]) -> Result<()> {
        sweep::forget(self, table, keys).await.map_err(|f| self.err(f))
    }

    async fn mark_deleted(
        &self,
        table: &TableSpec,
        sync: &SyncId,
        before: Version,
        keys: &[RecordKey],
    ) -> Result<Vec<RecordKey>> {
        sweep::mark(self, table, sync, before, keys).await.map_err(|f| self.err(f))
    }

    async fn after_run(&self, table: &TableSpec, _: &Landed<'_>, _: Option<&str>) -> Result<AfterRun> {
        let sql = self.ready(table).await.map_err(|f| self.err(f))?;
        let grown = "SELECT c.reltuples < 0 OR COALESCE(s.n_mod_since_analyze, 0) > 1000 + c.reltuples / 10 FROM pg_class c \
                     LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid WHERE c.oid = to_regclass($1)";
        let rows = self.query(grown, &[(&sql.table, Type::TEXT)]).await.map_err(|f| self.err(f))?;
        let is_grown: bool = rows.first().map_or(Ok(false), |row| row.try_get(0)).map_err(|e| self.err(e.into()))?;
        if is_grown {
            // The database would do so by itself some minutes later; dashboards are asked sooner.
            self.query(&format!("ANALYZE {}", sql.table), &[]).await.map_err(|f| self.err(f))?;
        }
        Ok(AfterRun::Done { note: None })
    }
}
