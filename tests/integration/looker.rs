//! Looker told, compared and made to deliver by the real program: whatever goes wrong on the way, a report arrives once or
//! not at all, and loading goes on.

use std::time::Duration;

use chrono::TimeDelta;
use sandbox::clock::Clock;
use sandbox::looker::{Calls, Fault, Settings};
use serde_json::{Value as Json, json};

use crate::postgres::postgres;
use crate::world::Ran;
use crate::world::looker::{Looking, PLAN, cents};

/// Where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:1";

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
    looking.looker.fault(Calls::to(RUN_ONCE).times(2), Fault::throttled(1));
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

/// Breaks something that Looker needs to show the invoices, and mends it. The records are loaded and the next run is not
/// blocked meanwhile; nothing is delivered until it is mended, and then by the next run.
#[track_caller]
fn warns_until_it_is_mended(
    looking: &mut Looking,
    break_it: impl FnOnce(&mut Looking),
    words: &[&str],
    mend_it: impl FnOnce(&mut Looking),
) {
    looking.world.env("ML_CONNECTOR_ATTEMPTS", "1");
    break_it(looking);
    let ran = looking.cli(&["run", "--json"]).ok().says(words);
    let row = ran.sync("ap_invoices");
    assert_eq!((&row["state"], &row["agrees"]), (&json!("complete"), &json!(true)), "{ran}");
    assert_eq!(row["warnings"].as_array().unwrap().len(), 1, "{ran}");
    let warning = row["warnings"][0].as_str().unwrap();
    assert!(words.iter().all(|words| warning.contains(words)), "{ran}");
    looking.world.agrees_except("suppliers", &[]);
    looking.world.agrees_except("ap_invoices", &[]);
    looking.cli(&["status"]).ok().says(&["problems:", &format!("ap_invoices: {warning}")]);

    an_invoice_changes(looking);
    let next = looking.cli(&["run", "--json"]).ok().says(words);
    assert_eq!(next.sync("ap_invoices")["updated"], 1, "{next}");
    assert_eq!(deliveries(&next), [Json::Null; 0]);
    assert!(looking.receiver.received().is_empty());

    mend_it(looking);
    let mended = looking.cli(&["run", "--json"]);
    assert_eq!(mended.sync("ap_invoices")["warnings"], json!([]), "{mended}");
    delivered(mended);
    assert_eq!(looking.arrived(), [looking.due()]);
    looking.cli(&["status"]).ok().never_says("problems:");
}

/// The amount of an invoice is another one from now on.
fn an_invoice_changes(looking: &Looking) {
    let (key, amount) = (looking.world.key("F0411", 3), sandbox::jde::Decimal::new(123_456_78, 2));
    looking.world.touch("F0411", &key, &[("AG", amount.into())]);
}

#[test]
fn a_model_that_is_not_there_is_named() {
    warns_until_it_is_mended(
        &mut Looking::new(),
        |looking| looking.setting("model", "erp"),
        &["shows no datagroup `erp_loads` of the model `erp`", "name another as `datagroup.name`"],
        |looking| looking.setting("model", "jde_looker"),
    );
}

#[test]
fn a_field_that_the_explore_lacks_is_named() {
    warns_until_it_is_mended(
        &mut Looking::new(),
        |looking| looking.edit("views/ap_invoices.view.lkml", "measure: total_open_amount", "measure: still_to_pay"),
        &["it has no `ap_invoices.total_open_amount`", "`explores.ap_invoices`"],
        // As an administrator would who likes the other name better.
        |looking| looking.setting("explores", "{ap_invoices: {sums: {open_amount: still_to_pay}}}"),
    );
}

#[test]
fn lookml_with_errors_is_told_in_lookers_words() {
    warns_until_it_is_mended(
        &mut Looking::new(),
        |looking| looking.edit("views/ap_invoices.view.lkml", "${TABLE}.gross_amount", "${TABLE}.gros_amount"),
        &["the totals of `ap_invoices` in the explore `jde_looker::ap_invoices`", "gros_amount", "has to be mended"],
        Looking::mend_lookml,
    );
}

#[test]
fn a_looker_that_is_down_blocks_nothing() {
    warns_until_it_is_mended(
        &mut Looking::new(),
        |looking| looking.setting("url", NOWHERE),
        &["127.0.0.1:1", "given up after 1 attempt"],
        Looking::at_its_address,
    );
}

#[test]
fn caches_that_could_not_be_reset_keep_the_report_back() {
    // What was cached before is older than a second by both clocks.
    let clock = Clock::offset(TimeDelta::seconds(-10));
    let mut looking = Looking::at(clock.clone());
    looking.setting("datagroup", "{on_change: nothing}");
    delivered(looking.cli(&["run", "--json"]));
    let before = looking.due();
    assert_eq!(looking.shown(), before, "and from now on it is cached");
    clock.advance(TimeDelta::seconds(10));
    looking.setting("datagroup", "{on_change: reset}");
    looking.world.env("ML_CONNECTOR_ATTEMPTS", "2");
    an_invoice_changes(&looking);
    let now = looking.due();
    assert_ne!(now, before);

    looking.looker.fault(Calls::to("PATCH /api/4.0/datagroups").every(), Fault::status(500));
    let ran = looking.cli(&["run", "--json"]).ok();
    assert_eq!(ran.sync("ap_invoices")["updated"], 1);
    let warnings = ran.sync("ap_invoices")["warnings"].to_string();
    assert!(warnings.contains("`stale_before` of the datagroup") && warnings.contains("500"), "{ran}");
    assert_eq!(deliveries(&ran), [Json::Null; 0]);
    assert_eq!(looking.shown(), before, "people still see what was cached");
    assert_eq!(looking.arrived(), [before]);

    looking.looker.clear_faults();
    delivered(looking.cli(&["run", "--json"]));
    assert_eq!(looking.shown(), now);
    assert_eq!(looking.arrived()[1..], [now]);
}

#[test]
fn figures_that_looker_shows_otherwise_are_named_and_not_delivered() {
    let mut looking = Looking::new();
    // Somebody hides one voucher, with all of its pay items.
    let voucher = looking.world.key("F0411", 3)[0].clone();
    let hide = format!("NOT ${{ap_invoices.is_deleted}} AND ${{ap_invoices.document_number}} <> {voucher} ;;");
    let model = "jde_looker.model.lkml";
    looking.edit(model, "sql_always_where: NOT ${ap_invoices.is_deleted} ;;", &format!("sql_always_where: {hide}"));
    let ran = looking.cli(&["run", "--json"]).ok();
    assert_eq!(deliveries(&ran), [Json::Null; 0]);
    assert!(looking.receiver.received().is_empty());

    let rows: Vec<_> = looking.world.expected("ap_invoices").into_values().collect();
    let hidden: Vec<_> = rows.iter().filter(|row| row["document_number"] == voucher).collect();
    let month = &hidden[0]["gl_date"][..7];
    let sum = |hiding: bool| -> (usize, i128) {
        let of_month = rows.iter().filter(|row| row["gl_date"].starts_with(month));
        let shown = of_month.filter(|row| !(hiding && row["document_number"] == voucher));
        shown.fold((0, 0), |(n, sum), row| (n + 1, sum + cents(&row["gross_amount"])))
    };
    let (loaded, shown) = (sum(false), sum(true));
    ran.says(&[
        &format!("looker shows other figures: {month}: {} records loaded, {} shown", loaded.0, shown.0),
        &format!("gross_amount {} loaded, {} shown", amount(loaded.1), amount(shown.1)),
    ]);
    assert_eq!(ran_words(&looking), 1, "and status keeps saying so");

    looking.mend_lookml();
    delivered(looking.cli(&["run", "--json"]));
    assert_eq!(looking.arrived(), [looking.due()]);
}

/// How many problems `status` shows.
fn ran_words(looking: &Looking) -> usize {
    let status = looking.cli(&["status"]).ok().stdout;
    let (_, problems) = status.split_once("problems:\n").unwrap_or_default();
    problems.lines().take_while(|line| !line.is_empty()).count()
}

/// An amount without zeros at its end.
fn amount(cents: i128) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let text = format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[test]
fn a_row_that_somebody_deleted_from_the_warehouse_keeps_the_report_back() {
    let looking = Looking::new();
    looking.cli(&["run", "ap_invoices"]).ok();
    let row = "(SELECT MIN(_source_id) FROM ap_invoices)";
    looking.world.warehouse.execute(&format!("DELETE FROM ap_invoices WHERE _source_id = {row}"));
    looking.cli(&["run", "ap_invoices", "--json"]).exits(1).says(&["does not agree"]);
    let suppliers = looking.cli(&["run", "suppliers", "--json"]).ok();
    assert_eq!(deliveries(&suppliers), [Json::Null; 0], "that the invoices were complete before counts no more");
    assert!(looking.receiver.received().is_empty());

    delivered(looking.cli(&["run", "ap_invoices", "--full", "--json"]));
    assert_eq!(looking.arrived(), [looking.due()]);
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
    let ran = suppliers_are_late(&mut looking, "deliver").ok().says(&["went without suppliers"]);
    assert_eq!((ended(&ran, "delivered").is_empty(), &delivery(&ran)["late"]), (false, &json!(["suppliers"])));
    assert_eq!(looking.arrived(), [looking.due()]);
}

#[test]
fn at_its_deadline_a_delivery_is_held_where_people_want_it_whole() {
    let mut looking = Looking::new();
    let ran = suppliers_are_late(&mut looking, "hold").exits(1);
    let id = ended(&ran, "failed");
    ran.says(&["held: suppliers was not complete by the deadline"]);
    assert!(looking.receiver.received().is_empty());

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
    let first = std::iter::once(ran);
    let runs = (0..100).map(|_| looking.cli(&["run", "ap_invoices", "--json"]));
    first.chain(runs).find(|ran| !deliveries(ran).is_empty()).expect("the deadline passes while invoices are loaded")
}

#[test]
fn check_names_everything_that_is_broken_at_once() {
    let mut looking = Looking::new();
    looking.cli(&["run"]).ok();
    let calls = looking.receiver.received().len();
    let good = looking.cli(&["check", "--json"]).ok().json();
    let findings = findings_of(&good, "looker");
    assert!(findings.iter().all(|(ok, _)| *ok), "{good}");
    for words in [
        "log in: the API user is let in",
        "Looker's connection `warehouse`: passed connect, query",
        "explore `jde_looker::ap_invoices` of table `ap_invoices`: shows all ",
        "explore `jde_looker::suppliers` of table `suppliers`: shows all ",
        "datagroup `jde_looker_loads`: is there",
        "delivery of plan `AP daily`: the plan 4711 is there, switched on, and may be run",
        "outcomes of deliveries: can be read",
    ] {
        assert!(findings.iter().any(|(_, finding)| finding.starts_with(words)), "no {words}: {good}");
    }

    looking.edit("views/ap_invoices.view.lkml", "measure: count", "measure: how_many");
    looking.plan(json!({"name": "AP weekly"}));
    let gone = looking.world.dir().join("no-such-folder/warehouse.sqlite");
    looking.looker.set_connection("warehouse", sandbox::looker::Warehouse::Sqlite(gone));
    let ran = looking.cli(&["check", "--json"]).exits(1);
    let answer = ran.json();
    let broken: Vec<_> =
        findings_of(&answer, "looker").into_iter().filter(|(ok, _)| !ok).map(|(_, text)| text).collect();
    let expected = [
        ["Looker's connection `warehouse`: ", "mend the connection in Looker's admin pages"],
        [
            "explore `jde_looker::ap_invoices`",
            "has no `ap_invoices.count` (the count): import the generated LookML again",
        ],
        ["delivery of plan `AP daily`: ", "declare it under `plans`, or let the API user own it"],
    ];
    assert_eq!(broken.len(), expected.len(), "{ran}");
    for (finding, [what, to_do]) in broken.iter().zip(expected) {
        assert!(finding.starts_with(what) && finding.contains(to_do), "{finding}");
    }
    for other in ["erp", "warehouse"] {
        assert!(findings_of(&answer, other).iter().all(|(ok, _)| *ok), "{ran}");
    }
    assert_eq!(looking.receiver.received().len(), calls, "nothing was sent");
}

/// What `check` found of a connection: whether it works, and in words.
fn findings_of(answer: &Json, connection: &str) -> Vec<(bool, String)> {
    let connections = answer["connections"].as_array().unwrap();
    let found = connections.iter().find(|known| known["connection"] == connection).unwrap();
    let findings = found["findings"].as_array().unwrap().iter();
    let words =
        |finding: &Json| format!("{}: {}", finding["what"].as_str().unwrap(), finding["detail"].as_str().unwrap());
    findings.map(|finding| (finding["ok"] == true, words(finding))).collect()
}
