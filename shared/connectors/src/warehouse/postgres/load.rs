//! Writes one batch in one transaction: ledger row, staging table, COPY, merge, outcomes.

use std::sync::atomic::Ordering;

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
    let (id, part) = (Uuid(batch.id.as_bytes()), number(batch.part));
    if !begin_ledger(&session.client, sql, batch, &id, part).await? {
        let known = read_ledger(&session.client, sql, batch, &id, part).await?;
        session.client.batch_execute("ROLLBACK").await?;
        return Ok(known);
    }
    session.client.batch_execute(&sql.stage).await?;
    let mut staged = stage(session, sql, table, batch).await?;
    let merge = Merge { client: &session.client, sql, table, batch, id, mapping: number(batch.mapping) };
    merge.all(&mut staged, care).await?;
    finish_ledger(&session.client, sql, &id, part, &staged.written).await?;
    // A connection lost here leaves open whether the transaction took effect. That is Later like any lost connection:
    // if it did, the ledger row is there and the repeated batch only reads its outcomes.
    session.client.batch_execute("COMMIT").await?;
    Ok(staged.written)
}

/// Versions of mappings and numbers of batches are small; the database has no unsigned numbers.
fn number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
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
    let seq = number(batch.id.seq);
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
    let row = client.query_typed_one(&sql.read_ledger, &[(id, Type::UUID), (&part, Type::INT4)]).await?;
    let (outcomes, rejects): (Option<&[u8]>, Option<&str>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(ledger::read(outcomes.unwrap_or_default(), rejects, batch.rows.count()?)?)
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
    let mut staged = Staged { positions: Vec::new(), written: Vec::new() };
    let mut encoder = Encoder::new();
    let mut incoming = Incoming::new(table, batch)?;
    let mut is_sorted = true;
    while let Some(row) = incoming.next()? {
        match row.misfit(table) {
            Some(reason) => staged.written.push(Written { outcome: Outcome::Rejected, reason: Some(reason) }),
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

/// What all writes of a batch have in common.
struct Merge<'m> {
    client: &'m Client,
    sql: &'m LoadSql,
    table: &'m TableSpec,
    batch: &'m MappedBatch,
    id: Uuid,
    mapping: i32,
}

impl Merge<'_> {
    /// Writes what is staged and notes every outcome.
    ///
    /// Writing locks each row it meets, also those it then leaves alone, which costs the server more than comparing
    /// first. Comparing first costs as much again where most rows do change. So the last batch of the table decides.
    async fn all(&self, staged: &mut Staged, care: Care) -> Result<(), Failure> {
        let compares_first = care == Care::Plain && self.sql.mostly_unchanged.load(Ordering::Relaxed);
        let (expected, written) = if compares_first {
            let wins = self.compare(staged).await?;
            let written = if wins.is_empty() { 0 } else { self.write(staged, Some(&wins)).await? };
            (wins.len(), written)
        } else if care == Care::Plain {
            (staged.positions.len(), self.write(staged, None).await?)
        } else {
            (staged.positions.len(), self.bisect(staged).await?)
        };
        if written < expected {
            // Some rows were not written: they are unchanged, or they lost, which only the table can tell.
            self.compare(staged).await?;
        }
        let is_mostly_unchanged = written * 2 < staged.positions.len();
        self.sql.mostly_unchanged.store(is_mostly_unchanged, Ordering::Relaxed);
        Ok(())
    }

    /// Notes which rows lost against what is there, and returns which would be written.
    async fn compare(&self, staged: &mut Staged) -> Result<Vec<i32>, Failure> {
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&self.batch.version.0, Type::INT8), (&self.mapping, Type::INT4), (&self.batch.touch, Type::BOOL)];
        let row = self.client.query_typed_one(&self.sql.compare, &parameters).await?;
        for seq in row.try_get::<_, Option<Vec<i32>>>(0)?.unwrap_or_default() {
            if let Some(written) = staged.of(seq).filter(|written| written.outcome == Outcome::Unchanged) {
                written.outcome = Outcome::Superseded;
            }
        }
        Ok(row.try_get::<_, Option<Vec<i32>>>(1)?.unwrap_or_default())
    }

    /// Writes these staged rows, or all, and notes their outcomes. Returns how many were written or touched.
    async fn write(&self, staged: &mut Staged, seqs: Option<&[i32]>) -> Result<usize, Failure> {
        let parameters: [(&(dyn ToSql + Sync), Type); 7] = [
            (&self.id, Type::UUID),
            (&self.batch.version.0, Type::INT8),
            (&self.mapping, Type::INT4),
            (&Timestamp(self.batch.at.timestamp_micros()), Type::TIMESTAMPTZ),
            (&self.batch.touch, Type::BOOL),
            (&seqs, Type::INT4_ARRAY),
            (&self.table.source_system, Type::TEXT),
        ];
        let row = self.client.query_typed_one(&self.sql.merge, &parameters).await?;
        for (column, outcome) in [Outcome::Inserted, Outcome::Updated, Outcome::Deleted].into_iter().enumerate() {
            for seq in row.try_get::<_, Option<Vec<i32>>>(column)?.unwrap_or_default() {
                if let Some(written) = staged.of(seq) {
                    written.outcome = outcome;
                }
            }
        }
        Ok(usize::try_from(row.try_get::<_, i64>(3)?).unwrap_or(0))
    }

    /// Writes what can be written and rejects what cannot, each with the database's own words.
    async fn bisect(&self, staged: &mut Staged) -> Result<usize, Failure> {
        let seqs: Vec<i32> = staged.positions.iter().map(|(seq, _)| *seq).collect();
        let mut written = 0;
        let mut parts = vec![seqs.as_slice()];
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            self.client.batch_execute("SAVEPOINT part").await?;
            match self.write(staged, Some(part)).await {
                Ok(count) => {
                    self.client.batch_execute("RELEASE SAVEPOINT part").await?;
                    written += count;
                }
                Err(Failure::Data(words)) => {
                    self.client.batch_execute("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part").await?;
                    match part {
                        [seq] => {
                            if let Some(row) = staged.of(*seq) {
                                *row = Written { outcome: Outcome::Rejected, reason: Some(words) };
                            }
                        }
                        part => {
                            let (first, second) = part.split_at(part.len() / 2);
                            parts.extend([second, first]);
                        }
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(written)
    }
}
