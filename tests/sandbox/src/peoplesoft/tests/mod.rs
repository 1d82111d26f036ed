//! The server as a caller meets it: real connections, plain bytes, no client library.
//!
//! Each line of the vendor's reference that the simulator insists on has a line in one of these tests.

mod access;
mod answers;
mod custom;
mod faults;
mod prompts;
mod queries;
mod seeded;
mod wire;
mod writes;

use std::io::{Read, Write};
use std::net::TcpStream;

use base64::prelude::{BASE64_STANDARD, Engine};
use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use super::{Comparison, Expression, PeopleSoftSandbox, Profile, PromptKind, QueryDefinition, Records, Settings};
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
        let rows = self.json()["data"]["query"]["rows"].clone();
        rows.as_array().unwrap_or_else(|| panic!("{self:?}")).clone()
    }

    /// One column of all rows, as text.
    fn column(&self, name: &str) -> Vec<String> {
        let text = |row: &Json| row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned);
        self.rows().iter().map(text).collect()
    }

    fn message(&self) -> String {
        self.json()["data"]["message"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

/// Nothing when the connection closed without a reply.
fn send(sandbox: &PeopleSoftSandbox, request: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(sandbox.address()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    read(&mut stream)
}

fn read(stream: &mut impl Read) -> Option<Answer> {
    let mut bytes = Vec::new();
    // A connection that breaks in the middle of a body is a result here, not a failure.
    let _whole = stream.read_to_end(&mut bytes).is_ok();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: psft.example.com:8000\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    format!("{request}\r\n{body}")
}

fn call(sandbox: &PeopleSoftSandbox, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    send(sandbox, &request(method, path, headers, body)).unwrap_or_else(|| panic!("no reply to {method} {path}"))
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

const REST: &str = "/PSIGW/RESTListeningConnector/PSFT_EP";

/// Calls an operation of the node as CXUSER: `ExecuteQuery.v1/…`.
fn get(sandbox: &PeopleSoftSandbox, operation: &str) -> Answer {
    let authorization = basic("CXUSER", "secret");
    call(sandbox, "GET", &format!("{REST}/{operation}"), &[("Authorization", &authorization)], "")
}

/// Runs a public query with JSON.
fn query(sandbox: &PeopleSoftSandbox, name: &str, prompts: &[(&str, &str)], max_rows: usize) -> Answer {
    get(sandbox, &path(name, prompts, max_rows))
}

fn path(name: &str, prompts: &[(&str, &str)], max_rows: usize) -> String {
    let names: Vec<&str> = prompts.iter().map(|(name, _)| *name).collect();
    let values: Vec<&str> = prompts.iter().map(|(_, value)| *value).collect();
    let asked = match prompts {
        [] => String::new(),
        _ => format!("&prompt_uniquepromptname={}&prompt_fieldvalue={}", names.join(","), values.join(",")),
    };
    format!("ExecuteQuery.v1/public/{name}/JSON/NONFILE?isconnectedquery=N&maxrows={max_rows}{asked}&json_resp=true")
}

fn noon() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn start(settings: Settings, records: Records) -> PeopleSoftSandbox {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(PeopleSoftSandbox::start(settings, Clock::fixed(noon()), records)).unwrap()
}

/// Ten vouchers of one unit, 1 to 10, and the query that reads them by key.
fn ten(settings: Settings) -> PeopleSoftSandbox {
    let mut records = Records::standard().unwrap();
    let vouchers = records.change("VOUCHER").unwrap();
    for number in 1..=10 {
        vouchers
            .insert(&[
                ("BUSINESS_UNIT", if number % 2 == 0 { "US002" } else { "US001" }),
                ("VOUCHER_ID", &format!("{number:08}")),
                ("INVOICE_ID", ["", "INV-1", "inv,2", "O'N \"3\"", "Ünï 4"][number % 5]),
                ("INVOICE_DT", &format!("2026-11-{number:02}")),
                ("DUE_DT", if number == 10 { "" } else { "2026-12-01" }),
                ("VENDOR_SETID", "SHARE"),
                ("VENDOR_ID", "0000000042"),
                ("GROSS_AMT", &format!("{}.{number:02}0", number * 100)),
                ("LAST_UPDATE_DTTM", &format!("2026-11-{:02}-09.15.02.000000", 10 + number)),
            ])
            .unwrap();
    }
    let sandbox = start(settings, records);
    sandbox.define_query(by_key()).unwrap();
    sandbox
}

fn by_key() -> QueryDefinition {
    QueryDefinition::new("CX_VOUCHERS")
        .record("A", "VOUCHER")
        .fields(&["A.BUSINESS_UNIT", "A.VOUCHER_ID", "A.INVOICE_ID", "A.GROSS_AMT", "A.DUE_DT", "A.LAST_UPDATE_DTTM"])
        .expression("VOUCHER_KEY", Expression::concat(["A.VOUCHER_ID", "'.'", "A.BUSINESS_UNIT"]))
        .prompt("SINCE", PromptKind::DateTime)
        .prompt("AFTER_KEY", PromptKind::Text)
        .where_prompt("A.LAST_UPDATE_DTTM", Comparison::GreaterOrEqual, "SINCE")
        .where_prompt("VOUCHER_KEY", Comparison::Greater, "AFTER_KEY")
        .order_by("VOUCHER_KEY")
}

const ALL: [(&str, &str); 2] = [("SINCE", "2026-01-01-00.00.00"), ("AFTER_KEY", "")];

fn numbers(answer: &Answer) -> Vec<i64> {
    answer.column("VOUCHER_ID").iter().map(|number| number.parse().unwrap()).collect()
}

fn settings(profile: Profile) -> Settings {
    Settings::of(profile)
}
