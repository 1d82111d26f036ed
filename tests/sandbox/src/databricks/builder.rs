//! Setting one up.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::auth::Tokens;
use super::catalog::Catalog;
use super::files_api::Uploads;
use super::jobs::{Job, Jobs};
use super::server::{DatabricksSandbox, Front, Shared, State};
use super::settings::{Principal, Settings};
use super::sql::Storage;
use super::statements::Statements;
use super::warehouses::Warehouse;
use super::world::World;
use crate::clock::Clock;
use crate::faults::Rules;
use crate::http;

/// Why it did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be had, or the server's thread cannot be started.
    #[error("the Databricks sandbox cannot listen: {0}")]
    Listen(#[from] std::io::Error),
    /// A schema or volume was named without what it belongs to.
    #[error("'{0}' is no full name of a {1}")]
    Name(String, &'static str),
    /// The embedded database does not open.
    #[error("the embedded database does not open: {0}")]
    Storage(String),
}

/// What a workspace is made of. Without anything: the catalog `main` with the schema `default`, a running warehouse `w1`, and
/// the principal `sandbox` with the secret `secret` and the token `dapi-sandbox`.
#[derive(Debug, Default)]
pub struct Builder {
    settings: Settings,
    clock: Option<Clock>,
    principals: Vec<Principal>,
    warehouses: Vec<Warehouse>,
    catalogs: Vec<String>,
    schemas: Vec<String>,
    volumes: Vec<String>,
    jobs: Vec<Job>,
}

impl Builder {
    /// How the workspace is set up.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The clock that it runs by; the machine's by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Somebody who may call.
    pub fn principal(mut self, principal: Principal) -> Self {
        self.principals.push(principal);
        self
    }

    /// A SQL warehouse.
    pub fn warehouse(mut self, warehouse: Warehouse) -> Self {
        self.warehouses.push(warehouse);
        self
    }

    /// A catalog.
    pub fn catalog(mut self, name: &str) -> Self {
        self.catalogs.push(name.into());
        self
    }

    /// A schema, such as `main.erp`; its catalog is made too.
    pub fn schema(mut self, name: &str) -> Self {
        self.schemas.push(name.into());
        self
    }

    /// A volume, such as `main.erp.landing`; its schema is made too.
    pub fn volume(mut self, name: &str) -> Self {
        self.volumes.push(name.into());
        self
    }

    /// A job.
    pub fn job(mut self, job: Job) -> Self {
        self.jobs.push(job);
        self
    }

    /// Starts it on a thread of its own.
    ///
    /// # Errors
    ///
    /// When the address cannot be had, or a name is not whole.
    pub async fn start(mut self) -> Result<DatabricksSandbox, StartError> {
        let clock = self.clock.take().unwrap_or_else(Clock::system);
        let catalog = self.metastore(&clock)?;
        let storage = Storage::open().map_err(|error| StartError::Storage(error.to_string()))?;
        let listener = TcpListener::bind(self.settings.listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        if self.principals.is_empty() {
            self.principals.push(Principal::new("sandbox", "secret").with_token("dapi-sandbox"));
        }
        if self.warehouses.is_empty() {
            self.warehouses.push(Warehouse::running("w1"));
        }
        let state = State {
            tokens: Tokens::default(),
            rules: Rules::default(),
            calls: Default::default(),
            warehouses: self.warehouses,
            statements: Statements::default(),
            jobs: Jobs { jobs: self.jobs, runs: Vec::new() },
            uploads: Uploads::default(),
            at_once: 0,
            most_at_once: 0,
        };
        let shared = Arc::new(Shared {
            settings: self.settings,
            clock,
            base: format!("http://{address}"),
            port: address.port(),
            principals: self.principals,
            world: World::new(catalog, storage),
            state: Mutex::new(state),
        });
        let (stop, asked) = oneshot::channel();
        let (ended, stopped) = oneshot::channel();
        http::run_on_thread("databricks-sandbox", listener, Arc::new(Front(Arc::clone(&shared))), asked, ended)?;
        Ok(DatabricksSandbox { shared, address, stop: Some(stop), stopped: Some(stopped) })
    }

    fn metastore(&mut self, clock: &Clock) -> Result<Catalog, StartError> {
        let mut catalog = Catalog::default();
        let now = clock.now();
        let default = format!("{}.{}", self.settings.catalog, self.settings.schema);
        let named = |volume: &String| {
            let schema = volume.rsplit_once('.').map(|(schema, _)| schema.to_owned());
            schema.ok_or_else(|| StartError::Name(volume.clone(), "volume"))
        };
        let owned = self.volumes.iter().map(named).collect::<Result<Vec<_>, _>>()?;
        for name in &self.catalogs {
            catalog.add_catalog(name, None);
        }
        for name in self.schemas.iter().chain(&owned).chain([&default]) {
            let wrong = || StartError::Name(name.clone(), "schema");
            let (top, own) = name.split_once('.').filter(|(_, own)| !own.contains('.')).ok_or_else(wrong)?;
            catalog.add_catalog(top, None);
            let added = catalog.catalog_mut(top).map_err(|_| wrong())?;
            added.add_schema(own, None, now);
        }
        for (volume, schema) in self.volumes.iter().zip(&owned) {
            let wrong = || StartError::Name(volume.clone(), "volume");
            let (top, own) = schema.split_once('.').ok_or_else(wrong)?;
            let place = catalog.schema_mut(top, own).map_err(|_| wrong())?;
            place.add_volume(volume.rsplit('.').next().unwrap_or_default(), None, now);
        }
        Ok(catalog)
    }
}
