//! Where things are on AWS: names that the deployment gives.

use engine::{Error, Result};

/// What the owner of shared items begins with, so that it is no scope.
pub(crate) const SHARED: &str = "shared";

/// Where things are. In a function all of it comes from environment variables, see [`Settings::from_environment`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The integration (`jde-looker`), or `integration@tenant` for a tenant with a stack of its own. Every partition key
    /// begins with it.
    pub scope: String,
    /// The tables.
    pub tables: Tables,
    /// The queues.
    pub queues: Queues,
    /// What the names of secrets begin with, such as `ml-connector/acme/`.
    pub secrets_prefix: String,
}

/// Names of the DynamoDB tables. Each has the partition key `owner` and the sort key `item`, both strings, and the
/// attribute `expires_at` for its time to live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    /// States of syncs, runs, done marks, permits, stops, deliveries.
    pub syncs: String,
    /// What came from sources, as it came.
    pub batches: String,
    /// What happened to records, and the records that are held.
    pub audit: String,
    /// Where records are at the destination.
    pub links: String,
}

/// URLs of the SQS queues, all of them standard queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queues {
    /// Work of the poll stage.
    pub poll: String,
    /// Work of the transform stage.
    pub transform: String,
    /// Work of the load stage.
    pub load: String,
    /// What was put aside, of all stages.
    pub dead_letters: String,
}

impl Settings {
    /// The settings among the environment variables of this process: `ML_CONNECTOR_SCOPE`,
    /// `ML_CONNECTOR_SECRETS_PREFIX`, `ML_CONNECTOR_TABLE_<SYNCS, BATCHES, AUDIT, LINKS>` and
    /// `ML_CONNECTOR_QUEUE_<POLL, TRANSFORM, LOAD, DEAD_LETTERS>`.
    ///
    /// # Errors
    /// Stops when some of them are missing, and names each.
    pub fn from_environment() -> Result<Self> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// The settings among these variables, as [`Settings::from_environment`].
    ///
    /// # Errors
    /// As [`Settings::from_environment`].
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let mut missing = Vec::new();
        let mut take = |name: &str| {
            let name = format!("ML_CONNECTOR_{name}");
            variable(&name).filter(|value| !value.is_empty()).unwrap_or_else(|| {
                missing.push(name);
                String::new()
            })
        };
        let settings = Self {
            scope: take("SCOPE"),
            tables: Tables {
                syncs: take("TABLE_SYNCS"),
                batches: take("TABLE_BATCHES"),
                audit: take("TABLE_AUDIT"),
                links: take("TABLE_LINKS"),
            },
            queues: Queues {
                poll: take("QUEUE_POLL"),
                transform: take("QUEUE_TRANSFORM"),
                load: take("QUEUE_LOAD"),
                dead_letters: take("QUEUE_DEAD_LETTERS"),
            },
            secrets_prefix: take("SECRETS_PREFIX"),
        };
        if !missing.is_empty() {
            return Err(Error::stop(format!(
                "the environment lacks {}: the deployment's template sets them; deploy it again, or set them to the \
                 outputs of its stack",
                missing.join(", ")
            )));
        }
        if settings.scope == SHARED || settings.scope.contains('|') {
            let scope = settings.scope;
            return Err(Error::stop(format!(
                "ML_CONNECTOR_SCOPE is `{scope}`: write an integration, such as jde-looker, or integration@tenant"
            )));
        }
        Ok(settings)
    }
}
