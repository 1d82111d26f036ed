//! The tenant files of a function: from a layer, where they stay as they are for the life of the function, or from the
//! table of syncs, where they change at any time.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use backend_aws::Aws;
use chrono::{DateTime, Utc};
use engine::model::id::{IntegrationId, TenantId};
use engine::ports::{Clock, SystemClock};
use engine::{Error, Result};
use tenants::Tenant;
use tokio::sync::Mutex;

use super::Function;

/// The variable that names the folder of the tenant files; without it they are in the table.
pub(super) const FOLDER: &str = "ML_CONNECTOR_CONFIG";

/// A warm function that has looked at the table within this time works with what it found: what is pushed is in force
/// everywhere that much later. A look reads one small item.
pub const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Gives the function as the tenant files want it.
pub(super) struct Source {
    integration: IntegrationId,
    clock: SystemClock,
    /// `None` where the files are in a layer.
    table: Option<Aws>,
    present: Mutex<Present>,
}

/// The function as it is, and the files it was built from.
struct Present {
    function: Function,
    version: String,
    looked_at: DateTime<Utc>,
}

impl Source {
    /// Reads the tenant files from `folder`, or from the table where there is none.
    ///
    /// # Errors
    /// Stops with the mistakes of a tenant file, and when nothing was ever pushed.
    pub(super) async fn open(folder: Option<String>, aws: Aws, integration: IntegrationId) -> Result<Self> {
        let clock = SystemClock::new();
        let (tenants, version, table) = match folder {
            Some(folder) => {
                let tenants = tenants::read_all(Path::new(&folder)).map_err(|e| Error::stop(e.to_string()))?;
                (tenants, String::new(), None)
            }
            None => {
                let (tenants, version) = pushed(&aws).await?;
                (tenants, version, Some(aws.clone()))
            }
        };
        let function = Function::new(aws, integration.clone(), &tenants);
        let present = Mutex::new(Present { function, version, looked_at: clock.now() });
        Ok(Self { integration, clock, table, present })
    }

    /// The function. With what it was built from before, when newer files cannot be used or the table cannot be reached.
    pub(super) async fn function(&self) -> Function {
        let mut present = self.present.lock().await;
        let now = self.clock.now();
        let is_fresh = (now - present.looked_at).to_std().is_ok_and(|since| since < LOOK_AGAIN);
        if let (Some(aws), false) = (&self.table, is_fresh) {
            present.looked_at = now;
            if let Err(failure) = self.look(aws, &mut present).await {
                tracing::error!(reason = %failure, version = present.version, "newer tenant files are not used");
            }
        }
        present.function.clone()
    }

    async fn look(&self, aws: &Aws, present: &mut Present) -> Result<()> {
        if aws.configuration_version().await?.is_some_and(|version| version == present.version) {
            return Ok(());
        }
        let (tenants, version) = pushed(aws).await?;
        tracing::info!(version, before = present.version, "tenant files have changed");
        // Its clients go on: connections to AWS are worth keeping.
        *present = Present {
            function: Function::new(aws.clone(), self.integration.clone(), &tenants),
            version,
            looked_at: present.looked_at,
        };
        Ok(())
    }
}

/// The tenant files in the table, and their version.
async fn pushed(aws: &Aws) -> Result<(Vec<Tenant>, String)> {
    let scope = &aws.settings().scope;
    let found = aws.configuration().await?.ok_or_else(|| {
        Error::stop(format!(
            "no tenant files were ever pushed for {scope}: run `ml-connector --aws config push`, or deploy with \
             Configuration=layer"
        ))
    })?;
    Ok((read(&found.files)?, found.version))
}

fn read(files: &BTreeMap<TenantId, String>) -> Result<Vec<Tenant>> {
    let parse = |(tenant, text): (&TenantId, &String)| {
        Tenant::parse(tenant.clone(), &format!("{tenant}.yaml"), text).map_err(|e| Error::stop(e.to_string()))
    };
    files.iter().map(parse).collect()
}
