//! `reconcile` by the function of that name.

use chrono::{DateTime, NaiveDate, Utc};
use engine::model::id::{RunId, SyncId};
use engine::model::reconcile::{Cause, ComparedTotals, Difference, Mend, Reconciliation, TotalDifference};
use engine::{Error, Result};
use lambda::ReconcileRequest;
use serde::Deserialize;

use super::Deployed;

/// A [`lambda::Reconciled`] that came by wire.
#[derive(Debug, Deserialize)]
struct Answered {
    sync: SyncId,
    at: DateTime<Utc>,
    window: Option<(NaiveDate, Option<NaiveDate>)>,
    complete_up_to: Option<DateTime<Utc>>,
    source: Option<u64>,
    destination: u64,
    rejected: u64,
    waiting: u64,
    compared: Option<u64>,
    agrees: bool,
    totals: Vec<ComparedTotals>,
    total_differences: Vec<TotalDifference>,
    differences: Vec<Difference>,
    is_cut: bool,
    notes: Vec<String>,
    repairs: Vec<RunId>,
    #[serde(default)]
    repair_notes: Vec<String>,
}

/// What was found of a sync, and what is done about it.
#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) result: Reconciliation,
    /// The runs that mend it.
    pub(crate) repairs: Vec<(SyncId, RunId)>,
    /// What the repair did not do, and why.
    pub(crate) notes: Vec<String>,
}

impl From<Answered> for Compared {
    fn from(answered: Answered) -> Self {
        let sync = answered.sync;
        let repairs = answered.repairs.into_iter().map(|run| (sync.clone(), run)).collect();
        let result = Reconciliation {
            sync,
            at: answered.at,
            window: answered.window,
            complete_up_to: answered.complete_up_to,
            source: answered.source,
            destination: answered.destination,
            rejected: answered.rejected,
            waiting: answered.waiting,
            compared: answered.compared,
            agrees: answered.agrees,
            totals: answered.totals,
            total_differences: answered.total_differences,
            differences: answered.differences,
            is_cut: answered.is_cut,
            notes: answered.notes,
        };
        Self { result, repairs, notes: answered.repair_notes }
    }
}

/// Has a sync compared. Each sync is a call of its own: a function has a quarter of an hour, and an answer 6 MB.
///
/// # Errors
/// When the function cannot compare it, or may not be invoked.
pub(crate) async fn compare(deployed: &Deployed, sync: &SyncId, request: &ReconcileRequest) -> Result<Compared> {
    let function = deployed.instance(&sync.integration)?.reconcile();
    let answered: Vec<Answered> = deployed.functions.invoke(&function, request).await?;
    let one = answered.into_iter().find(|answered| answered.sync == *sync);
    one.map(Compared::from).ok_or_else(|| Error::stop(format!("function reconcile did not answer for {sync}")))
}

/// What was found at first, with what a second comparison after the repair says of each difference.
pub(crate) fn reviewed(mut first: Reconciliation, again: &Reconciliation) -> Reconciliation {
    for difference in &mut first.differences {
        let still = again.differences.iter().find(|still| still.key == difference.key);
        let why = match (difference.mend, still) {
            (Mend::Nobody, _) => Some("only a person can decide what becomes of it".to_owned()),
            (_, Some(still)) if matches!(still.cause, Cause::Rejected | Cause::Waiting) => None,
            (_, Some(still)) => Some(still.detail.clone()),
            (_, None) if again.is_cut => Some("the second comparison stopped before it".to_owned()),
            (_, None) => None,
        };
        difference.repaired = Some(why.is_none());
        difference.not_repaired = why;
    }
    first
}

#[cfg(test)]
mod tests {
    use engine::model::id::RecordKey;
    use serde_json::json;

    use super::*;

    fn found(keys: &[&str]) -> Reconciliation {
        let difference = |key: &&str| Difference {
            key: RecordKey::new(*key),
            cause: Cause::Changed,
            detail: "somebody else changed it".to_owned(),
            fields: Vec::new(),
            mend: Mend::Rewrite,
            repaired: None,
            not_repaired: None,
        };
        Reconciliation {
            sync: "acme/jde-looker/suppliers".parse().unwrap(),
            at: DateTime::UNIX_EPOCH,
            window: None,
            complete_up_to: None,
            source: Some(3),
            destination: 3,
            rejected: 0,
            waiting: 0,
            compared: Some(3),
            agrees: keys.is_empty(),
            totals: Vec::new(),
            total_differences: Vec::new(),
            differences: keys.iter().map(difference).collect(),
            is_cut: false,
            notes: Vec::new(),
        }
    }

    #[test]
    fn what_a_function_found_reads_back_whole() {
        let reconciled = lambda::Reconciled {
            sync: "acme/jde-looker/suppliers".to_owned(),
            found: found(&["1", "2"]),
            repairs: vec!["20261121T120301-00000011".to_owned()],
            repair_notes: vec!["60 records are no longer at the source".to_owned()],
        };
        let answered: Answered = serde_json::from_value(json!(reconciled)).unwrap();
        let compared = Compared::from(answered);
        assert_eq!(compared.result, found(&["1", "2"]));
        assert_eq!((compared.repairs.len(), compared.notes), (1, reconciled.repair_notes));
    }

    #[test]
    fn a_difference_that_is_gone_after_the_repair_was_mended() {
        let reviewed = reviewed(found(&["1", "2"]), &found(&["2"]));
        let repaired: Vec<_> = reviewed.differences.iter().map(|difference| difference.repaired).collect();
        assert_eq!(repaired, [Some(true), Some(false)]);
        assert_eq!(reviewed.differences[1].not_repaired.as_deref(), Some("somebody else changed it"));
    }
}
