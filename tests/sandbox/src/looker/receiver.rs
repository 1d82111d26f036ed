//! A receiver of webhooks: it writes down what arrives and can be told to refuse it.
//!
//! Invariant: every POST is recorded with the status it got, refused ones too.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::{Value as Json, json};
use tokio::sync::oneshot;

use crate::http::{self, Answer, Delivery, Reply, Request};

/// One POST that arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// The path it was sent to.
    pub path: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; a JSON string when it is no JSON.
    pub body: Json,
    /// The status it was answered with.
    pub status: u16,
}

#[derive(Default)]
struct State {
    received: Vec<Received>,
    failures: usize,
    status: u16,
}

struct Shared(Mutex<State>);

/// A running receiver on a free port of this machine; it stops when it is dropped.
pub struct Receiver {
    shared: Arc<Shared>,
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Receiver {
    /// Binds a free loopback port and serves on a thread of its own. Fails when no port can be had.
    ///
    /// Programs in other languages can ask it too: `GET /__sandbox/received` shows what arrived, and
    /// `POST /__sandbox/fail` with `{"times": 1, "status": 500}` makes it refuse.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared(Mutex::new(State::default())));
        let (stop, asked) = oneshot::channel();
        http::run_on_thread("webhook-receiver", listener, Arc::clone(&shared), asked, oneshot::channel().0)?;
        Ok(Self { shared, address, _stop: stop })
    }

    /// Where to send webhooks: `http://127.0.0.1:PORT/webhook`.
    pub fn url(&self) -> String {
        format!("http://{}/webhook", self.address)
    }

    /// Refuses the next `times` deliveries with 500.
    pub fn fail(&self, times: usize) {
        self.fail_with(times, 500);
    }

    /// Refuses the next `times` deliveries with this status.
    pub fn fail_with(&self, times: usize, status: u16) {
        let mut state = self.shared.state();
        state.failures = times;
        state.status = status;
    }

    /// What arrived so far, oldest first, refused deliveries among it.
    pub fn received(&self) -> Vec<Received> {
        self.shared.state().received.clone()
    }

    /// How many deliveries were accepted.
    pub fn accepted(&self) -> usize {
        self.shared.state().received.iter().filter(|one| one.status < 300).count()
    }

    /// Forgets what arrived.
    pub fn clear(&self) {
        self.shared.state().received.clear();
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver({})", self.url())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer for Shared {
    async fn answer(&self, request: Request) -> Reply {
        let body = serde_json::from_slice::<Json>(&request.body);
        let mut state = self.state();
        let (status, answer) = match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/__sandbox/received") => (200, shown(&state.received)),
            ("POST", "/__sandbox/fail") => {
                let body = body.unwrap_or_default();
                state.failures = body["times"].as_u64().unwrap_or(1) as usize;
                state.status = body["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(500);
                (200, json!({}))
            }
            ("POST", _) => {
                let status = if state.failures > 0 { state.status } else { 200 };
                state.failures = state.failures.saturating_sub(1);
                let body = body.unwrap_or_else(|_| json!(String::from_utf8_lossy(&request.body)));
                state.received.push(Received { path: request.path, headers: request.headers, body, status });
                (status, json!({}))
            }
            _ => (404, json!({})),
        };
        let body = Bytes::from(answer.to_string());
        Reply {
            status,
            content_type: "application/json",
            retry_after: None,
            headers: Vec::new(),
            body,
            delivery: Delivery::Whole,
        }
    }
}

fn shown(received: &[Received]) -> Json {
    received.iter().map(|one| json!({"path": one.path, "status": one.status, "body": one.body})).collect()
}
