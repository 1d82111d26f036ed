//! Attributes that are written to the simulator by its site's own operations, and read back through its queries.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use engine::model::decimal::Decimal;
use engine::model::id::{RecordKey, SyncId};
use engine::model::table::{TableColumn, TableSpec};
use engine::model::value::Value;
use engine::ports::{Destination, Outgoing, Which, standing};
use engine::{Kind, Result};
use sandbox::clock::Clock;
use sandbox::peoplesoft::{
    Comparison, PeopleSoftSandbox, PromptKind, QueryDefinition, Records, Settings, TooLong, WriteOperation,
};
use serde_json::json;

use super::fixture::{NOW, at, secret, settings};
use crate::peoplesoft::{Operator, Origin, PeopleSoftDestination, Purpose, queries};

pub(super) const SUPPLIERS: &str = "ML_VENDOR_UPDATE.v1";
pub(super) const CUSTOMERS: &str = "ML_CUSTOMER_UPDATE.v1";

/// The simulator's clock, for the connector.
struct SharedClock(Clock);

impl engine::ports::Clock for SharedClock {
    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }
}

/// The shipped query with the fields that a site has added.
fn defined(name: &str, added: &[&str]) -> QueryDefinition {
    let wanted = queries().into_iter().find(|query| query.name == name).unwrap();
    let record = &wanted.records[0];
    let mut query = QueryDefinition::new(name).record(&record.alias, &record.record);
    for field in &wanted.fields {
        assert_eq!(field.origin, Origin::Field, "{name} needs no expression");
        query = query.field(&field.name);
    }
    query = added.iter().fold(query, |query, field| query.field(field));
    for prompt in &wanted.prompts {
        let kind = if prompt.name.ends_with("_DATE") { PromptKind::Date } else { PromptKind::Text };
        let comparison = match prompt.operator {
            Operator::Equal => Comparison::Equal,
            Operator::Greater => Comparison::Greater,
            Operator::NotLess => Comparison::GreaterOrEqual,
            Operator::Less => Comparison::Less,
        };
        query = query.prompt(&prompt.name, kind).where_prompt(&prompt.field, comparison, &prompt.name);
    }
    wanted.order.iter().fold(query, |query, field| query.order_by(field))
}

/// A site with one supplier and one customer, the queries that find them, and the operations that write them.
pub(super) async fn site(settings: Settings) -> PeopleSoftSandbox {
    let mut records = Records::standard().unwrap();
    let supplier = [
        ("SETID", "SHARE"),
        ("VENDOR_ID", "0000000042"),
        ("NAME1", "Acme Paper Ltd"),
        ("NAME2", "formerly Paper & Sons"),
        ("VENDOR_STATUS", "A"),
        ("WTHD_SW", "N"),
    ];
    records.change("VENDOR").unwrap().insert(&supplier).unwrap();
    let customer = [("SETID", "SHARE"), ("CUST_ID", "000042"), ("NAME1", "Zenith Tools"), ("CR_LIMIT", "1000")];
    records.change("CUSTOMER").unwrap().insert(&customer).unwrap();
    let settings = Settings { operators: vec![sandbox::peoplesoft::Operator::new("CXUSER", "geheim-pw")], ..settings };
    let sandbox = PeopleSoftSandbox::start(settings, Clock::fixed(at(NOW)), records).await.unwrap();
    for query in queries().iter().filter(|query| query.purpose != Purpose::Totals) {
        let added: &[&str] = match query.name.trim_end_matches("_K") {
            "ML_VENDOR" => &["A.CREATED_DTTM"],
            "ML_CUSTOMER" => &["A.CR_LIMIT"],
            _ => continue,
        };
        sandbox.define_query(defined(&query.name, added)).unwrap();
    }
    sandbox.define_write(WriteOperation::suppliers(SUPPLIERS)).unwrap();
    sandbox.define_write(WriteOperation::customers(CUSTOMERS)).unwrap();
    sandbox
}

pub(super) fn destination(sandbox: &PeopleSoftSandbox, more: serde_json::Value) -> PeopleSoftDestination {
    let settings = settings(&sandbox.base_url(), more);
    PeopleSoftDestination::new(&settings, &secret(), Arc::new(SharedClock(sandbox.clock().clone()))).unwrap()
}

/// A table whose first two columns are the key.
pub(super) fn table(name: &str, columns: &[(&str, &str)]) -> TableSpec {
    let column = |(at, (name, kind)): (usize, &(&str, &str))| TableColumn {
        name: (*name).to_owned(),
        kind: kind.parse().unwrap(),
        nullable: at > 1,
        description: String::new(),
    };
    TableSpec {
        name: name.to_owned(),
        description: String::new(),
        columns: columns.iter().enumerate().map(column).collect(),
        key: vec![0, 1],
        company: None,
        source_system: "databricks".to_owned(),
    }
}

pub(super) fn suppliers() -> TableSpec {
    table(
        "supplier_attributes",
        &[
            ("supplier_number", "text"),
            ("supplier_setid", "text"),
            ("name", "text(60)"),
            ("name_2", "text"),
            ("status", "text"),
            ("is_subject_to_withholding", "boolean"),
        ],
    )
}

fn customers() -> TableSpec {
    let columns = [
        ("setid", "text"),
        ("cust_id", "text"),
        ("credit_limit", "decimal(28,3)"),
        ("since_date", "date"),
        ("added_date", "date"),
        ("name_2", "text"),
    ];
    table("customer_attributes", &columns)
}

fn sync() -> SyncId {
    "acme/peoplesoft-databricks/attributes".parse().unwrap()
}

fn owned(value: Value<'_>) -> Value<'static> {
    match value {
        Value::Text(text) => Value::Text(text.into_owned().into()),
        Value::Null => Value::Null,
        Value::Bool(is) => Value::Bool(is),
        Value::Integer(number) => Value::Integer(number),
        Value::Decimal(number) => Value::Decimal(number),
        Value::Date(days) => Value::Date(days),
        Value::Timestamp(micros) => Value::Timestamp(micros),
        other => panic!("{other:?} is no value of these tables"),
    }
}

/// The records of these keys, as they stand: only the columns of the table.
pub(super) async fn stand(destination: &dyn Destination, table: &TableSpec, keys: &[&str]) -> Vec<Vec<Value<'static>>> {
    let keys: Vec<_> = keys.iter().map(|key| RecordKey::new(*key)).collect();
    let rows = destination.standing(table, &sync(), Which::Keys(&keys)).await.unwrap();
    assert_eq!(rows.columns()[..standing::COLUMNS.len()], standing::COLUMNS);
    let mut reader = rows.reader();
    let (mut cells, mut found) = (Vec::new(), Vec::new());
    while reader.next_into(&mut cells).unwrap() {
        let mut row: Vec<_> = cells.drain(..).map(owned).collect();
        let of_ours = row.drain(..standing::COLUMNS.len()).collect::<Vec<_>>();
        let nothing = [Value::Null, Value::Null, Value::Null, Value::Bool(false), Value::Null, Value::Null];
        assert_eq!(of_ours, nothing, "PeopleSoft keeps nothing of ours");
        found.push(row);
    }
    found
}

/// Sends a record as the engine does: with what stands there.
pub(super) async fn send(
    destination: &dyn Destination,
    table: &TableSpec,
    cells: &[Value<'static>],
) -> Result<Option<String>> {
    let key = RecordKey::join([cells[0].to_text().as_ref(), cells[1].to_text().as_ref()]);
    let there = stand(destination, table, &[key.as_str()]).await;
    let there = there.first().map(Vec::as_slice);
    destination.send(table, &Outgoing { key: &key, cells, there, reference: "01J8-3-7" }).await
}

pub(super) fn supplier(name: &'static str, status: &'static str) -> Vec<Value<'static>> {
    let texts = ["0000000042", "SHARE", name].map(Value::text);
    texts.into_iter().chain([Value::Null, Value::text(status), Value::Bool(true)]).collect()
}

#[tokio::test]
async fn a_record_is_updated_and_stands_there_as_it_was_sent() {
    let sandbox = site(Settings::default()).await;
    let destination = destination(&sandbox, json!({}));
    let table = suppliers();
    destination.prepare(&table).await.unwrap();
    let sent = supplier("O'Neill \"Paper\", Ünï", "I");
    assert_eq!(send(&destination, &table, &sent).await.unwrap().as_deref(), Some("SHARE/0000000042"));
    assert_eq!(stand(&destination, &table, &["0000000042|SHARE"]).await, vec![sent]);
    let journal = sandbox.writes();
    let written: Vec<_> = journal[0].values.iter().map(|(field, value)| format!("{field}={value}")).collect();
    // Only the table's columns are named; what has no value is blank.
    assert_eq!(written, ["NAME1=O'Neill \"Paper\", Ünï", "NAME2=", "VENDOR_STATUS=I", "WTHD_SW=Y"]);
    assert_eq!((journal.len(), journal[0].key.join("|")), (1, "SHARE|0000000042".to_owned()));
    assert!(stand(&destination, &table, &["0000000043|SHARE"]).await.is_empty());
    assert!(stand(&destination, &table, &[]).await.is_empty());
}

#[tokio::test]
async fn amounts_dates_and_nothing_go_there_and_back_without_a_loss() {
    let sandbox = site(Settings::default()).await;
    let writes = json!({"writes": {"customer_attributes": {"fields": {"credit_limit": "CR_LIMIT"}, "method": "put"}}});
    sandbox
        .define_write(WriteOperation { methods: vec!["PUT".into()], ..WriteOperation::customers(CUSTOMERS) })
        .unwrap();
    let destination = destination(&sandbox, writes);
    let table = customers();
    for (limit, since, note) in [
        (Value::Decimal(Decimal::new(123_456_789_012_345_675, 3)), Value::Date(18_321), Value::text("since \n leap")),
        (Value::Decimal(Decimal::new(-10, 3)), Value::Date(-25_567), Value::Null),
        (Value::Decimal(Decimal::new(0, 3)), Value::Null, Value::text("x")),
    ] {
        let key = ["SHARE", "000042"].map(Value::text);
        let sent: Vec<_> = key.into_iter().chain([limit, since, Value::Null, note]).collect();
        send(&destination, &table, &sent).await.unwrap();
        assert_eq!(stand(&destination, &table, &["SHARE|000042"]).await, vec![sent]);
    }
    let bodies: Vec<_> =
        sandbox.calls().into_iter().filter(|call| call.method == "PUT").map(|call| call.body).collect();
    assert!(bodies[0].contains(r#""CR_LIMIT":123456789012345.675,"SINCE_DT":"2020-02-29","ADD_DT":"","#), "{bodies:?}");
}

#[tokio::test]
async fn points_in_time_are_written_by_the_wall_clock_of_the_database() {
    let zone = "America/New_York";
    let sandbox = site(Settings { zone: zone.parse().unwrap(), ..Settings::default() }).await;
    let fields = json!({"id": "VENDOR_ID", "created_at": "CREATED_DTTM"});
    let destination = destination(
        &sandbox,
        json!({"zone": zone, "writes": {"supplier_attributes": {"fields": fields, "reference": "REF"}}}),
    );
    sandbox
        .define_write(WriteOperation { reference: Some("REF".into()), ..WriteOperation::suppliers(SUPPLIERS) })
        .unwrap();
    let table = table("supplier_attributes", &[("setid", "text"), ("id", "text"), ("created_at", "timestamp")]);
    let stamp = Value::Timestamp(at("2026-11-20T14:15:02.000123Z").timestamp_micros());
    let sent = vec![Value::text("SHARE"), Value::text("0000000042"), stamp];
    send(&destination, &table, &sent).await.unwrap();
    assert_eq!(stand(&destination, &table, &["SHARE|0000000042"]).await, vec![sent]);
    let journal = sandbox.writes();
    assert_eq!(journal[0].values, [("CREATED_DTTM".into(), "2026-11-20-09.15.02.000123".into())]);
    assert_eq!(journal[0].reference.as_deref(), Some("01J8-3-7"));
}

#[tokio::test]
async fn what_peoplesoft_makes_of_a_value_is_what_is_read_back() {
    let sandbox = site(Settings::default()).await;
    let operation = WriteOperation { upper_case: true, too_long: TooLong::Cut, ..WriteOperation::suppliers(SUPPLIERS) };
    sandbox.define_write(operation).unwrap();
    let destination = destination(&sandbox, json!({}));
    let sent = supplier("Paper and stationery of all kinds since 1871", "A");
    send(&destination, &suppliers(), &sent).await.unwrap();
    let there = stand(&destination, &suppliers(), &["0000000042|SHARE"]).await;
    assert_eq!(there[0][2], Value::text("PAPER AND STATIONERY OF ALL KINDS SINCE"));
}

#[tokio::test]
async fn a_site_that_shows_changes_late_says_how_late() {
    let sandbox = site(Settings::default()).await;
    let late = WriteOperation { visible_after: TimeDelta::seconds(30), ..WriteOperation::suppliers(SUPPLIERS) };
    sandbox.define_write(late).unwrap();
    let destination = destination(&sandbox, json!({"writes": {"supplier_attributes": {"settles_after": "30s"}}}));
    let way = destination.capabilities().one_by_one.unwrap();
    assert_eq!((way.settles_after.as_secs(), way.sessions), (30, 1));
    send(&destination, &suppliers(), &supplier("Zenith", "A")).await.unwrap();
    let name = async || stand(&destination, &suppliers(), &["0000000042|SHARE"]).await[0][2].clone();
    assert_eq!(name().await, Value::text("Acme Paper Ltd"));
    sandbox.clock().advance(TimeDelta::seconds(30));
    assert_eq!(name().await, Value::text("Zenith"));
}

#[tokio::test]
async fn an_address_that_names_the_record_and_an_answer_of_another_shape_are_configuration() {
    let sandbox = site(Settings::default()).await;
    let template = "suppliers/{SETID}/{VENDOR_ID}".to_owned();
    sandbox
        .define_write(WriteOperation { template: template.clone(), ..WriteOperation::suppliers(SUPPLIERS) })
        .unwrap();
    let write = json!({"path": template, "success": {"values": []}, "id": "/data/id"});
    let destination = destination(&sandbox, json!({"writes": {"supplier_attributes": write}}));
    assert_eq!(send(&destination, &suppliers(), &supplier("Zenith", "A")).await.unwrap(), None);
    let call = sandbox.calls().into_iter().find(|call| call.method == "POST").unwrap();
    assert!(call.path.ends_with("/PSFT_EP/ML_VENDOR_UPDATE.v1/suppliers/SHARE/0000000042"), "{call:?}");
    // The answer says `success` at /status, and somebody has configured another place.
    let elsewhere = json!({"path": "suppliers/{SETID}/{VENDOR_ID}", "success": {"pointer": "/ok", "values": ["true"]}});
    let destination = self::destination(&sandbox, json!({"writes": {"supplier_attributes": elsewhere}}));
    let error = send(&destination, &suppliers(), &supplier("Acme", "A")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unknown);
    assert!(error.to_string().contains("nothing at /ok"), "{error}");
}
