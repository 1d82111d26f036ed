//! One POST to a receiver on this machine.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Sends JSON and returns the status of the answer, or why there is none. Only plain HTTP is simulated.
pub(super) async fn post(url: &str, headers: &[(&str, String)], body: String, wait: Duration) -> Result<u16, String> {
    let sent = tokio::time::timeout(wait, send(url, headers, body)).await;
    sent.unwrap_or_else(|_| Err(format!("no answer within {} s", wait.as_secs())))
}

async fn send(url: &str, headers: &[(&str, String)], body: String) -> Result<u16, String> {
    let rest = url.strip_prefix("http://").ok_or("webhooks over TLS are not simulated")?;
    let (host, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let stream = TcpStream::connect(&address).await.map_err(|error| format!("cannot connect to {host}: {error}"))?;
    let says = |error: hyper::Error| format!("{host} did not answer: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(says)?;
    let served = tokio::spawn(connection);
    let mut request = hyper::Request::post(path)
        .header("host", host)
        .header("content-type", "application/json")
        .header("connection", "close");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(Full::new(Bytes::from(body))).map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(says)?;
    let status = answer.status().as_u16();
    // The answer's body is read so that the receiver can finish; what it says is of no interest.
    let _whole = answer.into_body().collect().await.is_ok();
    drop(sender);
    let _ended = served.await.is_ok();
    Ok(status)
}
