//! A table, an explore, settings and a clock that many tests need.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use engine::model::decimal::Decimal;
use engine::model::table::{ColumnType, TableColumn, TableSpec};
use engine::model::totals::GroupTotal;
use engine::ports::{Clock, Secret};
use serde_json::{Value as Json, json};

use super::stub::{Asked, Reply, Stub};
use crate::looker::{Looker, LookerSettings};

pub(super) const NOW: &str = "2026-11-21T10:30:00Z";
/// [`NOW`] less the second that Looker's clock may be behind.
pub(super) const SENT: i64 = 1_795_257_000 - 1;
pub(super) const QUERY: &str = "POST /queries/run/json";
pub(super) const EXPLORE: &str = "GET /lookml_models/erp/explores/ap_invoices";
pub(super) const CLIENT_SECRET: &str = "s3cr/t+\"x";
pub(super) const SFTP_PASSWORD: &str = "hunter\\2\"";

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A clock that a test turns.
#[derive(Clone)]
pub(super) struct Hand(Arc<Mutex<DateTime<Utc>>>);

impl Hand {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(at(NOW))))
    }

    pub(super) fn forward(&self, seconds: i64) {
        *self.0.lock().unwrap() += chrono::TimeDelta::seconds(seconds);
    }
}

impl Clock for Hand {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

pub(super) fn invoices() -> TableSpec {
    let amount = ColumnType::Decimal { precision: 15, scale: 2 };
    let columns = [
        ("document", ColumnType::Integer),
        ("supplier_number", ColumnType::Integer),
        ("remark", ColumnType::Text { max: Some(30) }),
        ("gl_date", ColumnType::Date),
        ("gross_amount", amount),
        ("is_paid", ColumnType::Boolean),
    ];
    let column = |(name, kind): (&str, ColumnType)| TableColumn {
        name: name.to_owned(),
        kind,
        nullable: true,
        description: String::new(),
    };
    TableSpec {
        name: "ap_invoices".to_owned(),
        description: String::new(),
        columns: columns.into_iter().map(column).collect(),
        key: vec![0],
        company: None,
        source_system: "jde".to_owned(),
    }
}

/// The explore that is generated for [`invoices`].
pub(super) fn explore() -> Json {
    let dimensions = ["document", "supplier_number", "remark", "gl_date", "gl_month", "gross_amount", "is_paid"];
    let measures = ["count", "total_gross_amount"];
    let named = |names: &[&str]| -> Vec<Json> {
        names.iter().map(|name| json!({"name": format!("ap_invoices.{name}"), "type": "string"})).collect()
    };
    json!({
        "name": "ap_invoices", "connection_name": "warehouse", "errors": [],
        "fields": {"dimensions": named(&dimensions), "measures": named(&measures)},
    })
}

pub(super) fn settings(url: &str, change: Json) -> LookerSettings {
    let mut settings = json!({"url": url, "secret": "acme/looker", "model": "erp"});
    settings.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    serde_json::from_value(settings).unwrap()
}

pub(super) fn secret(fields: &[(&str, &str)]) -> Secret {
    Secret::new(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

pub(super) fn looker(stub: &Stub, change: Json) -> Looker {
    looker_at(stub, &Hand::new(), change)
}

pub(super) fn looker_at(stub: &Stub, clock: &Hand, change: Json) -> Looker {
    let key = secret(&[("client_id", "id/1"), ("client_secret", CLIENT_SECRET)]);
    let plans = BTreeMap::from([("acme/sftp".to_owned(), secret(&[("password", SFTP_PASSWORD)]))]);
    Looker::open(settings(&stub.url, change), &key, plans, Arc::new(clock.clone())).unwrap()
}

/// A stub that knows the explore.
pub(super) async fn with_explore() -> Stub {
    let stub = Stub::start().await;
    stub.on(EXPLORE, [Reply::ok(explore())]);
    stub
}

pub(super) fn group(group: Option<&str>, records: u64, sum: Option<&str>) -> GroupTotal {
    let sums = vec![sum.map(|sum| Decimal::parse(sum).unwrap())];
    GroupTotal { group: group.map(str::to_owned), records, sums }
}

/// The filter expressions of a query, which are what the test looks at.
pub(super) fn filters(asked: &Asked) -> Json {
    asked.json()["filters"].clone()
}
