//! What keeps Looker from showing what was loaded: it is named, nothing is delivered meanwhile, and loading goes on.

use chrono::TimeDelta;
use sandbox::clock::Clock;
use sandbox::looker::{Calls, Fault};
use serde_json::{Value as Json, json};

use super::{an_invoice_changes, delivered, deliveries};
use crate::world::looker::{Looking, cents};

/// Where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:1";

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
    assert_eq!(problems_shown(&looking), 1, "and status keeps saying so");

    looking.mend_lookml();
    delivered(looking.cli(&["run", "--json"]));
    assert_eq!(looking.arrived(), [looking.due()]);
}

/// How many problems `status` shows.
fn problems_shown(looking: &Looking) -> usize {
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
