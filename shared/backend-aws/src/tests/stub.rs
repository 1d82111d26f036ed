//! A server that answers as it is told.

use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, Region, SharedCredentialsProvider};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with a request.
pub(super) enum Answer {
    Status(u16, Value),
    /// It takes the request and says nothing.
    HangUp,
}

impl Answer {
    pub(super) fn ok(body: Value) -> Self {
        Self::Status(200, body)
    }

    pub(super) fn refused(status: u16, code: &str, message: &str) -> Self {
        Self::Status(status, json!({ "__type": code, "message": message }))
    }
}

/// A server on a port of its own.
pub(super) struct Stub {
    address: String,
    actions: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    pub(super) async fn start(answer: impl Fn(&str, &Value) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let actions = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (actions.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, answer) = (seen.clone(), answer.clone());
                tokio::spawn(async move { serve(stream, &seen, answer.as_ref()).await });
            }
        });
        Self { address, actions }
    }

    pub(super) fn config(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(crate::https())
            .endpoint_url(&self.address)
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("k", "s", None, None, "tests")))
            .build()
    }

    /// The names of the calls, in their order.
    pub(super) fn actions(&self) -> Vec<String> {
        self.actions.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, seen: &Mutex<Vec<String>>, answer: &(impl Fn(&str, &Value) -> Answer + ?Sized)) {
    let Some((action, request)) = request(&mut stream).await else { return };
    seen.lock().unwrap().push(action.clone());
    if let Answer::Status(status, body) = answer(&action, &request) {
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\nconnection: \
             close\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).await.unwrap();
    }
}

async fn request(stream: &mut TcpStream) -> Option<(String, Value)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let header = |name: &str| {
                let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name))?;
                Some(line.split_once(':')?.1.trim().to_owned())
            };
            if body.len() >= header("content-length:").and_then(|length| length.parse().ok()).unwrap_or(0) {
                let action = header("x-amz-target:")?.rsplit('.').next()?.to_owned();
                return Some((action, serde_json::from_str(body).unwrap_or_default()));
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
