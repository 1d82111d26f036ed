//! Tokens and refusals.

use std::sync::Arc;
use std::time::Duration;

use engine::Kind;
use serde_json::json;

use super::fixture::{CLIENT_SECRET, Hand, STATEMENTS, client, failed, secret, settings, stands, statement, succeeded};
use super::stub::{Reply, Stub, TOKEN};
use crate::databricks::client::Client;
use crate::databricks::statements::OnWait;

async fn run(client: &Client) -> Result<(), engine::Error> {
    client.start(&statement("SELECT 1"), OnWait::Continue).await.map(|_| ()).map_err(Into::into)
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_again_before_it_ends() {
    let stub = Stub::start().await;
    stub.on(STATEMENTS, [succeeded("s1", json!([]))]);
    let clock = Hand::new();
    let client = client(&stub, &clock, json!({}));
    let (one, two) = tokio::join!(run(&client), run(&client));
    one.unwrap();
    two.unwrap();
    assert_eq!(stub.count(TOKEN), 1);
    let asked = &stub.asked(TOKEN)[0];
    assert!(asked.head.to_lowercase().contains("authorization: basic "), "{}", asked.head);
    assert_eq!(asked.body, "grant_type=client_credentials&scope=all-apis");
    clock.forward(47 * 60);
    run(&client).await.unwrap();
    assert_eq!(stub.count(TOKEN), 1);
    clock.forward(2 * 60);
    run(&client).await.unwrap();
    assert_eq!(stub.count(TOKEN), 2);
}

#[tokio::test]
async fn a_token_that_died_is_replaced_once_and_the_call_made_again() {
    for dead in
        [Reply::new(401, "{}"), Reply::new(403, json!({"error_code": "403", "message": "Invalid access token."}))]
    {
        let stub = Stub::start().await;
        stub.on(STATEMENTS, [dead.clone(), succeeded("s1", json!([])), dead]);
        let client = client(&stub, &Hand::new(), json!({}));
        run(&client).await.unwrap();
        assert_eq!((stub.count(TOKEN), stub.count(STATEMENTS)), (2, 2));
        let error = run(&client).await.unwrap_err();
        assert_eq!((error.kind(), stub.count(TOKEN), stub.count(STATEMENTS)), (Kind::Stop, 3, 4));
        assert!(error.to_string().contains("also with a new token"), "{error}");
    }
}

#[tokio::test]
async fn refused_credentials_are_sent_once() {
    let stub = Stub::start().await;
    let refusal = json!({"error": "invalid_client", "error_description": format!("no such client: {CLIENT_SECRET}")});
    stub.on(TOKEN, [Reply::new(401, refusal)]);
    let client = client(&stub, &Hand::new(), json!({}));
    for _ in 0..3 {
        let error = run(&client).await.unwrap_err();
        assert!(error.is_refused_credentials() && error.to_string().contains("invalid_client"), "{error}");
        assert!(!error.to_string().contains(CLIENT_SECRET), "{error}");
    }
    assert_eq!(stub.count(TOKEN), 1);
}

#[tokio::test]
async fn a_personal_access_token_needs_no_log_in_and_is_not_tried_again_once_refused() {
    let stub = Stub::start().await;
    stub.on(STATEMENTS, [succeeded("s1", json!([])), Reply::new(401, "{}")]);
    let open =
        || Client::new(settings(&stub.url, json!({})), &secret(&[("token", "dapi77")]), Arc::new(Hand::new())).unwrap();
    let client = open();
    run(&client).await.unwrap();
    assert!(stub.asked(STATEMENTS)[0].head.contains("Bearer dapi77"));
    for _ in 0..2 {
        assert!(run(&client).await.unwrap_err().is_refused_credentials());
    }
    assert_eq!((stub.count(TOKEN), stub.count(STATEMENTS)), (0, 2));
}

#[tokio::test]
async fn entra_gives_the_token_where_it_is_asked_to() {
    let (stub, entra) = (Stub::start().await, Stub::start().await);
    stub.on(STATEMENTS, [succeeded("s1", json!([]))]);
    let route = "POST /t-1/oauth2/v2.0/token";
    entra.on(route, [Reply::ok(json!({"access_token": "eyJ", "token_type": "Bearer", "expires_in": 3599}))]);
    let client = client(&stub, &Hand::new(), json!({"azure": {"tenant": "t-1", "login_url": entra.url}}));
    run(&client).await.unwrap();
    let body = &entra.asked(route)[0].body;
    assert!(
        body.contains("scope=2ff814a6-3304-4ab8-85cb-cd0e6f879c1d%2F.default&client_id=app-1&client_secret="),
        "{body}"
    );
    assert!(stub.asked(STATEMENTS)[0].head.contains("Bearer eyJ") && stub.count(TOKEN) == 0);
}

#[tokio::test]
async fn what_passes_is_later_and_keeps_the_wait_that_was_asked_for() {
    let later = |seconds: Option<u64>| Kind::Later { after: seconds.map(Duration::from_secs) };
    for (reply, kind) in [
        (Reply::new(429, json!({"error_code": "REQUEST_LIMIT_EXCEEDED"})).with("Retry-After", "7"), later(Some(7))),
        (Reply::new(503, "TEMPORARILY_UNAVAILABLE: soon").with("Retry-After", "2"), later(Some(2))),
        (Reply::new(500, json!({"error_code": "INTERNAL_ERROR", "message": "x"})), later(None)),
        (Reply::html(502, "Bad Gateway"), later(None)),
        (Reply::new(400, json!({"message": "RPC token bucket limit has been exceeded"})), later(None)),
        (Reply::new(400, json!({"error_code": "INVALID_PARAMETER_VALUE", "message": "wait_timeout"})), Kind::Stop),
        (Reply::new(404, json!({"error": "no such warehouse"})), Kind::Stop),
        (failed("TEMPORARILY_UNAVAILABLE", "the cluster went away", None), later(None)),
        (failed("BAD_REQUEST", "[DELTA_CONCURRENT_APPEND] Files were added", Some("2D521")), later(None)),
        (failed("BAD_REQUEST", "[CAST_INVALID_INPUT] no number SQLSTATE: 22018", None), Kind::Stop),
        (stands("s1", "SUCCEEDED"), Kind::Reject),
    ] {
        let stub = Stub::start().await;
        stub.on(STATEMENTS, [reply]);
        let ran = run(&client(&stub, &Hand::new(), json!({}))).await;
        assert_eq!(ran.as_ref().map_or_else(|e| e.kind(), |()| Kind::Reject), kind, "{ran:?}");
    }
}

#[tokio::test]
async fn a_missing_right_is_named_with_the_statement_that_gives_it() {
    let message = "[INSUFFICIENT_PERMISSIONS] Insufficient privileges: User does not have MODIFY on Table 'main.erp.t'. SQLSTATE: 42501";
    let denied = |message: &str| Reply::new(403, json!({"error_code": "PERMISSION_DENIED", "message": message}));
    for (reply, words) in [
        (failed("BAD_REQUEST", message, Some("42501")), "GRANT MODIFY ON TABLE `main`.`erp`.`t` TO `app-1`"),
        (denied("User does not have USE CATALOG on Catalog 'main'."), "GRANT USE CATALOG ON CATALOG `main` TO `app-1`"),
        (denied("You do not have permission to use the SQL warehouse"), "CAN USE on the SQL warehouse w1"),
        (
            denied("no"),
            "GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY, CREATE VOLUME, READ VOLUME, WRITE VOLUME ON SCHEMA",
        ),
    ] {
        let stub = Stub::start().await;
        stub.on(STATEMENTS, [reply]);
        let error = run(&client(&stub, &Hand::new(), json!({}))).await.unwrap_err();
        assert!(error.kind() == Kind::Stop && error.to_string().contains(words), "{words}: {error}");
    }
}
