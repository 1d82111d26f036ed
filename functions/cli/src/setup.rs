//! Everything a verb needs, built once: the tenant's syncs, its connections, and the state on this machine or in a stack.

use std::sync::Arc;
use std::time::Duration;

use backend_embedded::{ChainVault, Embedded, environment};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeZone, Utc};
use connectors::registry::Registry;
use engine::config::ConnectionSpec;
use engine::model::id::{ConnectionId, IntegrationId, RecordKey, SyncId, TenantId};
use engine::plan::SyncPlan;
use engine::ports::{Source, SystemClock, Vault};
use engine::stages::{Context, Limits};
use tenants::Tenant;

use crate::args::Options;
use crate::backend::Backend;
use crate::config;
use crate::exit::usage;
use crate::previews::Origins;

/// The file that tells a state directory.
const STATE_FILE: &str = "state.db";

/// A tenant, on this machine or in a stack.
pub struct Setup {
    /// Whose it is.
    pub tenant: TenantId,
    /// What the stages need.
    pub context: Context,
    /// Queues and store.
    pub backend: Backend,
    config: Arc<Tenant>,
}

impl Setup {
    /// Opens the state to work on it; makes it where there is none.
    ///
    /// # Errors
    /// [`crate::exit::Exit::Usage`] for a wrong tenant file and for a stack that is not there; otherwise when the state
    /// cannot be opened.
    pub async fn open(options: &Options) -> anyhow::Result<Self> {
        let config = config::load(options.config.as_deref())?;
        #[cfg(feature = "aws")]
        if options.aws {
            return Self::deployed(config, options).await;
        }
        Ok(Self::here(config, Embedded::open(&options.state)?, options))
    }

    /// Opens the state to look at it, also while another process works on it. Where there is none, none is made.
    ///
    /// # Errors
    /// As [`Setup::open`].
    pub async fn look(options: &Options) -> anyhow::Result<Self> {
        let config = config::load(options.config.as_deref())?;
        #[cfg(feature = "aws")]
        if options.aws {
            return Self::deployed(config, options).await;
        }
        let embedded = match options.state.join(STATE_FILE).is_file() {
            true => Embedded::open(&options.state)?,
            false => Embedded::in_memory()?,
        };
        Ok(Self::here(config, embedded, options))
    }

    fn here(config: Tenant, embedded: Embedded, options: &Options) -> Self {
        let vault = Arc::new(ChainVault::new(&options.state, environment()));
        Self::new(config, Backend::Here(Arc::new(embedded)), vault, options)
    }

    #[cfg(feature = "aws")]
    async fn deployed(config: Tenant, options: &Options) -> anyhow::Result<Self> {
        let deployed = crate::aws::Deployed::find(&options.stack, &config).await?;
        let vault = Arc::new(deployed.vault());
        Ok(Self::new(config, Backend::Deployed(Arc::new(deployed)), vault, options))
    }

    fn new(config: Tenant, backend: Backend, vault: Arc<dyn Vault>, options: &Options) -> Self {
        let config = Arc::new(config);
        let clock = Arc::new(SystemClock::new());
        let tenant = config.file.id.clone();
        let registry = Registry::new(clock.clone()).with_tenant(tenant.clone(), config.connections(), vault);
        let context = Context {
            queue: backend.queue(),
            store: backend.store(),
            connectors: Arc::new(registry),
            plans: Arc::new(config.plans.clone()),
            clock: clock.clone(),
            ids: clock,
            limits: Limits {
                attempts: options.attempts,
                batch_rows: options.batch_rows as usize,
                deliveries_settle: Duration::from_secs(options.deliveries_settle),
                ..Limits::default()
            },
        };
        Self { tenant, context, backend, config }
    }

    /// The tenant file, resolved.
    pub fn config(&self) -> &Tenant {
        &self.config
    }

    /// All syncs that are switched on, in the order in which they are run.
    ///
    /// # Errors
    /// Never today; the plans decide.
    pub fn all_syncs(&self) -> engine::Result<Vec<SyncId>> {
        Ok(self.config.plans.iter().filter(|sync| sync.enabled).map(|sync| sync.plan.id.clone()).collect())
    }

    /// The integrations that have a sync that is switched on.
    ///
    /// # Errors
    /// As [`Setup::all_syncs`].
    pub fn integrations(&self) -> engine::Result<Vec<IntegrationId>> {
        let mut integrations: Vec<IntegrationId> = Vec::new();
        for sync in self.all_syncs()? {
            if !integrations.contains(&sync.integration) {
                integrations.push(sync.integration);
            }
        }
        Ok(integrations)
    }

    /// The syncs of these names, in the order in which they are run; all that are switched on when none is named.
    ///
    /// # Errors
    /// [`crate::exit::Exit::Usage`] for a name that is not known, with the nearest one that is.
    pub fn choose(&self, names: &[String]) -> anyhow::Result<Vec<SyncId>> {
        if names.is_empty() {
            let all = self.all_syncs()?;
            return match all.is_empty() {
                true => Err(usage("no sync is switched on: add an integration to the tenant file")),
                false => Ok(all),
            };
        }
        let wanted = names.iter().map(|name| self.find(name)).collect::<anyhow::Result<Vec<_>>>()?;
        let planned = self.config.plans.iter().map(|sync| &sync.plan.id);
        Ok(planned.filter(|sync| wanted.contains(sync)).cloned().collect())
    }

    /// The sync of this name: `stream`, `integration/stream` or `tenant/integration/stream`.
    ///
    /// # Errors
    /// As [`Setup::choose`].
    pub fn find(&self, name: &str) -> anyhow::Result<SyncId> {
        let known: Vec<&SyncId> = self.config.plans.iter().map(|sync| &sync.plan.id).collect();
        find(&known, name)
    }

    /// Refuses keys that cannot be keys of this sync, before anything is started for them.
    ///
    /// # Errors
    /// [`crate::exit::Exit::Usage`], with what a key of the sync looks like.
    pub fn check_keys(&self, sync: &SyncId, keys: &[RecordKey]) -> anyhow::Result<()> {
        let plan = self.context.plans.plan(sync)?;
        for key in keys {
            if let Err(failure) = plan.mapping.source_key(key) {
                let columns: Vec<_> = plan.table.key_columns().map(|column| column.name.as_str()).collect();
                return Err(usage(format!("{failure}; a key of {} is {}", sync.stream, columns.join("|"))));
            }
        }
        Ok(())
    }

    /// Where the columns of a sync come from, for people.
    pub fn origins(&self, sync: &SyncId) -> Origins {
        Origins::new(self.config.columns(sync))
    }

    /// The connections of the tenant file, in its order.
    pub fn connections(&self) -> Vec<ConnectionId> {
        self.config.file.tenant.connections.keys().map(ConnectionId::new).collect()
    }

    /// The system behind a connection.
    pub fn system(&self, connection: &ConnectionId) -> String {
        let settings = self.config.file.tenant.connections.get(connection.as_str());
        settings.map_or("unknown", |settings| ConnectionSpec::system(settings)).to_owned()
    }

    /// Why a connection is stopped, if it is. One without a secret cannot be.
    pub async fn stopped(&self, connection: &ConnectionId) -> Option<String> {
        let fingerprint = self.context.connectors.secret_fingerprint(&self.tenant, connection).await.ok()?;
        self.context.store.connection_stopped(&self.tenant, connection, &fingerprint).await.ok()?
    }

    /// Why the secret of a connection of a stack cannot be read from here. On this machine `check` says so.
    pub async fn secret_problem(&self, connection: &ConnectionId) -> Option<String> {
        if !self.backend.is_deployed() {
            return None;
        }
        let read = self.context.connectors.secret_fingerprint(&self.tenant, connection).await;
        read.err().map(|failure| failure.to_string())
    }

    /// A source to look at; the caller closes it.
    ///
    /// # Errors
    /// When the connection is stopped, or its secret is missing.
    pub async fn source(&self, connection: &ConnectionId) -> anyhow::Result<Box<dyn Source>> {
        if let Some(why) = self.stopped(connection).await {
            anyhow::bail!(
                "connection `{connection}` is stopped, because {why}; set the right secret, or let it try again with \
                 `ml-connector check --restart`"
            );
        }
        Ok(self.context.connectors.source(&self.tenant, connection).await?)
    }

    /// When a day begins where the source stamps its changes.
    pub fn start_of(&self, plan: &SyncPlan, day: NaiveDate) -> DateTime<Utc> {
        let midnight = day.and_time(NaiveTime::MIN);
        // A zone that skips midnight begins its day later; asking a little early only reads more.
        let local = plan.zone.from_local_datetime(&midnight).earliest();
        local.map_or_else(|| Utc.from_utc_datetime(&midnight), |start| start.with_timezone(&Utc))
    }
}

fn find(known: &[&SyncId], name: &str) -> anyhow::Result<SyncId> {
    let short = |sync: &SyncId| format!("{}/{}", sync.integration, sync.stream);
    let is_meant = |sync: &SyncId| sync.stream == name || short(sync) == name || sync.to_string() == name;
    let mut found: Vec<_> = known.iter().filter(|sync| is_meant(sync)).collect();
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => return Ok((*only).clone()),
        (Some(last), false) => {
            found.push(last);
            let names: Vec<_> = found.iter().map(|sync| short(sync)).collect();
            return Err(usage(format!("`{name}` is the name of several syncs: use one of {}", names.join(", "))));
        }
        (None, _) => {}
    }
    let likeness = |sync: &SyncId| {
        let names = [sync.stream.clone(), short(sync), sync.to_string()];
        names.iter().map(|known| strsim::jaro_winkler(known, name)).fold(0.0, f64::max)
    };
    let names: Vec<_> = known.iter().map(|sync| sync.stream.as_str()).collect();
    let nearest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest.filter(|nearest| likeness(nearest) > 0.75) {
        Some(nearest) => Err(usage(format!("there is no sync `{name}`; did you mean `{}`?", nearest.stream))),
        None => Err(usage(format!("there is no sync `{name}`: use one of {}", names.join(", ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syncs_are_found_by_short_and_long_names() {
        let invoices: SyncId = "acme/jde-looker/ap_invoices".parse().unwrap();
        let vendors: SyncId = "acme/jde-looker/suppliers".parse().unwrap();
        let other: SyncId = "acme/peoplesoft-looker/suppliers".parse().unwrap();
        let known = [&invoices, &vendors, &other];
        assert_eq!(find(&known, "ap_invoices").unwrap(), invoices);
        assert_eq!(find(&known, "jde-looker/suppliers").unwrap(), vendors);
        assert_eq!(
            find(&known, "suppliers").unwrap_err().to_string(),
            "`suppliers` is the name of several syncs: use one of jde-looker/suppliers, peoplesoft-looker/suppliers"
        );
        assert_eq!(
            find(&known, "ap_invoice").unwrap_err().to_string(),
            "there is no sync `ap_invoice`; did you mean `ap_invoices`?"
        );
        assert!(find(&known, "xyz").unwrap_err().to_string().contains("use one of ap_invoices"));
    }
}
