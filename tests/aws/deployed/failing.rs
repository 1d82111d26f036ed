//! What dies on the way: messages that cannot be worked on, functions that are killed, hang or do not start.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use engine::model::message::Reason;
use engine::model::run::{Run, RunState};
use engine::model::window::Selection;
use engine::ports::Store;
use sandbox::jde::{Calls, Fault, Gate};
use sandbox::random::Random;
use serde_json::{Value as Json, json};

use crate::processes;
use crate::stack::{Scope, stack};
use crate::tenant::{Tenant, world};
use crate::world::record_key;

const STREAMS: [&str; 4] = ["suppliers", "purchase_orders", "purchase_order_lines", "ap_invoices"];

/// How many functions are killed while they work.
const KILLS: usize = 4;

/// Each round runs all streams; a function that has just done its work is killed for nothing.
const ROUNDS: usize = 4;

#[test]
fn a_message_that_cannot_be_worked_on_ends_its_run_with_the_reason_and_is_replayed() {
    let Some(stack) = stack("dead letters") else { return };
    let _turn = stack.turn();
    let world = world();
    world.only(&["suppliers"]);
    let tenant = Tenant::add(stack, "hooli", &world, &["suppliers"], "");
    let scope = &tenant.scope;

    let transforms = scope.holds_back("transform");
    let run = tenant.start("suppliers", Reason::Schedule, Selection::Changes);
    let [message] = taken(scope, "transform", 1).try_into().unwrap();
    let mut body: Json = serde_json::from_str(&message).unwrap();
    body["rows"] = json!("bm90IHJvd3M=");
    send(scope, "transform", &body.to_string());
    drop(transforms);
    let why = incomplete(&tenant.ended(&run));
    assert!(why.contains("damaged"), "{why}");
    scope.empty();
    let paused = stack.block_on(scope.aws.sync(&tenant.sync("suppliers"))).unwrap().paused;
    assert_eq!(paused.as_ref(), Some(&why), "no schedule runs into it again");

    let payload = json!({"tenant": "hooli", "run": run});
    scope.invoke("replay", &payload).unwrap();
    tenant.settled(&BTreeMap::new());
    scope.invoke("replay", &payload).unwrap();
    tenant.settled(&BTreeMap::new());
    tenant.run_all();
    tenant.settled(&BTreeMap::new());

    // What is no message at all stays where people look, with the reason beside it.
    send(scope, "poll", "hello?");
    stack
        .emulator
        .wait("it is put aside", || (scope.messages("poll") == 0 && scope.messages("dead_letters") == 1).then_some(()));
    let _closed = scope.holds_back("dead_letters");
    let letter = stack.emulator.wait("it is seen", || {
        let wish =
            json!({"QueueUrl": scope.queue("dead_letters"), "MessageAttributeNames": ["All"], "VisibilityTimeout": 0});
        stack.emulator.call("sqs", "receive_message", wish)["Messages"].as_array().map(|all| all[0].clone())
    });
    assert_eq!(letter["Body"], "hello?");
    let reason = letter["MessageAttributes"]["reason"]["StringValue"].as_str().unwrap();
    assert!(reason.contains("cannot be read"), "{reason}");
    stack.emulator.call("sqs", "purge_queue", json!({"QueueUrl": scope.queue("dead_letters")}));
}

#[test]
fn a_function_that_does_not_start_gives_its_messages_to_the_dead_letters_and_they_are_replayed() {
    let Some(stack) = stack("functions that do not start") else { return };
    let _turn = stack.turn();
    let world = world();
    world.only(&["suppliers"]);
    let tenant = Tenant::add(stack, "vehement", &world, &["suppliers"], "");
    let break_it = |settings: &mut Json| {
        settings["Environment"]["Variables"].as_object_mut().unwrap().remove("ML_CONNECTOR_TABLE_SYNCS");
    };
    let run = tenant.scope.with("transform", break_it, || {
        let run = tenant.start("suppliers", Reason::Manual, Selection::Changes);
        tenant.ended(&run)
    });
    let why = incomplete(&run);
    assert!(why.contains("handed out again and again and never done"), "{why}");
    assert!(stack.emulator.log().contains("the environment lacks ML_CONNECTOR_TABLE_SYNCS"), "the log says why");
    tenant.scope.empty();

    tenant.scope.invoke("replay", &json!({"tenant": "vehement", "run": run.id})).unwrap();
    tenant.settled(&BTreeMap::new());
    tenant.run_all();
    tenant.settled(&BTreeMap::new());
}

#[test]
fn functions_that_are_killed_or_hang_lose_nothing() {
    let Some(stack) = stack("functions that are killed") else { return };
    let _turn = stack.turn();
    let world = world();
    world.only(&STREAMS);
    let tenant = Tenant::add(stack, "massive", &world, &STREAMS, "");
    let seed = u64::from(std::process::id());
    eprintln!("seed {seed}");
    let mut random = Random::new(seed);
    let said = |what: &str| stack.emulator.log().matches(what).count();
    let (killed, hung) = ("Runtime exited before returning a response", "Task timed out after 5.00 seconds");
    let before = [said(killed), said(hung)];

    // The first poll of one stream hangs until its time is over.
    let gate = Gate::new();
    world.jde.fault(Calls::to("POST").about("F0101"), Fault::Hold(gate.clone()));
    let mut updates = BTreeMap::new();
    for round in 0..ROUNDS {
        let mut runs = STREAMS.map(|stream| (stream, tenant.start(stream, Reason::Manual, Selection::Changes)));
        while runs.iter().any(|(_, run)| tenant.run(run).is_none_or(|run| !run.has_ended())) {
            if said(killed) < before[0] + KILLS {
                kill_one(&tenant.scope, &mut random);
            }
        }
        for (stream, run) in &mut runs {
            if tenant.ended(run).state != RunState::Complete {
                // It was killed as often as a message is handed out: its run says so, and the next one covers it.
                *run = tenant.start(stream, Reason::Manual, Selection::Changes);
                tenant.completed(run);
            }
        }
        tenant.settled(&updates);
        if said(killed) >= before[0] + KILLS {
            break;
        }
        let changed: BTreeSet<_> = (0..5).map(|_| world.key("F0411", random.below(world.len("F0411")))).collect();
        for key in changed {
            world.touch("F0411", &key, &[("RMK", format!("round {round}").into())]);
            *updates.entry(format!("ap_invoices {}", record_key(&key))).or_default() += 1;
        }
    }
    gate.open();
    assert!(said(killed) > before[0] && said(hung) > before[1]);
}

/// Kills the functions of some stage while they work, at a moment of chance.
fn kill_one(scope: &Scope, random: &mut Random) {
    let stage = ["poll", "transform", "load"][random.below(3)];
    let then = Duration::from_micros(random.below(25_000) as u64);
    scope.stack.emulator.wait("a function works", || (scope.in_hands(stage) > 0 || is_idle(scope)).then_some(()));
    let until = Instant::now() + then;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    processes::kill(&processes::of(scope, stage));
}

fn is_idle(scope: &Scope) -> bool {
    ["poll", "transform", "load"].iter().all(|queue| scope.messages(queue) == 0)
}

#[track_caller]
fn incomplete(run: &Run) -> String {
    let RunState::Incomplete { why } = &run.state else { panic!("{run:#?}") };
    why.clone()
}

/// Takes so many messages out of a queue, and returns their bodies.
#[track_caller]
pub fn taken(scope: &Scope, queue: &str, count: usize) -> Vec<String> {
    let (emulator, url) = (&scope.stack.emulator, scope.queue(queue));
    let mut bodies = Vec::new();
    emulator.wait(&format!("{count} messages in the {queue} queue"), || {
        let wish = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 60});
        let answer = emulator.call("sqs", "receive_message", wish);
        for message in answer["Messages"].as_array().into_iter().flatten() {
            bodies.push(message["Body"].as_str().unwrap().to_owned());
            let done = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
            emulator.call("sqs", "delete_message", done);
        }
        (bodies.len() >= count).then_some(())
    });
    bodies
}

/// Puts a message into a queue.
#[track_caller]
pub fn send(scope: &Scope, queue: &str, body: &str) {
    let message = json!({"QueueUrl": scope.queue(queue), "MessageBody": body});
    scope.stack.emulator.call("sqs", "send_message", message);
}
