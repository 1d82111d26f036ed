//! A server that answers as it is told and keeps what it was asked.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Where tokens are given.
pub(super) const TOKEN: &str = "POST /oidc/v1/token";

/// One answer.
#[derive(Clone)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    /// The request is taken and the connection closed without an answer.
    lost: bool,
}

impl Reply {
    pub(super) fn new(status: u16, body: impl ToString) -> Self {
        let headers = vec![("Content-Type", "application/json".to_owned())];
        Self { status, headers, body: body.to_string(), lost: false }
    }

    pub(super) fn ok(body: impl ToString) -> Self {
        Self::new(200, body)
    }

    pub(super) fn html(status: u16, title: &str) -> Self {
        let body = format!("<html><head><title>{title}</title></head><body/></html>");
        Self { headers: vec![("Content-Type", "text/html".to_owned())], ..Self::new(status, body) }
    }

    pub(super) fn lost() -> Self {
        Self { lost: true, ..Self::ok("") }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Method and path, such as `POST /api/2.0/sql/statements`.
    pub(super) route: String,
    pub(super) query: String,
    pub(super) head: String,
    pub(super) body: String,
}

impl Asked {
    pub(super) fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap()
    }
}

type Answer = dyn Fn(&Asked) -> Reply + Send + Sync;

struct State {
    scripts: HashMap<String, VecDeque<Reply>>,
    asked: Vec<Asked>,
}

/// The server. Log-ins succeed unless they are scripted; what is not scripted goes to `otherwise`, if there is any.
pub(super) struct Stub {
    pub(super) url: String,
    state: Arc<Mutex<State>>,
}

impl Stub {
    pub(super) async fn start() -> Self {
        Self::answering(|asked| Reply::new(500, format!("{{\"message\":\"nothing is scripted for {}\"}}", asked.route)))
            .await
    }

    pub(super) async fn answering(otherwise: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { scripts: HashMap::new(), asked: Vec::new() }));
        let (shared, otherwise) = (Arc::clone(&state), Arc::new(otherwise) as Arc<Answer>);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared), Arc::clone(&otherwise)));
            }
        });
        Self { url, state }
    }

    /// Answers of a route, one after the other; the last one for good.
    pub(super) fn on(&self, route: &str, replies: impl IntoIterator<Item = Reply>) -> &Self {
        self.state.lock().unwrap().scripts.insert(route.to_owned(), replies.into_iter().collect());
        self
    }

    /// What a route was asked.
    pub(super) fn asked(&self, route: &str) -> Vec<Asked> {
        self.state.lock().unwrap().asked.iter().filter(|asked| asked.route == route).cloned().collect()
    }

    pub(super) fn count(&self, route: &str) -> usize {
        self.asked(route).len()
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>, otherwise: Arc<Answer>) {
    while let Some(asked) = receive(&mut stream).await {
        let scripted = {
            let mut state = state.lock().unwrap();
            state.asked.push(asked.clone());
            state.scripts.get_mut(&asked.route).map(|script| match script.len() {
                1 => script[0].clone(),
                _ => script.pop_front().unwrap(),
            })
        };
        let number = state.lock().unwrap().asked.len();
        let reply = scripted.unwrap_or_else(|| match asked.route.as_str() {
            TOKEN => {
                Reply::ok(format!(r#"{{"access_token":"token-{number}","token_type":"Bearer","expires_in":3600}}"#))
            }
            _ => otherwise(&asked),
        });
        if reply.lost {
            return;
        }
        let mut head = format!("HTTP/1.1 {} Scripted\r\nContent-Length: {}\r\n", reply.status, reply.body.len());
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if stream.write_all(format!("{head}\r\n{}", reply.body).as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn receive(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length: Option<usize> =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if bytes.len() >= end + 4 + length.unwrap_or(0) {
                let mut line = head.lines().next().unwrap().split(' ');
                let (method, target) = (line.next().unwrap(), line.next().unwrap());
                let (path, query) = target.split_once('?').unwrap_or((target, ""));
                let (route, query) = (format!("{method} {path}"), query.to_owned());
                let body = String::from_utf8(bytes[end + 4..].to_vec()).unwrap();
                return Some(Asked { route, query, head, body });
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(read) if read > 0 => bytes.extend_from_slice(&chunk[..read]),
            _ => return None,
        }
    }
}
