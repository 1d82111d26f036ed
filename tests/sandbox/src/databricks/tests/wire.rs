//! Discovery, tokens, and who is let in.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;

use super::{Caller, DatabricksSandbox, send, started};
use crate::Clock;
use crate::databricks::{Principal, Settings};

fn grant(sandbox: &DatabricksSandbox, credentials: &str, body: &str) -> super::Answer {
    use base64::prelude::{BASE64_STANDARD, Engine};
    let basic = format!("Basic {}", BASE64_STANDARD.encode(credentials));
    let headers = [("Authorization", basic.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
    send(sandbox, "POST", "/oidc/v1/token", &headers, body.as_bytes()).unwrap()
}

const GRANT: &str = "grant_type=client_credentials&scope=all-apis";

#[tokio::test]
async fn a_token_is_granted_for_the_right_secret_and_dies_in_time() {
    let clock = Clock::fixed(chrono::DateTime::from_timestamp(1_795_000_000, 0).unwrap());
    let settings = Settings { token_life: Duration::from_secs(600), ..Settings::default() };
    let builder = DatabricksSandbox::builder().settings(settings).clock(clock.clone());
    let sandbox = started(builder.principal(Principal::new("loader", "s3c:ret"))).await;
    let found = send(&sandbox, "GET", "/.well-known/databricks-config", &[], b"").unwrap().ok();
    assert_eq!(found["oidc_endpoint"], format!("{}/oidc", sandbox.url()));
    assert_eq!(found["workspace_id"], "1234567890");
    let server = send(&sandbox, "GET", "/oidc/.well-known/oauth-authorization-server", &[], b"").unwrap().ok();
    assert_eq!(server["token_endpoint"], format!("{}/oidc/v1/token", sandbox.url()));

    let wrong = grant(&sandbox, "loader:nope", GRANT);
    assert_eq!((wrong.status, wrong.json()["error"].clone()), (401, json!("invalid_client")));
    assert_eq!(grant(&sandbox, "loader:s3c:ret", "grant_type=password").json()["error"], "unsupported_grant_type");
    let in_body = format!("{GRANT}&client_id=loader&client_secret=s3c%3Aret");
    let token = send(&sandbox, "POST", "/oidc/v1/token", &[], in_body.as_bytes()).unwrap().ok();
    let other = grant(&sandbox, "loader:s3c:ret", GRANT).ok();
    assert_eq!((&token["token_type"], &token["expires_in"]), (&json!("Bearer"), &json!(600)));
    assert_ne!(token["access_token"], other["access_token"]);
    let caller = Caller::with(&sandbox, token["access_token"].as_str().unwrap());
    assert_eq!(caller.rows("SELECT 1"), json!([["1"]]));
    clock.advance(TimeDelta::seconds(600));
    assert_eq!(caller.get("/api/2.0/sql/warehouses").refused(), (401, "UNAUTHENTICATED".into()));
    assert!(
        !format!("{:?}{:?}", sandbox.journal(), sandbox.journal()[3].body).contains("s3c"),
        "no secret in the journal"
    );
}

#[tokio::test]
async fn nobody_gets_in_without_a_token_and_unknown_paths_are_told() {
    let sandbox = started(DatabricksSandbox::builder()).await;
    assert_eq!(send(&sandbox, "GET", "/api/2.0/sql/warehouses", &[], b"").unwrap().status, 401);
    assert_eq!(Caller::with(&sandbox, "dapi-other").get("/api/2.0/sql/warehouses").status, 401);
    let caller = Caller::new(&sandbox);
    assert_eq!(caller.get("/api/2.0/clusters/list").refused(), (404, "ENDPOINT_NOT_FOUND".into()));
    let slash = caller.post("/api/2.0/sql/statements/", &json!({"statement": "SELECT 1", "warehouse_id": "w1"})).ok();
    assert_eq!(slash["status"]["state"], "SUCCEEDED", "with and without the slash at the end");
}
