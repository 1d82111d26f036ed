//! Misbehaviour on demand: which calls go wrong, and how.
//!
//! Invariant: a fault hits exactly the calls it was told to hit, counted from the moment it was added. Without faults
//! the server never misbehaves by chance.

use std::time::Duration;

/// How a call goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// The work is done, the reply never arrives.
    LostReply,
    /// 401, although the token is alive; it stays alive.
    DeadToken,
    /// Answered only after this long.
    Slow(Duration),
    /// Processed; the connection closes in the middle of the body, whose Content-Length promised all of it.
    TruncatedBody,
    /// A proxy's page with status 200 instead of the answer; nothing is done.
    HtmlBody,
    /// The right body, declared as `text/html`.
    WrongContentType,
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
    pub(super) wrong_type: bool,
}

impl Effects {
    pub(super) fn of(faults: Vec<Fault>) -> Self {
        let mut effects = Self::default();
        for fault in faults {
            match fault {
                Fault::Status { code, retry_after } => effects.instead = Some((code, retry_after)),
                Fault::LostRequest => effects.lost_request = true,
                Fault::LostReply => effects.lost_reply = true,
                Fault::DeadToken => effects.dead_token = true,
                Fault::Slow(delay) => effects.delay += delay,
                Fault::TruncatedBody => effects.truncated = true,
                Fault::HtmlBody => effects.html = true,
                Fault::WrongContentType => effects.wrong_type = true,
            }
        }
        effects
    }
}
