//! The running server: its thread, its state, and the way of one call through faults, handlers and the journal.
//!
//! Invariant: the state is behind one lock that is never held across a wait; work that has begun is finished whether or
//! not the caller is still there.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use super::answer::Answer;
use super::builder::Builder;
use super::content::{Dashboard, Look};
use super::control;
use super::datagroups::Datagroup;
use super::delivery::{Delivery, Job};
use super::error::{Refusal, error};
use super::faults::{Effects, Fault};
use super::journal::Call;
use super::lookml::{Model, Project};
use super::plans::Plans;
use super::query::Queries;
use super::run::Cache;
use super::session::Sessions;
use super::settings::{BadQuery, Settings};
use super::tasks::Task;
use super::warehouse::Warehouse;
use crate::clock::Clock;
use crate::faults::{Calls, Rules};
use crate::http::{self, Reply, Request};

/// Everything that changes.
pub(super) struct State {
    pub(super) sessions: Sessions,
    pub(super) rules: Rules<Fault>,
    pub(super) calls: VecDeque<Call>,
    pub(super) bad_query: BadQuery,
    pub(super) warehouses: BTreeMap<String, Warehouse>,
    pub(super) queries: Queries,
    pub(super) tasks: Vec<Task>,
    pub(super) cache: Cache,
    pub(super) datagroups: Vec<Datagroup>,
    pub(super) looks: Vec<Look>,
    pub(super) dashboards: Vec<Dashboard>,
    pub(super) plans: Plans,
    pub(super) jobs: Vec<Job>,
    pub(super) deliveries: Vec<Delivery>,
    pub(super) run_once_calls: Vec<DateTime<Utc>>,
}

/// What the calls of a server share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    /// Scheme, host and port.
    pub(super) base: String,
    /// The project, and the one of the server's own activity.
    pub(super) projects: [Project; 2],
    pub(super) state: Mutex<State>,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn projects(&self) -> impl Iterator<Item = &Project> {
        self.projects.iter()
    }

    pub(super) fn model(&self, name: &str) -> Option<&Model> {
        self.projects().find_map(|project| project.model(name))
    }
}

/// A simulated Looker server, running until it is shut down or dropped.
pub struct LookerSandbox {
    pub(super) shared: Arc<Shared>,
    pub(super) address: SocketAddr,
    pub(super) stop: Option<oneshot::Sender<()>>,
    pub(super) stopped: Option<oneshot::Receiver<()>>,
}

impl LookerSandbox {
    /// Sets one up.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The base that clients are given, without a path: `http://127.0.0.1:PORT`.
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

    /// Everything that plans sent or failed to send, oldest first.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared.state().deliveries.clone()
    }

    /// Tokens that were neither logged out nor have expired.
    pub fn open_sessions(&self) -> usize {
        let now = self.shared.clock.now();
        self.shared.state().sessions.count(now)
    }

    /// Changes how queries are answered that name something unknown.
    pub fn set_bad_query(&self, how: BadQuery) {
        self.shared.state().bad_query = how;
    }

    /// Leads a connection somewhere else, such as to a database that is down.
    pub fn set_connection(&self, name: &str, warehouse: Warehouse) {
        self.shared.state().warehouses.insert(name.into(), warehouse);
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

impl Drop for LookerSandbox {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _heard = stop.send(()).is_ok();
        }
    }
}

impl fmt::Debug for LookerSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LookerSandbox({})", self.shared.base)
    }
}

/// What the connections talk to.
pub(super) struct Front(pub(super) Arc<Shared>);

impl http::Answer for Front {
    async fn answer(&self, request: Request) -> Reply {
        let shared = Arc::clone(&self.0);
        // A caller that hangs up does not stop what it asked for.
        let answered = tokio::spawn(async move { shared.serve(request).await }).await;
        answered.unwrap_or_else(|_| reply(Answer::with_status(500, &error("An error has occurred."))))
    }
}

fn reply(answer: Answer) -> Reply {
    Reply {
        status: answer.status,
        content_type: answer.content_type,
        retry_after: answer.retry_after,
        headers: Vec::new(),
        body: Bytes::from(answer.body),
        delivery: http::Delivery::Whole,
    }
}

fn refuse(refusal: &Refusal) -> Answer {
    let (status, retry_after, body) = refusal.render();
    Answer { retry_after, ..Answer::with_status(status, &body) }
}

const PAGE: &str = "<html><head><title>Sign in</title></head><body>Please sign in to continue.</body></html>\n";

impl Shared {
    async fn serve(&self, request: Request) -> Reply {
        if self.settings.control && request.path.starts_with(control::PREFIX) {
            return reply(self.control(&request).unwrap_or_else(|refusal| refuse(&refusal)));
        }
        let effects = Effects::of(self.state().rules.hits(&request));
        if !effects.delay.is_zero() {
            tokio::time::sleep(effects.delay).await;
        }
        let reply = self.misbehave(&request, &effects).await;
        let mut state = self.state();
        state.calls.push_back(Call::new(request, &reply));
        while state.calls.len() > self.settings.calls_kept {
            state.calls.pop_front();
        }
        drop(state);
        reply
    }

    async fn misbehave(&self, request: &Request, effects: &Effects) -> Reply {
        let nothing = || Reply { delivery: http::Delivery::Nothing, ..reply(Answer::empty()) };
        if effects.lost_request {
            return nothing();
        }
        if let Some((code, retry_after)) = effects.instead {
            let message = if code == 429 { "Too many requests" } else { "An error has occurred." };
            return reply(Answer { retry_after, ..Answer::with_status(code, &error(message)) });
        }
        if effects.html {
            return Reply { content_type: "text/html", body: Bytes::from(PAGE), ..reply(Answer::json(&error(""))) };
        }
        if effects.dead_token {
            return reply(refuse(&Refusal::Unauthenticated));
        }
        let answer = self.dispatch(request).await.unwrap_or_else(|refusal| refuse(&refusal));
        let mut reply = reply(answer);
        if effects.wrong_type {
            reply.content_type = "text/html";
        }
        if effects.truncated {
            reply.delivery = http::Delivery::Cut;
        }
        if effects.lost_reply {
            return nothing();
        }
        reply
    }
}
