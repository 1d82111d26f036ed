//! PostgreSQL's errors, by what must be done about them.
//!
//! SQLSTATE decides, never the words: a server may speak any language. The words are the server's own, passed on.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use engine::Error;
use tokio_postgres::error::{DbError, SqlState};

/// Managed databases grow their disk within minutes; asking sooner only adds to the load.
const DISK_FULL_WAIT: Duration = Duration::from_secs(60);

/// The server's words are passed on up to so many characters.
const LONGEST_WORDS: usize = 500;

/// What went wrong, as far as the load has to know.
#[derive(Debug)]
pub(super) enum Failure {
    /// The database refuses a row, in its own words: the other rows can go on.
    Data(String),
    /// The connection is gone or unusable. What it was doing had no effect, or the ledger tells.
    Broken(Error),
    /// The tables are not what they were when they were prepared.
    Shape(Error),
    /// The user lacks a permission, in the server's words.
    Forbidden(String),
    /// Everything else.
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Failure {
    /// The error for the caller. `grants` says what an administrator has to run where a permission is missing.
    pub fn explained(self, grants: impl FnOnce() -> String) -> Error {
        match self {
            // Where no rows are written, a refused value is a fault of ours or of the ledger's tables.
            Self::Data(words) => Error::stop(format!("the database refused a value: {words}")),
            Self::Forbidden(words) => {
                Error::stop(format!("the database user lacks a permission: {words}. {}", grants()))
            }
            Self::Broken(error) | Self::Shape(error) | Self::Other(error) => error,
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(db) => of_server(db),
            None => of_connection(&error),
        }
    }
}

fn of_server(error: &DbError) -> Failure {
    let code = error.code().code();
    let words = words(error);
    let class = code.get(..2).unwrap_or_default();
    match (class, code) {
        // 54 are limits, such as that of a key's length. P0001 is what a customer's own trigger raises against a row.
        ("22" | "23" | "54", _) | (_, "P0001") => Failure::Data(words),
        ("28", _) => Failure::Other(Error::refused_credentials(format!(
            "the database refused the log-in: {words}. Check the user in `url` and the password in the secret, then \
             `ml-connector check`"
        ))),
        (_, "42501") => Failure::Forbidden(words),
        (_, "21000") => Failure::Other(Error::stop(format!(
            "a key came twice in one batch, which the engine should have prevented: {words}. Report this as a defect"
        ))),
        (_, "53100") => Failure::Other(Error::later_after(
            DISK_FULL_WAIT,
            format!("the database's disk is full: {words}. Give it room; loading goes on by itself"),
        )),
        (_, "25006") => Failure::Broken(Error::later_after(
            DISK_FULL_WAIT,
            format!(
                "the database takes no writes: {words}. It may be a standby, in the middle of a failover, or out of disk"
            ),
        )),
        (_, "57014") => Failure::Other(Error::later(format!(
            "the database ended a statement: {words}. If it took longer than `statement_timeout`, raise that or look for \
             what holds the table"
        ))),
        (_, "55P03") => Failure::Other(Error::later(format!(
            "the table is locked: {words}. Somebody holds it longer than the lock timeout"
        ))),
        // 08 connection, 57 operator intervention: the session does not live on.
        ("08" | "57", _) => Failure::Broken(Error::later(format!("the database is away: {words}"))),
        // 40 serialization failures and deadlocks, 53 resources, 58 input and output.
        ("40" | "53" | "58", _) => Failure::Other(Error::later(format!("the database asks to try again: {words}"))),
        (_, "26000" | "42P05") => Failure::Broken(Error::stop(format!(
            "a pooler between here and the database lost a prepared statement: {words}. Let it pool by session, or keep \
             prepared statements (PgBouncer 1.21 or later with max_prepared_statements above 0)"
        ))),
        (_, "3D000") => Failure::Other(Error::stop(format!("{words}. Create the database or correct `url`"))),
        (_, "42P01" | "42703" | "42804" | "42P10" | "3F000") => Failure::Shape(Error::stop(format!(
            "a table is not as it was prepared: {words}. Somebody changed it; run `ml-connector check`"
        ))),
        _ => Failure::Other(Error::stop(format!("the database refused a statement: {words}"))),
    }
}

/// The server's words with its code, and what they are about where it says so.
fn words(error: &DbError) -> String {
    let mut words = format!("{} ({})", error.message(), error.code().code());
    // The detail of a row that fails a check repeats all of the row, personal columns included.
    let repeats_row = [SqlState::NOT_NULL_VIOLATION, SqlState::CHECK_VIOLATION].contains(error.code());
    for text in [error.detail().filter(|_| !repeats_row), error.hint()].into_iter().flatten() {
        words.push_str("; ");
        words.push_str(text);
    }
    for name in [error.column(), error.constraint()].into_iter().flatten() {
        if !words.contains(name) {
            words.push_str(&format!("; `{name}`"));
        }
    }
    match words.char_indices().nth(LONGEST_WORDS) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

fn of_connection(error: &tokio_postgres::Error) -> Failure {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(refusal) = certificate_refusal(cause) {
            return Failure::Other(refusal);
        }
        let text = cause.to_string();
        if !words.contains(&text) {
            words.push_str(": ");
            words.push_str(&text);
        }
        source = cause.source();
    }
    if words.contains("server does not support TLS") {
        return Failure::Other(Error::stop(
            "the database offers no TLS: switch it on there. Plain connections are for loopback and unix sockets alone",
        ));
    }
    if words.contains("password missing") || words.contains("invalid configuration") {
        return Failure::Other(Error::stop(format!(
            "the database asks for a password: name a `secret` with the field `password` ({words})"
        )));
    }
    Failure::Broken(Error::later(format!("the database cannot be reached: {words}")))
}

/// A certificate that is not trusted is a matter for a person; a handshake that broke off is not.
fn certificate_refusal(cause: &(dyn std::error::Error + 'static)) -> Option<Error> {
    let tls = cause.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref::<rustls::Error>()?;
    match tls {
        rustls::Error::InvalidCertificate(why) => Some(Error::stop(format!(
            "the database's certificate is not trusted: {why}. Name the file of its issuer in `ca_file`, or correct the \
             host in `url` so that it is one the certificate is made out to"
        ))),
        _ => None,
    }
}
