//! Audit lines.

use engine::model::audit::{AuditBatch, AuditLine, Outcome};
use engine::ports::Store;
use futures_util::future::join_all;

use crate::Kept;
use crate::sample::{at, audit, batch_id, key, stream, sync};

async fn write(store: &impl Store, batch: &AuditBatch) {
    store.write_audit(batch).await.kept("audit lines can be written");
}

async fn history(store: &impl Store, check: &str, name: &str) -> Vec<AuditLine> {
    store.audit_of(&sync(check), &key(name)).await.kept("a history can be read")
}

pub(super) async fn history_is_told_oldest_first(store: &impl Store) {
    let why = Some("amount: `x` is not a number");
    let later = audit("history", batch_id("history", 2, 0), 9, &[("b", Outcome::Rejected, why)]);
    let earlier = audit(
        "history",
        batch_id("history", 1, 4),
        5,
        &[("a", Outcome::Inserted, None), ("b", Outcome::Superseded, None), ("b", Outcome::Inserted, None)],
    );
    write(store, &later).await;
    write(store, &earlier).await;
    let line = |batch: &AuditBatch, outcome, detail: Option<&str>| AuditLine {
        at: batch.at,
        batch: batch.batch.clone(),
        outcome,
        detail: detail.map(str::to_owned),
        mapping: batch.mapping,
        version: batch.version,
    };
    let expected = [
        line(&earlier, Outcome::Superseded, None),
        line(&earlier, Outcome::Inserted, None),
        line(&later, Outcome::Rejected, why),
    ];
    assert_eq!(history(store, "history", "b").await, expected, "a history has every line, whole, oldest first");
    assert_eq!(history(store, "history", "c").await, [], "a record without a line has an empty history");
}

pub(super) async fn batch_is_audited_once(store: &impl Store) {
    let batch = audit("once", batch_id("once", 1, 0), 5, &[("a", Outcome::Inserted, None)]);
    join_all((0..8).map(|_| write(store, &batch))).await;
    let again = AuditBatch { at: at(6), ..batch };
    write(store, &again).await;
    let lines = history(store, "once", "a").await;
    assert_eq!(lines.len(), 1, "a batch that was audited before is not audited again");
    assert_eq!(lines[0].at, at(5), "the audit that was written first stays");
}

pub(super) async fn parts_of_a_batch_are_audited_each(store: &impl Store) {
    let first = audit("parts", batch_id("parts", 1, 0), 5, &[("a", Outcome::Inserted, None)]);
    let second = audit("parts", batch_id("parts", 1, 0), 5, &[("b", Outcome::Updated, None)]);
    write(store, &first).await;
    write(store, &AuditBatch { part: 1, ..second }).await;
    for name in ["a", "b"] {
        assert_eq!(history(store, "parts", name).await.len(), 1, "each part of a batch has its own lines");
    }
}

pub(super) async fn histories_of_other_records_stay_apart(store: &impl Store) {
    let batch = audit("apart", batch_id("apart", 1, 0), 5, &[("a", Outcome::Inserted, None)]);
    write(store, &batch).await;
    let other = AuditBatch { sync: stream("apart", "suppliers"), batch: batch_id("apart", 2, 0), ..batch };
    write(store, &other).await;
    assert_eq!(history(store, "apart", "a").await.len(), 1, "the same key in another sync is another record");
    for neighbour in ["", "A", "a ", "aa", "a|"] {
        assert_eq!(history(store, "apart", neighbour).await, [], "`{neighbour}` is another record than `a`");
    }
}

pub(super) async fn big_batch_is_audited_whole(store: &impl Store) {
    let names: Vec<String> = (0..20_000).map(|i| format!("00070|{}|ü{i:06}", i % 7)).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), Outcome::Inserted, Some("as it came"))).collect();
    write(store, &audit("big", batch_id("big", 1, 0), 5, &entries)).await;
    for name in [&names[0], &names[9_999], &names[19_999]] {
        assert_eq!(history(store, "big", name).await.len(), 1, "a big batch is audited to its last record");
    }
}
