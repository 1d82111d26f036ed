//! Which calls go wrong: what all simulators have in common. How they go wrong is each system's own.
//!
//! Invariant: a fault hits exactly the calls it was told to hit, counted from the moment it was added.

use crate::http::Request;

/// Which calls a fault hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calls {
    path: String,
    about: Option<String>,
    skip: usize,
    times: Option<usize>,
}

impl Calls {
    /// Calls whose `METHOD /path` contains this, such as `POST /api/4.0/scheduled_plans`; an empty text means any call. It
    /// is the next one, unless [`Calls::nth`], [`Calls::after`], [`Calls::first`] or [`Calls::every`] says otherwise.
    pub fn to(path: &str) -> Self {
        Self { path: path.into(), about: None, skip: 0, times: Some(1) }
    }

    /// Only calls whose query string or body contains this, such as a table name.
    pub fn about(mut self, text: &str) -> Self {
        self.about = Some(text.into());
        self
    }

    /// The `n`-th such call from now, counted from 1.
    pub fn nth(self, n: usize) -> Self {
        self.after(n.saturating_sub(1)).first(1)
    }

    /// Lets so many such calls pass first.
    pub fn after(mut self, calls: usize) -> Self {
        self.skip = calls;
        self
    }

    /// The next `n` such calls.
    pub fn first(mut self, n: usize) -> Self {
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
        format!("{} {}", request.method, request.path).contains(&self.path) && self.about.as_ref().is_none_or(about)
    }
}

#[derive(Debug)]
struct Rule<F> {
    calls: Calls,
    seen: usize,
    fault: F,
}

/// The faults waiting for their calls.
#[derive(Debug)]
pub(crate) struct Rules<F>(Vec<Rule<F>>);

impl<F> Default for Rules<F> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<F: Clone> Rules<F> {
    pub(crate) fn add(&mut self, calls: Calls, fault: F) {
        self.0.push(Rule { calls, seen: 0, fault });
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// How many rules have not hit all their calls yet; rules for every call do not count.
    pub(crate) fn waiting(&self) -> usize {
        let open = |rule: &&Rule<F>| rule.calls.times.is_some_and(|times| rule.seen < rule.calls.skip + times);
        self.0.iter().filter(open).count()
    }

    /// Whether some rule has such a fault, hit or not.
    pub(crate) fn has(&self, fault: impl Fn(&F) -> bool) -> bool {
        self.0.iter().any(|rule| fault(&rule.fault))
    }

    /// The faults that hit this call, in the order they were added.
    pub(crate) fn hits(&mut self, request: &Request) -> Vec<F> {
        let mut hits = Vec::new();
        for rule in self.0.iter_mut().filter(|rule| rule.calls.matches(request)) {
            rule.seen += 1;
            let Calls { skip, times, .. } = rule.calls;
            if rule.seen > skip && times.is_none_or(|times| rule.seen <= skip + times) {
                hits.push(rule.fault.clone());
            }
        }
        hits
    }
}
