//! The journal of requests.
//!
//! Invariant: no secret stands in it: neither tokens nor client secrets nor the secret parameters of destinations.

use std::fmt;

use serde_json::Value as Json;

use crate::http::{Delivery, Reply, Request};

const HIDDEN: &str = "***";

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
    /// The body as text, secrets replaced by `***`.
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

    pub(super) fn new(request: Request, reply: &Reply) -> Self {
        let headers = request.headers.into_iter().map(|(name, value)| {
            let hidden = || format!("{} {HIDDEN}", value.split(' ').next().unwrap_or_default());
            let value = if name == "authorization" { hidden() } else { value };
            (name, value)
        });
        Self {
            headers: headers.collect(),
            query: form(&request.query),
            body: hide(&String::from_utf8_lossy(&request.body)),
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

fn hide(body: &str) -> String {
    if !body.contains("secret") {
        return body.to_owned();
    }
    match serde_json::from_str::<Json>(body) {
        Ok(mut json) => {
            hide_members(&mut json);
            json.to_string()
        }
        Err(_) => form(body),
    }
}

fn form(text: &str) -> String {
    let pairs = text.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if name.contains("secret") => format!("{name}={HIDDEN}"),
        _ => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

fn hide_members(json: &mut Json) {
    match json {
        Json::Array(items) => items.iter_mut().for_each(hide_members),
        Json::Object(members) => {
            for (name, value) in members {
                if name.contains("secret") {
                    *value = HIDDEN.into();
                } else {
                    hide_members(value);
                }
            }
        }
        _ => {}
    }
}
