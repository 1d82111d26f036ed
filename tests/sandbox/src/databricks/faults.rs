//! Misbehaviour on demand: which calls go wrong, and how.
//!
//! Invariant: a fault hits exactly the calls it was told to hit, counted from the moment it was added. Without faults the
//! server never misbehaves by chance.

use std::time::Duration;

use crate::gate::Gate;

/// How a call, or the statement that it brings, goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answered with this status instead of being processed.
    Status {
        /// The HTTP status: 429, 500, 503, 504.
        code: u16,
        /// Seconds for a `Retry-After` header.
        retry_after: Option<u32>,
    },
    /// The connection closes before anything is done.
    LostRequest,
    /// The work is done, the reply never arrives. A statement is run to its end before the connection closes.
    LostReply,
    /// The token is refused, although it is alive; it stays alive.
    DeadToken,
    /// Answered only after this long.
    Slow(Duration),
    /// Processed; the connection closes in the middle of the body, whose Content-Length promised all of it.
    TruncatedBody,
    /// A proxy's page with status 200 instead of the answer; nothing is done.
    HtmlBody,
    /// The statement is under way, and touches nothing before the gate is opened. The call is answered at once.
    Held(Gate),
    /// The statement fails with this error.
    StatementFails {
        /// Such as `TEMPORARILY_UNAVAILABLE`.
        error_code: String,
        /// The words, which may begin with an error class in brackets and end with an SQLSTATE.
        message: String,
        /// Whether its work is done all the same.
        done: bool,
    },
    /// The statement is seen under way for so many polls, whatever it takes.
    Polls(usize),
}

impl Fault {
    /// A status without `Retry-After`.
    pub fn status(code: u16) -> Self {
        Self::Status { code, retry_after: None }
    }

    /// 429 with `Retry-After`.
    pub fn throttled(seconds: u32) -> Self {
        Self::Status { code: 429, retry_after: Some(seconds) }
    }

    /// The statement fails before it has done anything.
    pub fn statement(error_code: &str, message: &str) -> Self {
        Self::StatementFails { error_code: error_code.into(), message: message.into(), done: false }
    }

    /// The statement does its work, and fails all the same.
    pub fn statement_after_work(error_code: &str, message: &str) -> Self {
        Self::StatementFails { error_code: error_code.into(), message: message.into(), done: true }
    }
}

/// What befalls a statement.
#[derive(Clone, Debug, Default)]
pub(super) struct Fate {
    pub(super) gates: Vec<Gate>,
    pub(super) polls: usize,
    /// Code and words, and whether the work is done.
    pub(super) fails: Option<(String, String, bool)>,
    pub(super) lost_reply: bool,
}

/// What the faults of one call amount to.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) delay: Duration,
    pub(super) instead: Option<(u16, Option<u32>)>,
    pub(super) lost_request: bool,
    pub(super) lost_reply: bool,
    pub(super) dead_token: bool,
    pub(super) truncated: bool,
    pub(super) html: bool,
    pub(super) fate: Fate,
}

impl Effects {
    pub(super) fn of(faults: Vec<Fault>) -> Self {
        let mut effects = Self::default();
        for fault in faults {
            match fault {
                Fault::Status { code, retry_after } => effects.instead = Some((code, retry_after)),
                Fault::LostRequest => effects.lost_request = true,
                Fault::LostReply => {
                    effects.lost_reply = true;
                    effects.fate.lost_reply = true;
                }
                Fault::DeadToken => effects.dead_token = true,
                Fault::Slow(delay) => effects.delay += delay,
                Fault::TruncatedBody => effects.truncated = true,
                Fault::HtmlBody => effects.html = true,
                Fault::Held(gate) => effects.fate.gates.push(gate),
                Fault::StatementFails { error_code, message, done } => {
                    effects.fate.fails = Some((error_code, message, done))
                }
                Fault::Polls(polls) => effects.fate.polls += polls,
            }
        }
        effects
    }
}
