//! What differs from site to site and from release to release, in one struct.
//!
//! Invariant: everything the vendor reference marks as believed or as varying is a setting here, never a constant in the code,
//! so that a test can prove that a client honours its own configuration. A profile is nothing but a set of defaults.

use std::net::SocketAddr;
use std::time::Duration;

use chrono_tz::Tz;

/// A PeopleTools release, as a set of defaults for [`Settings`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// 8.56: JSON under `text/xml`, prefixed names, a single row as an object, IBResponse with 500 for nearly everything, a
    /// refused document with 200, no OAuth2.
    Pt856,
    /// 8.59: JSON as JSON, names with a prefix where records are joined, real statuses, a failed query with 200.
    Pt859,
    /// 8.61: bare names, real statuses, a failed query with 500, a list of services.
    Pt861,
}

/// How the simulated site is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether it speaks TLS; nothing is plain HTTP.
    pub tls: Option<Tls>,
    /// The release; only says what there is, all answers are set one by one below.
    pub profile: Profile,
    /// The default local node, which stands in each path.
    pub node: String,
    /// Who may call.
    pub operators: Vec<Operator>,
    /// Whether HTTP Basic is taken (Req Verification).
    pub basic: bool,
    /// The identity provider, where bearer tokens are taken.
    pub oauth: Option<OAuth>,
    /// Wrong passwords in a row until the account is locked.
    pub max_failed_logins: u32,
    /// The database base time zone: stamps and "today" follow its wall clock.
    pub zone: Tz,
    /// Whether `json_resp` is known (PeopleTools 8.55); if not, no template takes it.
    pub json: bool,
    /// The content type that JSON comes with.
    pub json_type: &'static str,
    /// How columns are called in an answer.
    pub field_names: FieldNames,
    /// Whether an answer with one row has it as an object instead of an array.
    pub single_row_as_object: bool,
    /// The member with the query's name: `queryname=`, or `queryname` as one site has it.
    pub query_name_key: &'static str,
    /// Whether an answer without rows has no `rows`.
    pub omit_empty_rows: bool,
    /// What a blank character field comes as.
    pub blank: &'static str,
    /// Whether numbers come as strings.
    pub numbers_as_strings: bool,
    /// Whether control characters in texts come as they are, which is no JSON.
    pub raw_control_characters: bool,
    /// How a date and time is written.
    pub date_time: DateTimeForm,
    /// Whether a site splits prompts at `%2C`, too.
    pub split_encoded_commas: bool,
    /// Whether prompts must come in the order of the query.
    pub prompts_in_order: bool,
    /// Whether parameters must come in the order of the delivered template.
    pub parameters_in_order: bool,
    /// The aliases of the operations of Query Access Services.
    pub aliases: Aliases,
    /// Site limit: an answer never has more rows, whatever `maxrows` says, and does not show it.
    pub row_cap: Option<usize>,
    /// The order of rows that were asked for without one.
    pub unordered: Unordered,
    /// How long every call of an operation takes at least.
    pub call_time: Duration,
    /// Calls under way at once; one more is refused with 503.
    pub max_at_once: Option<usize>,
    /// How often the status of an asynchronous query says `queued`, and then as often `running`, before it says `success`.
    pub status_polls: u32,
    /// Missing, unknown or wrong user and password.
    pub bad_credentials: Answered,
    /// A token that is unknown, has expired or is for somebody else.
    pub bad_token: Answered,
    /// The operator's permission lists do not have the operation.
    pub no_permission: Answered,
    /// No such operation or version.
    pub unknown_operation: Answered,
    /// The operation is there and not active.
    pub inactive: Answered,
    /// The operation has no any-to-local routing.
    pub no_routing: Answered,
    /// Another node than the one of this database.
    pub wrong_node: Answered,
    /// No URI template takes the path and its parameters.
    pub no_template: Answered,
    /// The operation does not take the method.
    pub bad_method: Answered,
    /// The query is unknown or not allowed, its prompts are wrong, or the database refused it.
    pub query_failed: Answered,
    /// A component interface refused a document.
    pub refused_document: Answered,
    /// What a created document is answered with.
    pub created: u16,
    /// How many calls the log keeps.
    pub calls_kept: usize,
}

/// How something that goes wrong is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// What the body looks like.
    pub body: ErrorBody,
}

/// What the body of an error looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorBody {
    /// The XML of the integration broker.
    IbResponse,
    /// `{"status":"error",…}`
    Json,
    /// The page of a web server or proxy.
    Html,
    /// Nothing.
    Empty,
}

const fn answered(status: u16, body: ErrorBody) -> Answered {
    Answered { status, body }
}

impl Settings {
    /// The defaults of a release: node `PSFT_EP`, operator `CXUSER` with password `secret`, no OAuth2.
    pub fn of(profile: Profile) -> Self {
        use ErrorBody::{IbResponse, Json};
        let old = profile == Profile::Pt856;
        let newest = profile == Profile::Pt861;
        let ib = |new: u16| answered(if old { 500 } else { new }, IbResponse);
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            profile,
            node: "PSFT_EP".into(),
            operators: vec![Operator::new("CXUSER", "secret")],
            basic: true,
            oauth: None,
            max_failed_logins: 3,
            zone: Tz::UTC,
            json: true,
            json_type: if old { "text/xml" } else { "application/json" },
            field_names: match profile {
                Profile::Pt856 => FieldNames::Prefixed,
                Profile::Pt859 => FieldNames::PrefixedWhenJoined,
                Profile::Pt861 => FieldNames::Bare,
            },
            single_row_as_object: old,
            query_name_key: "queryname=",
            omit_empty_rows: false,
            blank: if old { " " } else { "" },
            numbers_as_strings: false,
            raw_control_characters: false,
            date_time: DateTimeForm::Dotted,
            split_encoded_commas: false,
            prompts_in_order: true,
            parameters_in_order: true,
            aliases: Aliases::default(),
            row_cap: None,
            unordered: Unordered::Key,
            call_time: Duration::ZERO,
            max_at_once: None,
            status_polls: 1,
            bad_credentials: ib(401),
            bad_token: answered(401, ErrorBody::Empty),
            no_permission: ib(if newest { 401 } else { 403 }),
            unknown_operation: ib(404),
            inactive: ib(404),
            no_routing: ib(500),
            wrong_node: ib(404),
            no_template: answered(if old { 404 } else { 400 }, IbResponse),
            bad_method: answered(if old { 404 } else { 405 }, IbResponse),
            query_failed: match profile {
                Profile::Pt856 => answered(500, IbResponse),
                Profile::Pt859 => answered(200, Json),
                Profile::Pt861 => answered(500, Json),
            },
            refused_document: answered(if old { 200 } else { 400 }, Json),
            created: if old { 200 } else { 201 },
            calls_kept: 10_000,
        }
    }

    /// Takes bearer tokens of an identity provider, and no Basic.
    pub fn with_oauth(mut self, oauth: OAuth) -> Self {
        self.basic = false;
        self.oauth = Some(oauth);
        self
    }
}

impl Default for Settings {
    /// Those of [`Profile::Pt859`].
    fn default() -> Self {
        Self::of(Profile::Pt859)
    }
}

/// Certificate and key of the server, as PEM.
#[derive(Clone)]
pub struct Tls {
    /// The chain, the server's own first.
    pub certificates: String,
    /// The private key.
    pub key: String,
    /// Asks for a client certificate of one of these authorities and refuses whoever has none.
    pub client_authorities: Option<String>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// A PeopleSoft user.
#[derive(Clone)]
pub struct Operator {
    /// The OPRID, in upper case.
    pub id: String,
    /// The password; nothing for one who only comes with a token.
    pub password: Option<String>,
    /// The aliases that the permission lists have (`ExecuteQuery.v1`); nothing is all.
    pub operations: Option<Vec<String>>,
    /// The records of the query access groups; nothing is all.
    pub records: Option<Vec<String>>,
    /// Row-level security: what is seen of a record. Several of one record must all be fulfilled.
    pub rows: Vec<RowFilter>,
    /// Query profile: the most rows fetched.
    pub max_rows: Option<usize>,
}

impl Operator {
    /// Who may call everything and see everything.
    pub fn new(id: &str, password: &str) -> Self {
        Self {
            id: id.into(),
            password: Some(password.into()),
            operations: None,
            records: None,
            rows: Vec::new(),
            max_rows: None,
        }
    }

    /// Sees only the rows of a record whose field has one of these values.
    pub fn sees_only(mut self, record: &str, field: &str, values: &[&str]) -> Self {
        self.rows.push(RowFilter {
            record: record.into(),
            field: field.into(),
            values: values.iter().map(|value| (*value).into()).collect(),
        });
        self
    }
}

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Operator({})", self.id)
    }
}

/// What is seen of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFilter {
    /// The record.
    pub record: String,
    /// A field of it, such as `BUSINESS_UNIT` or `SETID`.
    pub field: String,
    /// Its values that are seen.
    pub values: Vec<String>,
}

/// An identity provider outside, and what PeopleSoft makes of its tokens.
#[derive(Clone)]
pub struct OAuth {
    /// The client that asks for tokens.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// The scope that must be asked for; nothing takes any.
    pub scope: Option<String>,
    /// The audience that PeopleSoft takes tokens for. A token that was asked for without it (`audience` or `resource`) is
    /// issued all the same, and refused by PeopleSoft.
    pub audience: Option<String>,
    /// How long a token lives; the `expires_in`.
    pub token_life: Duration,
    /// The operator that the client is mapped to.
    pub operator: String,
}

impl OAuth {
    /// Tokens of an hour for `CXUSER`.
    pub fn new(client_id: &str, client_secret: &str) -> Self {
        Self {
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            scope: None,
            audience: None,
            token_life: Duration::from_secs(3600),
            operator: "CXUSER".into(),
        }
    }
}

impl std::fmt::Debug for OAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OAuth({})", self.client_id)
    }
}

/// The aliases of the operations of Query Access Services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aliases {
    /// `QAS_EXECUTEQRY_REST_GET` and `_POST`.
    pub execute: String,
    /// `QAS_EXECUTEQRYPOLL_REST_GET`.
    pub execute_poll: String,
    /// `QAS_QUERYSTATUS_REST_GET`.
    pub status: String,
    /// `QAS_GETQUERYRESULTS_REST_GET`.
    pub results: String,
}

impl Default for Aliases {
    fn default() -> Self {
        Self {
            execute: "ExecuteQuery.v1".into(),
            execute_poll: "ExecuteQueryPoll.v1".into(),
            status: "QueryStatus.v1".into(),
            results: "GetQueryResults.v1".into(),
        }
    }
}

/// How columns are called in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldNames {
    /// `A.VENDOR_ID`
    Prefixed,
    /// `A.VENDOR_ID` where the query joins records, `VENDOR_ID` where it has one.
    PrefixedWhenJoined,
    /// `VENDOR_ID`, but for those that would be the same.
    Bare,
}

/// How a date and time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateTimeForm {
    /// `2026-11-20-09.15.02.000000`
    Dotted,
    /// `2026-11-20T09:15:02-0500`
    IsoWithOffset,
    /// `2026-11-20T09:15:02`
    Iso,
}

/// The order of rows that were asked for without an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unordered {
    /// As if the database walked the primary key.
    Key,
    /// As the rows came into the record: a client whose query does not order its pages goes wrong here.
    Arrival,
}
