//! `writes` of a connection.

use engine::config::BlueprintFile;
use serde_json::json;

use super::fixture::settings;
use crate::peoplesoft::{WriteDefinition, WriteMethod, writes};

const URL: &str = "https://psft.example.com/PSIGW/RESTListeningConnector";

fn write(table: &str, more: serde_json::Value) -> WriteDefinition {
    let settings = settings(URL, json!({"writes": {table: more}}));
    settings.validate().unwrap();
    writes(Some(&settings)).unwrap().into_iter().find(|write| write.table == table).unwrap()
}

#[test]
fn what_is_not_said_is_as_shipped() {
    let shipped = writes(None).unwrap();
    let names: Vec<_> = shipped.iter().map(|write| (write.table.as_str(), write.operation.as_str())).collect();
    assert_eq!(
        names,
        [("customer_attributes", "ML_CUSTOMER_UPDATE.v1"), ("supplier_attributes", "ML_VENDOR_UPDATE.v1")]
    );
    let changed =
        write("supplier_attributes", json!({"method": "patch", "fields": {"risk": "CX_RISK", "name": "NAME2"}}));
    assert_eq!((changed.method, changed.operation.as_str()), (WriteMethod::Patch, "ML_VENDOR_UPDATE.v1"));
    let fields = ["risk", "name", "status", "payment_terms"].map(|column| changed.field(column));
    assert_eq!(fields, ["CX_RISK", "NAME2", "VENDOR_STATUS", "PAYMENT_TERMS"]);
    let own = write("cost_centers", json!({"operation": "CX_DEPT.v2", "read": "ML_DEPT"}));
    assert_eq!((own.record.as_str(), own.read.as_str()), ("record", "ML_DEPT"));
}

#[test]
fn a_column_means_the_same_on_its_way_there_and_back() {
    let looker = include_str!("../../../../integrations/peoplesoft-looker.yaml");
    let databricks = include_str!("../../../../integrations/peoplesoft-databricks.yaml");
    let file = |text| BlueprintFile::parse("a.yaml", text).unwrap_or_else(|problems| panic!("{problems}")).blueprint;
    for (blueprint, stream, table) in
        [(file(looker), "suppliers", "supplier_attributes"), (file(databricks), "customers", "customer_attributes")]
    {
        let write = writes(None).unwrap().into_iter().find(|write| write.table == table).unwrap();
        for (column, spec) in &blueprint.syncs[stream].columns {
            assert_eq!(write.field(column), spec.from.as_ref().unwrap().0[0], "{table} {column}");
        }
    }
    for sync in file(databricks).syncs.values().filter(|sync| sync.reverse) {
        let write = writes(None).unwrap().into_iter().find(|write| write.table == sync.table).unwrap();
        for column in sync.columns.keys() {
            assert!(
                write.kind(&write.field(column)).is_some(),
                "{}: {column} is no field that is read back",
                sync.table
            );
        }
    }
    for write in writes(None).unwrap() {
        for field in write.fields.values() {
            assert!(write.kind(field).is_some(), "{} reads no {field}", write.read);
        }
    }
}

#[test]
fn mistakes_are_named_by_their_place() {
    for (more, words) in [
        (json!({"x": {"operation": "CX.v1"}}), "`writes.x.read` is missing"),
        (json!({"x": {"read": "CX"}}), "`writes.x.operation` is missing"),
        (
            json!({"supplier_attributes": {"operation": "CX.v1/path"}}),
            "`writes.supplier_attributes.operation` is alias and version",
        ),
        (json!({"supplier_attributes": {"path": "/{SETID}"}}), "`writes.supplier_attributes.path` is what follows"),
        (
            json!({"supplier_attributes": {"path": "{SETID/{VENDOR_ID}"}}),
            "`writes.supplier_attributes.path` is what follows",
        ),
        (
            json!({"supplier_attributes": {"message": "message"}}),
            "`writes.supplier_attributes.message` is a JSON pointer",
        ),
        (
            json!({"supplier_attributes": {"success": {"pointer": "ok", "values": ["1"]}}}),
            "`writes.supplier_attributes.success.pointer`",
        ),
        (
            json!({"supplier_attributes": {"date_format": "YYYY"}}),
            "`writes.supplier_attributes.date_format` is a pattern",
        ),
    ] {
        let error = settings(URL, json!({"writes": more})).validate().unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
    assert!(serde_json::from_value::<crate::peoplesoft::WriteSettings>(json!({"operatoin": "CX.v1"})).is_err());
}
