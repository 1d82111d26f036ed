//! The journal of requests.
//!
//! Invariant: no secret stands in it, neither tokens nor client secrets; files stand in it as their length.

use std::fmt;

use serde_json::Value as Json;

use crate::http::{Delivery, Reply, Request};

/// One request, and what became of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path, without the query string, as it came.
    pub path: String,
    /// The query string as it came.
    pub query: String,
    /// The headers, names in lower case; of `authorization` only the scheme.
    pub headers: Vec<(String, String)>,
    /// The body as text; of a file only its length.
    pub body: String,
    /// The status that was sent; nothing when the connection closed without a reply.
    pub status: Option<u16>,
}

impl Call {
    /// A header by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; nothing when it is none.
    pub fn json(&self) -> Option<Json> {
        serde_json::from_str(&self.body).ok()
    }

    /// The statement that it brought; nothing when it is no such call.
    pub fn statement(&self) -> Option<String> {
        let execute = self.method == "POST" && self.path.trim_end_matches('/') == "/api/2.0/sql/statements";
        let body = if execute { self.json() } else { None };
        body.and_then(|body| body.get("statement").and_then(Json::as_str).map(ToOwned::to_owned))
    }

    pub(super) fn new(request: Request, reply: &Reply) -> Self {
        let headers = request.headers.into_iter().map(|(name, value)| {
            let hidden = || format!("{} ***", value.split(' ').next().unwrap_or_default());
            let value = if name == "authorization" { hidden() } else { value };
            (name, value)
        });
        let body = match request.method.as_str() {
            "PUT" => format!("{} bytes", request.body.len()),
            _ => without_secret(&String::from_utf8_lossy(&request.body)),
        };
        Self {
            headers: headers.collect(),
            query: request.query,
            body,
            method: request.method,
            path: request.path,
            status: (reply.delivery != Delivery::Nothing).then_some(reply.status),
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.query.is_empty() { "" } else { "?" };
        write!(f, "{} {}{mark}{} → {:?}", self.method, self.path, self.query, self.status)
    }
}

fn without_secret(form: &str) -> String {
    if !form.contains("client_secret=") {
        return form.to_owned();
    }
    let pairs = form.split('&').map(|pair| if pair.starts_with("client_secret=") { "client_secret=***" } else { pair });
    pairs.collect::<Vec<_>>().join("&")
}
