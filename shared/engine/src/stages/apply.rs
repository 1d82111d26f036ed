//! Applying: a destination that loads files takes many batches at once, when their run closes. What became of their
//! records is known only then, and is written down page by page, from wherever a process that died has come to.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Context;
use super::handle::internal;
use super::load::{Place, measure, remember};
use super::session::BUSY;
use crate::error::Result;
use crate::model::batch::Version;
use crate::model::id::{BatchId, ConnectionId, RecordKey, TenantId};
use crate::model::run::{CloseStep, Run};
use crate::model::sync::SyncState;
use crate::plan::SyncPlan;
use crate::ports::{Applied, Destination, Landed, Settlement, Written};

/// What became of a step of closing.
pub(super) enum Step {
    /// It is done, perhaps with a warning.
    Done(Option<String>),
    /// It goes on with another message, after so long.
    Later(Duration),
}

/// Applies what the run has landed. With `deadline` it stops between two pages in time.
pub(super) async fn apply(
    context: &Context,
    plan: &SyncPlan,
    run: &mut Run,
    deadline: Option<DateTime<Utc>>,
) -> Result<Step> {
    if run.counts.landed == 0 && run.progress.is_none() {
        return Ok(Step::Done(None));
    }
    let destination = context.connectors.destination(&run.sync.tenant, &plan.destination).await?;
    let turn = Turn::of(plan, run, destination.as_ref());
    if !turn.take(context).await? {
        return Ok(Step::Later(BUSY));
    }
    let applied = settle(context, plan, run, destination.as_ref(), deadline).await;
    if !matches!(applied, Ok(Step::Later(_))) {
        turn.give_back(context).await;
    }
    applied
}

async fn settle(
    context: &Context,
    plan: &SyncPlan,
    run: &mut Run,
    destination: &dyn Destination,
    deadline: Option<DateTime<Utc>>,
) -> Result<Step> {
    destination.prepare(&plan.table).await?;
    let held = context.store.held_count(&run.sync).await? != (0, 0);
    let every_row = held || plan.keeps_links;
    loop {
        if deadline.is_some_and(|end| context.clock.now() + context.limits.reserve > end) {
            return Ok(Step::Later(Duration::ZERO));
        }
        keep_lease(context, run).await?;
        let landed = Landed { run: &run.id, sync: &run.sync, every_row };
        let asked_from = run.progress.clone();
        let mut change: Change = match destination.apply(&plan.table, &landed, asked_from.as_deref()).await? {
            Applied::UnderWay { progress, after } => {
                let come_on = &mut |run: &mut Run| run.comes_on(CloseStep::Apply, &progress);
                context.store.update_run(&run.id, come_on).await?;
                return Ok(Step::Later(after));
            }
            Applied::Settled { rows, counts, progress } => {
                write_down(context, plan, run, &rows, held).await?;
                measure(&counts);
                Box::new(move |run| run.settled(asked_from.as_deref(), &counts, &progress))
            }
            Applied::Done => break,
        };
        match context.store.update_run(&run.id, &mut change).await? {
            Some(settled) if settled.state == run.state => *run = settled,
            _ => return Ok(Step::Done(None)),
        }
    }
    match run.counts.landed {
        0 => Ok(Step::Done(None)),
        missing => Err(internal(format!(
            "{missing} of the records that run {} landed are not among what was applied: somebody may have removed its \
             files; the next run reads the same window again",
            run.id
        ))),
    }
}

type Change = Box<dyn FnMut(&mut Run) + Send>;

/// Audit, holds and links of a page of outcomes. Each write is safe to repeat.
async fn write_down(context: &Context, plan: &SyncPlan, run: &Run, rows: &[Settlement], any_held: bool) -> Result<()> {
    // Batches of a replay have the versions of what they replay, so a place is more than its batch.
    let mut places: BTreeMap<(u32, Version, u32), Vec<&Settlement>> = BTreeMap::new();
    for row in rows {
        places.entry((row.seq, row.version, row.mapping)).or_default().push(row);
    }
    for ((seq, version, mapping), rows) in places {
        let records: Vec<_> = rows.iter().map(|row| (row.key.clone(), row.row)).collect();
        let written: Vec<Written> = rows.iter().map(|row| row.outcome.into()).collect();
        let keys: Vec<RecordKey> = records.iter().map(|(key, _)| key.clone()).collect();
        let held_before = match any_held {
            true => context.store.held_among(&run.sync, &keys).await?,
            false => Vec::new(),
        };
        let place = Place {
            sync: &run.sync,
            batch: BatchId { run: run.id.clone(), seq },
            // The first part is what was known when the batch landed.
            part: run.settled_pages + 1,
            mapping,
            version,
            keeps_links: plan.keeps_links,
        };
        remember(context, &place, &records, &written, &held_before).await?;
    }
    Ok(())
}

/// Applying may take longer than the lease: nobody else reads the same window meanwhile.
async fn keep_lease(context: &Context, run: &Run) -> Result<()> {
    let (id, until) = (&run.id, context.lease_until());
    let renew = &mut |state: &mut SyncState| {
        state.renew(id, until);
    };
    context.store.update_sync(&run.sync, renew).await.map(|_| ())
}

/// The right to apply: one run at a time per table, and not more at once than the connection bears. It expires by
/// itself, should its holder die.
struct Turn {
    tenant: TenantId,
    /// Each connection with how many may hold it at once; a table of a connection counts as one.
    places: Vec<(ConnectionId, u32)>,
    holder: String,
}

impl Turn {
    fn of(plan: &SyncPlan, run: &Run, destination: &dyn Destination) -> Self {
        let table = ConnectionId::new(format!("{}/{}", plan.destination, plan.table.name));
        let mut places = vec![(table, 1)];
        places.extend(destination.capabilities().applies_at_once.map(|limit| (plan.destination.clone(), limit)));
        Self { tenant: run.sync.tenant.clone(), places, holder: run.id.to_string() }
    }

    /// Takes it, or renews it.
    async fn take(&self, context: &Context) -> Result<bool> {
        let (now, until) = (context.clock.now(), context.lease_until());
        for (connection, limit) in &self.places {
            if !context.store.permit(&self.tenant, connection, &self.holder, *limit, now, until).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn give_back(&self, context: &Context) {
        for (connection, _) in &self.places {
            if let Err(failure) = context.store.release_permit(&self.tenant, connection, &self.holder).await {
                tracing::warn!(%connection, reason = %failure, "a permit was not given back; it will expire");
            }
        }
    }
}
