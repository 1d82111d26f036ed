//! States of syncs.

use engine::model::sync::{Begin, SyncState};
use engine::ports::Store;
use futures_util::future::join_all;

use crate::Kept;
use crate::sample::{at, run_id, stream, sync};

pub(super) async fn unknown_sync_has_default_state(store: &impl Store) {
    let state = store.sync(&sync("unknown")).await.kept("a sync never seen has a state");
    assert_eq!(state, SyncState::default(), "a sync never seen has the default state");
}

pub(super) async fn state_reads_back_whole(store: &impl Store) {
    let sync = sync("whole");
    let run = run_id("whole", 1);
    let mut change = |state: &mut SyncState| {
        assert_eq!(state.begin(&run, at(0), at(10)), Begin::Started { epoch: 1, touch: false });
        state.watermark = Some(at(-5));
        state.paused = Some("„Konto gesperrt“".to_owned());
        state.mapping_number("abc");
    };
    let changed = store.update_sync(&sync, &mut change).await.kept("a state can be changed");
    assert!(changed.is_held_by(&run), "an update returns the state as it is then");
    let read = store.sync(&sync).await.kept("a state can be read");
    assert_eq!(read, changed, "a state reads back as it was written");
}

pub(super) async fn concurrent_updates_all_count(store: &impl Store) {
    let sync = sync("concurrent");
    let adders = (0..64).map(|_| async {
        store.update_sync(&sync, &mut |state| state.epoch += 1).await.kept("a contended state can be changed")
    });
    let mut seen: Vec<u64> = join_all(adders).await.iter().map(|state| state.epoch).collect();
    seen.sort_unstable();
    let state = store.sync(&sync).await.kept("a state can be read");
    assert_eq!(state.epoch, 64, "64 concurrent updates of a state all count");
    assert!(seen.into_iter().eq(1..=64), "each update returns the state that it wrote");
}

pub(super) async fn syncs_are_listed_by_tenant(store: &impl Store) {
    for sync in [stream("listed", "b"), stream("listed", "a"), stream("listed-too", "c"), stream("liste", "d")] {
        store.update_sync(&sync, &mut |state| state.again = true).await.kept("a state can be changed");
    }
    let known = stream("listed", "a");
    let mut found = store.syncs(&known.tenant).await.kept("syncs can be listed");
    found.sort();
    assert_eq!(found, [known, stream("listed", "b")], "the syncs of a tenant are listed, and no others");
}
