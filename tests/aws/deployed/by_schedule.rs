//! A whole integration that nobody touches: schedules start it, Looker is told and compared with, reports go out.

use std::collections::BTreeMap;

use engine::model::message::Reason;
use engine::model::run::{Run, RunState};
use sandbox::clock::Clock;
use sandbox::jde::changes::Plan;
use sandbox::looker::Settings;
use serde_json::json;

use crate::stack::stack;
use crate::tenant::{Tenant, world};
use crate::world::looker::Looking;
use crate::world::{record_key, streams};

#[test]
fn schedules_load_everything_first_and_then_what_changed() {
    let Some(stack) = stack("an integration by its schedules") else { return };
    let looking = Looking::all_of(world(), Settings::default(), Clock::system());
    let world = &looking.world;
    let streams: Vec<String> = streams().into_iter().map(|stream| stream.name).collect();
    for stream in &streams {
        world.sync_setting(stream, "schedule: rate(1 minute)");
    }
    let names: Vec<&str> = streams.iter().map(String::as_str).collect();
    let tenant = Tenant::add(stack, "acme", world, &names, "dedicated: true\n");
    tenant.secret("looker", &looking.secret());

    for (stream, run) in by_schedule(&tenant, "the first load", |_| true) {
        let records = world.expected(&stream).len() as u64;
        assert!(run.proof.is_none_or(|proof| proof.destination <= records), "{stream}");
    }
    tenant.settled(&BTreeMap::new());
    stack.emulator.wait("the first report arrives", || looking.arrived().pop());
    assert_eq!(looking.arrived(), [looking.due()]);

    let changed_at = world.jde.clock().now();
    let report = world.month_end(&Plan { new: 3, paid: 3, voided: 1, late: true, early_line: false, bad: None });
    let later = by_schedule(&tenant, "the next runs", |run| run.started_at > changed_at);
    let invoices = &later["ap_invoices"];
    assert_eq!((invoices.counts.inserted, invoices.counts.updated), (4, 4), "{invoices:#?}");
    assert!(invoices.counts.polled < 30, "only what changed lately is read: {invoices:#?}");
    let paid_and_void = report.paid.iter().chain(&report.voided);
    tenant.settled(&paid_and_void.map(|key| (format!("ap_invoices {}", record_key(key)), 1)).collect());
    stack
        .emulator
        .wait("the second report arrives", || (looking.arrived().last() == Some(&looking.due())).then_some(()));

    let logs = json!({"logGroupName": tenant.scope.logs("Reconcile"), "filterPattern": "WatermarkLagSeconds"});
    stack.emulator.wait("somebody looks whether all of it is late", || {
        let lines = stack.emulator.call("logs", "filter_log_events", logs.clone());
        lines["events"].as_array().unwrap().first().map(|_| ())
    });
    stack.remove("acme");
}

/// Waits until each stream has completed a run that its schedule started and that `counts`; returns those.
#[track_caller]
fn by_schedule(tenant: &Tenant<'_>, what: &str, counts: impl Fn(&Run) -> bool) -> BTreeMap<String, Run> {
    let complete = |stream: &String| {
        let runs = tenant.runs(stream).into_iter().rev();
        runs.filter(|run| run.reason == Reason::Schedule && run.state == RunState::Complete).find(|run| counts(run))
    };
    let all = || tenant.streams.iter().map(|stream| Some((stream.clone(), complete(stream)?))).collect();
    tenant.scope.stack.emulator.wait(what, all)
}
