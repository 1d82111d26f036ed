//! The server as a caller meets it: real connections, plain bytes, no client library.
//!
//! Each line of the vendor's reference that the simulator insists on has a line in one of these tests.

mod caching;
mod faults;
mod fixture;
mod models;
mod plans;
mod postgres;
mod queries;
mod sessions;

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value as Json, json};

use super::LookerSandbox;
use fixture::{World, world};

/// What came back.
#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    /// In lower case.
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn ok(&self) -> Json {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }

    /// The fields of a validation error.
    fn invalid(&self) -> Vec<String> {
        assert_eq!(self.status, 422, "{self:?}");
        let json = self.json();
        assert_eq!(json["message"], "Validation Failed");
        let errors = json["errors"].as_array().unwrap().iter();
        errors
            .map(|error| {
                assert!(error["code"].is_string() && error["message"].is_string(), "{error}");
                error["field"].as_str().unwrap().to_owned()
            })
            .collect()
    }
}

/// Nothing when the connection closed without a reply.
fn send(sandbox: &LookerSandbox, request: &str) -> Option<Answer> {
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

fn raw(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: looker\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    request
}

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const AS_JSON: (&str, &str) = ("Content-Type", "application/json");

fn log_in(sandbox: &LookerSandbox, body: &str) -> Answer {
    send(sandbox, &raw("POST", "/api/4.0/login", &[FORM], body)).unwrap()
}

/// A caller with a token.
struct Caller<'a> {
    sandbox: &'a LookerSandbox,
    token: String,
}

impl<'a> Caller<'a> {
    fn new(sandbox: &'a LookerSandbox) -> Self {
        Self::with(sandbox, "client_id=sandbox&client_secret=secret")
    }

    fn with(sandbox: &'a LookerSandbox, credentials: &str) -> Self {
        let answer = log_in(sandbox, credentials).ok();
        Self { sandbox, token: answer["access_token"].as_str().unwrap().to_owned() }
    }

    fn call(&self, method: &str, path: &str, body: &str) -> Option<Answer> {
        let authorization = format!("Bearer {}", self.token);
        let path = if path.starts_with("/api") { path.to_owned() } else { format!("/api/4.0{path}") };
        send(self.sandbox, &raw(method, &path, &[AS_JSON, ("Authorization", &authorization)], body))
    }

    fn get(&self, path: &str) -> Answer {
        self.call("GET", path, "").unwrap()
    }

    fn post(&self, path: &str, body: &Json) -> Answer {
        self.call("POST", path, &body.to_string()).unwrap()
    }

    fn patch(&self, path: &str, body: &Json) -> Answer {
        self.call("PATCH", path, &body.to_string()).unwrap()
    }

    /// Runs a query for its rows, unformatted and past the cache.
    fn rows(&self, query: &Json) -> Json {
        self.post("/queries/run/json?cache=false&apply_formatting=false", query).ok()
    }
}

/// A query on the invoices.
fn invoices(fields: &[&str], filters: &Json) -> Json {
    json!({"model": "erp", "view": "ap_invoices", "fields": fields, "filters": filters})
}
