//! Rights that are missing are named.

use serde_json::json;

use super::{Caller, DatabricksSandbox, started};
use crate::databricks::{Job, Principal, Privilege, Warehouse};

async fn without(privilege: Privilege, on: &str) -> DatabricksSandbox {
    let principal = Principal::new("loader", "secret").with_token("dapi-sandbox").without(privilege, on);
    let builder =
        DatabricksSandbox::builder().principal(principal).warehouse(Warehouse::running("w1")).job(Job::new(5));
    let sandbox = started(builder).await;
    sandbox.sql("CREATE TABLE main.erp.t (id INT)").unwrap();
    sandbox.put_file("/Volumes/main/erp/landing/x.json", "{\"a\": 1}");
    sandbox
}

#[tokio::test]
async fn a_statement_without_a_right_fails_and_names_it() {
    let read = "SELECT * FROM main.erp.t";
    for (privilege, on, statement, named) in [
        (Privilege::UseCatalog, "main", read, "USE CATALOG on Catalog 'main'"),
        (Privilege::UseSchema, "main.erp", read, "USE SCHEMA on Schema 'main.erp'"),
        (Privilege::Select, "main.erp", read, "SELECT on Table 'main.erp.t'"),
        (Privilege::Modify, "main.erp.t", "INSERT INTO main.erp.t VALUES (1)", "MODIFY on Table 'main.erp.t'"),
        (Privilege::CreateTable, "main.erp", "CREATE TABLE main.erp.n (id INT)", "CREATE TABLE on Schema 'main.erp'"),
        (Privilege::CreateSchema, "main", "CREATE SCHEMA main.n", "CREATE SCHEMA on Catalog 'main'"),
        (
            Privilege::ReadVolume,
            "main.erp.landing",
            "SELECT * FROM read_files('/Volumes/main/erp/landing', format => 'json')",
            "READ VOLUME on Volume 'main.erp.landing'",
        ),
    ] {
        let sandbox = without(privilege, on).await;
        let caller = Caller::new(&sandbox);
        let answer = caller.execute(statement, &json!({}));
        assert_eq!(
            (&answer["status"]["state"], &answer["status"]["sql_state"]),
            (&json!("FAILED"), &json!("42501")),
            "{answer}"
        );
        let message = answer["status"]["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("[INSUFFICIENT_PERMISSIONS]") && message.contains(named), "{message}");
    }
}

#[tokio::test]
async fn a_call_without_a_right_is_a_403_that_names_it() {
    let sandbox = without(Privilege::CanUse, "w1").await;
    let refused = Caller::new(&sandbox).order("SELECT 1", &json!({}));
    assert_eq!(refused.refused(), (403, "PERMISSION_DENIED".into()));
    assert_eq!(Caller::new(&sandbox).get("/api/2.0/sql/warehouses/w1").status, 403);

    let sandbox = without(Privilege::WriteVolume, "main.erp").await;
    let caller = Caller::new(&sandbox);
    let put = caller.call("PUT", "/api/2.0/fs/files/Volumes/main/erp/landing/y", b"1").unwrap();
    assert_eq!(put.refused(), (403, "PERMISSION_DENIED".into()));
    assert!(put.json()["message"].as_str().unwrap().contains("WRITE VOLUME on Volume 'main.erp.landing'"));
    assert_eq!(caller.get("/api/2.0/fs/files/Volumes/main/erp/landing/x.json").status, 200);

    let sandbox = without(Privilege::Select, "main.erp").await;
    let table = Caller::new(&sandbox).get("/api/2.1/unity-catalog/tables/main.erp.t");
    assert_eq!(table.refused(), (403, "PERMISSION_DENIED".into()));

    let sandbox = without(Privilege::CanManageRun, "5").await;
    let run = Caller::new(&sandbox).post("/api/2.2/jobs/run-now", &json!({"job_id": 5}));
    assert_eq!(run.refused(), (403, "PERMISSION_DENIED".into()));
}

#[tokio::test]
async fn a_job_runs_once_for_a_token_and_can_be_canceled() {
    let builder = DatabricksSandbox::builder().job(Job::new(5).taking(9)).job(Job::new(6).failing("No file."));
    let sandbox = started(builder).await;
    let caller = Caller::new(&sandbox);
    let order = json!({"job_id": 5, "idempotency_token": "t", "job_parameters": {"run": "r7"}});
    let first = caller.post("/api/2.2/jobs/run-now", &order).ok();
    assert_eq!(caller.post("/api/2.2/jobs/run-now", &order).ok(), first);
    assert_eq!(sandbox.job_runs().len(), 1);
    assert_eq!(sandbox.job_runs()[0].parameters["run"], "r7");
    let get = |id: &serde_json::Value| caller.get(&format!("/api/2.2/jobs/runs/get?run_id={id}")).ok()["state"].clone();
    assert_eq!(get(&first["run_id"])["life_cycle_state"], "PENDING");
    caller.post("/api/2.2/jobs/runs/cancel", &json!({"run_id": first["run_id"]})).ok();
    assert_eq!(get(&first["run_id"])["result_state"], "CANCELED");
    let failing = caller.post("/api/2.2/jobs/run-now", &json!({"job_id": 6})).ok();
    get(&failing["run_id"]);
    assert_eq!(get(&failing["run_id"])["state_message"], "No file.");
    let long = json!({"job_id": 5, "idempotency_token": "x".repeat(65)});
    assert_eq!(caller.post("/api/2.2/jobs/run-now", &long).refused(), (400, "INVALID_PARAMETER_VALUE".into()));
    assert_eq!(caller.post("/api/2.2/jobs/run-now", &json!({"job_id": 99})).status, 400);
}
