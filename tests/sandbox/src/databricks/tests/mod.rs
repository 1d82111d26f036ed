//! The workspace as a caller meets it: real connections, plain bytes, no client library.

mod access;
mod catalog;
mod changes;
mod faults;
mod files;
mod merge;
mod queries;
mod statements;
mod wire;

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value as Json, json};

use super::{Builder, DatabricksSandbox};

/// What came back.
#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    /// In lower case.
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn ok(&self) -> Json {
        assert_eq!(self.status, 200, "{} {}", self.head, String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// The status and the error code.
    fn refused(&self) -> (u16, String) {
        (self.status, self.json()["error_code"].as_str().unwrap_or_default().to_owned())
    }
}

/// Nothing when the connection closed without a reply.
fn send(
    sandbox: &DatabricksSandbox,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Answer> {
    let mut stream = TcpStream::connect(sandbox.address()).unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: workspace\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    stream.write_all(request.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut bytes = Vec::new();
    // A connection that breaks in the middle of a body is a result here, not a failure.
    let _whole = stream.read_to_end(&mut bytes).is_ok();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head, body: bytes[end + 4..].to_vec() })
}

/// A workspace with a schema `main.erp` and a volume `main.erp.landing`.
async fn workspace() -> DatabricksSandbox {
    started(DatabricksSandbox::builder()).await
}

async fn started(builder: Builder) -> DatabricksSandbox {
    builder.schema("main.erp").volume("main.erp.landing").start().await.unwrap()
}

/// A caller with a personal access token.
struct Caller<'a> {
    sandbox: &'a DatabricksSandbox,
    token: String,
}

impl<'a> Caller<'a> {
    fn new(sandbox: &'a DatabricksSandbox) -> Self {
        Self { sandbox, token: "dapi-sandbox".into() }
    }

    fn with(sandbox: &'a DatabricksSandbox, token: &str) -> Self {
        Self { sandbox, token: token.into() }
    }

    fn call(&self, method: &str, path: &str, body: &[u8]) -> Option<Answer> {
        let authorization = format!("Bearer {}", self.token);
        send(self.sandbox, method, path, &[("Authorization", &authorization)], body)
    }

    fn get(&self, path: &str) -> Answer {
        self.call("GET", path, b"").unwrap()
    }

    fn post(&self, path: &str, body: &Json) -> Answer {
        self.call("POST", path, body.to_string().as_bytes()).unwrap()
    }

    /// Sends a statement, with more members of the request.
    fn execute(&self, statement: &str, more: &Json) -> Json {
        self.order(statement, more).ok()
    }

    fn order(&self, statement: &str, more: &Json) -> Answer {
        let mut body = json!({"statement": statement, "warehouse_id": "w1"});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.post("/api/2.0/sql/statements", &body)
    }

    /// The rows of a statement that must succeed.
    fn rows(&self, statement: &str) -> Json {
        let answer = self.execute(statement, &json!({}));
        assert_eq!(answer["status"]["state"], "SUCCEEDED", "{answer}");
        answer["result"]["data_array"].clone()
    }

    /// How a statement stands.
    fn ask(&self, id: &Json) -> Json {
        self.get(&format!("/api/2.0/sql/statements/{}", id.as_str().unwrap())).ok()
    }

    /// Asks until a statement has ended.
    fn end(&self, id: &Json) -> Json {
        for _ in 0..5000 {
            let answer = self.ask(id);
            if !matches!(answer["status"]["state"].as_str().unwrap(), "PENDING" | "RUNNING") {
                return answer;
            }
            std::thread::yield_now();
        }
        panic!("the statement does not end");
    }
}

/// The error class of a statement that must fail.
fn class(sandbox: &DatabricksSandbox, statement: &str) -> String {
    let error = sandbox.sql(statement).expect_err(statement);
    error.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(class, _)| class.to_owned()).unwrap_or(error)
}

/// The only value of a query.
fn value(sandbox: &DatabricksSandbox, query: &str) -> String {
    let rows = sandbox.sql(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    rows.rows[0][0].clone().unwrap_or_else(|| "null".into())
}
