//! The server as a caller meets it: real connections, plain bytes, no client library.
//!
//! Each line of the vendor's reference that the simulator insists on has a line in one of these tables.

mod data;
mod faults;
mod login;
mod paging;
mod seeded;
mod shapes;

use std::io::{Read, Write};
use std::net::TcpStream;

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::{JdeSandbox, Settings, Tables, Value};
use crate::clock::Clock;

/// What came back.
#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn rows(&self) -> Vec<Json> {
        assert_eq!(self.status, 200, "{self:?}");
        let json = self.json();
        json["fs_DATABROWSE_F0411"]["data"]["gridData"]["rowset"].as_array().unwrap_or_else(|| panic!("{json}")).clone()
    }

    fn grid(&self, target: &str) -> Json {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()[format!("fs_DATABROWSE_{target}")]["data"]["gridData"].clone()
    }

    fn documents(&self) -> Vec<i64> {
        self.rows().iter().map(|row| row["F0411_DOC"].as_i64().unwrap()).collect()
    }

    fn more(&self) -> bool {
        self.grid("F0411")["summary"]["moreRecords"].as_bool().unwrap()
    }

    fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }
}

/// Nothing when the connection closed without a reply.
fn send(sandbox: &JdeSandbox, request: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(sandbox.address()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    // A connection that breaks in the middle of a body is a result here, not a failure.
    let _whole = stream.read_to_end(&mut bytes).is_ok();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
}

fn call(sandbox: &JdeSandbox, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: ais\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    request.push_str(&format!("\r\n{body}"));
    send(sandbox, &request).unwrap_or_else(|| panic!("no reply to {method} {path}"))
}

const AS_JSON: (&str, &str) = ("Content-Type", "application/json");

fn post(sandbox: &JdeSandbox, path: &str, body: &Json) -> Answer {
    call(sandbox, "POST", path, &[AS_JSON], &body.to_string())
}

fn get(sandbox: &JdeSandbox, path: &str) -> Answer {
    call(sandbox, "GET", path, &[], "")
}

fn noon() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn start(settings: Settings, tables: Tables) -> JdeSandbox {
    start_at(settings, tables, Clock::fixed(noon()))
}

fn start_at(settings: Settings, tables: Tables, clock: Clock) -> JdeSandbox {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(JdeSandbox::start(settings, clock, tables)).unwrap()
}

fn credentials() -> Json {
    json!({"username": "SVCREAD", "password": "secret", "deviceName": "test"})
}

fn token(sandbox: &JdeSandbox) -> String {
    let answer = post(sandbox, "/jderest/v2/tokenrequest", &credentials());
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["userInfo"]["token"].as_str().unwrap().to_owned()
}

/// A browse of F0411 with credentials in the body; `more` adds or replaces members.
fn browse(more: Json) -> Json {
    let mut request = json!({
        "targetName": "F0411", "targetType": "table", "dataServiceType": "BROWSE", "findOnEntry": "TRUE",
        "outputType": "GRID_DATA", "maxPageSize": "500", "username": "SVCREAD", "password": "secret",
        "aggregation": {"orderBy": [{"column": "F0411.DOC", "direction": "ASC"}]},
    });
    let members = request.as_object_mut().unwrap();
    for (name, value) in more.as_object().unwrap() {
        if value.is_null() {
            members.remove(name)
        } else {
            members.insert(name.clone(), value.clone())
        };
    }
    request
}

const DATA: &str = "/jderest/v2/dataservice";

fn condition(column: &str, operator: &str, contents: &[&str]) -> Json {
    special(column, operator, &contents.iter().map(|content| (*content, "LITERAL")).collect::<Vec<_>>())
}

fn special(column: &str, operator: &str, values: &[(&str, &str)]) -> Json {
    let values: Vec<_> = values.iter().map(|(content, id)| json!({"content": content, "specialValueId": id})).collect();
    json!({"controlId": column, "operator": operator, "value": values})
}

fn all(conditions: &[Json]) -> Json {
    json!({"autoFind": true, "matchType": "MATCH_ALL", "condition": conditions})
}

/// Ten invoices, 1 to 10: cells chosen so that each operator has something to tell apart.
fn ten() -> Tables {
    let mut tables = Tables::standard();
    let ledger = tables.existing("F0411").unwrap();
    for number in 1..=10_i32 {
        let day = format!("2026-11-{:02}", 10 + number);
        ledger
            .insert(&[
                ("DOC", number.into()),
                ("DCT", if number % 4 == 0 { "PD" } else { "PV" }.into()),
                ("KCO", "00001".into()),
                ("SFX", "001".into()),
                ("AN8", (4000 + number).into()),
                ("AG", format!("{}.{:02}", number * 100, number).as_str().into()),
                ("DGJ", if number == 10 { "" } else { &day }.into()),
                ("UPMJ", day.as_str().into()),
                ("UPMT", (91_502 + number).into()),
                ("MCU", ["30", "M30", "1001"][number as usize % 3].into()),
                ("VINV", ["", "INV-1", "inv-2", "O'N \"3\"", "Ünï 4"][number as usize % 5].into()),
                ("LNID", Value::from("1.000")),
                ("USER", if number == 3 { "SVCREAD" } else { "APCLERK1" }.into()),
            ])
            .unwrap();
    }
    tables
}
