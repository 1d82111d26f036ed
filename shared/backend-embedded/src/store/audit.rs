//! The table `audit`: what happened to records, and the records that are held.
//!
//! The lines of a batch are one row: a compressed block between its least and its greatest key. A history is read from
//! the blocks that may hold the key. A batch is read in the order of keys, so these are few.

use std::collections::HashMap;

use chrono::DateTime;
use engine::model::audit::{AuditBatch, AuditEntry, AuditLine, Held, Outcome, Settled};
use engine::model::id::{BatchId, RecordKey, RunId, SyncId};
use engine::model::rows::{Rows, RowsWriter};
use engine::model::value::Value;
use engine::ports::HeldFilter;
use engine::{Error, Result};
use rusqlite::{Connection, Row};

use super::{from_json, to_json, unique};
use crate::database::{Database, Fault, all, execute, one};

pub(super) async fn write_lines(database: &Database, audit: &AuditBatch) -> Result<()> {
    let keys = || audit.entries.iter().map(|entry| entry.key.as_str());
    let (Some(least), Some(greatest)) = (keys().min(), keys().max()) else {
        return Ok(());
    };
    let (least, greatest) = (least.to_owned(), greatest.to_owned());
    let block = block(&audit.entries)?;
    let (sync, batch, part) = (audit.sync.to_string(), audit.batch.clone(), audit.part);
    let (at, version, mapping) = (audit.at.timestamp_micros(), audit.version, audit.mapping);
    database
        .write(move |c| {
            let sql = "INSERT INTO audit (sync, least, greatest, run, seq, part, at, version, mapping, content) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING";
            let run = batch.run.as_str();
            execute(c, sql, (sync, least, greatest, run, batch.seq, part, at, version, mapping, block))?;
            Ok(())
        })
        .await
}

fn block(entries: &[AuditEntry]) -> Result<Vec<u8>> {
    let mut rows = RowsWriter::new(&["key", "outcome", "detail"]);
    for entry in entries {
        rows.push(&[
            Value::text(entry.key.as_str()),
            Value::Integer(entry.outcome.code().into()),
            entry.detail.as_deref().map_or(Value::Null, Value::text),
        ]);
    }
    rows.compress()
}

struct Block {
    batch: BatchId,
    at: i64,
    version: i64,
    mapping: u32,
    content: Vec<u8>,
}

pub(super) async fn lines_of(database: &Database, sync: &SyncId, key: &RecordKey) -> Result<Vec<AuditLine>> {
    let (sync, key) = (sync.to_string(), key.clone());
    database
        .read(move |c| {
            let sql = "SELECT run, seq, at, version, mapping, content FROM audit \
                       WHERE sync = ?1 AND held IS NULL AND least <= ?2 AND greatest >= ?2 ORDER BY at, id";
            let mut statement = c.prepare_cached(sql)?;
            let mut blocks = statement.query((sync, key.as_str()))?;
            let mut lines = Vec::new();
            // One block at a time: a long history is not held in memory.
            while let Some(row) = blocks.next()? {
                let batch = BatchId { run: RunId::new(row.get::<_, String>(0)?), seq: row.get(1)? };
                let (at, version, mapping) = (row.get(2)?, row.get(3)?, row.get(4)?);
                let block = Block { batch, at, version, mapping, content: row.get(5)? };
                block.find(&key, &mut lines)?;
            }
            Ok(lines)
        })
        .await
}

impl Block {
    fn find(&self, key: &RecordKey, lines: &mut Vec<AuditLine>) -> Result<()> {
        let unknown = || Error::stop(format!("the audit of batch {} is from a newer ml-connector", self.batch));
        let rows = Rows::decompress(&self.content)?;
        let mut reader = rows.reader();
        let mut cells = Vec::new();
        while reader.next_into(&mut cells)? {
            let [Value::Text(found), Value::Integer(outcome), detail] = cells.as_slice() else {
                return Err(unknown());
            };
            if found != key.as_str() {
                continue;
            }
            let outcome = u8::try_from(*outcome).ok().and_then(Outcome::from_code).ok_or_else(unknown)?;
            lines.push(AuditLine {
                at: DateTime::from_timestamp_micros(self.at).unwrap_or_default(),
                batch: self.batch.clone(),
                outcome,
                detail: (!detail.is_null()).then(|| detail.to_text().into_owned()),
                mapping: self.mapping,
                version: self.version,
            });
        }
        Ok(())
    }
}

pub(super) async fn hold(database: &Database, held: &[Held]) -> Result<()> {
    if held.is_empty() {
        return Ok(());
    }
    let held = held.to_vec();
    database.write(move |c| held.into_iter().try_for_each(|held| hold_one(c, held))).await
}

fn hold_one(connection: &Connection, mut held: Held) -> Result<(), Fault> {
    let (sync, key) = (held.sync.to_string(), held.key.as_str().to_owned());
    let sql = "SELECT content FROM audit WHERE sync = ?1 AND least = ?2 AND held IS NOT NULL";
    if let Some(before) = one(connection, sql, (&sync, &key), content)? {
        let before: Held = from_json(&before)?;
        if before.version > held.version {
            return Ok(());
        }
        if held.is_waiting() && before.why == held.why {
            held.since = before.since;
        }
        execute(connection, "DELETE FROM audit WHERE sync = ?1 AND least = ?2 AND held IS NOT NULL", (&sync, &key))?;
    }
    let waits_for = held.why.hopes_for().map(|(stream, _)| stream);
    let sql = "INSERT INTO audit (sync, least, greatest, run, seq, at, version, held, waits_for, content) \
               VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let at = held.since.timestamp_micros();
    let (run, content) = (held.batch.run.as_str(), to_json(&held)?.into_bytes());
    let row = (&sync, &key, run, held.batch.seq, at, held.version, held.is_waiting(), waits_for, content);
    execute(connection, sql, row)?;
    Ok(())
}

fn content(row: &Row<'_>) -> rusqlite::Result<String> {
    String::from_utf8(row.get(0)?).map_err(|e| rusqlite::Error::Utf8Error(0, e.utf8_error()))
}

pub(super) async fn held(database: &Database, sync: &SyncId, filter: &HeldFilter) -> Result<Vec<Held>> {
    let (sync, filter) = (sync.to_string(), filter.clone());
    database
        .read(move |c| {
            let sql = "SELECT content FROM audit WHERE sync = ?1 AND held IS NOT NULL \
                       AND least >= coalesce(?2, '') AND (?2 IS NULL OR least <> ?2) \
                       AND (?3 IS NULL OR held = ?3) AND (?4 IS NULL OR run = ?4) \
                       AND (?5 IS NULL OR waits_for = ?5) ORDER BY least LIMIT ?6";
            let after = filter.after.as_ref().map(RecordKey::as_str);
            let run = filter.run.as_ref().map(RunId::as_str);
            let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
            let parameters = (sync, after, filter.waiting, run, filter.waiting_for, limit);
            let found: Vec<String> = all(c, sql, parameters, content)?;
            found.iter().map(|held| from_json(held)).collect()
        })
        .await
}

pub(super) async fn held_count(database: &Database, sync: &SyncId) -> Result<(u64, u64)> {
    let sync = sync.to_string();
    database
        .read(move |c| {
            let sql = "SELECT count(*) FILTER (WHERE held = 0), count(*) FILTER (WHERE held = 1) FROM audit \
                       INDEXED BY audit_held_kinds WHERE sync = ?1 AND held IS NOT NULL";
            Ok(one(c, sql, (sync,), |r| Ok((r.get(0)?, r.get(1)?)))?.unwrap_or_default())
        })
        .await
}

/// Those of the keys that are held, with the version of what is held. Few records are held, so that the usual question
/// is answered by one look at what is held between the least and the greatest key.
fn held_in(connection: &Connection, sync: &str, keys: &[RecordKey]) -> Result<Vec<(RecordKey, i64)>, Fault> {
    let (Some(least), Some(greatest)) = (keys.iter().min(), keys.iter().max()) else {
        return Ok(Vec::new());
    };
    let sql = "SELECT least, version FROM audit \
               WHERE sync = ?1 AND held IS NOT NULL AND least BETWEEN ?2 AND ?3 LIMIT ?4";
    let range = (sync, least.as_str(), greatest.as_str(), keys.len() + 1);
    let between: HashMap<String, i64> =
        all(connection, sql, range, |r| Ok((r.get(0)?, r.get(1)?)))?.into_iter().collect();
    if between.len() <= keys.len() {
        let version = |key: &RecordKey| between.get(key.as_str()).map(|version| (key.clone(), *version));
        return Ok(keys.iter().filter_map(version).collect());
    }
    let mut held = Vec::new();
    for key in keys {
        let sql = "SELECT version FROM audit WHERE sync = ?1 AND least = ?2 AND held IS NOT NULL";
        let version = one(connection, sql, (sync, key.as_str()), |r| r.get(0))?;
        held.extend(version.map(|version| (key.clone(), version)));
    }
    Ok(held)
}

pub(super) async fn held_among(database: &Database, sync: &SyncId, keys: &[RecordKey]) -> Result<Vec<RecordKey>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let (sync, keys) = (sync.to_string(), unique(keys));
    database.read(move |c| Ok(held_in(c, &sync, &keys)?.into_iter().map(|(key, _)| key).collect())).await
}

pub(super) async fn settle(database: &Database, sync: &SyncId, settled: &[Settled]) -> Result<()> {
    let keys: Vec<RecordKey> = settled.iter().map(|settled| settled.key.clone()).collect();
    let name = sync.to_string();
    // Asked first because nearly no record is held: then nothing is written.
    let held = database.read(move |c| held_in(c, &name, &keys)).await?;
    if held.is_empty() {
        return Ok(());
    }
    let held: HashMap<RecordKey, i64> = held.into_iter().collect();
    let released: Vec<(RecordKey, i64)> = settled
        .iter()
        .filter(|settled| held.contains_key(&settled.key))
        .map(|settled| (settled.key.clone(), settled.version))
        .collect();
    let sync = sync.to_string();
    database
        .write(move |c| {
            let sql = "DELETE FROM audit WHERE sync = ?1 AND least = ?2 AND held IS NOT NULL AND version <= ?3";
            for (key, version) in &released {
                execute(c, sql, (&sync, key.as_str(), version))?;
            }
            Ok(())
        })
        .await
}
