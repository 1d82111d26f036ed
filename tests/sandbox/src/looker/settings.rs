//! What differs from server to server, in one struct.
//!
//! Invariant: what the vendor reference marks as believed or as varying is a setting here, never a constant in the
//! code.

use std::net::SocketAddr;
use std::time::Duration;

/// How the simulated server is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who may log in.
    pub accounts: Vec<Account>,
    /// How long a token lives; the `expires_in` of a log-in.
    pub token_life: Duration,
    /// Tokens that may be alive at once; a log-in beyond is a 429.
    pub max_sessions: Option<usize>,
    /// What happens to body members and query parameters that the API does not have, and to read-only members.
    pub unknown_members: UnknownMembers,
    /// How a query is answered that names an unknown model, explore or field.
    pub bad_query: BadQuery,
    /// Whether results are formatted when a request does not say. On is the harsher reading.
    pub formatted_by_default: bool,
    /// The limit of a query that has none.
    pub default_limit: u64,
    /// The most rows of a query that does not ask for all (`-1`).
    pub row_ceiling: u64,
    /// How often the results of a query task are answered with 202 before they are there.
    pub task_polls: u32,
    /// How many queries of `system__activity` show a job as `inprogress` before they show how it ended.
    pub job_polls: u32,
    /// Whether a run-once plan is gone from the plans once it ran. Its jobs stay in `system__activity` either way.
    pub run_once_vanishes: bool,
    /// How many run-once calls are taken per minute; the next is a 429.
    pub run_once_per_minute: Option<usize>,
    /// How long a webhook receiver may take to answer.
    pub webhook_timeout: Duration,
    /// Whether `/__sandbox/…` is served, which switches faults and the clock from other languages.
    pub control: bool,
    /// How many calls the journal keeps.
    pub calls_kept: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            accounts: vec![Account::admin("sandbox", "secret")],
            token_life: Duration::from_secs(3600),
            max_sessions: None,
            unknown_members: UnknownMembers::Refuse,
            bad_query: BadQuery::Refuse,
            formatted_by_default: true,
            default_limit: 500,
            row_ceiling: 5000,
            task_polls: 1,
            job_polls: 0,
            run_once_vanishes: false,
            run_once_per_minute: None,
            webhook_timeout: Duration::from_secs(10),
            control: false,
            calls_kept: 10_000,
        }
    }
}

/// An API user.
#[derive(Clone)]
pub struct Account {
    /// The public half of the API key.
    pub client_id: String,
    /// The secret half.
    pub client_secret: String,
    /// The user's id, which plans name as their owner.
    pub user_id: String,
    /// Whether the plans of other users can be seen and run.
    pub admin: bool,
}

impl Account {
    /// An administrator with user id `1`.
    pub fn admin(client_id: &str, client_secret: &str) -> Self {
        Self { client_id: client_id.into(), client_secret: client_secret.into(), user_id: "1".into(), admin: true }
    }

    /// A user who sees only what is their own.
    pub fn user(client_id: &str, client_secret: &str, user_id: &str) -> Self {
        let user_id = user_id.into();
        Self { client_id: client_id.into(), client_secret: client_secret.into(), user_id, admin: false }
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({}, user {})", self.client_id, self.user_id)
    }
}

/// What happens to members that the API does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownMembers {
    /// 422: stricter than the vendor, so that a misspelt member is noticed.
    Refuse,
    /// They are ignored.
    Accept,
}

/// How a query is answered that names something unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadQuery {
    /// 404 for a model or explore, 422 for a field.
    Refuse,
    /// 200 with `looker_error` in the result.
    LookerError,
}
