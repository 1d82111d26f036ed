//! Deliveries: what a consumer is asked to send to people after the syncs it rests on are complete, and what became of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::id::{DeliveryId, IntegrationId, RunId, TenantId};

/// What is delivered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A scheduled plan of the consumer, by its name or id: it is run once.
    Plan(String),
    /// A group of caches and derived tables, by its name: it is triggered, and with it the plans that hang on it.
    Trigger(String),
}

impl What {
    /// The consumer's name for it.
    pub fn name(&self) -> &str {
        match self {
            Self::Plan(name) | Self::Trigger(name) => name,
        }
    }
}

/// Where a delivery stands. Only the functions of this module move it.
///
/// ```text
/// Planned ──▶ Requested ──▶ Accepted ──▶ Delivered
///    ▲           │    └──▶ Uncertain      Failed
///    └───────────┘ certainly not sent
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is to be sent.
    Planned,
    /// The request was written down and may be on its way: whoever finds this looks before anything is sent again.
    Requested {
        /// When.
        at: DateTime<Utc>,
    },
    /// The consumer has it.
    Accepted {
        /// When it was requested.
        at: DateTime<Utc>,
        /// The consumer's id of it.
        reference: String,
    },
    /// It was delivered.
    Delivered {
        /// The consumer's id of it.
        reference: String,
        /// Where to, in words.
        detail: String,
    },
    /// It was refused, or failed on its way.
    Failed {
        /// Why, and what to do.
        why: String,
    },
    /// Nobody can say whether it was sent: a person decides whether it is sent again.
    Uncertain {
        /// When it was requested.
        at: DateTime<Utc>,
        /// What is known.
        why: String,
    },
}

/// One sending of something to people, set off by runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// Whose.
    pub tenant: TenantId,
    /// Of which integration.
    pub integration: IntegrationId,
    /// Its name in the tenant file.
    pub name: String,
    /// What is delivered.
    pub what: What,
    /// The runs that set it off, by stream.
    pub runs: BTreeMap<String, RunId>,
    /// Streams that were not complete when it had to go.
    pub late: Vec<String>,
    /// When it was planned.
    pub planned_at: DateTime<Utc>,
    /// How often it was sent, or may have been: 0 before the first time.
    pub attempts: u32,
    /// When it reached its last state.
    pub ended_at: Option<DateTime<Utc>>,
    /// Where it stands.
    pub state: DeliveryState,
}

impl Delivery {
    /// What the name of the consumer's copy carries, so that it is found again: the run that completed the cycle, and
    /// from the second time on how often it was sent.
    pub fn tag(&self) -> String {
        match self.attempts {
            0 | 1 => format!("run {}", self.id.run()),
            n => format!("run {} #{n}", self.id.run()),
        }
    }

    /// Whether it has reached a last state.
    pub fn has_ended(&self) -> bool {
        matches!(
            self.state,
            DeliveryState::Delivered { .. } | DeliveryState::Failed { .. } | DeliveryState::Uncertain { .. }
        )
    }

    /// It is about to be sent; says whether it may be. Written down before the call, so that a call whose caller died is
    /// known.
    pub fn request(&mut self, now: DateTime<Utc>) -> bool {
        if self.state != DeliveryState::Planned {
            return false;
        }
        self.attempts += 1;
        self.state = DeliveryState::Requested { at: now };
        true
    }

    /// It certainly was not sent: it may be sent again.
    pub fn not_sent(&mut self) {
        if matches!(self.state, DeliveryState::Requested { .. }) {
            self.attempts -= 1;
            self.state = DeliveryState::Planned;
        }
    }

    /// The consumer has it.
    pub fn accept(&mut self, reference: &str) {
        if let DeliveryState::Requested { at } | DeliveryState::Uncertain { at, .. } = self.state {
            self.state = DeliveryState::Accepted { at, reference: reference.to_owned() };
            self.ended_at = None;
        }
    }

    /// It was delivered.
    pub fn deliver(&mut self, reference: &str, detail: &str, now: DateTime<Utc>) {
        self.end(DeliveryState::Delivered { reference: reference.to_owned(), detail: detail.to_owned() }, now);
    }

    /// It was refused, or failed on its way.
    pub fn fail(&mut self, why: &str, now: DateTime<Utc>) {
        self.end(DeliveryState::Failed { why: why.to_owned() }, now);
    }

    /// Nobody can say whether it was sent.
    pub fn give_up(&mut self, why: &str, now: DateTime<Utc>) {
        if let DeliveryState::Requested { at } | DeliveryState::Accepted { at, .. } = self.state {
            self.end(DeliveryState::Uncertain { at, why: why.to_owned() }, now);
        }
    }

    /// A person wants it sent again; says whether there is something to do. One that is uncertain is looked for once
    /// more, and only sent again when the person says that it may arrive twice.
    pub fn replay(&mut self, may_arrive_twice: bool) -> bool {
        self.state = match self.state {
            DeliveryState::Failed { .. } => DeliveryState::Planned,
            DeliveryState::Uncertain { .. } | DeliveryState::Delivered { .. } if may_arrive_twice => {
                DeliveryState::Planned
            }
            DeliveryState::Uncertain { at, .. } => DeliveryState::Requested { at },
            _ => return false,
        };
        self.ended_at = None;
        true
    }

    fn end(&mut self, state: DeliveryState, now: DateTime<Utc>) {
        if !self.has_ended() {
            self.state = state;
            self.ended_at = Some(now);
        }
    }
}

/// What a delivery waits for before it goes: it goes once per cycle, and a cycle is complete when each of its syncs has
/// completed a run since it went last.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Cycle {
    /// The last run that completed since it went, by stream.
    pub complete: BTreeMap<String, RunId>,
    /// When the first of them did.
    pub since: Option<DateTime<Utc>>,
    /// The delivery that went last.
    pub last: Option<DeliveryId>,
    /// The runs that set that one off, by stream.
    pub set_off_by: BTreeMap<String, RunId>,
}

impl Cycle {
    /// A run of `stream` completed. With the last of the streams `after` the delivery `name` goes. A run that is named
    /// twice counts once.
    pub fn completed(&mut self, name: &str, after: &[String], stream: &str, run: &RunId, now: DateTime<Utc>) {
        if self.set_off_by.get(stream) == Some(run) {
            return;
        }
        self.complete.insert(stream.to_owned(), run.clone());
        self.since.get_or_insert(now);
        if after.iter().all(|stream| self.complete.contains_key(stream)) {
            self.go(DeliveryId::of(name, run));
        }
    }

    /// A later run of `stream` does not agree: what completed before counts no more.
    pub fn not_complete(&mut self, stream: &str) {
        self.complete.remove(stream);
        if self.complete.is_empty() {
            self.since = None;
        }
    }

    /// Whether some stream was complete at `before` already and others still are not.
    pub fn is_overdue(&self, before: DateTime<Utc>) -> bool {
        self.since.is_some_and(|since| since <= before)
    }

    /// It goes without those that are late, if it still is overdue.
    pub fn overdue(&mut self, name: &str, before: DateTime<Utc>) {
        if self.is_overdue(before)
            && let Some(run) = self.complete.values().max().cloned()
        {
            self.go(DeliveryId::of(name, &run));
        }
    }

    fn go(&mut self, delivery: DeliveryId) {
        self.last = Some(delivery);
        self.set_off_by = std::mem::take(&mut self.complete);
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "ap_daily";

    fn both() -> Vec<String> {
        vec!["suppliers".to_owned(), "ap_invoices".to_owned()]
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + chrono::Duration::seconds(seconds)
    }

    #[test]
    fn a_delivery_goes_once_when_all_its_syncs_have_completed() {
        let mut cycle = Cycle::default();
        cycle.completed(NAME, &both(), "suppliers", &RunId::new("1"), at(0));
        cycle.completed(NAME, &both(), "suppliers", &RunId::new("2"), at(1));
        assert_eq!(cycle.last, None);
        cycle.completed(NAME, &both(), "ap_invoices", &RunId::new("3"), at(2));
        assert_eq!(cycle.last, Some(DeliveryId::new("ap_daily@3")));
        assert_eq!(cycle.set_off_by["suppliers"], RunId::new("2"));

        cycle.completed(NAME, &both(), "ap_invoices", &RunId::new("3"), at(3));
        cycle.completed(NAME, &both(), "suppliers", &RunId::new("4"), at(4));
        assert_eq!(cycle.last, Some(DeliveryId::new("ap_daily@3")), "the run that set it off counts once");
        cycle.completed(NAME, &both(), "ap_invoices", &RunId::new("5"), at(5));
        assert_eq!(cycle.last, Some(DeliveryId::new("ap_daily@5")));
    }

    #[test]
    fn a_delivery_whose_syncs_are_late_goes_without_them_at_its_deadline() {
        let mut cycle = Cycle::default();
        cycle.completed(NAME, &both(), "suppliers", &RunId::new("1"), at(100));
        cycle.overdue(NAME, at(99));
        assert_eq!(cycle.last, None);
        cycle.overdue(NAME, at(100));
        assert_eq!(cycle.last, Some(DeliveryId::new("ap_daily@1")));
        assert!(!cycle.set_off_by.contains_key("ap_invoices"));
    }

    #[test]
    fn a_sync_that_does_not_agree_any_more_is_waited_for() {
        let mut cycle = Cycle::default();
        cycle.completed(NAME, &both(), "suppliers", &RunId::new("1"), at(0));
        cycle.not_complete("suppliers");
        assert!(!cycle.is_overdue(at(9)), "nothing is complete, so nothing is late");
        cycle.completed(NAME, &both(), "ap_invoices", &RunId::new("2"), at(1));
        assert_eq!(cycle.last, None);
        cycle.completed(NAME, &both(), "suppliers", &RunId::new("3"), at(2));
        assert_eq!(cycle.last, Some(DeliveryId::new("ap_daily@3")));
    }

    fn delivery() -> Delivery {
        Delivery {
            id: DeliveryId::new("ap_daily@7"),
            tenant: TenantId::new("acme"),
            integration: IntegrationId::new("jde-looker"),
            name: NAME.to_owned(),
            what: What::Plan("AP daily".to_owned()),
            runs: BTreeMap::new(),
            late: Vec::new(),
            planned_at: at(0),
            attempts: 0,
            ended_at: None,
            state: DeliveryState::Planned,
        }
    }

    #[test]
    fn what_may_have_been_sent_is_never_sent_again_by_itself() {
        let mut delivery = delivery();
        assert!(delivery.request(at(1)));
        assert!(!delivery.request(at(2)), "it may be on its way");
        delivery.give_up("no reply", at(3));
        assert!(!delivery.request(at(4)));
        assert!(delivery.replay(false), "it is looked for once more");
        assert!(!delivery.request(at(5)), "and not sent, unless a person says that it may arrive twice");
        delivery.give_up("no reply", at(6));
        assert!(delivery.replay(true));
        assert!(delivery.request(at(7)));
        assert_eq!(delivery.tag(), "run 7 #2");
    }

    #[test]
    fn what_certainly_was_not_sent_keeps_its_name() {
        let mut delivery = delivery();
        delivery.request(at(1));
        delivery.not_sent();
        assert!(delivery.request(at(2)));
        assert_eq!(delivery.tag(), "run 7");
        delivery.accept("4711");
        delivery.deliver("4711", "a@example.test", at(3));
        delivery.fail("too late", at(4));
        assert!(matches!(delivery.state, DeliveryState::Delivered { .. }));
    }
}
