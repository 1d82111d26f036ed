//! Whether a connection can do what the syncs need of it.

use super::Context;
use crate::error::Result;
use crate::model::delivery::What;
use crate::model::id::{ConnectionId, SyncId, TenantId};
use crate::model::table::TableSpec;
use crate::ports::Finding;

/// Tries everything that these syncs of the tenant need of a connection. What does not work is a finding that says what
/// an administrator must do.
///
/// # Errors
/// Stops when a sync is not configured, and as the store.
pub async fn check(
    context: &Context,
    tenant: &TenantId,
    connection: &ConnectionId,
    syncs: &[SyncId],
) -> Result<Vec<Finding>> {
    let plans = syncs.iter().map(|sync| context.plans.plan(sync)).collect::<Result<Vec<_>>>()?;
    if let Ok(fingerprint) = context.connectors.secret_fingerprint(tenant, connection).await
        && let Some(why) = context.store.connection_stopped(tenant, connection, &fingerprint).await?
    {
        let what_to_do = "set the right secret, then let it try again with `ml-connector check --restart`";
        return Ok(vec![Finding::bad("stopped", format!("{why}; {what_to_do}"))]);
    }
    let mut findings = Vec::new();
    let streams: Vec<_> = plans.iter().filter(|plan| plan.source == *connection).map(|plan| &plan.stream).collect();
    let tables: Vec<_> = plans.iter().filter(|plan| plan.destination == *connection).map(|plan| &plan.table).collect();
    let (mut told, mut deliveries): (Vec<&TableSpec>, Vec<What>) = (Vec::new(), Vec::new());
    for plan in &plans {
        let consumer = context.plans.consumer(&plan.id.tenant, &plan.id.integration)?;
        let Some(consumer) = consumer.filter(|consumer| consumer.connection == *connection) else { continue };
        told.push(&plan.table);
        for delivery in &consumer.deliveries {
            if !deliveries.contains(&delivery.what) {
                deliveries.push(delivery.what.clone());
            }
        }
    }
    let cannot_be_opened = |failure: crate::Error| Finding::bad("settings", failure.to_string());
    if !streams.is_empty() {
        match context.connectors.source(tenant, connection).await {
            Ok(source) => {
                findings.extend(source.check(&streams).await);
                source.close().await;
            }
            Err(failure) => findings.push(cannot_be_opened(failure)),
        }
    }
    if !tables.is_empty() {
        match context.connectors.destination(tenant, connection).await {
            Ok(destination) => findings.extend(destination.check(&tables).await),
            Err(failure) => findings.push(cannot_be_opened(failure)),
        }
    }
    if !told.is_empty() {
        match context.connectors.consumer(tenant, connection).await {
            Ok(consumer) => {
                findings.extend(consumer.check(&told, &deliveries.iter().collect::<Vec<_>>()).await);
                consumer.close().await;
            }
            Err(failure) => findings.push(cannot_be_opened(failure)),
        }
    }
    if streams.is_empty() && tables.is_empty() && told.is_empty() {
        findings.push(Finding::good("unused", "no sync that is switched on reads it, writes it or tells it anything"));
    }
    Ok(findings)
}
