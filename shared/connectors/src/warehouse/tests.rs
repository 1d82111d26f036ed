//! One battery for every warehouse.
//!
//! The tests in `battery`, `comparing`, `shapes` and `properties` take a [`Harness`] and know no database. PostgreSQL needs
//! a server: its half is left out, loudly, unless `ML_CONNECTOR_TEST_POSTGRES` names one.

mod battery;
mod comparing;
#[cfg(feature = "databricks")]
pub(crate) mod databricks;
mod faults;
mod postgres;
mod properties;
pub(crate) mod sample;
mod server;
mod shapes;
mod sqlite;

use std::collections::BTreeMap;

use async_trait::async_trait;
use engine::model::table::TableSpec;
use engine::ports::Destination;

/// A row as a test reads it: column to text, in one form for all databases.
type Texts = BTreeMap<String, Option<String>>;

/// A warehouse under test.
#[async_trait]
trait Harness: Send + Sync {
    /// The destination.
    fn destination(&self) -> &dyn Destination;
    /// Another one on the same database, as another process would have it.
    fn another(&self) -> Box<dyn Destination>;
    /// The rows of a table by `_source_id`.
    async fn rows(&self, table: &TableSpec) -> BTreeMap<String, Texts>;
    /// Runs a statement behind the destination's back. `{schema}` stands for what precedes a table's name.
    async fn run(&self, sql: &str);
    /// What the ledger says of all batches: (rows, inserted, updated, unchanged, superseded, deleted, rejected).
    async fn ledger(&self) -> Vec<[i64; 7]>;
    /// Whether a record that was deleted before and comes deleted with another content counts as updated. Where outcomes
    /// are read off the table it cannot be told from one that is deleted for the first time.
    fn tells_deleted_before(&self) -> bool {
        true
    }
}

/// Makes one test per warehouse of each function.
macro_rules! for_every_warehouse {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::super::sqlite::SqliteFile::new()).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $name() {
                if let Some(server) = super::super::postgres::PostgresServer::new(stringify!($name)).await {
                    super::$name(&server).await;
                    server.clean_up().await;
                }
            })*
        }
    };
}
use for_every_warehouse;

/// The same for Databricks, whose batches are files that land and are applied when their run closes.
#[cfg(feature = "databricks")]
macro_rules! for_databricks {
    ($($name:ident),* $(,)?) => {
        mod on_databricks {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::super::databricks::Workspace::new().await).await;
            })*
        }
        mod on_databricks_landing {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::super::databricks::Workspace::landing().await).await;
            })*
        }
    };
}
#[cfg(feature = "databricks")]
use for_databricks;
