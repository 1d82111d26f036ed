//! Statements: their comment and tags, rows in chunks, lost replies, and waiting.

use engine::Kind;
use serde_json::{Value as Json, json};

use super::fixture::{HISTORY, Hand, STATEMENTS, client, stands, statement, succeeded};
use super::stub::{Reply, Stub};
use crate::databricks::refusal::Failure;
use crate::databricks::statements::{OnWait, State};

const LOOK: &str = "GET /api/2.0/sql/statements/s1";

fn row(text: &str) -> Vec<Option<String>> {
    vec![Some(text.to_owned())]
}

#[tokio::test]
async fn a_statement_says_whose_it_is_and_how_long_it_is_waited_for() {
    let stub = Stub::start().await;
    stub.on(STATEMENTS, [succeeded("s1", json!([["7"]]))]);
    let client = client(&stub, &Hand::new(), json!({}));
    let state = client.start(&statement("SELECT :system"), OnWait::Cancel).await.unwrap();
    assert_eq!(state, State::Finished(vec![row("7")]));
    let body = stub.asked(STATEMENTS)[0].json();
    let text = body["statement"].as_str().unwrap();
    assert!(
        text.starts_with("/* ml-connector run=r1 sync=acme/jde/ap step=merge at=")
            && text.ends_with("*/ SELECT :system")
    );
    assert_eq!(body["parameters"], json!([{"name": "system", "value": "jde", "type": "STRING"}]));
    assert_eq!((&body["wait_timeout"], &body["on_wait_timeout"]), (&json!("5s"), &json!("CANCEL")));
    assert_eq!(body["query_tags"][0], json!({"key": "run", "value": "r1"}));
}

#[tokio::test]
async fn all_chunks_are_fetched_and_a_missing_row_is_noticed() {
    let stub = Stub::start().await;
    let first = |total: u64| {
        Reply::ok(json!({
            "statement_id": "s1", "status": {"state": "SUCCEEDED"}, "manifest": {"total_row_count": total},
            "result": {"chunk_index": 0, "data_array": [["1"], [null]], "next_chunk_index": 1}
        }))
    };
    stub.on(STATEMENTS, [first(3), first(4)]);
    stub.on(
        "GET /api/2.0/sql/statements/s1/result/chunks/1",
        [Reply::ok(json!({"chunk_index": 1, "data_array": [["3"]]}))],
    );
    let client = client(&stub, &Hand::new(), json!({}));
    assert_eq!(client.run(&statement("SELECT 1")).await.unwrap(), [row("1"), vec![None], row("3")]);
    let error = client.run(&statement("SELECT 1")).await.unwrap_err().into_error();
    assert!(error.is_later() && error.to_string().contains("announced 4 rows"), "{error}");
}

#[tokio::test]
async fn a_lost_reply_is_settled_by_the_history_before_anything_is_sent_again() {
    let stub = Stub::answering(|_| Reply::new(404, "{}")).await;
    stub.on(STATEMENTS, [Reply::lost()]);
    stub.on(HISTORY, [Reply::ok(json!({"res": []}))]);
    let client = client(&stub, &Hand::new(), json!({}));
    let error = client.start(&statement("MERGE"), OnWait::Continue).await.unwrap_err().into_error();
    assert!(error.is_later() && error.to_string().contains("history knows nothing"), "{error}");
    assert_eq!((stub.count(STATEMENTS), stub.count(HISTORY)), (2, 2));
    let query = &stub.asked(HISTORY)[0].query;
    assert!(query.contains("filter_by.warehouse_ids=w1") && query.contains("start_time_ms="), "{query}");

    // The history knows the second one, which has failed since.
    let sent: Vec<Json> = stub.asked(STATEMENTS).iter().map(|asked| asked.json()["statement"].clone()).collect();
    assert_ne!(sent[0], sent[1], "each attempt has a mark of its own");
    let past = json!({"res": [{"query_id": "s1", "status": "RUNNING", "query_text": sent[1]}]});
    stub.on(HISTORY, [Reply::ok(past)]);
    let running = client.find_running(&statement("MERGE").origin).await;
    assert_eq!(running.as_deref(), Some("s1"));
}

#[tokio::test]
async fn who_reads_waits_and_a_later_call_takes_up_what_goes_on() {
    let stub = Stub::start().await;
    stub.on(STATEMENTS, [stands("s1", "PENDING")]);
    stub.on(
        LOOK,
        [stands("s1", "PENDING"), stands("s1", "RUNNING"), stands("s1", "RUNNING"), succeeded("s1", json!([["1"]]))],
    );
    let client = client(&stub, &Hand::new(), json!({}));
    let busy = client.run(&statement("SELECT 1")).await.unwrap_err().into_error();
    assert!(matches!(busy.kind(), Kind::Later { after: Some(_) }), "{busy}");
    assert_eq!(client.run(&statement("SELECT 1")).await.unwrap(), [row("1")]);
    assert_eq!(stub.count(STATEMENTS), 1, "nothing was started twice");
}

#[tokio::test]
async fn closed_is_done_and_its_rows_are_asked_for_anew() {
    let stub = Stub::start().await;
    stub.on(STATEMENTS, [stands("s1", "CLOSED"), succeeded("s2", json!([["1"]]))]);
    let client = client(&stub, &Hand::new(), json!({}));
    assert_eq!(client.run(&statement("SELECT 1")).await.unwrap(), [row("1")]);
    stub.on(STATEMENTS, [stands("s3", "CLOSED")]);
    assert_eq!(client.start(&statement("MERGE"), OnWait::Continue).await.unwrap(), State::Closed);
    stub.on(LOOK, [Reply::new(404, json!({"error_code": "NOT_FOUND"}))]);
    assert_eq!(client.look("s1", "the merge").await.unwrap(), State::Forgotten);
}

#[tokio::test]
async fn a_statement_that_is_too_long_is_not_sent() {
    let stub = Stub::start().await;
    let client = client(&stub, &Hand::new(), json!({}));
    let long = statement(&"x".repeat(17 << 20));
    match client.start(&long, OnWait::Continue).await {
        Err(Failure::Failed(error)) => {
            assert!(error.kind() == Kind::Stop && error.to_string().contains("16 MiB"), "{error}")
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(stub.count(STATEMENTS), 0);
}
