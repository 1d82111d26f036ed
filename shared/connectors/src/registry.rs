//! Which connector stands behind which connection: one line per system.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use engine::config::ConnectionSpec;
use engine::mapping::Fault;
use engine::model::id::{ConnectionId, TenantId};
use engine::ports::{Clock, Connectors, Consumer, Destination, Secret, Source, Vault};
use engine::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::databricks::{self, DatabricksSettings};
use crate::jde::{JdeSettings, JdeSource};
use crate::looker::{Looker, LookerSettings};
use crate::peoplesoft::{PeopleSoftDestination, PeopleSoftSettings, PeopleSoftSource};
#[cfg(feature = "sqlite")]
use crate::warehouse::Sqlite;
use crate::warehouse::{Postgres, PostgresSettings, SqliteSettings};

/// One system with its address and the name of its secret. The system's name is the key: `jde: { url: … }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionSettings {
    /// JD Edwards EnterpriseOne through its AIS Server. A source.
    Jde(JdeSettings),
    /// PeopleSoft through the REST listener of its Integration Broker. A source, and a destination of attributes that are
    /// written back record by record.
    #[serde(rename = "peoplesoft")]
    PeopleSoft(Box<PeopleSoftSettings>),
    /// A PostgreSQL database, also Aurora and RDS. A destination.
    Postgres(PostgresSettings),
    /// A SQLite file. A destination, for trying things out and for small tenants.
    Sqlite(SqliteSettings),
    /// A Databricks workspace: tables of Unity Catalog, written through a SQL warehouse. A destination, and the source of
    /// syncs that run in reverse.
    Databricks(Box<DatabricksSettings>),
    /// Looker. It is told when tables change, compared with, and asked to deliver.
    Looker(LookerSettings),
}

impl ConnectionSpec for ConnectionSettings {
    fn system(&self) -> &str {
        match self {
            Self::Jde(_) => "jde",
            Self::PeopleSoft(_) => "peoplesoft",
            Self::Postgres(_) => "postgres",
            Self::Sqlite(_) => "sqlite",
            Self::Databricks(_) => "databricks",
            Self::Looker(_) => "looker",
        }
    }

    fn kind(&self) -> &str {
        match self {
            Self::Jde(_) => "jde",
            Self::PeopleSoft(_) => "peoplesoft",
            Self::Postgres(_) | Self::Sqlite(_) | Self::Databricks(_) => "warehouse",
            Self::Looker(_) => "looker",
        }
    }

    fn zone(&self) -> Option<&str> {
        match self {
            Self::Jde(settings) => Some(settings.zone.name()),
            Self::PeopleSoft(settings) => Some(settings.zone.name()),
            Self::Postgres(_) | Self::Sqlite(_) | Self::Databricks(_) | Self::Looker(_) => None,
        }
    }

    fn faults(&self) -> Vec<Fault> {
        let checked = match self {
            Self::Jde(settings) => settings.validate(),
            Self::PeopleSoft(settings) => settings.validate(),
            Self::Postgres(_) | Self::Sqlite(_) => Ok(()),
            Self::Databricks(settings) => settings.validate(),
            Self::Looker(settings) => return settings.faults(),
        };
        let fault = |error: Error| Fault { path: Vec::new(), message: error.to_string() };
        checked.err().map(fault).into_iter().collect()
    }
}

impl ConnectionSettings {
    /// The name of the secret, where the system has one.
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::Jde(settings) => Some(&settings.secret),
            Self::PeopleSoft(settings) => Some(&settings.secret),
            Self::Postgres(settings) => settings.secret.as_deref(),
            Self::Sqlite(_) => None,
            Self::Databricks(settings) => Some(&settings.secret),
            Self::Looker(settings) => Some(&settings.secret),
        }
    }
}

/// The connections of tenants, opened on demand. Destinations are kept, sources live for one poll.
pub struct Registry {
    tenants: BTreeMap<TenantId, Tenant>,
    clock: Arc<dyn Clock>,
    destinations: tokio::sync::Mutex<HashMap<(TenantId, ConnectionId), Opened>>,
    /// The fingerprints of the secrets that were read last, by their names.
    used: Mutex<HashMap<(TenantId, String), String>>,
}

/// What is known of a tenant.
struct Tenant {
    connections: BTreeMap<ConnectionId, ConnectionSettings>,
    vault: Arc<dyn Vault>,
}

/// A destination that is kept, and the secret it was opened with.
struct Opened {
    destination: Arc<dyn Destination>,
    secret: String,
    looked_at: DateTime<Utc>,
}

/// How long a kept destination is used before it is looked whether its secret is still the same.
const SECRET_HOLDS: TimeDelta = TimeDelta::minutes(5);

impl Registry {
    /// A registry without tenants.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { tenants: BTreeMap::new(), clock, destinations: tokio::sync::Mutex::default(), used: Mutex::default() }
    }

    /// Adds a tenant's connections, whose secrets are in `vault`.
    #[must_use]
    pub fn with_tenant(
        mut self,
        tenant: TenantId,
        connections: BTreeMap<ConnectionId, ConnectionSettings>,
        vault: Arc<dyn Vault>,
    ) -> Self {
        self.tenants.insert(tenant, Tenant { connections, vault });
        self
    }

    /// The names of a tenant's connections.
    pub fn connections(&self, tenant: &TenantId) -> Vec<ConnectionId> {
        self.tenants.get(tenant).map(|tenant| tenant.connections.keys().cloned().collect()).unwrap_or_default()
    }

    fn tenant(&self, tenant: &TenantId) -> Result<&Tenant> {
        self.tenants
            .get(tenant)
            .ok_or_else(|| Error::stop(format!("tenant `{tenant}` is not configured: is its file in infra/tenants")))
    }

    async fn secret(&self, tenant: &TenantId, name: &str) -> Result<Secret> {
        let secret = self.tenant(tenant)?.vault.secret(name).await?;
        self.used().insert((tenant.clone(), name.to_owned()), secret.fingerprint());
        Ok(secret)
    }

    fn used(&self) -> MutexGuard<'_, HashMap<(TenantId, String), String>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The settings of a connection.
    ///
    /// # Errors
    /// Stops when the tenant has no connection of that name, and names those it has.
    pub fn settings(&self, tenant: &TenantId, connection: &ConnectionId) -> Result<&ConnectionSettings> {
        let connections = &self.tenant(tenant)?.connections;
        connections.get(connection).ok_or_else(|| {
            let names: Vec<_> = connections.keys().map(ConnectionId::as_str).collect();
            Error::stop(format!(
                "tenant `{tenant}` has no connection `{connection}`: it has {}",
                if names.is_empty() { "none".to_owned() } else { names.join(", ") }
            ))
        })
    }
}

#[async_trait]
impl Connectors for Registry {
    async fn source(&self, tenant: &TenantId, connection: &ConnectionId) -> Result<Box<dyn Source>> {
        let place = |error: Error| error.at(format!("connection `{connection}`"));
        Ok(match self.settings(tenant, connection)? {
            ConnectionSettings::Jde(settings) => {
                let secret = self.secret(tenant, &settings.secret).await?;
                Box::new(JdeSource::new(settings.clone(), &secret, Arc::clone(&self.clock)).map_err(place)?)
            }
            ConnectionSettings::PeopleSoft(settings) => {
                let secret = self.secret(tenant, &settings.secret).await?;
                let settings = PeopleSoftSettings::clone(settings);
                Box::new(PeopleSoftSource::new(settings, &secret, Arc::clone(&self.clock)).map_err(place)?)
            }
            ConnectionSettings::Databricks(settings) => {
                let secret = self.secret(tenant, &settings.secret).await?;
                databricks::open_source(settings, &secret, Arc::clone(&self.clock)).map_err(place)?
            }
            other @ (ConnectionSettings::Postgres(_) | ConnectionSettings::Sqlite(_)) => {
                return Err(place(Error::stop(format!("{} is not read from: it is a destination", other.system()))));
            }
            ConnectionSettings::Looker(_) => {
                return Err(place(Error::stop("looker is not read from: it shows what is loaded")));
            }
        })
    }

    async fn secret_fingerprint(&self, tenant: &TenantId, connection: &ConnectionId) -> Result<String> {
        match self.settings(tenant, connection)?.secret() {
            Some(name) => Ok(self.secret(tenant, name).await?.fingerprint()),
            None => Ok(String::new()),
        }
    }

    async fn has_new_secrets(&self, tenant: &TenantId) -> Result<bool> {
        let is_theirs = |((of, name), secret): (&(TenantId, String), &String)| {
            (of == tenant).then(|| (name.clone(), secret.clone()))
        };
        let used: Vec<_> = self.used().iter().filter_map(is_theirs).collect();
        let (mut are_new, mut failed) = (false, None);
        for (name, before) in used {
            self.tenant(tenant)?.vault.forget(&name);
            match self.secret(tenant, &name).await {
                Ok(secret) => are_new |= secret.fingerprint() != before,
                // Another secret may be the new one all the same.
                Err(failure) => failed = Some(failure),
            }
        }
        if are_new {
            // Opened again with what is in force now.
            self.destinations.lock().await.retain(|(of, _), _| of != tenant);
        }
        match failed {
            Some(failure) if !are_new => Err(failure),
            _ => Ok(are_new),
        }
    }

    async fn consumer(&self, tenant: &TenantId, connection: &ConnectionId) -> Result<Box<dyn Consumer>> {
        let place = |error: Error| error.at(format!("connection `{connection}`"));
        let settings = match self.settings(tenant, connection)? {
            ConnectionSettings::Looker(settings) => settings,
            other => return Err(place(Error::stop(format!("{} is told nothing: only Looker is", other.system())))),
        };
        let secret = self.secret(tenant, &settings.secret).await?;
        let mut plan_secrets = BTreeMap::new();
        for name in settings.plan_secrets() {
            plan_secrets.insert(name.to_owned(), self.secret(tenant, name).await?);
        }
        let looker = Looker::open(settings.clone(), &secret, plan_secrets, Arc::clone(&self.clock));
        Ok(Box::new(looker.map_err(place)?))
    }

    async fn destination(&self, tenant: &TenantId, connection: &ConnectionId) -> Result<Arc<dyn Destination>> {
        let place = |error: Error| error.at(format!("connection `{connection}`"));
        let settings = self.settings(tenant, connection)?;
        // Held while opening, which calls no system: two callers at once get the same destination and its one pool.
        let mut destinations = self.destinations.lock().await;
        let kept = (tenant.clone(), connection.clone());
        let now = self.clock.now();
        if let Some(opened) = destinations.get_mut(&kept) {
            if now - opened.looked_at < SECRET_HOLDS {
                return Ok(Arc::clone(&opened.destination));
            }
            if self.secret_fingerprint(tenant, connection).await? == opened.secret {
                opened.looked_at = now;
                return Ok(Arc::clone(&opened.destination));
            }
            tracing::info!(%tenant, %connection, "opened again: its secret has changed");
        }
        // Before it is opened: if another secret comes in between, it is only opened once more later.
        let fingerprint = self.secret_fingerprint(tenant, connection).await?;
        let destination: Arc<dyn Destination> = match settings {
            ConnectionSettings::Postgres(settings) => {
                let secret = match &settings.secret {
                    Some(name) => Some(self.secret(tenant, name).await?),
                    None => None,
                };
                Arc::new(Postgres::open(settings, secret.as_ref()).map_err(place)?)
            }
            #[cfg(feature = "sqlite")]
            ConnectionSettings::Sqlite(settings) => Arc::new(Sqlite::open(settings)),
            #[cfg(not(feature = "sqlite"))]
            ConnectionSettings::Sqlite(_) => {
                let words = "a SQLite file stays on one machine: name another warehouse for what runs elsewhere";
                return Err(place(Error::stop(words)));
            }
            ConnectionSettings::Databricks(settings) => {
                let secret = self.secret(tenant, &settings.secret).await?;
                databricks::open(settings, &secret, Arc::clone(&self.clock)).map_err(place)?
            }
            ConnectionSettings::PeopleSoft(settings) => {
                let secret = self.secret(tenant, &settings.secret).await?;
                let clock = Arc::clone(&self.clock);
                Arc::new(PeopleSoftDestination::new(settings, &secret, clock).map_err(place)?)
            }
            ConnectionSettings::Jde(_) => {
                return Err(place(Error::stop("jde is not written to: it is a source")));
            }
            ConnectionSettings::Looker(_) => {
                return Err(place(Error::stop("looker is not written to: it shows what is loaded")));
            }
        };
        let opened = Opened { destination: Arc::clone(&destination), secret: fingerprint, looked_at: now };
        destinations.insert(kept, opened);
        Ok(destination)
    }
}

#[cfg(test)]
mod tests {
    use engine::ports::Secret;
    use serde_json::json;

    use super::*;

    struct OneSecret;

    #[async_trait]
    impl Vault for OneSecret {
        async fn secret(&self, name: &str) -> Result<Secret> {
            if name != "acme/jde" {
                return Err(Error::stop(format!("there is no secret `{name}`")));
            }
            let field = |name: &str| (name.to_owned(), "x".to_owned());
            let names = ["username", "password", "client_id", "client_secret"];
            Ok(Secret::new(names.into_iter().map(field).collect()))
        }
    }

    struct Never;

    impl Clock for Never {
        fn now(&self) -> chrono::DateTime<chrono::Utc> {
            chrono::DateTime::UNIX_EPOCH
        }
    }

    fn registry() -> Registry {
        let connections = json!({
            "erp": {"jde": {"url": "https://ais.example.com/jderest", "secret": "acme/jde"}},
            "old_erp": {"jde": {"url": "https://ais.example.com/jderest", "secret": "acme/old"}},
            "plain_erp": {"jde": {"url": "http://ais.example.com/jderest", "secret": "acme/jde"}},
            "file": {"sqlite": {"path": "warehouse.sqlite"}},
            "lake": {"databricks": {"url": "https://adb-1.1.azuredatabricks.net", "warehouse": "w", "catalog": "main", "secret": "acme/jde"}},
            "bi": {"looker": {"url": "https://acme.looker.example.com", "secret": "acme/jde", "model": "erp"}},
            "plain_bi": {"looker": {"url": "http://acme.looker.example.com", "secret": "acme/jde", "model": "erp"}},
            "mailing_bi": {"looker": {"url": "https://acme.looker.example.com", "secret": "acme/jde", "model": "erp", "plans": {
                "daily": {"look": "1", "crontab": "0 6 * * *", "destinations": [{"s3": "s3://acme/", "secret": "acme/s3"}]}}}},
        });
        let connections: BTreeMap<String, ConnectionSettings> = serde_json::from_value(connections).unwrap();
        let connections = connections.into_iter().map(|(name, settings)| (ConnectionId::new(name), settings)).collect();
        Registry::new(Arc::new(Never)).with_tenant(TenantId::new("acme"), connections, Arc::new(OneSecret))
    }

    #[tokio::test]
    async fn connections_are_opened_as_what_they_are() {
        let (registry, acme) = (registry(), TenantId::new("acme"));
        registry.source(&acme, &ConnectionId::new("erp")).await.unwrap();
        let first = registry.destination(&acme, &ConnectionId::new("file")).await.unwrap();
        let second = registry.destination(&acme, &ConnectionId::new("file")).await.unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        let erp = registry.secret_fingerprint(&acme, &ConnectionId::new("erp")).await.unwrap();
        assert!(!erp.is_empty());
        assert_eq!(registry.secret_fingerprint(&acme, &ConnectionId::new("file")).await.unwrap(), "");
        registry.consumer(&acme, &ConnectionId::new("bi")).await.unwrap();
        assert!(!registry.secret_fingerprint(&acme, &ConnectionId::new("bi")).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn databricks_is_always_understood_and_opened_where_it_is_compiled_in() {
        let (registry, acme, lake) = (registry(), TenantId::new("acme"), ConnectionId::new("lake"));
        let settings = registry.settings(&acme, &lake).unwrap();
        assert_eq!(
            (settings.system(), settings.kind(), settings.secret()),
            ("databricks", "warehouse", Some("acme/jde"))
        );
        let opened = registry.destination(&acme, &lake).await;
        assert_eq!(opened.is_ok(), cfg!(feature = "databricks"));
        if let Err(error) = opened {
            assert!(error.to_string().contains("build it with --features databricks"), "{error}");
        }
        assert_eq!(registry.source(&acme, &lake).await.is_ok(), cfg!(feature = "databricks"));
    }

    /// A secret that is kept until it is forgotten.
    #[derive(Default)]
    struct Kept {
        now: Mutex<String>,
        kept: Mutex<Option<String>>,
    }

    #[async_trait]
    impl Vault for Kept {
        async fn secret(&self, _: &str) -> Result<Secret> {
            let password = self.kept.lock().unwrap().get_or_insert_with(|| self.now.lock().unwrap().clone()).clone();
            let names = ["username", "password"];
            Ok(Secret::new(names.map(|name| (name.to_owned(), format!("x{password}"))).into()))
        }

        fn forget(&self, _: &str) {
            *self.kept.lock().unwrap() = None;
        }
    }

    #[tokio::test]
    async fn a_secret_that_was_set_meanwhile_is_found_once() {
        let connections = json!({
            "erp": {"jde": {"url": "https://ais.example.com/jderest", "secret": "jde"}},
            "warehouse": {"postgres": {"url": "postgresql://loader@localhost/x", "secret": "warehouse"}},
        });
        let connections: BTreeMap<String, ConnectionSettings> = serde_json::from_value(connections).unwrap();
        let connections = connections.into_iter().map(|(name, settings)| (ConnectionId::new(name), settings)).collect();
        let (acme, vault) = (TenantId::new("acme"), Arc::new(Kept::default()));
        let registry = Registry::new(Arc::new(Never)).with_tenant(acme.clone(), connections, vault.clone());
        registry.source(&acme, &ConnectionId::new("erp")).await.unwrap();
        let before = registry.destination(&acme, &ConnectionId::new("warehouse")).await.unwrap();
        assert!(!registry.has_new_secrets(&acme).await.unwrap());

        *vault.now.lock().unwrap() = "rotated".to_owned();
        assert!(registry.has_new_secrets(&acme).await.unwrap());
        assert!(!registry.has_new_secrets(&acme).await.unwrap());
        let after = registry.destination(&acme, &ConnectionId::new("warehouse")).await.unwrap();
        assert!(!Arc::ptr_eq(&before, &after), "it is opened again");
    }

    #[tokio::test]
    async fn what_cannot_be_opened_says_why() {
        let (registry, acme) = (registry(), TenantId::new("acme"));
        for (tenant, connection, words) in [
            ("other", "erp", "tenant `other` is not configured"),
            ("acme", "erpp", "it has bi, erp, file, lake, mailing_bi, old_erp, plain_bi, plain_erp"),
            ("acme", "file", "connection `file`: sqlite is not read from"),
            ("acme", "bi", "connection `bi`: looker is not read from"),
            ("acme", "old_erp", "acme/old"),
            ("acme", "plain_erp", "connection `plain_erp`: `url` must begin with https"),
        ] {
            let opened = registry.source(&TenantId::new(tenant), &ConnectionId::new(connection)).await;
            let error = opened.err().unwrap();
            assert!(error.to_string().contains(words), "{error}");
        }
        let error = registry.destination(&acme, &ConnectionId::new("erp")).await.err().unwrap();
        assert!(error.to_string().contains("jde is not written to"), "{error}");
        let error = registry.destination(&acme, &ConnectionId::new("bi")).await.err().unwrap();
        assert!(error.to_string().contains("looker is not written to"), "{error}");
        for (connection, words) in [
            ("erp", "connection `erp`: jde is told nothing"),
            ("plain_bi", "connection `plain_bi`: `url` must begin with https"),
            ("mailing_bi", "there is no secret `acme/s3`"),
        ] {
            let error = registry.consumer(&acme, &ConnectionId::new(connection)).await.err().unwrap();
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn settings_say_where_they_cannot_work() {
        let settings = json!({"looker": {"url": "https://x", "secret": "s", "model": "erp", "row_limit": 9999}});
        let settings: ConnectionSettings = serde_json::from_value(settings).unwrap();
        assert_eq!((settings.system(), settings.kind(), settings.secret()), ("looker", "looker", Some("s")));
        assert_eq!(settings.faults()[0].path, ["row_limit"]);
    }

    #[test]
    fn a_connection_is_named_by_its_system() {
        let both = json!({"jde": {"url": "u", "secret": "s"}, "sqlite": {"path": "p"}});
        assert!(serde_json::from_value::<ConnectionSettings>(both).is_err());
        let error = serde_json::from_value::<ConnectionSettings>(json!({"jdee": {}})).unwrap_err();
        assert!(error.to_string().contains("`jde`"), "{error}");
        let schema = serde_json::to_string(&schemars::schema_for!(ConnectionSettings)).unwrap();
        assert!(schema.contains("AIS Server") && schema.contains("sqlite"));
    }
}
