//! How to reach one PeopleSoft database, and what its site does differently.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{NaiveDate, NaiveTime};
use chrono_tz::Tz;
use engine::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dates;
use super::query_settings::{OperationSettings, Owner, QuerySettings};
use super::refusal::RefusalSettings;
use super::write_settings::WriteSettings;
use super::writes;
use crate::http::{ClientCertificate, TimeOut};

/// How to reach and read a PeopleSoft database through the REST listener of its Integration Broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeopleSoftSettings {
    /// Address of the REST listener: host, port, and the path up to `RESTListeningConnector`.
    #[schemars(example = &"https://psft.example.com:8443/PSIGW/RESTListeningConnector")]
    pub url: String,
    /// The default local node of the database, as it stands in the addresses of its operations.
    #[schemars(example = &"PSFT_EP")]
    pub node: String,
    /// Name of the secret: `username` and `password` of one service user for `auth: basic`, `client_id` and
    /// `client_secret` for `oauth2`; and `hash_key` where personal columns are hashed.
    #[schemars(example = &"acme/peoplesoft")]
    pub secret: String,
    /// How calls say who they are.
    #[serde(default)]
    #[schemars(example = Auth::Basic)]
    pub auth: Auth,
    /// The PeopleTools release, or the nearest one below it.
    #[serde(default)]
    #[schemars(example = Tools::Pt859)]
    pub tools: Tools,
    /// The base time zone of the database: dates and times carry none.
    #[serde(default)]
    #[schemars(with = "String", example = &"America/New_York")]
    pub zone: Tz,
    /// The SetIDs of master data, read one after the other.
    #[serde(default = "setids")]
    #[schemars(example = ["SHARE"])]
    pub setids: Vec<String>,
    /// Whether the queries are public, or private ones of the service user.
    #[serde(default)]
    #[schemars(example = Owner::Public)]
    pub owner: Owner,
    /// How rows are asked for. `json` needs PeopleTools 8.55.
    #[serde(default)]
    #[schemars(example = Format::Json)]
    pub format: Format,
    /// Rows per call.
    #[serde(default = "page_size")]
    #[schemars(range(min = 1, max = 100_000), example = 1000)]
    pub page_size: usize,
    /// Whether a page with fewer rows than asked ends a read. Only for sites without any limit of their own: such a limit
    /// cuts pages without saying so.
    #[serde(default)]
    #[schemars(example = false)]
    pub stop_on_short_page: bool,
    /// Windows are read in slices of so many days, so that each call stays short; 0 reads them whole.
    #[serde(default = "slice_days")]
    #[schemars(example = 31)]
    pub slice_days: u32,
    /// Where a full read of what has a stamp of change begins, in slices from there. What changed last before this day is
    /// not read. Without it a full read is one slice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"2020-01-01")]
    pub history_from: Option<NaiveDate>,
    /// What date prompts are given for "from the beginning".
    #[serde(default = "first_day")]
    #[schemars(with = "String", example = &"1900-01-01")]
    pub first_day: NaiveDate,
    /// What date prompts are given for "without end".
    #[serde(default = "last_day")]
    #[schemars(with = "String", example = &"2999-12-31")]
    pub last_day: NaiveDate,
    /// How dates are written in prompts, as in strftime.
    #[serde(default = "date_prompt")]
    #[schemars(example = &"%Y-%m-%d")]
    pub date_prompt: String,
    /// How dates with a time are written in prompts, as in strftime.
    #[serde(default = "datetime_prompt")]
    #[schemars(example = &"%Y-%m-%d-%H.%M.%S")]
    pub datetime_prompt: String,
    /// What the prompt for the last key is given on the first page. It must be less than every key; nothing counts as one
    /// blank.
    #[serde(default)]
    #[schemars(example = &"")]
    pub first_key: String,
    /// Whether the commas between prompts are encoded. Sites do not split on encoded ones.
    #[serde(default)]
    #[schemars(example = false)]
    pub encode_prompt_commas: bool,
    /// Whether answers may be limited to the columns that are needed. Not every site's addresses allow it.
    #[serde(default)]
    #[schemars(example = false)]
    pub filter_fields: bool,
    /// Whether there are queries that find a record by its key (`_K`): without them no waiting record is read again.
    #[serde(default = "yes")]
    #[schemars(example = true)]
    pub by_key: bool,
    /// Whether there are queries that count and sum (`_T`): without them nothing proves that all was read.
    #[serde(default = "yes")]
    #[schemars(example = true)]
    pub totals: bool,
    /// What differs for single queries, by the name that the stream reads.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{"ML_VOUCHER": {"name": "CX_VOUCHER", "fields": {"ROW_KEY": "KEY_ALL"}}}]))]
    pub queries: BTreeMap<String, QuerySettings>,
    /// Operations of the site's own, and Application Services, that are read in place of a query, by the name that the
    /// stream reads.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{"SCX_VENDORS": {"path": "SCX_VENDOR_LIST.v1/{setid}?after={after}", "rows": "/vendors"}}]))]
    pub operations: BTreeMap<String, OperationSettings>,
    /// What differs where attributes are written back, and tables that are written besides the shipped ones
    /// (`supplier_attributes`, `customer_attributes`), by the table that the sync writes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{"supplier_attributes": {"operation": "CX_VENDOR_UPDATE.v1", "fields": {"risk_class": "CX_RISK_CLASS"}}}]))]
    pub writes: BTreeMap<String, WriteSettings>,
    /// The names of the delivered operations in addresses.
    #[serde(default)]
    #[schemars(example = Aliases::default())]
    pub aliases: Aliases,
    /// How long queries that run in the background are waited for.
    #[serde(default)]
    #[schemars(example = BackgroundSettings::default())]
    pub background: BackgroundSettings,
    /// When nothing is called, in the time zone of the database: batch windows, restarts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("examples" = [[{"from": "22:00", "to": "02:30"}]]))]
    pub quiet_hours: Vec<QuietHours>,
    /// Data about persons: off unless it is switched on.
    #[serde(default)]
    #[schemars(example = PersonalSettings::default())]
    pub personal: PersonalSettings,
    /// By which words and statuses a refusal is told. What is listed here replaces the shipped lists.
    #[serde(default)]
    #[schemars(example = RefusalSettings::default())]
    pub refusals: RefusalSettings,
    /// The longest that one call may take.
    #[serde(default = "time_out")]
    #[schemars(example = &"120s")]
    pub time_out: TimeOut,
    /// How many polls may run at once. Every call is SQL on the live database.
    #[serde(default = "sessions")]
    #[schemars(range(min = 1, max = 64), example = 1)]
    pub sessions: u32,
    /// A PEM file of certificates to trust besides the public ones, for servers with a certificate of the company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/ml-connector/company-ca.pem")]
    pub ca_file: Option<PathBuf>,
    /// The certificate that a gateway with mutual TLS asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"certificate_file": "/etc/ml-connector/client.pem", "key_file": "/etc/ml-connector/client.key"}]))]
    pub client_certificate: Option<ClientCertificate>,
    /// The longest answer that is read, in bytes.
    #[serde(default = "max_response_bytes")]
    #[schemars(range(min = 1024), example = 67_108_864)]
    pub max_response_bytes: usize,
    /// The longest record that is carried, in bytes; longer ones are rejected with their key.
    #[serde(default = "max_record_bytes")]
    #[schemars(range(min = 1024), example = 16_777_216)]
    pub max_record_bytes: usize,
}

/// How calls say who they are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// User (OPRID) and password with every call.
    #[default]
    Basic,
    /// A token of an identity provider outside of PeopleSoft, by client credentials. Needs PeopleTools 8.58 with Oracle
    /// identity domains, 8.59 with Microsoft Entra, Okta or Ping.
    Oauth2(OauthSettings),
}

/// Where tokens come from. PeopleSoft issues none itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OauthSettings {
    /// The provider's address for tokens.
    #[schemars(example = &"https://login.microsoftonline.com/acme.example.com/oauth2/v2.0/token")]
    pub token_url: String,
    /// The scope that is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"api://peoplesoft/.default")]
    pub scope: Option<String>,
    /// The audience that is asked for, where the provider takes one: the site's REST target location.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"https://psft.example.com:8443/PSIGW/RESTListeningConnector")]
    pub audience: Option<String>,
    /// Other fields of the request, such as `resource`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{"resource": "https://psft.example.com"}]))]
    pub fields: BTreeMap<String, String>,
    /// Whether client id and secret are sent as HTTP Basic instead of in the form.
    #[serde(default)]
    #[schemars(example = false)]
    pub basic: bool,
}

/// PeopleTools releases, as far as a caller notices a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tools {
    /// Before 8.55: queries answer in XML only.
    Pt854,
    /// 8.55 to 8.57.
    Pt856,
    /// 8.58: tokens of Oracle identity domains.
    Pt858,
    /// 8.59 and 8.60: tokens of other providers, honest statuses.
    #[default]
    Pt859,
    /// 8.61 and later: lists its Application Services.
    Pt861,
}

/// How rows are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `JSON`, which is not documented and the one that works.
    #[default]
    Json,
    /// `XMLP`.
    Xml,
}

/// The names of the delivered operations in addresses, with their versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Aliases {
    /// Runs a query (`QAS_EXECUTEQRY_REST_GET`).
    #[schemars(example = &"ExecuteQuery.v1")]
    pub execute: String,
    /// Starts a query in the background (`QAS_EXECUTEQRYPOLL_REST_GET`).
    #[schemars(example = &"ExecuteQueryPoll.v1")]
    pub start: String,
    /// Asks how far it is (`QAS_QUERYSTATUS_REST_GET`); `{instance}` is the id that starting it gave.
    #[schemars(example = &"QueryStatus.v1/getstatus?instanceid={instance}&json_resp=true")]
    pub status: String,
    /// Fetches its rows (`QAS_GETQUERYRESULTS_REST_GET`).
    #[schemars(example = &"GetQueryResults.v1/getqueryresults?instanceid={instance}&json_resp=true")]
    pub results: String,
    /// Lists Application Services (`PTIB_SERVICELIST_GET`).
    #[schemars(example = &"servicelist.v1/discovery")]
    pub discovery: String,
}

impl Default for Aliases {
    fn default() -> Self {
        Self {
            execute: "ExecuteQuery.v1".to_owned(),
            start: "ExecuteQueryPoll.v1".to_owned(),
            status: "QueryStatus.v1/getstatus?instanceid={instance}&json_resp=true".to_owned(),
            results: "GetQueryResults.v1/getqueryresults?instanceid={instance}&json_resp=true".to_owned(),
            discovery: "servicelist.v1/discovery".to_owned(),
        }
    }
}

/// How long queries that run in the background are waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackgroundSettings {
    /// How often it is asked how far they are.
    #[schemars(example = &"5s")]
    pub ask_every: TimeOut,
    /// After how long they are given up.
    #[schemars(example = &"30m")]
    pub at_most: TimeOut,
}

impl Default for BackgroundSettings {
    fn default() -> Self {
        Self { ask_every: TimeOut(Duration::from_secs(5)), at_most: TimeOut(Duration::from_secs(1_800)) }
    }
}

/// A time of day when nothing is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// When it begins, as `22:00`.
    #[schemars(example = &"22:00")]
    pub from: String,
    /// When it ends; before `from`, on the next day.
    #[schemars(example = &"02:30")]
    pub to: String,
}

impl QuietHours {
    /// Begin and end.
    pub(super) fn times(&self) -> Option<(NaiveTime, NaiveTime)> {
        let time = |text| NaiveTime::parse_from_str(text, "%H:%M").ok();
        Some((time(&self.from)?, time(&self.to)?))
    }
}

/// Data about persons.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PersonalSettings {
    /// Whether streams of personal data, such as payroll checks, are read at all.
    #[schemars(example = true)]
    pub enabled: bool,
    /// What happens to columns before anything is stored. Those that the shipped queries mark as personal are hashed
    /// unless something else is said here.
    #[schemars(extend("examples" = [{"NAME": "drop", "EMPLID": "hash", "DEPTID": "keep"}]))]
    pub columns: BTreeMap<String, Treatment>,
}

/// What happens to a personal column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// It stays as it is.
    Keep,
    /// A keyed hash takes its place: equal values stay equal, and nobody without the key finds them.
    Hash,
    /// It has no value.
    Drop,
}

impl PeopleSoftSettings {
    /// Refuses settings that cannot work together.
    ///
    /// # Errors
    /// Stops and names the field.
    pub fn validate(&self) -> Result<()> {
        let refuse = |why: String| Err(Error::stop(format!("the PeopleSoft connection: {why}")));
        if self.page_size == 0 || self.sessions == 0 {
            return refuse("`page_size` and `sessions` must be at least 1".to_owned());
        }
        if !is_segment(&self.node) {
            return refuse(format!("`node` is one word of the address, such as PSFT_EP, not `{}`", self.node));
        }
        if self.setids.is_empty() {
            return refuse("`setids` names no SetID: name those whose master data is read, usually SHARE".to_owned());
        }
        if let Some(comma) = self.setids.iter().chain([&self.first_key]).find(|value| value.contains(',')) {
            return refuse(format!("`{comma}` holds a comma, which no prompt can carry"));
        }
        if matches!(self.auth, Auth::Oauth2(_)) && self.tools < Tools::Pt858 {
            return refuse("`auth: oauth2` needs PeopleTools 8.58, and `tools` says an older one".to_owned());
        }
        if self.format == Format::Json && self.tools < Tools::Pt856 {
            return refuse("`format: json` needs PeopleTools 8.55: use `format: xml`".to_owned());
        }
        let (date, datetime) = (&self.date_prompt, &self.datetime_prompt);
        for (field, pattern, is_good, example) in [
            ("date_prompt", date, dates::is_date_pattern(date), "%Y-%m-%d"),
            ("datetime_prompt", datetime, dates::is_datetime_pattern(datetime), "%Y-%m-%d-%H.%M.%S"),
        ] {
            if !is_good {
                return refuse(format!(
                    "`{field}: {pattern}` is no pattern of strftime without commas, such as {example}"
                ));
            }
        }
        if let Some(hours) = self.quiet_hours.iter().find(|hours| hours.times().is_none_or(|(from, to)| from == to)) {
            return refuse(format!(
                "`quiet_hours` from `{}` to `{}` are not two times of day such as 22:00 and 02:30",
                hours.from, hours.to
            ));
        }
        for (table, write) in &self.writes {
            if let Err((field, why)) = write.validate() {
                return refuse(format!("`writes.{table}.{field}` {why}"));
            }
        }
        for operation in self.operation_names() {
            if !is_segment(operation) {
                return refuse(format!(
                    "`{operation}` is no name of an operation with its version, such as ExecuteQuery.v1"
                ));
            }
        }
        for (name, operation) in &self.operations {
            operation
                .validate()
                .map_err(|why| Error::stop(format!("the PeopleSoft connection: `operations.{name}` {why}")))?;
        }
        writes::writes(Some(self)).map(|_| ())
    }

    /// The operations that may be called, by their first part of the address.
    pub(super) fn operation_names(&self) -> impl Iterator<Item = &str> {
        let aliases = &self.aliases;
        let delivered = [&aliases.execute, &aliases.start, &aliases.status, &aliases.results, &aliases.discovery];
        let own = self.operations.values().flat_map(OperationSettings::paths);
        let written = writes::operations(self);
        delivered.into_iter().map(String::as_str).chain(own).map(first_part).chain(written)
    }
}

/// The operation that a path leads to.
pub(super) fn first_part(path: &str) -> &str {
    path.split(['/', '?']).next().unwrap_or_default()
}

/// Whether a text is one part of an address, without anything that has a meaning there.
pub(super) fn is_segment(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !text.is_empty() && text.chars().all(plain) && !text.chars().all(|c| c == '.')
}

fn setids() -> Vec<String> {
    vec!["SHARE".to_owned()]
}

fn page_size() -> usize {
    1_000
}

fn slice_days() -> u32 {
    31
}

fn first_day() -> NaiveDate {
    NaiveDate::from_ymd_opt(1900, 1, 1).unwrap_or_default()
}

fn last_day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2999, 12, 31).unwrap_or_default()
}

fn date_prompt() -> String {
    "%Y-%m-%d".to_owned()
}

fn datetime_prompt() -> String {
    "%Y-%m-%d-%H.%M.%S".to_owned()
}

fn time_out() -> TimeOut {
    TimeOut(Duration::from_secs(120))
}

fn sessions() -> u32 {
    1
}

fn yes() -> bool {
    true
}

fn max_response_bytes() -> usize {
    64 << 20
}

fn max_record_bytes() -> usize {
    16 << 20
}
