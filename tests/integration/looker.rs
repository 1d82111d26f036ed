//! Looker told, compared and made to deliver by the real program: whatever goes wrong on the way, a report arrives once or
//! not at all, and loading goes on.

mod broken;

use std::time::Duration;

use sandbox::looker::{Calls, Fault, Settings};
use serde_json::{Value as Json, json};

use crate::postgres::postgres;
use crate::world::Ran;
use crate::world::looker::{Looking, PLAN};

const RUN_ONCE: &str = "POST /api/4.0/scheduled_plans/4711/run_once";
const LOG_IN: &str = "POST /api/4.0/login";

/// The deliveries in the answer of a command.
#[track_caller]
fn deliveries(ran: &Ran) -> Vec<Json> {
    ran.json()["deliveries"].as_array().unwrap_or_else(|| panic!("no `deliveries`\n{ran}")).clone()
}

/// The only one.
#[track_caller]
fn delivery(ran: &Ran) -> Json {
    let [one] = deliveries(ran).try_into().unwrap_or_else(|_| panic!("not one delivery\n{ran}"));
    one
}

/// Fails the test unless the command ended with one delivery that arrived.
#[track_caller]
fn delivered(ran: Ran) -> Json {
    let ran = ran.ok();
    let row = delivery(&ran);
    assert_eq!(row["state"], "delivered", "{ran}");
    row
}

/// The id of the only delivery of a command, which ended with `code` and this state.
#[track_caller]
fn ended(ran: &Ran, state: &str) -> String {
    let row = delivery(ran);
    assert_eq!(row["state"], state, "{ran}");
    row["delivery"].as_str().unwrap().to_owned()
}

#[test]
fn a_delivery_goes_once_per_cycle_and_what_arrives_is_what_was_loaded() {
    a_cycle(&Looking::new());
}

#[test]
fn a_delivery_out_of_postgres_goes_the_same_way() {
    if let Some(warehouse) = postgres("deliveries of Looker over PostgreSQL") {
        a_cycle(&Looking::into_warehouse(warehouse));
    }
}

fn a_cycle(looking: &Looking) {
    let path = format!("/scheduled_plans/{PLAN}");
    let plan = looking.ask("GET", &path, &Json::Null);
    for _ in 0..2 {
        let alone = looking.cli(&["run", "suppliers", "--json"]).ok();
        assert_eq!(deliveries(&alone), [Json::Null; 0], "the invoices are not there yet");
    }
    assert!(looking.receiver.received().is_empty());

    let ran = looking.cli(&["run", "ap_invoices", "--json"]);
    let row = delivered(ran);
    let run = row["delivery"].as_str().unwrap().strip_prefix("ap_daily@").unwrap();
    assert_eq!((&row["delivers"], &row["attempts"], &row["late"]), (&json!("plan AP daily"), &json!(1), &json!([])));
    assert_eq!(looking.arrived(), [looking.due()]);
    let sent = looking.looker.deliveries();
    assert_eq!(sent[0].plan_name, format!("AP daily [run {run}]"));
    assert_eq!(row["reference"], sent[0].plan_id.to_string());
    assert_ne!(sent[0].plan_id, PLAN, "a copy ran");
    assert_eq!(looking.ask("GET", &path, &Json::Null), plan, "the plan itself stays as it was");

    let status = looking.cli(&["status", "--json"]).ok().json();
    assert_eq!(status["deliveries"], json!([row]));
    let newest = &status["syncs"].as_array().unwrap().iter().find(|sync| sync["sync"] == "ap_invoices").unwrap();
    assert_eq!(newest["last_run"]["run"], run, "it is named after the run that made the cycle complete");
    looking.cli(&["status"]).ok().says(&[row["delivery"].as_str().unwrap(), "plan AP daily", "delivered"]);

    // The next cycle: half of it, and the other half.
    looking.cli(&["run", "ap_invoices"]).ok();
    assert_eq!(looking.receiver.received().len(), 1);
    delivered(looking.cli(&["run", "--json"]));
    assert_eq!(looking.receiver.received().len(), 2);
    assert_eq!(looking.looker.open_sessions(), 0, "every session was logged out");
}

#[test]
fn a_delivery_whose_reply_was_lost_is_found_by_its_name_and_not_sent_again() {
    // The copy is gone at once; only Looker's own records know of it.
    let looking = Looking::with(Settings { run_once_vanishes: true, job_polls: 1, ..Settings::default() });
    looking.looker.fault(Calls::to(RUN_ONCE), Fault::LostReply);
    let row = delivered(looking.cli(&["run", "--json"]));
    assert_eq!(row["attempts"], 1);
    assert_eq!((looking.looker.count_calls(RUN_ONCE), looking.receiver.received().len()), (1, 1));
}

#[test]
fn a_process_that_is_killed_while_it_sends_has_sent_once() {
    let looking = Looking::new();
    looking.looker.fault(Calls::to(RUN_ONCE), Fault::Slow(Duration::from_secs(1)));
    let mut run = looking.start(&["run", "--json"]);
    while looking.looker.faults_waiting() > 0 && !run.has_ended() {
        std::thread::park_timeout(Duration::from_millis(2));
    }
    run.kill();
    assert_eq!(run.end().code, None, "it was killed");
    assert!(looking.receiver.received().is_empty(), "and Looker was still at it");

    // One sync alone sets nothing off by itself.
    let row = delivered(looking.cli(&["run", "suppliers", "--json"]));
    assert_eq!(row["attempts"], 1);
    assert_eq!((looking.looker.count_calls(RUN_ONCE), looking.arrived()), (1, vec![looking.due()]));
}

#[test]
fn a_request_that_may_have_been_lost_is_sent_again_only_when_a_person_says_so() {
    let looking = Looking::new();
    looking.world.env("ML_CONNECTOR_DELIVERIES_SETTLE", "1");
    looking.looker.fault(Calls::to(RUN_ONCE), Fault::LostRequest);
    let ran = looking.cli(&["run", "--json"]).exits(1);
    let id = ended(&ran, "uncertain");
    ran.says(&["nobody knows whether delivery", &format!("`replay --delivery {id}` looks for it once more")]);
    looking.cli(&["status"]).ok().says(&[&id, "uncertain", "looks for it once more"]);

    let looked = looking.cli(&["replay", "--delivery", &id, "--json"]).exits(1);
    ended(&looked, "uncertain");
    looking.world.agrees_except("ap_invoices", &[]);
    assert_eq!((looking.looker.count_calls(RUN_ONCE), looking.receiver.received().len()), (1, 0));

    let row = delivered(looking.cli(&["replay", "--delivery", &id, "--may-arrive-twice", "--json"]));
    assert_eq!(row["attempts"], 2);
    assert_eq!((looking.looker.count_calls(RUN_ONCE), looking.arrived()), (2, vec![looking.due()]));
    let run = id.strip_prefix("ap_daily@").unwrap();
    assert_eq!(looking.looker.deliveries()[0].plan_name, format!("AP daily [run {run} #2]"));
}

#[test]
fn what_the_receiver_refused_is_replayed_alone_and_only_once() {
    let looking = Looking::new();
    looking.receiver.fail(1);
    let ran = looking.cli(&["run", "--json"]).exits(1).says(&["The webhook receiver answered 500"]);
    let id = ended(&ran, "failed");
    assert_eq!(ran.sync("ap_invoices")["state"], "complete");
    ran.says(&[&format!("`replay --delivery {id}` sends it again")]);
    looking.cli(&["status"]).ok().says(&[&id, "failed", "sends it again"]);

    looking.world.jde.clear_calls();
    let again = looking.cli(&["replay", "--delivery", &id, "--json"]);
    assert_eq!(again.json()["syncs"], json!([]), "no sync ran");
    assert!(looking.world.jde.calls().is_empty(), "and nothing was read");
    assert_eq!(delivered(again)["attempts"], 2);
    assert_eq!(looking.arrived(), [looking.due()]);

    let refused = looking.cli(&["replay", "--delivery", &id, "--json"]).exits(1);
    refused.says(&["was delivered", "to send it a second time say --may-arrive-twice"]);
    assert_eq!(looking.receiver.received().len(), 2);
    looking.cli(&["replay", "--delivery", "ap_daily@1"]).exits(4).says(&["is not known here"]);
}

#[test]
fn a_throttled_delivery_waits_as_long_as_it_is_told_and_goes_once() {
    let looking = Looking::new();
    looking.looker.fault(Calls::to(RUN_ONCE).first(2), Fault::throttled(1));
    let ran = looking.cli(&["run", "--json"]).says(&["tried again in 1 s", "429"]);
    let row = delivered(ran);
    assert_eq!(row["attempts"], 1, "what was not taken was not sent");
    assert_eq!((looking.looker.count_calls(RUN_ONCE), looking.receiver.received().len()), (3, 1));
    let name = &looking.looker.deliveries()[0].plan_name;
    assert!(name.ends_with(']') && !name.contains('#'), "{name}");
}

#[test]
fn a_datagroup_is_triggered_once_whatever_becomes_of_the_reply() {
    let mut looking = Looking::new();
    // A plan that hangs on the datagroup goes with it, and is not run by itself.
    looking.plan(json!({"crontab": null, "datagroup": "jde_looker_loads"}));
    looking.setting("datagroup", "{on_change: nothing}");
    looking.delivery("trigger: jde_looker_loads");
    looking.looker.fault(Calls::to("PATCH /api/4.0/datagroups").about("triggered_at"), Fault::LostReply);
    let row = delivered(looking.cli(&["run", "--json"]));
    assert_eq!((&row["delivers"], &row["attempts"]), (&json!("trigger jde_looker_loads"), &json!(1)));
    assert_eq!(looking.arrived(), [looking.due()]);
    assert_eq!(looking.looker.count_calls("PATCH /api/4.0/datagroups"), 1);
}

/// The amount of an invoice is another one from now on.
fn an_invoice_changes(looking: &Looking) {
    let (key, amount) = (looking.world.key("F0411", 3), sandbox::jde::Decimal::new(12_345_678, 2));
    looking.world.touch("F0411", &key, &[("AG", amount.into())]);
}

#[test]
fn a_plan_that_is_not_there_fails_the_delivery_until_it_is() {
    let mut looking = Looking::new();
    looking.plan(json!({"name": "AP weekly"}));
    let ran = looking.cli(&["run", "--json"]).exits(1);
    let id = ended(&ran, "failed");
    ran.says(&["shows no scheduled plan `AP daily`", "declare it under `plans`, or let the API user own it"]);
    blocks_nothing(&looking);

    looking.plan(json!({"name": "AP daily"}));
    delivered(looking.cli(&["replay", "--delivery", &id, "--json"]));
    assert_eq!(looking.arrived(), [looking.due()]);
}

/// Everything is loaded, and a sync runs as if nothing had happened.
#[track_caller]
fn blocks_nothing(looking: &Looking) {
    an_invoice_changes(looking);
    let next = looking.cli(&["run", "ap_invoices", "--json"]).ok();
    assert_eq!(next.sync("ap_invoices")["updated"], 1, "{next}");
    looking.world.agrees_except("suppliers", &[]);
    looking.world.agrees_except("ap_invoices", &[]);
}

#[test]
fn a_plan_that_is_switched_off_is_not_sent() {
    let mut looking = Looking::new();
    looking.plan(json!({"enabled": false}));
    let ran = looking.cli(&["run", "--json"]).exits(1).says(&["is switched off in Looker: enable it"]);
    let id = ended(&ran, "failed");
    looking.plan(json!({"enabled": true}));
    delivered(looking.cli(&["replay", "--delivery", &id, "--json"]));
    assert_eq!(looking.arrived(), [looking.due()]);
}

#[test]
fn a_plan_that_runs_by_itself_is_not_run_once_as_well() {
    let mut looking = Looking::new();
    looking.setting("datagroup", "{on_change: trigger}");
    looking.plan(json!({"crontab": null, "datagroup": "jde_looker_loads"}));
    let ran = looking.cli(&["run", "--json"]).exits(1);
    let id = ended(&ran, "failed");
    ran.says(&["hangs on the datagroup `jde_looker_loads`", "set `datagroup.on_change: reset`"]);
    let by_itself = looking.looker.deliveries();
    assert!(!by_itself.is_empty() && by_itself.iter().all(|sent| sent.plan_id == PLAN), "{by_itself:?}");
    assert_eq!(looking.looker.count_calls(RUN_ONCE), 0);
    blocks_nothing(&looking);

    looking.setting("datagroup", "{on_change: reset}");
    let before = looking.receiver.received().len();
    delivered(looking.cli(&["replay", "--delivery", &id, "--json"]));
    assert_eq!(looking.receiver.received().len(), before + 1);
}

#[test]
fn a_token_that_dies_at_work_is_replaced_once() {
    let looking = Looking::new();
    delivered(looking.cli(&["run", "--json"]));
    let usual = looking.looker.count_calls(LOG_IN);
    for call in ["POST /api/4.0/queries", "PATCH /api/4.0/datagroups", RUN_ONCE] {
        looking.looker.clear_journal();
        looking.looker.fault(Calls::to(call), Fault::DeadToken);
        let ran = looking.cli(&["run", "--json"]);
        assert_eq!(ran.sync("ap_invoices")["warnings"], json!([]), "{ran}");
        delivered(ran);
        assert_eq!((looking.looker.count_calls(LOG_IN), looking.looker.faults_waiting()), (usual + 1, 0), "{call}");
    }
    assert_eq!(looking.receiver.received().len(), 4);
}

#[test]
fn a_wrong_client_secret_is_tried_once_and_blocks_nothing() {
    let looking = Looking::new();
    looking.client_secret("not-the-right-one");
    let ran = looking.cli(&["run", "--json"]).ok().never_says("not-the-right-one");
    ran.says(&["refused the log-in (404)", "check `client_id` and `client_secret`", "connection `looker` is stopped"]);
    blocks_nothing(&looking);
    assert_eq!(looking.looker.count_calls(LOG_IN), 1, "accounts are locked by whoever tries again");
    let status = looking.cli(&["status"]).ok();
    status.says(&["connection `looker` is stopped", "set the right secret for connection `looker`"]);
    looking.cli(&["check"]).exits(1).says(&["stopped: "]);
    assert_eq!(looking.looker.count_calls(LOG_IN), 1);

    looking.right_client_secret();
    delivered(looking.cli(&["run", "--json"]));
    assert_eq!(looking.arrived(), [looking.due()]);
}

#[test]
fn at_its_deadline_a_delivery_goes_without_what_is_late_and_names_it() {
    let mut looking = Looking::new();
    let ran = suppliers_are_late(&mut looking, "deliver").says(&["went without suppliers"]);
    assert_eq!((ended(&ran, "delivered").is_empty(), &delivery(&ran)["late"]), (false, &json!(["suppliers"])));
    assert_eq!(looking.arrived(), [looking.due()]);
}

#[test]
fn at_its_deadline_a_delivery_is_held_where_people_want_it_whole() {
    let mut looking = Looking::new();
    let ran = suppliers_are_late(&mut looking, "hold");
    let id = ended(&ran, "failed");
    ran.says(&["held: suppliers was not complete by the deadline"]);
    assert!(looking.receiver.received().is_empty());

    // What completes from here on counts for the next delivery, and that one is not due in this test.
    looking.delivery("plan: AP daily, deadline: 2h, when_late: hold");
    looking.world.jde.clear_faults();
    looking.cli(&["run", "suppliers"]).ok();
    assert!(looking.receiver.received().is_empty(), "it is the person's");
    let row = delivered(looking.cli(&["replay", "--delivery", &id, "--json"]));
    assert_eq!((&row["attempts"], &row["late"]), (&json!(1), &json!(["suppliers"])));
    assert_eq!(looking.arrived(), [looking.due()]);
}

/// The suppliers fail, the invoices complete; returns the run that finds the deadline passed.
#[track_caller]
fn suppliers_are_late(looking: &mut Looking, when_late: &str) -> Ran {
    use sandbox::jde::{Calls, Fault};
    looking.delivery(&format!("plan: AP daily, deadline: 1s, when_late: {when_late}"));
    looking.world.env("ML_CONNECTOR_ATTEMPTS", "1");
    looking.world.jde.fault(Calls::to("dataservice").about("F0101").every(), Fault::status(500));
    let ran = looking.cli(&["run", "--json"]).exits(1);
    assert_eq!(
        (&ran.sync("suppliers")["state"], &ran.sync("ap_invoices")["state"]),
        (&json!("failed"), &json!("complete"))
    );
    // Only the suppliers run again: invoices that complete after the deadline would be the next delivery's.
    let runs = (0..100).map(|_| looking.cli(&["run", "suppliers", "--json"]).exits(1));
    std::iter::once(ran).chain(runs).find(|ran| !deliveries(ran).is_empty()).expect("the deadline passes at some time")
}
