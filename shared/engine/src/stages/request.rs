//! What a person asks for by hand, turned into runs and deliveries.

use super::{Context, deliver, start};
use crate::config::nearest;
use crate::error::{Error, Result};
use crate::model::delivery::Delivery;
use crate::model::id::{BatchId, IntegrationId, RunId, SyncId, TenantId};
use crate::model::message::Reason;
use crate::model::request::{ReplayRequest, Replayed, ReplayedRun};
use crate::model::window::{Replay, Selection};

/// Does what the request asks for. `integrations` are those that are looked through for the sync it names.
///
/// # Errors
/// Stops when it asks for nothing, for two things, or for something that is not known.
pub async fn replay(context: &Context, request: &ReplayRequest, integrations: &[IntegrationId]) -> Result<Replayed> {
    if let Some(delivery) = &request.delivery {
        one_thing(request)?;
        let known = context.store.delivery(delivery).await?;
        let is_theirs = |known: &Delivery| known.tenant == request.tenant && integrations.contains(&known.integration);
        if !known.as_ref().is_some_and(is_theirs) {
            let tenant = &request.tenant;
            return Err(Error::stop(format!(
                "delivery `{delivery}` of {tenant} is not known: `status` lists the newest"
            )));
        }
        let delivery = deliver::replay(context, delivery, request.may_arrive_twice).await?;
        return Ok(Replayed { delivery: Some(delivery.id), runs: Vec::new() });
    }
    let mut replayed = Replayed::default();
    for (sync, selection) in selections(context, request, integrations).await? {
        let started = start::start(context, &sync, Reason::Replay, selection).await?;
        replayed.runs.push(ReplayedRun { sync: sync.to_string(), run: started.run });
    }
    Ok(replayed)
}

/// The runs that a request asks for, sync by sync.
///
/// # Errors
/// As [`replay`].
pub async fn selections(
    context: &Context,
    request: &ReplayRequest,
    integrations: &[IntegrationId],
) -> Result<Vec<(SyncId, Selection)>> {
    one_thing(request)?;
    if let Some(run) = &request.run {
        let sync = sync_of(context, request, run).await?;
        return Ok(vec![(sync, Selection::Replay(Replay::Run(run.clone())))]);
    }
    if let Some(batch) = &request.batch {
        let batch: BatchId = batch.parse()?;
        let sync = sync_of(context, request, &batch.run).await?;
        return Ok(vec![(sync, Selection::Replay(Replay::Batch(batch)))]);
    }
    let named = match &request.sync {
        Some(name) => Some(sync_named(context, &request.tenant, name, integrations)?),
        None => None,
    };
    if request.rejects {
        let syncs = named.map_or_else(|| all(context, &request.tenant, integrations), |sync| Ok(vec![sync]))?;
        let mut selections = Vec::new();
        for sync in syncs {
            if context.store.held_count(&sync).await?.0 > 0 {
                selections.push((sync, Selection::Replay(Replay::Rejects { run: None })));
            }
        }
        return Ok(selections);
    }
    let sync = named.ok_or_else(|| Error::stop("`keys` and `from` belong to one sync: name it as `sync`"))?;
    let selection = match request.from {
        Some(from) if request.to.is_some_and(|to| to < from) => return Err(Error::stop("`to` is before `from`")),
        Some(from) => Selection::Dates { from, to: request.to },
        None => {
            let plan = context.plans.plan(&sync)?;
            for key in &request.keys {
                plan.mapping.source_key(key)?;
            }
            Selection::Keys(request.keys.clone())
        }
    };
    Ok(vec![(sync, selection)])
}

/// Exactly one thing is asked for.
fn one_thing(request: &ReplayRequest) -> Result<()> {
    let asked = [
        request.run.is_some(),
        request.batch.is_some(),
        !request.keys.is_empty(),
        request.from.is_some(),
        request.rejects,
        request.delivery.is_some(),
    ];
    match asked.into_iter().filter(|asked| *asked).count() {
        1 => Ok(()),
        n => Err(Error::stop(format!(
            "the request names {}: name one of `run`, `batch`, `keys`, `from`, `rejects` and `delivery`",
            if n == 0 { "nothing to replay" } else { "several things" }
        ))),
    }
}

/// The sync of a run, which has to be the tenant's.
async fn sync_of(context: &Context, request: &ReplayRequest, run: &RunId) -> Result<SyncId> {
    let known = context.store.run(run).await?.filter(|known| known.sync.tenant == request.tenant);
    known.map(|known| known.sync).ok_or_else(|| Error::stop(format!("run `{run}` of {} is not known", request.tenant)))
}

fn all(context: &Context, tenant: &TenantId, integrations: &[IntegrationId]) -> Result<Vec<SyncId>> {
    let mut syncs = Vec::new();
    for integration in integrations {
        syncs.extend(context.plans.syncs(tenant, integration)?);
    }
    Ok(syncs)
}

/// The sync of a tenant with this name, `stream` or `integration/stream`, among those that are switched on.
///
/// # Errors
/// Stops when there is none, with the nearest name there is, or when several integrations have one.
pub fn sync_named(context: &Context, tenant: &TenantId, name: &str, integrations: &[IntegrationId]) -> Result<SyncId> {
    let known = all(context, tenant, integrations)?;
    let is_named = |sync: &&SyncId| sync.stream == name || format!("{}/{}", sync.integration, sync.stream) == name;
    let mut found = known.iter().filter(is_named);
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only.clone()),
        (Some(_), Some(_)) => {
            Err(Error::stop(format!("several integrations have a sync `{name}`: name it as integration/{name}")))
        }
        (None, _) => {
            let hint = nearest(name, known.iter().map(|sync| sync.stream.as_str()));
            Err(Error::stop(format!("{tenant} has no sync `{name}` that is switched on{hint}")))
        }
    }
}
