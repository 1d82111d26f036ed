//! The same published rows as vouchers of a PeopleSoft, read through its queries.

use std::fs;
use std::process::Command;

use chrono_tz::Tz;
use sandbox::peoplesoft::{From, Records, Settings};
use serde_json::json;

use super::{figures, find, group, same, sums};
use crate::world::left_out;
use crate::world::peoplesoft::Site;

const VOUCHERS: [(&str, From); 13] = [
    ("BUSINESS_UNIT", From::Column("Business Unit No.")),
    ("VOUCHER_ID", From::Number(8)),
    ("VOUCHER_STYLE", From::Fixed("REG")),
    ("INVOICE_ID", From::Column("Invoice No.")),
    ("INVOICE_DT", From::Column("GL Date")),
    ("ACCOUNTING_DT", From::Column("GL Date")),
    ("VENDOR_SETID", From::Fixed("SHARE")),
    ("VENDOR_ID", From::Column("Address Book No.")),
    ("GROSS_AMT", From::Column("Invoiced Value")),
    ("GROSS_AMT_BSE", From::Column("Invoiced Value")),
    ("TXN_CURRENCY_CD", From::Fixed("GBP")),
    ("BASE_CURRENCY", From::Fixed("GBP")),
    ("LAST_UPDATE_DTTM", From::Fixed("2026-06-30-17.00.00.000000")),
];

const VENDORS: [(&str, From); 4] = [
    ("SETID", From::Fixed("SHARE")),
    ("VENDOR_ID", From::Column("Address Book No.")),
    ("NAME1", From::Column("Supplier Name")),
    ("VENDOR_STATUS", From::Fixed("A")),
];

#[test]
fn invoices_of_a_city_agree_to_the_cent_as_vouchers_too() {
    let name = "sheffield_ap_invoices";
    let Some(packed) = find(&format!("{name}.csv.gz")) else {
        left_out("vouchers of a city", "the file is neither in ML_CONNECTOR_SHARED_DATA nor in ../shared/data");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let csv = dir.path().join(format!("{name}.csv"));
    let unpacked = Command::new("gzip").arg("-dc").arg(packed).stdout(fs::File::create(&csv).unwrap()).status();
    assert!(unpacked.unwrap().success());
    let mut records = Records::standard().unwrap();
    records.change("VOUCHER").unwrap().load_csv(&csv, &VOUCHERS, false).unwrap();
    records.change("VENDOR").unwrap().load_csv(&csv, &VENDORS, true).unwrap();

    let site = Site::build(Settings { zone: Tz::Europe__London, ..Settings::default() }, records, None);
    site.setting("page_size", "10000");
    let ran = site.cli(&["run", "suppliers", "vouchers", "--json"]).ok();
    let figures = figures("invoices", &csv);
    assert_eq!((&figures["rows"], &figures["rejects"]), (&json!(44_109), &json!([])));
    let row = ran.sync("vouchers");
    assert_eq!((&row["inserted"], &row["agrees"]), (&figures["rows"], &json!(true)));
    let vouchers = site.warehouse.records("vouchers");
    for group in [
        group("business_unit", "business_unit", 20),
        group("supplier", "supplier_number", 20),
        group("month", "accounting_date", 7),
    ] {
        same(&sums(&vouchers, &group, "gross_amount"), &figures, &group);
    }
    let suppliers = figures["supplier"].as_object().unwrap().len();
    assert_eq!(site.warehouse.records("suppliers").len(), suppliers);
}
