//! The JD Edwards EnterpriseOne source: tables and business views through the AIS Server's data service.
//!
//! [`source`] reads pages, [`query`] writes the request bodies, [`decode`] turns an answer into rows, [`client`] and
//! [`auth`] hold the session, [`refusal`] says what a refused call means, [`check`] tells an administrator what is missing.
//!
//! Invariants: one request in flight per token; a wrong password is tried once; a session is logged out; everything that
//! differs from site to site is a setting. What must not be here: mappings, warehouses, other systems.

mod auth;
mod check;
mod client;
mod dates;
mod decode;
mod query;
mod refusal;
mod source;
#[cfg(test)]
mod tests;
mod totals;

use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use engine::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http::TimeOut;
pub use source::JdeSource;

/// How to reach and read a JD Edwards EnterpriseOne AIS Server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JdeSettings {
    /// Address of the AIS Server up to its context root.
    #[schemars(example = &"https://ais.example.com:9302/jderest")]
    pub url: String,
    /// Name of the secret with the fields `username` and `password` of one service user.
    #[schemars(example = &"acme/jde")]
    pub secret: String,
    /// How calls say who they are: `token` logs in once per poll and logs out at its end; `basic` sends the password with
    /// every call, each of which is a session of its own on the server.
    #[serde(default)]
    #[schemars(example = Auth::Token)]
    pub auth: Auth,
    /// The device that tokens are bound to. It must stay the same: without it a token is bound to the address of the caller.
    #[serde(default = "device_name")]
    #[schemars(example = &"ml-connector")]
    pub device_name: String,
    /// The environment to log in to; the AIS Server's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"JPD920")]
    pub environment: Option<String>,
    /// The role to log in with; the AIS Server's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"*ALL")]
    pub role: Option<String>,
    /// The HTML (JAS) server to log in to; the AIS Server's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"https://jas.example.com:8443")]
    pub jasserver: Option<String>,
    /// The version of the API: `v2` needs Tools release 9.2.1.2, `v1` works with all.
    #[serde(default)]
    #[schemars(example = Api::V2)]
    pub api: Api,
    /// The time zone of the server's clock: UPMJ, UPMT and the time stamps of answers carry none.
    #[serde(default)]
    #[schemars(with = "String", example = &"America/Chicago")]
    pub zone: Tz,
    /// How dates are written in filters. Sites differ; `special` counts days from the server's today and works everywhere.
    #[serde(default)]
    #[schemars(example = DateLiteral::Special)]
    pub date_literal: DateLiteral,
    /// The user's date format for `date_literal: user_format`; what the log-in tells when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"MM/dd/yyyy")]
    pub date_format: Option<String>,
    /// How a read goes on after a page: `key_range` asks for what follows the last key and survives everything;
    /// `next_links` follows the server's links, which live a minute and need `auth: token` and `api: v2`.
    #[serde(default)]
    #[schemars(example = Paging::KeyRange)]
    pub paging: Paging,
    /// Records per page. Stay at or below the server's "DB Fetch Limit" (2000 unless the site changed it).
    #[serde(default = "page_size")]
    #[schemars(range(min = 1, max = 100_000), example = 500)]
    pub page_size: usize,
    /// The longest that one call may take.
    #[serde(default = "time_out")]
    #[schemars(example = &"120s")]
    pub time_out: TimeOut,
    /// How many polls may run at once, each with a session of its own.
    #[serde(default = "sessions")]
    #[schemars(range(min = 1, max = 64), example = 1)]
    pub sessions: u32,
    /// A PEM file of certificates to trust besides the public ones, for servers with a certificate of the company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/ml-connector/company-ca.pem")]
    pub ca_file: Option<PathBuf>,
    /// Whether key values of columns that a stream declares as padded are sent with their leading blanks.
    #[serde(default = "yes")]
    #[schemars(example = true)]
    pub pad_keys: bool,
    /// How the server finds the currency of amounts it sums. Without it sums have the decimals of the data dictionary,
    /// which are wrong for currencies with other decimals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = CurrencyProcessing::example())]
    pub currency_processing: Option<CurrencyProcessing>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// A session per poll.
    #[default]
    Token,
    /// User and password with every call.
    Basic,
}

/// The version of the AIS API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// All Tools releases of 9.2.
    V1,
    /// Tools release 9.2.1.2 and later.
    #[default]
    V2,
}

impl Api {
    /// What stands between the context root and the service.
    fn prefix(self) -> &'static str {
        match self {
            Self::V1 => "",
            Self::V2 => "v2/",
        }
    }
}

/// How dates are written in filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DateLiteral {
    /// As a count of days from the server's today.
    #[default]
    Special,
    /// In the date preference of the service user.
    UserFormat,
    /// As `CYYDDD`.
    Julian,
    /// As `YYYYMMDD`.
    Iso,
}

/// How a read goes on after a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Paging {
    /// By asking for what follows the last key.
    #[default]
    KeyRange,
    /// By following the server's links.
    NextLinks,
}

/// The currency trigger of a table, as the data service takes it from Tools release 9.2.0.3 on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CurrencyProcessing {
    /// The type of processing, such as `COMPANY`, `CURRENCYCODE` or `MCU`.
    #[serde(rename = "type")]
    #[schemars(example = &"CURRENCYCODE")]
    pub kind: String,
    /// The columns that the type works by: the company, the currency code, the business unit.
    #[schemars(example = ["CRCD"])]
    pub key_columns: Vec<String>,
}

impl CurrencyProcessing {
    fn example() -> Self {
        Self { kind: "CURRENCYCODE".to_owned(), key_columns: vec!["CRCD".to_owned()] }
    }
}

impl JdeSettings {
    /// Refuses settings that cannot work together.
    ///
    /// # Errors
    /// Stops and names the field.
    pub fn validate(&self) -> Result<()> {
        let refuse = |why: &str| Err(Error::stop(format!("the JD Edwards connection: {why}")));
        if self.page_size == 0 || self.sessions == 0 {
            return refuse("`page_size` and `sessions` must be at least 1");
        }
        if self.device_name.trim().is_empty() {
            return refuse("`device_name` must not be empty: a token would be bound to the caller's address");
        }
        if self.paging == Paging::NextLinks && (self.auth == Auth::Basic || self.api == Api::V1) {
            return refuse("`paging: next_links` needs `auth: token` and `api: v2`; use `paging: key_range`");
        }
        if self.date_literal == DateLiteral::UserFormat && self.auth == Auth::Basic && self.date_format.is_none() {
            return refuse("`date_literal: user_format` with `auth: basic` needs `date_format`, such as MM/dd/yyyy");
        }
        if let Some(pattern) = &self.date_format {
            dates::check_pattern(pattern)?;
        }
        Ok(())
    }
}

fn device_name() -> String {
    "ml-connector".to_owned()
}

fn page_size() -> usize {
    500
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
