//! Scheduled plans, their deliveries and what the activity says about them. Acceptance checks i, j and k.

use serde_json::{Map, Value as Json, json};

use super::super::{Account, Calls, Fault, Receiver, Settings};
use super::fixture::{plan, world_with};
use super::{Caller, World};

fn receiver() -> Receiver {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(Receiver::start()).unwrap()
}

/// A server with plan 4711, which posts look 12 to the receiver every morning.
fn daily(settings: Settings, receiver: &Receiver) -> World {
    let url = receiver.url();
    world_with(settings, |builder| builder.plan(4711, plan("AP daily", ("crontab", "0 5 * * *"), "webhook", &url)))
}

/// The jobs of a plan, newest first.
fn jobs(caller: &Caller<'_>, plan: &str) -> Vec<(String, bool)> {
    let query = json!({
        "model": "system__activity", "view": "scheduled_plan",
        "fields": ["scheduled_plan.id", "scheduled_plan.name", "scheduled_plan.run_once", "scheduled_job.id",
            "scheduled_job.status", "scheduled_job.status_detail", "scheduled_job.created_time",
            "scheduled_job.finalized_time", "scheduled_plan_destination.type", "scheduled_plan_destination.address",
            "scheduled_plan_destination.format"],
        "filters": {"scheduled_plan.id": plan, "scheduled_job.created_time": "2 hours"},
        "sorts": ["scheduled_job.created_time desc"], "limit": "500",
    });
    let rows = caller.post("/queries/run/json?cache=false", &query).ok();
    let row = |row: &Json| {
        (row["scheduled_job.status"].as_str().unwrap().to_owned(), !row["scheduled_job.finalized_time"].is_null())
    };
    rows.as_array().unwrap().iter().map(row).collect()
}

#[test]
fn run_once_by_id_copies_the_plan_posts_the_webhook_and_leaves_the_original_alone() {
    let receiver = receiver();
    let world = daily(Settings::default(), &receiver);
    let caller = Caller::new(&world.sandbox);
    let before = caller.get("/scheduled_plans/4711").ok();
    // No body at all, declared as JSON.
    let copy = caller.call("POST", "/scheduled_plans/4711/run_once", "").unwrap().ok();
    assert_eq!((&copy["id"], &copy["run_once"], &copy["name"]), (&json!("4712"), &json!(true), &json!("AP daily")));
    assert_eq!(caller.get("/scheduled_plans/4711").ok(), before);
    let received = receiver.received();
    assert_eq!(received.len(), 1);
    assert!(received[0].headers.iter().any(|(name, _)| name == "x-looker-webhook-token"));
    let body = &received[0].body;
    assert_eq!(body["type"], "query");
    assert_eq!(body["scheduled_plan"]["scheduled_plan_id"], 4712);
    assert_eq!(
        (&body["scheduled_plan"]["type"], &body["scheduled_plan"]["title"]),
        (&json!("Look"), &json!("AP daily"))
    );
    assert_eq!(body["scheduled_plan"]["query"]["view"], "ap_invoices");
    let attachment = json!({
        "mimetype": "text/csv", "extension": "csv", "data": "Ap Invoices Status,Ap Invoices Count\nP,2\nA,1\n",
    });
    assert_eq!((&body["attachment"], &body["data"]), (&attachment, &Json::Null));
    let over = json!({"name": "AP daily [run 7]", "filters_string": "?f[ap_invoices.status]=A"});
    let copy = caller.post("/scheduled_plans/4711/run_once", &over).ok();
    assert_eq!((&copy["id"], &copy["name"]), (&json!("4713"), &json!("AP daily [run 7]")));
    let second = &receiver.received()[1].body;
    assert_eq!(second["attachment"]["data"], "Ap Invoices Status,Ap Invoices Count\nA,1\n");
    assert_eq!(second["scheduled_plan"]["filters_differ_from_look"], true);
    assert_eq!(caller.call("POST", "/scheduled_plans/1/run_once", "").unwrap().status, 404);
}

#[test]
fn a_receiver_that_refuses_makes_the_job_fail_and_a_replay_is_a_second_job() {
    let receiver = receiver();
    let world = daily(Settings { run_once_vanishes: true, ..Settings::default() }, &receiver);
    let caller = Caller::new(&world.sandbox);
    receiver.fail(1);
    caller.call("POST", "/scheduled_plans/4711/run_once", "").unwrap().ok();
    assert_eq!(jobs(&caller, "4712"), [("failure".into(), true)]);
    assert!(world.sandbox.deliveries()[0].failure.as_ref().unwrap().contains("500"));
    assert_eq!(caller.get("/scheduled_plans/4712").status, 404, "it ran and is gone");
    caller.call("POST", "/scheduled_plans/4711/run_once", "").unwrap().ok();
    assert_eq!(jobs(&caller, "4713"), [("success".into(), true)]);
    assert_eq!(jobs(&caller, "4712,4713").len(), 2);
    assert_eq!(jobs(&caller, "4711"), [], "the original never ran");
    assert_eq!((receiver.received().len(), receiver.accepted()), (2, 1));
    drop(receiver);
    caller.call("POST", "/scheduled_plans/4711/run_once", "").unwrap().ok();
    assert_eq!(jobs(&caller, "4714"), [("failure".into(), true)], "nobody listens");
}

#[test]
fn a_job_may_take_its_time() {
    let receiver = receiver();
    let world = daily(Settings { job_polls: 2, ..Settings::default() }, &receiver);
    let caller = Caller::new(&world.sandbox);
    caller.call("POST", "/scheduled_plans/4711/run_once", "").unwrap().ok();
    let seen: Vec<_> = (0..3).flat_map(|_| jobs(&caller, "4712")).collect();
    let pending = ("inprogress".to_owned(), false);
    assert_eq!(seen, [pending.clone(), pending, ("success".into(), true)]);
}

#[test]
fn a_throttled_run_once_that_is_repeated_delivers_once() {
    let receiver = receiver();
    let world = daily(Settings { run_once_per_minute: Some(1), ..Settings::default() }, &receiver);
    let caller = Caller::new(&world.sandbox);
    let run = || caller.call("POST", "/scheduled_plans/4711/run_once", "").unwrap();
    world.sandbox.fault(Calls::to("POST /api/4.0/scheduled_plans/4711/run_once"), Fault::throttled(1));
    let refused = run();
    assert_eq!(refused.status, 429);
    assert!(refused.head.contains("retry-after: 1") && refused.json()["message"].is_string());
    assert_eq!(receiver.received().len(), 0);
    assert_eq!(run().status, 200);
    assert_eq!(receiver.received().len(), 1);
    // The server's own limit.
    let refused = run();
    assert!(refused.status == 429 && refused.head.contains("retry-after: 60"), "{refused:?}");
    world.clock.advance(chrono::TimeDelta::seconds(61));
    assert_eq!(run().status, 200);
}

#[test]
fn plans_are_written_checked_listed_and_deleted() {
    let world = world_with(Settings::default(), |builder| builder);
    let caller = Caller::new(&world.sandbox);
    let good = plan("Weekly", ("datagroup", "loads"), "sftp", "sftp://host/path/");
    let created = caller.post("/scheduled_plans", &good);
    assert!(!created.body.contains("secret") && !created.body.contains("hush"), "{created:?}");
    let id = created.ok()["id"].as_str().unwrap().to_owned();
    let path = format!("/scheduled_plans/{id}");
    for (list, found) in [
        ("/scheduled_plans?all_users=true", 1),
        ("/scheduled_plans/look/12", 1),
        ("/scheduled_plans/look/13", 0),
        ("/scheduled_plans/dashboard/7", 0),
        ("/scheduled_plans?user_id=9", 0),
    ] {
        assert_eq!(caller.get(list).ok().as_array().unwrap().len(), found, "{list}");
    }
    assert_eq!(caller.get("/scheduled_plans?all_users=yes").invalid(), ["all_users"]);
    let changed = caller.patch(&path, &json!({"name": "Monthly", "datagroup": null, "crontab": "0 5 1 * *"})).ok();
    assert_eq!((&changed["name"], &changed["crontab"]), (&json!("Monthly"), &json!("0 5 1 * *")));
    assert!(changed["datagroup"].is_null());
    assert_eq!(changed["scheduled_plan_destination"][0]["type"], "sftp");
    assert_eq!(caller.call("DELETE", &path, "").unwrap().status, 204);
    assert_eq!(caller.get(&path).status, 404);
    let journal = world.sandbox.journal();
    let body =
        journal.iter().find(|call| call.method == "POST" && call.path.ends_with("plans")).unwrap().json().unwrap();
    assert_eq!(body["scheduled_plan_destination"][0]["secret_parameters"], "***");
}

#[test]
fn a_wrong_plan_is_refused_with_every_reason() {
    let world = world_with(Settings::default(), |builder| builder);
    let caller = Caller::new(&world.sandbox);
    let good = plan("Weekly", ("datagroup", "loads"), "email", "a@example.test");
    let destination = |name: &str, value: &str| {
        let mut one = good["scheduled_plan_destination"][0].clone();
        one[name] = json!(value);
        json!([one])
    };
    for (change, fields) in [
        (json!({"name": null, "look_id": null}), &["name", "look_id"][..]),
        (json!({"look_id": "99"}), &["look_id"]),
        (json!({"dashboard_id": "7"}), &["look_id"]),
        (json!({"crontab": "0 5 * * *"}), &["crontab"]),
        (json!({"datagroup": null}), &["crontab"]),
        (json!({"datagroup": null, "crontab": "at five"}), &["crontab"]),
        (json!({"datagroup": "unheard_of"}), &["datagroup"]),
        (json!({"require_change": null, "require_results": null}), &["require_results", "require_change"]),
        (json!({"scheduled_plan_destination": []}), &["scheduled_plan_destination"]),
        (json!({"scheduled_plan_destination": destination("type", "fax")}), &["scheduled_plan_destination[0].type"]),
        (
            json!({"scheduled_plan_destination": destination("address", "?")}),
            &["scheduled_plan_destination[0].address"],
        ),
        (
            json!({"scheduled_plan_destination": destination("format", "doc")}),
            &["scheduled_plan_destination[0].format"],
        ),
        (json!({"scheduled_plan_destination": destination("id", "1")}), &["scheduled_plan_destination[0].id"]),
        (json!({"enabled": "yes"}), &["enabled"]),
        (json!({"next_run_at": "now"}), &["next_run_at"]),
    ] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().extend::<Map<String, Json>>(change.as_object().unwrap().clone());
        assert_eq!(caller.post("/scheduled_plans", &body).invalid(), fields, "{change}");
    }
    // What runs once needs no schedule.
    let mut once = good.clone();
    once["datagroup"] = Json::Null;
    let ran = caller.post("/scheduled_plans/run_once", &once).ok();
    assert_eq!(ran["run_once"], true);
    assert!(ran["last_run_at"].as_str().unwrap().ends_with("+00:00"));
    assert_eq!(world.sandbox.deliveries().len(), 1);
}

#[test]
fn users_see_and_run_only_what_is_theirs() {
    let settings = Settings {
        accounts: vec![Account::admin("sandbox", "secret"), Account::user("clerk", "pw", "5")],
        ..Settings::default()
    };
    let world = world_with(settings, |builder| {
        builder.plan(1, plan("of the admin", ("datagroup", "loads"), "email", "a@example.test"))
    });
    let clerk = Caller::with(&world.sandbox, "client_id=clerk&client_secret=pw");
    assert_eq!(clerk.get("/scheduled_plans?all_users=true").ok(), json!([]));
    assert_eq!(clerk.get("/scheduled_plans/1").status, 404);
    assert_eq!(clerk.call("POST", "/scheduled_plans/1/run_once", "").unwrap().status, 404);
    let mut own = plan("own", ("datagroup", "loads"), "email", "a@example.test");
    assert_eq!(clerk.post("/scheduled_plans", &own).ok()["user_id"], "5");
    own["user_id"] = json!("1");
    assert_eq!(clerk.post("/scheduled_plans", &own).invalid(), ["user_id"]);
}
