//! The simulated systems around JD Edwards, for `demo` and `sandbox`: a Looker over the warehouse file, and somebody who
//! receives what it sends. [`peoplesoft`] is the ERP of another integration.

#[cfg(feature = "databricks")]
pub mod databricks;
pub mod peoplesoft;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::Context as _;
use engine::model::id::IntegrationId;
use sandbox::clock::Clock;
use sandbox::looker::{Account, LookerSandbox, Project, Receiver, Warehouse};
use sandbox::peoplesoft::{PeopleSoftSandbox, Settings};
use serde_json::json;
use tenants::Tenant;

use crate::commands::lookml;
use crate::tenant_file::PeopleSoftBlock;

/// Looker's name of its connection to the warehouse.
const CONNECTION: &str = "warehouse";

/// The API key of the simulated Looker.
pub const CLIENT_ID: &str = "sandboxclient";

/// The secret half of that key.
pub const CLIENT_SECRET: &str = "sandboxsecret";

/// The Look that is delivered.
pub const LOOK: &str = "Open payables by supplier";

/// The integration that it shows.
const INTEGRATION: &str = "jde-looker";

/// The model that it has.
pub const MODEL: &str = "jde_looker";

/// A simulated Looker that is yet to have an address.
pub struct Simulated {
    /// The Looker.
    pub looker: LookerSandbox,
    /// Who receives what it sends.
    pub receiver: Receiver,
}

impl Simulated {
    /// Starts them: a Looker whose LookML is made of the tenant's tables, over the warehouse file.
    ///
    /// # Errors
    /// When the port cannot be listened on.
    pub async fn start(config: &Tenant, warehouse: &Path, port: u16, receiver: Receiver) -> anyhow::Result<Self> {
        let rendered = lookml::project(config, &IntegrationId::new(INTEGRATION), MODEL, CONNECTION)?;
        let files: Vec<_> = rendered.files.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
        let open_payables = json!({
            "model": MODEL,
            "view": "ap_invoices",
            "fields": ["suppliers.name", "ap_invoices.count", "ap_invoices.total_open_amount"],
            "sorts": ["ap_invoices.total_open_amount desc"],
            "limit": "20",
        });
        let looker = LookerSandbox::builder()
            .listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
            .account(Account::admin(CLIENT_ID, CLIENT_SECRET))
            .project(Project::parse(MODEL, &files))
            .connection(CONNECTION, Warehouse::Sqlite(warehouse.to_owned()))
            .look("1", LOOK, open_payables)
            .start()
            .await
            .with_context(|| format!("port {port} cannot be used for the simulated Looker"))?;
        Ok(Self { looker, receiver })
    }
}

/// A simulated PeopleSoft, and how it is reached.
pub struct PeopleSoft {
    /// The PeopleSoft.
    pub sandbox: PeopleSoftSandbox,
    /// Address of its REST listener.
    pub url: String,
    /// How the site is set up: its node, its zone.
    pub settings: Settings,
    /// The operator that may read everything.
    pub user: String,
    /// Its password.
    pub password: String,
}

impl PeopleSoft {
    /// The SetIDs of its master data.
    pub const SETIDS: [&str; 2] = ["SHARE", "EURO1"];

    /// How many vouchers go with so many invoices of JD Edwards; never none.
    pub fn vouchers_beside(invoices: usize) -> usize {
        (invoices / 10).max(100)
    }

    /// Starts one with so many vouchers and the rest in proportion; port 0 takes a free one.
    ///
    /// # Errors
    /// When the port cannot be listened on.
    pub async fn start(port: u16, vouchers: usize, clock: Clock) -> anyhow::Result<Self> {
        let settings = Settings { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), ..Settings::default() };
        let operator = settings.operators.first().cloned().context("the simulated PeopleSoft has no operator")?;
        let sandbox = peoplesoft::start(settings.clone(), clock, vouchers).await?;
        let (url, password) = (sandbox.base_url(), operator.password.unwrap_or_default());
        Ok(Self { sandbox, url, settings, user: operator.id, password })
    }

    /// What a tenant file says of it.
    pub fn block<'a>(&'a self, secret: &'a str) -> PeopleSoftBlock<'a> {
        PeopleSoftBlock { url: &self.url, node: &self.settings.node, secret, setids: &Self::SETIDS }
    }
}
