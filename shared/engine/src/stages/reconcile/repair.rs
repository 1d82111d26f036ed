//! Mends what a comparison found: records are read again by the ordinary way, records that are gone are marked deleted.

use super::verdict::Verdict;
use super::{Comparison, Session};
use crate::error::Result;
use crate::model::audit::{AuditBatch, AuditEntry, Outcome, Settled};
use crate::model::batch::Version;
use crate::model::id::{BatchId, RecordKey, SyncId};
use crate::model::reconcile::{Mend, Reconciliation};
use crate::model::window::{Selection, Window};
use crate::stages::Context;
use crate::stages::close::deletes_allowed;

/// Records that are read again by one run.
const KEYS_PER_RUN: usize = 500;

/// What a repair still needs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Repair {
    /// The runs that read the records again.
    pub runs: Vec<Selection>,
    /// What was not done and why, in words.
    pub notes: Vec<String>,
}

/// Does what needs no run, and says which runs do the rest. Nothing is marked deleted that the source still has, and never
/// more than a full run would mark, unless a person has accepted it.
///
/// # Errors
/// As a poll and a load.
pub async fn repair(context: &Context, sync: &SyncId, result: &Reconciliation, accept_deletes: bool) -> Result<Repair> {
    let plan = context.plans.plan(sync)?;
    let session = Session::open(context, &sync.tenant, &plan.source, "reconcile").await?;
    let repaired = async {
        let comparison = Comparison::new(context, &plan, &session).await?;
        comparison.permit().await?;
        comparison.repair(result, accept_deletes).await
    }
    .await;
    session.close(context, &repaired).await;
    repaired
}

/// Looks once more at the records that were to be mended and notes of each whether it was. Differences that nobody mends
/// are left as they are.
///
/// # Errors
/// As a poll and a load.
pub async fn review(context: &Context, sync: &SyncId, result: &mut Reconciliation) -> Result<()> {
    let plan = context.plans.plan(sync)?;
    let session = Session::open(context, &sync.tenant, &plan.source, "reconcile").await?;
    let reviewed = async {
        let comparison = Comparison::new(context, &plan, &session).await?;
        comparison.permit().await?;
        comparison.review(result).await
    }
    .await;
    session.close(context, &reviewed).await;
    reviewed
}

impl Comparison<'_> {
    async fn repair(&self, result: &Reconciliation, accept_deletes: bool) -> Result<Repair> {
        let of = |mend: Mend| -> Vec<RecordKey> {
            let meant = result.differences.iter().filter(|difference| difference.mend == mend);
            meant.map(|difference| difference.key.clone()).collect()
        };
        let (rewrite, read) = (of(Mend::Rewrite), of(Mend::Read));
        let mut repair = Repair::default();
        if !rewrite.is_empty() {
            self.destination.forget(&self.plan.table, &self.plan.id, &rewrite).await?;
        }
        let again: Vec<RecordKey> = rewrite.into_iter().chain(read).collect();
        repair.runs = again.chunks(KEYS_PER_RUN).map(|keys| Selection::Keys(keys.to_vec())).collect();
        let (gone, mut released) = (of(Mend::MarkDeleted), of(Mend::Release));
        self.mark_deleted(&gone, accept_deletes, &mut repair).await?;
        // What is gone may have been held too.
        released.extend(gone);
        self.release(&released).await?;
        Ok(repair)
    }

    /// Marks deleted what the source, asked once more, still does not have.
    async fn mark_deleted(&self, keys: &[RecordKey], accept_deletes: bool, repair: &mut Repair) -> Result<()> {
        let mut gone = Vec::new();
        for examined in self.examine(keys, None).await? {
            if matches!(&examined.verdict, Verdict::Differs(difference) if difference.mend == Mend::MarkDeleted) {
                gone.push(examined.key);
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        let source = match self.capabilities.counts {
            true => self.session.source.count(&self.plan.stream, Window::default()).await?,
            false => self.destination.count_standing(&self.plan.table, &self.plan.id).await?,
        };
        let allowed = deletes_allowed(source);
        if gone.len() as u64 > allowed && !accept_deletes {
            repair.notes.push(format!(
                "{} records are no longer at the source, more than the {allowed} that are marked deleted without asking: \
                 look at them, then repeat this with --accept-deletes",
                gone.len()
            ));
            return Ok(());
        }
        // Later than all that any run has read so far, earlier than the next.
        let state = self.context.store.sync(&self.plan.id).await?;
        let before = Version(Version::start_of(state.epoch + 1).0 - 1);
        let marked = self.destination.mark_deleted(&self.plan.table, &self.plan.id, before, &gone).await?;
        if marked.is_empty() {
            return Ok(());
        }
        let entry = |key| AuditEntry {
            key,
            outcome: Outcome::Deleted,
            detail: Some("no longer at the source, found by reconcile".to_owned()),
        };
        let audit = AuditBatch {
            sync: self.plan.id.clone(),
            batch: BatchId { run: self.context.ids.run_id(), seq: 0 },
            part: 0,
            at: self.context.clock.now(),
            mapping: state.mapping.number,
            version: before.0,
            entries: marked.into_iter().map(entry).collect(),
        };
        self.context.store.write_audit(&audit).await
    }

    /// Releases the holds on records that neither side has, asked once more.
    async fn release(&self, keys: &[RecordKey]) -> Result<()> {
        let held = self.held_among(keys).await?;
        let mut settled = Vec::new();
        for examined in self.examine(keys, None).await? {
            let is_gone = matches!(&examined.verdict, Verdict::Differs(difference) if difference.mend == Mend::Release);
            if let Some(record) = held.get(&examined.key).filter(|_| is_gone) {
                let (version, run) = (record.held.version, record.held.batch.run.clone());
                settled.push(Settled { key: examined.key, version, run });
            }
        }
        match settled.is_empty() {
            true => Ok(()),
            false => self.context.store.settle(&self.plan.id, &settled).await,
        }
    }

    async fn review(&self, result: &mut Reconciliation) -> Result<()> {
        let tried: Vec<RecordKey> = result
            .differences
            .iter()
            .filter(|difference| difference.mend != Mend::Nobody)
            .map(|difference| difference.key.clone())
            .collect();
        let mut now: std::collections::HashMap<RecordKey, Verdict> = std::collections::HashMap::new();
        for keys in tried.chunks(KEYS_PER_RUN) {
            self.permit().await?;
            let examined = self.examine(keys, None).await?;
            now.extend(examined.into_iter().map(|examined| (examined.key, examined.verdict)));
        }
        for difference in &mut result.differences {
            let why = match (difference.mend, now.get(&difference.key)) {
                (Mend::Nobody, _) => Some("only a person can decide what becomes of it".to_owned()),
                (_, Some(Verdict::Differs(again))) => Some(again.detail.clone()),
                (_, Some(Verdict::Agrees | Verdict::Held)) => None,
                (_, None) => Some("it was not looked at again".to_owned()),
            };
            difference.repaired = Some(why.is_none());
            difference.not_repaired = why;
        }
        Ok(())
    }
}
