//! HTTP without opinions: a request as plain data, a reply as plain data, and a connection that can be made to fail.
//!
//! Invariant: what a reply says about its delivery happens on the wire, to that call alone: the whole of it, a part of it,
//! or a closed connection. Nothing here knows what the paths mean.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Without the query string, not decoded.
    pub(crate) path: String,
    /// What stands after the `?`, not decoded.
    pub(crate) query: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) peer: IpAddr,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The parameters of the query string, decoded, in their order.
    pub(crate) fn parameters(&self) -> Vec<(String, String)> {
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(name), decode(value))
            })
            .collect()
    }
}

/// What is sent back.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) retry_after: Option<u32>,
    /// Beside those that the other fields make.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    pub(crate) delivery: Delivery,
}

/// How much of a reply arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    /// The head, half of the body, then the connection closes.
    Cut,
    /// Nothing: the connection closes.
    Nothing,
}

/// What answers requests.
pub(crate) trait Answer: Send + Sync + 'static {
    fn answer(&self, request: Request) -> impl Future<Output = Reply> + Send;
}

/// Serves connections until it is dropped.
async fn serve<A: Answer>(listener: TcpListener, answer: Arc<A>) {
    loop {
        // A connection that could not be accepted concerns nobody but its peer.
        let Ok((stream, peer)) = listener.accept().await else {
            continue;
        };
        tokio::spawn(connection(stream, peer, Arc::clone(&answer)));
    }
}

/// Serves on a thread with a runtime of its own, so that a test may block or pause its own: until `stop` is used or dropped.
/// `ended` hears when the port and all connections are closed.
pub(crate) fn run_on_thread<A: Answer>(
    name: &str,
    listener: std::net::TcpListener,
    answer: Arc<A>,
    stop: oneshot::Receiver<()>,
    ended: oneshot::Sender<()>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(name.into()).spawn(move || {
        runtime.block_on(async move {
            let Ok(listener) = TcpListener::from_std(listener) else {
                return;
            };
            tokio::select! {
                () = serve(listener, answer) => {}
                _ = stop => {}
            }
        });
        // Connections close with the runtime, so it goes before anybody hears that the server is gone.
        drop(runtime);
        let _heard = ended.send(()).is_ok();
    })?;
    Ok(())
}

async fn connection<A: Answer>(stream: TcpStream, peer: SocketAddr, answer: Arc<A>) {
    let _low_delay = stream.set_nodelay(true).is_ok();
    let service = service_fn(move |request| {
        let answer = Arc::clone(&answer);
        async move {
            let Ok(request) = read(request, peer.ip()).await else {
                return Err(Closed);
            };
            respond(answer.answer(request).await)
        }
    });
    // Ends with an error when a fault closed it; that is its purpose.
    let _clean = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.is_ok();
}

async fn read(request: hyper::Request<Incoming>, peer: IpAddr) -> Result<Request, hyper::Error> {
    let (head, body) = request.into_parts();
    let headers = head.headers.iter();
    Ok(Request {
        method: head.method.as_str().into(),
        path: head.uri.path().into(),
        query: head.uri.query().unwrap_or("").into(),
        headers: headers
            .map(|(name, value)| (name.as_str().into(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: body.collect().await?.to_bytes(),
        peer,
    })
}

fn respond(reply: Reply) -> Result<hyper::Response<Outgoing>, Closed> {
    if reply.delivery == Delivery::Nothing {
        return Err(Closed);
    }
    let mut builder = hyper::Response::builder().status(reply.status);
    // 204 has no body, and so neither a type nor a length.
    if reply.status != 204 {
        builder = builder.header("content-type", reply.content_type).header("content-length", reply.body.len());
    }
    if let Some(seconds) = reply.retry_after {
        builder = builder.header("retry-after", seconds);
    }
    for (name, value) in &reply.headers {
        builder = builder.header(*name, value);
    }
    let cut = reply.delivery == Delivery::Cut;
    let body = if cut { reply.body.slice(..reply.body.len() / 2) } else { reply.body };
    builder.body(Outgoing { rest: Some(body), cut, waited: false }).map_err(|_| Closed)
}

/// The connection ends here.
#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("connection closed on purpose")
    }
}

impl std::error::Error for Closed {}

/// A body in one piece that may break off after it.
struct Outgoing {
    rest: Option<Bytes>,
    cut: bool,
    waited: bool,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        if let Some(piece) = self.rest.take() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if !self.cut {
            return Poll::Ready(None);
        }
        if !self.waited {
            // One turn of the loop, so that what was given so far is on the wire before the connection breaks.
            self.waited = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(Closed)))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none() && !self.cut
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.rest, self.cut) {
            (Some(rest), false) => SizeHint::with_exact(rest.len() as u64),
            _ => SizeHint::default(),
        }
    }
}

/// Undoes percent-encoding; `+` is a blank, as in forms.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        let code = hex.filter(|_| *byte == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (byte, code) {
            (_, Some(code)) => {
                decoded.push(code);
                at += 2;
            }
            (b'+', None) => decoded.push(b' '),
            (other, None) => decoded.push(*other),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Percent-encodes everything but letters, digits and `-._~`.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// User and password of an `Authorization: Basic` header.
pub(crate) fn basic(header: &str) -> Option<(String, String)> {
    let bytes = BASE64_STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.split_once(':').map(|(user, password)| (user.into(), password.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_basic_headers_are_read() {
        assert_eq!(decode("F0101.AT1%20EQ+V%2B%7C%zz"), "F0101.AT1 EQ V+|%zz");
        assert_eq!(decode(&encode("a b+/=|é")), "a b+/=|é");
        assert_eq!(basic("Basic U1ZDUkVBRDpzZWM6cmV0"), Some(("SVCREAD".into(), "sec:ret".into())));
        assert_eq!(basic("Basic ????"), None);
        assert_eq!(basic("Bearer abc"), None);
    }
}
