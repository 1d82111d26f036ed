//! Things to remember. Every check has a tenant of its own, so that checks may share one backend.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use engine::model::audit::{AuditBatch, AuditEntry, Counts, Held, HeldWhy, Outcome, Settled};
use engine::model::batch::{Archived, Version};
use engine::model::id::{BatchId, IntegrationId, RecordKey, RunId, SyncId, TenantId};
use engine::model::message::Reason;
use engine::model::run::{Run, RunState};
use engine::model::window::{Position, Selection, Window};
use engine::ports::Secret;

pub(crate) fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + minute * 60, 0).unwrap_or_default()
}

pub(crate) fn sync(check: &str) -> SyncId {
    stream(check, "orders")
}

pub(crate) fn stream(check: &str, stream: &str) -> SyncId {
    let integration = IntegrationId::new("jde-looker");
    SyncId { tenant: TenantId::new(check), integration, stream: stream.to_owned() }
}

pub(crate) fn run_id(check: &str, number: u32) -> RunId {
    RunId::new(format!("20261121T1203{number:02}-{check}"))
}

pub(crate) fn batch_id(check: &str, run: u32, seq: u32) -> BatchId {
    BatchId { run: run_id(check, run), seq }
}

pub(crate) fn run(check: &str, number: u32) -> Run {
    Run {
        id: run_id(check, number),
        sync: sync(check),
        epoch: u64::from(number),
        reason: Reason::Manual,
        selection: Selection::Changes,
        window: Window { from: Some(at(0)), to: None },
        complete_up_to: Some(at(1)),
        started_at: at(1),
        ended_at: None,
        sequence: 0,
        expected: None,
        done: 0,
        counts: Counts::default(),
        mapping: 3,
        touch: false,
        state: RunState::Polling,
        swept: 0,
        progress: None,
        settled_pages: 0,
        notes: Vec::new(),
        proof: None,
        warnings: vec!["a warning with \"quotes\" and ü".to_owned()],
    }
}

pub(crate) fn key(key: &str) -> RecordKey {
    RecordKey::new(key)
}

pub(crate) fn keys(names: &[&str]) -> Vec<RecordKey> {
    names.iter().map(|name| key(name)).collect()
}

pub(crate) fn archived(check: &str, run: u32, seq: u32) -> Archived {
    Archived {
        id: batch_id(check, run, seq),
        sync: sync(check),
        version: Version::new(u64::from(run), seq),
        replays: None,
        rows: 5000,
        too_big: 1,
        next: Some(Position(serde_json::json!({ "after": ["00070", "70412"] }))),
        at: at(i64::from(seq)),
        payload: noise(300_000),
    }
}

/// Bytes that no backend can make smaller, every value among them.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state: u32 = 1;
    let bytes = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    bytes.take(length).collect()
}

pub(crate) fn audit(check: &str, batch: BatchId, minute: i64, entries: &[(&str, Outcome, Option<&str>)]) -> AuditBatch {
    let entries = entries.iter().map(|(name, outcome, detail)| AuditEntry {
        key: key(name),
        outcome: *outcome,
        detail: detail.map(str::to_owned),
    });
    AuditBatch {
        sync: sync(check),
        batch,
        part: 0,
        at: at(minute),
        mapping: 3,
        version: minute,
        entries: entries.collect(),
    }
}

pub(crate) fn reject(check: &str, name: &str, version: i64) -> Held {
    Held {
        sync: sync(check),
        key: key(name),
        why: HeldWhy::Rejected,
        field: Some("amount".to_owned()),
        value: Some("1,0,0".to_owned()),
        reason: "`1,0,0` is not a number".to_owned(),
        batch: batch_id(check, 1, 0),
        row: 17,
        version,
        since: at(version),
    }
}

pub(crate) fn waiter(check: &str, name: &str, version: i64, for_key: &str) -> Held {
    let why = HeldWhy::Waiting { stream: "suppliers".to_owned(), key: key(for_key) };
    Held { why, ..reject(check, name, version) }
}

pub(crate) fn settled(check: &str, name: &str, version: i64) -> Settled {
    Settled { key: key(name), version, run: run_id(check, 1) }
}

pub(crate) fn secret(fields: &[(&str, &str)]) -> Secret {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Secret::new(fields.collect::<BTreeMap<_, _>>())
}
