//! Runs and their done marks.

use engine::model::audit::Counts;
use engine::model::run::RunState;
use engine::ports::Store;
use futures_util::future::{join, join_all};

use crate::Kept;
use crate::sample::{batch_id, run, run_id, sync};

pub(super) async fn run_reads_back_whole(store: &impl Store) {
    let run = run("whole", 1);
    store.create_run(&run).await.kept("a run can be created");
    let read = store.run(&run.id).await.kept("a run can be read").kept("a created run is known");
    assert_eq!(read, run, "a run reads back as it was written");
}

pub(super) async fn run_is_created_once(store: &impl Store) {
    let mut run = run("once", 1);
    store.create_run(&run).await.kept("a run can be created");
    run.epoch = 99;
    store.create_run(&run).await.kept("creating a known run is no error");
    let read = store.run(&run.id).await.kept("a run can be read").kept("a created run is known");
    assert_eq!(read.epoch, 1, "creating a known run does nothing");
    let runs = store.runs(&run.sync, 10).await.kept("runs can be listed");
    assert_eq!(runs.len(), 1, "a run that was created twice is listed once");
}

pub(super) async fn unknown_run_is_none(store: &impl Store) {
    let id = run_id("unknown", 1);
    assert_eq!(store.run(&id).await.kept("an unknown run is no error"), None, "an unknown run is none");
    let updated = store.update_run(&id, &mut |run| run.touch = true).await.kept("an unknown run is no error");
    assert_eq!(updated, None, "updating an unknown run does nothing");
    let done = store.batch_done(&batch_id("unknown", 1, 0), &Counts::default()).await;
    assert_eq!(done.kept("an unknown run is no error"), None, "a batch of an unknown run is not done");
    assert_eq!(store.run(&id).await.kept("an unknown run is no error"), None, "asking for a run does not create it");
}

pub(super) async fn concurrent_updates_and_done_marks_all_count(store: &impl Store) {
    let run = run("concurrent", 1);
    store.create_run(&run).await.kept("a run can be created");
    let updates = (0..32).map(|_| async {
        store.update_run(&run.id, &mut |run| run.sequence += 1).await.kept("a contended run can be changed");
    });
    let counts = Counts { polled: 3, inserted: 3, ..Counts::default() };
    // Every batch is reported twice at once.
    let marks = (0..64).map(|i| {
        let batch = batch_id("concurrent", 1, i / 2);
        async move { store.batch_done(&batch, &counts).await.kept("a batch can be marked done") }
    });
    join(join_all(updates), join_all(marks)).await;
    let read = store.run(&run.id).await.kept("a run can be read").kept("a created run is known");
    assert_eq!(read.sequence, 32, "concurrent updates of a run all count");
    assert_eq!(read.done, 32, "each batch counts once, however many report it at once");
    assert_eq!(read.counts.inserted, 96, "the counts of each batch enter the run once");
}

pub(super) async fn done_mark_counts_once(store: &impl Store) {
    let run = run("done", 1);
    store.create_run(&run).await.kept("a run can be created");
    let counts = Counts { polled: 2, updated: 1, rejected: 1, ..Counts::default() };
    let batch = batch_id("done", 1, 0);
    let first = store.batch_done(&batch, &counts).await.kept("a batch can be marked").kept("the run is known");
    assert_eq!((first.done, first.counts), (1, counts), "a done mark counts the batch and returns the run");
    let second = store.batch_done(&batch, &counts).await.kept("a batch can be marked twice").kept("the run is known");
    assert_eq!(second, first, "the second done mark of a batch only returns the run");
    let third = store.batch_done(&batch_id("done", 1, 1), &counts).await.kept("a batch can be marked");
    assert_eq!(third.kept("the run is known").done, 2, "another batch counts for itself");
}

pub(super) async fn runs_are_listed_newest_first(store: &impl Store) {
    for number in [2, 1, 3] {
        store.create_run(&run("listed", number)).await.kept("a run can be created");
    }
    store.create_run(&run("listed-too", 9)).await.kept("a run can be created");
    let ended = |run: &mut engine::model::run::Run| run.state = RunState::Complete;
    store.update_run(&run_id("listed", 3), &mut { ended }).await.kept("a run can be changed");
    let runs = store.runs(&sync("listed"), 2).await.kept("runs can be listed");
    let ids: Vec<_> = runs.iter().map(|run| run.id.clone()).collect();
    assert_eq!(ids, [run_id("listed", 3), run_id("listed", 2)], "the newest runs of a sync come first, and no others");
    assert_eq!(runs[0].state, RunState::Complete, "runs are listed as they are now");
}
