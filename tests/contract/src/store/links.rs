//! Links.

use engine::model::id::{RecordKey, SyncId};
use engine::ports::Store;

use crate::Kept;
use crate::sample::{key, keys, stream, sync};

async fn link(store: &impl Store, sync: &SyncId, links: &[(&str, &str)]) {
    let links: Vec<_> = links.iter().map(|(here, there)| (key(here), (*there).to_owned())).collect();
    store.link(sync, &links).await.kept("records can be linked");
}

async fn linked(store: &impl Store, sync: &SyncId, names: &[&str]) -> Vec<(String, String)> {
    let found = store.linked(sync, &keys(names)).await.kept("links can be looked up");
    let mut found: Vec<_> = found.into_iter().map(|(here, there)| (here.as_str().to_owned(), there)).collect();
    found.sort();
    found
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(here, there)| ((*here).to_owned(), (*there).to_owned())).collect()
}

pub(super) async fn links_read_back(store: &impl Store) {
    let sync = sync("links");
    link(store, &sync, &[("a", "1"), ("b|\\|c", "ü-2")]).await;
    link(store, &stream("links", "suppliers"), &[("c", "3")]).await;
    let found = linked(store, &sync, &["a", "b|\\|c", "c", "A"]).await;
    assert_eq!(found, pairs(&[("a", "1"), ("b|\\|c", "ü-2")]), "the links of a sync are found, and no others");
    assert_eq!(linked(store, &sync, &[]).await, [], "nothing asked, nothing found");
    link(store, &sync, &[]).await;
}

pub(super) async fn link_is_replaced(store: &impl Store) {
    let sync = sync("relink");
    link(store, &sync, &[("a", "1"), ("b", "2")]).await;
    link(store, &sync, &[("a", "9"), ("b", "2")]).await;
    let found = linked(store, &sync, &["a", "b"]).await;
    assert_eq!(found, pairs(&[("a", "9"), ("b", "2")]), "a later link of a record replaces the earlier one");
}

pub(super) async fn many_links_at_once(store: &impl Store) {
    let sync = sync("many");
    let links: Vec<(RecordKey, String)> = (0..3000).map(|i| (key(&format!("key {i}")), i.to_string())).collect();
    store.link(&sync, &links).await.kept("thousands of records can be linked in one call");
    let asked: Vec<RecordKey> = links.iter().map(|(key, _)| key.clone()).chain(keys(&["none"])).collect();
    let found = store.linked(&sync, &asked).await.kept("thousands of links can be looked up in one call");
    assert_eq!(found.len(), 3000, "thousands of links are found in one call");
}
