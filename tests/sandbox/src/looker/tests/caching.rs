//! The result cache and what ends it. Acceptance checks g and h.

use chrono::TimeDelta;
use serde_json::json;

use super::fixture::{count, plan, world_with};
use super::{Caller, World, world};
use crate::looker::Settings;

fn counted(caller: &Caller<'_>, cache: bool) -> i64 {
    let path = format!("/queries/run/json?cache={cache}&apply_formatting=false");
    caller.post(&path, &count()).ok()[0]["ap_invoices.count"].as_i64().unwrap()
}

fn now(world: &World) -> i64 {
    world.clock.now().timestamp()
}

#[test]
fn a_cached_result_is_given_until_its_datagroup_is_reset_or_triggered() {
    let world = world();
    let caller = Caller::new(&world.sandbox);
    assert_eq!(counted(&caller, true), 5);
    world.add_invoice(10);
    world.clock.advance(TimeDelta::seconds(5));
    assert_eq!(counted(&caller, true), 5);
    let id = caller.get("/datagroups").ok()[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/datagroups/{id}");
    // What is older than the stored result changes nothing.
    caller.patch(&path, &json!({"stale_before": now(&world) - 3600})).ok();
    assert_eq!(counted(&caller, true), 5);
    assert_eq!(caller.patch(&path, &json!({"stale_before": now(&world) - 1})).ok()["stale_before"], now(&world) - 1);
    assert_eq!(counted(&caller, true), 6);
    world.add_invoice(11);
    assert_eq!(counted(&caller, false), 7, "cache=false goes to the warehouse at once");
    world.add_invoice(12);
    assert_eq!(counted(&caller, true), 7, "and what it found is kept");
    world.clock.advance(TimeDelta::seconds(5));
    caller.patch(&path, &json!({"triggered_at": now(&world)})).ok();
    assert_eq!(counted(&caller, true), 8);
    world.add_invoice(13);
    world.clock.advance(TimeDelta::hours(23));
    assert_eq!(counted(&Caller::new(&world.sandbox), true), 8);
    world.clock.advance(TimeDelta::hours(1));
    assert_eq!(counted(&Caller::new(&world.sandbox), true), 9, "max_cache_age");
}

#[test]
fn a_datagroup_takes_two_members_and_no_future() {
    let world = world();
    let caller = Caller::new(&world.sandbox);
    let datagroup = caller.get("/datagroups").ok()[0].clone();
    assert_eq!((&datagroup["model_name"], &datagroup["name"]), (&json!("erp"), &json!("loads")));
    assert!(datagroup["id"].is_string() && datagroup["created_at"].is_i64() && datagroup["triggered_at"].is_null());
    let path = format!("/datagroups/{}", datagroup["id"].as_str().unwrap());
    let future = now(&world) + 60;
    assert_eq!(caller.patch(&path, &json!({"stale_before": future})).invalid(), ["stale_before"]);
    assert_eq!(
        caller.patch(&path, &json!({"stale_before": future, "triggered_at": future})).invalid(),
        ["stale_before", "triggered_at"]
    );
    assert_eq!(caller.patch(&path, &json!({"stale_before": "1"})).invalid(), ["stale_before"]);
    assert_eq!(caller.patch(&path, &json!({"name": "x"})).invalid(), ["name"]);
    assert_eq!(caller.get(&path).ok(), datagroup, "nothing of this was written");
    assert_eq!(caller.patch("/datagroups/999", &json!({})).status, 404);
}

#[test]
fn triggering_runs_the_plans_that_wait_for_it_once() {
    let off = |mut plan: serde_json::Value| {
        plan["enabled"] = json!(false);
        plan
    };
    let world = world_with(Settings::default(), |builder| {
        builder
            .plan(1, plan("by load", ("datagroup", "loads"), "email", "a@example.test"))
            .plan(2, plan("by load too", ("datagroup", "erp::loads"), "s3", "s3://bucket/x/"))
            .plan(3, plan("by clock", ("crontab", "0 5 * * *"), "email", "b@example.test"))
            .plan(4, off(plan("switched off", ("datagroup", "loads"), "email", "c@example.test")))
    });
    let caller = Caller::new(&world.sandbox);
    let id = caller.get("/datagroups").ok()[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/datagroups/{id}");
    caller.patch(&path, &json!({"stale_before": now(&world)})).ok();
    assert_eq!(world.sandbox.deliveries(), []);
    for _ in 0..2 {
        caller.patch(&path, &json!({"triggered_at": now(&world)})).ok();
        let sent = world.sandbox.deliveries();
        assert_eq!(sent.iter().map(|one| one.plan_id).collect::<Vec<_>>(), [1, 2]);
    }
    let sent = world.sandbox.deliveries();
    assert_eq!(sent[0].content, "Ap Invoices Status,Ap Invoices Count\nP,2\nA,1\n");
}
