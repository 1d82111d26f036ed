//! Sending a plan off, once.

use std::time::Duration;

use engine::Kind;
use engine::model::delivery::What;
use engine::ports::Consumer;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;

use super::fixture::looker;
use super::stub::{Reply, Stub};
use crate::http::{Http, HttpSettings};

const RUN: &str = "POST /scheduled_plans/7/run_once";
const LIST: &str = "GET /scheduled_plans";

async fn with_plans(plans: Json) -> Stub {
    let stub = Stub::start().await;
    stub.on(LIST, [Reply::ok(plans)]);
    stub.on(RUN, [Reply::ok(json!({"id": "4711", "name": "AP daily [run 01J]"}))]);
    stub
}

fn daily() -> Json {
    json!([
        {"id": "7", "name": "AP daily", "enabled": true, "crontab": "0 6 * * *"},
        {"id": "8", "name": "AP daily", "run_once": true},
        {"id": "9", "name": "AP weekly", "enabled": true, "datagroup": "erp_loads"},
        {"id": "10", "name": "twice"}, {"id": "11", "name": "twice"},
        {"id": "12", "name": "off", "enabled": false},
    ])
}

fn plan(name: &str) -> What {
    What::Plan(name.to_owned())
}

#[tokio::test]
async fn a_copy_of_the_plan_runs_under_a_name_that_carries_the_tag() {
    for called in ["AP daily", "7"] {
        let stub = with_plans(daily()).await;
        let reference = looker(&stub, json!({})).deliver(&plan(called), "run 01J").await.unwrap();
        assert_eq!(reference, "4711");
        assert_eq!(stub.asked(RUN)[0].json(), json!({"name": "AP daily [run 01J]"}));
        assert_eq!(stub.routes(), ["POST /login", LIST, RUN]);
        assert_eq!(stub.asked(LIST)[0].query, "");
    }
}

#[tokio::test]
async fn a_declared_plan_is_called_by_its_name_here_and_others_plans_are_looked_at_when_told() {
    let stub = with_plans(daily()).await;
    let declared = json!({"all_users": true, "plans": {"ap": {
        "name": "AP daily", "look": "4", "crontab": "0 6 * * *", "destinations": [{"email": "a@b.c"}]}}});
    looker(&stub, declared).deliver(&plan("ap"), "run 01J").await.unwrap();
    assert_eq!(stub.asked(LIST)[0].query, "all_users=true");
    assert_eq!(stub.count(RUN), 1);
}

#[tokio::test]
async fn a_plan_that_is_not_the_right_one_is_never_run() {
    for (called, settings, words) in [
        ("AP yearly", json!({}), "no scheduled plan `AP yearly`: it shows the plans that the API user owns"),
        ("twice", json!({}), "with the ids 10 and 11"),
        ("off", json!({}), "switched off"),
        ("AP weekly", json!({"datagroup": {"on_change": "trigger"}}), "would get two copies"),
    ] {
        let stub = with_plans(daily()).await;
        let error = looker(&stub, settings).deliver(&plan(called), "run 01J").await.unwrap_err();
        assert_eq!(error.kind(), Kind::Stop);
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(stub.routes(), ["POST /login", LIST]);
    }
    // Resetting caches sets nothing off.
    let stub = with_plans(daily()).await;
    stub.on("POST /scheduled_plans/9/run_once", [Reply::ok(json!({"id": "4712"}))]);
    assert_eq!(looker(&stub, json!({})).deliver(&plan("AP weekly"), "run 1").await.unwrap(), "4712");
}

#[tokio::test]
async fn what_may_have_been_sent_is_unknown_and_what_was_not_is_later() {
    let later = Kind::Later { after: Some(Duration::from_secs(9)) };
    for (reply, kind) in [
        (Reply::lost(), Kind::Unknown),
        (Reply::ok(json!({"id": "4711"})).cut_at(5), Kind::Unknown),
        (Reply::ok("{\"id\":"), Kind::Unknown),
        (Reply::ok("{}"), Kind::Unknown),
        (Reply::ok(json!({"id": "7"})), Kind::Unknown),
        (Reply::html(200, "Please wait"), Kind::Unknown),
        (Reply::new(500, ""), Kind::Unknown),
        (Reply::new(503, ""), Kind::Unknown),
        (Reply::html(504, "Gateway time-out"), Kind::Unknown),
        (Reply::new(429, "").with("Retry-After", "9"), later),
        (Reply::new(403, ""), Kind::Stop),
        (Reply::new(404, ""), Kind::Stop),
        (Reply::new(422, json!({"message": "no", "errors": [{"field": "address", "code": "invalid"}]})), Kind::Stop),
    ] {
        let stub = with_plans(daily()).await;
        stub.on(RUN, [reply]);
        let error = looker(&stub, json!({})).deliver(&plan("AP daily"), "run 01J").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(stub.count(RUN), 1, "{error}");
    }
}

#[tokio::test]
async fn a_dead_token_certainly_sent_nothing() {
    let stub = with_plans(daily()).await;
    stub.on(RUN, [Reply::new(401, ""), Reply::ok(json!({"id": "4711"}))]);
    assert_eq!(looker(&stub, json!({})).deliver(&plan("AP daily"), "run 01J").await.unwrap(), "4711");
    assert_eq!((stub.count(RUN), stub.count("POST /login")), (2, 2));
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_unknown() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let time_out = Duration::from_millis(100);
    let http = Http::new(&HttpSettings { url: &url, ca_file: None, time_out, max_response_bytes: 1024 }).unwrap();
    let error = http.send_once(http.post("run_once")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unknown, "{error}");
    drop(silent);
    let error = http.send_once(http.post("run_once")).await.unwrap_err();
    assert!(error.is_later(), "nobody is there, so nobody has it: {error}");
}
