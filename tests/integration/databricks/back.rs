//! Attributes that the lakehouse masters go back to PeopleSoft: each change once, nothing as an echo.

use std::collections::BTreeMap;

use sandbox::random::Random;
use serde_json::json;

use crate::world::lakehouse::Lakehouse;
use crate::world::peoplesoft::Site;
use crate::world::{Ran, Warehouse};

const SYNC: &str = "supplier_attributes";

/// PeopleSoft and a lakehouse whose governed table knows its suppliers; both directions are on.
fn both_ways() -> Site {
    let site = Site::into_warehouse(Warehouse::Databricks(Lakehouse::new()));
    site.integration("peoplesoft-databricks");
    site.sync_setting(SYNC, "enabled: true");
    let there = lakehouse(&site);
    there.sql("CREATE SCHEMA IF NOT EXISTS main.mdm");
    there.sql(
        "CREATE TABLE main.mdm.suppliers (supplier_setid STRING NOT NULL, supplier_number STRING NOT NULL, name_2 STRING, \
         supplier_class STRING, corporate_setid STRING, corporate_supplier_number STRING, updated_at TIMESTAMP)",
    );
    for key in suppliers(&site) {
        let [setid, number] = key.as_slice() else { panic!("{key:?}") };
        let fields = peoplesoft(&site, &key);
        let value = |name: &str| match fields[name].as_str() {
            "" => "NULL".to_owned(),
            text => format!("'{text}'"),
        };
        there.sql(&format!(
            "INSERT INTO main.mdm.suppliers VALUES ('{setid}', '{number}', {}, {}, {}, {}, current_timestamp())",
            value("NAME2"),
            value("VENDOR_CLASS"),
            value("CORPORATE_SETID"),
            value("CORPORATE_VENDOR")
        ));
    }
    site
}

fn lakehouse(site: &Site) -> &Lakehouse {
    match &site.warehouse {
        Warehouse::Databricks(lakehouse) => lakehouse,
        _ => unreachable!("the world of these tests"),
    }
}

fn suppliers(site: &Site) -> Vec<Vec<String>> {
    site.record("VENDOR", |record| record.rows().map(|row| row.key()).collect())
}

/// The fields of a supplier in PeopleSoft.
fn peoplesoft(site: &Site, key: &[String]) -> BTreeMap<&'static str, String> {
    let key: Vec<&str> = key.iter().map(String::as_str).collect();
    let fields = ["NAME1", "NAME2", "VENDOR_CLASS", "CORPORATE_SETID", "CORPORATE_VENDOR"];
    site.record("VENDOR", |record| {
        let row = record.get(&key).unwrap().unwrap();
        fields.map(|field| (field, row.text(field))).into()
    })
}

/// A steward changes a supplier in the governed table.
fn governs(site: &Site, key: &[String], column: &str, value: &str) {
    lakehouse(site).sql(&format!(
        "UPDATE main.mdm.suppliers SET {column} = '{value}', updated_at = current_timestamp() WHERE supplier_setid = '{}' \
         AND supplier_number = '{}'",
        key[0], key[1]
    ));
}

fn writes(site: &Site) -> usize {
    site.erp.count_calls("/ML_VENDOR_UPDATE.v1")
}

fn back(site: &Site) -> Ran {
    site.cli(&["run", SYNC, "--json"]).ok()
}

#[test]
fn an_attribute_that_changes_in_the_lakehouse_is_there_in_peoplesoft_once_and_nothing_else_is_sent() {
    let site = both_ways();
    let first = back(&site);
    let all = suppliers(&site).len();
    assert_eq!(first.sync(SYNC)["read"], all, "{first}");
    assert_eq!((writes(&site), &first.sync(SYNC)["updated"]), (0, &json!(0)), "both sides say the same: {first}");

    let key = suppliers(&site).remove(3);
    governs(&site, &key, "name_2", "Second line");
    let row = back(&site).sync(SYNC);
    assert_eq!((&row["updated"], writes(&site)), (&json!(1), 1), "{row}");
    assert_eq!(peoplesoft(&site, &key)["NAME2"], "Second line");

    let row = back(&site).sync(SYNC);
    assert_eq!((&row["updated"], writes(&site)), (&json!(0), 1), "it is not sent again: {row}");
    // PeopleSoft's own change comes to the lakehouse and is not sent back.
    site.record("VENDOR", |record| {
        let key: Vec<&str> = key.iter().map(String::as_str).collect();
        record.update(&key, &[("NAME1", "Renamed")]).unwrap();
    });
    site.cli(&["run"]).ok();
    assert_eq!(writes(&site), 1);
    let loaded = site.loaded("suppliers");
    let loaded = &loaded[&key.join("|")];
    assert_eq!((loaded["name"].as_str(), loaded["name_2"].as_str()), ("Renamed", "Second line"));
    let told = site.cli(&["audit", SYNC, &key.join("|"), "--json"]).ok().json();
    assert_eq!(told["history"][0]["outcome"], "updated", "{told}");
}

#[test]
fn a_supplier_that_peoplesoft_does_not_have_is_refused_with_its_number() {
    let site = both_ways();
    lakehouse(&site).sql(
        "INSERT INTO main.mdm.suppliers VALUES ('SHARE', '9999999999', 'x', 'R', NULL, NULL, current_timestamp())",
    );
    assert_eq!(back(&site).sync(SYNC)["rejected"], 1);
    site.cli(&["rejects"]).ok().says(&["SHARE", "9999999999", "PeopleSoft"]);
}

#[test]
fn a_reply_that_is_lost_after_the_write_makes_no_second_one() {
    use sandbox::peoplesoft::{Calls, Fault};
    let site = both_ways();
    back(&site);
    let key = suppliers(&site).remove(5);
    governs(&site, &key, "supplier_class", "A");
    site.erp.fault(Calls::to("/ML_VENDOR_UPDATE.v1"), Fault::LostReply);
    let row = back(&site).sync(SYNC);
    assert_eq!((&row["updated"], writes(&site)), (&json!(1), 1), "it was found there: {row}");
    assert_eq!(peoplesoft(&site, &key)["VENDOR_CLASS"], "A");
}

/// Edits on both sides in any order, with runs of both directions in between.
#[test]
fn edits_on_both_sides_end_in_agreement_and_none_echoes() {
    let site = both_ways();
    let mut random = Random::new(11);
    let keys = suppliers(&site);
    let mut governed = 0;
    site.cli(&["run", "suppliers"]).ok();
    back(&site);
    for round in 0..12 {
        for _ in 0..3 {
            let key = &keys[random.below(keys.len())];
            match random.below(2) {
                0 => {
                    governs(&site, key, "name_2", &format!("line {round}-{}", random.below(1_000)));
                    governed += 1;
                }
                _ => site.record("VENDOR", |record| {
                    let key: Vec<&str> = key.iter().map(String::as_str).collect();
                    record.update(&key, &[("NAME1", &format!("name {round}-{}", random.below(1_000)))]).unwrap();
                }),
            }
        }
        match random.below(3) {
            0 => _ = back(&site),
            1 => _ = site.cli(&["run", "suppliers"]).ok(),
            _ => {}
        }
    }
    for _ in 0..2 {
        back(&site);
        site.cli(&["run", "suppliers"]).ok();
    }
    let sent = writes(&site);
    assert!(sent <= governed, "{sent} writes for {governed} changes");
    back(&site);
    assert_eq!(writes(&site), sent, "nothing happened meanwhile");
    for key in &keys {
        let (fields, loaded) = (peoplesoft(&site, key), site.loaded("suppliers"));
        let governed = lakehouse(&site).sql(&format!(
            "SELECT coalesce(name_2, '') FROM main.mdm.suppliers WHERE supplier_setid = '{}' AND supplier_number = '{}'",
            key[0], key[1]
        ));
        assert_eq!(fields["NAME2"], governed[0][0], "{key:?}");
        let row = &loaded[&key.join("|")];
        assert_eq!(
            (&row["name"], row.get("name_2").map_or("", String::as_str)),
            (&fields["NAME1"], fields["NAME2"].as_str())
        );
    }
}
