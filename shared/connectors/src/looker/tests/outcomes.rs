//! What became of a delivery.

use engine::model::delivery::What;
use engine::ports::{Consumer, Progress};
use serde_json::{Value as Json, json};

use super::fixture::{NOW, QUERY, at, filters, looker};
use super::stub::{Reply, Stub};

fn row(id: &str, name: &str, status: &str, detail: Json, place: [&str; 3]) -> Json {
    json!({
        "scheduled_plan.id": id, "scheduled_plan.name": name, "scheduled_job.status": status,
        "scheduled_job.status_detail": detail, "scheduled_job.created_time": "2026-11-21 10:30:02",
        "scheduled_job.finalized_time": if status == "inprogress" { Json::Null } else { json!("2026-11-21 10:30:09") },
        "scheduled_plan_destination.type": place[0], "scheduled_plan_destination.address": place[1],
        "scheduled_plan_destination.format": place[2],
    })
}

const MAIL: [&str; 3] = ["email", "ap@example.com", "csv"];
const HOOK: [&str; 3] = ["webhook", "https://hooks.example.com/services/T0/pa55word?key=1", "json"];
const SFTP: [&str; 3] = ["sftp", "sftp://user:pw@files.example.com/ap/", "xlsx"];

fn job(status: &str, detail: Json, place: [&str; 3]) -> Json {
    row("4711", "AP daily [run 01J]", status, detail, place)
}

fn plan() -> What {
    What::Plan("AP daily".to_owned())
}

#[tokio::test]
async fn all_destinations_have_to_succeed() {
    let delivered = |words: &str| Progress::Delivered(words.to_owned());
    let failed = |words: &str| Progress::Failed(words.to_owned());
    for (rows, expected) in [
        (json!([]), Progress::Pending),
        (json!([job("success", json!(null), MAIL)]), delivered("email to ap@example.com (csv)")),
        (
            json!([
                job("success", json!(null), MAIL),
                job("success", json!(null), HOOK),
                job("success", json!(null), SFTP)
            ]),
            delivered(
                "email to ap@example.com (csv), sftp to sftp://files.example.com/ap/ (xlsx), \
                 webhook to https://hooks.example.com (json)",
            ),
        ),
        (json!([job("success", json!(null), MAIL), job("inprogress", json!(null), HOOK)]), Progress::Pending),
        (
            json!([job("inprogress", json!(null), MAIL), job("failure", json!("500 from hunter\\2\""), HOOK)]),
            failed("webhook to https://hooks.example.com (json): 500 from …"),
        ),
        (
            json!([job("failure", json!(null), MAIL)]),
            failed("email to ap@example.com (csv): Looker says `failure` and not why"),
        ),
        // The newest comes first.
        (
            json!([job("success", json!(null), MAIL), job("failure", json!("once"), MAIL)]),
            delivered("email to ap@example.com (csv)"),
        ),
        (
            json!([job("abandoned", json!(null), MAIL)]),
            failed("email to ap@example.com (csv): Looker says `abandoned` and not why"),
        ),
        (json!([job("complete", json!(null), MAIL)]), Progress::Pending),
    ] {
        let stub = Stub::start().await;
        stub.on(QUERY, [Reply::ok(&rows)]);
        let progress = looker(&stub, json!({})).progress(&plan(), "4711", at("2026-11-21T08:10:00Z")).await.unwrap();
        assert_eq!(progress, expected, "{rows}");
        let asked = &stub.asked(QUERY)[0];
        assert_eq!(asked.json()["model"], "system__activity");
        assert_eq!(filters(asked), json!({"scheduled_plan.id": "4711", "scheduled_job.created_time": "4 hours"}));
        assert!(asked.query.contains("cache=false"));
    }
}

#[tokio::test]
async fn a_delivery_whose_id_was_never_told_is_found_by_its_name() {
    let stub = Stub::start().await;
    let name = "50%, \"AP\" ^_ [run 01J]";
    stub.on("GET /scheduled_plans", [Reply::ok(json!([{"id": "7", "name": "50%, \"AP\" ^_"}]))]);
    let rows = json!([
        row("4712", "50%, \"ap\" ^_ [run 01J]", "success", json!(null), MAIL),
        row("4711", name, "success", json!(null), MAIL),
    ]);
    stub.on(QUERY, [Reply::ok(rows)]);
    for called in ["50%, \"AP\" ^_", "7"] {
        let looker = looker(&stub, json!({}));
        let found = looker.find(&What::Plan(called.to_owned()), "run 01J", at(NOW)).await.unwrap().unwrap();
        assert_eq!(found.reference, "4711");
        assert_eq!(found.progress, Progress::Delivered("email to ap@example.com (csv)".to_owned()));
    }
    assert_eq!(stub.asked(QUERY)[0].json()["filters"]["scheduled_plan.name"], "50^%^, ^\"AP^\" ^^^_ [run 01J]");
}

#[tokio::test]
async fn a_copy_that_has_not_run_yet_is_found_among_the_plans() {
    let stub = Stub::start().await;
    let plans = json!([
        {"id": "7", "name": "AP daily"},
        {"id": "4711", "name": "AP daily [run 01J]", "run_once": true},
        {"id": "4700", "name": "AP daily [run 01H]", "run_once": true},
    ]);
    stub.on("GET /scheduled_plans", [Reply::ok(plans)]);
    stub.on(QUERY, [Reply::ok("[]")]);
    let looker = looker(&stub, json!({}));
    let found = looker.find(&plan(), "run 01J", at(NOW)).await.unwrap().unwrap();
    assert_eq!((found.reference.as_str(), found.progress), ("4711", Progress::Pending));
    assert_eq!(looker.find(&plan(), "run 01K", at(NOW)).await.unwrap(), None);
}

#[tokio::test]
async fn outcomes_that_were_cut_off_or_may_not_be_seen_are_no_outcomes() {
    let stub = Stub::start().await;
    let rows: Vec<_> = (0..3).map(|_| job("success", json!(null), MAIL)).collect();
    stub.on(QUERY, [Reply::ok(json!(rows)), Reply::new(404, r#"{"message":"Not found"}"#)]);
    let looker = looker(&stub, json!({"row_limit": 3, "outcome_model": "i__looker"}));
    let error = looker.progress(&plan(), "4711", at(NOW)).await.unwrap_err();
    assert!(error.to_string().contains("3 or more outcomes"), "{error}");
    let error = looker.progress(&plan(), "4711", at(NOW)).await.unwrap_err();
    assert!(error.to_string().contains("`see_system_activity`"), "{error}");
    assert_eq!(stub.asked(QUERY)[0].json()["model"], "i__looker");
}
