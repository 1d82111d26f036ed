//! `kill -9` at any moment, then `run` again: the destination equals the source, and the audit tells each change once.
//!
//! The moment is a call that the program makes, chosen at random, and some microseconds after it; so it lies anywhere
//! between the log-in and the last step of closing, with several batches on their way. `ML_CONNECTOR_SEED` repeats a story.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use backend_embedded::Embedded;
use engine::model::audit::Outcome;
use engine::model::id::{RecordKey, SyncId};
use engine::ports::Store;
use sandbox::jde::{Calls, Fault};
use sandbox::random::Random;

use crate::postgres::postgres;
use crate::world::{Warehouse, World, block_on, record_key, seeded};

/// Kills per test; a run that had ended before its moment came does not count.
const KILLS: usize = 25;

const SYNCS: [&str; 4] = ["suppliers", "purchase_orders", "purchase_order_lines", "ap_invoices"];

#[test]
fn a_first_load_that_is_killed_at_25_moments_is_finished_by_the_next_run() {
    kill_first_loads(KILLS, world);
}

#[test]
fn a_first_load_into_postgres_that_is_killed_is_finished_by_the_next_run() {
    if postgres("kills of runs into PostgreSQL").is_some() {
        kill_first_loads(8, || cut_small(World::with_warehouse(seeded(120, 20, 15), Warehouse::postgres().unwrap())));
    }
}

fn kill_first_loads(kills: usize, world: impl Fn() -> World) {
    let mut random = random("first load");
    let calls = calls_of_a_run(&world());
    let mut killed = 0;
    for round in 0.. {
        if killed == kills {
            break;
        }
        let world = world();
        let moment = Moment::choose(&mut random, calls);
        eprintln!("round {round}: {moment:?}");
        killed += usize::from(moment.kill(&world));
        finish(&world);
        check_audit(&world, &BTreeMap::new());
    }
}

#[test]
fn later_runs_that_are_killed_at_25_moments_bring_every_change_once() {
    let mut random = random("later runs");
    let world = world();
    world.cli(&["run"]).ok();
    let calls = calls_of_a_run(&world);
    let mut updates = BTreeMap::<String, usize>::new();
    let mut killed = 0;
    for round in 0.. {
        if killed == KILLS {
            break;
        }
        let touched: BTreeSet<_> = (0..8).map(|_| world.key("F0411", random.below(world.len("F0411")))).collect();
        for key in touched {
            let amount = sandbox::jde::Decimal::new(random.between(1, 99_999_999), 2);
            world.touch("F0411", &key, &[("AG", amount.into()), ("RMK", format!("round {round}").into())]);
            *updates.entry(record_key(&key)).or_default() += 1;
        }
        let moment = Moment::choose(&mut random, calls);
        eprintln!("round {round}: {moment:?}");
        killed += usize::from(moment.kill(&world));
        finish(&world);
        check_audit(&world, &updates);
    }
}

/// A small ledger that is read in pages of 10 and travels in batches of 20.
fn world() -> World {
    cut_small(World::with(sandbox::jde::Settings::default(), seeded(120, 20, 15)))
}

fn cut_small(world: World) -> World {
    world.only(&SYNCS);
    world.jde_setting("page_size", "10");
    world.env("ML_CONNECTOR_BATCH_ROWS", "20");
    world
}

/// How many calls a run makes when nobody kills it.
fn calls_of_a_run(world: &World) -> usize {
    world.jde.clear_calls();
    world.cli(&["run"]).ok();
    world.jde.calls().len()
}

fn random(purpose: &str) -> Random {
    let seed = std::env::var("ML_CONNECTOR_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("ML_CONNECTOR_SEED={seed}");
    Random::new(seed).fork(purpose)
}

/// A moment of a run.
#[derive(Debug)]
struct Moment {
    call: usize,
    then: Duration,
}

impl Moment {
    fn choose(random: &mut Random, calls: usize) -> Self {
        let most = if random.chance(300) { 60_000 } else { 6_000 };
        let micros = random.below(most) as u64;
        Self { call: 1 + random.below(calls), then: Duration::from_micros(micros) }
    }

    /// Starts a run and kills it then; false when the run had ended before.
    fn kill(&self, world: &World) -> bool {
        let (reached, heard) = mpsc::channel();
        let tell = move |_: &mut sandbox::jde::Tables| {
            // Nobody listens any more once the run has ended.
            let _ended = reached.send(()).is_err();
        };
        world.jde.fault(Calls::to("/").nth(self.call), Fault::before(tell));
        let mut run = world.start(&["run", "--json"]);
        while heard.recv_timeout(Duration::from_millis(5)).is_err() && !run.has_ended() {}
        let until = Instant::now() + self.then;
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        run.kill();
        world.jde.clear_faults();
        run.end().code.is_none()
    }
}

/// The run after a killed one: everything is there, nothing is left over.
fn finish(world: &World) {
    let run = world.cli(&["run", "--json"]).ok();
    for sync in SYNCS {
        assert_eq!(run.sync(sync)["agrees"], true, "{run}");
        world.agrees_except(sync, &[]);
    }
    let status = world.cli(&["status", "--json"]).ok().json();
    assert_eq!(status["queued"], 0, "{status}");
    for sync in status["syncs"].as_array().unwrap() {
        assert_eq!((&sync["rejected"], &sync["waiting"]), (&0.into(), &0.into()), "{sync}");
    }
}

/// Every record was inserted once, and each invoice updated as often as it changed.
fn check_audit(world: &World, updates: &BTreeMap<String, usize>) {
    let state = Embedded::open(&world.state()).unwrap();
    for stream in SYNCS {
        let sync: SyncId = format!("acme/jde-looker/{stream}").parse().unwrap();
        for row in world.warehouse.rows(stream).values() {
            let key = &row["_source_id"];
            let lines = block_on(state.audit_of(&sync, &RecordKey::new(key))).unwrap();
            let outcomes: Vec<_> =
                lines.iter().map(|line| line.outcome).filter(|outcome| *outcome != Outcome::Waiting).collect();
            let changed = if stream == "ap_invoices" { updates.get(key).copied().unwrap_or(0) } else { 0 };
            let mut expected = vec![Outcome::Updated; changed + 1];
            expected[0] = Outcome::Inserted;
            assert_eq!(outcomes, expected, "{stream} {key}");
        }
    }
}
