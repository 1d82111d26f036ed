//! Certificates and broken connections.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use engine::{Error, Kind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;

use super::{Http, HttpSettings, TimeOut, wait_of};

struct Secure {
    port: u16,
    folder: tempfile::TempDir,
}

impl Secure {
    fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

/// A server with a certificate of its own making for `name`.
async fn secure(name: &str) -> Secure {
    secure_for(name, None).await
}

/// The same, which lets in only those whom `verifier` knows.
async fn secure_for(name: &str, verifier: Option<Arc<dyn ClientCertVerifier>>) -> Secure {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), made.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let verifier = verifier.unwrap_or_else(WebPkiClientVerifier::no_client_auth);
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = [0; 1024];
            if stream.read(&mut request).await.is_ok() {
                let _sent = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await.is_ok();
            }
        }
    });
    Secure { port, folder }
}

async fn get(url: &str, ca_file: Option<PathBuf>) -> Result<u16, Error> {
    let ca_file = ca_file.as_deref();
    let http =
        Http::new(&HttpSettings { url, ca_file, time_out: Duration::from_secs(20), max_response_bytes: 1 << 20 })?;
    Ok(http.send(http.get("x", None)).await?.status)
}

#[tokio::test]
async fn a_certificate_of_the_company_is_trusted_when_it_is_named() {
    let server = secure("localhost").await;
    let url = format!("https://localhost:{}/jderest", server.port);
    let error = get(&url, None).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Stop, "{error}");
    assert!(error.to_string().contains("`ca_file`"), "{error}");
    assert_eq!(get(&url, Some(server.ca_file())).await.unwrap(), 200);
}

#[tokio::test]
async fn a_server_that_wants_to_know_who_calls_is_shown_our_certificate() {
    let ours = rcgen::generate_simple_self_signed(vec!["ml-connector".to_owned()]).unwrap();
    let mut known = tokio_rustls::rustls::RootCertStore::empty();
    known.add(ours.cert.der().clone()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(known), provider).build().unwrap();
    let server = secure_for("localhost", Some(verifier)).await;
    let (certificate_file, key_file) = (server.folder.path().join("our.pem"), server.folder.path().join("our.key"));
    std::fs::write(&certificate_file, ours.cert.pem()).unwrap();
    std::fs::write(&key_file, ours.signing_key.serialize_pem()).unwrap();
    let certificate = super::ClientCertificate { certificate_file, key_file };
    let (url, ca_file) = (format!("https://localhost:{}/PSIGW", server.port), server.ca_file());
    let settings = HttpSettings { ca_file: Some(&ca_file), ..settings(&url) };
    let unknown = Http::new(&settings).unwrap();
    assert!(unknown.send(unknown.get("x", None)).await.is_err());
    let known = Http::with_certificate(&settings, Some(&certificate)).unwrap();
    assert_eq!(known.send(known.get("x", None)).await.unwrap().status, 200);
    let mistaken = super::ClientCertificate { key_file: ca_file.clone(), ..certificate };
    let error = Http::with_certificate(&settings, Some(&mistaken)).unwrap_err();
    assert!(error.to_string().contains("`client_certificate.key_file`"), "{error}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let server = secure("ais.example.com").await;
    let error = get(&format!("https://localhost:{}/", server.port), Some(server.ca_file())).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Stop, "{error}");
    assert!(error.to_string().contains("certificate of https://localhost"), "{error}");
}

#[tokio::test]
async fn certificates_that_cannot_be_read_stop() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    for file in [folder.path().join("missing.pem"), empty] {
        let error = get("https://localhost:1/", Some(file)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Stop, "{error}");
        assert!(error.to_string().contains("`ca_file`"), "{error}");
    }
}

#[tokio::test]
async fn a_server_without_tls_stops_and_one_that_hangs_up_passes() {
    for (greeting, kind) in
        [(Some("HTTP/1.1 400 Bad Request\r\n\r\n"), Kind::Stop), (None, Kind::Later { after: None })]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut hello = [0; 2048];
                let _read = stream.read(&mut hello).await.is_ok();
                if let Some(greeting) = greeting {
                    let _sent = stream.write_all(greeting.as_bytes()).await.is_ok();
                }
            }
        });
        let error = get(&format!("https://127.0.0.1:{port}/"), None).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_passes() {
    let error = get("https://ais.invalid/jderest", None).await.unwrap_err();
    assert!(error.is_later() && error.to_string().contains("https://ais.invalid"), "{error}");
}

fn settings(url: &str) -> HttpSettings<'_> {
    HttpSettings { url, ca_file: None, time_out: Duration::from_secs(5), max_response_bytes: 1 << 20 }
}

#[test]
fn addresses_are_https_or_this_machine() {
    for good in
        ["https://ais.example.com:9302/jderest", "http://127.0.0.1:80/jderest", "http://localhost:1/x", "http://[::1]/"]
    {
        assert!(Http::new(&settings(good)).is_ok(), "{good}");
    }
    for bad in [
        "http://ais.example.com/jderest",
        "ais.example.com",
        "ftp://127.0.0.1/",
        "https://user:geheim@ais.example.com/jderest",
        "https://ais.example.com/jderest?token=geheim",
        "https://user:geheim@ais exam/ple",
        "http://127.0.0.1.example.com/",
    ] {
        let error = Http::new(&settings(bad)).unwrap_err();
        assert_eq!(error.kind(), engine::Kind::Stop, "{bad}");
        assert!(!error.to_string().contains("geheim"), "{error}");
    }
}

#[test]
fn paths_are_appended_to_the_context_root() {
    for base in ["https://ais.example.com/jderest", "https://ais.example.com/jderest/"] {
        let http = Http::new(&settings(base)).unwrap();
        assert_eq!(http.url("v2/dataservice").as_str(), "https://ais.example.com/jderest/v2/dataservice");
    }
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now = DateTime::from_timestamp(1_795_170_600, 0);
    assert_eq!(wait_of("7", now), Some(Duration::from_secs(7)));
    let later = now.map(|t| (t + chrono::TimeDelta::seconds(90)).to_rfc2822()).unwrap();
    assert_eq!(wait_of(&later, now), Some(Duration::from_secs(90)));
    assert_eq!(wait_of("soon", now), None);
}

#[test]
fn durations_read_back_as_written() {
    for (text, millis) in [("120s", 120_000), ("2m", 120_000), ("500ms", 500), ("1h", 3_600_000)] {
        let time_out = TimeOut::try_from(text.to_owned()).unwrap();
        assert_eq!(time_out.0, Duration::from_millis(millis));
        assert_eq!(TimeOut::try_from(time_out.to_string()).unwrap(), time_out);
    }
    for text in ["", "120", "s", "0s", "-1s", "1 s", "99999999999999999999s"] {
        assert!(TimeOut::try_from(text.to_owned()).is_err(), "{text}");
    }
}
