//! Two commands on one state directory: one works, the other is told so; looking is always allowed.

use sandbox::jde::{Calls, Fault, Gate};

use crate::world::{World, block_on};

#[test]
fn a_second_run_is_turned_away_while_the_first_one_works() {
    let world = World::new();
    let gate = Gate::new();
    world.jde.fault(Calls::to("POST").about("F0411"), Fault::Hold(gate.clone()));
    let first = world.start(&["run", "--json"]);
    block_on(gate.reached_by(1));

    let busy = world.cli(&["run", "ap_invoices"]).exits(3);
    busy.says(&["another ml-connector", &format!("process {}", first.id()), "wait for it or use another --state"]);
    for verb in [
        ["backfill", "ap_invoices", "--from", "2026-01-01", "--to", "2026-01-02"].as_slice(),
        &["replay", "--key", "1", "--sync", "suppliers"],
    ] {
        world.cli(verb).exits(3);
    }
    world.cli(&["status"]).ok().says(&["ap_invoices", "suppliers"]);
    world.cli(&["preview", "suppliers", "--limit", "1"]).ok();

    gate.open();
    let first = first.end().ok();
    assert_eq!(first.sync("ap_invoices")["agrees"], true);
    world.agrees();
    let again = world.cli(&["run", "--json"]).ok();
    assert_eq!(again.sync("ap_invoices")["inserted"], 0);
}

#[test]
fn two_state_directories_may_load_the_same_tables_at_once() {
    let world = World::new();
    let mut other = world.command(&["run", "--json"]);
    other.env("ML_CONNECTOR_STATE", world.dir().join("other"));
    let (one, other) = (world.start(&["run", "--json"]), crate::world::Running::start(other));
    one.end().ok();
    other.end().ok();
    world.agrees();
}

#[test]
fn ctrl_c_stops_between_two_steps_and_the_next_run_goes_on() {
    let world = World::new();
    let gate = Gate::new();
    world.jde.fault(Calls::to("POST").about("F4311"), Fault::Hold(gate.clone()));
    let run = world.start(&["run", "--json"]);
    block_on(gate.reached_by(1));
    let sent = std::process::Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap();
    assert!(sent.success());
    run.end().exits(130).says(&["nothing is lost", "`run` continues"]);
    gate.open();
    world.cli(&["run", "--json"]).ok().says(&["finishing what an interrupted command left behind"]);
    world.agrees();
}
