//! A simulated Databricks workspace with a table of suppliers that somebody governs there.

use anyhow::{Context as _, anyhow};
use sandbox::clock::Clock;
use sandbox::databricks::{DatabricksSandbox, Principal};

use crate::tenant_file::DatabricksBlock;

/// The service principal that loads.
pub const CLIENT_ID: &str = "4f1c0a7e-5b2d-4c1e-9a3f-sandbox";

/// Its secret.
pub const CLIENT_SECRET: &str = "dose-sandbox";

/// Its SQL warehouse.
const WAREHOUSE: &str = "w1";

/// The table that is governed there.
const GOVERNED: &str = "main.mdm.suppliers";

/// A simulated Databricks workspace.
pub struct Databricks {
    /// The workspace.
    pub sandbox: DatabricksSandbox,
    url: String,
}

impl Databricks {
    /// Starts one with an empty catalog `main`.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub async fn start(clock: Clock) -> anyhow::Result<Self> {
        let principal = Principal::new(CLIENT_ID, CLIENT_SECRET);
        let sandbox = DatabricksSandbox::builder().clock(clock).principal(principal).start().await;
        let sandbox = sandbox.context("the simulated Databricks cannot be started")?;
        Ok(Self { url: sandbox.url(), sandbox })
    }

    /// What a tenant file says of it.
    pub fn block<'a>(&'a self, secret: &'a str) -> DatabricksBlock<'a> {
        DatabricksBlock { url: &self.url, warehouse: WAREHOUSE, secret }
    }

    /// Governs these suppliers: (SetID, number, class).
    ///
    /// # Errors
    /// When the workspace refuses it.
    pub fn govern(&self, suppliers: &[(String, String, String)]) -> anyhow::Result<()> {
        self.sql("CREATE SCHEMA IF NOT EXISTS main.mdm")?;
        self.sql(&format!(
            "CREATE TABLE IF NOT EXISTS {GOVERNED} (supplier_setid STRING NOT NULL, supplier_number STRING NOT NULL, \
             supplier_class STRING, updated_at TIMESTAMP)"
        ))?;
        let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
        let rows = suppliers.iter().map(|(setid, number, class)| {
            format!("({}, {}, {}, current_timestamp())", quoted(setid), quoted(number), quoted(class))
        });
        self.sql(&format!("INSERT INTO {GOVERNED} VALUES {}", rows.collect::<Vec<_>>().join(", ")))
    }

    /// Somebody changes the class of every governed supplier.
    ///
    /// # Errors
    /// When the workspace refuses it.
    pub fn reclassify(&self, class: char) -> anyhow::Result<()> {
        self.sql(&format!("UPDATE {GOVERNED} SET supplier_class = '{class}', updated_at = current_timestamp()"))
    }

    fn sql(&self, statement: &str) -> anyhow::Result<()> {
        self.sandbox.sql(statement).map(|_| ()).map_err(|why| anyhow!("the simulated Databricks refuses: {why}"))
    }
}
