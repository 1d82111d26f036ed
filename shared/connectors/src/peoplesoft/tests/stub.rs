//! A server that answers every call by a function, and keeps what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One answer.
#[derive(Clone)]
pub(super) struct Reply {
    status: u16,
    kind: &'static str,
    body: String,
    headers: Vec<(&'static str, String)>,
    /// Bytes of the body that are sent before the connection closes.
    cut: Option<usize>,
}

impl Reply {
    pub(super) fn json(status: u16, body: impl Into<String>) -> Self {
        Self { status, kind: "application/json", body: body.into(), headers: Vec::new(), cut: None }
    }

    pub(super) fn xml(status: u16, body: impl Into<String>) -> Self {
        Self { kind: "text/xml", ..Self::json(status, body) }
    }

    pub(super) fn html(status: u16, title: &str) -> Self {
        let body = format!("<html><head><title>{title}</title></head><body/></html>");
        Self { kind: "text/html", ..Self::json(status, body) }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn cut_at(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self
    }
}

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) head: String,
    pub(super) body: String,
}

impl Asked {
    /// A parameter of the query, as it was sent.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    /// What a prompt was given, decoded.
    pub(super) fn prompt(&self, name: &str) -> Option<String> {
        let at = self.parameter("prompt_uniquepromptname")?.split(',').position(|known| known == name)?;
        crate::http::percent_decode(self.parameter("prompt_fieldvalue")?.split(',').nth(at)?)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

type Answer = dyn Fn(&Asked, usize) -> Reply + Send + Sync;

/// The server.
pub(super) struct Stub {
    pub(super) origin: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Stub {
    /// A server that answers by this function of a call and its number, from 0.
    pub(super) async fn start(answer: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let answer: Arc<Answer> = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answer), Arc::clone(&log)));
            }
        });
        Self { origin, asked }
    }

    /// A server that gives these answers, one after the other, and the last one for ever.
    pub(super) async fn scripted(replies: Vec<Reply>) -> Self {
        Self::start(move |_, call| replies.get(call).or(replies.last()).unwrap().clone()).await
    }

    pub(super) fn url(&self) -> String {
        format!("{}/PSIGW/RESTListeningConnector", self.origin)
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, answer: Arc<Answer>, log: Arc<Mutex<Vec<Asked>>>) {
    while let Some(asked) = receive(&mut stream).await {
        let call = {
            let mut log = log.lock().unwrap();
            log.push(asked.clone());
            log.len() - 1
        };
        let reply = answer(&asked, call);
        let mut head = format!(
            "HTTP/1.1 {} Scripted\r\nContent-Type: {}\r\nContent-Length: {}\r\n",
            reply.status,
            reply.kind,
            reply.body.len()
        );
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let body = reply.body.get(..reply.cut.unwrap_or(reply.body.len())).unwrap();
        if stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.is_err() || reply.cut.is_some() {
            return;
        }
    }
}

async fn receive(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if bytes.len() >= end + 4 + length.unwrap_or(0) {
                let line = head.lines().next().unwrap().to_owned();
                let mut parts = line.split(' ');
                let (method, address) = (parts.next().unwrap().to_owned(), parts.next().unwrap().to_owned());
                let (path, query) = address.split_once('?').unwrap_or((&address, ""));
                let body = String::from_utf8(bytes[end + 4..].to_vec()).unwrap();
                return Some(Asked { method, path: path.to_owned(), query: query.to_owned(), head, body });
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(read) if read > 0 => bytes.extend_from_slice(&chunk[..read]),
            _ => return None,
        }
    }
}
