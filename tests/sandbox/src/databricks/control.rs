//! `/__sandbox/…`: faults, clock and journal for programs in other languages.
//!
//! Invariant: it lies outside the API, needs no token, is served only when the settings say so, and is not in the journal.

use std::time::Duration;

use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::answer::{Answer, Refusal};
use super::faults::Fault;
use super::server::Shared;
use crate::faults::Calls;
use crate::http::Request;

/// Where control calls begin.
pub(super) const PREFIX: &str = "/__sandbox/";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultOrder {
    /// A part of `METHOD /path`.
    calls: String,
    about: Option<String>,
    #[serde(default)]
    after: usize,
    /// Nothing means every call.
    times: Option<usize>,
    fault: String,
    code: Option<u16>,
    retry_after: Option<u32>,
    milliseconds: Option<u64>,
    polls: Option<usize>,
    error_code: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockOrder {
    advance_seconds: i64,
}

impl Shared {
    /// Answers a control call.
    pub(super) fn control(&self, request: &Request) -> Result<Answer, Refusal> {
        let name = request.path.strip_prefix(PREFIX).unwrap_or_default();
        let done = match (request.method.as_str(), name) {
            ("POST", "faults") => {
                let (calls, fault) = order(read(request)?)?;
                self.state().rules.add(calls, fault);
                json!({})
            }
            ("DELETE", "faults") => {
                self.state().rules.clear();
                json!({})
            }
            ("POST", "tokens/revoke") => {
                self.state().tokens.revoke_all();
                json!({})
            }
            ("POST", "clock") => {
                let ClockOrder { advance_seconds } = read(request)?;
                let by = TimeDelta::try_seconds(advance_seconds);
                self.clock.advance(by.ok_or_else(|| Refusal::invalid("too many seconds"))?);
                json!({"now": self.clock.now().timestamp()})
            }
            ("GET", "calls") => {
                let state = self.state();
                let calls = state.calls.iter().map(|call| {
                    json!({
                        "method": call.method, "path": call.path, "query": call.query, "headers": call.headers,
                        "body": call.body, "status": call.status,
                    })
                });
                calls.collect::<Vec<Json>>().into()
            }
            _ => return Err(Refusal::no_endpoint(&request.path)),
        };
        Ok(Answer::json(&done))
    }
}

fn read<T: serde::de::DeserializeOwned>(request: &Request) -> Result<T, Refusal> {
    serde_json::from_slice(&request.body).map_err(|error| Refusal::malformed(error.to_string()))
}

fn order(order: FaultOrder) -> Result<(Calls, Fault), Refusal> {
    let mut calls = Calls::to(&order.calls).after(order.after);
    calls = match order.times {
        Some(times) => calls.first(times),
        None => calls.every(),
    };
    if let Some(about) = &order.about {
        calls = calls.about(about);
    }
    let (error_code, message) = (order.error_code.unwrap_or_default(), order.message.unwrap_or_default());
    let fault = match order.fault.as_str() {
        "status" => Fault::Status { code: order.code.unwrap_or(500), retry_after: order.retry_after },
        "lost_request" => Fault::LostRequest,
        "lost_reply" => Fault::LostReply,
        "dead_token" => Fault::DeadToken,
        "slow" => Fault::Slow(Duration::from_millis(order.milliseconds.unwrap_or(1000))),
        "truncated_body" => Fault::TruncatedBody,
        "html_body" => Fault::HtmlBody,
        "polls" => Fault::Polls(order.polls.unwrap_or(1)),
        "statement_fails" => Fault::StatementFails { error_code, message, done: false },
        "statement_fails_after_work" => Fault::StatementFails { error_code, message, done: true },
        other => return Err(Refusal::invalid(format!("fault {other} is unknown"))),
    };
    Ok((calls, fault))
}
