//! The running server: its thread, its state, and the way of one call through faults, routes and the log.
//!
//! Invariant: the state is behind one lock that is never held across a wait; each call is logged once, also one that got no
//! reply. The server has its own thread and runtime, so a test may block or pause its own.

use std::collections::VecDeque;
use std::fmt;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::data::{Desk, from_get};
use super::error::{Refusal, html, service_error, time_stamp};
use super::faults::{Effects, ErrorBody, Fault};
use super::http::{self, Answer, Delivery, Reply, Request};
use super::login::{self, Credentials, admit};
use super::next::ResultSets;
use super::request::{Caller, DataRequest};
use super::session::Sessions;
use super::settings::Settings;
use super::tables::Tables;
use super::{capabilities, routes};
use crate::clock::Clock;
use crate::faults::{Calls, Rules};
use routes::Route;

/// One call of the log.
#[derive(Clone)]
pub struct Call {
    /// `GET` or `POST`.
    pub method: String,
    /// The path, without the query string.
    pub path: String,
    /// The query string as it came.
    pub query: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
    /// The status that was sent; nothing when the connection closed without a reply.
    pub status: Option<u16>,
}

impl Call {
    /// A header by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Call {
    // Headers and body hold tokens and passwords: a failing test must not print them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} → {:?}", self.method, self.path, self.status)
    }
}

struct State {
    tables: Tables,
    sessions: Sessions,
    results: ResultSets,
    rules: Rules<Fault>,
    calls: VecDeque<Call>,
    /// The last answer with rows, for a fault that repeats it.
    last_page: Option<Vec<u8>>,
}

struct Shared {
    settings: Settings,
    clock: Clock,
    /// Scheme, host and port for links.
    host: String,
    state: Mutex<State>,
}

/// A simulated AIS server, running until it is shut down or dropped.
pub struct JdeSandbox {
    shared: Arc<Shared>,
    address: std::net::SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    stopped: Option<oneshot::Receiver<()>>,
}

impl JdeSandbox {
    /// Binds the address and serves from then on. Fails when the address cannot be had.
    pub async fn start(settings: Settings, clock: Clock, mut tables: Tables) -> std::io::Result<Self> {
        let listener = TcpListener::bind(settings.listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        tables.set_collation(settings.collation);
        let host = settings.href_host.clone().unwrap_or_else(|| format!("http://{address}"));
        let state = State {
            tables,
            sessions: Sessions::new(u64::from(address.port())),
            results: ResultSets::default(),
            rules: Rules::default(),
            calls: VecDeque::new(),
            last_page: None,
        };
        let shared = Arc::new(Shared { settings, clock, host, state: Mutex::new(state) });
        let (stop, stop_asked) = oneshot::channel();
        let (ended, stopped) = oneshot::channel();
        http::run_on_thread("jde-sandbox", listener, Arc::clone(&shared), stop_asked, ended)?;
        Ok(Self { shared, address, stop: Some(stop), stopped: Some(stopped) })
    }

    /// The base that clients are given: `http://127.0.0.1:PORT/jderest`.
    pub fn base_url(&self) -> String {
        format!("http://{}/jderest", self.address)
    }

    /// The address it listens on.
    pub fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    /// The clock it runs by.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Looks at or changes the data, between calls.
    pub fn with_tables<T>(&self, work: impl FnOnce(&mut Tables) -> T) -> T {
        work(&mut self.shared.state().tables)
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

    /// The calls so far, oldest first; the oldest are dropped beyond [`Settings::calls_kept`].
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state().calls.iter().cloned().collect()
    }

    /// How many calls there were whose path contains this.
    pub fn count_calls(&self, path: &str) -> usize {
        self.shared.state().calls.iter().filter(|call| call.path.contains(path)).count()
    }

    /// Forgets the calls so far.
    pub fn clear_calls(&self) {
        self.shared.state().calls.clear();
    }

    /// Tokens that were neither logged out nor have expired.
    pub fn open_sessions(&self) -> usize {
        let now = self.shared.clock.now();
        self.shared.state().sessions.count(&self.shared.settings, now)
    }

    /// Lets a locked account log in again.
    pub fn unlock(&self, user: &str) {
        self.shared.state().sessions.unlock(user);
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

impl Drop for JdeSandbox {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _heard = stop.send(()).is_ok();
        }
    }
}

impl fmt::Debug for JdeSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JdeSandbox({})", self.base_url())
    }
}

impl Answer for Shared {
    async fn answer(&self, request: Request) -> Reply {
        let effects = {
            let mut state = self.state();
            let effects = Effects::of(state.rules.hits(&request));
            effects.run_hooks(&mut state.tables);
            effects
        };
        let busy = self.begin(&request);
        for gate in &effects.gates {
            gate.pass().await;
        }
        let is_data = request.path.contains("/dataservice");
        let wait = effects.delay + if is_data { self.settings.call_time } else { std::time::Duration::ZERO };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let reply = self.reply(&request, &effects, busy.as_ref().is_some_and(|busy| busy.others));
        if let Some(busy) = busy {
            self.end(&busy.token);
        }
        self.log(request, &reply);
        reply
    }
}

/// A call under way on a token.
struct Busy {
    token: String,
    /// Another call was under way already.
    others: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, request: &Request) -> Option<Busy> {
        if !self.settings.one_call_per_token {
            return None;
        }
        let body: Caller = serde_json::from_slice(&request.body).unwrap_or_default();
        let token = Credentials::read(request, &body, &self.settings).token?;
        let mut state = self.state();
        let session = state.sessions.get_mut(&token)?;
        session.busy += 1;
        let others = session.busy > 1;
        drop(state);
        Some(Busy { token, others })
    }

    fn end(&self, token: &str) {
        if let Some(session) = self.state().sessions.get_mut(token) {
            session.busy = session.busy.saturating_sub(1);
        }
    }

    fn reply(&self, request: &Request, effects: &Effects, others: bool) -> Reply {
        let now = self.clock.now();
        let reply = |status, content_type, body: Vec<u8>| Reply {
            status,
            content_type,
            retry_after: None,
            headers: Vec::new(),
            body: Bytes::from(body),
            delivery: Delivery::Whole,
        };
        if effects.drop_before {
            return Reply { delivery: Delivery::Nothing, ..reply(500, "text/plain", Vec::new()) };
        }
        if let Some((code, retry_after, body)) = effects.instead {
            let (content_type, body) = match body {
                ErrorBody::Html => ("text/html", html(&format!("Error {code}"))),
                ErrorBody::Empty => ("text/plain", Vec::new()),
                ErrorBody::Json => {
                    let stamp = time_stamp(now, self.settings.zone);
                    let body =
                        service_error("The server could not process the request.", "java.lang.Exception", &stamp);
                    ("application/json", body)
                }
            };
            return Reply { retry_after, ..reply(code, content_type, body) };
        }
        let answered = if others {
            Err(Refusal::failed("The session is processing another request"))
        } else {
            self.route(request, effects)
        };
        let mut reply = match answered {
            Ok(body) => reply(200, "application/json", body),
            Err(refusal) => {
                let (status, content_type, body) = refusal.render(now, self.settings.zone);
                reply(status, content_type, body)
            }
        };
        if effects.bad_json {
            reply.body = reply.body.slice(..reply.body.len() / 2);
        }
        if effects.truncate {
            reply.delivery = Delivery::Cut;
        }
        if effects.drop_after {
            reply.delivery = Delivery::Nothing;
        }
        reply
    }

    fn route(&self, request: &Request, effects: &Effects) -> Result<Vec<u8>, Refusal> {
        if self.settings.refuse_raw_pipe && request.query.contains('|') {
            return Err(Refusal::BadRequest("Invalid character found in the request target".into()));
        }
        let route = routes::find(&request.method, &request.path)?;
        routes::check_body(request)?;
        let settings = &self.settings;
        let now = self.clock.now();
        let mut state = self.state();
        let State { tables, sessions, results, rules, last_page, .. } = &mut *state;
        let caller = || routes::optional_json::<Caller>(request);
        match route {
            Route::Config => {
                let parameters = request.parameters();
                let required = parameters.iter().find(|(name, _)| name == "requiredCapabilities");
                return Ok(capabilities::describe(settings, required.map(|(_, value)| value.as_str())));
            }
            Route::Login => {
                let body = caller()?;
                let credentials = Credentials::read(request, &body, settings);
                return login::log_in(sessions, &credentials, &body, settings, now);
            }
            Route::Validate { refuse_dead } => {
                let body = caller()?;
                let credentials = Credentials::read(request, &body, settings);
                return login::validate(sessions, &credentials, &body, settings, now, refuse_dead);
            }
            Route::Logout => return login::log_out(sessions, &caller()?, settings, now),
            Route::Data { .. } | Route::Get { .. } | Route::Next | Route::Orchestration(_) => {}
        }
        let asked = match route {
            Route::Data { .. } => routes::json::<DataRequest>(request)?,
            Route::Get { kind, ref name } => from_get(request, kind, name, settings)?,
            _ => DataRequest { caller: caller()?, ..DataRequest::default() },
        };
        let credentials = Credentials::read(request, &asked.caller, settings);
        if let (true, Some(token)) = (effects.kill_session, &credentials.token) {
            sessions.end(token, settings, now);
        }
        let visit = admit(sessions, &credentials, settings, now)?;
        let mut desk = Desk { settings, host: &self.host, now, tables, sessions, results, effects };
        let answer = match route {
            Route::Next => desk.next(request, &visit),
            Route::Orchestration(name) => Err(Refusal::failed(format!("Orchestration {name} does not exist"))),
            Route::Data { v2 } => desk.serve(&asked, &visit, v2),
            _ => desk.serve(&asked, &visit, true),
        };
        if visit.passing {
            desk.sessions.end(&visit.token, settings, now);
        }
        let mut body = answer?;
        if effects.repeat_page
            && let Some(last) = last_page.as_ref()
        {
            body.clone_from(last);
        }
        if body.starts_with(b"{\"fs_") {
            *last_page = rules.has(|fault| matches!(fault, Fault::RepeatPage)).then(|| body.clone());
        }
        Ok(body)
    }

    fn log(&self, request: Request, reply: &Reply) {
        let call = Call {
            body: String::from_utf8_lossy(&request.body).into_owned(),
            method: request.method,
            path: request.path,
            query: request.query,
            headers: request.headers,
            status: (reply.delivery != Delivery::Nothing).then_some(reply.status),
        };
        let mut state = self.state();
        state.calls.push_back(call);
        while state.calls.len() > self.settings.calls_kept {
            state.calls.pop_front();
        }
    }
}
