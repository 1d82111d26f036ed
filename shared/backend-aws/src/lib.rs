//! The engine's ports on AWS: queues are SQS, the store is DynamoDB, the vault is Secrets Manager.
//!
//! Start with [`Aws`], which is queue and store at once, and with [`SecretsVault`]. The files carry the names of their
//! counterparts in the backend for one machine. Nothing in here decides anything: rules are the engine's, this crate
//! remembers.
//!
//! Every access pattern says what it costs, in write request units (WRU: 1 KB each, twice that inside a transaction) and
//! read request units (RRU: 4 KB each when read consistently, which is how everything is read here). The sum is in the
//! README of this crate.
//!
//! Every partition key begins with `{scope}|`, or with `shared|{tenant}|` where a tenant's integrations share something,
//! so that a role can be held to its own by the condition key `dynamodb:LeadingKeys`.

mod configuration;
mod database;
mod document;
mod failure;
mod https;
mod pause;
mod queue;
mod settings;
mod store;
#[cfg(test)]
mod tests;
mod vault;

use std::sync::Arc;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::SharedCredentialsProvider;

pub use configuration::{Configuration, ConfigurationWritten};
pub use failure::failed;
pub use https::https;
pub use queue::{DeadLetter, Record, body, received};
pub use settings::{Queues, Settings, Tables};
pub use vault::{NOT_SET_YET, SecretsVault, VAULT_TTL};

use database::Database;

/// How often the SDK tries a call that is throttled or gets no answer, with a growing pause in between.
const ATTEMPTS: u32 = 4;

/// How long one try may take: more than a full message needs on a slow line.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// Region, credentials and endpoints from where every AWS tool takes them, with the retries and time-outs that this
/// backend counts on.
pub async fn configuration() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(https())
        .retry_config(retries())
        .timeout_config(timeouts())
        .load()
        .await
}

/// The same inside a function, where region and credentials are in the environment and nowhere else. Without the other
/// places to look for them, a function is a good deal smaller.
pub fn configuration_of_function() -> SdkConfig {
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")).map(Region::new);
    let credentials = SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new());
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region)
        .credentials_provider(credentials)
        .identity_cache(IdentityCache::lazy().build())
        .http_client(https())
        .retry_config(retries())
        .timeout_config(timeouts());
    config.set_endpoint_url(variable("AWS_ENDPOINT_URL"));
    config.build()
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS)
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(ATTEMPT_TIMEOUT).build()
}

/// Queue and store of one integration, for all its tenants or for one. Clones share the same connections.
#[derive(Clone)]
pub struct Aws {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    sqs: aws_sdk_sqs::Client,
    settings: Settings,
    vault: SecretsVault,
}

impl Aws {
    /// Builds the clients, once; it calls nobody yet. [`configuration`] makes a `config` that suits.
    pub fn new(config: &SdkConfig, settings: Settings) -> Self {
        let vault = SecretsVault::new(config, &settings.secrets_prefix, VAULT_TTL);
        let dynamodb = aws_sdk_dynamodb::Client::new(config);
        let database = Database::new(dynamodb, settings.scope.clone(), settings.tables.clone());
        let sqs = aws_sdk_sqs::Client::new(config);
        Self { inner: Arc::new(Inner { database, sqs, settings, vault }) }
    }

    /// Where things are.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// The secrets whose names begin with the prefix of the settings; see [`SecretsVault::of_tenant`].
    pub fn vault(&self) -> &SecretsVault {
        &self.inner.vault
    }

    fn database(&self) -> &Database {
        &self.inner.database
    }
}
