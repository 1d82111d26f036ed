//! Misbehaviour on demand: which calls go wrong, and how.
//!
//! Invariant: a fault hits exactly the calls it was told to hit, counted from the moment it was added. Without faults
//! the server never misbehaves by chance.

use std::time::Duration;

use crate::http::Request;

/// Which calls a fault hits: those whose `METHOD /path` begins with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calls {
    prefix: String,
    about: Option<String>,
    skip: usize,
    times: Option<usize>,
}

impl Calls {
    /// The next call that begins with this, such as `POST /api/4.0/scheduled_plans`; an empty text means any call.
    pub fn to(prefix: &str) -> Self {
        Self { prefix: prefix.into(), about: None, skip: 0, times: Some(1) }
    }

    /// Only calls whose query string or body contains this.
    pub fn about(mut self, text: &str) -> Self {
        self.about = Some(text.into());
        self
    }

    /// Lets so many such calls pass first.
    pub fn after(mut self, calls: usize) -> Self {
        self.skip = calls;
        self
    }

    /// The next `n` such calls.
    pub fn times(mut self, n: usize) -> Self {
        self.times = Some(n);
        self
    }

    /// All such calls.
    pub fn every(mut self) -> Self {
        self.times = None;
        self
    }

    fn matches(&self, request: &Request) -> bool {
        let about =
            |text: &String| request.query.contains(text) || String::from_utf8_lossy(&request.body).contains(text);
        format!("{} {}", request.method, request.path).starts_with(&self.prefix)
            && self.about.as_ref().is_none_or(about)
    }
}

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

#[derive(Debug)]
struct Rule {
    calls: Calls,
    seen: usize,
    fault: Fault,
}

/// The faults waiting for their calls.
#[derive(Debug, Default)]
pub(super) struct Rules(Vec<Rule>);

impl Rules {
    pub(super) fn add(&mut self, calls: Calls, fault: Fault) {
        self.0.push(Rule { calls, seen: 0, fault });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// How many rules have not hit all their calls yet; rules for every call do not count.
    pub(super) fn waiting(&self) -> usize {
        let open = |rule: &&Rule| rule.calls.times.is_some_and(|times| rule.seen < rule.calls.skip + times);
        self.0.iter().filter(open).count()
    }

    /// What happens to this call.
    pub(super) fn effects(&mut self, request: &Request) -> Effects {
        let mut effects = Effects::default();
        for rule in self.0.iter_mut().filter(|rule| rule.calls.matches(request)) {
            rule.seen += 1;
            let Calls { skip, times, .. } = rule.calls;
            if rule.seen <= skip || times.is_some_and(|times| rule.seen > skip + times) {
                continue;
            }
            match rule.fault {
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
