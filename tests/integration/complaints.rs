//! What users of tools like this one complain about, each as a test that would fail if we did the same.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use sandbox::clock::Clock;
use sandbox::jde::changes::touch;
use sandbox::jde::{Calls, Collation, DeadToken, Fault, Settings, Unordered};
use serde_json::json;

use crate::world::{World, record_key, seeded, small_ledger};

/// Pages of a table that are read, the first call for the server's time included.
fn reads(table: &str) -> Calls {
    Calls::to("POST").about(&format!("\"{table}\",\"targetType\":\"table\",\"dataServiceType\":\"BROWSE\""))
}

#[test]
fn a_day_cursor_loses_nothing_in_any_zone_and_across_the_change_of_clocks() {
    // Fourteen hours ahead, twelve behind, and clocks that change while the test goes on: by an hour, by half an hour, and
    // at midnight itself.
    for (zone, start) in [
        (Tz::Pacific__Kiritimati, "2026-11-20T00:30:00Z"),
        (Tz::Etc__GMTPlus12, "2026-11-20T00:30:00Z"),
        (Tz::America__New_York, "2026-03-07T18:10:00Z"),
        (Tz::America__New_York, "2026-10-31T18:10:00Z"),
        (Tz::Australia__Lord_Howe, "2026-04-04T03:20:00Z"),
        (Tz::America__Havana, "2026-03-07T20:10:00Z"),
        (Tz::Africa__Cairo, "2026-04-23T12:10:00Z"),
    ] {
        let clock = Clock::fixed(start.parse::<DateTime<Utc>>().unwrap());
        let settings = Settings { zone, ..Settings::default() };
        let world = World::at(settings, seeded(20, 5, 12), clock.clone());
        world.only(&["suppliers"]);
        world.cli(&["run"]).exits(0);
        for step in 0..10 {
            clock.advance(TimeDelta::minutes(257));
            let key = world.key("F0101", step);
            let name = format!("{zone} step {step}");
            world
                .table("F0101", |table| touch(table, &key, clock.now(), zone, &[("ALPH", name.as_str().into())]))
                .unwrap();
            let run = world.cli(&["run", "--json"]).ok().sync("suppliers");
            assert_eq!((&run["updated"], &run["agrees"]), (&json!(1), &json!(true)), "{name}: {run}");
            assert_eq!(world.loaded("suppliers")[&record_key(&key)]["name"], name);
            let up_to: DateTime<Utc> = run["complete_up_to"].as_str().unwrap().parse().unwrap();
            assert!(up_to <= clock.now(), "{name}: complete up to {up_to}, which is after the source's now");
        }
        world.agrees_except("suppliers", &[]);
    }
}

#[test]
fn a_token_that_dies_in_mid_run_is_renewed_once_and_nothing_is_lost() {
    for dead_token in [DeadToken::Status444, DeadToken::Status403] {
        let world = World::with(Settings { dead_token, ..Settings::default() }, small_ledger());
        world.only(&["ap_invoices"]);
        world.jde_setting("page_size", "20");
        world.jde.fault(reads("F0411").nth(4), Fault::DeadToken);
        let run = world.cli(&["run", "--json"]).ok().sync("ap_invoices");
        assert_eq!((&run["agrees"], &run["unchanged"]), (&json!(true), &json!(0)), "{run}");
        world.agrees_except("ap_invoices", &[]);
        let logins = world.jde.calls().iter().filter(|call| call.path.ends_with("tokenrequest")).count();
        assert_eq!(logins, 3, "one to read, one to prove, and one in place of the token that died");
        assert_eq!(world.jde.open_sessions(), 0);
        assert_eq!(world.jde.faults_waiting(), 0);
    }
}

#[test]
fn rows_that_come_go_and_change_between_two_pages_are_not_skipped() {
    let world = World::new();
    world.only(&["ap_invoices"]);
    world.jde_setting("page_size", "20");
    for n in 3..9 {
        world.jde.fault(
            reads("F0411").nth(n),
            Fault::before(move |tables| {
                let ledger = tables.get_mut("F0411").unwrap();
                // One row before the page that is next vanishes, one is new, and the very next one changes.
                let (first, next) = (ledger.nth(0).unwrap().key_values(), ledger.nth(n * 18).unwrap().key_values());
                let mut copy = ledger.nth(1).unwrap().key();
                copy[3] = format!("9{n:02}");
                ledger.delete(&first).unwrap();
                ledger.update(&next, &[("RMK", "changed between two pages".into())]).unwrap();
                let columns = ["DOC", "DCT", "KCO", "SFX", "SFXE"];
                let cells: Vec<_> = columns.into_iter().zip(copy).map(|(c, v)| (c, v.as_str().into())).collect();
                ledger.upsert(&cells).unwrap();
            }),
        );
    }
    // The proof sees the rows that are gone: this run may say that the two sides differ, but never that a row is missing.
    let run = world.cli(&["run", "--json"]);
    assert_eq!(world.jde.faults_waiting(), 0, "{run}");
    let run = world.cli(&["run", "--full", "--json"]).ok().sync("ap_invoices");
    assert_eq!(run["agrees"], true, "{run}");
    world.agrees_except("ap_invoices", &[]);
}

#[test]
fn records_at_the_very_second_of_the_last_read_are_not_dropped() {
    let clock = Clock::fixed("2026-11-20T09:15:02Z".parse::<DateTime<Utc>>().unwrap());
    let world = World::at(Settings::default(), seeded(20, 5, 10), clock.clone());
    world.only(&["suppliers"]);
    world.cli(&["run"]).ok();
    // The clock stands still: everything below carries the stamp of the read before it.
    for n in 0..4 {
        let key = world.key("F0101", n);
        world.touch("F0101", &key, &[("RMK", "same second".into())]);
        let run = world.cli(&["run", "--json"]).ok().sync("suppliers");
        assert_eq!(run["updated"], 1, "{run}");
    }
    world.agrees_except("suppliers", &[]);
}

#[test]
fn a_read_that_is_refused_or_errs_is_never_taken_for_no_data() {
    for fault in [Fault::status(403), Fault::status(500), Fault::SysErrors, Fault::FormErrors, Fault::EmptyButMore] {
        let world = World::new();
        world.only(&["suppliers"]);
        world.env("ML_CONNECTOR_ATTEMPTS", "1");
        world.jde.fault(reads("F0101").every(), fault.clone());
        let run = world.cli(&["run", "--json"]).exits(1).sync("suppliers");
        assert_ne!(run["state"], "complete", "{fault:?}: {run}");
        assert_eq!(run["complete_up_to"], json!(null), "{fault:?}: the mark does not move: {run}");
        assert!(!run["note"].as_str().unwrap().is_empty(), "{fault:?}: {run}");
    }
}

#[test]
fn rows_that_the_service_user_may_not_see_make_the_run_red() {
    let world = World::new();
    world.only(&["suppliers"]);
    // Row security hides rows from reads; the count still has them.
    world.jde.fault(reads("F0101").every(), Fault::hide_rows(|row| row.number("AN8").to_string().ends_with('7')));
    let hidden = world.table("F0101", |t| t.rows().filter(|row| row.text("AN8").ends_with('7')).count());
    assert!(hidden > 0);
    let run = world.cli(&["run", "--json"]).exits(1).sync("suppliers");
    assert_eq!((&run["state"], &run["agrees"]), (&json!("complete"), &json!(false)), "{run}");
    world.cli(&["status"]).ok().says(&["suppliers: does not agree", "run suppliers --full"]);
}

#[test]
fn a_server_that_cuts_pages_and_does_not_say_so_loses_nothing() {
    for (limit, page) in [(100, 500), (100, 100), (50, 50)] {
        let settings = Settings { db_fetch_limit: limit, fetch_limit_shows: false, ..Settings::default() };
        let world = World::with(settings, seeded(450, 10, 20));
        world.only(&["ap_invoices"]);
        world.jde_setting("page_size", &page.to_string());
        let run = world.cli(&["run", "--json"]).ok().sync("ap_invoices");
        assert_eq!(run["agrees"], true, "limit {limit}, page {page}: {run}");
        world.agrees_except("ap_invoices", &[]);
    }
    // A limit that nobody could guess cannot be told from the end of the data, but from the count.
    let settings = Settings { db_fetch_limit: 73, fetch_limit_shows: false, ..Settings::default() };
    let world = World::with(settings, small_ledger());
    world.only(&["ap_invoices"]);
    let run = world.cli(&["run", "--json"]).exits(1).sync("ap_invoices");
    assert_eq!(run["agrees"], false, "{run}");
}

#[test]
fn another_order_of_texts_and_of_rows_loses_nothing() {
    let settings = Settings { collation: Collation::DigitsLast, unordered: Unordered::Arrival, ..Settings::default() };
    let world = World::with(settings, small_ledger());
    world.jde_setting("page_size", "7");
    world.cli(&["run"]).ok();
    world.agrees();
}

#[test]
fn next_links_and_basic_authentication_bring_the_same() {
    for settings in [[("paging", "next_links")].as_slice(), &[("auth", "basic")], &[("api", "v1")]] {
        let world = World::new();
        world.jde_setting("page_size", "25");
        settings.iter().for_each(|(name, value)| world.jde_setting(name, value));
        world.cli(&["run"]).ok();
        world.agrees();
        assert_eq!(world.jde.open_sessions(), 0);
    }
}

#[test]
fn a_passing_fault_is_tried_again_and_costs_nothing_but_time() {
    let world = World::new();
    world.only(&["ap_invoices"]);
    world.jde_setting("page_size", "50");
    for (n, fault) in
        [(2, Fault::TruncatedBody), (4, Fault::status(503)), (6, Fault::LostReply), (8, Fault::RepeatPage)]
    {
        world.jde.fault(reads("F0411").nth(n), fault);
    }
    let run = world.cli(&["run", "--json"]).ok().sync("ap_invoices");
    assert_eq!(run["agrees"], true, "{run}");
    world.agrees_except("ap_invoices", &[]);
    assert_eq!(world.jde.faults_waiting(), 0);
}

#[test]
fn no_secret_is_ever_said() {
    let world = World::new();
    world.password("a-very-secret-word");
    world.cli(&["run", "-vv"]).exits(1).never_says("a-very-secret-word");
    world.password("secret");
    let ran = world.cli(&["run", "suppliers", "-vv"]);
    let tokens: Vec<String> =
        world.jde.calls().iter().filter_map(|call| call.header("jde-ais-auth").map(ToOwned::to_owned)).collect();
    assert!(!tokens.is_empty());
    let ran = tokens.iter().fold(ran.ok(), |ran, token| ran.never_says(token));
    drop(ran.never_says("Authorization"));
}
