//! Archived batches.

use engine::model::id::RunId;
use engine::ports::{ArchivePut, Store};
use futures_util::future::join_all;

use crate::Kept;
use crate::sample::{archived, at, batch_id, noise, reject, run_id, settled, sync};

async fn lease(store: &impl Store, check: &str, run: &RunId, until: i64) {
    let mut begin = |state: &mut engine::model::sync::SyncState| {
        state.begin(run, at(0), at(until));
    };
    store.update_sync(&sync(check), &mut begin).await.kept("a lease can be taken");
}

pub(super) async fn batch_reads_back_whole(store: &impl Store) {
    lease(store, "whole", &run_id("whole", 1), 10).await;
    let batch = archived("whole", 1, 0);
    let put = store.archive(&batch, at(20)).await.kept("a batch can be archived");
    assert_eq!(put, ArchivePut::Stored, "a new batch of the run that holds the lease is archived");
    let read = store.archived(&batch.id).await.kept("the archive can be read").kept("an archived batch is found");
    assert_eq!(read, batch, "a batch reads back with every byte of its rows");
    let unknown = store.archived(&batch_id("whole", 1, 1)).await.kept("an unknown batch is no error");
    assert_eq!(unknown, None, "an unknown batch is none");
}

pub(super) async fn batch_is_archived_once(store: &impl Store) {
    lease(store, "once", &run_id("once", 1), 10).await;
    let first = archived("once", 1, 0);
    store.archive(&first, at(20)).await.kept("a batch can be archived");
    let mut second = first.clone();
    second.payload = noise(7);
    let put = store.archive(&second, at(20)).await.kept("archiving twice is no error");
    assert_eq!(put, ArchivePut::Exists, "a batch whose id is archived is not archived again");
    let read = store.archived(&first.id).await.kept("the archive can be read");
    assert_eq!(read, Some(first), "the batch that was archived first stays");
}

pub(super) async fn concurrent_archiving_has_one_winner(store: &impl Store) {
    lease(store, "race", &run_id("race", 1), 10).await;
    let batch = archived("race", 1, 0);
    let puts = join_all((0..16).map(|_| store.archive(&batch, at(20)))).await;
    let puts: Vec<_> = puts.into_iter().map(|put| put.kept("contended archiving is no error")).collect();
    let stored = puts.iter().filter(|put| **put == ArchivePut::Stored).count();
    assert_eq!(stored, 1, "of those who archive one batch at once exactly one does: {puts:?}");
}

pub(super) async fn run_without_lease_is_fenced(store: &impl Store) {
    let put = store.archive(&archived("fenced", 1, 0), at(20)).await.kept("fencing is no error");
    assert_eq!(put, ArchivePut::Fenced, "a run without a lease archives nothing");
    lease(store, "fenced", &run_id("fenced", 2), 10).await;
    let put = store.archive(&archived("fenced", 1, 0), at(20)).await.kept("fencing is no error");
    assert_eq!(put, ArchivePut::Fenced, "a run archives nothing while another holds the lease");
    let read = store.archived(&batch_id("fenced", 1, 0)).await.kept("the archive can be read");
    assert_eq!(read, None, "what was fenced is not archived");
    let state = store.sync(&sync("fenced")).await.kept("a state can be read");
    assert_eq!(state.lease.map(|lease| lease.until), Some(at(10)), "a fenced run does not renew another's lease");
}

pub(super) async fn archiving_renews_the_lease(store: &impl Store) {
    let run = run_id("renew", 1);
    lease(store, "renew", &run, 10).await;
    store.archive(&archived("renew", 1, 0), at(20)).await.kept("a batch can be archived");
    let lease = store.sync(&sync("renew")).await.kept("a state can be read").lease.kept("the lease stays");
    assert_eq!((lease.run, lease.until), (run, at(20)), "archiving renews the lease in the same step");
}

pub(super) async fn last_batch_is_the_one_with_the_greatest_number(store: &impl Store) {
    let run = run_id("last", 1);
    assert_eq!(store.last_archived(&run).await.kept("no batch is no error"), None, "a run may have no batch");
    lease(store, "last", &run, 10).await;
    for seq in [0, 9, 10] {
        store.archive(&archived("last", 1, seq), at(20)).await.kept("a batch can be archived");
    }
    let last = store.last_archived(&run).await.kept("the archive can be read").kept("the run has batches");
    assert_eq!(last, archived("last", 1, 10), "the last batch of a run is the one with the greatest number, whole");
}

pub(super) async fn expiry_spares_what_holds_a_held_record(store: &impl Store) {
    let run = run_id("expiry", 1);
    lease(store, "expiry", &run, 10).await;
    for seq in 0..4 {
        store.archive(&archived("expiry", 1, seq), at(20)).await.kept("a batch can be archived");
    }
    let held = engine::model::audit::Held { batch: batch_id("expiry", 1, 1), ..reject("expiry", "a", 1) };
    store.hold(&[held]).await.kept("a record can be held");
    // Batch n was archived at minute n.
    let expired = store.expire_archive(&sync("expiry"), at(3)).await.kept("the archive can expire");
    assert_eq!(expired, 2, "batches from before the date expire, except those that hold a held record");
    for (seq, stays) in [(0, false), (1, true), (2, false), (3, true)] {
        let read = store.archived(&batch_id("expiry", 1, seq)).await.kept("the archive can be read");
        assert_eq!(read.is_some(), stays, "batch {seq} stays: {stays}");
    }
    store.settle(&sync("expiry"), &[settled("expiry", "a", 1)]).await.kept("a record can be settled");
    let expired = store.expire_archive(&sync("expiry"), at(3)).await.kept("the archive can expire");
    assert_eq!(expired, 1, "a batch expires once what it held is settled");
}
