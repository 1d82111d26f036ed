//! The table `audit`: what happened to records.
//!
//! ```text
//! {scope}|audit|{sync}|{key}   <time>/<run>/<seq>/<part>/<n>   a line
//! {scope}|audited|{run}        <seq>/<part>                    that the lines of a part were begun, or are written
//! ```
//!
//! A record is an owner of its own, so that a history is one small query and lines spread over all partitions. Many lines
//! are written without a transaction: whoever begins first sets the time that all lines have, so that writing them again,
//! as often as it may be, writes the same.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::DateTime;
use engine::model::audit::{AuditBatch, AuditEntry, AuditLine, Outcome};
use engine::model::id::{BatchId, RecordKey, RunId, SyncId};
use engine::{Error, Result};

use crate::database::{Database, Item, KEY, Place, Query, number, number_in, text, text_in};

const AT: &str = "at";
const RUN: &str = "run";
const SEQ: &str = "seq";
const OUTCOME: &str = "outcome";
const DETAIL: &str = "detail";
const MAPPING: &str = "mapping";
const VERSION: &str = "version";
const DONE: &str = "done";

/// What the lines of a batch have in common, as whoever began first wrote it down.
struct Common {
    at: i64,
    mapping: i64,
    version: i64,
}

impl Common {
    fn of(item: &Item) -> Result<Self> {
        Ok(Self { at: number_in(item, AT)?, mapping: number_in(item, MAPPING)?, version: number_in(item, VERSION)? })
    }

    fn describe(&self, item: &mut Item) {
        item.insert(AT.to_owned(), number(self.at));
        item.insert(MAPPING.to_owned(), number(self.mapping));
        item.insert(VERSION.to_owned(), number(self.version));
    }
}

fn owner_of(database: &Database, sync: &SyncId, key: &RecordKey) -> String {
    database.owner("audit", format!("{sync}|{key}"))
}

/// 1 WRU per line (of up to 1 KB) and 2 per batch; 1 WRU when the batch was written before.
pub(super) async fn write_lines(database: &Database, audit: &AuditBatch) -> Result<()> {
    let table = &database.tables.audit;
    let place =
        Place::new(database.owner("audited", &audit.batch.run), format!("{:010}/{:05}", audit.batch.seq, audit.part));
    let common = Common { at: audit.at.timestamp_micros(), mapping: audit.mapping.into(), version: audit.version };
    let mut begun = place.key();
    common.describe(&mut begun);
    let common = match database.put_new(table, begun).await? {
        Some(before) if before.contains_key(DONE) => return Ok(()),
        Some(before) => Common::of(&before)?,
        None => common,
    };
    database.put_many(table, lines(database, audit, &common)).await?;
    let mut done = place.key();
    common.describe(&mut done);
    done.insert(DONE.to_owned(), AttributeValue::Bool(true));
    database.put(table, done).await
}

fn lines(database: &Database, audit: &AuditBatch, common: &Common) -> Vec<Item> {
    let mut times: HashMap<&RecordKey, usize> = HashMap::new();
    let line = |entry: &'_ AuditEntry, nth: usize| {
        let AuditBatch { sync, batch, part, .. } = audit;
        let item = format!("{:020}/{}/{:010}/{part:05}/{nth:05}", common.at, batch.run, batch.seq);
        let place = Place::new(owner_of(database, sync, &entry.key), item);
        let mut line = place.key();
        common.describe(&mut line);
        line.insert(RUN.to_owned(), text(batch.run.as_str()));
        line.insert(SEQ.to_owned(), number(batch.seq));
        line.insert(OUTCOME.to_owned(), number(entry.outcome.code()));
        if let Some(detail) = &entry.detail {
            line.insert(DETAIL.to_owned(), text(detail));
        }
        if place.is_shortened {
            line.insert(KEY.to_owned(), text(entry.key.as_str()));
        }
        line
    };
    let mut lines = Vec::with_capacity(audit.entries.len());
    for entry in &audit.entries {
        let nth = times.entry(&entry.key).or_default();
        lines.push(line(entry, *nth));
        *nth += 1;
    }
    lines
}

/// 1 RRU per about 16 lines.
pub(super) async fn lines_of(database: &Database, sync: &SyncId, key: &RecordKey) -> Result<Vec<AuditLine>> {
    let query = Query::of(owner_of(database, sync, key));
    let items = database.list(&database.tables.audit, &query, usize::MAX).await?;
    let mut lines = Vec::with_capacity(items.len());
    for item in &items {
        // Two long keys may share their shortened form.
        if item.contains_key(KEY) && text_in(item, KEY)? != key.as_str() {
            continue;
        }
        lines.push(line(item)?);
    }
    Ok(lines)
}

fn line(item: &Item) -> Result<AuditLine> {
    let common = Common::of(item)?;
    let unknown = || Error::stop("an audit line is from a newer ml-connector");
    let outcome = u8::try_from(number_in(item, OUTCOME)?).ok().and_then(Outcome::from_code).ok_or_else(unknown)?;
    Ok(AuditLine {
        at: DateTime::from_timestamp_micros(common.at).unwrap_or_default(),
        batch: BatchId {
            run: RunId::new(text_in(item, RUN)?),
            seq: u32::try_from(number_in(item, SEQ)?).map_err(|_| unknown())?,
        },
        outcome,
        detail: item.contains_key(DETAIL).then(|| text_in(item, DETAIL).map(str::to_owned)).transpose()?,
        mapping: u32::try_from(common.mapping).map_err(|_| unknown())?,
        version: common.version,
    })
}
