//! The seeded ledger, what happens to it at a month-end, and how fast it is served.

use std::collections::HashSet;

use chrono::{NaiveDate, TimeDelta};
use serde_json::json;

use super::super::changes::{Bad, Plan, deliver_header, mend, month_end};
use super::super::seed::{SeedOptions, ledger};
use super::super::{Settings, Tables, Value};
use super::{DATA, browse, noon, post, start};
use crate::clock::Clock;
use crate::random::Random;

fn today() -> NaiveDate {
    noon().date_naive()
}

fn small() -> Tables {
    ledger(&SeedOptions { invoices: 3000, purchase_orders: 600, suppliers: 300, ..SeedOptions::new(today()) }).unwrap()
}

fn texts(tables: &Tables, table: &str, alias: &str) -> HashSet<String> {
    tables.get(table).unwrap().rows().map(|row| row.text(alias)).collect()
}

#[test]
fn the_same_seed_gives_the_same_rows() {
    let dump = |tables: &Tables| {
        let mut text = String::new();
        for (name, table) in tables.iter() {
            for row in table.rows() {
                let cells: Vec<_> = table.schema().columns().iter().map(|column| row.text(&column.alias)).collect();
                text.push_str(&format!("{name} {}\n", cells.join("|")));
            }
        }
        text
    };
    let options = SeedOptions { invoices: 50, purchase_orders: 10, suppliers: 20, ..SeedOptions::new(today()) };
    let (first, again) = (dump(&ledger(&options).unwrap()), dump(&ledger(&options).unwrap()));
    assert!(first == again);
    assert!(first != dump(&ledger(&SeedOptions { seed: 2, ..options }).unwrap()));
}

#[test]
fn references_lead_somewhere() {
    let tables = small();
    for (table, alias, other, key) in [
        ("F0411", "AN8", "F0101", "AN8"),
        ("F0411", "PYE", "F0101", "AN8"),
        ("F0411", "MCU", "F0006", "MCU"),
        ("F0411", "CO", "F0010", "CO"),
        ("F0411", "PO", "F4301", "DOCO"),
        ("F0411", "GLBA", "F0901", "AID"),
        ("F0401", "AN8", "F0101", "AN8"),
        ("F0901", "MCU", "F0006", "MCU"),
        ("F4301", "AN8", "F0101", "AN8"),
        ("F4301", "ANBY", "F0101", "AN8"),
        ("F4311", "DOCO", "F4301", "DOCO"),
        ("F4311", "MCU", "F0006", "MCU"),
        ("F4311", "ITM", "F4101", "ITM"),
        ("F0911", "AID", "F0901", "AID"),
        ("F0911", "DOC", "F0411", "DOC"),
        ("F0414", "PYID", "F0413", "PYID"),
        ("F0414", "DOC", "F0411", "DOC"),
        ("F0902", "AID", "F0901", "AID"),
    ] {
        let mut named = texts(&tables, table, alias);
        named.remove("");
        named.remove("0");
        let missing: Vec<_> = named.difference(&texts(&tables, other, key)).take(3).cloned().collect();
        assert!(!named.is_empty() && missing.is_empty(), "{table}.{alias} names {missing:?}");
    }
    let lines: HashSet<_> =
        tables.get("F4311").unwrap().rows().map(|row| (row.text("DOCO"), row.text("LNID"))).collect();
    for row in tables.get("F0411").unwrap().rows().filter(|row| !row.text("PO").is_empty()) {
        assert!(lines.contains(&(row.text("PO"), row.text("LNID"))), "{:?}", row.key());
    }
}

#[test]
fn the_ledger_has_what_real_ledgers_have() {
    let tables = small();
    let ledger = tables.get("F0411").unwrap();
    assert_eq!(ledger.len(), 3000);
    let count = |test: &dyn Fn(&super::super::Row<'_>) -> bool| ledger.rows().filter(|row| test(row)).count();
    let day = |back: i64| today() - TimeDelta::days(back);
    for (what, least, most, found) in [
        ("credit memos", 60, 250, count(&|row| row.number("AG").units < 0)),
        ("voids", 15, 120, count(&|row| row.text("VOD") == "V")),
        ("foreign", 200, 500, count(&|row| row.text("CRRM") == "F" && row.number("CRR").units > 0)),
        ("yen", 5, 300, count(&|row| row.text("CRCD") == "JPY")),
        ("yen with cents", 0, 0, count(&|row| row.text("CRCD") == "JPY" && row.number("ACR").units % 100 != 0)),
        ("of the nineties", 1, 60, count(&|row| row.date("DIVJ") < NaiveDate::from_ymd_opt(2002, 1, 1))),
        ("touched in the last ten days", 1, 60, count(&|row| row.date("UPMJ") > Some(day(10)))),
        ("touched later than today", 0, 0, count(&|row| row.date("UPMJ") > Some(today()))),
        ("touched more than three years ago", 0, 0, count(&|row| row.date("UPMJ") < Some(day(1100)))),
        ("paid", 1800, 2600, count(&|row| row.text("PST") == "P")),
        ("paid and open", 0, 0, count(&|row| row.text("PST") == "P" && row.number("AAP").units != 0)),
        ("held", 30, 300, count(&|row| row.text("PST") == "H")),
        ("without an invoice number", 10, 300, count(&|row| row.text("VINV").is_empty())),
        ("second pay items", 300, 900, count(&|row| row.text("SFX") == "002")),
        ("with an order", 1000, 2000, count(&|row| !row.text("PO").is_empty())),
        ("unposted", 10, 400, count(&|row| row.text("POST") != "P")),
        ("too long", 0, 0, count(&|row| row.text("VINV").chars().count() > 25 || row.text("RMK").chars().count() > 30)),
    ] {
        assert!((least..=most).contains(&found), "{what}: {found}");
    }
    let names = texts(&tables, "F0101", "ALPH");
    for sign in ["'", "é", "北", "П", "Ε", "ش", "ü"] {
        assert!(names.iter().any(|name| name.contains(sign)), "no name has {sign}");
    }
    assert!(names.iter().all(|name| !name.is_empty() && name.chars().count() <= 40));
    assert_eq!(texts(&tables, "F0101", "AT1"), ["V", "E", "C"].map(str::to_owned).into());
    assert_eq!(tables.get("F0006").unwrap().len(), 60);
    assert!((800..1000).contains(&tables.get("F0901").unwrap().len()));
    let mut by_supplier = std::collections::HashMap::<String, usize>::new();
    for row in ledger.rows() {
        *by_supplier.entry(row.text("AN8")).or_default() += 1;
    }
    let mut counts: Vec<_> = by_supplier.into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    assert!(counts.iter().take(30).sum::<usize>() > 900, "a tenth of the suppliers sends over a third of the invoices");
    for table in ["F4301", "F4311", "F0911", "F0413", "F0414", "F0401", "F4101"] {
        assert!(tables.get(table).unwrap().len() > 100, "{table}");
    }
}

#[test]
fn a_month_end_does_what_it_reports() {
    let mut tables = small();
    let clock = Clock::fixed(noon());
    let zone = chrono_tz::America::New_York;
    let plan = Plan { new: 20, paid: 12, voided: 3, late: true, early_line: true, bad: Some(Bad::Amount) };
    let report = month_end(&mut tables, &clock, zone, &mut Random::new(9), &plan).unwrap();
    assert_eq!((report.new.len(), report.paid.len(), report.voided.len()), (20, 12, 3));
    let row = |tables: &Tables, table: &str, key: &[String], alias: &str| {
        let key: Vec<_> = key.iter().map(|part| Value::from(part.as_str())).collect();
        tables.get(table).unwrap().get(&key).unwrap().unwrap().text(alias)
    };
    for key in report.new.iter().chain(&report.paid).chain(&report.voided) {
        assert_eq!(
            (row(&tables, "F0411", key, "UPMJ"), row(&tables, "F0411", key, "UPMT")),
            ("20261120".into(), "70000".into())
        );
    }
    for key in &report.paid {
        assert_eq!((row(&tables, "F0411", key, "PST"), row(&tables, "F0411", key, "AAP")), ("P".into(), "0".into()));
    }
    for key in &report.voided {
        assert_eq!((row(&tables, "F0411", key, "VOD"), row(&tables, "F0411", key, "AG")), ("V".into(), "0".into()));
    }
    let late = report.late.clone().unwrap();
    assert_eq!(
        (row(&tables, "F0411", &late, "UPMJ"), row(&tables, "F0411", &late, "UPMT")),
        ("20261119".into(), "130000".into())
    );
    let bad = report.bad.clone().unwrap();
    assert_eq!(row(&tables, "F0411", &bad, "AG"), "12345678901234567.89");
    clock.advance(TimeDelta::minutes(5));
    assert!(mend(&mut tables, &clock, zone, &bad).unwrap());
    assert_eq!(
        (row(&tables, "F0411", &bad, "AG"), row(&tables, "F0411", &bad, "UPMT")),
        ("1234.56".into(), "70500".into())
    );
    let line = report.early_line.unwrap();
    let header: Vec<_> = line.iter().take(4).map(|part| Value::from(part.as_str())).collect();
    assert!(tables.get("F4301").unwrap().get(&header).unwrap().is_none());
    deliver_header(&mut tables, &clock, zone, &line).unwrap();
    assert_eq!(tables.get("F4301").unwrap().get(&header).unwrap().unwrap().text("TDAY"), "70500");
    let plan = Plan { new: 0, paid: 0, voided: 0, late: false, early_line: false, bad: Some(Bad::Date) };
    let report = month_end(&mut tables, &clock, zone, &mut Random::new(9), &plan).unwrap();
    assert_eq!(row(&tables, "F0411", &report.bad.unwrap(), "DGJ"), "20261345");
}

#[test]
fn seeded_rows_are_served() {
    let sandbox = start(Settings::default(), small());
    let count = |table: &str| {
        let request = browse(json!({"targetName": table, "dataServiceType": "COUNT"}));
        post(&sandbox, DATA, &request).json()[format!("ds_{table}")]["count"].as_u64().unwrap()
    };
    for table in [
        "F0006", "F0010", "F0101", "F0401", "F0411", "F0413", "F0414", "F0901", "F0902", "F0911", "F4101", "F4301",
        "F4311",
    ] {
        assert!(count(table) > 0, "{table}");
    }
    let answer = post(&sandbox, DATA, &browse(json!({"maxPageSize": "2000"})));
    assert_eq!(answer.rows().len(), 2000);
}
