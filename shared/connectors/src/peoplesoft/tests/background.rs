//! Queries in the background of the Process Scheduler.

use serde_json::json;

use super::fixture::{ALL, Site, TestClock, keys_of, read_all, source, source_at, vouchers};
use super::stub::{Reply, Stub};

const ID: &str = "7d40d78f-2fae-11e3-95a9-8782b6a978ba";

fn settings(at_most: &str) -> serde_json::Value {
    json!({"queries": {"ML_VOUCHER": {"background": true}}, "background": {"ask_every": "1ms", "at_most": at_most}})
}

#[tokio::test]
async fn a_query_is_started_asked_after_and_fetched() {
    let site = Site::with(7, Some(3));
    let serving = site.clone();
    let started = std::sync::Mutex::new(None);
    let stub = Stub::start(move |asked, call| {
        let mut started = started.lock().unwrap();
        if asked.path.contains("/ExecuteQueryPoll.v1/") {
            *started = Some(asked.clone());
            return Reply::json(200, format!(r#"{{"status":"success","data":{{"QueryInstance":"{ID}"}}}}"#));
        }
        assert_eq!(asked.parameter("instanceid"), Some(ID));
        match (asked.path.contains("/QueryStatus.v1/getstatus"), call % 3) {
            (true, 0) => Reply::json(200, r#"{"status":"success","data":{"status":"success"}}"#),
            (true, 1) => Reply::json(200, r#"{"status":"success","data":{"status":"running"}}"#),
            (true, _) if call == 5 => Reply::json(200, r#"{"data":{"status":"idNotFound"}}"#),
            (true, _) => Reply::xml(200, "<R><status>queued</status></R>"),
            (false, _) => serving.answer(started.as_ref().unwrap()),
        }
    })
    .await;
    let rows = read_all(&source(&stub, settings("1h")), &vouchers(), ALL).await.unwrap();
    assert_eq!(keys_of(&rows, 2), site.keys());
    let asked = stub.asked();
    let starts =
        asked.iter().filter(|asked| asked.path.contains("/ExecuteQueryPoll.v1/public/ML_VOUCHER/JSON/NONFILE"));
    assert!(starts.count() >= 4);
    assert!(asked.iter().any(|asked| asked.path.contains("/GetQueryResults.v1/")));
}

#[tokio::test]
async fn one_that_never_ends_or_fails_is_tried_again_later() {
    for (state, words) in [("queued", "within 60s"), ("killed", "failed in the background")] {
        let clock = TestClock::new();
        let later = clock.clone();
        let stub = Stub::start(move |asked, call| {
            if call == 3 {
                later.set("2026-11-20T15:00:00Z");
            }
            match asked.path.contains("/ExecuteQueryPoll.v1/") {
                true => Reply::xml(200, format!("<R><id>{ID}</id></R>")),
                false => Reply::json(200, format!(r#"{{"data":{{"status":"{state}"}}}}"#)),
            }
        })
        .await;
        let error = read_all(&source_at(&stub, settings("1m"), clock), &vouchers(), ALL).await.unwrap_err();
        assert!(error.is_later() && error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn one_that_the_server_keeps_losing_is_started_again_a_few_times_only() {
    let stub = Stub::start(|asked, _| match asked.path.contains("/ExecuteQueryPoll.v1/") {
        true => Reply::xml(200, format!("<R><id>{ID}</id></R>")),
        false => Reply::json(200, r#"{"data":{"status":"idNotFound"}}"#),
    })
    .await;
    let error = read_all(&source(&stub, settings("1h")), &vouchers(), ALL).await.unwrap_err();
    assert!(error.is_later() && error.to_string().contains("started 4 times"), "{error}");
    let starts = stub.asked().iter().filter(|asked| asked.path.contains("/ExecuteQueryPoll.v1/")).count();
    assert_eq!(starts, 4);
}

#[tokio::test]
async fn a_wrong_password_is_not_taken_for_a_query_that_runs() {
    let stub = Stub::start(|asked, _| match asked.path.contains("/ExecuteQueryPoll.v1/") {
        true => Reply::xml(200, format!("<R><id>{ID}</id></R>")),
        false => Reply::json(200, r#"{"text":"User password failed."}"#),
    })
    .await;
    let error = read_all(&source(&stub, settings("1h")), &vouchers(), ALL).await.unwrap_err();
    assert!(error.is_refused_credentials() && stub.asked().len() == 2, "{error}");
}

#[tokio::test]
async fn a_start_without_an_id_says_what_is_missing() {
    let stub = Stub::scripted(vec![Reply::json(200, "{}")]).await;
    let error = read_all(&source(&stub, settings("1m")), &vouchers(), ALL).await.unwrap_err();
    assert!(error.to_string().contains("QAS Admin"), "{error}");
}
