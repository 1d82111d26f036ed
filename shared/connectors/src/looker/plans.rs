//! Scheduled plans as Looker shows them, and how one is found by what people call it.

use engine::{Error, Result};
use serde::Deserialize;

use super::client::{Ask, Client};
use super::datagroups;
use crate::http::Method;

/// What reading plans needs.
pub(super) const MAY_SEE: &str = "`see_schedules`";

/// A scheduled plan, as far as it is of use here. Whatever an instance does not show is `None`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Plan {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) user_id: Option<String>,
    pub(super) enabled: Option<bool>,
    pub(super) run_once: Option<bool>,
    pub(super) look_id: Option<String>,
    pub(super) dashboard_id: Option<String>,
    pub(super) lookml_dashboard_id: Option<String>,
    pub(super) crontab: Option<String>,
    pub(super) datagroup: Option<String>,
    pub(super) timezone: Option<String>,
    pub(super) filters_string: Option<String>,
    pub(super) require_results: Option<bool>,
    pub(super) require_no_results: Option<bool>,
    pub(super) require_change: Option<bool>,
    pub(super) send_all_results: Option<bool>,
    pub(super) run_as_recipient: Option<bool>,
    pub(super) include_links: Option<bool>,
    pub(super) pdf_paper_size: Option<String>,
    pub(super) pdf_landscape: Option<bool>,
    pub(super) long_tables: Option<bool>,
    pub(super) scheduled_plan_destination: Option<Vec<Destination>>,
}

/// One place that a plan sends to.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Destination {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) address: Option<String>,
    pub(super) format: Option<String>,
    pub(super) parameters: Option<String>,
    pub(super) message: Option<String>,
}

impl Plan {
    pub(super) fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// Whether it is a copy that was made to run once.
    pub(super) fn is_copy(&self) -> bool {
        self.run_once == Some(true)
    }
}

/// The plans of the API user, or of all users where the settings say so.
///
/// # Errors
/// As every call.
pub(super) async fn list(client: &Client) -> Result<Vec<Plan>> {
    let mut ask = Ask::new(Method::GET, &["scheduled_plans"], "the scheduled plans", MAY_SEE);
    if client.settings.all_users {
        ask = ask.with("all_users", "true");
    }
    Ok(client.ask(&ask).await?)
}

/// The name in Looker of what people call a plan: that of a plan declared under this name, or the name itself.
pub(super) fn name_of<'a>(client: &'a Client, called: &'a str) -> &'a str {
    let declared = client.settings.plans.get(called).and_then(|plan| plan.name.as_deref());
    declared.unwrap_or(called)
}

/// The plan of this id, or else of exactly this name.
///
/// # Errors
/// Stops when there is none or more than one.
pub(super) fn find<'p>(client: &Client, plans: &'p [Plan], called: &str) -> Result<&'p Plan> {
    let name = name_of(client, called);
    if let Some(plan) = plans.iter().find(|plan| plan.id() == name) {
        return Ok(plan);
    }
    only(client, plans, name)?.ok_or_else(|| {
        Error::stop(format!(
            "{} shows no scheduled plan `{name}`: {}; declare it under `plans`, or let the API user own it",
            client.http.host(),
            if client.settings.all_users {
                format!("a role of the API user has to have {MAY_SEE} to see those of others")
            } else {
                "it shows the plans that the API user owns".to_owned()
            }
        ))
    })
}

/// The one plan of exactly this name that is no copy, where there is any.
///
/// # Errors
/// Stops when there is more than one.
pub(super) fn only<'p>(client: &Client, plans: &'p [Plan], name: &str) -> Result<Option<&'p Plan>> {
    let found: Vec<_> = plans.iter().filter(|plan| plan.name() == name && !plan.is_copy()).collect();
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => Err(Error::stop(format!(
            "{} has {} scheduled plans named `{name}`, with the ids {}: give them different names, or name the right one by \
             its id",
            client.http.host(),
            several.len(),
            several.iter().map(|plan| plan.id()).collect::<Vec<_>>().join(" and ")
        ))),
    }
}

/// Why a plan must not be run: it runs by itself when this datagroup is triggered, and people would get two copies.
pub(super) fn runs_anyway(client: &Client, plan: &Plan, datagroup: &str) -> Option<String> {
    let shown = plan.datagroup.as_deref().filter(|shown| datagroups::is_same(client, shown, datagroup))?;
    Some(format!(
        "the plan `{}` (id {}) hangs on the datagroup `{shown}`, which is triggered here: it runs by itself then, and people \
         would get two copies; give it a crontab, or set `datagroup.on_change: reset`, or leave the delivery out",
        plan.name(),
        plan.id()
    ))
}
