//! The life of a statement.

use chrono::TimeDelta;
use serde_json::json;

use super::{Caller, DatabricksSandbox, started, workspace};
use crate::Clock;
use crate::databricks::{Calls, Fault, Gate, Settings, Starts, Warehouse};

fn fixed() -> Clock {
    Clock::fixed(chrono::DateTime::from_timestamp(1_795_000_000, 0).unwrap())
}

#[tokio::test]
async fn a_request_is_checked_before_anything_runs() {
    let sandbox = workspace().await;
    let caller = Caller::new(&sandbox);
    let parameters = json!([{"name": "a", "value": "[1]", "type": "ARRAY<INT>"}]);
    let tags: Vec<_> = (0..21).map(|at| json!({"key": format!("k{at}")})).collect();
    for wrong in [
        json!({"wait_timeout": "3s"}),
        json!({"wait_timeout": "51s"}),
        json!({"wait_timeout": "10"}),
        json!({"format": "CSV"}),
        json!({"disposition": "BOTH"}),
        json!({"on_wait_timeout": "STOP"}),
        json!({"parameters": parameters}),
        json!({"query_tags": tags}),
        json!({"statement": ""}),
    ] {
        assert_eq!(caller.order("SELECT 1", &wrong).refused(), (400, "INVALID_PARAMETER_VALUE".into()), "{wrong}");
    }
    let long = "x".repeat(16 << 20);
    assert_eq!(
        caller.order(&format!("SELECT '{long}'"), &json!({})).refused(),
        (400, "INVALID_PARAMETER_VALUE".into())
    );
    assert_eq!(
        caller.order("SELECT 1", &json!({"warehouse_id": "w9"})).refused(),
        (404, "RESOURCE_DOES_NOT_EXIST".into())
    );
    assert!(sandbox.statements().is_empty());
    let unknown = caller.execute("SELECT 1", &json!({"schema": "nope"}));
    assert_eq!(unknown["status"]["sql_state"], "42704");
}

#[tokio::test]
async fn a_failed_statement_is_a_200_with_class_and_sqlstate() {
    let sandbox = workspace().await;
    let answer = Caller::new(&sandbox).execute("SELECT * FROM nope", &json!({"catalog": "main", "schema": "erp"}));
    assert_eq!((&answer["status"]["state"], &answer["status"]["sql_state"]), (&json!("FAILED"), &json!("42P01")));
    assert_eq!(answer["status"]["error"]["error_code"], "BAD_REQUEST");
    let message = answer["status"]["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("[TABLE_OR_VIEW_NOT_FOUND] The table or view `main`.`erp`.`nope`"), "{message}");
    assert!(message.ends_with("SQLSTATE: 42P01"), "{message}");
    assert!(answer.get("result").is_none());
}

#[tokio::test]
async fn a_statement_is_pending_then_running_then_done_and_its_result_expires() {
    let clock = fixed();
    let sandbox = started(DatabricksSandbox::builder().clock(clock.clone())).await;
    let caller = Caller::new(&sandbox);
    let gate = Gate::new();
    sandbox.fault(Calls::to("POST /api/2.0/sql/statements").about("SELECT 7"), Fault::Held(gate.clone()));
    let sent = caller.execute("SELECT 7", &json!({"wait_timeout": "0s"}));
    assert_eq!(sent["status"]["state"], "PENDING");
    let id = &sent["statement_id"];
    gate.reached_by(1).await;
    assert_eq!(caller.ask(id)["status"]["state"], "RUNNING");
    gate.open();
    let done = caller.end(id);
    assert_eq!((&done["status"]["state"], &done["result"]["data_array"]), (&json!("SUCCEEDED"), &json!([["7"]])));
    assert_eq!(
        done["manifest"]["schema"]["columns"][0],
        json!({"name": "7", "position": 0, "type_name": "INT", "type_text": "INT"})
    );
    clock.advance(TimeDelta::seconds(3599));
    assert_eq!(caller.ask(id)["status"]["state"], "SUCCEEDED");
    clock.advance(TimeDelta::seconds(1));
    let closed = caller.ask(id);
    assert_eq!((&closed["status"]["state"], closed.get("result")), (&json!("CLOSED"), None));
    let chunk = caller.get(&format!("/api/2.0/sql/statements/{}/result/chunks/0", id.as_str().unwrap()));
    assert_eq!(chunk.refused(), (404, "NOT_FOUND".into()));
}

#[tokio::test]
async fn a_statement_can_be_canceled_before_it_touches_anything() {
    let sandbox = workspace().await;
    sandbox.sql("CREATE TABLE main.erp.t (id INT)").unwrap();
    let caller = Caller::new(&sandbox);
    let gate = Gate::new();
    sandbox.fault(Calls::to("POST /api/2.0/sql/statements").about("INSERT"), Fault::Held(gate.clone()));
    let sent = caller.execute("INSERT INTO main.erp.t VALUES (1)", &json!({}));
    assert_eq!(sent["status"]["state"], "RUNNING", "what is held is answered at once");
    let path = format!("/api/2.0/sql/statements/{}/cancel", sent["statement_id"].as_str().unwrap());
    assert_eq!(caller.post(&path, &json!({})).status, 200);
    assert_eq!(caller.end(&sent["statement_id"])["status"], json!({"state": "CANCELED"}));
    gate.open();
    assert!(sandbox.rows("main.erp.t").unwrap().rows.is_empty());
    let other = caller.execute("INSERT INTO main.erp.t VALUES (2)", &json!({}));
    assert_eq!(
        caller
            .post(&path.replace(path.split('/').nth(5).unwrap(), other["statement_id"].as_str().unwrap()), &json!({}))
            .status,
        200
    );
    assert_eq!(
        caller.ask(&other["statement_id"])["status"]["state"],
        "SUCCEEDED",
        "a cancel that comes too late is lost"
    );
}

#[tokio::test]
async fn who_does_not_ask_for_a_quarter_of_an_hour_loses_the_statement() {
    let clock = fixed();
    let builder = DatabricksSandbox::builder().clock(clock.clone());
    let sandbox = started(builder.warehouse(Warehouse::stopped("w1", Starts::After(TimeDelta::minutes(50))))).await;
    let caller = Caller::new(&sandbox);
    let (kept, lost) = (caller.execute("SELECT 1", &json!({})), caller.execute("SELECT 2", &json!({})));
    for _ in 0..4 {
        clock.advance(TimeDelta::minutes(10));
        assert_eq!(caller.ask(&kept["statement_id"])["status"]["state"], "PENDING");
        clock.advance(TimeDelta::minutes(1));
    }
    clock.advance(TimeDelta::minutes(10));
    assert_eq!(caller.end(&kept["statement_id"])["status"]["state"], "SUCCEEDED");
    assert_eq!(caller.end(&lost["statement_id"])["status"]["state"], "CANCELED");
}

#[tokio::test]
async fn a_warehouse_starts_runs_a_few_at_once_and_stops_in_the_middle() {
    let settings = Settings { at_once: 1, most_open: Some(2), ..Settings::default() };
    let builder = DatabricksSandbox::builder().settings(settings);
    let sandbox = started(builder.warehouse(Warehouse::stopped("w1", Starts::AfterPolls(2)))).await;
    let caller = Caller::new(&sandbox);
    let gate = Gate::new();
    sandbox.fault(Calls::to("POST /api/2.0/sql/statements").first(1), Fault::Held(gate.clone()));
    let state = || caller.get("/api/2.0/sql/warehouses/w1").ok()["state"].clone();
    assert_eq!(state(), "STOPPED");
    let first = caller.execute("SELECT 1", &json!({}));
    assert_eq!(
        (&first["status"]["state"], state()),
        (&json!("PENDING"), json!("STARTING")),
        "sending it starts the warehouse"
    );
    assert_eq!(caller.ask(&first["statement_id"])["status"]["state"], "RUNNING", "and asking for it is a poll too");
    let second = caller.execute("SELECT 2", &json!({}));
    assert_eq!(second["status"]["state"], "PENDING", "one runs at a time");
    let refused = caller.order("SELECT 3", &json!({}));
    assert_eq!(refused.refused(), (429, "RESOURCE_EXHAUSTED".into()));
    assert!(refused.head.contains("retry-after: 1"));
    assert!(sandbox.stop_warehouse("w1"));
    for one in [&first, &second] {
        let end = caller.end(&one["statement_id"]);
        assert_eq!(
            (&end["status"]["state"], &end["status"]["error"]["error_code"]),
            (&json!("FAILED"), &json!("ABORTED"))
        );
    }
    assert_eq!(sandbox.most_statements_at_once(), 1);
}

#[tokio::test]
async fn two_merges_on_one_table_disturb_each_other() {
    let sandbox = workspace().await;
    sandbox.sql("CREATE TABLE main.erp.t (id INT, v INT)").unwrap();
    sandbox.sql("INSERT INTO main.erp.t VALUES (1, 1)").unwrap();
    let caller = Caller::new(&sandbox);
    let gate = Gate::new();
    sandbox.fault(Calls::to("POST /api/2.0/sql/statements").about("slow"), Fault::Held(gate.clone()));
    let merge = |value: u32| {
        format!(
            "MERGE INTO main.erp.t t USING (SELECT 1 AS id, {value} AS v) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.v"
        )
    };
    let slow = caller.execute(&format!("{} /* slow */", merge(2)), &json!({}));
    gate.reached_by(1).await;
    assert_eq!(caller.rows(&merge(3)), json!([["1", "1", "0", "0"]]));
    gate.open();
    let end = caller.end(&slow["statement_id"]);
    assert_eq!((&end["status"]["state"], &end["status"]["sql_state"]), (&json!("FAILED"), &json!("2D521")));
    assert!(end["status"]["error"]["message"].as_str().unwrap().starts_with("[DELTA_CONCURRENT_APPEND]"));
    assert_eq!(caller.rows("SELECT v FROM main.erp.t"), json!([["3"]]));
}

#[tokio::test]
async fn results_come_in_chunks_and_by_links() {
    let clock = fixed();
    let settings = Settings { chunk_rows: 2, largest_inline: 60, ..Settings::default() };
    let sandbox = started(DatabricksSandbox::builder().settings(settings).clock(clock.clone())).await;
    let caller = Caller::new(&sandbox);
    let answer = caller.execute("SELECT id FROM range(5)", &json!({}));
    let result = &answer["result"];
    assert_eq!((&result["data_array"], &result["next_chunk_index"]), (&json!([["0"], ["1"]]), &json!(1)));
    let next = caller.get(result["next_chunk_internal_link"].as_str().unwrap()).ok();
    assert_eq!((&next["row_offset"], &next["data_array"]), (&json!(2), &json!([["2"], ["3"]])));
    let path = format!("/api/2.0/sql/statements/{}/result/chunks/", answer["statement_id"].as_str().unwrap());
    let last = caller.get(&format!("{path}2")).ok();
    assert_eq!((last.get("next_chunk_index"), &last["row_count"]), (None, &json!(1)));
    assert_eq!(caller.get(&format!("{path}3")).refused(), (400, "INVALID_PARAMETER_VALUE".into()));

    let many = caller.execute("SELECT id FROM range(50)", &json!({}));
    assert_eq!(many["status"]["state"], "FAILED", "too much for INLINE: {many}");
    let linked = caller.execute("SELECT id FROM range(50)", &json!({"disposition": "EXTERNAL_LINKS"}));
    let link = linked["result"]["external_links"][0]["external_link"].as_str().unwrap().to_owned();
    let path = link.strip_prefix(&sandbox.url()).unwrap();
    assert_eq!(super::send(&sandbox, "GET", path, &[], b"").unwrap().json(), json!([["0"], ["1"]]));
    assert_eq!(caller.get(path).status, 400, "a link is fetched without Authorization");
    clock.advance(TimeDelta::minutes(15));
    assert_eq!(super::send(&sandbox, "GET", path, &[], b"").unwrap().status, 403);
    let limited = caller.execute("SELECT id FROM range(5)", &json!({"row_limit": 1}));
    assert_eq!((&limited["manifest"]["truncated"], &limited["manifest"]["total_row_count"]), (&json!(true), &json!(1)));
}

#[tokio::test]
async fn a_statement_is_found_again_by_what_was_sent_with_it() {
    let sandbox = workspace().await;
    let caller = Caller::new(&sandbox);
    let tags = json!({"query_tags": [{"key": "run", "value": "acme/7"}]});
    let sent = caller.execute("SELECT 1", &tags);
    caller.execute("SELEC", &json!({}));
    let all = caller.get("/api/2.0/sql/history/queries?max_results=10").ok();
    let found: Vec<_> = all["res"].as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap()).collect();
    assert_eq!(found, ["FAILED", "FINISHED"], "the latest first");
    let one = &caller.get("/api/2.0/sql/history/queries?filter_by.statuses=FINISHED").ok()["res"][0];
    assert_eq!((&one["query_id"], &one["query_tags"]), (&sent["statement_id"], &tags["query_tags"]));
    assert_eq!(
        caller.get("/api/2.0/sql/history/queries?filter_by.text=x").refused(),
        (400, "INVALID_PARAMETER_VALUE".into())
    );
}
