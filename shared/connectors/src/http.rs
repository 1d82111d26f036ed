//! The one place that builds HTTP clients and reads answers.
//!
//! Invariants: addresses are `https` unless they point at this very machine; redirects are never followed, because they
//! would carry credentials elsewhere; a body that is cut short or too long is an error and never a shorter answer; no
//! message holds a token, a password or an `Authorization` header. What must not be here: anything of one vendor.

mod body;
mod quote;
#[cfg(test)]
pub(crate) mod stub;
#[cfg(test)]
mod tests;

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use engine::metrics::{self, Unit};
use engine::{Error, Result};
pub use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, DATE, RETRY_AFTER};
use reqwest::{Request, RequestBuilder, Response, Url};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use body::Body;
use body::Spare;
pub use quote::{percent_decode, percent_encode, quote};

/// Connecting takes a few round trips; whoever needs longer is not there.
const CONNECT_TIME_OUT: Duration = Duration::from_secs(10);

/// A duration as people write it: `90s`, `2m`, `500ms`, `1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = r"^[1-9][0-9]*(ms|s|m|h)$"))]
pub struct TimeOut(pub Duration);

impl TryFrom<String> for TimeOut {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => 0,
        };
        match number.parse::<u64>().ok().and_then(|n| n.checked_mul(millis)) {
            Some(millis) if millis > 0 => Ok(Self(Duration::from_millis(millis))),
            _ => Err(format!("`{text}` is not a duration: write a number and ms, s, m or h, such as 120s")),
        }
    }
}

impl From<TimeOut> for String {
    fn from(time_out: TimeOut) -> Self {
        time_out.to_string()
    }
}

impl fmt::Display for TimeOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            millis if millis % 1_000 != 0 => write!(f, "{millis}ms"),
            millis => write!(f, "{}s", millis / 1_000),
        }
    }
}

/// How to talk to one system.
#[derive(Debug, Clone)]
pub struct HttpSettings<'a> {
    /// The address that every path is appended to.
    pub url: &'a str,
    /// A PEM file of certificates to trust besides the public ones.
    pub ca_file: Option<&'a Path>,
    /// The longest that one call may take, its answer included.
    pub time_out: Duration,
    /// The longest answer.
    pub max_response_bytes: usize,
}

/// A certificate by which this program shows who it is, as gateways with mutual TLS ask for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificate {
    /// A PEM file with the certificate, and those between it and its authority.
    #[schemars(example = &"/etc/ml-connector/client.pem")]
    pub certificate_file: PathBuf,
    /// A PEM file with the private key of the certificate, without a password.
    #[schemars(example = &"/etc/ml-connector/client.key")]
    pub key_file: PathBuf,
}

/// A client for one system.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    base: Url,
    time_out: Duration,
    max_response_bytes: usize,
    /// Of answers that were read, for the next ones.
    spare: Spare,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Everything after the headers.
    pub body: Body,
    /// The `Date` header: the time of whoever answered.
    pub date: Option<DateTime<Utc>>,
    /// How long to stay away, where the other side asked for it.
    pub retry_after: Option<Duration>,
    html: bool,
}

/// A call that brought no whole answer.
struct Broken {
    error: Error,
    /// Whether the other side may have the request.
    sent: bool,
}

impl Http {
    /// A client.
    ///
    /// # Errors
    /// Stops when the address is no `https` address or the certificates cannot be read.
    pub fn new(settings: &HttpSettings<'_>) -> Result<Self> {
        Self::with_certificate(settings, None)
    }

    /// A client that shows a certificate of its own to whoever asks for one.
    ///
    /// # Errors
    /// As [`Http::new`]; Stop also when the certificate or its key cannot be read, or do not belong together.
    pub fn with_certificate(settings: &HttpSettings<'_>, certificate: Option<&ClientCertificate>) -> Result<Self> {
        let base = base_url(settings.url)?;
        let local = is_loopback(&base);
        let trusting = trusting(settings.ca_file)?;
        let tls = match certificate {
            None => trusting.with_no_client_auth(),
            Some(certificate) => identified(trusting, certificate)?,
        };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIME_OUT.min(settings.time_out))
            .timeout(settings.time_out)
            .user_agent(concat!("ml-connector/", env!("CARGO_PKG_VERSION")));
        if local {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|e| Error::stop(format!("no HTTP client can be built: {}", chain(&e))))?;
        let (time_out, max_response_bytes) = (settings.time_out, settings.max_response_bytes);
        Ok(Self { client, base, time_out, max_response_bytes, spare: Spare::default() })
    }

    /// The address that paths are appended to, without a slash at its end.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Who is talked to, for messages: scheme, host and port.
    pub fn host(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// A GET of a path under the base address, with an encoded query.
    pub fn get(&self, path: &str, query: Option<&str>) -> RequestBuilder {
        let mut url = self.url(path);
        url.set_query(query);
        self.client.get(url)
    }

    /// A POST to a path under the base address.
    pub fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(self.url(path))
    }

    /// A request for a path under the base address, with an encoded query.
    pub fn request(&self, method: Method, path: &str, query: Option<&str>) -> RequestBuilder {
        let mut url = self.url(path);
        url.set_query(query);
        self.client.request(method, url)
    }

    /// A request for an address that was made of the base address.
    pub fn at(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// The address of a path under the base address.
    pub fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// Later when the host cannot be reached or the answer is cut short, Stop when its certificate is not trusted or the
    /// answer is longer than allowed.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer> {
        self.exchange(request).await.map_err(|broken| broken.error)
    }

    /// Sends a request that must not take effect twice, and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// As [`Http::send`] while the host certainly did not get the request, and Unknown from then on.
    pub async fn send_once(&self, request: RequestBuilder) -> Result<Answer> {
        self.exchange(request).await.map_err(|broken| match broken.sent {
            true => Error::unknown(broken.error.to_string()),
            false => broken.error,
        })
    }

    async fn exchange(&self, request: RequestBuilder) -> Result<Answer, Broken> {
        let request: Request = request.build().map_err(|e| Broken {
            error: Error::stop(format!("no request: {}", chain(&e.without_url()))),
            sent: false,
        })?;
        metrics::emit("Calls", 1, Unit::Count);
        let response = self.client.execute(request).await;
        let response = response.map_err(|e| Broken { sent: !e.is_connect(), error: self.failure(e) })?;
        self.whole(response).await.map_err(|error| Broken { error, sent: true })
    }

    async fn whole(&self, mut response: Response) -> Result<Answer> {
        let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::trim);
        let date = header(DATE).and_then(|d| DateTime::parse_from_rfc2822(d).ok()).map(|d| d.with_timezone(&Utc));
        let retry_after = header(RETRY_AFTER).and_then(|wait| wait_of(wait, date));
        if let Some(wait) = retry_after {
            metrics::emit("WaitsAskedFor", u64::try_from(wait.as_millis()).unwrap_or(u64::MAX), Unit::Milliseconds);
        }
        let html_type = header(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html"));
        let status = response.status().as_u16();
        let announced = response.content_length().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        if announced > self.max_response_bytes {
            return Err(self.too_long());
        }
        let mut body = self.spare.body(announced);
        while let Some(chunk) = response.chunk().await.map_err(|e| self.failure(e))? {
            if body.len() + chunk.len() > self.max_response_bytes {
                return Err(self.too_long());
            }
            body.append(&chunk);
        }
        let html = html_type || body.trim_ascii_start().first() == Some(&b'<');
        Ok(Answer { status, body, date, retry_after, html })
    }

    fn too_long(&self) -> Error {
        Error::stop(format!(
            "{} sent an answer of more than {} bytes: ask for smaller pages or fewer columns, or raise \
             `max_response_bytes`",
            self.host(),
            self.max_response_bytes
        ))
    }

    /// What went wrong on the way, in words. The address of the request is left out: it may carry a token.
    fn failure(&self, error: reqwest::Error) -> Error {
        let host = self.host();
        let error = error.without_url();
        if error.is_timeout() {
            return Error::later(format!("{host} did not answer within {}", TimeOut(self.time_out)));
        }
        if let Some(tls) = cause::<rustls::Error>(&error) {
            return match tls {
                rustls::Error::InvalidCertificate(why) => Error::stop(format!(
                    "the certificate of {host} is not trusted ({why:?}): put the certificate of the authority that issued \
                     it into a PEM file and name it as `ca_file`"
                )),
                rustls::Error::InvalidMessage(_) => {
                    Error::stop(format!("{host} does not speak TLS: check port and scheme"))
                }
                other => Error::later(format!("no secure connection to {host}: {other}")),
            };
        }
        let kind = cause::<io::Error>(&error).map(io::Error::kind);
        let words = chain(&error);
        let what = match kind {
            Some(io::ErrorKind::ConnectionRefused) => "refuses connections: is the server running, is the port right",
            _ if words.contains("dns error") => {
                "has a name that cannot be resolved: check `url` and the DNS of this network"
            }
            _ if error.is_connect() => "cannot be reached: check network, firewall and allow-list",
            _ => return Error::later(format!("the answer of {host} was cut short: {words}")),
        };
        Error::later(format!("{host} {what} ({words})"))
    }
}

impl Answer {
    /// Whether it is a web page, as proxies, firewalls and application servers send it in place of JSON.
    pub fn is_html(&self) -> bool {
        self.html
    }

    /// The body as text.
    ///
    /// # Errors
    /// Later when it is no UTF-8: JSON always is, so the answer is damaged.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.body).map_err(|_| Error::later("the answer is damaged: it is not UTF-8"))
    }

    /// The title of a web page, for messages.
    pub fn page_title(&self) -> Option<String> {
        let text = String::from_utf8_lossy(self.body.get(..4096).unwrap_or(&self.body)).into_owned();
        let start = text.to_ascii_lowercase().find("<title>")? + "<title>".len();
        let rest = text.get(start..)?;
        let end = rest.find('<')?;
        rest.get(..end).map(|title| title.trim().to_owned()).filter(|title| !title.is_empty())
    }
}

/// The TLS settings of every client: ring as provider, the public authorities, and those of `ca_file`.
///
/// # Errors
/// Stops when the file cannot be read or holds no certificate.
pub fn tls_config(ca_file: Option<&Path>) -> Result<rustls::ClientConfig> {
    Ok(trusting(ca_file)?.with_no_client_auth())
}

/// TLS settings that lack only who we are.
type Trusting = rustls::ConfigBuilder<rustls::ClientConfig, rustls::client::WantsClientCert>;

/// Adds the certificate by which we show who we are.
fn identified(trusting: Trusting, certificate: &ClientCertificate) -> Result<rustls::ClientConfig> {
    let wrong = |field: &str, path: &Path, why: String| {
        Error::stop(format!("`client_certificate.{field}` {} {why}", path.display()))
    };
    let path = certificate.certificate_file.as_path();
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|e| wrong("certificate_file", path, format!("cannot be read as PEM certificates: {e}")))?;
    if chain.is_empty() {
        return Err(wrong("certificate_file", path, "holds no certificate".to_owned()));
    }
    let path = certificate.key_file.as_path();
    let key = PrivateKeyDer::from_pem_file(path)
        .map_err(|e| wrong("key_file", path, format!("cannot be read as a PEM private key: {e}")))?;
    trusting
        .with_client_auth_cert(chain, key)
        .map_err(|e| wrong("key_file", path, format!("is not the key of the certificate: {e}")))
}

fn trusting(ca_file: Option<&Path>) -> Result<Trusting> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca_file {
        let place = path.display();
        let wrong = |why: String| Error::stop(format!("`ca_file` {place} {why}"));
        let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|e| wrong(format!("cannot be read as PEM certificates: {e}")))?;
        let (added, _) = roots.add_parsable_certificates(certificates);
        if added == 0 {
            return Err(wrong("holds no certificate".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::stop(format!("TLS cannot be set up: {e}")))?;
    Ok(config.with_root_certificates(roots))
}

/// Reads the address of a system: `https`, or `http` for this very machine; no user, no query.
fn base_url(text: &str) -> Result<Url> {
    let url =
        Url::parse(text).map_err(|e| Error::stop(format!("`url` is not an address ({e}): {}", without_user(text))))?;
    let shown = url.origin().ascii_serialization();
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        _ => {
            return Err(Error::stop(format!(
                "`url` must begin with https://, {shown} would send passwords in the clear"
            )));
        }
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::stop(format!("`url` {shown} holds a user or password: put them into the secret")));
    }
    if url.query().is_some() || url.fragment().is_some() || url.host_str().is_none() {
        return Err(Error::stop(format!("`url` {shown} must be scheme, host, port and path only")));
    }
    Ok(url)
}

fn without_user(text: &str) -> &str {
    text.rsplit_once('@').map_or(text, |(_, host)| host)
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback()),
        None => false,
    }
}

/// `Retry-After` is a number of seconds or a date.
fn wait_of(text: &str, now: Option<DateTime<Utc>>) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTime::parse_from_rfc2822(text).ok()?;
    Some((until.with_timezone(&Utc) - now?).to_std().unwrap_or(Duration::ZERO))
}

/// The first cause of a type, looking into wrapped I/O errors too.
fn cause<'e, E: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inside {
            Some(inside) => Some(inside as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    None
}

/// An error with its causes, from the outside in.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !words.contains(&more) {
            words.push_str(": ");
            words.push_str(&more);
        }
        next = cause.source();
    }
    words
}
