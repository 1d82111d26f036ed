//! What goes wrong on the way, and that destination and source are equal all the same.

use engine::Kind;
use engine::model::audit::Outcome;
use engine::ports::{Applied, Destination};
use sandbox::databricks::{Calls, DatabricksSandbox, Fault, Starts, Warehouse};
use serde_json::json;

use super::workspace::{Workspace, batch, close, land, step, told};
use crate::databricks::Databricks;
use crate::warehouse::tests::sample::{Sample, row, table};

const STATEMENTS: &str = "POST /api/2.0/sql/statements";
const MERGE: &str = "MERGE INTO `main`.`erp`.`t`";

fn rows() -> Vec<Sample> {
    (0..40).map(|i| row(&format!("{i}"), "a", "0.10")).collect()
}

/// Applies a run as the engine does: what is to be tried again is tried again.
async fn in_the_end(workspace: &Workspace, destination: &Databricks) {
    let table = table("t");
    for _ in 0..10 {
        match close(destination, &table, "r1").await {
            Ok((settled, counts)) => {
                assert_eq!((settled.len(), told(&counts)), (40, [40, 0, 0, 0, 0]));
                assert_eq!(workspace.value("SELECT concat_ws(' ', count(*), sum(amount)) FROM main.erp.t"), "40 4.00");
                return;
            }
            Err(error) => assert!(error.is_later(), "{error}"),
        }
    }
    panic!("it does not come to an end");
}

#[tokio::test]
async fn whatever_befalls_the_merge_destination_and_source_are_equal_in_the_end() {
    let conflict = "[DELTA_CONCURRENT_APPEND] Files were added by a concurrent update. SQLSTATE: 2D521";
    for (fault, merges) in [
        (Fault::LostReply, 1),
        (Fault::LostRequest, 1),
        (Fault::TruncatedBody, 1),
        (Fault::DeadToken, 1),
        (Fault::HtmlBody, 1),
        (Fault::throttled(1), 1),
        (Fault::status(503), 1),
        (Fault::status(504), 1),
        (Fault::Polls(3), 1),
        (Fault::statement("BAD_REQUEST", conflict), 2),
        (Fault::statement("TEMPORARILY_UNAVAILABLE", "the cluster went away"), 2),
        (Fault::statement_after_work("INTERNAL_ERROR", "it did its work all the same"), 2),
    ] {
        let (workspace, table) = (Workspace::new().await, table("t"));
        let destination = workspace.destination(json!({}));
        land(&destination, &table, &batch(&table, "r1", 0, 1, &rows())).await;
        workspace.sandbox.fault(Calls::to(STATEMENTS).about(MERGE), fault.clone());
        in_the_end(&workspace, &destination).await;
        assert_eq!(workspace.merges(), merges, "{fault:?}");
        assert_eq!(workspace.sandbox.faults_waiting(), 0, "{fault:?}");
    }
}

#[tokio::test]
async fn files_land_once_however_often_they_are_sent() {
    let (workspace, table) = (Workspace::new().await, table("t"));
    let destination = workspace.destination(json!({}));
    let batch = batch(&table, "r1", 0, 1, &rows());
    destination.prepare(&table).await.unwrap();
    for fault in [Fault::LostReply, Fault::LostRequest, Fault::throttled(1), Fault::status(500)] {
        workspace.sandbox.fault(Calls::to("PUT /api/2.0/fs/files"), fault);
        let error = destination.write(&table, &batch).await.unwrap_err();
        assert!(error.is_later(), "{error}");
    }
    land(&destination, &table, &batch).await;
    assert_eq!(workspace.sandbox.files("/Volumes/main/erp/landing/t/r1").len(), 1);
    in_the_end(&workspace, &destination).await;
}

#[tokio::test]
async fn tokens_end_in_between_and_a_process_dies_before_it_knows_its_statement() {
    let (workspace, table) = (Workspace::new().await, table("t"));
    let destination = workspace.destination(json!({}));
    land(&destination, &table, &batch(&table, "r1", 0, 1, &rows())).await;
    workspace.sandbox.fault(Calls::to(STATEMENTS).about(MERGE), Fault::Polls(2));
    let Applied::UnderWay { .. } = step(&destination, &table, "r1", None).await.unwrap() else { panic!("it runs") };
    // What that call answered is lost with its process. The next one finds the statement by its comment.
    workspace.sandbox.revoke_tokens();
    in_the_end(&workspace, &workspace.destination(json!({}))).await;
    assert_eq!(workspace.merges(), 1);
}

#[tokio::test]
async fn a_sleeping_warehouse_is_woken_by_the_end_of_the_run_and_not_by_a_small_batch() {
    let table = table("t");
    let asleep = Warehouse::stopped("w1", Starts::AfterPolls(4));
    let workspace = Workspace::of(DatabricksSandbox::builder().warehouse(asleep)).await;
    let destination = workspace.destination(json!({"small_batch": 100, "asks": 50}));
    destination.prepare(&table).await.unwrap();
    assert!(workspace.sandbox.stop_warehouse("w1"));
    let written = destination.write(&table, &batch(&table, "r1", 0, 1, &rows())).await.unwrap();
    assert!(written.iter().all(|row| row.outcome == Outcome::Landed), "{written:?}");
    assert!(workspace.sandbox.stop_warehouse("w1"));
    let Applied::UnderWay { .. } = step(&destination, &table, "r1", None).await.unwrap() else { panic!("it waits") };
    in_the_end(&workspace, &destination).await;
    assert!(workspace.merges() <= 2, "the one that was given up, and the one that applied the run");
}

#[tokio::test]
async fn a_warehouse_that_stops_in_the_middle_is_asked_again() {
    let (workspace, table) = (Workspace::new().await, table("t"));
    let destination = workspace.destination(json!({}));
    land(&destination, &table, &batch(&table, "r1", 0, 1, &rows())).await;
    let gate = sandbox::databricks::Gate::new();
    workspace.sandbox.fault(Calls::to(STATEMENTS).about(MERGE), Fault::Held(gate.clone()));
    let Applied::UnderWay { progress, .. } = step(&destination, &table, "r1", None).await.unwrap() else {
        panic!("it runs")
    };
    workspace.sandbox.stop_warehouse("w1");
    gate.open();
    step(&destination, &table, "r1", Some(&progress)).await.unwrap();
    in_the_end(&workspace, &destination).await;
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_cancelled_in_words() {
    let (workspace, table) = (Workspace::new().await, table("t"));
    let destination = workspace.destination(json!({"statement_timeout": "10m"}));
    land(&destination, &table, &batch(&table, "r1", 0, 1, &rows())).await;
    workspace.sandbox.fault(Calls::to(STATEMENTS).about(MERGE), Fault::Polls(100));
    let mut progress = None;
    let error = loop {
        match step(&destination, &table, "r1", progress.as_deref()).await {
            Ok(Applied::UnderWay { progress: next, .. }) => progress = Some(next),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
        workspace.forward(120);
    };
    assert!(error.kind() == Kind::Stop && error.to_string().contains("took longer than 10m"), "{error}");
    assert_eq!(workspace.sandbox.count_calls("POST /api/2.0/sql/statements/"), 1, "it is cancelled");
}

#[tokio::test]
async fn files_that_somebody_removed_are_not_taken_for_nothing() {
    let (workspace, table) = (Workspace::new().await, table("t"));
    let destination = workspace.destination(json!({}));
    land(&destination, &table, &batch(&table, "r1", 0, 1, &rows())).await;
    let gone = r#"{"v":1,"step":"merge"}"#;
    let error = step(&destination, &table, "r2", Some(gone)).await.unwrap_err();
    assert!(error.kind() == Kind::Stop && error.to_string().contains("its files are gone"), "{error}");
}
