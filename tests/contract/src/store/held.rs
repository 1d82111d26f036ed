//! Held records.

use engine::model::audit::{Held, HeldWhy};
use engine::ports::{HeldFilter, Store};

use crate::Kept;
use crate::sample::{at, batch_id, key, keys, reject, run_id, settled, stream, sync, waiter};

const ALL: HeldFilter = HeldFilter { waiting: None, run: None, waiting_for: None, after: None, limit: 1000 };

async fn hold(store: &impl Store, held: &[Held]) {
    store.hold(held).await.kept("records can be held");
}

async fn list(store: &impl Store, check: &str, filter: &HeldFilter) -> Vec<Held> {
    store.held(&sync(check), filter).await.kept("held records can be listed")
}

async fn names(store: &impl Store, check: &str, filter: &HeldFilter) -> Vec<String> {
    list(store, check, filter).await.into_iter().map(|held| held.key.as_str().to_owned()).collect()
}

async fn count(store: &impl Store, check: &str) -> (u64, u64) {
    store.held_count(&sync(check)).await.kept("held records can be counted")
}

pub(super) async fn newer_version_stays_held(store: &impl Store) {
    let newer = waiter("newer", "a", 5, "supplier");
    hold(store, std::slice::from_ref(&newer)).await;
    hold(store, &[reject("newer", "a", 4)]).await;
    assert_eq!(list(store, "newer", &ALL).await, [newer], "a held record of a greater version stays, whole");
    assert_eq!(count(store, "newer").await, (0, 1), "(rejected, waiting) are counted");
}

pub(super) async fn equal_or_newer_version_replaces(store: &impl Store) {
    hold(store, &[waiter("replace", "a", 5, "supplier"), reject("replace", "b", 5)]).await;
    let (equal, newer) = (reject("replace", "a", 5), waiter("replace", "b", 6, "supplier"));
    hold(store, &[equal.clone(), newer.clone()]).await;
    let listed = list(store, "replace", &ALL).await;
    assert_eq!(listed, [equal, newer], "a held record of an equal or lesser version is replaced, its `since` too");
    assert_eq!(count(store, "replace").await, (1, 1), "there is one held record per key");
}

pub(super) async fn waiter_for_the_same_keeps_its_since(store: &impl Store) {
    hold(store, &[waiter("since", "a", 5, "supplier"), waiter("since", "b", 5, "supplier")]).await;
    hold(store, &[waiter("since", "a", 6, "supplier"), waiter("since", "b", 6, "another")]).await;
    let listed = list(store, "since", &ALL).await;
    let since: Vec<_> = listed.iter().map(|held| (held.version, held.since)).collect();
    assert_eq!(since[0], (6, at(5)), "a record that waits for the same thing has waited since the first time");
    assert_eq!(since[1], (6, at(6)), "a record that waits for something else begins to wait anew");
}

pub(super) async fn settling_releases_up_to_its_version(store: &impl Store) {
    let other = Held { sync: stream("settle", "suppliers"), ..reject("settle", "older", 5) };
    hold(
        store,
        &[reject("settle", "older", 5), reject("settle", "equal", 6), waiter("settle", "newer", 7, "x"), other],
    )
    .await;
    let all = ["older", "equal", "newer", "unknown"].map(|name| settled("settle", name, 6));
    store.settle(&sync("settle"), &all).await.kept("records can be settled");
    let left = names(store, "settle", &ALL).await;
    assert_eq!(left, ["newer"], "what is not newer than the settled version is released, and nothing else");
    let others = store.held_count(&stream("settle", "suppliers")).await.kept("held records can be counted");
    assert_eq!(others, (1, 0), "the same key in another sync stays held");
    store.settle(&sync("settle"), &all).await.kept("settling twice is no error");
}

pub(super) async fn held_are_paged_by_key(store: &impl Store) {
    let all: Vec<String> = (0..250).map(|i| format!("key {i:03}")).collect();
    let held: Vec<Held> = all.iter().rev().map(|name| reject("paged", name, 1)).collect();
    hold(store, &held).await;
    let (mut found, mut after) = (Vec::new(), None);
    for _ in 0..4 {
        let page = list(store, "paged", &HeldFilter { after, limit: 100, ..ALL }).await;
        assert!(page.len() <= 100, "a page has at most as many records as were asked for");
        after = page.last().map(|held| held.key.clone()).or_else(|| Some(key("key 999")));
        found.extend(page.into_iter().map(|held| held.key.as_str().to_owned()));
    }
    assert_eq!(found, all, "pages follow one another by key, without gap or repetition");
}

pub(super) async fn held_are_filtered(store: &impl Store) {
    let later = Held { batch: batch_id("filter", 2, 0), ..reject("filter", "later", 1) };
    let other =
        Held { why: HeldWhy::Waiting { stream: "accounts".to_owned(), key: key("x") }, ..reject("filter", "other", 1) };
    let why = HeldWhy::TimedOut { stream: "invoices".to_owned(), key: key("y") };
    let vain = Held { why, ..reject("filter", "vain", 1) };
    hold(store, &[reject("filter", "reject", 1), later, waiter("filter", "waiter", 1, "x"), other, vain]).await;
    let cases = [
        (HeldFilter { waiting: Some(true), ..ALL }, vec!["other", "waiter"], "only waiting ones"),
        (HeldFilter { waiting: Some(false), ..ALL }, vec!["later", "reject", "vain"], "only rejects"),
        (HeldFilter { run: Some(run_id("filter", 2)), ..ALL }, vec!["later"], "only those of a run"),
        (HeldFilter { waiting_for: Some("suppliers".to_owned()), ..ALL }, vec!["waiter"], "only waiters for a stream"),
        (
            HeldFilter { waiting_for: Some("invoices".to_owned()), ..ALL },
            vec!["vain"],
            "who waited in vain is found, too",
        ),
        (HeldFilter { waiting: Some(false), after: Some(key("reject")), ..ALL }, vec!["vain"], "filtered pages go on"),
    ];
    for (filter, expected, promise) in cases {
        assert_eq!(names(store, "filter", &filter).await, expected, "held records are filtered: {promise}");
    }
}

pub(super) async fn held_among_names_only_those(store: &impl Store) {
    let held: Vec<Held> = ["b", "c", "d", "e", "f"].map(|name| reject("among", name, 1)).into();
    hold(store, &held).await;
    // Few keys over many held records, many keys over few, none at all, and one asked for twice.
    for (asked, expected) in [
        (vec!["a", "f"], vec!["f"]),
        (vec!["a", "b", "bb", "c", "cc", "d", "d", "g"], vec!["b", "c", "d"]),
        (vec!["x", "y"], vec![]),
        (vec![], vec![]),
    ] {
        let found = store.held_among(&sync("among"), &keys(&asked)).await.kept("held records can be looked up");
        let mut found: Vec<_> = found.iter().map(|key| key.as_str()).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "of {asked:?} exactly those are named that are held");
    }
}
