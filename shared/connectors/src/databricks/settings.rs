//! How to reach a Databricks workspace, and where in it records go.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use engine::config::Period;
use engine::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http::TimeOut;

/// A Databricks workspace whose Unity Catalog records are loaded into, through a SQL warehouse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabricksSettings {
    /// Address of the workspace, as it stands in the browser up to the first slash: `https://dbc-….cloud.databricks.com` on
    /// AWS, `https://adb-….azuredatabricks.net` on Azure, `https://….gcp.databricks.com` on Google Cloud.
    #[schemars(example = &"https://dbc-a1b2c3d4-e5f6.cloud.databricks.com")]
    pub url: String,
    /// The id of the SQL warehouse that runs the statements: the last part of its HTTP path.
    #[schemars(example = &"1234567890abcdef")]
    pub warehouse: String,
    /// The catalog the tables are in.
    #[schemars(example = &"main")]
    pub catalog: String,
    /// The schema the tables are in. It is created if the principal may.
    #[serde(default = "default_schema")]
    #[schemars(example = &"erp")]
    pub schema: String,
    /// The schema the ledger of loaded batches is in; that of the tables when absent. It is created if the principal may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"etl")]
    pub ledger_schema: Option<String>,
    /// The volume that files land in, in the schema of the tables. It is created if the principal may.
    #[serde(default = "default_volume")]
    #[schemars(example = &"landing")]
    pub volume: String,
    /// The secret: `client_id` and `client_secret` of a service principal, or `token` with a personal access token.
    #[schemars(example = &"acme/databricks")]
    pub secret: String,
    /// Set where the service principal is one of Microsoft Entra ID, which then gives the tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = EntraSettings::example())]
    pub azure: Option<EntraSettings>,
    /// What tokens are asked for, where Databricks itself gives them.
    #[serde(default = "default_scope")]
    #[schemars(example = &"all-apis")]
    pub scope: String,
    /// Batches of up to so many rows are merged at once instead of being landed as a file, where they are the first of their
    /// run and the warehouse is awake; 0 lands every batch.
    #[serde(default = "default_small_batch")]
    #[schemars(range(max = 1000), example = 1000)]
    pub small_batch: usize,
    /// How long files stay in the volume after they were loaded, to be looked at or loaded again by hand.
    #[serde(default = "default_keep_files")]
    #[schemars(example = &"7d")]
    pub keep_files: Period,
    /// Set to keep everything that ever came in a table of its own beside each table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = RawSettings::default())]
    pub raw: Option<RawSettings>,
    /// A job of yours that is run after each load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = JobSettings::example())]
    pub job: Option<JobSettings>,
    /// Tags of Unity Catalog that new tables get. Setting them takes the right `APPLY TAG`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{"domain": "finance"}]))]
    pub tags: BTreeMap<String, String>,
    /// Whether statements carry the run, the sync and the batch as query tags besides a comment. For workspaces that do not
    /// know query tags yet.
    #[serde(default = "default_true")]
    #[schemars(example = true)]
    pub query_tags: bool,
    /// How long one statement may take, its waiting for the warehouse to start included. One that takes longer is cancelled.
    #[serde(default = "default_statement_timeout")]
    #[schemars(example = &"1h")]
    pub statement_timeout: Period,
    /// How long a call waits for the end of its statement before it asks again: 5 to 50 seconds.
    #[serde(default = "default_wait")]
    #[schemars(example = &"30s")]
    pub wait: TimeOut,
    /// How long to wait before a statement or a job that is under way is asked for again.
    #[serde(default = "default_ask_every")]
    #[schemars(example = &"5s")]
    pub ask_every: TimeOut,
    /// How often a statement that is read from is asked for again at once before the work is put off.
    #[serde(default = "default_asks")]
    #[schemars(range(min = 1, max = 1000), example = 24)]
    pub asks: u32,
    /// How many runs are applied at once, of all tables. Their statements share the warehouse.
    #[serde(default = "default_applies_at_once")]
    #[schemars(range(min = 1, max = 100), example = 2)]
    pub applies_at_once: u32,
    /// The longest that one call may take. It must be longer than `wait`.
    #[serde(default = "default_time_out")]
    #[schemars(example = &"120s")]
    pub time_out: TimeOut,
    /// The longest answer that is read, in bytes. Databricks gives at most 25 MiB of rows at once.
    #[serde(default = "default_max_response_bytes")]
    #[schemars(range(min = 1024), example = 67_108_864)]
    pub max_response_bytes: usize,
    /// A PEM file of certificates to trust besides the public ones, where a proxy of the company is in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/ml-connector/company-ca.pem")]
    pub ca_file: Option<PathBuf>,
}

/// Tokens of Microsoft Entra ID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntraSettings {
    /// The id of the directory (tenant).
    #[schemars(example = &"72f988bf-86f1-41af-91ab-2d7cd011db47")]
    pub tenant: String,
    /// Where tokens are given; another one in national clouds.
    #[serde(default = "default_login_url")]
    #[schemars(example = &"https://login.microsoftonline.com")]
    pub login_url: String,
    /// What tokens are asked for: the application id of Databricks, the same everywhere.
    #[serde(default = "default_entra_scope")]
    #[schemars(example = &"2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default")]
    pub scope: String,
}

/// Tables that keep everything that came, one row per record and read, by COPY INTO.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawSettings {
    /// The schema they are in; that of the tables when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"erp_raw")]
    pub schema: Option<String>,
    /// What follows the name of the table.
    #[schemars(example = &"_raw")]
    pub suffix: String,
}

/// A job that is run after each load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobSettings {
    /// Its id.
    #[schemars(example = 5)]
    pub id: i64,
    /// Its parameters. In their values `{run}`, `{sync}` and `{table}` stand for what was loaded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{"table": "{table}", "load": "{run}"}]))]
    pub parameters: BTreeMap<String, String>,
}

/// More rows than this are faster in a file.
pub(crate) const MOST_SMALL_ROWS: usize = 1_000;

impl DatabricksSettings {
    /// The schema the ledger is in.
    pub fn ledger_schema(&self) -> &str {
        self.ledger_schema.as_deref().unwrap_or(&self.schema)
    }

    /// Checks what types cannot tell.
    ///
    /// # Errors
    /// Stops, naming the setting and what to write.
    pub fn validate(&self) -> Result<()> {
        let raw = self.raw.as_ref();
        let names = [
            ("catalog", self.catalog.as_str()),
            ("schema", &self.schema),
            ("ledger_schema", self.ledger_schema()),
            ("volume", &self.volume),
            ("raw.schema", raw.and_then(|raw| raw.schema.as_deref()).unwrap_or(&self.schema)),
        ];
        for (setting, name) in names {
            check_object_name(setting, name)?;
        }
        if let Some(raw) =
            raw.filter(|raw| raw.suffix.is_empty() && raw.schema.as_ref().is_none_or(|s| *s == self.schema))
        {
            return Err(Error::stop(format!(
                "`raw.suffix` `{}` would make the raw tables the tables themselves: name a suffix or another schema",
                raw.suffix
            )));
        }
        if !self.warehouse.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
            || self.warehouse.is_empty()
        {
            return Err(Error::stop(format!(
                "`warehouse` `{}` is no id of a SQL warehouse: it is the last part of the HTTP path that the warehouse shows \
                 under its connection details",
                self.warehouse
            )));
        }
        let seconds = self.wait.0.as_secs();
        if !(5..=50).contains(&seconds) || self.wait.0.subsec_millis() > 0 {
            return Err(Error::stop("`wait` must be 5s to 50s, in whole seconds: Databricks takes no other"));
        }
        if self.time_out.0 <= self.wait.0 {
            return Err(Error::stop("`time_out` must be longer than `wait`, or calls end before their statements"));
        }
        if self.small_batch > MOST_SMALL_ROWS {
            return Err(Error::stop(format!(
                "`small_batch` must be at most {MOST_SMALL_ROWS}: more rows are faster in a file"
            )));
        }
        if self.asks == 0 || self.applies_at_once == 0 {
            return Err(Error::stop("`asks` and `applies_at_once` must be at least 1"));
        }
        Ok(())
    }
}

/// Checks the name of a catalog, schema or volume, which stands in SQL, in paths of files and in addresses.
fn check_object_name(setting: &str, name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.len() <= 255 && name.chars().all(fits) {
        return Ok(());
    }
    Err(Error::stop(format!("`{setting}` `{name}` cannot be used: use letters (a-z), digits, underscores and hyphens")))
}

impl EntraSettings {
    fn example() -> Self {
        Self {
            tenant: "72f988bf-86f1-41af-91ab-2d7cd011db47".to_owned(),
            login_url: default_login_url(),
            scope: default_entra_scope(),
        }
    }
}

impl Default for RawSettings {
    fn default() -> Self {
        Self { schema: None, suffix: "_raw".to_owned() }
    }
}

impl JobSettings {
    fn example() -> Self {
        Self { id: 5, parameters: BTreeMap::from([("table".to_owned(), "{table}".to_owned())]) }
    }
}

fn default_schema() -> String {
    "erp".to_owned()
}

fn default_volume() -> String {
    "landing".to_owned()
}

fn default_scope() -> String {
    "all-apis".to_owned()
}

fn default_small_batch() -> usize {
    MOST_SMALL_ROWS
}

fn default_keep_files() -> Period {
    Period::from_seconds(7 * 86_400)
}

fn default_true() -> bool {
    true
}

fn default_statement_timeout() -> Period {
    Period::from_seconds(3_600)
}

fn default_wait() -> TimeOut {
    TimeOut(Duration::from_secs(30))
}

fn default_ask_every() -> TimeOut {
    TimeOut(Duration::from_secs(5))
}

fn default_asks() -> u32 {
    24
}

fn default_applies_at_once() -> u32 {
    2
}

fn default_time_out() -> TimeOut {
    TimeOut(Duration::from_secs(120))
}

fn default_max_response_bytes() -> usize {
    64 << 20
}

fn default_login_url() -> String {
    "https://login.microsoftonline.com".to_owned()
}

fn default_entra_scope() -> String {
    "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default".to_owned()
}
