//! Settings, a clock and statements that many tests need.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use engine::ports::{Clock, Secret};
use serde_json::{Value as Json, json};

use super::stub::{Reply, Stub};
use crate::databricks::client::Client;
use crate::databricks::statements::{Origin, Parameter, Statement};
use crate::databricks::{Databricks, DatabricksSettings};

pub(super) const STATEMENTS: &str = "POST /api/2.0/sql/statements";
pub(super) const HISTORY: &str = "GET /api/2.0/sql/history/queries";
pub(super) const CLIENT_SECRET: &str = "dose/cr+t";

/// A clock that a test turns.
#[derive(Clone)]
pub(super) struct Hand(Arc<Mutex<DateTime<Utc>>>);

impl Hand {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new("2026-11-21T10:30:00Z".parse().unwrap())))
    }

    pub(super) fn forward(&self, seconds: i64) {
        *self.0.lock().unwrap() += TimeDelta::seconds(seconds);
    }
}

impl Clock for Hand {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

pub(super) fn settings(url: &str, change: Json) -> DatabricksSettings {
    let mut settings = json!({
        "url": url, "warehouse": "w1", "catalog": "main", "secret": "acme/databricks", "wait": "5s", "ask_every": "1ms", "asks": 3
    });
    settings.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    serde_json::from_value(settings).unwrap()
}

pub(super) fn secret(fields: &[(&str, &str)]) -> Secret {
    Secret::new(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn principal() -> Secret {
    secret(&[("client_id", "app-1"), ("client_secret", CLIENT_SECRET)])
}

pub(super) fn client(stub: &Stub, clock: &Hand, change: Json) -> Client {
    Client::new(settings(&stub.url, change), &principal(), Arc::new(clock.clone())).unwrap()
}

pub(super) fn databricks(stub: &Stub, change: Json) -> Databricks {
    Databricks::open(&settings(&stub.url, change), &principal(), Arc::new(Hand::new())).unwrap()
}

pub(super) fn statement(sql: &str) -> Statement {
    Statement {
        what: "the merge".to_owned(),
        sql: sql.to_owned(),
        parameters: vec![Parameter::text("system", "jde")],
        origin: Origin { run: "r1".to_owned(), sync: "acme/jde/ap".to_owned(), step: "merge".to_owned() },
    }
}

/// The answer of a statement that is done.
pub(super) fn succeeded(id: &str, rows: Json) -> Reply {
    Reply::ok(json!({
        "statement_id": id, "status": {"state": "SUCCEEDED"},
        "manifest": {"format": "JSON_ARRAY", "total_chunk_count": 1, "total_row_count": rows.as_array().unwrap().len()},
        "result": {"chunk_index": 0, "row_offset": 0, "data_array": rows}
    }))
}

/// The answer of a statement in a state without rows.
pub(super) fn stands(id: &str, state: &str) -> Reply {
    Reply::ok(json!({"statement_id": id, "status": {"state": state}}))
}

/// The answer of a statement that failed: a 200.
pub(super) fn failed(code: &str, message: &str, sql_state: Option<&str>) -> Reply {
    let error = json!({"error_code": code, "message": message});
    Reply::ok(json!({"statement_id": "s1", "status": {"state": "FAILED", "error": error, "sql_state": sql_state}}))
}
