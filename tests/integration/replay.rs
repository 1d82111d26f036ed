//! The same records the same way once more: replay, backfill and full refresh change nothing that is right already, and
//! delete nothing that nobody has looked for.

use std::collections::BTreeMap;
use std::path::Path;

use sandbox::jde::changes::{Bad, Plan};
use sandbox::jde::{Calls, Fault};
use serde_json::{Value as Json, json};

use crate::world::{Rows, World, record_key, streams};

/// Everything in the warehouse, metadata included.
fn everything(world: &World) -> BTreeMap<String, Rows> {
    streams().into_iter().map(|stream| (stream.name.clone(), world.warehouse.rows(&stream.name))).collect()
}

/// A month-end after the first load: rejects, waiting records and changes. Returns the two runs of the invoices.
fn a_month(world: &World) -> [String; 2] {
    let first = world.cli(&["run", "--json"]).ok().sync("ap_invoices");
    world.month_end(&Plan { new: 5, paid: 4, voided: 2, late: true, early_line: true, bad: Some(Bad::Date) });
    let second = world.cli(&["run", "--json"]).ok().sync("ap_invoices");
    [first, second].map(|row| row["run"].as_str().unwrap().to_owned())
}

#[test]
fn replaying_anything_twice_changes_nothing() {
    let world = World::new();
    let [first, second] = a_month(&world);
    let before = everything(&world);
    let held = |world: &World| {
        let rejects = world.cli(&["rejects", "--json"]).ok().json();
        let status = world.cli(&["status", "--json"]).ok().json();
        let waiting: u64 = status["syncs"].as_array().unwrap().iter().map(|s| s["waiting"].as_u64().unwrap()).sum();
        (rejects["rejects"].as_array().unwrap().iter().map(|r| r["key"].clone()).collect::<Vec<_>>(), waiting)
    };
    let held_before = held(&world);
    let key = record_key(&world.key("F0411", 0));
    let today = world.jde.clock().now().date_naive().to_string();
    let (batch_of_first, batch_of_second) = (format!("{first}/0"), format!("{second}/0"));
    let replays: [&[&str]; 7] = [
        // The older run first: its values must not come back.
        &["replay", "--run", &first],
        &["replay", "--run", &second],
        &["replay", "--batch", &batch_of_first],
        &["replay", "--batch", &batch_of_second],
        &["replay", "--key", &key, "--sync", "ap_invoices"],
        &["replay", "--from", &today, "--sync", "ap_invoices"],
        &["replay", "--rejects"],
    ];
    for replay in replays {
        for _ in 0..2 {
            let ran = world.cli(&[replay, &["--json"]].concat()).ok();
            let row = ran.sync("ap_invoices");
            assert!(row["read"].as_u64().unwrap() > 0, "{ran}");
            assert_eq!(
                (&row["inserted"], &row["updated"], &row["deleted"]),
                (&json!(0), &json!(0), &json!(0)),
                "{ran}"
            );
            assert_eq!(everything(&world), before, "{}", ran.command);
            assert_eq!(held(&world), held_before, "{}", ran.command);
        }
    }
    let run = world.cli(&["run", "--json"]).ok();
    assert_eq!(run.sync("ap_invoices")["agrees"], true, "{run}");
}

#[test]
fn a_dry_run_writes_nothing_anywhere() {
    let world = World::new();
    let [first, second] = a_month(&world);
    let before = files(world.dir());
    let key = record_key(&world.key("F0411", 0));
    let batch = format!("{second}/0");
    let today = world.jde.clock().now().date_naive().to_string();
    let replays: [&[&str]; 5] = [
        &["--run", &first],
        &["--batch", &batch],
        &["--key", &key, "--sync", "ap_invoices"],
        &["--from", &today, "--sync", "ap_invoices"],
        &["--rejects"],
    ];
    for replay in replays {
        let ran = world.cli(&[&["replay", "--dry-run", "--json"], replay].concat()).ok().says(&["nothing was written"]);
        assert_eq!(ran.json()["sync"], "ap_invoices", "{ran}");
        assert_eq!(files(world.dir()), before, "{}", ran.command);
    }
}

/// Every file below a folder with its content. The index of SQLite's log is only scratch memory, and an empty log is none.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
            continue;
        }
        let (name, content) = (path.display().to_string(), std::fs::read(&path).unwrap());
        let scratch = name.ends_with("-shm") || (name.ends_with("-wal") && content.is_empty());
        if !scratch {
            found.insert(name, content);
        }
    }
    found
}

#[test]
fn what_a_wrong_tenant_file_rejected_is_replayed_once_it_is_mended() {
    let world = World::new();
    world.only(&["suppliers"]);
    let codes = "columns: {payables_flag: {from: ATP, type: text, values: {Y: yes";
    world.sync_setting("suppliers", &format!("{codes}}}}}}}"));
    world.table("F0101", |table| {
        for n in 0..3 {
            let key = table.nth(n * 2).unwrap().key_values();
            table.update(&key, &[("ATP", "M".into())]).unwrap();
        }
    });
    let run = world.cli(&["run", "--json"]).ok().sync("suppliers");
    let rejected = run["rejected"].as_u64().unwrap();
    assert!(rejected >= 3, "{run}");
    assert_eq!(run["agrees"], true, "rejects are accounted for: {run}");

    let tenant = world.tenant_text();
    std::fs::write(world.tenant_file(), tenant.replace("{Y: yes}", "{Y: yes, M: yes, N: no, \"\": no}")).unwrap();
    let dry = world.cli(&["replay", "--rejects", "--dry-run", "--json"]).ok().json();
    assert_eq!(dry["would_be_written"], rejected, "{dry}");
    let replay = world.cli(&["replay", "--rejects", "--json"]).ok().sync("suppliers");
    assert_eq!((&replay["inserted"], &replay["open_rejects"]), (&json!(rejected), &json!(0)), "{replay}");
    world.cli(&["replay", "--rejects"]).exits(4).says(&["there is nothing to replay"]);
}

#[test]
fn a_replayed_record_never_overwrites_what_was_read_later() {
    let world = World::new();
    world.only(&["suppliers"]);
    let first = world.cli(&["run", "--json"]).ok().sync("suppliers");
    let key = world.key("F0101", 2);
    world.touch("F0101", &key, &[("ALPH", "The newer name".into())]);
    world.cli(&["run"]).ok();
    let replay = world.cli(&["replay", "--run", first["run"].as_str().unwrap(), "--json"]).ok().sync("suppliers");
    assert_eq!((&replay["updated"], &replay["superseded"]), (&json!(0), &json!(1)), "{replay}");
    assert_eq!(world.loaded("suppliers")[&record_key(&key)]["name"], "The newer name");
}

#[test]
fn a_backfill_reads_a_period_window_by_window() {
    let world = World::new();
    world.only(&["ap_invoices"]);
    world.cli(&["run"]).ok();
    // Somebody changed rows in the database without the stamp of a change: only reading again finds them.
    let days: Vec<_> = (0..30).map(|n| world.table("F0411", |t| t.nth(n * 5).unwrap().date("UPMJ").unwrap())).collect();
    for n in 0..30 {
        world.table("F0411", |table| {
            let key = table.nth(n * 5).unwrap().key_values();
            table.update(&key, &[("RMK", "corrected in the database".into())]).unwrap();
        });
    }
    let run = world.cli(&["run", "--json"]).ok().sync("ap_invoices");
    assert!(run["updated"].as_u64().unwrap() < 30, "most are out of reach of the daily look back: {run}");
    let from = days.iter().min().unwrap().to_string();
    let to = days.iter().max().unwrap().to_string();
    let backfill = ["backfill", "ap_invoices", "--from", &from, "--to", &to, "--window", "26w", "--json"];
    let report = world.cli(&backfill).ok().json();
    let windows = report["windows"].as_array().unwrap();
    assert!(windows.len() >= 2, "{report}");
    assert_eq!(windows[0]["from"], from);
    assert_eq!(windows.last().unwrap()["to"], to);
    world.agrees_except("ap_invoices", &[]);
    let again = world.cli(&backfill).ok().json();
    assert!(again["windows"].as_array().unwrap().iter().all(|window| window["updated"] == 0), "{again}");
}

#[test]
fn a_full_run_marks_deleted_what_is_gone_and_brings_back_what_returns() {
    let world = World::new();
    world.only(&["suppliers", "ap_invoices"]);
    world.cli(&["run"]).ok();
    let gone: Vec<_> = (0..3).map(|n| world.key("F0411", n * 7)).collect();
    let rows = delete(&world, &gone);
    let run = world.cli(&["run", "ap_invoices", "--json"]).exits(1).sync("ap_invoices");
    assert_eq!(
        (&run["deleted"], &run["agrees"]),
        (&json!(0), &json!(false)),
        "a change is seen by its stamp, a delete is not: {run}"
    );
    let run = world.cli(&["run", "ap_invoices", "--full", "--json"]).ok().sync("ap_invoices");
    assert_eq!((&run["deleted"], &run["agrees"]), (&json!(3), &json!(true)), "{run}");
    world.agrees_except("ap_invoices", &[]);
    let kept = &world.warehouse.rows("ap_invoices")[&record_key(&gone[0])];
    assert_eq!((kept["_is_deleted"].as_str(), kept["_op"].as_str()), ("1", "D"), "it is marked, not removed");
    let history = world.cli(&["audit", "ap_invoices", &record_key(&gone[0]), "--json"]).ok().json();
    assert_eq!(history["history"].as_array().unwrap().last().unwrap()["outcome"], "deleted");

    world.table("F0411", |table| *table = rows);
    let run = world.cli(&["run", "ap_invoices", "--full", "--json"]).ok().sync("ap_invoices");
    assert_eq!((&run["updated"], &run["agrees"]), (&json!(3), &json!(true)), "{run}");
    world.agrees_except("ap_invoices", &[]);
}

#[test]
fn many_deletes_at_once_are_held_for_a_person() {
    let world = World::new();
    world.only(&["ap_invoices"]);
    world.cli(&["run"]).ok();
    let gone: Vec<_> = (0..51).map(|n| world.key("F0411", n)).collect();
    delete(&world, &gone);
    let run = world.cli(&["run", "--full", "--json"]).exits(1);
    run.sync("ap_invoices")["deleted"].as_u64().filter(|deleted| *deleted == 0).unwrap();
    run.says(&["51 records are no longer at the source", "--full --accept-deletes"]);
    let run = world.cli(&["run", "--full", "--accept-deletes", "--json"]).ok().sync("ap_invoices");
    assert_eq!((&run["deleted"], &run["agrees"]), (&json!(51), &json!(true)), "{run}");
    world.agrees_except("ap_invoices", &[]);
}

#[test]
fn a_short_or_failed_read_deletes_nothing() {
    let world = World::new();
    world.only(&["ap_invoices"]);
    world.cli(&["run"]).ok();
    let before = world.warehouse.rows("ap_invoices").len();

    // Rows that pages leave out while the count has them.
    world.jde.fault(Calls::to("POST").about("BROWSE").every(), Fault::hide_rows(|row| row.text("SFX") == "002"));
    let run = world.cli(&["run", "--full", "--json"]).ok().says(&["nothing was marked deleted: the source counts"]);
    assert_eq!(run.sync("ap_invoices")["deleted"], 0);
    assert!(run.sync("ap_invoices")["read"].as_u64().unwrap() < before as u64, "{run}");
    world.jde.clear_faults();

    world.env("ML_CONNECTOR_ATTEMPTS", "1");
    world.jde.fault(Calls::to("POST").about("BROWSE").nth(2), Fault::TruncatedBody);
    let run = world.cli(&["run", "--full", "--json"]).exits(1);
    assert_eq!((&run.sync("ap_invoices")["deleted"], &run.sync("ap_invoices")["state"]), (&json!(0), &json!("failed")));
    world.jde.clear_faults();
    assert_eq!(live(&world), before);

    let run = world.cli(&["run", "--full", "--json"]).ok().sync("ap_invoices");
    assert_eq!((&run["deleted"], &run["agrees"]), (&json!(0), &Json::Bool(true)), "{run}");
}

#[test]
fn a_source_that_shows_nothing_at_all_deletes_nothing() {
    let world = World::new();
    world.only(&["suppliers"]);
    world.cli(&["run"]).ok();
    world.jde.fault(Calls::to("dataservice").every(), Fault::hide_rows(|_| true));
    let run = world.cli(&["run", "--json"]).exits(1).sync("suppliers");
    assert_eq!((&run["read"], &run["agrees"]), (&json!(0), &json!(false)), "{run}");
    let run = world.cli(&["run", "--full", "--json"]).exits(1).says(&["30 records are no longer at the source"]);
    assert_eq!(run.sync("suppliers")["deleted"], 0, "{run}");
    world.jde.clear_faults();
    world.cli(&["run", "--full"]).ok();
    world.agrees_except("suppliers", &[]);
}

fn live(world: &World) -> usize {
    world.warehouse.records("ap_invoices").len()
}

/// Deletes rows of F0411 and returns the table as it was.
fn delete(world: &World, keys: &[Vec<String>]) -> sandbox::jde::Table {
    world.table("F0411", |table| {
        let before = table.clone();
        for key in keys {
            let key: Vec<_> = key.iter().map(|part| part.as_str().into()).collect();
            assert!(table.delete(&key).unwrap());
        }
        before
    })
}
