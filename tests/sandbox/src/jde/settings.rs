//! What differs from site to site and from release to release, in one struct.
//!
//! Invariant: everything the vendor reference marks as believed or as varying is a setting here, never a constant in the
//! code, so that a test can prove that a client honours its own configuration.

use std::net::SocketAddr;
use std::time::Duration;

use chrono_tz::Tz;

use super::cell::Collation;

/// How the simulated server is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The accounts: user and password.
    pub users: Vec<(String, String)>,
    /// The environment that exists (`JPD920`); a log-in that names another is refused.
    pub environment: String,
    /// The role that exists; `*ALL` is always allowed.
    pub role: String,
    /// The server's time zone: UPMJ, UPMT, `timeStamp` and TODAY follow its wall clock.
    pub zone: Tz,
    /// A token dies when it was not used for so long.
    pub token_ttl: Duration,
    /// A token dies at this age, used or not.
    pub token_life: Duration,
    /// What a dead token is answered with.
    pub dead_token: DeadToken,
    /// How a log-in with wrong credentials, environment or role is refused.
    pub login_refusal: LoginRefusal,
    /// Wrong passwords in a row until the account is locked.
    pub max_failed_logins: u32,
    /// Sessions one user may hold open.
    pub max_sessions: Option<usize>,
    /// Whether HTTP Basic and credentials in the body are taken on each request.
    pub allow_basic: bool,
    /// Whether a token is also taken as `Authorization: Bearer`.
    pub allow_bearer: bool,
    /// Whether the HTML server's Allowed Hosts includes this AIS server; if not, a token request is a 405.
    pub allowed_host: bool,
    /// A second call on a token while one is under way fails with 500. Combine with [`Settings::call_time`] or a held
    /// call, since a call that takes no time never meets another.
    pub one_call_per_token: bool,
    /// How long every data call takes at least.
    pub call_time: Duration,
    /// JAS "DB Fetch Limit": an answer never has more rows, whatever `maxPageSize` says.
    pub db_fetch_limit: usize,
    /// Whether rows cut off by the DB Fetch Limit show as `moreRecords: true`. Off is the harsher reading: only a page
    /// that reached its asked size says so.
    pub fetch_limit_shows: bool,
    /// Cap of `maxPageSize` (500 before Tools 9.2.1, which also do not know `"No Max"`).
    pub page_cap: Option<usize>,
    /// The one form of date literal taken in filters besides TODAY and its relatives.
    pub date_literal: DateLiteral,
    /// The user's date preference, a Java pattern; used for [`DateLiteral::UserFormat`].
    pub simple_date_format: String,
    /// Whether the GET `$filter` takes special dates (Tools 9.2.8.3).
    pub special_dates_in_get: bool,
    /// Whether a next page can be asked for (Tools 9.2.1.2).
    pub next_links: bool,
    /// How long JAS keeps the result set behind a next link after the last page was fetched.
    pub result_set_timeout: Duration,
    /// Scheme, host and port that AIS believes to be its own, such as `https://ais.example.com:9302`; used in links.
    pub href_host: Option<String>,
    /// Whether the application server refuses a literal `|` in a request line with 400.
    pub refuse_raw_pipe: bool,
    /// How an empty date is written.
    pub empty_date: EmptyDate,
    /// Numbers come as strings.
    pub numbers_as_strings: bool,
    /// Numbers keep their zeros at the end: `1.000` instead of `1`.
    pub full_decimals: bool,
    /// An answer without rows has no `rowset`.
    pub omit_empty_rowset: bool,
    /// The column map is called `titles`, as in older releases.
    pub titles_key: bool,
    /// SUM, MIN, MAX and AVG come without decimals applied unless the request asks for `currencyProcessing`.
    pub aggregates_unscaled: bool,
    /// How texts are sorted and compared.
    pub collation: Collation,
    /// In which order rows come that were asked for without one.
    pub unordered: Unordered,
    /// A filter on a right-justified column must be padded to the full width.
    pub padded_filters: bool,
    /// What `andOr` of a query group joins the group with.
    pub and_or: AndOr,
    /// How many calls the log keeps.
    pub calls_kept: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            users: vec![("SVCREAD".into(), "secret".into())],
            environment: "JPD920".into(),
            role: "*ALL".into(),
            zone: Tz::UTC,
            token_ttl: Duration::from_secs(30 * 60),
            token_life: Duration::from_secs(12 * 60 * 60),
            dead_token: DeadToken::Status444,
            login_refusal: LoginRefusal::Status403,
            max_failed_logins: 3,
            max_sessions: None,
            allow_basic: true,
            allow_bearer: false,
            allowed_host: true,
            one_call_per_token: false,
            call_time: Duration::ZERO,
            db_fetch_limit: 2000,
            fetch_limit_shows: true,
            page_cap: None,
            date_literal: DateLiteral::UserFormat,
            simple_date_format: "MM/dd/yyyy".into(),
            special_dates_in_get: true,
            next_links: true,
            result_set_timeout: Duration::from_secs(60),
            href_host: None,
            refuse_raw_pipe: true,
            empty_date: EmptyDate::Empty,
            numbers_as_strings: false,
            full_decimals: false,
            omit_empty_rowset: false,
            titles_key: false,
            aggregates_unscaled: false,
            collation: Collation::Binary,
            unordered: Unordered::Key,
            padded_filters: false,
            and_or: AndOr::WithPrevious,
            calls_kept: 10_000,
        }
    }
}

/// What a dead token is answered with on a business call; releases differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadToken {
    /// 444, as documented for validate and logout.
    Status444,
    /// 403, as seen on many releases.
    Status403,
}

impl DeadToken {
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Status444 => 444,
            Self::Status403 => 403,
        }
    }
}

/// How a log-in with wrong credentials, environment or role is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginRefusal {
    /// 403, as documented.
    Status403,
    /// 200 with an empty token, as a published client guards against.
    EmptyToken,
}

/// The form of a date literal in a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateLiteral {
    /// In the user's date preference.
    UserFormat,
    /// `CYYDDD`.
    Julian,
    /// `YYYYMMDD` or `YYYY-MM-DD`.
    Iso,
}

/// How an empty date is written; releases differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyDate {
    /// `""`
    Empty,
    /// `" "`
    Blank,
    /// `null`
    Null,
}

/// The order of rows that were asked for without an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unordered {
    /// As if the database walked the primary key.
    Key,
    /// As the rows came into the table: a client that forgot to order its pages goes wrong here.
    Arrival,
}

/// What `andOr` of a query group joins the group with. Groups are evaluated from left to right either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AndOr {
    /// With everything before it.
    WithPrevious,
    /// With the group after it.
    WithNext,
}
