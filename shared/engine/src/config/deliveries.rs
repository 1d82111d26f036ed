//! What a tenant wants delivered when its syncs are complete.

use schemars::JsonSchema;
use serde::Deserialize;

use super::nearest;
use super::period::Period;
use crate::model::delivery::What;
use crate::plan::DeliveryPlan;

/// Something that is delivered when syncs are complete: give `plan` or `trigger`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliverySpec {
    /// A scheduled plan to run once, by its name or id.
    #[serde(default)]
    #[schemars(example = &"AP daily")]
    pub plan: Option<String>,
    /// A datagroup to trigger, by its name: its derived tables are built anew and its plans sent.
    #[serde(default)]
    #[schemars(example = &"nightly")]
    pub trigger: Option<String>,
    /// The syncs that have to complete a run before it goes. Without it, all of the integration that are switched on.
    #[serde(default)]
    #[schemars(example = ["suppliers", "ap_invoices"])]
    pub after: Vec<String>,
    /// How long after the first of these syncs the others may complete.
    #[serde(default = "two_hours")]
    #[schemars(example = &"2h")]
    pub deadline: Period,
    /// What happens at the deadline when some are late: it goes without them and names them, or it is held for a person.
    #[serde(default)]
    #[schemars(example = WhenLate::Hold)]
    pub when_late: WhenLate,
}

/// What happens to a delivery whose syncs are late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenLate {
    /// It goes and names them.
    #[default]
    Deliver,
    /// It is held until a person replays it.
    Hold,
}

fn two_hours() -> Period {
    Period::from_seconds(2 * 3_600)
}

/// A mistake: the field, if it lies in one, and the words.
pub(super) type Mistake = (Option<&'static str>, String);

impl DeliverySpec {
    /// The delivery `name`, made ready; `streams` are the syncs that are switched on.
    pub(super) fn resolve(&self, name: &str, streams: &[&str]) -> Result<DeliveryPlan, Mistake> {
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
            return Err((None, format!("`{name}` is no name for a delivery: use letters, digits, _ and -")));
        }
        let what = match (&self.plan, &self.trigger) {
            (Some(plan), None) => What::Plan(plan.clone()),
            (None, Some(group)) => What::Trigger(group.clone()),
            (None, None) => return Err((None, "delivers nothing: name a `plan` or a datagroup to `trigger`".into())),
            (Some(_), Some(_)) => {
                return Err((Some("trigger"), "a delivery is a `plan` or a `trigger`: make two of it".into()));
            }
        };
        if let Some(unknown) = self.after.iter().find(|stream| !streams.contains(&stream.as_str())) {
            let hint = nearest(unknown, streams.iter().copied());
            return Err((Some("after"), format!("there is no sync `{unknown}` that is switched on{hint}")));
        }
        let all = || streams.iter().map(|&stream| stream.to_owned()).collect();
        Ok(DeliveryPlan {
            name: name.to_owned(),
            what,
            after: if self.after.is_empty() { all() } else { self.after.clone() },
            deadline: self.deadline.0,
            without_late: self.when_late == WhenLate::Deliver,
        })
    }
}
