//! What a refused call or a failed statement means: Databricks' statuses, codes and classes, and what has to be done about
//! each.
//!
//! Invariant: whatever is quoted from an answer is shortened and cleaned of secrets first.

use engine::{Error, Result};
use serde::Deserialize;
use serde_json::Value as Json;

use super::settings::DatabricksSettings;
use crate::http::{Answer, quote};

/// Why a call or a statement did not bring what was asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// 404: it is not there, or may not be seen.
    Missing(Error),
    /// 409: something of that name is there.
    Exists(Error),
    /// The token is not taken any more; what was said.
    DeadToken(String),
    /// A statement failed.
    Sql {
        /// The error class, such as `PATH_NOT_FOUND`; empty where the message names none.
        class: String,
        /// In words.
        error: Error,
    },
    /// Anything else.
    Failed(Error),
}

impl Failure {
    /// Whether a statement failed for this class, or one below it.
    pub(super) fn is_class(&self, wanted: &str) -> bool {
        matches!(self, Self::Sql { class, .. } if class == wanted || class.starts_with(&format!("{wanted}.")))
    }

    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Missing(error) | Self::Exists(error) | Self::Sql { error, .. } | Self::Failed(error) => error,
            Self::DeadToken(said) => Error::later(format!("the token was refused{said}")),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.into_error()
    }
}

/// The error of a statement, as it stands in its status.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StatementError {
    /// Such as `BAD_REQUEST`.
    pub(super) error_code: Option<String>,
    /// `[CLASS] words … SQLSTATE: 42P01`.
    pub(super) message: Option<String>,
}

/// Error bodies in all the shapes that Databricks gives them: of the REST API, of API 1.2 and of SCIM.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    error_code: Json,
    message: Option<String>,
    error: Option<Json>,
    detail: Option<String>,
    #[serde(rename = "scimType")]
    scim_type: Option<String>,
}

impl ErrorBody {
    fn of(answer: &Answer) -> Self {
        if let Ok(body) = serde_json::from_slice::<Self>(&answer.body) {
            return body;
        }
        // `CODE: message` as plain text.
        let text = String::from_utf8_lossy(&answer.body).trim().to_owned();
        let is_code = |code: &str| !code.is_empty() && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        match text.split_once(": ") {
            Some((code, message)) if is_code(code) => {
                Self { error_code: Json::String(code.to_owned()), message: Some(message.to_owned()), ..Self::default() }
            }
            _ => Self { message: Some(text), ..Self::default() },
        }
    }

    fn code(&self) -> String {
        match (&self.error_code, &self.scim_type) {
            (Json::String(code), _) => code.clone(),
            (Json::Number(code), _) => code.to_string(),
            (_, Some(kind)) => kind.clone(),
            _ => String::new(),
        }
    }

    fn words(&self) -> String {
        let error = match &self.error {
            Some(Json::String(text)) => Some(text.clone()),
            _ => None,
        };
        let message = self.message.clone().or(self.detail.clone()).or(error).unwrap_or_default();
        match (self.code().as_str(), message.trim()) {
            ("", message) => message.to_owned(),
            (code, "") => code.to_owned(),
            (code, message) => format!("{code}: {message}"),
        }
    }
}

/// Codes of statements that fail for how the system is at the moment and not for what was asked.
const PASSING: [&str; 8] = [
    "ABORTED",
    "DEADLINE_EXCEEDED",
    "INTERNAL_ERROR",
    "IO_ERROR",
    "RESOURCE_EXHAUSTED",
    "SERVICE_UNDER_MAINTENANCE",
    "TEMPORARILY_UNAVAILABLE",
    "WORKSPACE_TEMPORARILY_UNAVAILABLE",
];

/// Words of refused calls that pass by themselves, whatever their status.
const PASSING_WORDS: [&str; 3] = [
    "RPC token bucket limit has been exceeded",
    "does not have any associated worker environments",
    "There is no worker environment with id",
];

/// The circumstances of a call.
pub(super) struct Call<'a> {
    /// Who was called, for messages.
    pub(super) host: &'a str,
    /// What was asked for, for messages, such as "table `main.erp.t`".
    pub(super) what: &'a str,
    /// The rights that loading needs.
    pub(super) grants: &'a Grants,
    /// What must not be quoted.
    pub(super) secrets: &'a [&'a str],
}

impl Call<'_> {
    /// Refuses answers that are none.
    ///
    /// # Errors
    /// By status and body: Later for what passes, Stop for the rest.
    pub(super) fn inspect(&self, answer: &Answer) -> Result<(), Failure> {
        let (host, what, status) = (self.host, self.what, answer.status);
        if (200..=299).contains(&status) && !answer.is_html() {
            return Ok(());
        }
        let body = ErrorBody::of(answer);
        let (said, code) = (self.said(answer), body.code());
        let words = body.words();
        let about_token = words.to_ascii_lowercase();
        let is_dead = about_token.contains("invalid access token") || about_token.contains("invalid token");
        Err(match status {
            200..=299 => Failure::Failed(Error::later(format!(
                "{host} answered {what}{said} in place of JSON: is `url` the address of the workspace, is a proxy in between?"
            ))),
            401 => Failure::DeadToken(said),
            403 if is_dead && !answer.is_html() => Failure::DeadToken(said),
            _ if PASSING_WORDS.iter().any(|passing| words.contains(passing)) => {
                Failure::Failed(later(answer, format!("{host} cannot answer {what} now ({status}){said}")))
            }
            300..=399 => Failure::Failed(Error::stop(format!(
                "{host} redirects {what} ({status}): name the final address as `url`; redirects are not followed with tokens"
            ))),
            403 => Failure::Failed(Error::stop(format!(
                "{host} refused {what} (403){said}. {}",
                self.grants.for_refusal(&words)
            ))),
            404 => Failure::Missing(Error::stop(format!("{host} does not find {what} (404){said}"))),
            409 if code.ends_with("ALREADY_EXISTS") => {
                Failure::Exists(Error::stop(format!("{host}: {what} is there already (409){said}")))
            }
            409 | 429 | 500..=599 => {
                Failure::Failed(later(answer, format!("{host} cannot answer {what} now ({status}){said}")))
            }
            _ => Failure::Failed(Error::stop(format!("{host} refused {what} ({status}){said}"))),
        })
    }

    /// What a failed statement means.
    pub(super) fn failed(&self, failed: &StatementError, sql_state: Option<&str>) -> Failure {
        let message = failed.message.as_deref().unwrap_or_default();
        let code = failed.error_code.as_deref().unwrap_or_default();
        let class = class_of(message);
        let state = sql_state.or_else(|| state_of(message)).unwrap_or_default();
        let said = match message.trim() {
            "" => code.to_owned(),
            message => quote(message, self.secrets),
        };
        let (host, what) = (self.host, self.what);
        // Another writer was faster; in older releases only the name of the exception says so.
        let is_conflict =
            state == "2D521" || class.contains("CONCURRENT") || message.contains("ConcurrentAppendException");
        let is_denied = matches!(class.as_str(), "INSUFFICIENT_PERMISSIONS" | "PERMISSION_DENIED")
            || state == "42501"
            || message.starts_with("PERMISSION_DENIED");
        let error = if is_denied {
            Error::stop(format!("{host} refused {what}: «{said}». {}", self.grants.for_refusal(message)))
        } else if is_conflict {
            Error::later(format!("{what} met another writer of the same table: «{said}»"))
        } else if PASSING.contains(&code) {
            Error::later(format!("{host} could not finish {what}: «{said}»"))
        } else {
            Error::stop(format!("{host} refused {what}: «{said}»"))
        };
        Failure::Sql { class, error }
    }

    /// What the other side said, in quotes, or nothing.
    pub(super) fn said(&self, answer: &Answer) -> String {
        if answer.is_html() {
            let title = answer.page_title().map(|title| format!(" «{}»", quote(&title, self.secrets)));
            return format!(" with a web page{}", title.unwrap_or_default());
        }
        match quote(&ErrorBody::of(answer).words(), self.secrets) {
            words if words.is_empty() => words,
            words => format!(": «{words}»"),
        }
    }
}

/// What an answer says that has not the shape it should have. Nothing of it is quoted: it may be anything.
pub(super) fn damaged(host: &str, what: &str, error: &serde_json::Error) -> Error {
    match error.is_eof() {
        true => Error::later(format!("the answer of {host} for {what} was cut short")),
        false => Error::later(format!(
            "the answer of {host} for {what} is not what the API gives, at column {}",
            error.column()
        )),
    }
}

fn later(answer: &Answer, words: String) -> Error {
    match answer.retry_after {
        Some(wait) => Error::later_after(wait, words),
        None => Error::later(words),
    }
}

/// `PATH_NOT_FOUND` of `[PATH_NOT_FOUND] Path does not exist …`.
fn class_of(message: &str) -> String {
    let class = message.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(class, _)| class);
    let is_class =
        |class: &&str| class.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.'));
    class.filter(is_class).unwrap_or_default().to_owned()
}

fn state_of(message: &str) -> Option<&str> {
    let (_, rest) = message.rsplit_once("SQLSTATE: ")?;
    rest.get(..5)
}

/// The rights that loading needs, as the statements by which an administrator gives them.
#[derive(Debug, Clone)]
pub(super) struct Grants {
    catalog: String,
    schemas: Vec<String>,
    warehouse: String,
    principal: String,
}

impl Grants {
    pub(super) fn new(settings: &DatabricksSettings, principal: &str) -> Self {
        let raw = settings.raw.as_ref().and_then(|raw| raw.schema.as_deref());
        let mut schemas = vec![settings.schema.clone(), settings.ledger_schema().to_owned()];
        schemas.extend(raw.map(str::to_owned));
        schemas.dedup();
        Self {
            catalog: settings.catalog.clone(),
            schemas,
            warehouse: settings.warehouse.clone(),
            principal: principal.to_owned(),
        }
    }

    /// Everything that loading needs.
    pub(super) fn all(&self) -> String {
        let Self { catalog, principal, .. } = self;
        let mut statements = vec![format!("GRANT USE CATALOG ON CATALOG `{catalog}` TO `{principal}`")];
        for (i, schema) in self.schemas.iter().enumerate() {
            let volumes = if i == 0 { ", CREATE VOLUME, READ VOLUME, WRITE VOLUME" } else { "" };
            statements.push(format!(
                "GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY{volumes} ON SCHEMA `{catalog}`.`{schema}` TO `{principal}`"
            ));
        }
        format!(
            "Let an administrator run `{}` and give `{principal}` the permission CAN USE on the SQL warehouse {}",
            statements.join("; "),
            self.warehouse
        )
    }

    /// What to run after a refusal: just the right that it names, where it names one.
    pub(super) fn for_refusal(&self, words: &str) -> String {
        let (named, lower) = (named_right(words), words.to_ascii_lowercase());
        if named.is_none() && (lower.contains("warehouse") || lower.contains("endpoint")) {
            return format!(
                "Let an administrator give `{}` the permission CAN USE on the SQL warehouse {}",
                self.principal, self.warehouse
            );
        }
        if named.is_none() && lower.contains("job") {
            return format!("Let an administrator give `{}` the permission CAN MANAGE RUN on the job", self.principal);
        }
        match named {
            Some((right, kind, object)) => {
                let object: Vec<_> = object.split('.').map(|part| format!("`{}`", part.trim_matches('`'))).collect();
                format!(
                    "Let an administrator run `GRANT {right} ON {kind} {} TO `{}``",
                    object.join("."),
                    self.principal
                )
            }
            None => self.all(),
        }
    }
}

/// Right, kind and name of `User does not have USE SCHEMA on Schema 'main.erp'.`
fn named_right(words: &str) -> Option<(String, String, &str)> {
    let (_, rest) = words.split_once("does not have ")?;
    let rest = rest.strip_prefix("permission ").unwrap_or(rest);
    let (right, rest) = rest.split_once(" on ")?;
    let (kind, rest) = rest.split_once(" '")?;
    let (object, _) = rest.split_once('\'')?;
    let is_words =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, ' ' | '_'));
    let is_object = object.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '`'));
    (is_words(right) && is_words(kind) && is_object && !object.is_empty())
        .then(|| (right.to_ascii_uppercase().replace('_', " "), kind.to_ascii_uppercase(), object))
}
