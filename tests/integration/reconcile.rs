//! Reconcile: every difference between source and destination is named with its cause, nothing else is, and what can be
//! mended is mended by the ordinary way.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use sandbox::jde::changes::{Bad, Key, Plan};
use sandbox::jde::{Calls, Fault};
use serde_json::{Value as Json, json};

use crate::postgres::postgres;
use crate::world::{Ran, World, record_key};

/// Runs SQL behind the program's back; `{t}` is the table of the invoices.
fn by_hand(world: &World, sql: &str) {
    world.warehouse.execute(&sql.replace("{t}", &world.warehouse.table("ap_invoices")));
}

/// Changes columns of one invoice in the warehouse.
fn change(world: &World, key: &Key, assignment: &str) {
    by_hand(world, &format!("UPDATE {{t}} SET {assignment} WHERE _source_id = '{}'", record_key(key)));
}

/// Copies an invoice at the source to another number, stamp and all.
fn copy(world: &World, key: &Key, number: i64) -> Key {
    world.table("F0411", |table| {
        let values: Vec<_> = key.iter().map(|part| part.as_str().into()).collect();
        let row = table.get(&values).unwrap().unwrap();
        let number = row.text("DOC").parse::<i64>().unwrap() + number;
        let cells: Vec<(String, sandbox::jde::Value)> = (table.schema().columns().iter())
            .map(|column| (column.alias.clone(), row.text(&column.alias).into()))
            .map(|(alias, value)| if alias == "DOC" { (alias, number.into()) } else { (alias, value) })
            .collect();
        let cells: Vec<_> = cells.iter().map(|(alias, value)| (alias.as_str(), value.clone())).collect();
        table.insert(&cells).unwrap();
        let mut copied = key.clone();
        copied[0] = number.to_string();
        copied
    })
}

fn delete(world: &World, key: &Key) {
    let values: Vec<_> = key.iter().map(|part| part.as_str().into()).collect();
    assert!(world.table("F0411", |table| table.delete(&values)).unwrap());
}

/// Changes an invoice in the database of the ERP, where nothing stamps it.
fn unstamped(world: &World, key: &Key, cells: &[(&str, sandbox::jde::Value)]) {
    let values: Vec<_> = key.iter().map(|part| part.as_str().into()).collect();
    assert!(world.table("F0411", |table| table.update(&values, cells)).unwrap());
}

/// The differences of a sync: key to cause.
fn causes(row: &Json) -> BTreeMap<String, String> {
    let differences = row["differences"].as_array().unwrap();
    let pairs = differences.iter().map(|d| (d["key"].as_str().unwrap(), d["cause"].as_str().unwrap()));
    let causes: BTreeMap<_, _> = pairs.map(|(key, cause)| (key.to_owned(), cause.to_owned())).collect();
    assert_eq!(causes.len(), differences.len(), "each record is named once");
    causes
}

fn difference<'j>(row: &'j Json, key: &str) -> &'j Json {
    row["differences"].as_array().unwrap().iter().find(|d| d["key"] == key).unwrap()
}

/// Every total that differs is accounted for by the differences by key, to the cent.
#[track_caller]
fn is_explained(ran: &Ran, row: &Json) {
    for total in row["total_differences"].as_array().unwrap() {
        assert_eq!(total["explained"], true, "{total}\n{ran}");
    }
}

#[test]
fn every_difference_is_named_with_its_cause_and_mended_where_that_is_possible() {
    every_difference(&World::new());
}

#[test]
fn every_difference_is_named_with_its_cause_and_mended_in_postgres_too() {
    let Some(warehouse) = postgres("reconcile with PostgreSQL") else { return };
    every_difference(&World::into_warehouse(warehouse));
}

fn every_difference(world: &World) {
    world.cli(&["run"]).ok();
    let month =
        world.month_end(&Plan { new: 3, paid: 2, voided: 1, late: false, early_line: true, bad: Some(Bad::Date) });
    // Invoices that nobody has touched for long, one for each thing that can go wrong.
    let long_ago = world.jde.clock().now().date_naive() - TimeDelta::days(20);
    let mut old: Vec<Key> = world.table("F0411", |table| {
        let old = table.rows().filter(|row| row.date("UPMJ").is_some_and(|day| day < long_ago));
        old.map(|row| row.key()).collect()
    });
    old.retain(|key| Some(key) != month.bad.as_ref());
    let mut next = || old.pop().unwrap();

    // Rejects: one stays, one is corrected, one is deleted, and one is deleted that was never loaded.
    let [stays, corrected, deleted] = [next(), next(), next()];
    let never_loaded = copy(world, &next(), 600_000);
    for key in [&stays, &corrected, &deleted, &never_loaded] {
        world.touch("F0411", key, &[("DGJ", "20269999".into())]);
    }
    let run = world.cli(&["run", "--json"]).ok();
    assert_eq!(run.sync("ap_invoices")["open_rejects"], 5, "{run}");
    world.cli(&["reconcile"]).ok().says(&["purchase_order_lines"]);

    let mut expected: BTreeMap<String, &str> = BTreeMap::new();
    let mut plant = |key: &Key, cause: &'static str| assert_eq!(expected.insert(record_key(key), cause), None);
    world.touch("F0411", &corrected, &[("DGJ", "20260105".into())]);
    plant(&corrected, "late");
    delete(world, &deleted);
    plant(&deleted, "deleted");
    delete(world, &never_loaded);
    plant(&never_loaded, "deleted");
    for _ in 0..3 {
        let key = next();
        world.touch("F0411", &key, &[("RMK", "changed since".into())]);
        plant(&key, "late");
    }
    let new = copy(world, &next(), 700_000);
    world.touch("F0411", &new, &[]);
    plant(&new, "late");
    for _ in 0..3 {
        let key = next();
        delete(world, &key);
        plant(&key, "deleted");
    }
    for _ in 0..2 {
        let key = next();
        change(world, &key, "_is_deleted = true, _op = 'D'");
        plant(&key, "deleted");
    }
    let changed_amount = next();
    for (key, assignment) in [
        (changed_amount.clone(), "gross_amount = '987654.32'"),
        (next(), "open_amount = open_amount + 0.5"),
        (next(), "gross_amount = NULL"),
        (next(), "remark = 'nobody at the source wrote this'"),
        (next(), "remark = NULL"),
        (next(), "gl_date = '2019-01-31'"),
        (next(), "is_voided = NOT is_voided"),
        (next(), "supplier_number = 1"),
        (next(), "source_updated_at = '2020-02-02T02:02:02.000002Z'"),
    ] {
        change(world, &key, assignment);
        plant(&key, "changed");
    }
    let both = next();
    change(world, &both, "remark = 'theirs'");
    world.touch("F0411", &both, &[("RMK", "ours".into())]);
    plant(&both, "changed");
    for _ in 0..2 {
        let key = next();
        by_hand(world, &format!("DELETE FROM {{t}} WHERE _source_id = '{}'", record_key(&key)));
        plant(&key, "changed");
    }
    let unmarked = "99999999|PV|00001|001|0".to_owned();
    by_hand(
        world,
        "INSERT INTO {t} (document_number, document_type, document_company, pay_item, pay_item_extension, gross_amount) \
         VALUES (99999999, 'PV', '00001', '001', 0, '12.34')",
    );
    let mut moved = next();
    plant(&moved, "changed");
    change(world, &moved, "document_number = document_number + 5000000");
    moved[0] = (moved[0].parse::<i64>().unwrap() + 5_000_000).to_string();
    plant(&moved, "changed");
    for _ in 0..2 {
        let key = next();
        unstamped(world, &key, &[("AG", "123.45".into())]);
        plant(&key, "unknown");
    }
    let spoiled = next();
    unstamped(world, &spoiled, &[("DGJ", "20269999".into())]);
    plant(&spoiled, "unknown");
    let never_read = copy(world, &next(), 800_000);
    plant(&never_read, "unknown");
    expected.insert(unmarked.clone(), "changed");
    assert!(expected.len() >= 30);

    let ran = world.cli(&["reconcile", "ap_invoices", "--json"]).exits(1);
    let row = ran.sync("ap_invoices");
    let found = causes(&row);
    let expected: BTreeMap<String, String> = expected.into_iter().map(|(k, c)| (k, c.to_owned())).collect();
    assert_eq!(found, expected, "{ran}");
    assert_eq!((&row["agrees"], &row["rejected"]), (&json!(false), &json!(5)), "{ran}");
    assert!(row["total_differences"].as_array().unwrap().len() > 5, "{ran}");
    is_explained(&ran, &row);
    let field = &difference(&row, &record_key(&changed_amount))["fields"];
    assert_eq!((&field[0]["column"], &field[0]["destination"]), (&json!("gross_amount"), &json!("987654.32")), "{ran}");
    let text = world.cli(&["reconcile", "ap_invoices"]).exits(1).says(&[
        "somebody else changed it at the destination",
        "reconcile --repair",
        "changed at the source without a newer stamp",
    ]);
    assert!(!text.stdout.contains("not explained"), "{text}");
    let totals = world.cli(&["reconcile", "ap_invoices", "--totals-only", "--json"]).exits(1);
    let only = totals.sync("ap_invoices");
    assert_eq!((&only["compared"], &only["differences"]), (&Json::Null, &json!([])), "{totals}");
    assert!(only["total_differences"].as_array().unwrap().iter().any(|total| total["by"] == "month of gl_date"));
    let groups: Vec<_> = only["totals"].as_array().unwrap().iter().map(|t| t["by"].as_str().unwrap()).collect();
    assert_eq!(groups, ["all", "business_unit", "supplier_number", "currency", "month of gl_date"]);

    let left = BTreeMap::from([(record_key(&moved), "changed".to_owned()), (unmarked.clone(), "changed".to_owned())]);
    let ran = world.cli(&["reconcile", "ap_invoices", "--repair", "--json"]).exits(1);
    let row = ran.sync("ap_invoices");
    assert_eq!(causes(&row), expected, "{ran}");
    for difference in row["differences"].as_array().unwrap() {
        let is_left = left.contains_key(difference["key"].as_str().unwrap());
        assert_eq!(difference["repaired"], !is_left, "{difference}\n{ran}");
    }
    let again = world.cli(&["reconcile", "--json"]).exits(1);
    let row = again.sync("ap_invoices");
    assert_eq!(causes(&row), left, "{again}");
    is_explained(&again, &row);
    assert_eq!(row["rejected"], 3, "the bad one of the month, the one that stays, the spoiled one: {again}");
    for other in again.json()["syncs"].as_array().unwrap().iter().filter(|other| other["sync"] != "ap_invoices") {
        assert_eq!((&other["ok"], &other["differences"]), (&json!(true), &json!([])), "{again}");
    }
    assert_eq!(again.sync("purchase_order_lines")["waiting"], 1, "{again}");
    // A run afterwards finds nothing to do: the repair went the ordinary way.
    let run = world.cli(&["run", "ap_invoices", "--json"]).sync("ap_invoices");
    assert_eq!((&run["inserted"], &run["deleted"]), (&json!(0), &json!(0)), "{run}");

    by_hand(world, "DELETE FROM {t} WHERE document_number = 99999999 OR document_number > 5000000");
    world.cli(&["reconcile"]).ok();
    let held = [month.bad.as_ref().unwrap(), &stays, &spoiled].map(|key| key.clone());
    for key in &held {
        world.touch("F0411", key, &[("DGJ", "20260105".into()), ("DIVJ", "20260105".into())]);
    }
    world.cli(&["run"]).ok();
    world.agrees_except("ap_invoices", &[]);
}

#[test]
fn a_period_is_compared_alone() {
    let world = World::new();
    world.only(&["suppliers", "ap_invoices"]);
    world.cli(&["run"]).ok();
    let mut days: Vec<_> =
        world.table("F0411", |table| table.rows().map(|row| (row.date("UPMJ").unwrap(), row.key())).collect());
    days.sort();
    let (early, late) = (days[10].clone(), days[days.len() - 10].clone());
    assert!(early.0 + TimeDelta::days(3) < late.0);
    change(&world, &early.1, "remark = 'by hand'");
    change(&world, &late.1, "remark = 'by hand'");
    let added = "UPDATE {t} SET document_number = 5000001 WHERE _source_id = ";
    by_hand(&world, &format!("{added}'{}'", record_key(&days[11].1)));
    let (from, to) = (early.0.to_string(), days[11].0.to_string());
    let ran = world.cli(&["reconcile", "ap_invoices", "--from", &from, "--to", &to, "--json"]).exits(1);
    let mut moved = days[11].1.clone();
    moved[0] = "5000001".to_owned();
    let expected = [&early.1, &days[11].1, &moved].map(|key| (record_key(key), "changed".to_owned()));
    assert_eq!(causes(&ran.sync("ap_invoices")), BTreeMap::from(expected), "{ran}");
    let later = world.cli(&["reconcile", "ap_invoices", "--from", &late.0.to_string(), "--json"]).exits(1);
    assert_eq!(causes(&later.sync("ap_invoices")).len(), 1, "{later}");
    world.cli(&["reconcile", "ap_invoices", "--from", "2031-01-02", "--to", "2031-01-01"]).exits(2);
}

#[test]
fn many_records_that_are_gone_are_marked_only_when_a_person_says_so() {
    let world = World::new();
    world.only(&["ap_invoices"]);
    world.cli(&["run"]).ok();
    let gone: Vec<Key> = (0..51).map(|n| world.key("F0411", n)).collect();
    gone.iter().for_each(|key| delete(&world, key));
    let repair = ["reconcile", "--repair", "--json"];
    let ran = world.cli(&repair).exits(1).says(&["51 records are no longer at the source", "--accept-deletes"]);
    assert_eq!(difference(&ran.sync("ap_invoices"), &record_key(&gone[0]))["repaired"], false);
    assert_eq!(world.warehouse.records("ap_invoices").len(), world.len("F0411") + 51);
    world.cli(&["reconcile", "--repair", "--accept-deletes"]).ok().says(&["repaired"]);
    world.agrees_except("ap_invoices", &[]);
    let history = world.cli(&["audit", "ap_invoices", &record_key(&gone[0]), "--json"]).ok().json();
    assert_eq!(history["history"].as_array().unwrap().last().unwrap()["outcome"], "deleted");
    world.cli(&["reconcile"]).ok();
}

#[test]
fn what_the_first_look_did_not_see_is_looked_at_again() {
    let world = World::new();
    world.only(&["ap_invoices"]);
    world.cli(&["run"]).ok();
    world.jde.fault(Calls::to("POST").about("BROWSE").nth(1), Fault::hide_rows(|row| row.text("SFX") == "001"));
    let ran = world.cli(&["reconcile", "--json"]).ok();
    assert!(ran.sync("ap_invoices")["compared"].as_u64().unwrap() < world.len("F0411") as u64, "{ran}");
}

#[test]
fn records_of_an_older_mapping_are_named_so_and_json_is_compared_by_what_it_says() {
    older_mapping(&World::new());
    if let Some(warehouse) = postgres("reconcile of JSON with PostgreSQL") {
        older_mapping(&World::into_warehouse(warehouse));
    }
}

fn older_mapping(world: &World) {
    world.only(&["suppliers"]);
    world.table("F0101", |table| {
        let keys: Vec<_> = table.rows().map(|row| row.key_values()).collect();
        for key in keys {
            assert!(table.update(&key, &[("RMK", "{\"b\":[1], \"a\":2.50}".into())]).unwrap());
        }
    });
    world.cli(&["run"]).ok();
    world.cli(&["reconcile"]).ok();
    world.sync_setting("suppliers", "columns: {extra: {from: RMK, type: json}}");
    let ran = world.cli(&["reconcile", "--json"]).exits(1);
    let row = ran.sync("suppliers");
    assert_eq!(row["differences"].as_array().unwrap().len() as u64, row["source"], "{ran}");
    assert_eq!((&row["differences"][0]["cause"], &row["total_differences"]), (&json!("unknown"), &json!([])), "{ran}");
    ran.says(&["was loaded with an older version of the mapping"]);
    world.cli(&["reconcile", "--repair"]).ok();
    world.cli(&["reconcile"]).ok();

    let key = record_key(&world.key("F0101", 4));
    let table = world.warehouse.table("suppliers");
    let update = |value: &str| {
        world.warehouse.execute(&format!("UPDATE {table} SET extra = '{value}' WHERE _source_id = '{key}'"));
    };
    update(r#"{ "a" : 2.5, "b": [1] }"#);
    world.cli(&["reconcile"]).ok();
    update(r#"{"a": 2.5, "b": [2]}"#);
    let ran = world.cli(&["reconcile", "--json"]).exits(1);
    assert_eq!(causes(&ran.sync("suppliers")), BTreeMap::from([(key.clone(), "changed".to_owned())]), "{ran}");
    world.cli(&["reconcile", "--repair"]).ok().says(&["repaired"]);
}
