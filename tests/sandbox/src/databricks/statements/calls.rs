//! The calls of the Statement Execution API.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use chrono::TimeDelta;
use serde_json::json;
use tokio::sync::watch;

use super::order::Order;
use super::{State, Statement};
use crate::databricks::answer::{Answer, Refusal};
use crate::databricks::catalog::Privilege;
use crate::databricks::faults::Fate;
use crate::databricks::server::Shared;
use crate::databricks::settings::Principal;
use crate::databricks::warehouses;
use crate::http::Request;

impl Shared {
    /// `POST /api/2.0/sql/statements`.
    pub(in super::super) async fn execute(
        self: &Arc<Self>,
        request: &Request,
        principal: &Principal,
        fate: Fate,
    ) -> Result<Answer, Refusal> {
        let order = Order::read(&request.body, principal, &self.settings)?;
        if principal.privileges.demand(Privilege::CanUse, &order.warehouse).is_err() {
            return Err(Refusal::denied(format!(
                "You do not have permission to use the SQL Warehouse {}.",
                order.warehouse
            )));
        }
        let (wait, cancels, lost) = (order.wait, order.cancel_after_wait, fate.lost_reply);
        let held = !fate.gates.is_empty() || fate.polls + self.settings.statement_polls > 0;
        let (id, mut progress) = self.submit(order, fate)?;
        self.tick();
        let begun = self.state().statements.get(&id).is_some_and(|one| one.state != State::Pending);
        // What cannot end by itself is answered at once: the wait is only approximate.
        let waits = begun && (lost || !(held || wait.is_zero()));
        if waits {
            let ended = progress.wait_for(|ended| *ended);
            let longest = if lost { std::time::Duration::from_secs(3600) } else { wait };
            let _in_time = tokio::time::timeout(longest, ended).await.is_ok();
        }
        if cancels && let Some(one) = self.state().statements.get_mut(&id) {
            one.stop(None, self.clock.now());
        }
        if cancels {
            tokio::task::yield_now().await;
        }
        self.statement(&id, wait.is_zero())
    }

    fn submit(&self, order: Order, fate: Fate) -> Result<(String, watch::Receiver<bool>), Refusal> {
        let now = self.clock.now();
        let mut state = self.state();
        if self.settings.most_open.is_some_and(|most| state.statements.open() >= most) {
            return Err(Refusal::throttled("Too many statements are under way on this workspace.", 1));
        }
        let Some(warehouse) = state.warehouses.iter_mut().find(|one| one.id == order.warehouse) else {
            return Err(Refusal::missing(format!("SQL warehouse {} does not exist.", order.warehouse)));
        };
        warehouse.start(now);
        let number = state.statements.all.len() + 1;
        let id = format!("01f0c6aa-{:04x}-1{:03x}-9000-{number:012x}", self.port, number & 0xfff);
        let (progress, heard) = watch::channel(false);
        let polls = fate.polls + self.settings.statement_polls;
        state.statements.all.push(Statement {
            id: id.clone(),
            order,
            state: State::Pending,
            failure: None,
            fate,
            submitted: now,
            ended: None,
            asked: now,
            polls,
            stored: None,
            rows: 0,
            stop: Arc::new(AtomicBool::new(false)),
            stopped_by: None,
            progress: Arc::new(progress),
        });
        Ok((id, heard))
    }

    /// `GET /api/2.0/sql/statements/{id}`.
    pub(in super::super) fn ask(self: &Arc<Self>, id: &str, principal: &Principal) -> Result<Answer, Refusal> {
        {
            let now = self.clock.now();
            let mut state = self.state();
            let warehouse = {
                let one =
                    state.statements.get_mut(id).filter(|one| one.order.principal.client_id == principal.client_id);
                let one = one.ok_or_else(|| unknown(id))?;
                // It is not kept alive by who comes too late.
                let longest = TimeDelta::from_std(self.settings.abandoned_after).unwrap_or(TimeDelta::MAX);
                if now - one.asked <= longest {
                    one.asked = now;
                }
                if one.state.is_final() {
                    one.polls = one.polls.saturating_sub(1);
                }
                one.order.warehouse.clone()
            };
            if let Some(warehouse) = state.warehouses.iter_mut().find(|one| one.id == warehouse) {
                warehouse.polled();
                // A statement that still waits brings a warehouse up again that has gone to sleep meanwhile.
                if warehouse.state == warehouses::State::Stopping {
                    warehouse.state = warehouses::State::Stopped;
                }
            }
        }
        self.tick();
        self.statement(id, false)
    }

    /// How a statement stands, with its first chunk.
    fn statement(&self, id: &str, just_sent: bool) -> Result<Answer, Refusal> {
        let state = self.state();
        let one = state.statements.get(id).ok_or_else(|| unknown(id))?;
        let seen = match one.seen() {
            // Whoever does not wait is told before it begins.
            State::Running if just_sent => State::Pending,
            seen => seen,
        };
        let mut status = json!({"state": seen.word()});
        if let (State::Failed, Some(failure), Some(shown)) = (seen, &one.failure, status.as_object_mut()) {
            shown.insert("error".into(), json!({"error_code": failure.code, "message": failure.message}));
            if let Some(state) = &failure.state {
                shown.insert("sql_state".into(), state.as_str().into());
            }
        }
        let mut body = format!("{{\"statement_id\":\"{id}\",\"status\":{status}");
        if let (State::Succeeded, Some(stored)) = (seen, &one.stored) {
            body.push_str(&format!(",\"manifest\":{}", stored.manifest()));
            let chunk = stored.chunk(id, 0, |at| self.link(id, at));
            body.push_str(&format!(",\"result\":{}", chunk.as_deref().unwrap_or("{}")));
        }
        body.push('}');
        Ok(Answer::text(200, "application/json", body))
    }

    /// `GET /api/2.0/sql/statements/{id}/result/chunks/{n}`.
    pub(in super::super) fn chunk(
        self: &Arc<Self>,
        id: &str,
        at: &str,
        principal: &Principal,
    ) -> Result<Answer, Refusal> {
        self.tick();
        let state = self.state();
        let one = state.statements.get(id).filter(|one| one.order.principal.client_id == principal.client_id);
        let one = one.ok_or_else(|| unknown(id))?;
        let at: usize = at.parse().map_err(|_| Refusal::invalid(format!("'{at}' is not a chunk index.")))?;
        match (one.seen(), &one.stored) {
            (State::Succeeded, Some(stored)) => {
                let chunk = stored.chunk(id, at, |at| self.link(id, at));
                let missing = || {
                    Refusal::invalid(format!("Chunk index {at} is out of range: there are {}.", stored.chunks.len()))
                };
                chunk.map(|chunk| Answer::text(200, "application/json", chunk)).ok_or_else(missing)
            }
            (State::Closed, _) => {
                Err(Refusal::new(404, "NOT_FOUND", format!("The result of statement {id} is no longer available.")))
            }
            (seen, _) => {
                Err(Refusal::invalid(format!("Statement {id} is in state {}: it has no result.", seen.word())))
            }
        }
    }

    /// `POST /api/2.0/sql/statements/{id}/cancel`: accepted, whatever comes of it.
    pub(in super::super) fn cancel(self: &Arc<Self>, id: &str, principal: &Principal) -> Result<Answer, Refusal> {
        let mut state = self.state();
        let one = state.statements.get_mut(id).filter(|one| one.order.principal.client_id == principal.client_id);
        one.ok_or_else(|| unknown(id))?.stop(None, self.clock.now());
        drop(state);
        Ok(Answer::text(200, "application/json", ""))
    }

    /// A link to a chunk, and until when it holds.
    fn link(&self, id: &str, at: usize) -> (String, chrono::DateTime<chrono::Utc>) {
        let life = TimeDelta::from_std(self.settings.link_life).unwrap_or(TimeDelta::MAX);
        let expires = self.clock.now() + life;
        (format!("{}/__external/{id}/{at}?expires={}", self.base, expires.timestamp()), expires)
    }

    /// What a link leads to: a store that knows nothing of tokens and refuses them.
    pub(in super::super) fn external(&self, request: &Request, id: &str, at: &str) -> Answer {
        let refuse = |status, code: &str| {
            Answer::text(
                status,
                "application/xml",
                format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>"),
            )
        };
        if request.header("authorization").is_some() {
            return refuse(400, "InvalidArgument");
        }
        let expires = request.parameters().into_iter().find(|(name, _)| name == "expires");
        let expires = expires.and_then(|(_, at)| at.parse::<i64>().ok()).unwrap_or_default();
        if self.clock.now().timestamp() >= expires {
            return refuse(403, "AccessDenied");
        }
        let state = self.state();
        let stored = state.statements.get(id).and_then(|one| one.stored.as_ref()).filter(|stored| stored.external);
        match stored.zip(at.parse::<usize>().ok()).and_then(|(stored, at)| stored.chunks.get(at)) {
            Some(chunk) => Answer::text(200, "application/octet-stream", chunk.content.clone()),
            None => refuse(404, "NoSuchKey"),
        }
    }
}

fn unknown(id: &str) -> Refusal {
    Refusal::new(404, "NOT_FOUND", format!("The statement {id} was not found."))
}
