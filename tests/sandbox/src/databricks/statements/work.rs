//! Running statements: when they may begin, and how they end.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::result::{Stored, stored};
use super::{Failure, Order, State};
use crate::databricks::server::Shared;
use crate::databricks::sql::error::SqlError;
use crate::databricks::sql::{STACK, Session, run};
use crate::databricks::warehouses;

/// How many rows came out, and the result as it is kept, or words where it is too large.
type Written = Result<(usize, Result<Stored, String>), SqlError>;

impl Shared {
    /// Time passes: warehouses come up, statements that waited begin, old results go.
    pub(in super::super) fn tick(self: &Arc<Self>) {
        let now = self.clock.now();
        let mut state = self.state();
        for warehouse in &mut state.warehouses {
            warehouse.tick(now);
        }
        let life = |duration| chrono::TimeDelta::from_std(duration).unwrap_or(chrono::TimeDelta::MAX);
        let (abandoned, kept) = (life(self.settings.abandoned_after), life(self.settings.result_life));
        for one in &mut state.statements.all {
            if !one.state.is_final() && now - one.asked > abandoned {
                one.stop(None, now);
            }
            if one.state == State::Succeeded && one.ended.is_some_and(|ended| now - ended >= kept) {
                one.state = State::Closed;
                one.stored = None;
            }
        }
        let mut ready = Vec::new();
        for at in 0..state.statements.all.len() {
            let Some(one) = state.statements.all.get(at).filter(|one| one.state == State::Pending) else {
                continue;
            };
            let warehouse = one.order.warehouse.clone();
            let up =
                state.warehouses.iter().any(|known| known.id == warehouse && known.state == warehouses::State::Running);
            let running = state.statements.running_on(&warehouse);
            if !up || running >= self.settings.at_once {
                continue;
            }
            state.statements.most_at_once = state.statements.most_at_once.max(running + 1);
            if let Some(one) = state.statements.all.get_mut(at) {
                one.state = State::Running;
                ready.push(one.id.clone());
            }
        }
        drop(state);
        for id in ready {
            tokio::spawn(Arc::clone(self).work(id));
        }
    }

    /// One statement from its beginning to its end.
    async fn work(self: Arc<Self>, id: String) {
        // What others change from now on disturbs it.
        let began_at = self.settings.conflicts.then(|| self.versions());
        let (order, fate, stop, progress) = {
            let state = self.state();
            let Some(one) = state.statements.get(&id) else { return };
            (one.order.clone(), one.fate.clone(), Arc::clone(&one.stop), Arc::clone(&one.progress))
        };
        for gate in &fate.gates {
            let mut told = progress.subscribe();
            let stopped = async {
                while !stop.load(Ordering::SeqCst) {
                    if told.changed().await.is_err() {
                        return;
                    }
                }
            };
            tokio::select! {
                () = gate.pass() => {}
                () = stopped => {}
            }
        }
        let fails = fate.fails.map(|(code, message, done)| (failure_of(&code, &message), done));
        let works = fails.as_ref().is_none_or(|(_, done)| *done) && !stop.load(Ordering::SeqCst);
        let outcome = if works { self.run(order, began_at, &stop).await } else { Err(canceled()) };
        self.finish(&id, outcome, fails.map(|(failure, _)| failure));
        // A place has become free.
        self.tick();
    }

    async fn run(
        self: &Arc<Self>,
        order: Order,
        began_at: Option<HashMap<u64, i64>>,
        stop: &Arc<std::sync::atomic::AtomicBool>,
    ) -> Written {
        if let Some(error) = &order.bad_parameter {
            return Err(error.clone());
        }
        let (shared, stop) = (Arc::clone(self), Arc::clone(stop));
        let (done, wait) = oneshot::channel();
        let thread = std::thread::Builder::new().name("statement".into()).stack_size(STACK);
        let spawned = thread.spawn(move || {
            let session = Session {
                catalog: order.catalog.clone(),
                schema: order.schema.clone(),
                user: order.principal.name.clone(),
                now: shared.clock.now(),
                privileges: order.principal.privileges.clone(),
                parameters: order.parameters.clone(),
                row_limit: order.row_limit,
                began_at,
                stop,
            };
            let outcome = run(&shared.world, &session, &order.text);
            let written = outcome.map(|output| (output.rows.len(), stored(output, &order, &shared.settings)));
            let _heard = done.send(written).is_ok();
        });
        let lost = |_| Err(SqlError::new("INTERNAL_ERROR", "XX000", "The sandbox has lost the statement."));
        match spawned {
            Ok(_) => wait.await.unwrap_or_else(|error| lost(error.to_string())),
            Err(error) => lost(error.to_string()),
        }
    }

    fn finish(&self, id: &str, written: Written, fails: Option<Failure>) {
        let now = self.clock.now();
        let mut state = self.state();
        let Some(one) = state.statements.get_mut(id) else { return };
        match (fails, written) {
            (Some(failure), _) => one.end(State::Failed, Some(failure), now),
            (None, Ok((rows, Ok(stored)))) => {
                one.rows = rows;
                one.stored = Some(stored);
                one.end(State::Succeeded, None, now);
            }
            (None, Ok((_, Err(message)))) => {
                one.end(State::Failed, Some(Failure { code: "BAD_REQUEST".into(), message, state: None }), now);
            }
            (None, Err(_)) if one.stop.load(Ordering::SeqCst) => {
                let by = one.stopped_by.take();
                let state = if by.is_some() { State::Failed } else { State::Canceled };
                one.end(state, by, now);
            }
            (None, Err(error)) => {
                let code = if error.class == "INTERNAL_ERROR" { "INTERNAL_ERROR" } else { "BAD_REQUEST" };
                let failure = Failure { code: code.into(), message: error.to_string(), state: Some(error.state) };
                one.end(State::Failed, Some(failure), now);
            }
        }
    }

    fn versions(&self) -> HashMap<u64, i64> {
        let catalog = self.world.catalog();
        let schemas = catalog.catalogs().flat_map(|top| top.schemas());
        schemas.flat_map(|schema| schema.tables.values()).map(|table| (table.id, table.version())).collect()
    }

    /// A warehouse stops: it falls asleep, and what runs on it fails with an error that may be tried again.
    pub(in super::super) fn stop_warehouse(&self, id: &str) -> bool {
        let now = self.clock.now();
        let mut state = self.state();
        let Some(warehouse) = state.warehouses.iter_mut().find(|one| one.id == id) else {
            return false;
        };
        if warehouse.state != warehouses::State::Stopped {
            warehouse.state = warehouses::State::Stopping;
        }
        let message = "The SQL warehouse was stopped while the statement was under way.";
        let by = Failure { code: "ABORTED".into(), message: message.into(), state: None };
        for one in state.statements.all.iter_mut().filter(|one| one.order.warehouse == id && !one.state.is_final()) {
            one.stop(Some(by.clone()), now);
        }
        true
    }
}

fn canceled() -> SqlError {
    SqlError::new("QUERY_CANCELED", "HY008", "The statement was canceled.")
}

/// An error that was ordered; an SQLSTATE at the end of its words is shown beside them too.
fn failure_of(code: &str, message: &str) -> Failure {
    let state = message.rsplit_once("SQLSTATE: ").map(|(_, state)| state.trim().to_owned());
    Failure { code: code.into(), message: message.into(), state }
}
