//! The calls of the SQL Warehouses API.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::answer::{Answer, Refusal};
use super::catalog::Privilege;
use super::server::Shared;
use super::settings::Principal;
use super::warehouses::State;

impl Shared {
    /// Those that the caller may use.
    pub(super) fn list_warehouses(self: &Arc<Self>, principal: &Principal) -> Answer {
        self.tick();
        let state = self.state();
        let usable = state.warehouses.iter().filter(|one| principal.privileges.has(Privilege::CanUse, &one.id));
        let shown: Vec<Json> = usable.map(|one| one.shown(self.host(), state.statements.running_on(&one.id))).collect();
        Answer::json(&json!({"warehouses": shown}))
    }

    pub(super) fn get_warehouse(self: &Arc<Self>, id: &str, principal: &Principal) -> Result<Answer, Refusal> {
        may_use(id, principal)?;
        self.tick();
        let mut state = self.state();
        let sessions = state.statements.running_on(id);
        let warehouse = state.warehouses.iter_mut().find(|one| one.id == id).ok_or_else(|| missing(id))?;
        let shown = warehouse.shown(self.host(), sessions);
        warehouse.polled();
        if warehouse.state == State::Stopping {
            warehouse.state = State::Stopped;
        }
        Ok(Answer::json(&shown))
    }

    pub(super) fn start(self: &Arc<Self>, id: &str, principal: &Principal) -> Result<Answer, Refusal> {
        may_use(id, principal)?;
        let now = self.clock.now();
        let mut state = self.state();
        state.warehouses.iter_mut().find(|one| one.id == id).ok_or_else(|| missing(id))?.start(now);
        Ok(Answer::json(&json!({})))
    }

    pub(super) fn stop(self: &Arc<Self>, id: &str, principal: &Principal) -> Result<Answer, Refusal> {
        may_use(id, principal)?;
        if self.stop_warehouse(id) { Ok(Answer::json(&json!({}))) } else { Err(missing(id)) }
    }

    fn host(&self) -> &str {
        self.base.trim_start_matches("http://")
    }
}

fn may_use(id: &str, principal: &Principal) -> Result<(), Refusal> {
    let denied = || Refusal::denied(format!("You do not have permission to use the SQL Warehouse {id}."));
    if principal.privileges.has(Privilege::CanUse, id) { Ok(()) } else { Err(denied()) }
}

fn missing(id: &str) -> Refusal {
    Refusal::missing(format!("SQL warehouse {id} does not exist."))
}
