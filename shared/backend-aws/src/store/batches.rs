//! The table `batches`: what came from sources, as it came.
//!
//! ```text
//! {scope}|rows|{run}/{seq}     <draft>/<n>         a piece of the rows
//! {scope}|archive|{run}        <seq>               the batch: its envelope, and which draft holds its rows
//! {scope}|archived|{sync}      <time>/<run>/<seq>  that the sync has this batch
//! ```
//!
//! The rows are written first, under a name that nobody else has, and outside of the transaction, where a KB costs one
//! write unit instead of two. The batch is there from the moment in which the transaction is done and not before: rows
//! without a batch are never read. Those of a poller that died or lost vanish by themselves.

use std::collections::HashSet;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, TimeDelta, Utc};
use engine::model::batch::Archived;
use engine::model::id::{BatchId, RunId, SyncId};
use engine::model::sync::SyncState;
use engine::ports::ArchivePut;
use engine::{Error, Result};

use super::{held, syncs};
use crate::database::{
    Database, EXPIRES_AT, ITEM, Item, Place, Query, Span, Transacted, Verdict, number, number_in, overloaded, text,
    text_in,
};
use crate::document::{Draft, from_json, new_item, to_json};
use crate::pause::{pause, unique_name};

/// A DynamoDB item holds 400 KB, keys and names of attributes included.
pub(crate) const PIECE: usize = 350 << 10;

/// After this everything about a batch vanishes by itself, whoever still needs it: a net under what nobody deletes any
/// more. The archive expires by [`expire`] long before.
const NET: TimeDelta = TimeDelta::days(5 * 365);

/// How often a batch is archived anew because its sync's state changed meanwhile.
const ATTEMPTS: u32 = 50;

const ENVELOPE: &str = "envelope";
const DRAFT: &str = "draft";
const PIECES: &str = "pieces";
const ROWS: &str = "rows";

/// Where the rows of a batch are.
struct Pieces {
    draft: String,
    count: usize,
}

impl Pieces {
    fn of(item: &Item) -> Result<Self> {
        let count = usize::try_from(number_in(item, PIECES)?).unwrap_or_default();
        Ok(Self { draft: text_in(item, DRAFT)?.to_owned(), count })
    }

    fn places(&self, database: &Database, batch: &BatchId) -> Vec<Place> {
        let owner = database.owner(ROWS, batch);
        (0..self.count).map(|n| Place::new(owner.clone(), format!("{}/{n:04}", self.draft))).collect()
    }

    /// The item that makes the batch be there.
    fn head(&self, database: &Database, batch: &Archived) -> Result<Item> {
        let mut head = place_of(database, &batch.id).key();
        head.insert(ENVELOPE.to_owned(), text(to_json(batch)?));
        self.describe(&mut head, batch.at);
        Ok(head)
    }

    /// The item that lists it.
    fn listed(&self, database: &Database, batch: &Archived) -> Item {
        let owner = owner_of_list(database, &batch.sync);
        let mut listed = Place::new(owner, format!("{}/{}", time(batch.at), batch.id)).key();
        self.describe(&mut listed, batch.at);
        listed
    }

    fn describe(&self, item: &mut Item, at: DateTime<Utc>) {
        item.insert(DRAFT.to_owned(), text(&self.draft));
        item.insert(PIECES.to_owned(), number(i64::try_from(self.count).unwrap_or(i64::MAX)));
        item.insert(EXPIRES_AT.to_owned(), net(at));
    }
}

fn net(at: DateTime<Utc>) -> AttributeValue {
    number(at.checked_add_signed(NET).unwrap_or(at).timestamp())
}

fn place_of(database: &Database, batch: &BatchId) -> Place {
    Place::new(database.owner("archive", &batch.run), format!("{:010}", batch.seq))
}

fn owner_of_list(database: &Database, sync: &SyncId) -> String {
    database.owner("archived", sync)
}

fn time(at: DateTime<Utc>) -> String {
    format!("{:020}", at.timestamp_micros())
}

/// 1 RRU for the lease, 1 WRU per KB of rows, and 6 WRU for the transaction of lease, batch and list. So 300 KB cost 306
/// WRU; in the transaction they would cost 600.
pub(super) async fn archive(database: &Database, batch: &Archived, lease_until: DateTime<Utc>) -> Result<ArchivePut> {
    let Some(mut lease) = renewed_lease(database, batch, lease_until).await? else { return Ok(ArchivePut::Fenced) };
    let pieces = write_pieces(database, batch).await?;
    let (head, listed) = (pieces.head(database, batch)?, pieces.listed(database, batch));
    for attempt in 0..ATTEMPTS {
        let table = &database.tables.batches;
        let lease_write = lease.in_transaction(&database.tables.syncs)?;
        let writes = vec![lease_write, new_item(table, head.clone())?, new_item(table, listed.clone())?];
        let verdicts = match database.transact(writes, lease.mark()).await? {
            Transacted::Done => return Ok(ArchivePut::Stored),
            Transacted::Refused(verdicts) => verdicts,
        };
        let exists = verdicts.iter().skip(1).any(|verdict| matches!(verdict, Verdict::NotMet));
        if !exists {
            pause(attempt).await;
        }
        match renewed_lease(database, batch, lease_until).await? {
            None => return lost(database, batch, &pieces, ArchivePut::Fenced).await,
            Some(_) if exists => return lost(database, batch, &pieces, ArchivePut::Exists).await,
            Some(next) => lease = next,
        }
    }
    Err(overloaded(&format!("sync {}", batch.sync)))
}

/// The state of the sync with the lease renewed, if the run holds it.
async fn renewed_lease(database: &Database, batch: &Archived, lease_until: DateTime<Utc>) -> Result<Option<Draft>> {
    let place = syncs::place_of_state(database, &batch.sync);
    let Some(document) = database.document(&database.tables.syncs, &place).await? else { return Ok(None) };
    let mut state: SyncState = document.value()?;
    match state.renew(&batch.id.run, lease_until) {
        true => Draft::after(&document, place, &state).map(Some),
        false => Ok(None),
    }
}

async fn write_pieces(database: &Database, batch: &Archived) -> Result<Pieces> {
    let chunks = batch.payload.chunks(PIECE);
    let pieces = Pieces { draft: unique_name(), count: chunks.len() };
    for (place, rows) in pieces.places(database, &batch.id).iter().zip(chunks) {
        let mut piece = place.key();
        piece.insert(ROWS.to_owned(), AttributeValue::B(Blob::new(rows)));
        piece.insert(EXPIRES_AT.to_owned(), net(batch.at));
        database.put(&database.tables.batches, piece).await?;
    }
    Ok(pieces)
}

/// Somebody else archives this run now: what was written for nothing goes away.
async fn lost(database: &Database, batch: &Archived, pieces: &Pieces, put: ArchivePut) -> Result<ArchivePut> {
    if let Err(error) = delete_pieces(database, &batch.id, pieces).await {
        tracing::warn!(batch = %batch.id, %error, "rows that nobody needs were left behind; they will expire");
    }
    Ok(put)
}

async fn delete_pieces(database: &Database, batch: &BatchId, pieces: &Pieces) -> Result<()> {
    for place in pieces.places(database, batch) {
        database.delete(&database.tables.batches, &place).await?;
    }
    Ok(())
}

/// 1 RRU, and 1 per 4 KB of rows.
pub(super) async fn archived(database: &Database, batch: &BatchId) -> Result<Option<Archived>> {
    match database.get(&database.tables.batches, &place_of(database, batch)).await? {
        Some(head) => whole(database, &head).await,
        None => Ok(None),
    }
}

/// As [`archived`]: the batches of a run lie in the order of their numbers.
pub(super) async fn last_archived(database: &Database, run: &RunId) -> Result<Option<Archived>> {
    let query = Query::of(database.owner("archive", run)).newest_first();
    match database.list(&database.tables.batches, &query, 1).await?.first() {
        Some(head) => whole(database, head).await,
        None => Ok(None),
    }
}

async fn whole(database: &Database, head: &Item) -> Result<Option<Archived>> {
    let table = &database.tables.batches;
    let batch: Archived = from_json(text_in(head, ENVELOPE)?)?;
    let mut payload = Vec::new();
    for place in Pieces::of(head)?.places(database, &batch.id) {
        let piece = database.get(table, &place).await?;
        let Some(AttributeValue::B(rows)) = piece.as_ref().and_then(|piece| piece.get(ROWS)) else {
            // It may expire at this very moment.
            return match database.get(table, &place_of(database, &batch.id)).await? {
                None => Ok(None),
                Some(_) => Err(Error::stop(format!("archived batch {} lacks a part of its rows", batch.id))),
            };
        };
        payload.extend_from_slice(rows.as_ref());
    }
    Ok(Some(Archived { payload, ..batch }))
}

/// Reads the list of the sync up to `before`, 1 RRU per about 25 batches, and what it holds, 1 RRU per about eight held
/// records. Each batch that goes costs 2 WRU and, as deleting does, 1 WRU per KB of its rows.
pub(super) async fn expire(database: &Database, sync: &SyncId, before: DateTime<Utc>) -> Result<u64> {
    let table = &database.tables.batches;
    let owner = owner_of_list(database, sync);
    let query = Query::of(owner.clone()).span(Span::Below(time(before)));
    let listed = database.list(table, &query, usize::MAX).await?;
    if listed.is_empty() {
        return Ok(0);
    }
    let needed: HashSet<BatchId> = held::batches(database, sync).await?;
    let mut expired = 0;
    for item in listed {
        let name = text_in(&item, ITEM)?;
        let batch: BatchId = name.split_once('/').map_or("", |(_, batch)| batch).parse()?;
        if needed.contains(&batch) {
            continue;
        }
        // The batch first, its entry in the list last: whatever happens in between is finished the next time.
        database.delete(table, &place_of(database, &batch)).await?;
        delete_pieces(database, &batch, &Pieces::of(&item)?).await?;
        database.delete(table, &Place::new(owner.clone(), name)).await?;
        expired += 1;
    }
    Ok(expired)
}
