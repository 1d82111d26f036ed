//! What a refused call means.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engine::Kind;
use engine::model::totals::GroupBy;
use engine::ports::Consumer;
use serde_json::json;

use super::fixture::{CLIENT_SECRET, Hand, QUERY, invoices, looker, secret, settings, with_explore};
use super::stub::Reply;
use crate::looker::Looker;

const LATER: Kind = Kind::Later { after: None };

#[tokio::test]
async fn each_refusal_says_what_to_do() {
    let seven = Kind::Later { after: Some(Duration::from_secs(7)) };
    let validation = json!({"message": "Validation Failed", "errors": [
        {"field": "model", "code": "missing", "message": "must be there"}, {"field": "limit", "message": "is text"}]});
    let cases = [
        (Reply::new(429, r#"{"message":"throttled"}"#), LATER, "asked too often (429): «throttled»"),
        (Reply::new(429, "").with("Retry-After", "7"), seven, "(429)"),
        (
            Reply::new(429, "")
                .with("Date", "Sat, 21 Nov 2026 10:00:00 GMT")
                .with("Retry-After", "Sat, 21 Nov 2026 10:00:07 GMT"),
            seven,
            "(429)",
        ),
        (Reply::new(503, "").with("Retry-After", "7"), seven, "not available"),
        (Reply::new(500, r#"{"message":"An error"}"#), LATER, "(500): «An error»"),
        (Reply::html(504, "Gateway time-out"), LATER, "did not finish"),
        (Reply::new(403, r#"{"message":"Forbidden"}"#), Kind::Stop, "`access_data` and `explore`"),
        (Reply::new(404, r#"{"message":"Not found"}"#), Kind::Stop, "may not see it"),
        (Reply::new(400, r#"{"message":"bad"}"#), Kind::Stop, "(400): «bad»"),
        (
            Reply::new(422, validation),
            Kind::Stop,
            "«Validation Failed; `model` (missing) must be there; `limit` is text»",
        ),
        (Reply::html(200, "Sign in"), LATER, "with a web page «Sign in»"),
        (Reply::html(403, "Blocked"), Kind::Stop, "proxy or firewall"),
        (Reply::new(302, "").with("Location", "/login"), Kind::Stop, "redirects"),
        (Reply::ok("nonsense"), LATER, "not what API 4.0 gives"),
        (Reply::ok(r#"[{"ap_invoices.count":1"#), LATER, "cut short"),
        (Reply::ok(r#"[{"ap_invoices.count":12345}]"#).cut_at(9), LATER, "cut short"),
        (Reply::ok(json!([{"looker_error": "column \"x\" does not exist"}])), Kind::Stop, "could not run"),
        (Reply::ok(json!([{"looker_error": "Connection refused"}])), LATER, "«Connection refused»"),
        (Reply::ok(json!({"errors": [{"message": "SQL error"}]})), Kind::Stop, "«SQL error»"),
        (Reply::ok(json!([{"ap_invoices.other": 1}])), Kind::Stop, "lacks the field `ap_invoices.count`"),
        (Reply::ok(json!([{"ap_invoices.count": "1,234"}])), Kind::Stop, "is not a number"),
        (Reply::ok(json!([{"ap_invoices.count": -1}])), Kind::Stop, "is no count"),
    ];
    for (number, (reply, kind, words)) in cases.into_iter().enumerate() {
        let stub = with_explore().await;
        stub.on(QUERY, [reply]);
        let error = looker(&stub, json!({})).totals(&invoices(), &GroupBy::All, &[]).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{number}: {error}");
        assert!(error.to_string().contains(words), "{number}: {error}");
        assert_eq!(stub.count(QUERY), 1, "{number}");
    }
}

#[tokio::test]
async fn no_message_holds_a_secret_or_token() {
    let echo = json!({"message": format!("{CLIENT_SECRET} and token-1 and {}", json!(CLIENT_SECRET))});
    for reply in [
        Reply::new(403, &echo),
        Reply::new(500, &echo),
        Reply::ok(json!([{"looker_error": format!("login with {CLIENT_SECRET} failed")}])),
        Reply::ok(json!({"message": format!("password={CLIENT_SECRET}")})),
        Reply::html(500, &format!("oops {CLIENT_SECRET}")),
    ] {
        let stub = with_explore().await;
        stub.on(QUERY, [reply]);
        let error = looker(&stub, json!({})).totals(&invoices(), &GroupBy::All, &[]).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains("s3cr") && !text.contains("token-1"), "{text}");
    }
}

#[tokio::test]
async fn who_is_not_there_is_said() {
    let settings = settings("http://127.0.0.1:1", json!({}));
    let key = secret(&[("client_id", "i"), ("client_secret", "s")]);
    let looker = Looker::open(settings, &key, BTreeMap::new(), Arc::new(Hand::new())).unwrap();
    looker.prepare().await.expect("nothing is declared, so nothing is asked");
    let error = looker.changed(&invoices()).await.unwrap_err();
    assert!(error.is_later() && error.to_string().contains("refuses connections"), "{error}");
}

#[test]
fn settings_and_secrets_that_cannot_work_are_refused_before_anything_is_called() {
    let whole = secret(&[("client_id", "i"), ("client_secret", "s")]);
    for (url, change, key, words) in [
        ("http://looker.example.com", json!({}), &whole, "must begin with https"),
        ("https://looker.example.com", json!({"row_limit": 1}), &whole, "`row_limit`"),
        (
            "https://looker.example.com",
            json!({}),
            &secret(&[("client_id", "i")]),
            "secrets set acme/looker client_secret",
        ),
    ] {
        let opened = Looker::open(settings(url, change), key, BTreeMap::new(), Arc::new(Hand::new()));
        let error = opened.err().unwrap();
        assert!(error.kind() == Kind::Stop && error.to_string().contains(words), "{error}");
    }
}
