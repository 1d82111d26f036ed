//! What `check` finds.

use engine::model::delivery::What;
use engine::ports::{Consumer, Finding};
use serde_json::{Value as Json, json};

use super::fixture::{EXPLORE, QUERY, explore, invoices, looker};
use super::stub::{Reply, Stub};

const TEST: &str = "PUT /connections/warehouse/test";

/// An instance on which everything is in order.
async fn sound() -> Stub {
    let stub = Stub::start().await;
    let versions = json!({"looker_release_version": "26.12.3", "supported_versions": [{"version": "4.0"}]});
    stub.on("GET /versions", [Reply::ok(versions)]);
    stub.on(EXPLORE, [Reply::ok(explore())]);
    stub.on(
        TEST,
        [Reply::ok(json!([{"name": "connect", "status": "success"}, {"name": "query", "status": "success"}]))],
    );
    stub.on("GET /datagroups", [Reply::ok(json!([{"id": "17", "model_name": "erp", "name": "erp_loads"}]))]);
    stub.on(
        "GET /scheduled_plans",
        [Reply::ok(json!([{"id": "7", "name": "AP daily", "enabled": true, "user_id": "3"}]))],
    );
    stub.on(QUERY, [Reply::ok("[]")]);
    stub
}

async fn check(stub: &Stub, settings: Json, wanted: &[What]) -> Vec<Finding> {
    let wanted: Vec<_> = wanted.iter().collect();
    looker(stub, settings).check(&[&invoices()], &wanted).await
}

fn daily() -> [What; 1] {
    [What::Plan("AP daily".to_owned())]
}

/// The one thing that is wrong.
fn only_bad(findings: &[Finding]) -> &Finding {
    let bad: Vec<_> = findings.iter().filter(|finding| !finding.ok).collect();
    let [one] = bad.as_slice() else { panic!("{findings:#?}") };
    one
}

#[tokio::test]
async fn everything_is_tried_and_changes_nothing() {
    let stub = sound().await;
    let findings = check(&stub, json!({}), &daily()).await;
    assert!(findings.iter().all(|finding| finding.ok), "{findings:#?}");
    assert_eq!(
        findings.iter().map(|finding| finding.what.as_str()).collect::<Vec<_>>(),
        [
            "reach Looker",
            "log in",
            "Looker's connection `warehouse`",
            "explore `erp::ap_invoices` of table `ap_invoices`",
            "datagroup `erp_loads`",
            "delivery of plan `AP daily`",
            "outcomes of deliveries",
        ]
    );
    assert!(findings[0].detail.contains("release 26.12.3"));
    assert_eq!(stub.asked(TEST)[0].query, "tests=connect%2Cquery");
    assert!(!stub.asked("GET /versions")[0].head.contains("Bearer"));
    assert!(stub.routes().iter().all(|route| !route.starts_with("PATCH") && !route.contains("run_once")));
}

#[tokio::test]
async fn every_missing_field_is_named() {
    let stub = sound().await;
    let mut old = explore();
    old["fields"]["dimensions"]
        .as_array_mut()
        .unwrap()
        .retain(|field| !["ap_invoices.remark", "ap_invoices.gl_date"].contains(&field["name"].as_str().unwrap()));
    old["fields"]["measures"] = json!([]);
    stub.on(EXPLORE, [Reply::ok(&old)]);
    let findings = check(&stub, json!({}), &[]).await;
    let detail = &only_bad(&findings).detail;
    for field in [
        "`ap_invoices.count` (the count)",
        "`ap_invoices.remark` (remark)",
        "`ap_invoices.gl_date` (gl_date)",
        "`ap_invoices.total_gross_amount` (the sum of gross_amount)",
    ] {
        assert!(detail.contains(field), "{detail}");
    }
    let ignoring =
        json!({"explores": {"ap_invoices": {"ignore": ["remark", "gl_date", "gross_amount"], "count": "document"}}});
    assert!(check(&stub, ignoring, &[]).await.iter().all(|finding| finding.ok));
}

#[tokio::test]
async fn each_thing_that_is_wrong_is_one_finding_with_the_next_step() {
    let denied = || Reply::new(404, r#"{"message":"Not found"}"#);
    let broken = json!({"connection_name": "warehouse", "errors": [{"message": "unknown view"}], "fields": {}});
    let failing =
        json!([{"name": "connect", "status": "success"}, {"name": "query", "status": "error", "message": "no route"}]);
    for (route, reply, what, words) in [
        (TEST, Reply::ok(failing), "Looker's connection `warehouse`", "query: «no route»"),
        (TEST, Reply::ok("[]"), "Looker's connection `warehouse`", "ran none of the tests"),
        (TEST, denied(), "Looker's connection `warehouse`", "`test_connections`"),
        (EXPLORE, Reply::ok(broken), "explore `erp::ap_invoices` of table `ap_invoices`", "«unknown view»"),
        ("GET /datagroups", Reply::ok("[]"), "datagroup `erp_loads`", "`see_datagroups`"),
        ("GET /scheduled_plans", Reply::ok("[]"), "delivery of plan `AP daily`", "let the API user own it"),
        ("GET /scheduled_plans", Reply::new(403, ""), "scheduled plans", "`see_schedules`"),
        (
            "GET /scheduled_plans",
            Reply::ok(json!([{"id": "7", "name": "AP daily", "enabled": false}])),
            "delivery of plan `AP daily`",
            "switched off",
        ),
        (QUERY, denied(), "outcomes of deliveries", "`see_system_activity`"),
    ] {
        let stub = sound().await;
        stub.on(route, [reply]);
        let findings = check(&stub, json!({}), &daily()).await;
        let bad = only_bad(&findings);
        assert_eq!(bad.what, what);
        assert!(bad.detail.contains(words), "{}", bad.detail);
    }
    let stub = sound().await;
    stub.on(EXPLORE, [denied()]);
    let findings = check(&stub, json!({"connection": "warehouse"}), &daily()).await;
    assert!(only_bad(&findings).detail.contains("import the generated LookML"));
}

#[tokio::test]
async fn two_copies_are_seen_before_they_are_sent() {
    for shown in ["erp_loads", "erp::erp_loads", "erp/erp_loads"] {
        let stub = sound().await;
        stub.on("GET /scheduled_plans", [Reply::ok(json!([{"id": "7", "name": "AP daily", "datagroup": shown}]))]);
        let triggering = json!({"datagroup": {"on_change": "trigger"}});
        assert!(only_bad(&check(&stub, triggering, &daily()).await).detail.contains("two copies"));
        let both = [What::Trigger("erp_loads".to_owned()), What::Plan("AP daily".to_owned())];
        assert!(only_bad(&check(&stub, json!({}), &both).await).detail.contains("two copies"));
        assert!(check(&stub, json!({}), &daily()).await.iter().all(|finding| finding.ok));
    }
}

#[tokio::test]
async fn a_declared_plan_need_not_be_there_yet_and_a_plan_of_another_is_pointed_out() {
    let stub = sound().await;
    let declared = json!({"plans": {"AP weekly": {
        "look": "4", "crontab": "0 6 * * 1", "destinations": [{"email": "a@b.c"}]}}});
    let findings = check(&stub, declared, &[What::Plan("AP weekly".to_owned())]).await;
    assert!(findings.iter().any(|finding| finding.ok && finding.detail.contains("will be created")), "{findings:#?}");

    stub.on("GET /user", [Reply::ok(json!({"id": "5"}))]);
    let findings = check(&stub, json!({"all_users": true}), &daily()).await;
    assert!(
        findings.iter().any(|finding| finding.detail.contains("belongs to user 3, not to the API user (5)")),
        "{findings:#?}"
    );
}

#[tokio::test]
async fn what_cannot_be_reached_or_entered_ends_the_check() {
    let stub = sound().await;
    stub.on("POST /login", [Reply::new(404, r#"{"message":"Not found"}"#)]);
    let findings = check(&stub, json!({}), &daily()).await;
    assert_eq!((findings.len(), only_bad(&findings).what.as_str()), (2, "log in"));
    stub.on("GET /versions", [Reply::new(401, "")]);
    let findings = check(&stub, json!({}), &daily()).await;
    assert_eq!((findings.len(), only_bad(&findings).what.as_str()), (2, "log in"), "its versions need not be public");
    stub.on("GET /versions", [Reply::html(200, "Looker")]);
    let findings = check(&stub, json!({}), &daily()).await;
    assert_eq!((findings.len(), only_bad(&findings).what.as_str()), (1, "reach Looker"));
    assert!(findings[0].detail.contains("web page «Looker»"), "{}", findings[0].detail);
    stub.on("GET /versions", [Reply::ok(json!({"supported_versions": [{"version": "3.1"}]}))]);
    assert!(only_bad(&check(&stub, json!({}), &[]).await).detail.contains("not 4.0"));
}
