//! The shipped blueprints are sound, and map rows as the vendors document them.

use std::sync::Arc;

use engine::config::{ConnectionSpec, TenantFile, resolve};
use engine::mapping::Mapped;
use engine::model::id::{RecordKey, TenantId};
use engine::model::value::Value;
use engine::plan::{Plans, SyncPlan};
use schemars::JsonSchema;
use serde::Deserialize;

use super::*;

/// Just enough of a connection to resolve a blueprint.
#[derive(Deserialize, JsonSchema)]
struct Connection {
    system: String,
    zone: Option<String>,
}

impl ConnectionSpec for Connection {
    fn system(&self) -> &str {
        &self.system
    }

    fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }
}

const TENANT: &str = "
connections: {erp: {system: jde}, warehouse: {system: warehouse}}
integrations: {jde-looker: {source: erp, destination: warehouse, zone: America/Denver}}
";

fn plan(stream: &str) -> Arc<SyncPlan> {
    let file = TenantFile::<Connection>::parse(TenantId::new("acme"), "acme.yaml", TENANT).unwrap();
    let plans = resolve(&file, &blueprints().unwrap()).unwrap_or_else(|problems| panic!("{problems}"));
    plans.plan(&format!("acme/jde-looker/{stream}").parse().unwrap()).unwrap()
}

/// The columns of a row that are not null, as `name value`, and the record's key. The row is written as the AIS Server
/// delivers it; what it leaves out is null.
fn mapped(stream: &str, row: &serde_json::Value) -> (String, Vec<String>) {
    mapped_by(&plan(stream), row)
}

fn mapped_by(plan: &SyncPlan, row: &serde_json::Value) -> (String, Vec<String>) {
    let texts: Vec<_> = plan.stream.columns.iter().map(|column| row.get(column).map(ToString::to_string)).collect();
    let cells: Vec<_> = texts
        .iter()
        .map(|text| match text.as_deref() {
            None => Value::Null,
            Some(text) if text.starts_with('"') => Value::text(text.trim_matches('"')),
            Some(number) => Value::Number(number.into()),
        })
        .collect();
    let mut out = Vec::new();
    match plan.mapping.bind(&plan.stream.columns).unwrap().map(&cells, &mut out) {
        Mapped::Row { key, .. } => {
            let columns = plan.table.columns.iter().zip(&out).filter(|(_, cell)| !cell.is_null());
            let lines = columns.map(|(column, cell)| format!("{} {}", column.name, cell.to_text()));
            (key.as_str().to_owned(), lines.map(|line| line.trim_end().to_owned()).collect())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_shipped_blueprint_is_without_mistakes() {
    for blueprint in blueprints().unwrap_or_else(|problems| panic!("{problems}")) {
        blueprint.check().unwrap_or_else(|problems| panic!("{problems}"));
    }
}

#[test]
fn every_blueprint_is_found_by_its_own_name() {
    for file in blueprints().unwrap() {
        assert!(text(&file.blueprint.integration).is_some(), "{}", file.blueprint.integration);
    }
}

#[test]
fn every_sync_and_every_column_says_what_it_means() {
    for file in blueprints().unwrap() {
        for (stream, sync) in &file.blueprint.syncs {
            assert!(!sync.description.is_empty(), "{stream}");
            for (name, column) in &sync.columns {
                let described = column.description.as_deref().is_some_and(|text| !text.is_empty());
                assert!(described, "{stream}.{name} has no description");
            }
        }
    }
}

#[test]
fn the_examples_of_the_readme_work() {
    let readme = include_str!("../README.md");
    let examples: Vec<_> = readme.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let [tenant, blueprint, reverse, expressions] = examples[..] else { panic!("{} examples", examples.len()) };

    let connections = "connections: {erp: {system: jde, zone: UTC}, warehouse: {system: warehouse}}\n";
    let tenant = TenantFile::<Connection>::parse(TenantId::new("acme"), "README.md", &format!("{connections}{tenant}"));
    let plans =
        tenant.and_then(|tenant| resolve(&tenant, &blueprints()?)).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(plans.iter().filter(|sync| !sync.enabled).count(), 1);

    BlueprintFile::parse("README.md", blueprint).unwrap_or_else(|problems| panic!("{problems}"));

    let connections_of_reverse =
        "connections: {erp: {system: peoplesoft, zone: UTC}, lakehouse: {system: databricks}}\n";
    let text = format!("{connections_of_reverse}{reverse}");
    let reverse = TenantFile::<Connection>::parse(TenantId::new("acme"), "README.md", &text);
    let plans =
        reverse.and_then(|tenant| resolve(&tenant, &blueprints()?)).unwrap_or_else(|problems| panic!("{problems}"));
    let back = plans.plan(&"acme/peoplesoft-databricks/supplier_attributes".parse().unwrap()).unwrap();
    assert_eq!((back.source.as_str(), back.destination.as_str(), back.reverse), ("lakehouse", "erp", true));

    let columns: String = expressions.lines().map(|line| format!("          {line}\n")).collect();
    let integration = "  jde-looker:\n    source: erp\n    destination: warehouse\n    syncs:\n      gl_accounts:\n";
    let tenant = format!("{connections}integrations:\n{integration}        columns:\n{columns}");
    let tenant = TenantFile::<Connection>::parse(TenantId::new("acme"), "README.md", &tenant);
    tenant.and_then(|tenant| resolve(&tenant, &blueprints()?)).unwrap_or_else(|problems| panic!("{problems}"));
}

/// The primary keys and update stamps of JD Edwards' own tables.
#[test]
fn jd_edwards_is_read_by_the_keys_of_its_indexes() {
    for (stream, object, key, time) in [
        ("suppliers", "F0101", "AN8", "UPMT"),
        ("cost_centers", "F0006", "MCU", "UPMT"),
        ("gl_accounts", "F0901", "AID", "UPMT"),
        ("purchase_orders", "F4301", "DOCO DCTO KCOO SFXO", "TDAY"),
        ("purchase_order_lines", "F4311", "DOCO DCTO KCOO SFXO LNID", "TDAY"),
        ("ap_invoices", "F0411", "DOC DCT KCO SFX SFXE", "UPMT"),
    ] {
        let plan = plan(stream);
        assert_eq!((plan.stream.object.as_str(), plan.stream.key.join(" ").as_str()), (object, key));
        let updated = plan.stream.updated.as_ref().unwrap();
        assert_eq!((updated.date.as_str(), updated.time.as_deref()), ("UPMJ", Some(time)), "{stream}");
    }
}

#[test]
fn an_invoice_of_jd_edwards_becomes_a_row_that_analysts_read() {
    let row = serde_json::json!({
        "KCO": "00001", "DOC": 70412, "DCT": "PV", "SFX": "001", "AN8": 4242, "AG": 1250.75, "AAP": 0, "PST": "P",
        "DGJ": "20261118", "DIVJ": "20261101", "DDJ": " ", "VOD": " ", "MCU": "          30", "OBJ": "4110", "RMK": " ",
        "CRCD": "USD", "CRR": 0, "VINV": "INV-4711", "LNID": 1.0, "UPMJ": "20261120", "UPMT": 91502
    });
    let (key, lines) = mapped("ap_invoices", &row);
    assert_eq!(key, "70412|PV|00001|001|0");
    assert_eq!(
        lines,
        [
            "document_number 70412",
            "document_type PV",
            "document_company 00001",
            "pay_item 001",
            "pay_item_extension 0",
            "supplier_number 4242",
            "supplier_invoice_number INV-4711",
            "invoice_date 2026-11-01",
            "gl_date 2026-11-18",
            "pay_status P",
            "gross_amount 1250.75",
            "open_amount 0.00",
            "currency USD",
            "exchange_rate 0.0000000",
            "is_voided false",
            "business_unit 30",
            "object_account 4110",
            "purchase_order_line 1.000",
            "remark",
            "source_updated_at 2026-11-20T16:15:02Z",
        ]
    );
}

#[test]
fn a_line_waits_for_its_order_and_turns_back_into_its_key() {
    let lines = plan("purchase_order_lines");
    let row = serde_json::json!({"DOCO": 1234, "DCTO": "OP", "KCOO": "00001", "SFXO": "000", "LNID": 2});
    let (key, _) = mapped("purchase_order_lines", &row);
    assert_eq!(key, "1234|OP|00001|000|2.000");
    assert_eq!(lines.mapping.source_key(&RecordKey::new(key)).unwrap().join(" "), "1234 OP 00001 000 2.000");
    assert_eq!(lines.after, ["purchase_orders"]);
    assert!(plan("purchase_orders").keeps_links);
}

/// The columns of a row of PeopleSoft that are not null, as `name value`, and the record's key.
fn mapped_of_peoplesoft(stream: &str, row: &serde_json::Value) -> (String, Vec<String>) {
    const TENANT: &str = "
connections: {erp: {system: peoplesoft}, warehouse: {system: warehouse}}
integrations: {peoplesoft-looker: {source: erp, destination: warehouse, zone: America/New_York}}
";
    let file = TenantFile::<Connection>::parse(TenantId::new("acme"), "acme.yaml", TENANT).unwrap();
    let plans = resolve(&file, &blueprints().unwrap()).unwrap_or_else(|problems| panic!("{problems}"));
    let plan = plans.plan(&format!("acme/peoplesoft-looker/{stream}").parse().unwrap()).unwrap();
    mapped_by(&plan, row)
}

#[test]
fn a_voucher_of_peoplesoft_becomes_a_row_that_analysts_read() {
    let row = serde_json::json!({
        "BUSINESS_UNIT": "US001", "VOUCHER_ID": "00000042", "VOUCHER_STYLE": "REG", "INVOICE_ID": "INV-7 ",
        "INVOICE_DT": "2026-11-18", "VENDOR_SETID": "SHARE", "VENDOR_ID": "0000000042", "VNDR_LOC": " ", "PO_ID": "",
        "GROSS_AMT": 1250.5, "DSCNT_AMT": 0, "TXN_CURRENCY_CD": "USD", "GROSS_AMT_BSE": "1250.500", "DUE_DT": "",
        "ENTERED_DTTM": "2026-11-18T10:00:00-0500", "LAST_UPDATE_DTTM": "2026-11-20-09.15.02.000000"
    });
    let (key, lines) = mapped_of_peoplesoft("vouchers", &row);
    assert_eq!(key, "US001|00000042");
    assert_eq!(
        lines,
        [
            "business_unit US001",
            "voucher_number 00000042",
            "voucher_style REG",
            "supplier_invoice_number INV-7",
            "invoice_date 2026-11-18",
            "supplier_setid SHARE",
            "supplier_number 0000000042",
            "gross_amount 1250.500",
            "discount_amount 0.000",
            "currency USD",
            "base_gross_amount 1250.500",
            "entered_at 2026-11-18T15:00:00Z",
            "source_updated_at 2026-11-20T14:15:02Z",
        ]
    );
}

#[test]
fn what_is_paid_is_not_open_any_more() {
    for (status, gross, open) in
        [("N", "250.25", "250.250"), ("R", "7", "7.000"), ("P", "250.25", "0.000"), ("X", "3", "0.000")]
    {
        let gross: serde_json::Value = gross.parse().unwrap();
        let row = serde_json::json!({"BUSINESS_UNIT": "US001", "VOUCHER_ID": "00000042", "PYMNT_CNT": 1,
            "PYMNT_SELCT_STATUS": status, "PYMNT_GROSS_AMT": gross});
        let (key, lines) = mapped_of_peoplesoft("voucher_payments", &row);
        assert_eq!(key, "US001|00000042|1");
        assert!(lines.contains(&format!("open_amount {open}")), "{lines:?}");
    }
}
