//! Held records, in the table `audit`.
//!
//! ```text
//! {scope}|held|{sync}    held/<key>    the record that is held
//! {scope}|count|{sync}   held          how many are: rejected, waiting
//! ```
//!
//! The count is kept in the same transactions that hold and release, because every batch asks whether anything is held
//! at all, and because the proof of a run rests on it. The price is two write units instead of one per held record, and
//! that two who hold records of the same sync at once wait for each other.

use std::collections::{BTreeMap, HashMap, HashSet};

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem, Update};
use engine::Result;
use engine::model::audit::{Held, Settled};
use engine::model::id::{BatchId, RecordKey, SyncId};
use engine::ports::HeldFilter;

use super::unique;
use crate::database::{
    Database, ITEM, Item, OWNER, Place, Query, Span, Transacted, built, number, number_in, overloaded, text, text_in,
};
use crate::document::{from_json, to_json};
use crate::pause::{pause, unique_name};

const HELD: &str = "held";
const MARK: &str = "mark";
const VERSION: &str = "version";
const WAITING: &str = "waiting";
const WAITS_FOR: &str = "waits_for";
const RUN: &str = "run";
const REJECTED: &str = "rejected";

/// A transaction holds 100 writes, one of which is the count, and 4 MB.
const CHANGED_AT_ONCE: usize = 99;
const BYTES_AT_ONCE: usize = 3 << 20;

/// How often records are held anew that others hold or release at the same time.
const ATTEMPTS: u32 = 50;

/// A held record takes about half a KB, so that a listing shows eight for what asking for one costs.
const LISTED_FOR_ONE: usize = 8;

/// A held record as it lies there.
struct Known {
    held: Held,
    mark: String,
}

impl Known {
    fn of(item: &Item) -> Result<Self> {
        Ok(Self { held: from_json(text_in(item, HELD)?)?, mark: text_in(item, MARK)?.to_owned() })
    }
}

/// A step for one record: what lies there and what comes in its place.
struct Change {
    place: Place,
    before: Option<Known>,
    after: Option<Held>,
}

fn owner_of(database: &Database, sync: &SyncId) -> String {
    database.owner(HELD, sync)
}

/// The sort key of a record: it sorts as the key itself does, and is never empty.
fn item_of(key: &RecordKey) -> String {
    format!("{HELD}/{key}")
}

fn place_of(database: &Database, sync: &SyncId, key: &RecordKey) -> Place {
    Place::new(owner_of(database, sync), item_of(key))
}

fn place_of_count(database: &Database, sync: &SyncId) -> Place {
    Place::new(database.owner("count", sync), HELD)
}

/// 1 RRU and 2 WRU per record (of up to 1 KB), and 2 WRU per 99 records. What is held already as it is costs the read
/// alone.
pub(super) async fn hold(database: &Database, held: &[Held]) -> Result<()> {
    let mut by_sync: BTreeMap<&SyncId, Vec<&Held>> = BTreeMap::new();
    for one in held {
        by_sync.entry(&one.sync).or_default().push(one);
    }
    for (sync, held) in by_sync {
        // Each record once, as if they had come one after the other.
        let mut newest: BTreeMap<&RecordKey, Held> = BTreeMap::new();
        for one in held {
            let next = following(newest.get(&one.key), one.clone());
            if let Some(next) = next {
                newest.insert(&one.key, next);
            }
        }
        for chunk in chunks(newest.into_values().collect()) {
            hold_chunk(database, sync, &chunk).await?;
        }
    }
    Ok(())
}

/// What is held after `held` came on top of `before`; `None` when `before` stays.
fn following(before: Option<&Held>, mut held: Held) -> Option<Held> {
    let Some(before) = before else { return Some(held) };
    if before.version > held.version {
        return None;
    }
    if held.is_waiting() && before.why == held.why {
        held.since = before.since;
    }
    Some(held)
}

fn chunks(held: Vec<Held>) -> Vec<Vec<Held>> {
    let (mut chunks, mut bytes) = (vec![Vec::new()], 0);
    for one in held {
        let size = 1024 + one.reason.len() + one.value.as_ref().map_or(0, String::len) + 2 * one.key.as_str().len();
        let is_full = chunks.last().is_some_and(|chunk| chunk.len() >= CHANGED_AT_ONCE);
        if is_full || bytes + size > BYTES_AT_ONCE {
            chunks.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        chunks.last_mut().into_iter().for_each(|chunk| chunk.push(one.clone()));
    }
    chunks
}

async fn hold_chunk(database: &Database, sync: &SyncId, chunk: &[Held]) -> Result<()> {
    for attempt in 0..ATTEMPTS {
        let places: Vec<Place> = chunk.iter().map(|held| place_of(database, sync, &held.key)).collect();
        let mut known = known_at(database, &places).await?;
        let mut changes = Vec::new();
        for (place, held) in places.into_iter().zip(chunk) {
            let before = known.remove(&place.item);
            let Some(after) = following(before.as_ref().map(|known| &known.held), held.clone()) else { continue };
            if before.as_ref().is_none_or(|known| known.held != after) {
                changes.push(Change { place, before, after: Some(after) });
            }
        }
        if commit(database, sync, changes).await? {
            return Ok(());
        }
        pause(attempt).await;
    }
    Err(overloaded(&format!("the held records of {sync}")))
}

async fn known_at(database: &Database, places: &[Place]) -> Result<HashMap<String, Known>> {
    let found = database.get_many(&database.tables.audit, places.to_vec()).await?;
    found.iter().map(|item| Ok((text_in(item, ITEM)?.to_owned(), Known::of(item)?))).collect()
}

/// Does all the changes together with their count, unless one of the records has changed meanwhile; says whether it did.
async fn commit(database: &Database, sync: &SyncId, changes: Vec<Change>) -> Result<bool> {
    if changes.is_empty() {
        return Ok(true);
    }
    let (mut rejected, mut waiting) = (0_i64, 0_i64);
    let mut count = |held: &Held, by: i64| match held.is_waiting() {
        true => waiting += by,
        false => rejected += by,
    };
    let table = &database.tables.audit;
    let mut writes = Vec::with_capacity(changes.len() + 1);
    for change in &changes {
        if let Some(known) = &change.before {
            count(&known.held, -1);
        }
        if let Some(held) = &change.after {
            count(held, 1);
        }
        writes.push(written(table, change)?);
    }
    if (rejected, waiting) != (0, 0) {
        let update = Update::builder()
            .table_name(table)
            .set_key(Some(place_of_count(database, sync).key()))
            .update_expression("ADD #rejected :rejected, #waiting :waiting")
            .expression_attribute_names("#rejected", REJECTED)
            .expression_attribute_names("#waiting", WAITING)
            .expression_attribute_values(":rejected", number(rejected))
            .expression_attribute_values(":waiting", number(waiting));
        writes.push(TransactWriteItem::builder().update(built(update.build())?).build());
    }
    Ok(matches!(database.transact(writes, &unique_name()).await?, Transacted::Done))
}

fn written(table: &str, change: &Change) -> Result<TransactWriteItem> {
    let (condition, name, mark) = match &change.before {
        Some(known) => ("#seen = :mark", MARK, Some(text(&known.mark))),
        None => ("attribute_not_exists(#seen)", OWNER, None),
    };
    let values = mark.map(|mark| HashMap::from([(":mark".to_owned(), mark)]));
    let write = TransactWriteItem::builder();
    let Some(held) = &change.after else {
        let delete = Delete::builder()
            .table_name(table)
            .set_key(Some(change.place.key()))
            .condition_expression(condition)
            .expression_attribute_names("#seen", name)
            .set_expression_attribute_values(values);
        return Ok(write.delete(built(delete.build())?).build());
    };
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(item(&change.place, held)?))
        .condition_expression(condition)
        .expression_attribute_names("#seen", name)
        .set_expression_attribute_values(values);
    Ok(write.put(built(put.build())?).build())
}

fn item(place: &Place, held: &Held) -> Result<Item> {
    let mut item = place.key();
    item.insert(HELD.to_owned(), text(to_json(held)?));
    item.insert(MARK.to_owned(), text(unique_name()));
    item.insert(VERSION.to_owned(), number(held.version));
    item.insert(WAITING.to_owned(), AttributeValue::Bool(held.is_waiting()));
    item.insert(RUN.to_owned(), text(held.batch.run.as_str()));
    if let Some((stream, _)) = held.why.hopes_for() {
        item.insert(WAITS_FOR.to_owned(), text(stream));
    }
    Ok(item)
}

/// 1 RRU per about eight held records, those that a filter leaves out included.
pub(super) async fn held(database: &Database, sync: &SyncId, filter: &HeldFilter) -> Result<Vec<Held>> {
    let mut query = Query::of(owner_of(database, sync));
    if let Some(after) = &filter.after {
        query = query.span(Span::Above(item_of(after)));
    }
    query.with.extend(filter.waiting.map(|waiting| (WAITING, AttributeValue::Bool(waiting))));
    query.with.extend(filter.run.as_ref().map(|run| (RUN, text(run.as_str()))));
    query.with.extend(filter.waiting_for.as_ref().map(|stream| (WAITS_FOR, text(stream))));
    let found = database.list(&database.tables.audit, &query, filter.limit).await?;
    found.iter().map(|item| from_json(text_in(item, HELD)?)).collect()
}

/// 1 RRU.
pub(super) async fn held_count(database: &Database, sync: &SyncId) -> Result<(u64, u64)> {
    let Some(count) = database.get(&database.tables.audit, &place_of_count(database, sync)).await? else {
        return Ok((0, 0));
    };
    let of = |name| Ok::<_, engine::Error>(u64::try_from(number_in(&count, name)?).unwrap_or_default());
    Ok((of(REJECTED)?, of(WAITING)?))
}

/// Those of the keys that are held. Few records are held, so that the usual question is answered by listing what is held
/// between the least and the greatest key, 1 RRU per about eight; where more is held than asking for each key would cost,
/// each is asked for, 1 RRU per key.
async fn held_in(database: &Database, sync: &SyncId, keys: &[&RecordKey]) -> Result<Vec<(RecordKey, Known)>> {
    let table = &database.tables.audit;
    let asked: HashMap<String, &RecordKey> =
        keys.iter().map(|key| (place_of(database, sync, key).item, *key)).collect();
    let (Some(least), Some(greatest)) = (asked.keys().min(), asked.keys().max()) else {
        return Ok(Vec::new());
    };
    let query = Query::of(owner_of(database, sync)).span(Span::Between(least.clone(), greatest.clone()));
    let most = asked.len().saturating_mul(LISTED_FOR_ONE);
    let (mut found, mut looked_at, mut start) = (Vec::new(), 0, None);
    loop {
        let (items, next) = database.page(table, &query, Some(most - looked_at), start).await?;
        looked_at += items.len();
        found.extend(items);
        start = next;
        if start.is_none() || looked_at >= most {
            break;
        }
    }
    if start.is_some() {
        let places = keys.iter().map(|key| place_of(database, sync, key)).collect();
        found = database.get_many(table, places).await?;
    }
    let mut held = Vec::new();
    for item in &found {
        let Some(key) = asked.get(text_in(item, ITEM)?) else { continue };
        let known = Known::of(item)?;
        // Two long keys may share their shortened form.
        if known.held.key == **key {
            held.push(((*key).clone(), known));
        }
    }
    Ok(held)
}

/// See [`held_in`].
pub(super) async fn held_among(database: &Database, sync: &SyncId, keys: &[RecordKey]) -> Result<Vec<RecordKey>> {
    let held = held_in(database, sync, &unique(keys)).await?;
    Ok(held.into_iter().map(|(key, _)| key).collect())
}

/// The look of [`held_in`], 2 WRU per record (of up to 1 KB) that is released, and 2 WRU per 99 of them.
pub(super) async fn settle(database: &Database, sync: &SyncId, settled: &[Settled]) -> Result<()> {
    let mut versions: HashMap<&RecordKey, i64> = HashMap::with_capacity(settled.len());
    for one in settled {
        let version = versions.entry(&one.key).or_insert(one.version);
        *version = one.version.max(*version);
    }
    let keys: Vec<&RecordKey> = versions.keys().copied().collect();
    for attempt in 0..ATTEMPTS {
        let mut released = held_in(database, sync, &keys).await?;
        released.retain(|(key, known)| versions.get(key).is_some_and(|version| known.held.version <= *version));
        let mut is_done = true;
        let mut changes = released.into_iter().map(|(key, known)| {
            let place = place_of(database, sync, &key);
            Change { place, before: Some(known), after: None }
        });
        loop {
            let chunk: Vec<Change> = changes.by_ref().take(CHANGED_AT_ONCE).collect();
            if chunk.is_empty() {
                break;
            }
            is_done &= commit(database, sync, chunk).await?;
        }
        if is_done {
            return Ok(());
        }
        pause(attempt).await;
    }
    Err(overloaded(&format!("the held records of {sync}")))
}

/// The batches that hold a held record of the sync. 1 RRU per about eight held records.
pub(super) async fn batches(database: &Database, sync: &SyncId) -> Result<HashSet<BatchId>> {
    let everything = HeldFilter { limit: usize::MAX, ..HeldFilter::default() };
    Ok(held(database, sync, &everything).await?.into_iter().map(|held| held.batch).collect())
}
