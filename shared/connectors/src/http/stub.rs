//! A server for tests that answers as it is told and keeps what it was asked.

use std::collections::{HashMap, VecDeque};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One answer.
#[derive(Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    /// Bytes that are sent of the body before the connection closes.
    cut: Option<usize>,
    /// The request is taken and the connection closed without an answer.
    lost: bool,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl ToString) -> Self {
        let headers = vec![("Content-Type", "application/json".to_owned())];
        Self { status, headers, body: body.to_string(), cut: None, lost: false }
    }

    pub(crate) fn ok(body: impl ToString) -> Self {
        Self::new(200, body)
    }

    pub(crate) fn html(status: u16, title: &str) -> Self {
        let body = format!("<html><head><title>{title}</title></head><body/></html>");
        Self { headers: vec![("Content-Type", "text/html".to_owned())], ..Self::new(status, body) }
    }

    pub(crate) fn lost() -> Self {
        Self { lost: true, ..Self::ok("") }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn cut_at(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self
    }
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Method and path without [`Usual::PREFIX`], such as `GET /datagroups`.
    pub(crate) route: String,
    pub(crate) query: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What every test of a system takes for granted.
pub(crate) trait Usual: Send + Sync + 'static {
    /// What paths begin with, where tests leave it out.
    const PREFIX: &str = "";

    /// The answer to a log-in and the like, unless another is scripted; `number` tells one from the other.
    fn usual(route: &str, number: usize) -> Option<Reply>;
}

/// A token that differs from all others.
pub(crate) fn token(number: usize) -> Reply {
    Reply::ok(format!(r#"{{"access_token":"token-{number}","token_type":"Bearer","expires_in":3600}}"#))
}

type Answer = dyn Fn(&Asked) -> Reply + Send + Sync;

struct State {
    scripts: HashMap<String, VecDeque<Reply>>,
    asked: Vec<Asked>,
}

/// The server. Log-ins succeed unless they are scripted; what is not scripted goes to `otherwise`, if there is any.
pub(crate) struct Stub<U> {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    usual: PhantomData<U>,
}

impl<U: Usual> Stub<U> {
    pub(crate) async fn start() -> Self {
        Self::answering(|asked| Reply::new(500, format!("{{\"message\":\"nothing is scripted for {}\"}}", asked.route)))
            .await
    }

    pub(crate) async fn answering(otherwise: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { scripts: HashMap::new(), asked: Vec::new() }));
        let (shared, otherwise) = (Arc::clone(&state), Arc::new(otherwise) as Arc<Answer>);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve::<U>(stream, Arc::clone(&shared), Arc::clone(&otherwise)));
            }
        });
        Self { url, state, usual: PhantomData }
    }

    /// Answers of a route, one after the other; the last one for good.
    pub(crate) fn on(&self, route: &str, replies: impl IntoIterator<Item = Reply>) -> &Self {
        self.state.lock().unwrap().scripts.insert(route.to_owned(), replies.into_iter().collect());
        self
    }

    /// What a route was asked.
    pub(crate) fn asked(&self, route: &str) -> Vec<Asked> {
        self.state.lock().unwrap().asked.iter().filter(|asked| asked.route == route).cloned().collect()
    }

    pub(crate) fn count(&self, route: &str) -> usize {
        self.asked(route).len()
    }

    pub(crate) fn routes(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.iter().map(|asked| asked.route.clone()).collect()
    }
}

async fn serve<U: Usual>(mut stream: TcpStream, state: Arc<Mutex<State>>, otherwise: Arc<Answer>) {
    while let Some(asked) = receive(&mut stream, U::PREFIX).await {
        let scripted = {
            let mut state = state.lock().unwrap();
            state.asked.push(asked.clone());
            state.scripts.get_mut(&asked.route).map(|script| match script.len() {
                1 => script[0].clone(),
                _ => script.pop_front().unwrap(),
            })
        };
        let number = state.lock().unwrap().asked.len();
        let reply = scripted.or_else(|| U::usual(&asked.route, number)).unwrap_or_else(|| otherwise(&asked));
        if reply.lost {
            return;
        }
        let mut head = format!("HTTP/1.1 {} Scripted\r\nContent-Length: {}\r\n", reply.status, reply.body.len());
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let body = reply.body.get(..reply.cut.unwrap_or(reply.body.len())).unwrap();
        if stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.is_err() || reply.cut.is_some() {
            return;
        }
    }
}

async fn receive(stream: &mut TcpStream, prefix: &str) -> Option<Asked> {
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
                let path = path.strip_prefix(prefix).unwrap_or(path);
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
