//! The job that is run when a run has ended, and the files that are removed then.

use engine::model::id::{RunId, SyncId};
use engine::ports::{AfterRun, Destination, Landed};
use serde_json::{Value as Json, json};

use super::fixture::databricks;
use super::stub::{Reply, Stub};
use crate::warehouse::tests::sample::table;

const RUN_NOW: &str = "POST /api/2.2/jobs/run-now";
const GET: &str = "GET /api/2.2/jobs/runs/get";
const DIRECTORY: &str = "/api/2.0/fs/directories/Volumes/main/erp/landing/t";
const FILES: &str = "/api/2.0/fs/files/Volumes/main/erp/landing/t";

fn run_info(state: &str, result: &str) -> Reply {
    let state = json!({"life_cycle_state": state, "result_state": result, "state_message": "as told"});
    Reply::ok(json!({"run_id": 77, "state": state, "run_page_url": "https://x/#job/5/run/1"}))
}

async fn after(destination: &dyn Destination, progress: Option<&str>) -> engine::Result<AfterRun> {
    let (run, sync): (RunId, SyncId) = (RunId::new("20261121T103000-aaaa"), "acme/jde/ap".parse().unwrap());
    destination.after_run(&table("t"), &Landed { run: &run, sync: &sync, every_row: false }, progress).await
}

#[tokio::test]
async fn the_job_is_run_once_per_run_and_its_end_is_told() {
    let stub = Stub::answering(|_| Reply::new(404, "{}")).await;
    stub.on(RUN_NOW, [Reply::ok(json!({"run_id": 77, "number_in_job": 77}))]);
    stub.on(GET, [run_info("PENDING", ""), run_info("RUNNING", ""), run_info("TERMINATED", "SUCCESS")]);
    let job = json!({"job": {"id": 5, "parameters": {"load": "{run} of {sync}", "table": "{table}"}}});
    let destination = databricks(&stub, job.clone());
    let AfterRun::UnderWay { progress, .. } = after(&destination, None).await.unwrap() else { panic!("it runs") };
    // The process dies and another one begins anew: Databricks knows the token and names the same run.
    let other = databricks(&stub, job);
    let AfterRun::UnderWay { .. } = after(&other, None).await.unwrap() else { panic!("it runs") };
    let AfterRun::Done { note } = after(&other, Some(&progress)).await.unwrap() else { panic!("it has ended") };
    assert_eq!(note.as_deref(), Some("run 77 of job 5 succeeded"));
    let asked: Vec<Json> = stub.asked(RUN_NOW).iter().map(|asked| asked.json()).collect();
    assert_eq!((asked.len(), &asked[0]), (2, &asked[1]));
    assert_eq!(asked[0]["job_parameters"], json!({"load": "20261121T103000-aaaa of acme/jde/ap", "table": "t"}));
    assert!(asked[0]["idempotency_token"].as_str().unwrap().len() <= 64);
}

#[tokio::test]
async fn a_job_that_fails_is_an_error_with_its_words() {
    for (state, result) in [("TERMINATED", "FAILED"), ("SKIPPED", ""), ("INTERNAL_ERROR", "FAILED")] {
        let stub = Stub::answering(|_| Reply::new(404, "{}")).await;
        stub.on(RUN_NOW, [Reply::ok(json!({"run_id": 77}))]).on(GET, [run_info(state, result)]);
        let error = after(&databricks(&stub, json!({"job": {"id": 5}})), None).await.unwrap_err().to_string();
        assert!(error.contains(state) && error.contains("as told") && error.contains("#job/5"), "{error}");
    }
}

#[tokio::test]
async fn files_are_removed_once_they_were_kept_long_enough() {
    let stub = Stub::answering(|_| Reply::new(204, "")).await;
    let now = 1_795_257_000_000_i64;
    let directory = |name: &str| json!({"name": name, "path": format!("/Volumes/{name}"), "is_directory": true});
    let file = |age_days: i64| json!({"contents": [{"name": "000000-0.parquet", "last_modified": now - age_days * 86_400_000}]});
    let runs = ["20261120T000000-b", "20261101T000000-a", "20261121T103000-aaaa"].map(directory);
    stub.on(&format!("GET {DIRECTORY}"), [Reply::ok(json!({"contents": runs}))]);
    stub.on(&format!("GET {DIRECTORY}/20261101T000000-a"), [Reply::ok(file(20))]);
    stub.on(&format!("GET {DIRECTORY}/20261120T000000-b"), [Reply::ok(file(2))]);
    let AfterRun::Done { note: None } = after(&databricks(&stub, json!({})), None).await.unwrap() else {
        panic!("done")
    };
    assert_eq!(stub.count(&format!("DELETE {FILES}/20261101T000000-a/000000-0.parquet")), 1);
    assert_eq!(stub.count(&format!("DELETE {DIRECTORY}/20261101T000000-a")), 1);
    assert_eq!(stub.count(&format!("DELETE {FILES}/20261120T000000-b/000000-0.parquet")), 0);
}
