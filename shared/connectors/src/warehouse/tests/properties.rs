//! What holds for any sequence of batches.

use std::collections::BTreeMap;

use engine::model::audit::Outcome;
use engine::model::batch::MappedBatch;
use engine::model::table::TableSpec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

use super::Harness;
use super::postgres::PostgresServer;
use super::sample::{Sample, batch, outcomes, row, table};
use super::sqlite::SqliteFile;
use crate::warehouse::judge::{Standing, Verdict, judge};
use crate::warehouse::meta;

/// A batch as it is drawn.
#[derive(Debug, Clone)]
struct Drawn {
    version: i64,
    mapping: u32,
    touch: bool,
    rows: BTreeMap<u8, Content>,
}

/// Content, stamp and deleted mark.
type Content = (u8, Option<i64>, bool);

fn drawn(touch: impl Strategy<Value = bool>) -> impl Strategy<Value = Drawn> {
    let stamp = prop_oneof![Just(None), (0..3_i64).prop_map(Some)];
    let rows = prop::collection::btree_map(0..6_u8, (0..3_u8, stamp, prop::bool::weighted(0.2)), 0..6);
    (0..4_i64, 1..3_u32, touch, rows).prop_map(|(version, mapping, touch, rows)| Drawn {
        version,
        mapping,
        touch,
        rows,
    })
}

impl Drawn {
    fn samples(&self) -> Vec<Sample> {
        let sample = |(key, (content, stamp, deleted)): (&u8, &Content)| {
            let sample = row(&key.to_string(), &content.to_string(), "1").stamped(*stamp);
            if *deleted { sample.deleted() } else { sample }
        };
        self.rows.iter().map(sample).collect()
    }

    fn batch(&self, table: &TableSpec, run: &str) -> MappedBatch {
        let mut batch = batch(table, run, self.version, &self.samples());
        batch.mapping = self.mapping;
        batch.touch = self.touch;
        batch
    }
}

/// The rules, applied in memory.
#[derive(Default)]
struct Model(BTreeMap<u8, Standing>);

impl Model {
    fn write(&mut self, drawn: &Drawn) -> Vec<Outcome> {
        let samples = drawn.samples();
        let write = |(sample, (key, (_, stamp, deleted))): (&Sample, (&u8, &Content))| {
            let came = Standing {
                version: drawn.version,
                stamp: *stamp,
                mapping: drawn.mapping.into(),
                hash: Some(sample.hash()),
                deleted: *deleted,
            };
            match judge(self.0.get(key), &came, drawn.touch) {
                Verdict::Leave(outcome) => outcome,
                Verdict::Touch => {
                    self.0.insert(*key, came);
                    Outcome::Unchanged
                }
                Verdict::Write(outcome) => {
                    self.0.insert(*key, came);
                    outcome
                }
            }
        };
        samples.iter().zip(&drawn.rows).map(write).collect()
    }
}

/// Every outcome and the final state are those of the rules.
async fn follows_the_rules(harness: &dyn Harness, name: &str, batches: &[Drawn]) -> TestCaseResult {
    let (table, mut model) = (table(name), Model::default());
    for (i, drawn) in batches.iter().enumerate() {
        let written = harness.destination().write(&table, &drawn.batch(&table, &format!("{name}-{i}"))).await.unwrap();
        let mut expected = model.write(drawn);
        if !harness.tells_deleted_before() {
            for (outcome, (_, _, deleted)) in expected.iter_mut().zip(drawn.rows.values()) {
                if *deleted && *outcome == Outcome::Updated {
                    *outcome = Outcome::Deleted;
                }
            }
        }
        prop_assert_eq!(outcomes(&written), expected, "batch {}", i);
    }
    if batches.is_empty() {
        return Ok(());
    }
    let rows = harness.rows(&table).await;
    prop_assert_eq!(rows.len(), model.0.len());
    for (key, standing) in model.0 {
        let row = &rows[&key.to_string()];
        prop_assert_eq!(row[meta::VERSION].clone(), Some(standing.version.to_string()));
        prop_assert_eq!(row[meta::MAPPING].clone(), Some(standing.mapping.to_string()));
        prop_assert_eq!(row[meta::IS_DELETED].clone(), Some(standing.deleted.to_string()));
        prop_assert_eq!(row[meta::ROW_HASH].clone(), standing.hash.map(|hash| format!("{hash:032x}")));
    }
    Ok(())
}

/// Batches of different versions, delivered in any order and any number of times, leave the newest content of each key.
async fn ends_in_the_newest(
    harness: &dyn Harness,
    name: &str,
    batches: &[Drawn],
    deliveries: &[prop::sample::Index],
) -> TestCaseResult {
    let table = table(name);
    let numbered: Vec<Drawn> =
        batches.iter().enumerate().map(|(i, drawn)| Drawn { version: i as i64, ..drawn.clone() }).collect();
    let order = deliveries.iter().map(|index| index.index(numbered.len())).chain(0..numbered.len());
    for i in order {
        let batch = numbered[i].batch(&table, &format!("{name}-{i}"));
        harness.destination().write(&table, &batch).await.unwrap();
    }
    let mut newest = BTreeMap::new();
    for drawn in &numbered {
        newest.extend(drawn.rows.iter().map(|(key, (content, _, deleted))| (key.to_string(), (*content, *deleted))));
    }
    let rows = harness.rows(&table).await;
    prop_assert_eq!(rows.len(), newest.len());
    for (key, (content, deleted)) in newest {
        prop_assert_eq!(rows[&key]["name"].clone(), Some(content.to_string()));
        prop_assert_eq!(rows[&key][meta::IS_DELETED].clone(), Some(deleted.to_string()));
    }
    Ok(())
}

fn run(harness: &dyn Harness, runtime: &tokio::runtime::Runtime, cases: u32) {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let sequences = prop::collection::vec(drawn(any::<bool>()), 0..8);
    let outcome = TestRunner::new(config.clone()).run(&sequences, |batches| {
        let name = format!("rules_{:x}", xxhash_rust::xxh3::xxh3_64(format!("{batches:?}").as_bytes()));
        runtime.block_on(follows_the_rules(harness, &name, &batches))
    });
    outcome.unwrap();
    let deliveries = prop::collection::vec(any::<prop::sample::Index>(), 0..10);
    let sequences = (prop::collection::vec(drawn(Just(true)), 1..6), deliveries);
    let outcome = TestRunner::new(config).run(&sequences, |(batches, deliveries)| {
        let text = format!("{batches:?} {deliveries:?}");
        let name = format!("newest_{:x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()));
        runtime.block_on(ends_in_the_newest(harness, &name, &batches, &deliveries))
    });
    outcome.unwrap();
}

#[test]
fn any_sequence_follows_the_rules_on_sqlite() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    run(&SqliteFile::new(), &runtime, 60);
}

#[cfg(feature = "databricks")]
#[test]
fn any_sequence_follows_the_rules_on_databricks() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    run(&runtime.block_on(super::databricks::Workspace::new()), &runtime, 8);
    run(&runtime.block_on(super::databricks::Workspace::landing()), &runtime, 8);
}

#[test]
fn any_sequence_follows_the_rules_on_postgres() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let Some(server) = runtime.block_on(PostgresServer::new("properties")) {
        run(&server, &runtime, 30);
        runtime.block_on(server.clean_up());
    }
}
