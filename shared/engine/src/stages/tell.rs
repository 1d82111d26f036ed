//! Telling whoever reads a table that it has changed, and whether what they see is what was loaded.
//!
//! It is work of its own and no step of closing: a consumer that is down is asked again for a while and blocks nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::session::Conversation;
use super::{Context, deliver};
use crate::error::Result;
use crate::model::decimal::Decimal;
use crate::model::id::{RunId, SyncId};
use crate::model::message::{Message, Task};
use crate::model::run::Run;
use crate::model::totals::{GroupBy, GroupTotal};
use crate::plan::SyncPlan;
use crate::ports::Consumer;

/// Groups that differ are named up to this many.
const NAMED: usize = 3;

/// Asks for a consumer to be told of a run, where there is one.
pub(super) async fn ask(context: &Context, run: &Run) -> Result<()> {
    if context.plans.consumer(&run.sync.tenant, &run.sync.integration)?.is_none() {
        return Ok(());
    }
    if !run.selection.moves_watermark() && !wrote_anything(run) {
        return Ok(());
    }
    // What goes back to the source changes no table that anybody reads.
    if context.plans.plan(&run.sync)?.reverse {
        return Ok(());
    }
    let task = Task::Tell { sync: run.sync.clone(), run: run.id.clone() };
    context.queue.send(&Message::new(task), std::time::Duration::ZERO).await
}

fn wrote_anything(run: &Run) -> bool {
    run.counts.inserted + run.counts.updated + run.counts.deleted + run.swept > 0
}

/// Tells the consumer, compares what it sees, and lets the deliveries go that waited for this run.
pub(super) async fn tell(context: &Context, sync: &SyncId, run: &RunId) -> Result<()> {
    let (Some(run), Some(told)) =
        (context.store.run(run).await?, context.plans.consumer(&sync.tenant, &sync.integration)?)
    else {
        return Ok(());
    };
    let plan = context.plans.plan(sync)?;
    let conversation = Conversation::open(context, &sync.tenant, &told.connection, run.id.as_str()).await?;
    let seen = async {
        let consumer = conversation.consumer.as_ref();
        consumer.prepare().await?;
        consumer.changed(&plan.table).await?;
        match run.selection.moves_watermark() {
            true => differences(context, &plan, consumer).await,
            false => Ok(None),
        }
    }
    .await;
    conversation.close(context, &seen).await;
    let differences = seen?;
    if let Some(differences) = &differences {
        warn(context, &run.id, &format!("{} shows other figures: {differences}", told.connection)).await?;
    }
    let agrees = run.proof.as_ref().is_none_or(|proof| proof.agrees) && run.counts.balanced();
    match run.selection.moves_watermark() {
        true if agrees && differences.is_none() => deliver::completed(context, &told, &run).await?,
        true => deliver::not_complete(context, &told, &run).await?,
        false => {}
    }
    deliver::overdue(context, &told, sync).await
}

/// Adds a warning to a run that may have ended.
pub(super) async fn warn(context: &Context, run: &RunId, warning: &str) -> Result<()> {
    let add = &mut |run: &mut Run| {
        if !run.warnings.iter().any(|known| known == warning) {
            run.warnings.push(warning.to_owned());
        }
    };
    context.store.update_run(run, add).await.map(|_| ())
}

/// What the consumer sees otherwise than the destination, in words. Looked at twice, because a run that loads meanwhile
/// changes both.
async fn differences(context: &Context, plan: &SyncPlan, consumer: &dyn Consumer) -> Result<Option<String>> {
    Ok(match compare(context, plan, consumer).await? {
        None => None,
        Some(_) => compare(context, plan, consumer).await?,
    })
}

async fn compare(context: &Context, plan: &SyncPlan, consumer: &dyn Consumer) -> Result<Option<String>> {
    let by = plan.control.month.clone().map_or(GroupBy::All, GroupBy::Month);
    let columns: Vec<&str> = plan.totals.iter().map(|(_, column)| column.as_str()).collect();
    let Some(theirs) = consumer.totals(&plan.table, &by, &columns).await? else { return Ok(None) };
    let destination = context.connectors.destination(&plan.id.tenant, &plan.destination).await?;
    let ours = destination.control_totals(&plan.table, &plan.id, &by, &columns).await?;
    Ok(difference(&columns, &ours, &theirs))
}

/// Where two systems differ, in words: group by group, count and sum by sum.
fn difference(columns: &[&str], ours: &[GroupTotal], theirs: &[GroupTotal]) -> Option<String> {
    type Side<'a> = BTreeMap<Option<&'a str>, &'a GroupTotal>;
    let by_group = |side: &'static str, totals| -> (&'static str, Side<'_>) {
        let totals: &[GroupTotal] = totals;
        (side, totals.iter().map(|total| (total.group.as_deref(), total)).collect())
    };
    let ((_, ours), (_, theirs)) = (by_group("loaded", ours), by_group("shown", theirs));
    let groups: BTreeSet<_> = ours.keys().chain(theirs.keys()).copied().collect();
    let sum = |total: Option<&&GroupTotal>, i: usize| {
        let sum = total.and_then(|total| total.sums.get(i).copied().flatten());
        sum.unwrap_or(Decimal::new(0, 0)).normalized()
    };
    let mut found = Vec::new();
    for group in groups {
        let (own, their) = (ours.get(&group), theirs.get(&group));
        let mut words = Vec::new();
        let records = [own, their].map(|total| total.map_or(0, |total| total.records));
        if records[0] != records[1] {
            words.push(format!("{} records loaded, {} shown", records[0], records[1]));
        }
        for (i, column) in columns.iter().enumerate() {
            let sums = [sum(own, i), sum(their, i)];
            if sums[0] != sums[1] {
                words.push(format!("{column} {} loaded, {} shown", sums[0], sums[1]));
            }
        }
        if !words.is_empty() {
            let place = group.map_or_else(String::new, |group| format!("{group}: "));
            found.push(format!("{place}{}", words.join(", ")));
        }
    }
    if found.is_empty() {
        return None;
    }
    let more = found.len().saturating_sub(NAMED);
    found.truncate(NAMED);
    let more = if more > 0 { format!("; and {more} more groups") } else { String::new() };
    Some(format!("{}{more}", found.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(group: &str, records: u64, sum: &str) -> GroupTotal {
        GroupTotal { group: Some(group.to_owned()), records, sums: vec![Decimal::parse(sum).ok()] }
    }

    #[test]
    fn figures_agree_whatever_their_scale_and_order() {
        let ours = [total("2026-01", 2, "10.50"), total("2026-02", 1, "-3")];
        let theirs = [total("2026-02", 1, "-3.00"), total("2026-01", 2, "10.5")];
        assert_eq!(difference(&["amount"], &ours, &theirs), None);
    }

    #[test]
    fn what_differs_is_named_with_both_figures() {
        let ours = [total("2026-01", 2, "10.50"), total("2026-02", 1, "1")];
        let theirs = [total("2026-01", 2, "10.51")];
        let words = difference(&["amount"], &ours, &theirs).unwrap();
        assert_eq!(
            words,
            "2026-01: amount 10.5 loaded, 10.51 shown; 2026-02: 1 records loaded, 0 shown, amount 1 loaded, 0 shown"
        );
    }
}
