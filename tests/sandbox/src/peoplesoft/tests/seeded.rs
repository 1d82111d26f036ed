//! The seeded site, the changes made to it, and rows from outside.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::super::changes::Clerk;
use super::super::seed::{SeedOptions, site};
use super::super::{Cell, Decimal, From, Record, RecordError, Records, Settings};
use super::{by_key, noon, query, start};
use crate::random::Random;

fn small() -> Records {
    let today = noon().date_naive();
    site(&SeedOptions::sized(400, today)).unwrap()
}

fn column(record: &Record, fields: &[&str]) -> BTreeSet<Vec<String>> {
    record.rows().map(|row| fields.iter().map(|field| row.text(field)).collect()).collect()
}

#[test]
fn the_same_options_make_the_same_rows_and_every_record_has_some() {
    let (one, two) = (small(), small());
    for record in one.iter().filter(|record| record.schema().name() != "VCHR_ACCTG_LINE") {
        let rows = |record: &Record| record.rows().map(|row| format!("{row:?}")).collect::<Vec<_>>();
        assert!(!record.is_empty(), "{} is empty", record.schema().name());
        assert_eq!(rows(record), rows(two.get(record.schema().name()).unwrap()));
    }
    assert_eq!(one.get("VOUCHER").unwrap().len(), 400);
}

#[test]
fn whatever_a_row_names_exists() {
    let records = small();
    let of = |record: &str, fields: &[&str]| column(records.get(record).unwrap(), fields);
    let vendors = of("VENDOR", &["SETID", "VENDOR_ID"]);
    for record in ["VOUCHER", "PO_HDR", "REQ_LINE"] {
        assert!(of(record, &["VENDOR_SETID", "VENDOR_ID"]).is_subset(&vendors), "{record}");
    }
    assert!(of("VENDOR_ADDR", &["SETID", "VENDOR_ID"]).is_subset(&vendors));
    let accounts = of("GL_ACCOUNT_TBL", &["ACCOUNT"]);
    let departments = of("DEPT_TBL", &["DEPTID"]);
    for record in ["DISTRIB_LINE", "PO_LINE_DISTRIB", "REQ_LN_DISTRIB", "JRNL_LN"] {
        assert!(of(record, &["ACCOUNT"]).is_subset(&accounts) && of(record, &["DEPTID"]).is_subset(&departments));
    }
    let payment = ["BANK_SETID", "BANK_CD", "BANK_ACCT_KEY", "PYMNT_ID"];
    let mut paid = of("PYMNT_VCHR_XREF", &payment);
    paid.remove(&vec![String::new(); 4]);
    assert_eq!(paid, of("PAYMENT_TBL", &payment));
    let orders = of("PO_HDR", &["BUSINESS_UNIT", "PO_ID"]);
    let mut ordered = of("VOUCHER_LINE", &["BUSINESS_UNIT_PO", "PO_ID"]);
    ordered.remove(&vec![String::new(); 2]);
    assert!(ordered.is_subset(&orders) && !ordered.is_empty());
}

#[test]
fn distributions_add_up_and_journals_balance() {
    let records = small();
    let sums = |record: &str, key: [&str; 2], amount: &str| {
        let mut sums: BTreeMap<[String; 2], Decimal> = BTreeMap::new();
        for row in records.get(record).unwrap().rows() {
            let Some(Cell::Number(more)) = row.cell(amount) else { panic!("{row:?}") };
            let sum = sums.entry(key.map(|field| row.text(field))).or_insert(Decimal::new(0, 0));
            *sum = sum.plus(*more).unwrap();
        }
        sums
    };
    let key = ["BUSINESS_UNIT", "VOUCHER_ID"];
    assert_eq!(sums("VOUCHER", key, "GROSS_AMT"), sums("DISTRIB_LINE", key, "MONETARY_AMOUNT"));
    let journals = sums("JRNL_LN", ["BUSINESS_UNIT", "JOURNAL_ID"], "MONETARY_AMOUNT");
    assert!(journals.len() == 40 && journals.values().all(|sum| *sum == Decimal::new(0, 0)));
    let stamps: Vec<String> = records.get("VOUCHER").unwrap().rows().map(|row| row.text("LAST_UPDATE_DTTM")).collect();
    assert!(stamps.iter().all(|stamp| stamp.as_str() < "2026-11-20"), "nothing is stamped later than yesterday");
    assert!(stamps.iter().any(|stamp| !stamp.ends_with(".000000")), "some have fractions");
}

#[test]
fn a_clerk_enters_changes_voids_moves_and_deletes() {
    let sandbox = start(Settings { zone: chrono_tz::America::Chicago, ..Settings::default() }, small());
    sandbox.define_query(by_key()).unwrap();
    let keys = sandbox.with_records(|records| {
        let mut random = Random::new(7);
        let mut clerk = Clerk::new(records, noon(), chrono_tz::America::Chicago, &mut random);
        let new = clerk.enter(2).unwrap();
        let late = clerk.enter_late(TimeDelta::hours(18)).unwrap();
        let bad = clerk.enter_bad("1234567890123456789.12").unwrap();
        assert_eq!(clerk.void(&new[0]), Ok(true));
        let moved = clerk.renumber(&new[1], "99999999").unwrap().unwrap();
        let gone = clerk.enter(1).unwrap().remove(0);
        assert_eq!(clerk.delete(&gone), Ok(true));
        assert!(records.get("DISTRIB_LINE").unwrap().rows().all(|row| !row.key().starts_with(&gone)));
        assert!(records.get("DISTRIB_LINE").unwrap().rows().any(|row| row.key().starts_with(&moved)));
        [new[0].clone(), moved, late, bad].map(|key| key[1].clone())
    });
    // Noon of the clock is six in the morning there.
    let now = query(&sandbox, "CX_VOUCHERS", &[("SINCE", "2026-11-20-06.00.00"), ("AFTER_KEY", "")], 0);
    let [void, moved, late, bad] = keys.each_ref().map(|key| now.column("VOUCHER_ID").iter().position(|id| id == key));
    assert_eq!((late, now.rows().len()), (None, 3), "the late one has an old stamp");
    let amount = |at: Option<usize>| now.rows()[at.unwrap()]["GROSS_AMT"].clone();
    assert_eq!((amount(void), amount(bad)), (0.into(), "1234567890123456789.12".into()), "what does not fit is a text");
    assert!(moved.is_some());
}

#[test]
fn rows_from_outside_become_vouchers_as_they_are() {
    let row = |number: &str, amount: &str| {
        [("BUSINESS_UNIT", "SHEFF"), ("VOUCHER_ID", number), ("GROSS_AMT", amount), ("INVOICE_DT", "2025-06-30")]
            .map(|(field, value)| (field.to_owned(), value.to_owned()))
    };
    let mut records = Records::standard().unwrap();
    let vouchers = records.change("VOUCHER").unwrap();
    assert_eq!(vouchers.load([row("00000001", "1250.50"), row("00000002", "n/a")]), Ok(2));
    let again = vouchers.load([row("00000003", "1"), row("00000002", "1")]).unwrap_err();
    assert_eq!(again.to_string(), "row 2: VOUCHER already holds a row with key SHEFF|00000002");
    let unknown = vouchers.load([[("NOPE".to_owned(), "1".to_owned())]]).unwrap_err();
    assert!(matches!(unknown, RecordError::Row { row: 1, .. }) && unknown.to_string().contains("no field NOPE"));
    let amounts: Vec<_> = vouchers.rows().map(|row| row.text("GROSS_AMT")).collect();
    assert_eq!(amounts, ["1250.5", "n/a", "1"]);
}

#[test]
fn rows_of_a_csv_file_are_loaded_and_master_data_keeps_its_first_row() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "No.,Supplier,Value\n7,\"Acme, Ltd\",10.50\n7,Acme,n/a\n").unwrap();
    let mut records = Records::standard().unwrap();
    let vouchers = records.change("VOUCHER").unwrap();
    let fields =
        [("VOUCHER_ID", From::Number(8)), ("GROSS_AMT", From::Column("Value")), ("ORIGIN", From::Fixed("CSV"))];
    assert_eq!(vouchers.load_csv(file.path(), &fields, false).unwrap(), 2);
    let rows = vouchers.rows().map(|row| ["VOUCHER_ID", "GROSS_AMT", "ORIGIN"].map(|field| row.text(field)));
    assert_eq!(rows.collect::<Vec<_>>(), [["00000001", "10.5", "CSV"], ["00000002", "n/a", "CSV"]]);
    let vendors = records.change("VENDOR").unwrap();
    let fields = [("VENDOR_ID", From::Column("No.")), ("NAME1", From::Column("Supplier"))];
    vendors.load_csv(file.path(), &fields, true).unwrap();
    assert_eq!(vendors.rows().map(|row| row.text("NAME1")).collect::<Vec<_>>(), ["Acme, Ltd"]);
    let refused =
        |fields: &[(&str, From)]| records.clone().change("CUSTOMER").unwrap().load_csv(file.path(), fields, false);
    assert!(
        refused(&[("CUST_ID", From::Column("No.")), ("SETID", From::Fixed("X"))])
            .unwrap_err()
            .to_string()
            .starts_with("line 3: ")
    );
    assert_eq!(refused(&[("CUST_ID", From::Column("Nr"))]).unwrap_err().to_string(), "the file has no column \"Nr\"");
}
