//! Logging in, staying in, logging out.

use engine::Kind;
use engine::ports::Consumer;
use serde_json::json;

use super::fixture::{CLIENT_SECRET, Hand, invoices, looker, looker_at};
use super::stub::{Reply, Stub};

const LIST: &str = "GET /datagroups";

async fn with_datagroup() -> Stub {
    let stub = Stub::start().await;
    stub.on(LIST, [Reply::ok(json!([{"id": "17", "model_name": "erp", "name": "erp_loads"}]))]);
    stub.on("PATCH /datagroups/17", [Reply::ok(json!({"id": "17"}))]);
    stub
}

#[tokio::test]
async fn the_first_call_logs_in_by_form_and_the_end_logs_out() {
    let stub = with_datagroup().await;
    let looker = looker(&stub, json!({}));
    assert!(stub.routes().is_empty());
    looker.changed(&invoices()).await.unwrap();
    looker.changed(&invoices()).await.unwrap();
    looker.close().await;
    looker.close().await;
    let expected = ["POST /login", LIST, "PATCH /datagroups/17", "PATCH /datagroups/17", "DELETE /logout"];
    assert_eq!(stub.routes(), expected);
    let login = &stub.asked("POST /login")[0];
    assert_eq!(login.body, "client_id=id%2F1&client_secret=s3cr%2Ft%2B%22x");
    assert!(login.head.to_lowercase().contains("content-type: application/x-www-form-urlencoded"), "{}", login.head);
    assert!(login.query.is_empty());
    assert!(stub.asked(LIST)[0].head.contains("Bearer token-1"));
    assert!(stub.asked("DELETE /logout")[0].head.contains("Bearer token-1"));
}

#[tokio::test]
async fn a_token_is_replaced_before_it_ends() {
    for (life, kept, replaced) in [(3600, 3539, 1), (30, 14, 1)] {
        let stub = with_datagroup().await;
        stub.on("POST /login", [Reply::ok(json!({"access_token": "t", "expires_in": life}))]);
        let clock = Hand::new();
        let looker = looker_at(&stub, &clock, json!({}));
        looker.changed(&invoices()).await.unwrap();
        clock.forward(kept);
        looker.changed(&invoices()).await.unwrap();
        assert_eq!(stub.count("POST /login"), 1, "{life}");
        clock.forward(replaced);
        looker.changed(&invoices()).await.unwrap();
        assert_eq!(stub.count("POST /login"), 2, "{life}");
    }
}

#[tokio::test]
async fn a_token_that_dies_in_mid_work_is_replaced_once() {
    let stub = with_datagroup().await;
    let dead = || Reply::new(401, r#"{"message":"Requires authentication."}"#);
    stub.on("PATCH /datagroups/17", [dead(), Reply::ok(json!({"id": "17"}))]);
    let consumer = looker(&stub, json!({}));
    consumer.changed(&invoices()).await.unwrap();
    assert_eq!((stub.count("POST /login"), stub.count("PATCH /datagroups/17")), (2, 2));

    stub.on("PATCH /datagroups/17", [dead()]);
    let error = consumer.changed(&invoices()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Stop);
    assert!(error.to_string().contains("also with a new token (401): «Requires authentication.»"), "{error}");
    assert!(!error.is_refused_credentials());
    assert_eq!((stub.count("POST /login"), stub.count("PATCH /datagroups/17")), (3, 4));
}

#[tokio::test]
async fn a_wrong_secret_is_tried_once() {
    for status in [400, 403, 404] {
        let stub = with_datagroup().await;
        let body = json!({"message": format!("Not found, {CLIENT_SECRET} neither"), "documentation_url": null});
        stub.on("POST /login", [Reply::new(status, body)]);
        let looker = looker(&stub, json!({}));
        for _ in 0..3 {
            let error = looker.changed(&invoices()).await.unwrap_err();
            assert!(error.is_refused_credentials(), "{error}");
            assert!(error.to_string().contains("check `client_id` and `client_secret`"), "{error}");
            assert!(!error.to_string().contains("s3cr"), "{error}");
        }
        looker.close().await;
        assert_eq!(stub.routes(), ["POST /login"]);
    }
}

#[tokio::test]
async fn a_log_in_that_fails_otherwise_is_no_wrong_secret() {
    for (reply, is_later, words) in [
        (Reply::html(404, "Not here"), false, "check `url` and `api_path`"),
        (Reply::new(429, r#"{"message":"slow down"}"#), true, "«slow down»"),
        (Reply::new(502, ""), true, "failed at the log-in (502)"),
        (Reply::ok(r#"{"access_token":"abc"#), true, "cut short"),
        (Reply::lost(), true, "cut short"),
    ] {
        let stub = with_datagroup().await;
        stub.on("POST /login", [reply]);
        let error = looker(&stub, json!({})).changed(&invoices()).await.unwrap_err();
        assert_eq!((error.is_later(), error.is_refused_credentials()), (is_later, false), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn many_callers_log_in_once() {
    let stub = with_datagroup().await;
    let looker = looker(&stub, json!({}));
    let table = invoices();
    let (a, b, c) = tokio::join!(looker.changed(&table), looker.changed(&table), looker.changed(&table));
    a.and(b).and(c).unwrap();
    assert_eq!((stub.count("POST /login"), stub.count(LIST)), (1, 1));
}
