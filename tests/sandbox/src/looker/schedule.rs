//! The calls on scheduled plans and datagroups.

use chrono::TimeDelta;
use serde_json::{Map, Value as Json, json};

use super::datagroups;
use super::error::{FieldError, Refusal};
use super::members::{self, DATAGROUP, PLAN};
use super::parameters::Parameters;
use super::plans::{self, Plan};
use super::server::Shared;
use super::settings::Account;
use crate::http::Request;

/// What a list of plans is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Everything,
    Look(String),
    Dashboard(String),
}

impl Shared {
    /// Own plans, or everybody's with `all_users`.
    pub(super) fn list_plans(&self, of: &Of, parameters: &Parameters, account: &Account) -> Json {
        let everybody = parameters.yes("all_users").unwrap_or(false) && account.admin;
        let user = parameters.text("user_id").filter(|_| account.admin).unwrap_or(&account.user_id);
        let state = self.state();
        let plans = state.plans.all.iter().filter(|plan| !plan.gone && (everybody || plan.user_id == user));
        let plans = plans.filter(|plan| match of {
            Of::Everything => true,
            Of::Look(id) => plan.text("look_id") == Some(id),
            Of::Dashboard(id) => plan.text("dashboard_id") == Some(id),
        });
        plans.map(Plan::json).collect()
    }

    pub(super) fn get_plan(&self, id: &str, account: &Account) -> Result<Json, Refusal> {
        Ok(self.state().plans.find(id, account)?.json())
    }

    pub(super) fn create_plan(&self, request: &Request, account: &Account) -> Result<Json, Refusal> {
        let body = members::read(request, PLAN, self.settings.unknown_members)?;
        let members = plans::merge(&Map::new(), body);
        Ok(self.store_plan(members, account, false)?.json())
    }

    pub(super) fn change_plan(&self, id: &str, request: &Request, account: &Account) -> Result<Json, Refusal> {
        let body = members::read(request, PLAN, self.settings.unknown_members)?;
        let mut state = self.state();
        let plan = state.plans.find(id, account)?.clone();
        let members = plans::merge(&plan.members, strip_ids(body));
        Refusal::check(plans::check(&members, &state, false))?;
        let changed = state.plans.change(plan.id, members, self.clock.now()).ok_or(Refusal::NotFound)?;
        Ok(changed.json())
    }

    pub(super) fn delete_plan(&self, id: &str, account: &Account) -> Result<(), Refusal> {
        self.state().plans.find(id, account)?.gone = true;
        Ok(())
    }

    /// `POST /scheduled_plans/run_once`
    pub(super) async fn run_once(&self, request: &Request, account: &Account) -> Result<Json, Refusal> {
        self.throttle_run_once()?;
        let body = members::read(request, PLAN, self.settings.unknown_members)?;
        let members = plans::merge(&Map::new(), body);
        self.run_copy(members, account).await
    }

    /// `POST /scheduled_plans/{id}/run_once`: a copy with changes runs, the original stays as it is. A published client
    /// sends no body at all and declares it as JSON.
    pub(super) async fn run_once_by_id(&self, id: &str, request: &Request, account: &Account) -> Result<Json, Refusal> {
        self.throttle_run_once()?;
        let over = members::read_optional(request, PLAN, self.settings.unknown_members)?;
        let original = self.state().plans.find(id, account)?.clone();
        let mut members = plans::merge(&original.members, over);
        members.entry("user_id").or_insert_with(|| json!(original.user_id));
        self.run_copy(members, account).await
    }

    async fn run_copy(&self, mut members: Map<String, Json>, account: &Account) -> Result<Json, Refusal> {
        members.insert("run_once".into(), json!(true));
        let copy = self.store_plan(strip_ids(members), account, true)?;
        self.deliver(&copy).await;
        let ran = self.state().plans.by_id(copy.id).map(|plan| plan.json());
        Ok(ran.unwrap_or_else(|| copy.json()))
    }

    fn store_plan(&self, members: Map<String, Json>, account: &Account, once: bool) -> Result<Plan, Refusal> {
        let mut state = self.state();
        let mut errors = plans::check(&members, &state, once);
        let user = members.get("user_id").and_then(Json::as_str).unwrap_or(&account.user_id).to_owned();
        if user != account.user_id && !account.admin {
            errors.push(FieldError::invalid("user_id", "Only administrators create plans for other users"));
        }
        Refusal::check(errors)?;
        Ok(state.plans.add(None, &user, members, self.clock.now()))
    }

    /// The vendor limits these calls especially, so that nobody relays spam.
    fn throttle_run_once(&self) -> Result<(), Refusal> {
        let Some(most) = self.settings.run_once_per_minute else {
            return Ok(());
        };
        let now = self.clock.now();
        let mut state = self.state();
        state.run_once_calls.retain(|at| now - *at < TimeDelta::minutes(1));
        if state.run_once_calls.len() >= most {
            let oldest = state.run_once_calls.iter().min().copied().unwrap_or(now);
            let wait = (oldest + TimeDelta::minutes(1) - now).num_seconds().max(1);
            return Err(Refusal::Throttled(u32::try_from(wait).unwrap_or(60)));
        }
        state.run_once_calls.push(now);
        Ok(())
    }

    pub(super) fn list_datagroups(&self) -> Json {
        self.state().datagroups.iter().map(|datagroup| datagroup.json()).collect()
    }

    pub(super) fn get_datagroup(&self, id: &str) -> Result<Json, Refusal> {
        Ok(datagroups::find(&mut self.state().datagroups, id)?.json())
    }

    /// Writes a datagroup; when that triggers it, the plans that wait for it run.
    pub(super) async fn change_datagroup(&self, id: &str, request: &Request) -> Result<Json, Refusal> {
        let body = members::read(request, DATAGROUP, self.settings.unknown_members)?;
        let (shown, due) = {
            let mut state = self.state();
            let datagroup = datagroups::find(&mut state.datagroups, id)?;
            let triggered = datagroups::update(datagroup, &body, self.clock.now())?;
            let datagroup = datagroup.clone();
            let waits = |plan: &&Plan| {
                let called = plan.text("datagroup").is_some_and(|name| datagroup.is_called(name));
                let enabled = plan.members.get("enabled").is_none_or(|enabled| enabled == true);
                triggered && called && enabled && !plan.gone && !plan.yes("run_once")
            };
            let due: Vec<Plan> = state.plans.all.iter().filter(waits).cloned().collect();
            (datagroup.json(), due)
        };
        for plan in due {
            self.deliver(&plan).await;
        }
        Ok(shown)
    }
}

/// A copy's destinations are new ones.
fn strip_ids(mut members: Map<String, Json>) -> Map<String, Json> {
    let destinations = members.get_mut("scheduled_plan_destination").and_then(Json::as_array_mut);
    for destination in destinations.into_iter().flatten().filter_map(Json::as_object_mut) {
        destination.remove("id");
        destination.remove("scheduled_plan_id");
    }
    members
}
