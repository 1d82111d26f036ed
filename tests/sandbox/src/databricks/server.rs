//! The running server: its thread, its state, and the way of one call through faults, routes and the journal.
//!
//! Invariant: the state is behind one lock that is never held across a wait or while a statement runs; work that has begun is
//! finished whether or not the caller is still there.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::answer::{Answer, Refusal};
use super::auth::Tokens;
use super::builder::Builder;
use super::control;
use super::faults::{Effects, Fault};
use super::files_api::Uploads;
use super::jobs::Jobs;
use super::journal::Call;
use super::routes::{self, Route};
use super::settings::{Principal, Settings};
use super::statements::Statements;
use super::warehouses::Warehouse;
use super::world::World;
use crate::clock::Clock;
use crate::faults::{Calls, Rules};
use crate::http::{self, Reply, Request};

/// Everything that changes, but for catalog, files and rows.
pub(super) struct State {
    pub(super) tokens: Tokens,
    pub(super) rules: Rules<Fault>,
    pub(super) calls: VecDeque<Call>,
    pub(super) warehouses: Vec<Warehouse>,
    pub(super) statements: Statements,
    pub(super) jobs: Jobs,
    pub(super) uploads: Uploads,
    pub(super) at_once: usize,
    pub(super) most_at_once: usize,
}

/// What the calls of a server share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    /// Scheme, host and port.
    pub(super) base: String,
    pub(super) port: u16,
    pub(super) principals: Vec<Principal>,
    pub(super) world: World,
    pub(super) state: Mutex<State>,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A simulated Databricks workspace, running until it is shut down or dropped.
pub struct DatabricksSandbox {
    pub(super) shared: Arc<Shared>,
    pub(super) address: SocketAddr,
    pub(super) stop: Option<oneshot::Sender<()>>,
    pub(super) stopped: Option<oneshot::Receiver<()>>,
}

impl DatabricksSandbox {
    /// Sets one up.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The workspace's host as clients are given it: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.shared.base.clone()
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The clock it runs by.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Adds a fault for calls to come.
    pub fn fault(&self, calls: Calls, fault: Fault) {
        self.shared.state().rules.add(calls, fault);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.shared.state().rules.clear();
    }

    /// How many faults still wait for a call: a test that ends with some has not tested what it says.
    pub fn faults_waiting(&self) -> usize {
        self.shared.state().rules.waiting()
    }

    /// The requests so far, oldest first, without secrets; the oldest are dropped beyond [`Settings::calls_kept`].
    pub fn journal(&self) -> Vec<Call> {
        self.shared.state().calls.iter().cloned().collect()
    }

    /// How many requests there were whose `METHOD /path` begins with this.
    pub fn count_calls(&self, prefix: &str) -> usize {
        let begins = |call: &&Call| format!("{} {}", call.method, call.path).starts_with(prefix);
        self.shared.state().calls.iter().filter(begins).count()
    }

    /// Forgets the requests so far.
    pub fn clear_journal(&self) {
        self.shared.state().calls.clear();
    }

    /// The most calls that were under way at once.
    pub fn most_calls_at_once(&self) -> usize {
        self.shared.state().most_at_once
    }

    /// Closes the port and all connections, and waits until the server is gone.
    pub async fn shutdown(mut self) {
        if let Some(stop) = self.stop.take() {
            let _heard = stop.send(()).is_ok();
        }
        if let Some(stopped) = self.stopped.take() {
            let _ended = stopped.await.is_ok();
        }
    }
}

impl Drop for DatabricksSandbox {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _heard = stop.send(()).is_ok();
        }
    }
}

impl fmt::Debug for DatabricksSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabricksSandbox({})", self.shared.base)
    }
}

/// What the connections talk to.
pub(super) struct Front(pub(super) Arc<Shared>);

impl http::Answer for Front {
    async fn answer(&self, request: Request) -> Reply {
        let shared = Arc::clone(&self.0);
        // A caller that hangs up does not stop what it asked for.
        let answered = tokio::spawn(async move { shared.serve(request).await }).await;
        answered.unwrap_or_else(|_| reply(Refusal::ordered(500, None).render()))
    }
}

fn reply(answer: Answer) -> Reply {
    Reply {
        status: answer.status,
        content_type: answer.content_type,
        retry_after: answer.retry_after,
        headers: answer.headers,
        body: answer.body,
        delivery: http::Delivery::Whole,
    }
}

const PAGE: &str = "<html><head><title>Sign in</title></head><body>Please sign in to continue.</body></html>\n";

impl Shared {
    async fn serve(self: Arc<Self>, request: Request) -> Reply {
        if self.settings.control && request.path.starts_with(control::PREFIX) {
            return reply(self.control(&request).unwrap_or_else(|refusal| refusal.render()));
        }
        let effects = {
            let mut state = self.state();
            state.at_once += 1;
            state.most_at_once = state.most_at_once.max(state.at_once);
            Effects::of(state.rules.hits(&request))
        };
        if !effects.delay.is_zero() {
            tokio::time::sleep(effects.delay).await;
        }
        let reply = self.misbehave(&request, effects).await;
        let mut state = self.state();
        state.at_once -= 1;
        state.calls.push_back(Call::new(request, &reply));
        while state.calls.len() > self.settings.calls_kept {
            state.calls.pop_front();
        }
        drop(state);
        reply
    }

    async fn misbehave(self: &Arc<Self>, request: &Request, effects: Effects) -> Reply {
        let nothing = || Reply { delivery: http::Delivery::Nothing, ..reply(Answer::empty()) };
        if effects.lost_request {
            return nothing();
        }
        if let Some((status, retry_after)) = effects.instead {
            return reply(Refusal::ordered(status, retry_after).render());
        }
        if effects.html {
            return reply(Answer::text(200, "text/html", Bytes::from(PAGE)));
        }
        if effects.dead_token {
            return reply(Refusal::ordered(self.settings.dead_token, None).render());
        }
        let (lost, truncated) = (effects.lost_reply, effects.truncated);
        let answer = self.dispatch(request, effects).await.unwrap_or_else(|refusal| refusal.render());
        let mut reply = reply(answer);
        if truncated {
            reply.delivery = http::Delivery::Cut;
        }
        if lost { nothing() } else { reply }
    }

    async fn dispatch(self: &Arc<Self>, request: &Request, effects: Effects) -> Result<Answer, Refusal> {
        let route = routes::find(request)?;
        match &route {
            Route::Discovery => return Ok(self.discovery()),
            Route::AuthorizationServer => return Ok(self.authorization_server()),
            Route::Token => return Ok(self.grant(request)),
            Route::External(id, at) => return Ok(self.external(request, id, at)),
            Route::Part(session, number) => return self.part(session, number, request),
            _ => {}
        }
        let principal = self.caller(request)?;
        match route {
            Route::Execute => self.execute(request, principal, effects.fate).await,
            Route::Statement(id) => self.ask(&id, principal),
            Route::Chunk(id, at) => self.chunk(&id, &at, principal),
            Route::Cancel(id) => self.cancel(&id, principal),
            Route::History => self.history(request),
            Route::Warehouses => Ok(self.list_warehouses(principal)),
            Route::Warehouse(id) => self.get_warehouse(&id, principal),
            Route::StartWarehouse(id) => self.start(&id, principal),
            Route::StopWarehouse(id) => self.stop(&id, principal),
            Route::File(path) => self.file(request, &path, principal),
            Route::Directory(path) => self.directory(request, &path, principal),
            Route::PartUrls => self.part_urls(request),
            Route::Unity(parts) => self.unity(request, &parts, principal),
            Route::RunNow => self.run_now(request, principal),
            Route::JobRun => self.job_run(request),
            Route::CancelRun => self.cancel_run(request),
            Route::Job => self.job(request),
            Route::Me => Ok(Answer::json(&serde_json::json!({
                "id": "1", "userName": principal.name, "displayName": principal.name, "active": true,
            }))),
            Route::Discovery | Route::AuthorizationServer | Route::Token | Route::External(..) | Route::Part(..) => {
                Err(Refusal::no_endpoint(&request.path))
            }
        }
    }
}
