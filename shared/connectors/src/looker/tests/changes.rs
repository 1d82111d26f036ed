//! Telling Looker that a table has changed.

use engine::Kind;
use engine::model::delivery::What;
use engine::ports::{Consumer, Progress};
use serde_json::json;

use super::fixture::{NOW, SENT, at, invoices, looker};
use super::stub::{Reply, Stub};

const PATCH: &str = "PATCH /datagroups/17";

async fn with_datagroups() -> Stub {
    let stub = Stub::start().await;
    let datagroups = json!([
        {"id": "3", "model_name": "other", "name": "erp_loads"},
        {"id": "17", "model_name": "erp", "name": "erp_loads"},
        {"id": "18", "model_name": "erp", "name": "nightly"},
    ]);
    stub.on("GET /datagroups", [Reply::ok(datagroups)]);
    stub.on(PATCH, [Reply::ok(json!({"id": "17", "stale_before": SENT, "triggered_at": SENT}))]);
    stub
}

#[tokio::test]
async fn caches_are_reset_or_the_datagroup_is_triggered_or_nothing_is_done() {
    for (on_change, body) in [
        ("reset", Some(json!({"stale_before": SENT}))),
        ("trigger", Some(json!({"triggered_at": SENT}))),
        ("nothing", None),
    ] {
        let stub = with_datagroups().await;
        looker(&stub, json!({"datagroup": {"on_change": on_change}})).changed(&invoices()).await.unwrap();
        let bodies: Vec<_> = stub.asked(PATCH).iter().map(|asked| asked.json()).collect();
        assert_eq!(bodies, Vec::from_iter(body));
    }
}

#[tokio::test]
async fn a_time_that_looker_takes_for_the_future_is_sent_once_more_a_minute_older() {
    let future =
        json!({"message": "Validation Failed", "errors": [{"field": "stale_before", "message": "is in the future"}]});
    let stub = with_datagroups().await;
    stub.on(PATCH, [Reply::new(422, &future), Reply::ok(json!({"id": "17", "stale_before": SENT - 60}))]);
    looker(&stub, json!({})).changed(&invoices()).await.unwrap();
    assert_eq!(stub.asked(PATCH)[1].json(), json!({"stale_before": SENT - 60}));

    stub.on(PATCH, [Reply::new(422, &future)]);
    let error = looker(&stub, json!({})).changed(&invoices()).await.unwrap_err();
    assert!(error.kind() == Kind::Stop && error.to_string().contains("is in the future"), "{error}");
    assert_eq!(stub.count(PATCH), 4);
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let stub = with_datagroups().await;
    let named = json!({"datagroup": {"name": "weekly"}});
    let error = looker(&stub, named).changed(&invoices()).await.unwrap_err();
    let words = error.to_string();
    assert!(words.contains("no datagroup `weekly`") && words.contains("it shows erp_loads, nightly"), "{words}");
    assert!(words.contains("`see_datagroups`") && words.starts_with("table `ap_invoices`"), "{words}");

    stub.on(PATCH, [Reply::ok(json!({"id": "17", "stale_before": SENT - 5000}))]);
    let error = looker(&stub, json!({})).changed(&invoices()).await.unwrap_err();
    assert!(error.to_string().contains("kept the old value"), "{error}");
}

#[tokio::test]
async fn a_change_whose_reply_was_lost_is_not_made_twice_when_it_shows() {
    let stub = with_datagroups().await;
    stub.on(PATCH, [Reply::new(502, "")]);
    stub.on("GET /datagroups/17", [Reply::ok(json!({"id": "17", "triggered_at": SENT}))]);
    let triggers = json!({"datagroup": {"on_change": "trigger"}});
    looker(&stub, triggers.clone()).changed(&invoices()).await.unwrap();
    stub.on("GET /datagroups/17", [Reply::ok(json!({"id": "17", "triggered_at": SENT - 900}))]);
    let error = looker(&stub, triggers).changed(&invoices()).await.unwrap_err();
    assert!(error.is_later(), "{error}");
}

#[tokio::test]
async fn a_trigger_is_a_delivery_that_shows_in_the_datagroup() {
    let stub = with_datagroups().await;
    stub.on("PATCH /datagroups/18", [Reply::ok(json!({"id": "18", "triggered_at": SENT}))]);
    let (looker, what) = (looker(&stub, json!({})), What::Trigger("nightly".to_owned()));
    let reference = looker.deliver(&what, "run 1").await.unwrap();
    assert_eq!(reference, format!("18@{SENT}"));
    for (triggered_at, expected) in [(SENT - 1, Progress::Pending), (SENT + 30, delivered())] {
        stub.on("GET /datagroups/18", [Reply::ok(json!({"id": "18", "triggered_at": triggered_at}))]);
        assert_eq!(looker.progress(&what, &reference, at(NOW)).await.unwrap(), expected);
    }
    stub.on("GET /datagroups/18", [Reply::ok(json!({"id": "18", "triggered_at": SENT}))]);
    let found = looker.find(&what, "run 1", at(NOW)).await.unwrap().unwrap();
    assert_eq!((found.reference, found.progress), (reference, delivered()));
    stub.on("GET /datagroups/18", [Reply::ok(json!({"id": "18", "triggered_at": SENT - 1}))]);
    assert_eq!(looker.find(&what, "run 1", at(NOW)).await.unwrap(), None);

    stub.on("PATCH /datagroups/18", [Reply::lost()]);
    assert_eq!(looker.deliver(&what, "run 1").await.unwrap_err().kind(), Kind::Unknown);
}

fn delivered() -> Progress {
    Progress::Delivered("datagroup nightly, triggered at 2026-11-21T10:29:59Z".to_owned())
}
