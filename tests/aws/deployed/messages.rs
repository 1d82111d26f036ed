//! Messages as queues really deliver them: twice, in any order, and two at once.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::model::message::{PollTask, Reason};
use engine::model::run::RunState;
use engine::model::window::Selection;
use sandbox::jde::{Calls, Fault, Gate};
use serde_json::json;

use crate::failing::{send, taken};
use crate::stack::{Scope, stack};
use crate::tenant::{Tenant, world};
use crate::world::block_on;

#[test]
fn a_long_read_goes_on_over_short_invocations_and_its_batches_may_come_twice_in_any_order() {
    let Some(stack) = stack("long reads, duplicates and reordering") else { return };
    let _turn = stack.turn();
    let world = world();
    world.only(&["ap_invoices"]);
    world.jde_setting("page_size", "5");
    let tenant = Tenant::add(stack, "soylent", &world, &["ap_invoices"], "");
    let scope = &tenant.scope;
    world.jde.fault(Calls::to("dataservice").about("F0411").every(), Fault::Slow(Duration::from_millis(600)));

    let transforms = scope.holds_back("transform");
    let loads = scope.holds_back("load");
    let run = scope.with(
        "poll",
        |settings| settings["Timeout"] = json!(2),
        || {
            let run = tenant.start("ap_invoices", Reason::Manual, Selection::Changes);
            let is_read = || tenant.run(&run).filter(|run| run.state == RunState::Draining);
            stack.emulator.wait("the last page is read", is_read)
        },
    );
    let sessions = world.jde.count_calls("tokenrequest");
    assert!(run.sequence > 0 && sessions >= 5, "five invocations and more: {sessions}, {run:#?}");
    let batches = usize::try_from(run.expected.unwrap()).unwrap();
    assert!(batches >= 5, "{run:#?}");

    twice_and_backwards(scope, "transform", batches);
    drop(transforms);
    // The duplicates of transform each sent their batch on: so it is there more than once already.
    twice_and_backwards(scope, "load", 2 * batches);
    drop(loads);
    let run = tenant.completed(&run.id);
    assert_eq!(run.counts.inserted, world.expected("ap_invoices").len() as u64, "{run:#?}");
    tenant.settled(&BTreeMap::new());
    world.jde.clear_faults();
    tenant.run_all();
    tenant.settled(&BTreeMap::new());
}

/// Takes all messages of a queue and puts them back the other way round, each twice.
#[track_caller]
fn twice_and_backwards(scope: &Scope, queue: &str, count: usize) {
    let messages = taken(scope, queue, count);
    for message in messages.iter().rev().chain(&messages) {
        send(scope, queue, message);
    }
}

#[test]
fn of_two_runs_at_once_one_works_and_the_other_is_made_up_for() {
    let Some(stack) = stack("two runs at once") else { return };
    let _turn = stack.turn();
    let world = world();
    world.only(&["suppliers"]);
    let tenant = Tenant::add(stack, "stark", &world, &["suppliers"], "");
    let gate = Gate::new();
    world.jde.fault(Calls::to("dataservice").about("F0101"), Fault::Hold(gate.clone()));

    let task = |run: &str| PollTask {
        sync: tenant.sync("suppliers"),
        run: engine::model::id::RunId::new(run),
        reason: Reason::Schedule,
        selection: Selection::Changes,
        sequence: 0,
    };
    // Schedules fire at the same time, and each may fire twice.
    for run in ["20261121T060000-1", "20261121T060000-2", "20261121T060000-1", "20261121T060000-2"] {
        tenant.send(&task(run));
    }
    block_on(gate.reached_by(1));
    stack.emulator.wait("the others have yielded", || (tenant.scope.messages("poll") <= 2).then_some(()));
    gate.open();

    tenant.settled(&BTreeMap::new());
    let runs = tenant.runs("suppliers");
    assert!(runs.iter().all(|run| run.state == RunState::Complete), "{runs:#?}");
    let by_schedule = runs.iter().filter(|run| run.reason == Reason::Schedule).count();
    let again = runs.iter().filter(|run| run.reason == Reason::Again).count();
    assert!(by_schedule >= 1 && by_schedule + again >= 2, "one worked, and once more for the other: {runs:#?}");
    let inserted: u64 = runs.iter().map(|run| run.counts.inserted).sum();
    assert_eq!(inserted, world.expected("suppliers").len() as u64);
    let mut epochs: Vec<u64> = runs.iter().map(|run| run.epoch).collect();
    epochs.dedup();
    assert_eq!(epochs.len(), runs.len(), "one after the other: {runs:#?}");
}
