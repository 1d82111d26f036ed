//! Replay by hand.

use chrono::{DateTime, Utc};
use engine::Result;
use engine::model::id::DeliveryId;
use engine::model::request::{ReplayRequest, Replayed};
use engine::model::window::Selection;
use engine::stages::{replay, selections};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::Function;

/// Asks in place of a replay what it would start.
const DRY_RUN: &str = "dry_run";

/// What the function is invoked with: a [`ReplayRequest`], and `dry_run` beside its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// What is replayed.
    pub request: ReplayRequest,
    /// Say what would be started, and start nothing.
    pub dry_run: bool,
}

// Not derived: a flattened request would take fields that it does not know.
impl<'de> Deserialize<'de> for Replay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let mut fields = Map::<String, Value>::deserialize(deserializer)?;
        let dry_run = match fields.remove(DRY_RUN) {
            None => false,
            Some(Value::Bool(dry_run)) => dry_run,
            Some(other) => return Err(D::Error::custom(format!("`dry_run` is {other}: write true or false"))),
        };
        let request = ReplayRequest::deserialize(Value::Object(fields)).map_err(D::Error::custom)?;
        Ok(Self { request, dry_run })
    }
}

/// What the function answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplayAnswer {
    /// What was started.
    #[serde(flatten)]
    pub replayed: Replayed,
    /// With `dry_run`: what would have been.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub would_run: Vec<WouldRun>,
    /// With `dry_run`: the delivery that would go again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_deliver: Option<DeliveryId>,
}

/// A run that a replay would start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WouldRun {
    /// Of which sync.
    pub sync: String,
    /// What it would read.
    pub reads: Selection,
}

impl Function {
    /// Starts what the request asks for, and says which runs that are.
    ///
    /// # Errors
    /// Stops for a request that asks for nothing, for several things, or for what is not known.
    pub async fn replay(self, asked: Replay, _deadline: DateTime<Utc>) -> Result<ReplayAnswer> {
        let request = &asked.request;
        let integrations = self.integrations(&request.tenant)?;
        let mut answer = ReplayAnswer { replayed: Replayed::default(), would_run: Vec::new(), would_deliver: None };
        match (asked.dry_run, &request.delivery) {
            (false, _) => answer.replayed = replay(&self.context, request, &integrations).await?,
            (true, Some(delivery)) => {
                let known = self.context.store.delivery(delivery).await?;
                answer.would_deliver = known.filter(|known| known.tenant == request.tenant).map(|known| known.id);
            }
            (true, None) => {
                let selections = selections(&self.context, request, &integrations).await?;
                let would = |(sync, reads): (engine::model::id::SyncId, _)| WouldRun { sync: sync.to_string(), reads };
                answer.would_run = selections.into_iter().map(would).collect();
            }
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_that_is_not_known_is_refused_also_beside_dry_run() {
        let asked = json!({"tenant": "acme", "rejects": true, "dry_run": true});
        let read: Replay = serde_json::from_value(asked).unwrap();
        assert!(read.dry_run && read.request.rejects);
        for wrong in [json!({"tenant": "acme", "runs": "1"}), json!({"tenant": "acme", "rejects": true, "dry_run": 1})]
        {
            assert!(serde_json::from_value::<Replay>(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_answer_reads_back_as_it_was_given() {
        let answer = ReplayAnswer {
            replayed: Replayed::default(),
            would_run: vec![WouldRun { sync: "acme/jde-looker/suppliers".to_owned(), reads: Selection::Changes }],
            would_deliver: None,
        };
        let text = serde_json::to_string(&answer).unwrap();
        assert_eq!(serde_json::from_str::<ReplayAnswer>(&text).unwrap(), answer);
    }
}
