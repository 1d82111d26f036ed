//! A server that gives scripted answers, one after the other, and keeps what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One answer.
#[derive(Clone)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    /// Bytes of the body that are sent before the connection closes.
    cut: Option<usize>,
}

impl Reply {
    pub(super) fn json(status: u16, body: impl Into<String>) -> Self {
        let headers = vec![("Content-Type", "application/json".to_owned())];
        Self { status, headers, body: body.into(), cut: None }
    }

    pub(super) fn html(status: u16, title: &str) -> Self {
        let headers = vec![("Content-Type", "text/html".to_owned())];
        let body = format!("<html><head><title>{title}</title></head><body/></html>");
        Self { status, headers, body, cut: None }
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
    pub(super) line: String,
    pub(super) head: String,
    pub(super) body: String,
}

/// The server. Log-ins succeed unless they are scripted; everything else is answered from the script.
pub(super) struct Stub {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

pub(super) const LOGIN: &str = r#"{"username":"SVC","environment":"JPD920","role":"*ALL","userInfo":{"token":"044tok+/=","simpleDateFormat":"MM/dd/yyyy"}}"#;

impl Stub {
    pub(super) async fn start(logins: Vec<Reply>, data: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jderest", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let scripts = Arc::new(Mutex::new((VecDeque::from(logins), VecDeque::from(data))));
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&scripts), Arc::clone(&log)));
            }
        });
        Self { url, asked }
    }

    pub(super) async fn data(data: Vec<Reply>) -> Self {
        Self::start(Vec::new(), data).await
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn count(&self, part: &str) -> usize {
        self.asked().iter().filter(|asked| asked.line.contains(part)).count()
    }

    pub(super) fn logins(&self) -> usize {
        self.count("/tokenrequest ")
    }

    pub(super) fn logouts(&self) -> usize {
        self.count("/tokenrequest/logout ")
    }
}

type Scripts = Arc<Mutex<(VecDeque<Reply>, VecDeque<Reply>)>>;

async fn serve(mut stream: TcpStream, scripts: Scripts, log: Arc<Mutex<Vec<Asked>>>) {
    while let Some(asked) = receive(&mut stream).await {
        let line = asked.line.clone();
        log.lock().unwrap().push(asked);
        let reply = {
            let mut scripts = scripts.lock().unwrap();
            if line.contains("/tokenrequest/logout ") {
                Reply::json(200, "{}")
            } else if line.contains("/tokenrequest ") {
                scripts.0.pop_front().unwrap_or_else(|| Reply::json(200, LOGIN))
            } else {
                scripts.1.pop_front().unwrap_or_else(|| Reply::json(500, r#"{"message":"nothing is scripted"}"#))
            }
        };
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

async fn receive(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if bytes.len() >= end + 4 + length.unwrap_or(0) {
                let line = head.lines().next().unwrap().to_owned();
                let body = String::from_utf8(bytes[end + 4..].to_vec()).unwrap();
                return Some(Asked { line, head, body });
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(read) if read > 0 => bytes.extend_from_slice(&chunk[..read]),
            _ => return None,
        }
    }
}
