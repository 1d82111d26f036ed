//! Replay: archived rows go the same way once more, in a new run with new batches, under the version they had. A replay
//! therefore never overwrites what was read later; it only brings what is missing.

use serde::{Deserialize, Serialize};

use super::Context;
use super::close::is_archived;
use super::handle::internal;
use super::poll::{Polled, send_transform};
use crate::error::{Error, Result};
use crate::model::audit::Held;
use crate::model::batch::Archived;
use crate::model::id::{BatchId, RecordKey, RunId};
use crate::model::rows::{Rows, RowsWriter};
use crate::model::run::Run;
use crate::model::window::{Position, Replay};
use crate::ports::{ArchivePut, HeldFilter};

/// Held records are gathered in groups of at most this many.
const HELD_AT_ONCE: usize = 1_000;

/// How far a replay has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct At {
    /// The next batch of a replayed run.
    #[serde(default)]
    seq: u32,
    /// The key of the last replayed held record.
    #[serde(default)]
    after: Option<RecordKey>,
}

/// Archives and sends what is to be replayed, batch by batch.
pub(super) async fn poll(context: &Context, run: &Run, what: &Replay) -> Result<Polled> {
    let (mut seq, mut at) = match context.store.last_archived(&run.id).await? {
        None => (0, At::default()),
        Some(last) => {
            let (seq, next) = (last.id.seq + 1, last.next.clone());
            send_transform(context, run, last).await?;
            match next {
                None => return Ok(Polled::All(seq)),
                Some(position) => (seq, from_position(&position)?),
            }
        }
    };
    loop {
        let Some((mut batch, next)) = next_batch(context, run, what, at).await? else { return Ok(Polled::All(seq)) };
        batch.replays = Some(batch.id);
        batch.id = BatchId { run: run.id.clone(), seq };
        batch.next = next.as_ref().map(to_position).transpose()?;
        batch.at = context.clock.now();
        batch.too_big = 0;
        match context.store.archive(&batch, context.lease_until()).await? {
            ArchivePut::Stored => send_transform(context, run, batch).await?,
            ArchivePut::Exists | ArchivePut::Fenced => return Ok(Polled::Lost),
        }
        seq += 1;
        match next {
            None => return Ok(Polled::All(seq)),
            Some(next) => at = next,
        }
    }
}

fn from_position(position: &Position) -> Result<At> {
    serde_json::from_value(position.0.clone())
        .map_err(|e| internal(format!("an archived position cannot be read ({e}): start the replay again")))
}

fn to_position(at: &At) -> Result<Position> {
    serde_json::to_value(at).map(Position).map_err(|e| internal(format!("a position cannot be written: {e}")))
}

async fn next_batch(context: &Context, run: &Run, what: &Replay, at: At) -> Result<Option<(Archived, Option<At>)>> {
    match what {
        Replay::Batch(batch) => Ok(Some((archived(context, run, batch).await?, None))),
        Replay::Run(replayed) => {
            let batch = BatchId { run: replayed.clone(), seq: at.seq };
            let found = context.store.archived(&batch).await?;
            let Some(found) = found else {
                let known = context.store.run(replayed).await?;
                let polled = known.and_then(|run| run.expected).unwrap_or(0);
                return if at.seq < polled { Err(missing(&batch)) } else { Ok(None) };
            };
            same_sync(run, &found)?;
            Ok(Some((found, Some(At { seq: at.seq + 1, ..At::default() }))))
        }
        Replay::Rejects { run: of } => next_rejects(context, run, of.as_ref(), at).await,
    }
}

async fn archived(context: &Context, run: &Run, batch: &BatchId) -> Result<Archived> {
    let found = context.store.archived(batch).await?.ok_or_else(|| missing(batch))?;
    same_sync(run, &found)?;
    Ok(found)
}

fn missing(batch: &BatchId) -> Error {
    Error::stop(format!(
        "batch {batch} is not in the archive (any more): read its records again with `run --key`, or its window with \
         `backfill --from --to`"
    ))
}

fn same_sync(run: &Run, found: &Archived) -> Result<()> {
    if found.sync == run.sync {
        return Ok(());
    }
    Err(Error::stop(format!("batch {} belongs to {}, not to {}", found.id, found.sync, run.sync)))
}

/// The next held records that lie in one archived batch, as a batch of just their rows.
async fn next_rejects(
    context: &Context,
    run: &Run,
    of: Option<&RunId>,
    mut at: At,
) -> Result<Option<(Archived, Option<At>)>> {
    loop {
        let filter =
            HeldFilter { run: of.cloned(), after: at.after.clone(), limit: HELD_AT_ONCE, ..HeldFilter::default() };
        let page = context.store.held(&run.sync, &filter).await?;
        let Some(first) = page.iter().find(|held| is_archived(held)) else {
            match page.last() {
                None => return Ok(None),
                Some(last) => at.after = Some(last.key.clone()),
            }
            continue;
        };
        // Held records are listed by key; those that follow one another in the same batch travel together.
        let group: Vec<&Held> = page
            .iter()
            .skip_while(|held| held.key != first.key)
            .take_while(|held| held.batch == first.batch && is_archived(held))
            .collect();
        let Some(last) = group.last() else { return Ok(None) };
        let next = At { after: Some(last.key.clone()), ..At::default() };
        let whole = archived(context, run, &first.batch).await?;
        let places: Vec<u32> = group.iter().map(|held| held.row).collect();
        return Ok(Some((only_rows(whole, &places)?, Some(next))));
    }
}

fn only_rows(mut batch: Archived, places: &[u32]) -> Result<Archived> {
    let rows = Rows::decompress(&batch.payload)?;
    let mut kept = RowsWriter::new(rows.columns());
    let mut cells = Vec::new();
    let mut reader = rows.reader();
    let mut row = 0;
    while reader.next_into(&mut cells)? {
        if places.contains(&row) {
            kept.push(&cells);
        }
        row += 1;
    }
    batch.rows = u32::try_from(kept.len()).unwrap_or(u32::MAX);
    batch.payload = kept.compress()?;
    Ok(batch)
}
