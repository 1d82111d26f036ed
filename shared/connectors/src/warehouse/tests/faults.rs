//! Servers that answer otherwise than hoped: played here, byte by byte.

use std::sync::Arc;
use std::time::Duration;

use engine::ports::{Destination, Secret};
use engine::{Error, Kind};
use rcgen::CertifiedKey;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::sample::table;
use crate::warehouse::{Postgres, PostgresSettings, SqliteSettings};

/// What a played server does with a connection.
#[derive(Clone)]
enum Plays {
    /// Answers the log-in with an error of this SQLSTATE.
    Refuses(&'static str),
    /// Says that it has no TLS.
    HasNoTls,
    /// Speaks TLS with a certificate for this name and hangs up afterwards.
    HangsUpBehindTls(Arc<ServerConfig>),
    /// Asks for a password and hangs up.
    AsksForPassword,
}

async fn serve(plays: Plays) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(play(stream, plays.clone()));
        }
    });
    port
}

/// Ends early when the client has hung up.
async fn play(mut stream: TcpStream, plays: Plays) -> std::io::Result<()> {
    let length = stream.read_u32().await?;
    let mut first = vec![0; length as usize - 4];
    stream.read_exact(&mut first).await?;
    match plays {
        Plays::Refuses(code) => {
            let body = format!("SFATAL\0VFATAL\0C{code}\0Mserver's words\0\0");
            stream.write_u8(b'E').await?;
            stream.write_u32(body.len() as u32 + 4).await?;
            stream.write_all(body.as_bytes()).await
        }
        Plays::HasNoTls => stream.write_all(b"N").await,
        Plays::HangsUpBehindTls(config) => {
            stream.write_all(b"S").await?;
            TlsAcceptor::from(config).accept(stream).await?;
            Ok(())
        }
        Plays::AsksForPassword => stream.write_all(&[b'R', 0, 0, 0, 8, 0, 0, 0, 3]).await,
    }
}

fn certificate(name: &str) -> (NamedTempFile, Arc<ServerConfig>) {
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    (file, Arc::new(config))
}

fn settings(port: u16, query: &str) -> PostgresSettings {
    let url = format!("postgresql://loader@localhost:{port}/warehouse{query}");
    serde_json::from_value(serde_json::json!({ "url": url, "secret": "wh" })).unwrap()
}

async fn error_of(settings: &PostgresSettings) -> Error {
    let secret = Secret::new([("password".to_owned(), "hunter2".to_owned())].into());
    let destination = Postgres::open(settings, Some(&secret)).unwrap();
    let error = destination.prepare(&table("t")).await.unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let findings = destination.check(&[&table("t")]).await;
    assert!(findings.len() == 1 && !findings[0].ok, "{findings:?}");
    error
}

#[tokio::test]
async fn a_certificate_of_an_unknown_issuer_stops_and_says_what_to_do() {
    let (file, config) = certificate("localhost");
    let port = serve(Plays::HangsUpBehindTls(config)).await;
    let mut settings = settings(port, "?sslmode=verify-full");
    let error = error_of(&settings).await;
    assert_eq!(error.kind(), Kind::Stop);
    assert!(error.to_string().contains("`ca_file`"), "{error}");
    // Once it is trusted only the hanging up is left.
    settings.ca_file = Some(file.path().to_owned());
    let error = error_of(&settings).await;
    assert!(error.is_later(), "{error}");
}

#[tokio::test]
async fn a_certificate_for_another_host_stops_even_with_require() {
    let (file, config) = certificate("other.example.com");
    let port = serve(Plays::HangsUpBehindTls(config)).await;
    let mut settings = settings(port, "?sslmode=require");
    settings.ca_file = Some(file.path().to_owned());
    let error = error_of(&settings).await;
    assert_eq!(error.kind(), Kind::Stop);
    assert!(error.to_string().contains("correct the host"), "{error}");
}

#[tokio::test]
async fn a_server_without_tls_is_not_spoken_to_in_plain() {
    let port = serve(Plays::HasNoTls).await;
    let error = error_of(&settings(port, "?sslmode=verify-full")).await;
    assert_eq!(error.kind(), Kind::Stop);
    assert!(error.to_string().contains("offers no TLS"), "{error}");
}

#[tokio::test]
async fn refused_credentials_are_told_apart() {
    for code in ["28P01", "28000"] {
        let port = serve(Plays::Refuses(code)).await;
        let error = error_of(&settings(port, "")).await;
        assert!(error.is_refused_credentials() && error.kind() == Kind::Stop, "{error}");
        assert!(error.to_string().contains("server's words"), "{error}");
    }
}

#[tokio::test]
async fn every_code_of_the_server_has_its_kind() {
    let minute = Some(Duration::from_secs(60));
    for (code, kind) in [
        ("40001", Kind::Later { after: None }),
        ("40P01", Kind::Later { after: None }),
        ("55P03", Kind::Later { after: None }),
        ("57014", Kind::Later { after: None }),
        ("57P01", Kind::Later { after: None }),
        ("57P03", Kind::Later { after: None }),
        ("08006", Kind::Later { after: None }),
        ("53300", Kind::Later { after: None }),
        ("53100", Kind::Later { after: minute }),
        ("25006", Kind::Later { after: minute }),
        ("42501", Kind::Stop),
        ("3D000", Kind::Stop),
        ("42P01", Kind::Stop),
        ("21000", Kind::Stop),
        ("22003", Kind::Stop),
        ("XX000", Kind::Stop),
    ] {
        let port = serve(Plays::Refuses(code)).await;
        let error = error_of(&settings(port, "")).await;
        assert_eq!(error.kind(), kind, "{code}: {error}");
        assert!(!error.is_refused_credentials());
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_tried_again() {
    let port = serve(Plays::AsksForPassword).await;
    assert!(error_of(&settings(port, "")).await.is_later());
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    assert!(error_of(&settings(free, "")).await.is_later());
}

#[test]
fn every_setting_is_described_with_an_example() {
    for schema in [schemars::schema_for!(PostgresSettings), schemars::schema_for!(SqliteSettings)] {
        for (name, property) in schema.get("properties").and_then(|p| p.as_object()).unwrap() {
            assert!(property["description"].as_str().is_some_and(|d| d.len() > 10), "{name}");
            assert!(property["examples"].as_array().is_some_and(|e| !e.is_empty()), "{name}");
        }
    }
    let unknown = serde_json::from_str::<PostgresSettings>(r#"{"url": "postgresql://u@localhost/d", "pasword": "x"}"#);
    assert!(unknown.unwrap_err().to_string().contains("pasword"));
}

#[tokio::test]
async fn a_missing_secret_is_named() {
    let port = serve(Plays::AsksForPassword).await;
    let mut settings = settings(port, "");
    settings.secret = None;
    let error = error_of(&settings).await;
    assert_eq!(error.kind(), Kind::Stop);
    assert!(error.to_string().contains("name a `secret`"), "{error}");
    settings.secret = Some("wh".to_owned());
    let error = Postgres::open(&settings, Some(&Secret::default())).err().unwrap();
    assert!(error.to_string().contains("secrets set wh password"), "{error}");
    settings.ca_file = Some("/nowhere/ca.pem".into());
    settings.url = "postgresql://u@db.example.com/db".to_owned();
    let secret = Secret::new([("password".to_owned(), "x".to_owned())].into());
    let error = Postgres::open(&settings, Some(&secret)).err().unwrap();
    assert!(error.to_string().contains("`ca_file`"), "{error}");
}
