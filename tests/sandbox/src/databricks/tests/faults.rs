//! Misbehaviour on demand.

use serde_json::json;

use super::{Caller, class, workspace};
use crate::databricks::{Calls, Fault};

#[tokio::test]
async fn calls_go_wrong_as_told_and_only_those() {
    let sandbox = workspace().await;
    let caller = Caller::new(&sandbox);
    let statements = || Calls::to("POST /api/2.0/sql/statements");
    sandbox.sql("CREATE TABLE main.erp.t (id INT)").unwrap();
    sandbox.fault(statements(), Fault::throttled(2));
    let throttled = caller.order("SELECT 1", &json!({}));
    assert_eq!(throttled.refused(), (429, "REQUEST_LIMIT_EXCEEDED".into()));
    assert!(throttled.head.contains("retry-after: 2"));
    assert!(sandbox.statements().is_empty(), "nothing ran");

    sandbox.fault(statements(), Fault::LostReply);
    assert!(caller.call("POST", "/api/2.0/sql/statements", &insert(1)).is_none());
    assert_eq!(sandbox.rows("main.erp.t").unwrap().texts(), [["1"]], "the work was done");
    sandbox.fault(statements(), Fault::LostRequest);
    assert!(caller.call("POST", "/api/2.0/sql/statements", &insert(2)).is_none());
    assert_eq!(sandbox.rows("main.erp.t").unwrap().rows.len(), 1);

    sandbox.fault(statements(), Fault::DeadToken);
    assert_eq!(caller.order("SELECT 1", &json!({})).status, 401);
    sandbox.fault(statements(), Fault::status(503));
    assert_eq!(caller.order("SELECT 1", &json!({})).refused(), (503, "TEMPORARILY_UNAVAILABLE".into()));
    sandbox.fault(statements(), Fault::HtmlBody);
    assert!(caller.order("SELECT 1", &json!({})).body.starts_with(b"<html>"));
    sandbox.fault(statements(), Fault::TruncatedBody);
    let cut = caller.order("SELECT 1", &json!({}));
    assert!(serde_json::from_slice::<serde_json::Value>(&cut.body).is_err());
    assert_eq!((sandbox.faults_waiting(), caller.rows("SELECT 1")), (0, json!([["1"]])));
}

fn insert(id: u32) -> Vec<u8> {
    json!({"statement": format!("INSERT INTO main.erp.t VALUES ({id})"), "warehouse_id": "w1"}).to_string().into_bytes()
}

#[tokio::test]
async fn statements_fail_before_or_after_their_work() {
    let sandbox = workspace().await;
    sandbox.sql("CREATE TABLE main.erp.t (id INT)").unwrap();
    let caller = Caller::new(&sandbox);
    sandbox.fault(Calls::to("POST /api/2.0/sql/statements"), Fault::statement("TEMPORARILY_UNAVAILABLE", "Try again."));
    let before = caller.execute("INSERT INTO main.erp.t VALUES (1)", &json!({}));
    assert_eq!(before["status"]["error"], json!({"error_code": "TEMPORARILY_UNAVAILABLE", "message": "Try again."}));
    assert_eq!(sandbox.version("main.erp.t"), Some(0));
    let lost = Fault::statement_after_work("INTERNAL_ERROR", "[INTERNAL_ERROR] The driver was lost. SQLSTATE: XX000");
    sandbox.fault(Calls::to("POST /api/2.0/sql/statements"), lost);
    let after = caller.execute("INSERT INTO main.erp.t VALUES (1)", &json!({}));
    assert_eq!((&after["status"]["state"], &after["status"]["sql_state"]), (&json!("FAILED"), &json!("XX000")));
    assert_eq!(sandbox.rows("main.erp.t").unwrap().texts(), [["1"]]);
    sandbox.fault(Calls::to("POST /api/2.0/sql/statements"), Fault::Polls(2));
    let slow = caller.execute("SELECT 1", &json!({}));
    assert_eq!(slow["status"]["state"], "RUNNING");
    assert_eq!(caller.end(&slow["statement_id"])["status"]["state"], "SUCCEEDED");
    assert_eq!(sandbox.count_statements("insert into"), 2);
    assert_eq!(class(&sandbox, "SELECT nope"), "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION");
}
