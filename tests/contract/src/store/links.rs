//! Links.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use engine::model::audit::Outcome;
use engine::model::id::{RecordKey, SyncId};
use engine::model::link::{Claim, ContentHash, Intent, Link, Receipt};
use engine::ports::Store;
use futures_util::future::{join, join_all};

use crate::Kept;
use crate::sample::{at, key, keys, stream, sync};

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

async fn links(store: &impl Store, sync: &SyncId, names: &[&str]) -> BTreeMap<String, Link> {
    let found = store.links(sync, &keys(names)).await.kept("links can be read");
    let count = found.len();
    let found: BTreeMap<_, _> = found.into_iter().map(|(here, link)| (here.as_str().to_owned(), link)).collect();
    assert_eq!(found.len(), count, "a record has one link");
    found
}

async fn change(store: &impl Store, sync: &SyncId, name: &str, mut change: impl FnMut(&mut Link) + Send) -> Link {
    store.update_link(sync, &key(name), &mut change).await.kept("a link can be changed")
}

/// Everything of a link is set, and a second write is under way.
fn busy(link: &mut Link) {
    *link = Link {
        id: Some("ü-7 \"x\"".to_owned()),
        sent: Some(ContentHash(u128::MAX - 1)),
        agreed: Some(ContentHash(7)),
        version: i64::MAX,
        intent: Some(Intent {
            owner: "b|atch/\\2".to_owned(),
            at: at(2) + TimeDelta::microseconds(123_456),
            until: at(3),
            called: true,
        }),
        receipt: Some(Receipt {
            owner: "b|atch/\\1".to_owned(),
            outcome: Outcome::Updated,
            detail: Some("„angenommen“".to_owned()),
        }),
    };
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

pub(super) async fn link_tells_where_a_write_stands(store: &impl Store) {
    let (sync, other) = (sync("writes"), stream("writes", "suppliers"));
    let changed = change(store, &sync, "b|\\|c", busy).await;
    assert!(changed.intent.as_ref().is_some_and(|intent| intent.called), "an update returns the link as it is then");
    let sent = |hash| Link { sent: Some(ContentHash(hash)), ..Link::default() };
    let of_a = change(store, &sync, "a", |link| *link = sent(1)).await;
    change(store, &other, "a", |link| *link = sent(2)).await;
    let found = links(store, &sync, &["a", "none", "b|\\|c", "a", "A"]).await;
    let expected = [("a".to_owned(), of_a), ("b|\\|c".to_owned(), changed)];
    assert_eq!(found, expected.into(), "the links of a sync read back whole, each once, and no others");
    assert_eq!(links(store, &sync, &[]).await, BTreeMap::new(), "nothing asked, nothing found");
}

pub(super) async fn only_a_link_with_an_id_is_linked(store: &impl Store) {
    let sync = sync("ids");
    change(store, &sync, "a", |link| link.version = 1).await;
    assert_eq!(linked(store, &sync, &["a"]).await, [], "a record without an id is not linked");
    change(store, &sync, "a", |link| link.id = Some("1".to_owned())).await;
    assert_eq!(linked(store, &sync, &["a"]).await, pairs(&[("a", "1")]), "a record is linked by the id of its link");
    change(store, &sync, "a", |link| link.id = Some("2".to_owned())).await;
    assert_eq!(linked(store, &sync, &["a"]).await, pairs(&[("a", "2")]), "a new id replaces the earlier one");
    let left = change(store, &sync, "a", |link| link.id = None).await;
    assert_eq!(linked(store, &sync, &["a"]).await, [], "a record whose id is taken away is not linked any more");
    assert_eq!(links(store, &sync, &["a"]).await["a"], left, "and its link stays");
}

pub(super) async fn linking_leaves_the_rest_of_a_link(store: &impl Store) {
    let sync = sync("rest");
    let with = |id: &str, link: Link| Link { id: Some(id.to_owned()), ..link };
    let before = change(store, &sync, "a", busy).await;
    let without = change(store, &sync, "b", |link| link.version = 2).await;
    link(store, &sync, &[("a", "9"), ("b", "8"), ("c", "7")]).await;
    let found = links(store, &sync, &["a", "b", "c"]).await;
    assert_eq!(found["a"], with("9", before.clone()), "linking changes the id of a link and nothing else");
    assert_eq!(found["b"], with("8", without), "linking gives a link without an id one and changes nothing else");
    assert_eq!(found["c"], with("7", Link::default()), "a record that was only linked has a link with its id");
    let changed = change(store, &sync, "c", |link| link.version = 3).await;
    assert_eq!(changed.id.as_deref(), Some("7"), "a record that was only linked can be changed");
    let relinked = linked(store, &sync, &["a", "b", "c"]).await;
    assert_eq!(relinked, pairs(&[("a", "9"), ("b", "8"), ("c", "7")]), "links with an id are found by it");
}

pub(super) async fn change_that_changes_nothing_leaves_no_link(store: &impl Store) {
    let sync = sync("nothing");
    let unchanged = change(store, &sync, "a", |_| ()).await;
    assert_eq!(unchanged, Link::default(), "a record without a link has the default one");
    assert_eq!(links(store, &sync, &["a"]).await, BTreeMap::new(), "looking leaves no link behind");
}

pub(super) async fn concurrent_changes_of_a_link_all_count(store: &impl Store) {
    let sync = sync("concurrent");
    let changes = (0..48).map(|_| change(store, &sync, "a", |link| link.version += 1));
    let relinks = async {
        for id in ["1", "2", "3", "4", "5", "6", "7", "8", "9"] {
            link(store, &sync, &[("a", id)]).await;
            assert_eq!(linked(store, &sync, &["a"]).await, pairs(&[("a", id)]), "no other change takes an id back");
        }
    };
    let (changed, ()) = join(join_all(changes), relinks).await;
    let mut seen: Vec<i64> = changed.iter().map(|link| link.version).collect();
    seen.sort_unstable();
    let link = &links(store, &sync, &["a"]).await["a"];
    let expected = Link { id: Some("9".to_owned()), version: 48, ..Link::default() };
    assert_eq!(link, &expected, "concurrent changes of a link all count, linking among them");
    assert!(seen.into_iter().eq(1..=48), "each update returns the link that it wrote");
}

pub(super) async fn one_of_many_claims_a_link(store: &impl Store) {
    let sync = sync("claims");
    let owners: Vec<String> = (0..32).map(|i| format!("batch {i}")).collect();
    let claims = owners.iter().map(async |owner| {
        let mut claimed = None;
        change(store, &sync, "a", |link| claimed = Some(link.claim(owner, at(0), at(1)))).await;
        claimed
    });
    let claims = join_all(claims).await;
    let fresh: Vec<_> = owners.iter().zip(&claims).filter(|(_, claim)| **claim == Some(Claim::Fresh)).collect();
    let [(winner, _)] = fresh.as_slice() else { panic!("of many who claim a record one has it, not {}", fresh.len()) };
    let taken = claims.iter().filter(|claim| **claim == Some(Claim::Taken(at(1)))).count();
    assert_eq!(taken, owners.len() - 1, "the others are told until when it is taken");
    let intent = links(store, &sync, &["a"]).await.remove("a").and_then(|link| link.intent);
    assert_eq!(intent.map(|intent| &intent.owner == *winner), Some(true), "the one who was told so has it");
}

pub(super) async fn many_links_at_once(store: &impl Store) {
    let sync = sync("many");
    let links: Vec<(RecordKey, String)> = (0..3000).map(|i| (key(&format!("key {i}")), i.to_string())).collect();
    store.link(&sync, &links).await.kept("thousands of records can be linked in one call");
    let asked: Vec<RecordKey> = links.iter().map(|(key, _)| key.clone()).chain(keys(&["none"])).collect();
    let found = store.linked(&sync, &asked).await.kept("thousands of links can be looked up in one call");
    assert_eq!(found.len(), 3000, "thousands of links are found in one call");
    let found = store.links(&sync, &asked).await.kept("thousands of links can be read in one call");
    let ids: BTreeMap<RecordKey, String> =
        found.into_iter().map(|(key, link)| (key, link.id.unwrap_or_default())).collect();
    assert_eq!(ids, links.into_iter().collect(), "thousands of links are read in one call");
}
