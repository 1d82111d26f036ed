//! What differs between workspaces, and who may use this one.

use std::net::SocketAddr;
use std::time::Duration;

use super::catalog::{Privilege, Privileges};

/// How the workspace is set up. The defaults are those of the product.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The id of the workspace, which clients send with each call once they know it.
    pub workspace_id: String,
    /// The life of an access token.
    pub token_life: Duration,
    /// The status for a token that is unknown or has expired: 401, or 403 as some endpoints have it.
    pub dead_token: u16,
    /// The catalog that statements run in when they name none.
    pub catalog: String,
    /// The schema that statements run in when they name none.
    pub schema: String,
    /// The largest request of a statement in bytes.
    pub largest_statement: usize,
    /// The largest INLINE result in bytes; more fails the statement.
    pub largest_inline: usize,
    /// So many rows make a chunk of a result.
    pub chunk_rows: usize,
    /// How long a result is kept once the statement has succeeded.
    pub result_life: Duration,
    /// How long an external link may be fetched.
    pub link_life: Duration,
    /// A statement that nobody asks for this long while it runs is given up.
    pub abandoned_after: Duration,
    /// How often a statement is asked for before it shows that it has ended.
    pub statement_polls: usize,
    /// So many statements run at once on one warehouse; others wait.
    pub at_once: usize,
    /// With more than this many unfinished statements, new ones are refused with 429.
    pub most_open: Option<usize>,
    /// Whether a MERGE, UPDATE or DELETE fails when somebody else has changed its table since it began.
    pub conflicts: bool,
    /// The largest file that one PUT may bring, in bytes.
    pub largest_file: u64,
    /// Lines of a page where lists come in pages.
    pub page: usize,
    /// Whether `/__sandbox/…` steers it, for programs in other languages.
    pub control: bool,
    /// So many calls are kept in the journal.
    pub calls_kept: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            workspace_id: "1234567890".into(),
            token_life: Duration::from_secs(3600),
            dead_token: 401,
            catalog: "main".into(),
            schema: "default".into(),
            largest_statement: 16 << 20,
            largest_inline: 25 << 20,
            chunk_rows: 10_000,
            result_life: Duration::from_secs(3600),
            link_life: Duration::from_secs(15 * 60),
            abandoned_after: Duration::from_secs(15 * 60),
            statement_polls: 0,
            at_once: 10,
            most_open: None,
            conflicts: true,
            largest_file: 5 << 30,
            page: 1000,
            control: false,
            calls_kept: 100_000,
        }
    }
}

/// A service principal or a user: how it proves who it is, and what it may do.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The OAuth client id.
    pub client_id: String,
    pub(super) secret: String,
    pub(super) name: String,
    pub(super) token: Option<String>,
    pub(super) privileges: Privileges,
}

impl Principal {
    /// A principal who may do everything.
    pub fn new(client_id: &str, secret: &str) -> Self {
        Self {
            client_id: client_id.into(),
            secret: secret.into(),
            name: client_id.into(),
            token: None,
            privileges: Privileges::default(),
        }
    }

    /// Also known by a personal access token, such as `dapi…`, which does not expire.
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Without a right on something (`main`, `main.erp`, `main.erp.t`, a warehouse's or a job's id) and all below it; an
    /// empty name means everywhere.
    pub fn without(mut self, privilege: Privilege, on: &str) -> Self {
        self.privileges.deny(privilege, on);
        self
    }
}
