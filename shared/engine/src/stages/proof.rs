//! The short proof at the end of a run: the source equals the destination plus what is named as rejected or waiting.

use super::Context;
use super::close::all_held;
use super::reconcile::visit_held;
use super::session::Session;
use crate::error::Result;
use crate::model::audit::Held;
use crate::model::decimal::Decimal;
use crate::model::run::{Proof, Run};
use crate::model::window::Window;
use crate::plan::SyncPlan;

/// What the source says about the whole stream.
struct SourceSide {
    records: Option<u64>,
    sums: Vec<Option<Decimal>>,
}

/// Compares counts, and the sums of the amounts that the blueprint declares.
pub(super) async fn prove(context: &Context, plan: &SyncPlan, run: &Run) -> Result<Proof> {
    let source = source_side(context, plan, run).await?;
    let held = all_held(context, &plan.id).await?;
    let except: Vec<String> = held.iter().map(|held| held.key.as_str().to_owned()).collect();
    let columns: Vec<&str> = plan.totals.iter().map(|(_, column)| column.as_str()).collect();
    let destination = context.connectors.destination(&run.sync.tenant, &plan.destination).await?;
    destination.prepare(&plan.table).await?;
    let there = destination.totals(&plan.table, &run.sync, &columns, &except).await?;

    let filtered = plan.mapping.leaves_rows_out();
    let mut notes = Vec::new();
    let mut agrees = true;
    match source.records {
        _ if filtered => notes.push("the sync leaves records out by its own condition: counts are not compared".into()),
        None => notes.push("the source does not count".to_owned()),
        Some(records) => {
            let accounted = there.records + held.len() as u64;
            agrees &= records == accounted;
            notes.push(format!("{records} at the source, {accounted} accounted for"));
        }
    }
    let held_sums = if filtered { None } else { sums_of_held(context, plan, &held).await? };
    for (i, (_, column)) in plan.totals.iter().enumerate() {
        let (Some(Some(ours)), Some(held_sums)) = (source.sums.get(i), &held_sums) else { continue };
        let zero = Decimal::new(0, 0);
        let loaded = there.sums.get(i).copied().flatten().unwrap_or(zero);
        let accounted = loaded.plus(held_sums.get(i).copied().unwrap_or(zero))?;
        let same = ours.normalized() == accounted.normalized();
        agrees &= same;
        notes.push(if same {
            format!("{column} {ours} on both sides")
        } else {
            format!("{column}: {ours} at the source, {accounted} accounted for")
        });
    }
    let waiting = held.iter().filter(|held| held.is_waiting()).count() as u64;
    Ok(Proof {
        agrees,
        source: source.records,
        destination: there.records,
        rejected: held.len() as u64 - waiting,
        waiting,
        note: notes.join("; "),
    })
}

async fn source_side(context: &Context, plan: &SyncPlan, run: &Run) -> Result<SourceSide> {
    let session = Session::open(context, &run.sync.tenant, &plan.source, run.id.as_str()).await?;
    let side = async {
        let capabilities = session.source.capabilities(&plan.stream);
        session.permit(context, capabilities.sessions).await?;
        let records = match capabilities.counts {
            true => Some(session.source.count(&plan.stream, Window::default()).await?),
            false => None,
        };
        let mut sums = Vec::new();
        for (column, _) in &plan.totals {
            sums.push(match capabilities.totals {
                true => Some(session.source.total(&plan.stream, Window::default(), column).await?),
                false => None,
            });
        }
        Ok(SourceSide { records, sums })
    }
    .await;
    session.close(context, &side).await;
    side
}

/// What the held records would add to each sum, read from their archived rows; `None` when that cannot be told.
async fn sums_of_held(context: &Context, plan: &SyncPlan, held: &[Held]) -> Result<Option<Vec<Decimal>>> {
    let mut sums = vec![Decimal::new(0, 0); plan.totals.len()];
    if plan.totals.is_empty() {
        return Ok(Some(sums));
    }
    let mut is_told = true;
    let missing = visit_held(context, held, |_, rows, cells| {
        for (sum, (column, _)) in sums.iter_mut().zip(&plan.totals) {
            let cell = rows.column(column).and_then(|i| cells.get(i));
            match cell.and_then(|cell| Decimal::parse(cell.to_text().trim()).ok()) {
                Some(amount) => *sum = sum.plus(amount)?,
                None => is_told = false,
            }
        }
        Ok(())
    })
    .await?;
    Ok((is_told && missing == 0).then_some(sums))
}
