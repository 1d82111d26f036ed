//! Opens connections to PostgreSQL and lends them out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::ports::Secret;
use engine::{Error, Result};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::PostgresSettings;
use super::errors::Failure;

/// Long enough for a database that wakes up, short enough for a function that is paid by the second.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// A peer that is gone is noticed after this and three probes, also while only an answer is awaited.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// One connection and what was prepared on it.
pub(super) struct Session {
    /// The connection.
    pub client: Client,
    /// Prepared statements by their text.
    statements: HashMap<String, Statement>,
    /// Whether it was used before: if so, a connection that turns out dead says nothing about the server.
    pub is_used: bool,
}

impl Session {
    /// Prepares a statement once per connection.
    pub async fn prepared(&mut self, sql: &str) -> Result<Statement, Failure> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

/// Connections to one database, opened when needed.
pub(super) struct Pool {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    idle: Mutex<Vec<Session>>,
    permits: Semaphore,
}

/// A connection on loan. Dropped it is closed, and the server rolls back what it was doing; only [`Lent::give_back`]
/// keeps it for the next.
pub(super) struct Lent<'p> {
    /// The connection.
    pub session: Session,
    pool: &'p Pool,
    _permit: SemaphorePermit<'p>,
}

impl Lent<'_> {
    /// Keeps the connection for the next, which needs it outside of any transaction.
    pub fn give_back(mut self) {
        if !self.session.client.is_closed() {
            self.session.is_used = true;
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.session);
        }
    }
}

impl Pool {
    /// Reads the settings; connects to nothing yet.
    pub fn new(settings: &PostgresSettings, secret: Option<&Secret>) -> Result<Self> {
        let (mut config, is_plain) = parse(&settings.url)?;
        if let Some(name) = &settings.secret {
            let secret = secret.ok_or_else(|| Error::stop(format!("secret `{name}` was not opened")))?;
            config.password(secret.field(name, "password")?);
        }
        let tls = if is_plain { None } else { Some(tls(settings.ca_file.as_deref())?) };
        Ok(Self { config, tls, idle: Mutex::new(Vec::new()), permits: Semaphore::new(settings.connections) })
    }

    /// Lends a connection that is not in a transaction; waits while all are lent.
    pub async fn lend(&self) -> Result<Lent<'_>, Failure> {
        let permit = self.permits.acquire().await.map_err(|_| Error::later("the connections are being closed"))?;
        let session = loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match idle {
                Some(session) if session.client.is_closed() => {}
                Some(session) => break session,
                None => break self.connect().await?,
            }
        };
        Ok(Lent { session, pool: self, _permit: permit })
    }

    /// Closes the connections that lie idle: where one was dead, its neighbours are.
    pub fn forget_idle(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Whether connections are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// The user in whose name everything is done.
    pub fn user(&self) -> &str {
        self.config.get_user().unwrap_or("<user>")
    }

    /// The database.
    pub fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or(self.user())
    }

    async fn connect(&self) -> Result<Session, Failure> {
        // The connection itself runs as a task that ends when the client is dropped; what breaks it is reported by the
        // call that was waiting on it.
        let client = match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                keeps_every_script(connection.parameter("server_encoding"))?;
                tokio::spawn(connection);
                client
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                keeps_every_script(connection.parameter("server_encoding"))?;
                tokio::spawn(connection);
                client
            }
        };
        Ok(Session { client, statements: HashMap::new(), is_used: false })
    }
}

/// A database in another encoding would refuse whole batches for one letter that it does not know.
fn keeps_every_script(encoding: Option<&str>) -> Result<()> {
    match encoding {
        None | Some("UTF8") => Ok(()),
        Some(other) => Err(Error::stop(format!(
            "the database is encoded in {other}, which does not know every letter: create one with ENCODING 'UTF8' and load \
             into that"
        ))),
    }
}

/// Reads the url and says whether the connection is plain.
///
/// `require` and `verify-full` mean the same here: the certificate is always verified. `require` without that protects
/// against nobody who can answer in the server's place.
fn parse(url: &str) -> Result<(Config, bool)> {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let mut mode = None;
    let mut rest = Vec::new();
    for parameter in query.split('&').filter(|p| !p.is_empty()) {
        match parameter.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value),
            Some(("sslrootcert", _)) => {
                return Err(Error::stop("`url`: name the certificate file in `ca_file`, not in the url"));
            }
            _ => rest.push(parameter),
        }
    }
    // The parser's own error could repeat a password; the url is not repeated here either.
    let is_url = base.starts_with("postgresql://") || base.starts_with("postgres://");
    let config = is_url.then(|| format!("{base}?{}", rest.join("&")).parse::<Config>().ok()).flatten();
    let mut config = config.ok_or_else(|| {
        Error::stop("`url` cannot be read: write postgresql://user@host:5432/database, with special characters as %XX")
    })?;
    if config.get_password().is_some() {
        return Err(Error::stop(
            "`url` has a password in it: take it out, store it with `ml-connector secrets set <name> password` and name it \
             in `secret`",
        ));
    }
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(Error::stop("`url` names no host: write postgresql://user@host:5432/database"));
    }
    if config.get_user().is_none() {
        return Err(Error::stop("`url` names no user: write postgresql://user@host:5432/database"));
    }
    let is_here = config.get_hosts().iter().all(is_loopback) && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
    let is_plain = match mode {
        None => is_here,
        Some("disable") if is_here => true,
        Some("require" | "verify-ca" | "verify-full") => false,
        Some("disable" | "allow" | "prefer") => {
            return Err(Error::stop(
                "`url`: `sslmode` must be verify-full: plain connections are for loopback and unix sockets alone",
            ));
        }
        Some(other) => {
            return Err(Error::stop(format!("`url`: `sslmode={other}` is not known: use verify-full or disable")));
        }
    };
    config.ssl_mode(if is_plain { SslMode::Disable } else { SslMode::Require });
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_application_name().is_none() {
        config.application_name("ml-connector");
    }
    config.keepalives(true).keepalives_idle(KEEPALIVE_IDLE).keepalives_interval(KEEPALIVE_IDLE).keepalives_retries(3);
    Ok((config, is_plain))
}

fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

/// Trusts the issuers in the file, or without one those that browsers trust.
fn tls(ca_file: Option<&Path>) -> Result<MakeRustlsConnect> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let unreadable =
                |why: String| Error::stop(format!("`ca_file`: `{}` cannot be read: {why}", path.display()));
            let bytes = std::fs::read(path).map_err(|e| unreadable(e.to_string()))?;
            for certificate in CertificateDer::pem_slice_iter(&bytes) {
                let certificate = certificate.map_err(|e| unreadable(format!("{e:?}")))?;
                roots.add(certificate).map_err(|e| unreadable(e.to_string()))?;
            }
            if roots.is_empty() {
                return Err(unreadable("it has no certificate in PEM form".to_owned()));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::stop(format!("TLS cannot be set up: {e}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_url_is_refused_without_repeating_it() {
        for url in
            ["postgresql://u:hunter2@h/db", "postgresql://u@h/db?password=hunter2", "postgresql://u:hunter2@h:x/db"]
        {
            let error = parse(url).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(parse("postgresql://u:hunter2@h/db").unwrap_err().to_string().contains("has a password in it"));
    }

    #[test]
    fn only_loopback_and_unix_sockets_may_be_plain() {
        for (url, plain) in [
            ("postgresql://u@localhost/db", true),
            ("postgresql://u@127.0.0.1:5433/db", true),
            ("postgresql://u@[::1]/db", true),
            ("postgresql://u@%2Fvar%2Frun/db", true),
            ("postgresql://u@/db?host=/var/run/postgresql", true),
            ("postgresql://u@localhost/db?sslmode=require", false),
            ("postgresql://u@db.example.com/db", false),
            ("postgresql://u@db.example.com/db?sslmode=verify-full", false),
        ] {
            assert_eq!(parse(url).unwrap().1, plain, "{url}");
        }
        for url in [
            "postgresql://u@db.example.com/db?sslmode=disable",
            "postgresql://u@db.example.com/db?sslmode=prefer",
            "postgresql://u@localhost,db.example.com/db?sslmode=disable",
            "postgresql://u@localhost/db?sslmode=sometimes",
        ] {
            assert!(parse(url).unwrap_err().to_string().contains("sslmode"), "{url}");
        }
    }

    #[test]
    fn a_url_without_host_or_user_says_what_to_write() {
        for url in ["db.example.com/db", "postgresql:///db", "postgresql://h/db", "host=h user=u"] {
            assert!(parse(url).unwrap_err().to_string().contains("write postgresql://"), "{url}");
        }
    }
}
