//! Writes one batch in one transaction: ledger row, staging table, COPY, merge, outcomes.

use bytes::Bytes;
use engine::model::audit::Outcome;
use engine::model::batch::MappedBatch;
use engine::model::table::TableSpec;
use engine::ports::Written;
use engine::{Error, Result};
use futures_util::SinkExt;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, CopyInSink};

use super::super::incoming::Incoming;
use super::super::ledger;
use super::connect::Session;
use super::copy::Encoder;
use super::errors::Failure;
use super::sql::LoadSql;
use super::types::{Timestamp, Uuid};

/// How rows that the database refuses are dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// One statement for all; a refused row fails the batch. Nearly every batch goes this way.
    Plain,
    /// Savepoints around ever smaller parts, until the refused rows stand alone.
    Bisect,
}

/// Which rows are staged, and what is known of each row of the batch.
struct Staged {
    /// `_seq` and position in the batch of the staged rows, by `_seq`.
    positions: Vec<(i32, usize)>,
    /// One entry per row of the batch; a staged row is unchanged until something else is found.
    written: Vec<Written>,
}

impl Staged {
    /// What is known of the row with this number.
    fn of(&mut self, seq: i32) -> Option<&mut Written> {
        // Row numbers mostly have no gaps, so that a row stands as far from the first as its number does.
        let first = self.positions.first()?.0;
        let guess = usize::try_from(i64::from(seq) - i64::from(first)).ok();
        let guess = guess.filter(|at| self.positions.get(*at).is_some_and(|(found, _)| *found == seq));
        let at = guess.or_else(|| self.positions.binary_search_by_key(&seq, |(seq, _)| *seq).ok())?;
        self.written.get_mut(self.positions[at].1)
    }

    fn reject(&mut self, at: usize, reason: String) {
        self.written[self.positions[at].1] = Written {
            outcome: Outcome::Rejected,
            reason: Some(reason),
        };
    }
}

/// Loads a batch, or returns what the ledger knows of it. `begin` opens the transaction.
pub(super) async fn load(
    session: &mut Session,
    begin: &str,
    sql: &LoadSql,
    table: &TableSpec,
    batch: &MappedBatch,
    care: Care,
) -> Result<Vec<Written>, Failure> {
    session.client.batch_execute(begin).await?;
    let (id, part) = (Uuid(batch.id.as_bytes()), i32::try_from(batch.part).unwrap_or(i32::MAX));
    if !begin_ledger(&session.client, sql, batch, &id, part).await? {
        let known = read_ledger(&session.client, sql, batch, &id, part).await;
        session.client.batch_execute("ROLLBACK").await?;
        return known;
    }
    session.client.batch_execute(&sql.stage).await?;
    let mut staged = stage(session, sql, table, batch).await?;
    let client = &session.client;
    let returned = match care {
        Care::Plain => merge(client, sql, table, batch, &id, &mut staged, (i32::MIN, i32::MAX)).await?,
        Care::Bisect => bisect(client, sql, table, batch, &id, &mut staged).await?,
    };
    if returned < staged.positions.len() {
        // Rows that were not written are unchanged or lost; only the table tells which.
        let row = client.query_typed_one(&sql.superseded, &[]).await?;
        for seq in row.try_get::<_, Option<Vec<i32>>>(0)?.unwrap_or_default() {
            if let Some(written) = staged.of(seq).filter(|written| written.outcome == Outcome::Unchanged) {
                written.outcome = Outcome::Superseded;
            }
        }
    }
    finish_ledger(client, sql, &id, part, &staged.written).await?;
    // A connection lost here leaves open whether the transaction took effect. That is Later like any lost connection:
    // if it did, the ledger row is there and the repeated batch only reads its outcomes.
    client.batch_execute("COMMIT").await?;
    Ok(staged.written)
}

/// Adds the ledger row; `false` when the batch was loaded before. Waits for another writer of the same batch to end.
async fn begin_ledger(
    client: &Client,
    sql: &LoadSql,
    batch: &MappedBatch,
    id: &Uuid,
    part: i32,
) -> Result<bool, Failure> {
    let sync = batch.sync.to_string();
    let seq = i32::try_from(batch.id.seq).unwrap_or(i32::MAX);
    let added = client
        .execute_typed(
            &sql.begin_ledger,
            &[
                (id as &(dyn ToSql + Sync), Type::UUID),
                (&part, Type::INT4),
                (&sync, Type::TEXT),
                (&batch.id.run.as_str(), Type::TEXT),
                (&seq, Type::INT4),
                (&sql.entity, Type::TEXT),
                (&batch.version.0, Type::INT8),
                (&Timestamp(batch.at.timestamp_micros()), Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    Ok(added == 1)
}

async fn read_ledger(
    client: &Client,
    sql: &LoadSql,
    batch: &MappedBatch,
    id: &Uuid,
    part: i32,
) -> Result<Vec<Written>, Failure> {
    let row = client
        .query_typed_one(&sql.read_ledger, &[(id, Type::UUID), (&part, Type::INT4)])
        .await?;
    let (outcomes, rejects): (Option<&[u8]>, Option<&str>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(ledger::read(
        outcomes.unwrap_or_default(),
        rejects,
        batch.rows.count()?,
    )?)
}

async fn finish_ledger(
    client: &Client,
    sql: &LoadSql,
    id: &Uuid,
    part: i32,
    written: &[Written],
) -> Result<(), Failure> {
    let entry = ledger::Entry::new(written)?;
    let count = |count: u64| i32::try_from(count).unwrap_or(i32::MAX);
    let counts = entry.counts;
    client
        .execute_typed(
            &sql.finish_ledger,
            &[
                (id as &(dyn ToSql + Sync), Type::UUID),
                (&part, Type::INT4),
                (&count(counts.polled), Type::INT4),
                (&count(counts.inserted), Type::INT4),
                (&count(counts.updated), Type::INT4),
                (&count(counts.unchanged), Type::INT4),
                (&count(counts.superseded), Type::INT4),
                (&count(counts.deleted), Type::INT4),
                (&count(counts.rejected), Type::INT4),
                (&entry.outcomes, Type::BYTEA),
                (&entry.rejects, Type::TEXT),
            ],
        )
        .await?;
    Ok(())
}

/// Sends the rows that fit their columns into the staging table.
async fn stage(
    session: &mut Session,
    sql: &LoadSql,
    table: &TableSpec,
    batch: &MappedBatch,
) -> Result<Staged, Failure> {
    let statement = session.prepared(&sql.copy).await?;
    let sink: CopyInSink<Bytes> = session.client.copy_in(&statement).await?;
    let mut sink = std::pin::pin!(sink);
    let mut staged = Staged {
        positions: Vec::new(),
        written: Vec::new(),
    };
    let mut encoder = Encoder::new();
    let mut incoming = Incoming::new(table, batch)?;
    let mut is_sorted = true;
    while let Some(row) = incoming.next()? {
        match row.misfit(table) {
            Some(reason) => staged.written.push(Written {
                outcome: Outcome::Rejected,
                reason: Some(reason),
            }),
            None => {
                encoder.row(&row);
                is_sorted &= staged.positions.last().is_none_or(|(last, _)| *last < row.seq);
                staged.positions.push((row.seq, staged.written.len()));
                staged.written.push(Outcome::Unchanged.into());
            }
        }
        if let Some(chunk) = encoder.chunk() {
            sink.send(chunk).await?;
        }
    }
    sink.send(encoder.finish()).await?;
    sink.finish().await?;
    if !is_sorted {
        staged.positions.sort_unstable();
        if staged.positions.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            let id = &batch.id;
            return Err(Error::stop(format!("batch {id} has two rows with one row number: replay its run")).into());
        }
    }
    Ok(staged)
}

/// Writes the staged rows of a range and notes their outcomes. Returns how many were written or touched.
async fn merge(
    client: &Client,
    sql: &LoadSql,
    table: &TableSpec,
    batch: &MappedBatch,
    id: &Uuid,
    staged: &mut Staged,
    (first, last): (i32, i32),
) -> Result<usize, Failure> {
    let mapping = i32::try_from(batch.mapping).unwrap_or(i32::MAX);
    let row = client
        .query_typed_one(
            &sql.merge,
            &[
                (id as &(dyn ToSql + Sync), Type::UUID),
                (&batch.version.0, Type::INT8),
                (&mapping, Type::INT4),
                (&Timestamp(batch.at.timestamp_micros()), Type::TIMESTAMPTZ),
                (&batch.touch, Type::BOOL),
                (&first, Type::INT4),
                (&last, Type::INT4),
                (&table.source_system, Type::TEXT),
            ],
        )
        .await?;
    for (column, outcome) in [Outcome::Inserted, Outcome::Updated, Outcome::Deleted]
        .into_iter()
        .enumerate()
    {
        for seq in row.try_get::<_, Option<Vec<i32>>>(column)?.unwrap_or_default() {
            if let Some(written) = staged.of(seq) {
                written.outcome = outcome;
            }
        }
    }
    Ok(usize::try_from(row.try_get::<_, i64>(3)?).unwrap_or(0))
}

/// Writes what can be written and rejects what cannot, each with the database's own words.
async fn bisect(
    client: &Client,
    sql: &LoadSql,
    table: &TableSpec,
    batch: &MappedBatch,
    id: &Uuid,
    staged: &mut Staged,
) -> Result<usize, Failure> {
    let mut returned = 0;
    let mut ranges = vec![0..staged.positions.len()];
    while let Some(range) = ranges.pop() {
        if range.is_empty() {
            continue;
        }
        let seqs = (staged.positions[range.start].0, staged.positions[range.end - 1].0);
        client.batch_execute("SAVEPOINT part").await?;
        match merge(client, sql, table, batch, id, staged, seqs).await {
            Ok(count) => {
                client.batch_execute("RELEASE SAVEPOINT part").await?;
                returned += count;
            }
            Err(Failure::Data(words)) => {
                client
                    .batch_execute("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part")
                    .await?;
                if range.len() == 1 {
                    staged.reject(range.start, words);
                } else {
                    let middle = range.start + range.len() / 2;
                    ranges.push(middle..range.end);
                    ranges.push(range.start..middle);
                }
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(returned)
}
