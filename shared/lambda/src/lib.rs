//! What the Lambda functions have in common: the context that is built once, the records of a queue, logs and metrics.
//!
//! A function's own `main.rs` says which of [`Function`]'s works it does, and nothing else.

mod check;
mod configuration;
mod emf;
mod error;
mod logs;
mod reconcile;
mod records;
mod replay;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use backend_aws::{Aws, Settings};
use chrono::{DateTime, Utc};
use engine::config::ConfiguredPlans;
use engine::model::id::{IntegrationId, SyncId, TenantId};
use engine::plan::Plans;
use engine::ports::SystemClock;
use engine::stages::{Context, Limits, sync_named};
use engine::{Error, Result};
use lambda_runtime::{LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tenants::Tenant;

pub use check::{CheckRequest, CheckedConnection};
pub use configuration::LOOK_AGAIN;
pub use error::Failure;
pub use reconcile::{ReconcileRequest, Reconciled, Request};
pub use records::{Answer, Event};
pub use replay::{Replay, ReplayAnswer, WouldRun};

use configuration::Source;

/// The variable that names the integration this function works for.
const INTEGRATION: &str = "ML_CONNECTOR_INTEGRATION";

/// A function's context, built once when its environment starts. Cheap to clone.
#[derive(Clone)]
pub struct Function {
    context: Context,
    aws: Aws,
    integration: IntegrationId,
    plans: Arc<ConfiguredPlans>,
    tenants: Arc<Vec<TenantId>>,
}

impl Function {
    fn new(aws: Aws, integration: IntegrationId, tenants: &[Tenant]) -> Self {
        let clock = Arc::new(SystemClock::new());
        let vault = |tenant: &TenantId| Arc::new(aws.vault().of_tenant(tenant)) as _;
        let (plans, registry) = tenants::together(tenants, vault, clock.clone());
        let plans = Arc::new(plans);
        let context = Context {
            queue: Arc::new(aws.clone()),
            store: Arc::new(aws.clone()),
            connectors: Arc::new(registry),
            plans: plans.clone(),
            clock: clock.clone(),
            ids: clock,
            limits: Limits::default(),
        };
        let tenants = Arc::new(tenants.iter().map(|tenant| tenant.file.id.clone()).collect());
        Self { context, aws, integration, plans, tenants }
    }

    /// This function for an invocation that is ended at `deadline`. Of a short one no more than a quarter is kept back for
    /// what comes after reading: it would do nothing else.
    fn until(mut self, deadline: DateTime<Utc>) -> Self {
        let left = (deadline - self.context.clock.now()).to_std().unwrap_or_default();
        let reserve = &mut self.context.limits.reserve;
        *reserve = (*reserve).min(left / 4);
        self
    }

    /// The integrations of a tenant that this function works for: its own, where the tenant has switched it on.
    fn integrations(&self, tenant: &TenantId) -> Result<Vec<IntegrationId>> {
        if !self.tenants.contains(tenant) {
            let known: Vec<_> = self.tenants.iter().map(TenantId::as_str).collect();
            let known =
                if known.is_empty() { "nobody is".to_owned() } else { format!("configured are {}", known.join(", ")) };
            return Err(Error::stop(format!(
                "tenant `{tenant}` is not configured here; {known}: add its file to infra/tenants and deploy, or \
                 push it where tenant files are in the table"
            )));
        }
        self.plans.syncs(tenant, &self.integration)?;
        Ok(vec![self.integration.clone()])
    }

    /// The syncs of a tenant that are switched on here, or the one of this name.
    fn syncs(&self, tenant: &TenantId, named: Option<&str>) -> Result<Vec<SyncId>> {
        match named {
            None => self.plans.syncs(tenant, &self.integration),
            Some(name) => Ok(vec![sync_named(&self.context, tenant, name, std::slice::from_ref(&self.integration))?]),
        }
    }
}

/// Serves events until the platform ends the process. `work` is done for each, over the function's context.
///
/// # Errors
/// When the context cannot be built, in words in the log, and when the platform cannot be reached.
pub async fn serve<E, R, F>(work: impl Fn(Function, E, DateTime<Utc>) -> F) -> Result<(), lambda_runtime::Error>
where
    E: DeserializeOwned + Send + 'static,
    R: Serialize + Send,
    F: Future<Output = Result<R>>,
{
    logs::start();
    let source = start().await.inspect_err(|failure| tracing::error!(reason = %failure, "cannot start"))?;
    let (source, work) = (&source, &work);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<E>| async move {
        let deadline = deadline(&event);
        let function = source.function().await.until(deadline);
        work(function, event.payload, deadline).await.map_err(Failure)
    }))
    .await
}

/// Reads settings and tenant files and builds every client.
async fn start() -> Result<Source> {
    let aws = Aws::new(&backend_aws::configuration_of_function(), Settings::from_environment()?);
    let integration = IntegrationId::new(variable(INTEGRATION)?);
    Source::open(std::env::var(configuration::FOLDER).ok(), aws, integration).await
}

/// When the platform ends this invocation.
fn deadline<E>(event: &LambdaEvent<E>) -> DateTime<Utc> {
    let millis = i64::try_from(event.context.deadline).unwrap_or(i64::MAX);
    DateTime::from_timestamp_millis(millis).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn variable(name: &str) -> Result<String> {
    std::env::var(name).map_err(|_| Error::stop(format!("the environment has no {name}: the template sets it")))
}
