//! The running server: its threads, its state, and the way of one call through faults, routes and the log.
//!
//! Invariant: the state is behind one lock that is never held across a wait; each call is logged once, also one that got no
//! reply. The server has its own threads and runtimes, so a test may block or pause its own.

use std::collections::{BTreeMap, VecDeque};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use super::auth::{Accounts, Tokens, admit};
use super::call::Call;
use super::custom::CustomOperation;
use super::error::{Refusal, html, ib_response, json_error};
use super::faults::{Effects, Fault};
use super::http::{self, Delivery, Reply, Request};
use super::operations::{Operation, Operations, Work, permitted};
use super::qas::{Answer, Desk, Jobs};
use super::queries::Queries;
use super::record::Records;
use super::routes::{self, Route};
use super::select::Selections;
use super::settings::{Answered, ErrorBody, Operator, Settings};
use super::tls;
use super::writes::{Caller, Writes};
use crate::clock::Clock;
use crate::faults::Rules;

/// Everything that changes while it runs.
pub(super) struct State {
    pub(super) records: Records,
    pub(super) queries: Queries,
    pub(super) operations: Operations,
    pub(super) accounts: Accounts,
    pub(super) tokens: Tokens,
    pub(super) jobs: Jobs,
    pub(super) selections: Selections,
    pub(super) rules: Rules<Fault>,
    pub(super) calls: VecDeque<Call>,
    /// Documents that were posted, by alias.
    pub(super) received: BTreeMap<String, Vec<serde_json::Value>>,
    pub(super) writes: Writes,
    pub(super) down: Option<(DateTime<Utc>, Answered)>,
    /// The last answer with rows, for a fault that repeats it.
    last_page: Option<Answer>,
    at_once: usize,
    pub(super) most_at_once: usize,
}

pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    state: Mutex<State>,
}

/// A simulated PeopleSoft, running until it is shut down or dropped.
pub struct PeopleSoftSandbox {
    pub(super) shared: Arc<Shared>,
    pub(super) address: SocketAddr,
    pub(super) token_address: Option<SocketAddr>,
    stops: Vec<oneshot::Sender<()>>,
    ended: Vec<oneshot::Receiver<()>>,
}

impl PeopleSoftSandbox {
    /// Binds the address and serves from then on. Fails when the address cannot be had or the certificates are none.
    pub async fn start(settings: Settings, clock: Clock, records: Records) -> std::io::Result<Self> {
        let (listener, address) = listen(settings.listen)?;
        let state = State {
            records,
            queries: Queries::default(),
            operations: Operations::delivered(&settings),
            accounts: Accounts::new(settings.operators.clone()),
            tokens: Tokens::new(u64::from(address.port())),
            jobs: Jobs::default(),
            selections: Selections::default(),
            rules: Rules::default(),
            calls: VecDeque::new(),
            received: BTreeMap::new(),
            writes: Writes::default(),
            down: None,
            last_page: None,
            at_once: 0,
            most_at_once: 0,
        };
        let shared = Arc::new(Shared { settings, clock, state: Mutex::new(state) });
        let mut sandbox =
            Self { shared: Arc::clone(&shared), address, token_address: None, stops: Vec::new(), ended: Vec::new() };
        if let Some(tls) = &shared.settings.tls {
            let (plain, behind) = listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
            let (stop, asked) = oneshot::channel();
            tls::run_on_thread(listener, behind, tls, asked)?;
            sandbox.stops.push(stop);
            sandbox.serve("peoplesoft-sandbox", plain, Arc::clone(&shared))?;
        } else {
            sandbox.serve("peoplesoft-sandbox", listener, Arc::clone(&shared))?;
        }
        if shared.settings.oauth.is_some() {
            let (listener, address) = listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
            sandbox.token_address = Some(address);
            sandbox.serve("identity-provider", listener, Arc::new(IdentityProvider(shared)))?;
        }
        Ok(sandbox)
    }

    fn serve<A: http::Answer>(&mut self, name: &str, listener: TcpListener, answer: Arc<A>) -> std::io::Result<()> {
        let (stop, asked) = oneshot::channel();
        let (ended, end) = oneshot::channel();
        http::run_on_thread(name, listener, answer, asked, ended)?;
        self.stops.push(stop);
        self.ended.push(end);
        Ok(())
    }

    /// Closes the ports and all connections, and waits until the server is gone.
    pub async fn shutdown(mut self) {
        for stop in self.stops.drain(..) {
            let _heard = stop.send(()).is_ok();
        }
        for end in self.ended.drain(..) {
            let _ended = end.await.is_ok();
        }
    }
}

impl Drop for PeopleSoftSandbox {
    fn drop(&mut self) {
        for stop in self.stops.drain(..) {
            let _heard = stop.send(()).is_ok();
        }
    }
}

fn listen(address: SocketAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

impl http::Answer for Shared {
    async fn answer(&self, request: Request) -> Reply {
        let effects = self.begin(&request);
        for gate in &effects.gates {
            gate.pass().await;
        }
        let operation = request.path.starts_with(routes::REST);
        let wait = effects.delay + if operation { self.settings.call_time } else { std::time::Duration::ZERO };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let reply = self.reply(&request, &effects);
        self.state().at_once -= 1;
        self.log(request, &reply);
        reply
    }
}

/// The identity provider, at an address of its own.
struct IdentityProvider(Arc<Shared>);

impl http::Answer for IdentityProvider {
    async fn answer(&self, request: Request) -> Reply {
        let effects = Effects::of(self.0.state().rules.hits(&request));
        for gate in &effects.gates {
            gate.pass().await;
        }
        if !effects.delay.is_zero() {
            tokio::time::sleep(effects.delay).await;
        }
        let granted = || match &self.0.settings.oauth {
            Some(oauth) if request.path == "/oauth2/v1/token" => {
                let (status, body) = self.0.state().tokens.grant(&request, oauth, self.0.clock.now());
                reply(status, "application/json", body)
            }
            _ => reply(404, "text/html", html(404)),
        };
        let reply = self.0.disturbed(&effects, granted);
        self.0.log(request, &reply);
        reply
    }
}

fn reply(status: u16, content_type: &'static str, body: Vec<u8>) -> Reply {
    Reply {
        status,
        content_type,
        retry_after: None,
        headers: Vec::new(),
        body: Bytes::from(body),
        delivery: Delivery::Whole,
    }
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, request: &Request) -> Effects {
        let mut state = self.state();
        let effects = Effects::of(state.rules.hits(request));
        let shown = &mut *state;
        shown.writes.settle(&mut shown.records, self.clock.now());
        effects.run_hooks(&mut state.records);
        if effects.kill_tokens {
            state.tokens.revoke_all();
        }
        state.at_once += 1;
        state.most_at_once = state.most_at_once.max(state.at_once);
        effects
    }

    fn reply(&self, request: &Request, effects: &Effects) -> Reply {
        self.disturbed(effects, || {
            if let Some(down) = self.down() {
                let (status, content_type, body) = broken(down, &self.settings);
                return reply(status, content_type, body);
            }
            match self.route(request, effects) {
                Ok((status, (content_type, body))) => reply(status, content_type, body),
                Err(refusal) => {
                    let (status, content_type, body) = refusal.render(&self.settings);
                    reply(status, content_type, body)
                }
            }
        })
    }

    /// What the faults of a call leave of its reply.
    fn disturbed(&self, effects: &Effects, answer: impl FnOnce() -> Reply) -> Reply {
        if effects.drop_before {
            return Reply { delivery: Delivery::Nothing, ..reply(500, "text/plain", Vec::new()) };
        }
        if let Some((status, retry_after, body)) = effects.instead {
            let (status, content_type, body) = broken(Answered { status, body }, &self.settings);
            return Reply { retry_after, ..reply(status, content_type, body) };
        }
        let mut reply = answer();
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

    fn down(&self) -> Option<Answered> {
        let now = self.clock.now();
        let mut state = self.state();
        let (until, answered) = state.down?;
        if now < until {
            return Some(answered);
        }
        state.down = None;
        None
    }

    fn route(&self, request: &Request, effects: &Effects) -> Result<(u16, Answer), Refusal> {
        let (node, alias, rest) = match routes::find(request)? {
            Route::Gateway => return Ok((200, ("text/html", GATEWAY.into()))),
            Route::Xml => {
                let name = request.header("operationname").unwrap_or("").to_owned();
                let body = ib_response(false, 158, 10721, &format!("Service operation {name} not found."), &[name]);
                return Ok((200, ("text/xml", body)));
            }
            Route::Operation { node, alias, rest } => (node, alias, rest),
        };
        let now = self.clock.now();
        let settings = &self.settings;
        let mut state = self.state();
        if settings.max_at_once.is_some_and(|most| state.at_once > most) {
            return Err(Refusal::Busy);
        }
        if node != settings.node {
            return Err(Refusal::WrongNode(node));
        }
        let State { accounts, tokens, operations, .. } = &mut *state;
        let operation = operations.find(&alias)?.clone();
        let operator = admit(request, accounts, tokens, settings, now)?;
        if !permitted(&operator, &alias) {
            return Err(Refusal::NoPermission { operator: operator.id, operation: operation.name });
        }
        if !operation.methods.contains(&request.method) {
            return Err(Refusal::BadMethod { method: request.method.clone(), operation: operation.name });
        }
        let answer = self.work(&mut state, &operation, &operator, &alias, &rest, request, effects)?;
        let paged = matches!(operation.work, Work::Execute | Work::Custom(_));
        Ok(if paged { (answer.0, repeated(&mut state, answer.1, effects)) } else { answer })
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one call, each of another origin")]
    fn work(
        &self,
        state: &mut State,
        operation: &Operation,
        operator: &Operator,
        alias: &str,
        rest: &str,
        request: &Request,
        effects: &Effects,
    ) -> Result<(u16, Answer), Refusal> {
        let settings = &self.settings;
        let mut desk = Desk {
            settings,
            today: self.clock.now().with_timezone(&settings.zone).date_naive(),
            records: &state.records,
            queries: &state.queries,
            selections: &mut state.selections,
            operator,
            twist: &effects.twist,
        };
        let answer = match &operation.work {
            Work::Execute if request.method == "POST" => {
                let (form, page) = desk.execute_post(request)?;
                form.write(&page, settings)
            }
            Work::Execute => {
                let (form, page) = desk.execute(rest, request)?;
                form.write(&page, settings)
            }
            Work::ExecutePoll => {
                let (form, page) = desk.execute(rest, request)?;
                state.jobs.start(&operator.id, form, page, effects.async_fails, settings)
            }
            Work::Status => state.jobs.status(rest, request, &operator.id, settings)?,
            Work::Results => state.jobs.results(rest, request, &operator.id, settings)?,
            Work::Discovery => (settings.json_type, discovery(state, operator, request)),
            Work::Custom(custom) => rows(custom, &mut desk, rest, request)?,
            Work::Receive(required) => {
                let body = receive(state, alias, required, request)?;
                return Ok((settings.created, (settings.json_type, body)));
            }
            Work::Write(operation) => {
                let call = Caller { settings, operator, request, rest, now: self.clock.now() };
                return state.writes.write(operation, &mut state.records, &call);
            }
        };
        Ok((200, answer))
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

/// The page that the gateway shows to whoever looks.
const GATEWAY: &str = "<HTML><HEAD><TITLE>PeopleSoft Integration Gateway</TITLE></HEAD>\n\
    <BODY><H2>PeopleSoft Integration Gateway</H2><P>PeopleSoft Listening Connector</P><P>Status: ACTIVE</P></BODY></HTML>\n";

fn repeated(state: &mut State, mut answer: Answer, effects: &Effects) -> Answer {
    if effects.repeat_page
        && let Some(last) = state.last_page.as_ref()
    {
        answer.clone_from(last);
    }
    let keep = state.rules.has(|fault| matches!(fault, Fault::RepeatPage));
    state.last_page = keep.then(|| answer.clone());
    answer
}

/// What stands in for an answer while something is broken.
fn broken(answered: Answered, settings: &Settings) -> (u16, &'static str, Vec<u8>) {
    const WORDS: &str = "Integration Gateway was not able to contact the target.";
    let Answered { status, body } = answered;
    match body {
        ErrorBody::IbResponse => (status, "text/xml", ib_response(true, 158, 10201, WORDS, &[])),
        ErrorBody::Json => (status, settings.json_type, json_error(WORDS)),
        ErrorBody::Html => (status, "text/html", html(status)),
        ErrorBody::Empty => (status, "text/plain", Vec::new()),
    }
}

fn discovery(state: &State, operator: &Operator, request: &Request) -> Vec<u8> {
    let host = request.header("host").unwrap_or("localhost");
    let base = request.path.trim_end_matches("/servicelist.v1/discovery");
    let services = state.operations.visible(operator).map(|(alias, operation)| {
        let openapi = format!("http://{host}{base}/{alias}/openapi.json");
        serde_json::json!({"service": alias, "operation": operation.name, "openapi": openapi})
    });
    serde_json::json!({"services": services.collect::<Vec<_>>()}).to_string().into_bytes()
}

fn rows(custom: &CustomOperation, desk: &mut Desk<'_>, rest: &str, request: &Request) -> Result<Answer, Refusal> {
    let fitted = custom.fit(rest, request)?;
    let answers = custom.answers(&fitted)?;
    let (limit, offset) = custom.range(&fitted)?;
    let (page, more) = desk.rows(&custom.query, &answers, limit, offset)?;
    Ok((desk.settings.json_type, custom.body(&page, more, request, desk.settings)))
}

fn receive(state: &mut State, alias: &str, required: &[String], request: &Request) -> Result<Vec<u8>, Refusal> {
    let document: serde_json::Value =
        serde_json::from_slice(&request.body).map_err(|error| Refusal::Document(format!("Invalid JSON: {error}")))?;
    let present = |name: &&String| document.get(name.as_str()).is_some_and(|value| !value.is_null());
    if let Some(missing) = required.iter().find(|name| !present(name)) {
        return Err(Refusal::Document(format!("Required field {missing} is missing.")));
    }
    let documents = state.received.entry(alias.into()).or_default();
    documents.push(document);
    Ok(format!(r#"{{"status":"success","data":{{"id":"{}"}}}}"#, documents.len()).into_bytes())
}
