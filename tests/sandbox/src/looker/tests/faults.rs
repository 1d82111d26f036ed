//! Faults: each hits the calls it was told to hit, and does to them what it says.

use std::time::Duration;

use serde_json::json;

use super::super::{Calls, Fault, Settings};
use super::fixture::{count, plan, world_with};
use super::{Caller, raw, send, world};

#[test]
fn each_fault_does_what_it_says_and_then_is_over() {
    let world = world();
    let caller = Caller::new(&world.sandbox);
    let run = || caller.call("POST", "/queries/run/json", &count().to_string());
    let good = run().unwrap();
    for (fault, status, says) in [
        (Fault::status(500), 500, "An error has occurred."),
        (Fault::status(504), 504, "documentation_url"),
        (Fault::throttled(3), 429, "Too many requests"),
        (Fault::DeadToken, 401, "Requires authentication."),
        (Fault::HtmlBody, 200, "<html>"),
        (Fault::Slow(Duration::from_millis(1)), 200, "ap_invoices.count"),
    ] {
        world.sandbox.fault(Calls::to("POST /api/4.0/queries"), fault.clone());
        let answer = run().unwrap();
        assert_eq!(answer.status, status, "{fault:?}");
        assert!(answer.body.contains(says), "{fault:?}: {answer:?}");
        assert_eq!(run().unwrap().body, good.body, "{fault:?} is over");
    }
    world.sandbox.fault(Calls::to("POST /api/4.0/queries"), Fault::WrongContentType);
    let answer = run().unwrap();
    assert!(answer.head.contains("content-type: text/html") && answer.body == good.body);
    world.sandbox.fault(Calls::to("POST /api/4.0/queries"), Fault::TruncatedBody);
    let answer = run().unwrap();
    assert!(answer.head.contains(&format!("content-length: {}", good.body.len())));
    assert!(answer.body.len() < good.body.len() && good.body.starts_with(&answer.body));
    assert_eq!(world.sandbox.faults_waiting(), 0);
}

#[test]
fn a_lost_request_did_nothing_and_a_lost_reply_did_everything() {
    let world = world_with(Settings::default(), |builder| {
        builder.plan(1, plan("daily", ("datagroup", "loads"), "email", "a@example.test"))
    });
    let caller = Caller::new(&world.sandbox);
    let run = || caller.call("POST", "/scheduled_plans/1/run_once", "");
    world.sandbox.fault(Calls::to("POST /api/4.0/scheduled_plans/1"), Fault::LostRequest);
    assert!(run().is_none());
    assert_eq!(world.sandbox.deliveries().len(), 0);
    world.sandbox.fault(Calls::to("POST /api/4.0/scheduled_plans/1"), Fault::LostReply);
    assert!(run().is_none());
    assert_eq!(world.sandbox.deliveries().len(), 1);
    assert_eq!(run().unwrap().status, 200);
    assert_eq!(world.sandbox.deliveries().len(), 2);
    let statuses: Vec<_> = world.sandbox.journal().iter().skip(1).map(|call| call.status).collect();
    assert_eq!(statuses, [None, None, Some(200)]);
}

#[test]
fn faults_are_counted_by_call_and_by_what_a_call_is_about() {
    let world = world();
    let caller = Caller::new(&world.sandbox);
    world.sandbox.fault(Calls::to("GET /api/4.0/looks").after(1).first(2), Fault::status(503));
    let statuses: Vec<u16> = (0..4).map(|_| caller.get("/looks").status).collect();
    assert_eq!(statuses, [200, 503, 503, 200]);
    world.sandbox.fault(Calls::to("").about("all_users=true").every(), Fault::status(500));
    assert_eq!(caller.get("/scheduled_plans").status, 200);
    assert_eq!(caller.get("/scheduled_plans?all_users=true").status, 500);
    world.sandbox.clear_faults();
    assert_eq!(caller.get("/scheduled_plans?all_users=true").status, 200);
}

#[test]
fn programs_in_other_languages_switch_faults_and_the_clock() {
    let world = world_with(Settings { control: true, ..Settings::default() }, |builder| builder);
    let caller = Caller::new(&world.sandbox);
    let control = |method: &str, path: &str, body: &str| {
        send(&world.sandbox, &raw(method, &format!("/__sandbox/{path}"), &[], body)).unwrap()
    };
    let order = json!({"calls": "GET /api/4.0/looks", "times": 1, "fault": "status", "code": 429, "retry_after": 2});
    control("POST", "faults", &order.to_string()).ok();
    let answer = caller.get("/looks");
    assert!(answer.status == 429 && answer.head.contains("retry-after: 2"));
    assert_eq!(caller.get("/looks").status, 200);
    let before = control("GET", "clock", "").ok()["now"].as_i64().unwrap();
    let after = control("POST", "clock", "{\"advance_seconds\": 3600}").ok()["now"].as_i64().unwrap();
    assert_eq!(after - before, 3600);
    assert_eq!(caller.get("/looks").status, 401, "the token is as old as the clock says");
    control("POST", "settings", "{\"bad_query\": \"looker_error\"}").ok();
    assert_eq!(control("POST", "faults", "{\"calls\": \"\", \"fault\": \"gremlins\"}").status, 400);
    assert_eq!(control("GET", "deliveries", "").ok(), json!([]));
    let calls = control("GET", "calls", "").ok();
    assert_eq!(calls.as_array().unwrap().len(), world.sandbox.journal().len());
    assert!(!calls.to_string().contains(&caller.token));
}
