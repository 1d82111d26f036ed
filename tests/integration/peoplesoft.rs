//! From a simulated PeopleSoft to a warehouse: everything, then what changed, and what is gone.

mod answers;
mod broken;
mod catalog;
mod looker;
mod payroll;

use std::collections::BTreeMap;

use chrono::TimeDelta;
use sandbox::peoplesoft::{Fault, Settings};
use serde_json::{Value as Json, json};

use crate::postgres::postgres;
use crate::world::peoplesoft::{Site, pages, streams};
use crate::world::record_key;

fn told(row: &Json, what: &str) -> u64 {
    row[what].as_u64().unwrap()
}

#[test]
fn a_month_of_vouchers_goes_from_the_first_load_to_the_last_mended_record() {
    a_month(&Site::new());
}

#[test]
fn a_month_of_vouchers_goes_the_same_way_into_postgres() {
    let Some(warehouse) = postgres("a month of PeopleSoft into PostgreSQL") else { return };
    a_month(&Site::into_warehouse(warehouse));
}

pub fn a_month(site: &Site) {
    // Pages smaller than most records, so that there is something to page through.
    site.setting("page_size", "25");
    site.cli(&["check"]).ok().says(&["columns can be read"]);
    let first = site.cli(&["run", "--json"]).ok();
    site.agrees();
    for stream in streams() {
        let row = first.sync(&stream.name);
        let records = site.expected(&stream.name).len();
        assert_eq!((&row["read"], &row["inserted"]), (&json!(records), &json!(records)), "{row}");
        assert_eq!((&row["agrees"], &row["state"]), (&json!(true), &json!("complete")), "{row}");
    }
    assert_eq!(site.erp.most_at_once(), 1, "one call at a time: each is SQL on the live database");

    let loaded: Vec<_> = site.loaded("vouchers").into_keys().map(|key| split(&key)).collect();
    let bad = site.clerk(|clerk| {
        let entered = clerk.enter(5).unwrap();
        clerk.enter_late(TimeDelta::hours(3)).unwrap();
        assert!(clerk.change(&loaded[2], &[("APPR_STATUS", "D"), ("DUE_DT", "2027-01-15")]).unwrap());
        assert!(clerk.void(&loaded[3]).unwrap() && clerk.void(&entered[0]).unwrap());
        clerk.enter_bad("see contract").unwrap()
    });
    let bad_lines: Vec<_> = site.record("VOUCHER_LINE", |lines| {
        let lines = lines.rows().map(|row| row.key()).filter(|key| key.starts_with(&bad));
        lines.map(|key| record_key(&key)).collect()
    });
    // Nothing tells that these are gone, or changed, but reading them all.
    let supplier = site.key("VENDOR", 7);
    let payment = site.key("PAYMENT_TBL", 4);
    let changed = site.key("PAYMENT_TBL", 5);
    delete(site, "VENDOR", &supplier);
    delete(site, "PAYMENT_TBL", &payment);
    update(site, "PAYMENT_TBL", &changed, &[("PYMNT_STATUS", "V")]);
    site.erp.clear_calls();
    let second = site.cli(&["run", "--json"]).ok();
    let vouchers = second.sync("vouchers");
    assert_eq!(told(&vouchers, "inserted"), 6, "five new ones and a late one: {vouchers}");
    assert_eq!(told(&vouchers, "updated"), 2, "one changed and one void: {vouchers}");
    assert_eq!(told(&vouchers, "rejected"), 1, "{vouchers}");
    assert!(told(&vouchers, "read") < 40, "only what changed lately is read: {vouchers}");
    assert_eq!(told(&second.sync("voucher_lines"), "waiting"), bad_lines.len() as u64, "{second}");
    let (suppliers, payments) = (second.sync("suppliers"), second.sync("payments"));
    assert_eq!((told(&suppliers, "deleted"), told(&suppliers, "updated")), (1, 0), "{suppliers}");
    assert_eq!((told(&payments, "deleted"), told(&payments, "updated")), (1, 1), "{payments}");
    site.agrees_except("vouchers", &[record_key(&bad)]);
    site.agrees_except("voucher_lines", &bad_lines);
    for stream in streams().iter().filter(|stream| !stream.name.starts_with("voucher")) {
        site.agrees_except(&stream.name, &[]);
    }
    site.cli(&["rejects"]).ok().says(&["gross_amount", "see contract"]);
    // The last key of a page is asked for as a prompt, and the last page is empty.
    let pages = site.count_calls("ML_VENDOR");
    let whole = site.expected("suppliers").len().div_ceil(25);
    assert_eq!(pages, whole + 1 + 1, "the pages, the empty one, and that of the SetID without suppliers");

    site.clerk(|clerk| assert!(clerk.change(&bad, &[("GROSS_AMT", "1250.50")]).unwrap()));
    let third = site.cli(&["run", "--json"]).ok();
    assert_eq!(told(&third.sync("vouchers"), "open_rejects"), 0, "{third}");
    assert_eq!(told(&third.sync("voucher_lines"), "open_waiting"), 0, "the voucher woke its lines: {third}");
    site.agrees();

    let fourth = site.cli(&["run", "--json"]).ok();
    for stream in streams() {
        let row = fourth.sync(&stream.name);
        let written = ["inserted", "updated", "deleted", "rejected"].map(|what| told(&row, what));
        assert_eq!(written, [0; 4], "nothing happened meanwhile: {row}");
        assert_eq!(told(&row, "read"), told(&row, "unchanged"), "{row}");
    }
    reconcile_names_what_was_planted(site, &loaded[8], &loaded[9]);
}

/// Both sides are equal; then a row is changed in the warehouse and one deleted at the source, and both are named.
fn reconcile_names_what_was_planted(site: &Site, changed: &[String], gone: &[String]) {
    let equal = site.cli(&["reconcile", "--json"]).ok().json();
    for row in equal["syncs"].as_array().unwrap() {
        assert_eq!((&row["ok"], &row["differences"]), (&json!(true), &json!([])), "{row}");
    }
    let table = site.warehouse.table("vouchers");
    let (changed, gone_key) = (record_key(changed), record_key(gone));
    let by_hand = format!("UPDATE {table} SET gross_amount = 1 WHERE _source_id = '{changed}'");
    site.warehouse.execute(&by_hand);
    delete(site, "VOUCHER", gone);
    let ran = site.cli(&["reconcile", "vouchers", "--json"]).exits(1);
    let row = ran.sync("vouchers");
    let causes = row["differences"].as_array().unwrap().iter();
    let causes: BTreeMap<_, _> = causes.map(|d| (d["key"].as_str().unwrap(), d["cause"].as_str().unwrap())).collect();
    assert_eq!(causes, BTreeMap::from([(changed.as_str(), "changed"), (gone_key.as_str(), "deleted")]), "{ran}");
    site.cli(&["reconcile", "vouchers", "--repair"]).ok().says(&["repaired"]);
    site.agrees_except("vouchers", &[]);
}

#[test]
fn a_sweep_never_deletes_on_a_short_or_a_failed_read() {
    let site = Site::seeded(Settings::default(), 200);
    site.only(&["suppliers", "payments"]);
    site.setting("page_size", "6");
    site.cli(&["run"]).ok();
    let suppliers = site.loaded("suppliers").len();
    // The query shows nothing at all, as when rights were taken away: nobody believes that.
    site.erp.fault(pages("ML_VENDOR").every(), Fault::NoRows);
    site.cli(&["run", "suppliers"]);
    assert_eq!(site.loaded("suppliers").len(), suppliers, "nothing is marked deleted");
    site.erp.clear_faults();
    // A page in the middle shows none, and so looks like the end.
    site.erp.fault(pages("ML_VENDOR").nth(4), Fault::NoRows);
    site.cli(&["run", "suppliers"]).says(&["nothing was marked deleted: the source counts"]);
    assert_eq!((site.loaded("suppliers").len(), site.erp.faults_waiting()), (suppliers, 0));
    // A read that fails in its middle says nothing about what follows.
    site.erp.fault(pages("ML_VENDOR").after(2).first(1), Fault::ColumnGone("NAME1".into()));
    site.cli(&["run", "suppliers"]).exits(1).says(&["NAME1", "ML_VENDOR"]);
    assert_eq!(site.loaded("suppliers").len(), suppliers, "nothing is marked deleted");
    // Row-level security hides more than may go at once.
    site.erp.change_operator("CXUSER", |operator| {
        *operator = operator.clone().sees_only("PAYMENT_TBL", "PYMNT_METHOD", &["ACH"]);
    });
    let payments = site.loaded("payments").len();
    let run = site.cli(&["run", "payments", "--json"]);
    assert_eq!(run.sync("payments")["deleted"], json!(0), "{run}");
    let run = run.says(&["--accept-deletes"]);
    assert_eq!(site.loaded("payments").len(), payments, "{run}");
    site.erp.change_operator("CXUSER", |operator| operator.rows.clear());
    site.cli(&["run"]).ok();
    site.agrees_except("suppliers", &[]);
    site.agrees_except("payments", &[]);
}

#[test]
fn vouchers_that_move_between_pages_while_they_are_read_are_all_there_afterwards() {
    let site = Site::with(Settings::default());
    site.only(&["vouchers"]);
    site.setting("page_size", "20");
    let now = site.erp.clock().now();
    let keys: Vec<_> = (0..100).map(|n| site.key("VOUCHER", n)).collect();
    // One that is still to be read moves before the page, and one that was read moves behind it.
    let moves = [(keys[95].clone(), "00000000"), (keys[3].clone(), "99999999")];
    site.erp.fault(
        pages("ML_VOUCHER").nth(3),
        Fault::before(move |records| {
            let mut random = sandbox::random::Random::new(3);
            let zone = chrono_tz::Tz::America__Chicago;
            let mut clerk = sandbox::peoplesoft::changes::Clerk::new(records, now, zone, &mut random);
            for (key, number) in &moves {
                assert!(clerk.renumber(key, number).unwrap().is_some());
            }
        }),
    );
    // This read cannot have seen both as they are now. It may say so; it may not say that it agrees when it does not.
    let run = site.cli(&["run", "--json"]);
    let complete = site.loaded("vouchers") == site.expected("vouchers");
    assert_eq!(run.sync("vouchers")["agrees"], json!(complete), "{run}");
    assert_eq!(site.erp.faults_waiting(), 0);
    // The next run finds what moved by its stamp; what is gone under its old number takes a full one.
    let run = site.cli(&["run", "--json"]);
    let missing: Vec<_> =
        site.expected("vouchers").into_keys().filter(|key| !site.loaded("vouchers").contains_key(key)).collect();
    assert_eq!(missing, Vec::<String>::new(), "{run}");
    site.cli(&["run", "--full"]).ok();
    site.agrees_except("vouchers", &[]);
}

fn split(key: &str) -> Vec<String> {
    key.split('|').map(str::to_owned).collect()
}

fn parts(key: &[String]) -> Vec<&str> {
    key.iter().map(String::as_str).collect()
}

fn delete(site: &Site, record: &str, key: &[String]) {
    assert!(site.record(record, |record| record.delete(&parts(key))).unwrap(), "{key:?}");
}

fn update(site: &Site, record: &str, key: &[String], values: &[(&str, &str)]) {
    assert!(site.record(record, |record| record.update(&parts(key), values)).unwrap(), "{key:?}");
}
