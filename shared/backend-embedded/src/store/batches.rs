//! The table `batches`: what came from sources, as it came.

use chrono::{DateTime, Utc};
use engine::Result;
use engine::model::batch::Archived;
use engine::model::id::{BatchId, RunId, SyncId};
use engine::ports::ArchivePut;
use rusqlite::Row;

use super::{from_json, syncs, to_json};
use crate::database::{Database, Fault, execute, one};

/// Batches that expire in one transaction, so that others get their turn in between.
const EXPIRED_AT_ONCE: usize = 200;

pub(super) async fn archive(database: &Database, batch: &Archived, lease_until: DateTime<Utc>) -> Result<ArchivePut> {
    let batch = batch.clone();
    database
        .write(move |c| {
            let (mut state, version) = syncs::state_in(c, &batch.sync)?;
            if !state.renew(&batch.id.run, lease_until) {
                return Ok(ArchivePut::Fenced);
            }
            let sql = "INSERT INTO batches (run, seq, sync, at, envelope, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                       ON CONFLICT DO NOTHING";
            let envelope = to_json(&batch)?;
            let (run, sync) = (batch.id.run.as_str(), batch.sync.to_string());
            let row = (run, batch.id.seq, sync, batch.at.timestamp_micros(), envelope, &batch.payload);
            if execute(c, sql, row)? == 0 {
                return Ok(ArchivePut::Exists);
            }
            syncs::put_state_in(c, &batch.sync, version, &state)?;
            Ok(ArchivePut::Stored)
        })
        .await
}

pub(super) async fn archived(database: &Database, batch: &BatchId) -> Result<Option<Archived>> {
    let (run, seq) = (batch.run.as_str().to_owned(), batch.seq);
    database
        .read(move |c| {
            let sql = "SELECT envelope, payload FROM batches WHERE run = ?1 AND seq = ?2";
            one(c, sql, (run, seq), columns)?.map(whole).transpose()
        })
        .await
}

pub(super) async fn last_archived(database: &Database, run: &RunId) -> Result<Option<Archived>> {
    let run = run.as_str().to_owned();
    database
        .read(move |c| {
            let sql = "SELECT envelope, payload FROM batches WHERE run = ?1 ORDER BY seq DESC LIMIT 1";
            one(c, sql, (run,), columns)?.map(whole).transpose()
        })
        .await
}

fn columns(row: &Row<'_>) -> rusqlite::Result<(String, Vec<u8>)> {
    Ok((row.get(0)?, row.get(1)?))
}

fn whole((envelope, payload): (String, Vec<u8>)) -> Result<Archived, Fault> {
    Ok(Archived { payload, ..from_json(&envelope)? })
}

pub(super) async fn expire(database: &Database, sync: &SyncId, before: DateTime<Utc>) -> Result<u64> {
    let mut expired = 0;
    loop {
        let sync = sync.to_string();
        let before = before.timestamp_micros();
        let deleted = database.write(move |c| {
            let sql = "DELETE FROM batches WHERE id IN ( \
                           SELECT id FROM batches WHERE sync = ?1 AND at < ?2 AND NOT EXISTS ( \
                               SELECT 1 FROM audit WHERE held IS NOT NULL \
                               AND audit.run = batches.run AND audit.seq = batches.seq) LIMIT ?3)";
            execute(c, sql, (sync, before, EXPIRED_AT_ONCE))
        });
        let deleted = deleted.await?;
        expired += deleted as u64;
        if deleted < EXPIRED_AT_ONCE {
            return Ok(expired);
        }
    }
}
