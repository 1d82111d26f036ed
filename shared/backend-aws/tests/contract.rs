//! The AWS backend keeps the promises of the engine's ports, at an emulator of AWS, and a few of its own.
//!
//! `ML_CONNECTOR_TEST_AWS` is the emulator's address; `tests/aws/emulator` starts one and sets it. Without it nothing is
//! tested here.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking and says what it leaves out")]

mod world;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use backend_aws::{Aws, ConfigurationWritten, Record, SecretsVault, VAULT_TTL};
use chrono::{DateTime, Utc};
use contract::Pace;
use engine::Kind;
use engine::model::audit::{AuditBatch, AuditEntry, Held, HeldWhy, Outcome, Settled};
use engine::model::batch::{Archived, Version};
use engine::model::id::{BatchId, ConnectionId, RecordKey, RunId, SyncId, TenantId};
use engine::model::message::{Message, Stage, Task};
use engine::ports::{ArchivePut, HeldFilter, Queue, Store, Vault};
use futures_util::future::join_all;
use world::World;

const VISIBILITY: Duration = Duration::from_secs(60);

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + minute * 60, 0).unwrap()
}

fn sync() -> SyncId {
    "acme/jde-looker/orders".parse().unwrap()
}

fn batch(seq: u32) -> BatchId {
    BatchId { run: RunId::new("20261121T120301-1"), seq }
}

fn archived(seq: u32, payload: Vec<u8>) -> Archived {
    Archived {
        id: batch(seq),
        sync: sync(),
        version: Version::new(1, seq),
        replays: None,
        rows: 1,
        too_big: 0,
        next: None,
        at: at(0),
        payload,
    }
}

fn reject(key: &RecordKey, version: i64) -> Held {
    Held {
        sync: sync(),
        key: key.clone(),
        why: HeldWhy::Rejected,
        field: None,
        value: None,
        reason: "no number".to_owned(),
        batch: batch(0),
        row: 0,
        version,
        since: at(0),
    }
}

async fn lease(store: &Aws) {
    let run = batch(0).run;
    let mut begin = |state: &mut engine::model::sync::SyncState| {
        state.begin(&run, at(0), at(10));
    };
    store.update_sync(&sync(), &mut begin).await.unwrap();
}

#[tokio::test]
async fn store() {
    let Some(world) = World::open().await else { return };
    let tables = world.tables().await;
    contract::store_battery(async || world.store(&tables)).await;
    let owners = world.owners(&tables).await;
    assert!(owners.len() > 1000, "the battery leaves something behind in every table");
    let is_ours = |owner: &String| owner.starts_with("test-") || owner.starts_with("shared|");
    let strangers: Vec<_> = owners.iter().filter(|owner| !is_ours(owner)).collect();
    assert!(strangers.is_empty(), "a role can be held to owners of its scope: {strangers:?}");
}

#[tokio::test]
async fn queue() {
    let Some(world) = World::open().await else { return };
    // Long enough that a check which waits a second for a message is over before.
    let pace = Pace { visibility: Duration::from_secs(3), delay: Duration::from_secs(3) };
    contract::queue_battery_at(pace, async || world.queue_at(&world.queues().await), tokio::time::sleep).await;
}

#[tokio::test]
async fn vault() {
    let Some(world) = World::open().await else { return };
    contract::vault_battery(async |secrets| {
        let (vault, _) = world.vault();
        for (name, field, value) in secrets {
            vault.set(name, field, value).await.unwrap();
        }
        vault
    })
    .await;
    let ways = ["ml-connector secrets set none", "AWS Secrets Manager as a JSON object"];
    contract::missing_secret_names_both_ways(&world.vault().0, &ways).await;
}

#[tokio::test]
async fn a_big_batch_travels_in_pieces_and_a_batch_that_lost_leaves_none() {
    let Some(world) = World::open().await else { return };
    let tables = world.tables().await;
    let store = world.store(&tables);
    lease(&store).await;
    let bytes: Vec<u8> = (0..900_001_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let big = archived(0, bytes);
    assert_eq!(store.archive(&big, at(20)).await.unwrap(), ArchivePut::Stored);
    assert_eq!(store.archived(&big.id).await.unwrap(), Some(big.clone()));
    assert_eq!(store.last_archived(&big.id.run).await.unwrap(), Some(big.clone()));
    let written = world.count(&tables.batches).await;
    assert_eq!(written, 5, "three pieces, the batch, and its entry in the list");

    assert_eq!(store.archive(&big, at(20)).await.unwrap(), ArchivePut::Exists);
    assert_eq!(world.count(&tables.batches).await, written, "the pieces of the second one are gone");
    assert_eq!(store.expire_archive(&sync(), at(1)).await.unwrap(), 1);
    assert_eq!(world.count(&tables.batches).await, 0, "nothing of an expired batch is left");
}

#[tokio::test]
async fn keys_longer_than_dynamodb_takes_are_told_apart() {
    let Some(world) = World::open().await else { return };
    let store = world.store(&world.tables().await);
    let long = "ü".repeat(2000);
    let keys = ["a", "b"].map(|end| RecordKey::new(format!("{long}{end}")));
    let entry = |key: &RecordKey| AuditEntry { key: key.clone(), outcome: Outcome::Inserted, detail: None };
    let audit = AuditBatch {
        sync: sync(),
        batch: batch(0),
        part: 0,
        at: at(0),
        mapping: 1,
        version: 1,
        entries: vec![entry(&keys[0])],
    };
    store.write_audit(&audit).await.unwrap();
    store.link(&sync(), &[(keys[0].clone(), "there".to_owned())]).await.unwrap();
    store.hold(&[reject(&keys[0], 1)]).await.unwrap();
    assert_eq!(store.audit_of(&sync(), &keys[0]).await.unwrap().len(), 1);
    assert_eq!(store.audit_of(&sync(), &keys[1]).await.unwrap(), []);
    let link = store.update_link(&sync(), &keys[0], &mut |link| link.version = 3).await.unwrap();
    assert_eq!(store.linked(&sync(), &keys).await.unwrap(), [(keys[0].clone(), "there".to_owned())]);
    assert_eq!(store.links(&sync(), &keys).await.unwrap(), [(keys[0].clone(), link)]);
    assert_eq!(store.held_among(&sync(), &keys).await.unwrap(), [keys[0].clone()]);
    let after = HeldFilter { after: Some(keys[0].clone()), limit: 10, ..HeldFilter::default() };
    assert_eq!(store.held(&sync(), &after).await.unwrap(), []);
}

#[tokio::test]
async fn the_count_of_held_records_is_exact_whoever_holds_and_releases_at_once() {
    let Some(world) = World::open().await else { return };
    let store = world.store(&world.tables().await);
    let keys: Vec<RecordKey> = (0..250).map(|i| RecordKey::new(format!("key {i}"))).collect();
    let held: Vec<Held> = keys.iter().map(|key| reject(key, 1)).collect();
    // Everything is said twice, as messages are that come twice; half of it is released at the same time.
    let settled: Vec<Settled> = keys[..125]
        .iter()
        .map(|key| Settled { key: key.clone(), version: 1, run: RunId::new("20261121T120301-2") })
        .collect();
    let holds = join_all([store.hold(&held), store.hold(&held), store.hold(&held[..50])]);
    let sync = sync();
    let settles = join_all([store.settle(&sync, &settled), store.settle(&sync, &settled)]);
    let (holds, settles) = futures_util::future::join(holds, settles).await;
    holds.into_iter().chain(settles).for_each(|done| done.unwrap());
    let everything = HeldFilter { limit: usize::MAX, ..HeldFilter::default() };
    let listed = store.held(&sync, &everything).await.unwrap().len() as u64;
    assert_eq!(store.held_count(&sync).await.unwrap(), (listed, 0));
    store.settle(&sync, &settled).await.unwrap();
    assert_eq!(store.held_count(&sync).await.unwrap(), (125, 0));
    assert_eq!(store.held_among(&sync, &keys).await.unwrap().len(), 125);
}

#[tokio::test]
async fn what_is_put_aside_tells_why_and_from_where() {
    let Some(world) = World::open().await else { return };
    let urls = world.queues().await;
    let queue = world.queue_at(&urls);
    let task = Task::Close { sync: sync(), run: batch(0).run };
    let message = Message::with_rows(task, vec![7; 1000]);
    queue.send(&message, Duration::ZERO).await.unwrap();
    let received = queue.receive(Stage::Load, 10, VISIBILITY).await.unwrap().pop().unwrap();
    queue.dead_letter(Stage::Load, &received, "it panicked\u{0}twice").await.unwrap();
    world.send_text(&urls.load, "this is no message").await;
    assert!(queue.receive(Stage::Load, 10, VISIBILITY).await.unwrap().is_empty());
    assert!(queue.receive(Stage::Load, 10, VISIBILITY).await.unwrap().is_empty(), "it does not come again and again");

    let mut letters = Vec::new();
    while letters.len() < 2 {
        letters.extend(queue.dead_letters(VISIBILITY).await.unwrap());
    }
    letters.sort_by_key(|letter| letter.message.is_none());
    let [readable, unreadable] = letters.as_slice() else { panic!("two were put aside: {letters:?}") };
    assert_eq!(readable.message.as_ref(), Some(&message));
    assert_eq!((readable.stage, readable.reason.as_str()), (Some(Stage::Load), "it panicked?twice"));
    assert_eq!(readable.receive_count, 1);
    assert!(readable.sent_at.is_some());
    assert_eq!(unreadable.stage, Some(Stage::Load));
    let id = &unreadable.message_id;
    assert!(!id.is_empty() && unreadable.reason.contains(id), "the message is named: {}", unreadable.reason);
    for letter in &letters {
        queue.delete_dead_letter(&letter.receipt).await.unwrap();
    }
}

#[tokio::test]
async fn a_message_of_an_event_is_deleted_by_its_receipt() {
    let Some(world) = World::open().await else { return };
    let urls = world.queues().await;
    let queue = world.queue_at(&urls);
    let message = Message::new(Task::Close { sync: sync(), run: batch(0).run });
    queue.send(&message, Duration::ZERO).await.unwrap();
    let event = world.take(&urls.load).await;
    let record = Record {
        message_id: event.message_id().unwrap(),
        receipt_handle: event.receipt_handle().unwrap(),
        body: event.body().unwrap(),
        attributes: &HashMap::from([("ApproximateReceiveCount".to_owned(), "3".to_owned())]),
    };
    let received = backend_aws::received(&record).unwrap();
    assert_eq!((&received.message, received.receive_count), (&message, 3));
    queue.delete(Stage::Load, &received.receipt).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(queue.receive(Stage::Load, 1, VISIBILITY).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_secret_that_was_changed_elsewhere_is_seen_after_a_refresh() {
    let Some(world) = World::open().await else { return };
    let (one, prefix) = world.vault();
    let other = SecretsVault::new(&world.config, &prefix, VAULT_TTL);
    one.set("jde", "password", "old").await.unwrap();
    let before = other.secret("jde").await.unwrap();
    one.set("jde", "password", "new").await.unwrap();
    one.set("jde", "username", "MLC").await.unwrap();
    assert_eq!(other.secret("jde").await.unwrap(), before, "what was read is kept");
    other.refresh("jde");
    let after = other.secret("jde").await.unwrap();
    assert_eq!(after.field("jde", "password").unwrap(), "new");
    assert_ne!(after.fingerprint(), before.fingerprint());
    let listed = [("jde".to_owned(), vec!["password".to_owned(), "username".to_owned()])];
    assert_eq!(one.list().await.unwrap(), listed);

    let (acme, globex) = (one.of_tenant(&TenantId::new("acme")), one.of_tenant(&TenantId::new("globex")));
    acme.set("jde", "password", "acme's").await.unwrap();
    assert_eq!(acme.secret("jde").await.unwrap().field("jde", "password").unwrap(), "acme's");
    assert!(globex.secret("jde").await.is_err(), "tenants have secrets of their own");

    world.create_secret(&format!("{prefix}odd"), "hunter2").await;
    let error = other.secret("odd").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Stop);
    assert!(error.to_string().contains("JSON object") && !error.to_string().contains("hunter2"), "{error}");
}

#[tokio::test]
async fn tenant_files_are_in_force_together_and_none_is_left_behind() {
    let Some(world) = World::open().await else { return };
    let tables = world.tables().await;
    let store = world.store(&tables);
    assert_eq!(store.configuration().await.unwrap(), None);
    let files = |of: &[(&str, String)]| -> BTreeMap<TenantId, String> {
        of.iter().map(|(tenant, text)| (TenantId::new(*tenant), text.clone())).collect()
    };
    let (small, great) = ("connections: {}\n".to_owned(), "# ü\n".repeat(300_000));
    let first = files(&[("acme", small.clone()), ("globex", great.clone())]);
    assert_eq!(store.put_configuration(&first).await.unwrap().written.len(), 2);
    let read = store.configuration().await.unwrap().unwrap();
    assert_eq!(read.files, first);
    assert_eq!(store.configuration_version().await.unwrap(), Some(read.version.clone()));

    assert_eq!(store.put_configuration(&first).await.unwrap(), ConfigurationWritten::default());
    assert_eq!(store.configuration_version().await.unwrap(), Some(read.version.clone()), "nothing has changed");

    let second = files(&[("acme", "connections: {a: b}\n".to_owned())]);
    let changes = store.put_configuration(&second).await.unwrap();
    assert_eq!((changes.written, changes.removed), (vec![TenantId::new("acme")], vec![TenantId::new("globex")]));
    let after = store.configuration().await.unwrap().unwrap();
    assert_eq!(after.files, second);
    assert_ne!(after.version, read.version);
    assert_eq!(world.count(&tables.syncs).await, 2, "the head and one piece");
    let scope = &store.settings().scope;
    assert!(world.owners(&tables).await.iter().all(|owner| owner.starts_with(&format!("{scope}|"))));
}

#[tokio::test]
async fn a_connection_without_a_secret_can_be_asked_about_and_stopped() {
    let Some(world) = World::open().await else { return };
    let store = world.store(&world.tables().await);
    let (tenant, connection) = (TenantId::new("acme"), ConnectionId::new("warehouse"));
    assert_eq!(store.connection_stopped(&tenant, &connection, "").await.unwrap(), None);
    store.stop_connection(&tenant, &connection, "", "refused").await.unwrap();
    assert_eq!(store.connection_stopped(&tenant, &connection, "").await.unwrap().as_deref(), Some("refused"));
}

#[tokio::test]
async fn a_secret_that_nobody_has_set_is_told_from_one_that_has_fields() {
    let Some(world) = World::open().await else { return };
    let (vault, prefix) = world.vault();
    assert!(!vault.change("jde", "password", "x").await.unwrap(), "it is not made by being set");
    world.create_secret(&format!("{prefix}jde"), r#"{"not_set_yet": "random"}"#).await;
    assert_eq!(vault.fields_of("jde").await.unwrap(), Some(Vec::new()));
    assert!(vault.change("jde", "password", "x").await.unwrap());
    assert_eq!(vault.fields_of("jde").await.unwrap(), Some(vec!["password".to_owned()]));
    assert_eq!(vault.secret("jde").await.unwrap().names().collect::<Vec<_>>(), ["password"]);
}

#[tokio::test]
async fn a_queue_tells_how_many_messages_it_has() {
    let Some(world) = World::open().await else { return };
    let queue = world.queue_at(&world.queues().await);
    assert_eq!(queue.pending(Stage::Load).await.unwrap(), 0);
    for delay in [Duration::ZERO, Duration::from_secs(60)] {
        queue.send(&Message::new(Task::Close { sync: sync(), run: batch(0).run }), delay).await.unwrap();
    }
    queue.receive(Stage::Load, 1, VISIBILITY).await.unwrap();
    assert_eq!(queue.pending(Stage::Load).await.unwrap(), 2);
}

#[tokio::test]
async fn what_is_not_there_and_who_is_not_known_is_for_a_person() {
    let Some(world) = World::open().await else { return };
    let tables = world.tables().await;
    let absent = backend_aws::Tables { syncs: "no-such-table".to_owned(), ..tables.clone() };
    let error = world.store(&absent).sync(&sync()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Stop);
    assert!(error.to_string().contains("no-such-table"), "{error}");

    let error = world.stranger_at(&tables).syncs(&TenantId::new("acme")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Stop);
    assert!(error.to_string().contains("credentials"), "{error}");

    let message = Message::new(Task::Close { sync: sync(), run: batch(0).run });
    let error = world.store(&tables).send(&message, Duration::ZERO).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Stop);
    assert!(error.to_string().contains("the load queue"), "{error}");
}
