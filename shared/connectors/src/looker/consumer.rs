//! The port.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use engine::Result;
use engine::model::delivery::What;
use engine::model::table::TableSpec;
use engine::model::totals::{GroupBy, GroupTotal};
use engine::ports::{Clock, Consumer, Finding, Progress, Secret, Sent};

use super::client::Client;
use super::datagroups::{self, Datagroups};
use super::explores::Explores;
use super::model::Bound;
use super::settings::LookerSettings;
use super::{check, declare, deliveries, totals};

/// One Looker instance. It logs in when first used; one instance serves one piece of work.
pub struct Looker {
    pub(super) client: Client,
    pub(super) explores: Explores,
    pub(super) datagroups: Datagroups,
    plan_secrets: BTreeMap<String, Secret>,
    /// Looker guards its mail relay: one delivery is asked for at a time.
    sending: tokio::sync::Mutex<()>,
}

impl Looker {
    /// A consumer. Nothing is called yet. `plan_secrets` are those that [`LookerSettings::plan_secrets`] names.
    ///
    /// # Errors
    /// Stops when the settings cannot work or the secret lacks a field.
    pub fn open(
        settings: LookerSettings,
        secret: &Secret,
        plan_secrets: BTreeMap<String, Secret>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let client = Client::new(settings, secret, plan_secrets.values(), clock)?;
        let (explores, datagroups) = (Explores::default(), Datagroups::default());
        Ok(Self { client, explores, datagroups, plan_secrets, sending: tokio::sync::Mutex::default() })
    }
}

#[async_trait]
impl Consumer for Looker {
    async fn check(&self, tables: &[&TableSpec], deliveries: &[&What]) -> Vec<Finding> {
        check::check(self, tables, deliveries).await
    }

    async fn prepare(&self) -> Result<()> {
        declare::prepare(&self.client, &self.plan_secrets).await
    }

    async fn changed(&self, table: &TableSpec) -> Result<()> {
        datagroups::changed(&self.client, &self.datagroups).await.map_err(|e| e.at(format!("table `{}`", table.name)))
    }

    fn tells_times_apart_after(&self) -> Duration {
        // Times are whole seconds, so what is left of one is lost.
        self.client.settings.datagroup.clock_skew.0 + Duration::from_secs(1)
    }

    async fn refresh(&self) -> Result<()> {
        datagroups::refresh(&self.client, &self.datagroups).await
    }

    async fn totals(&self, table: &TableSpec, by: &GroupBy, columns: &[&str]) -> Result<Option<Vec<GroupTotal>>> {
        let bound = Bound::new(&self.client.settings, table);
        totals::totals(&self.client, &self.explores, bound, by, columns).await
    }

    async fn deliver(&self, what: &What, tag: &str) -> Result<String> {
        let _one = self.sending.lock().await;
        match what {
            What::Plan(plan) => deliveries::deliver(&self.client, plan, tag).await,
            What::Trigger(datagroup) => datagroups::trigger(&self.client, &self.datagroups, datagroup).await,
        }
    }

    async fn find(&self, what: &What, tag: &str, since: DateTime<Utc>) -> Result<Option<Sent>> {
        match what {
            What::Plan(plan) => deliveries::find(&self.client, plan, tag, since).await,
            What::Trigger(datagroup) => datagroups::find(&self.client, &self.datagroups, datagroup, since).await,
        }
    }

    async fn progress(&self, what: &What, reference: &str, since: DateTime<Utc>) -> Result<Progress> {
        match what {
            What::Plan(_) => deliveries::progress(&self.client, reference, since).await,
            What::Trigger(datagroup) => datagroups::progress(&self.client, datagroup, reference).await,
        }
    }

    async fn close(&self) {
        self.client.close().await;
    }
}
