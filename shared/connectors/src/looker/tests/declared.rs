//! Plans that the settings declare.

use engine::Kind;
use engine::ports::Consumer;
use serde_json::{Value as Json, json};

use super::fixture::{SFTP_PASSWORD, looker};
use super::stub::{Reply, Stub};

const LIST: &str = "GET /scheduled_plans";
const CREATE: &str = "POST /scheduled_plans";
const UPDATE: &str = "PATCH /scheduled_plans/7";

fn declared(change: Json) -> Json {
    let mut plan = json!({
        "name": "AP daily", "look": "42", "crontab": "0 6 * * 1-5", "timezone": "UTC", "message": "Good morning",
        "filters": {"Company": "00001", "Due Date": "7 days"}, "require_results": true,
        "destinations": [
            {"email": "ap@example.com"},
            {"sftp": "sftp://files.example.com/ap/", "parameters": {"username": "ap"}, "secret": "acme/sftp", "format": "xlsx"},
        ],
    });
    plan.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    json!({"plans": {"ap": plan}})
}

/// The plan as Looker shows it: no secrets, its own order, its own spelling.
fn shown() -> Json {
    json!({
        "id": "7", "name": "AP daily", "enabled": true, "look_id": "42", "dashboard_id": null, "crontab": "0 6  * * 1-5",
        "datagroup": null, "timezone": "UTC", "filters_string": "?Due+Date=7+days&Company=00001", "require_results": true,
        "require_no_results": false, "require_change": false, "run_as_recipient": false, "run_once": false, "user_id": "3",
        "scheduled_plan_destination": [
            {"id": "2", "type": "sftp", "address": "sftp://files.example.com/ap/", "format": "xlsx",
             "parameters": "{\"username\":\"ap\"}", "message": null},
            {"id": "1", "type": "email", "address": "ap@example.com", "format": "csv", "parameters": "{}",
             "message": "Good morning"},
        ],
    })
}

fn destinations() -> Json {
    json!([
        {"type": "email", "address": "ap@example.com", "format": "csv", "message": "Good morning"},
        {"type": "sftp", "address": "sftp://files.example.com/ap/", "format": "xlsx", "parameters": "{\"username\":\"ap\"}",
         "secret_parameters": json!({"password": SFTP_PASSWORD}).to_string()},
    ])
}

async fn stub(plans: Json) -> Stub {
    let stub = Stub::start().await;
    stub.on(LIST, [Reply::ok(plans)]);
    stub.on(CREATE, [Reply::ok(json!({"id": "7"}))]);
    stub.on(UPDATE, [Reply::ok(json!({"id": "7"}))]);
    stub
}

#[tokio::test]
async fn a_plan_that_is_not_there_is_created_with_its_secrets() {
    let stub = stub(json!([])).await;
    looker(&stub, declared(json!({}))).prepare().await.unwrap();
    let expected = json!({
        "name": "AP daily", "enabled": true, "look_id": "42", "crontab": "0 6 * * 1-5", "timezone": "UTC",
        "filters_string": "?Company=00001&Due%20Date=7%20days", "require_results": true, "require_no_results": false,
        "require_change": false, "run_as_recipient": false, "scheduled_plan_destination": destinations(),
    });
    assert_eq!(stub.asked(CREATE)[0].json(), expected);
    assert_eq!(stub.routes(), ["POST /login", LIST, CREATE]);
}

#[tokio::test]
async fn a_plan_that_is_so_already_is_left_alone() {
    let stub = stub(json!([shown()])).await;
    looker(&stub, declared(json!({}))).prepare().await.unwrap();
    assert_eq!(stub.routes(), ["POST /login", LIST]);
}

#[tokio::test]
async fn only_what_differs_is_changed_and_secrets_go_with_it() {
    for (change, expected) in [
        (
            json!({"crontab": "0 7 * * *"}),
            json!({"crontab": "0 7 * * *", "scheduled_plan_destination": destinations()}),
        ),
        (
            json!({"destinations": [{"email": "ap@example.com"}]}),
            json!({"scheduled_plan_destination": [destinations()[0]]}),
        ),
        (
            json!({"destinations": [{"email": "b@example.com"}], "message": "Hi", "filters": {}, "enabled": false}),
            json!({"enabled": false, "filters_string": "", "scheduled_plan_destination": [
                {"type": "email", "address": "b@example.com", "format": "csv", "message": "Hi"}]}),
        ),
        (
            json!({"crontab": null, "datagroup": "nightly", "look": null, "lookml_dashboard": "payables", "format": "csv"}),
            json!({"crontab": null, "datagroup": "nightly", "look_id": null, "lookml_dashboard_id": "erp::payables",
                   "scheduled_plan_destination": destinations()}),
        ),
    ] {
        let stub = stub(json!([shown()])).await;
        looker(&stub, declared(change.clone())).prepare().await.unwrap();
        assert_eq!(stub.asked(UPDATE)[0].json(), expected, "{change}");
        assert_eq!(stub.count(CREATE), 0);
    }
}

#[tokio::test]
async fn content_is_found_by_its_exact_title() {
    let stub = stub(json!([])).await;
    let found = json!([{"id": "1", "title": "payables"}, {"id": "2", "title": "Payables"}]);
    stub.on("GET /dashboards/search", [Reply::ok(found)]);
    let dashboard = declared(json!({"look": null, "dashboard": "Payables"}));
    looker(&stub, dashboard.clone()).prepare().await.unwrap();
    let body = stub.asked(CREATE)[0].json();
    assert_eq!((&body["dashboard_id"], &body["look_id"]), (&json!("2"), &Json::Null));
    assert_eq!(body["scheduled_plan_destination"][0]["format"], "assembled_pdf");

    for (found, words) in [
        (json!([{"id": "1", "title": "Payables"}, {"id": "2", "title": "Payables"}]), "with the ids 1 and 2"),
        (json!([]), "no dashboard titled `Payables`"),
    ] {
        stub.on("GET /dashboards/search", [Reply::ok(found)]);
        let error = looker(&stub, dashboard.clone()).prepare().await.unwrap_err();
        assert!(error.kind() == Kind::Stop && error.to_string().contains(words), "{error}");
        assert!(error.to_string().starts_with("plan `ap`"), "{error}");
    }
}

#[tokio::test]
async fn an_ambiguous_name_and_a_refusal_change_nothing_and_tell_no_secret() {
    let mut other = shown();
    other["id"] = json!("8");
    let twice = stub(json!([shown(), other])).await;
    let error = looker(&twice, declared(json!({}))).prepare().await.unwrap_err();
    assert!(error.to_string().contains("with the ids 7 and 8"), "{error}");
    assert_eq!((twice.count(CREATE), twice.count(UPDATE)), (0, 0));

    let stub = stub(json!([])).await;
    let sent = json!({"password": SFTP_PASSWORD}).to_string();
    let echo = json!({"message": "Validation Failed", "errors": [
        {"field": "secret_parameters", "code": "invalid", "message": format!("{sent} is not it: {}", json!(sent))}]});
    stub.on(CREATE, [Reply::new(422, echo)]);
    let error = looker(&stub, declared(json!({}))).prepare().await.unwrap_err();
    assert!(error.to_string().contains("`secret_parameters` (invalid)"), "{error}");
    assert!(!error.to_string().contains("hunter"), "{error}");
    assert_eq!(error.kind(), Kind::Stop);
}

#[tokio::test]
async fn a_create_whose_reply_was_lost_is_found_the_next_time() {
    let stub = stub(json!([])).await;
    stub.on(CREATE, [Reply::lost()]);
    assert!(looker(&stub, declared(json!({}))).prepare().await.unwrap_err().is_later());
    stub.on(LIST, [Reply::ok(json!([shown()]))]);
    looker(&stub, declared(json!({}))).prepare().await.unwrap();
    assert_eq!(stub.count(CREATE), 1);
}
