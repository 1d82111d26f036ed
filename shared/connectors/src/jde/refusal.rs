//! What a refused call means: the vendor's statuses and bodies, and what has to be done about each.
//!
//! Invariant: whatever is quoted from an answer is shortened and cleaned of secrets first.

use engine::{Error, Result};
use serde::Deserialize;

use crate::http::{Answer, quote};

/// Why a call did not bring what was asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// The token is no longer valid: log in again, once.
    DeadToken(String),
    /// The result set behind a next link is gone after a minute: ask anew.
    Expired,
    /// The answer itself reports errors, in the vendor's words, not yet cleaned.
    Reported(String),
    /// Anything else.
    Failed(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// One of `sysErrors` or `errors`: an object with upper-case names, or whatever a release puts there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem(String);

impl From<String> for Problem {
    fn from(words: String) -> Self {
        Self(words)
    }
}

impl From<&serde_json::Value> for Problem {
    fn from(value: &serde_json::Value) -> Self {
        let names = ["TITLE", "DESC", "CODE", "title", "desc", "message"];
        let mut words: Vec<_> = names.iter().filter_map(|name| value.get(name)?.as_str()).map(str::trim).collect();
        words.dedup();
        match value.as_str() {
            Some(words) => Self(words.trim().to_owned()),
            None if words.is_empty() => Self(value.to_string()),
            None => Self(words.join(": ")),
        }
    }
}

/// The value of `sysErrors`, `errors` or `error`: a list, or one, or nothing in any of its forms.
#[derive(Debug, Default)]
pub(super) struct Problems(pub(super) Vec<Problem>);

impl<'de> Deserialize<'de> for Problems {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde_json::Value;
        Ok(Self(match Value::deserialize(deserializer)? {
            Value::Array(list) => list.iter().map(Problem::from).collect(),
            Value::Null | Value::Bool(false) => Vec::new(),
            Value::Object(none) if none.is_empty() => Vec::new(),
            Value::String(none) if none.trim().is_empty() => Vec::new(),
            one => vec![Problem::from(&one)],
        }))
    }
}

/// A link of an answer.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Link {
    #[serde(default)]
    pub(super) rel: String,
    #[serde(default)]
    pub(super) href: String,
}

/// A `ServiceErrorResponse`, of which releases fill different members, or an answer with `sysErrors`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ServiceError {
    message: Option<String>,
    exception: Option<String>,
    #[serde(rename = "errorText")]
    error_text: Option<String>,
    #[serde(rename = "userDefinedErrorText")]
    user_text: Option<String>,
    #[serde(rename = "sysErrors")]
    sys_errors: Problems,
}

/// The circumstances of a call.
pub(super) struct Call<'a> {
    /// Who was called, for messages.
    pub(super) host: &'a str,
    /// What was asked for, for messages: a table, or `tokenrequest`.
    pub(super) object: &'a str,
    /// Whether it used a token, so that a refusal can mean that the token is dead.
    pub(super) token: bool,
    /// What must not be quoted.
    pub(super) secrets: &'a [&'a str],
}

impl Call<'_> {
    /// Refuses answers that are none.
    ///
    /// # Errors
    /// By status and body, see the module.
    pub(super) fn inspect(&self, answer: &Answer) -> Result<(), Failure> {
        let (host, object) = (self.host, self.object);
        if answer.status == 200 && !answer.is_html() {
            return Ok(());
        }
        let body = ServiceError::of(answer);
        let words = body.words().map(|words| quote(&words, self.secrets)).filter(|words| !words.is_empty());
        let said = match (&words, answer.page_title()) {
            (Some(words), _) => format!(": «{words}»"),
            (None, Some(title)) if answer.is_html() => format!(" with a web page «{}»", quote(&title, self.secrets)),
            _ => String::new(),
        };
        if body.is_dead_token() {
            return Err(self.refused(said));
        }
        if body.is_expired() {
            return Err(Failure::Expired);
        }
        let failed = match answer.status {
            200 => {
                Error::later(format!("{host} answered{said} in place of JSON: is a proxy or log-in page in between?"))
            }
            444 => return Err(self.refused(said)),
            401 | 403 if answer.is_html() && !self.token => Error::stop(format!(
                "{host} refused {object} with {}{said}: a proxy or firewall in front of the AIS Server does not let this \
                 client through; ask for it to be allowed",
                answer.status
            )),
            401 | 403 => return Err(self.refused(said)),
            404 => Error::stop(format!(
                "{host} has nothing there for {object}{said}: `url` must end with the context root of the AIS Server, \
                 usually /jderest, and `api: v2` needs Tools release 9.2.1.2"
            )),
            405 => Error::stop(format!(
                "{host} does not allow {object}{said}: the administrator has to add the AIS Server to the Allowed Hosts of the \
                 HTML Server"
            )),
            415 => Error::stop(format!(
                "{host} does not take JSON for {object}{said}: is something in between changing requests?"
            )),
            445 | 446 => Error::stop(format!(
                "{host} wants single sign-on{said}, which it is not set up for: ask the administrator"
            )),
            429 | 503 => busy(answer, format!("{host} is busy ({}){said}", answer.status)),
            502 | 504 => Error::later(format!("the server behind {host} does not answer ({}){said}", answer.status)),
            300..=399 => Error::stop(format!(
                "{host} redirects {object} ({}): name the final address as `url`; redirects are not followed with credentials",
                answer.status
            )),
            500 if words.as_deref().is_some_and(is_lasting) => Error::stop(format!(
                "{host} cannot answer for {object}{said}: check that table, columns and `date_literal` are right and that the \
                 user may see them"
            )),
            400..=499 => Error::stop(format!("{host} refused the request for {object} ({}){said}", answer.status)),
            status => Error::later(format!("{host} failed to answer for {object} ({status}){said}")),
        };
        Err(failed.into())
    }

    /// What the errors inside a 200 mean.
    pub(super) fn reported(&self, words: &str) -> Failure {
        let said = quote(words, self.secrets);
        if says_dead_token(words) {
            return self.refused(format!(": «{said}»"));
        }
        if words.contains(EXPIRED) {
            return Failure::Expired;
        }
        let message = format!("the answer for {} reports errors: «{said}»", self.object);
        Failure::Failed(if is_lasting(words) { Error::stop(message) } else { Error::later(message) })
    }

    fn refused(&self, said: String) -> Failure {
        if self.token {
            return Failure::DeadToken(said);
        }
        Failure::Failed(Error::refused_credentials(format!(
            "{} refused user or password{said}: set them right with `ml-connector secrets set`; it is not tried again, \
             because accounts lock",
            self.host
        )))
    }
}

fn busy(answer: &Answer, words: String) -> Error {
    match answer.retry_after {
        Some(wait) => Error::later_after(wait, words),
        None => Error::later(words),
    }
}

/// Turns the errors inside a 200 into one.
///
/// # Errors
/// When there are any.
pub(super) fn report(problems: &[Problem]) -> Result<(), Failure> {
    if problems.is_empty() {
        return Ok(());
    }
    let words: Vec<_> = problems.iter().map(|problem| problem.0.as_str()).collect();
    Err(Failure::Reported(words.join("; ")))
}

/// The message number of a result set that is gone.
const EXPIRED: &str = "JAS_MSG347";

fn says_dead_token(words: &str) -> bool {
    words.contains("Token Invalid") || words.contains("LoginException")
}

/// Whether trying again cannot help: the words are about what was asked and not about how the server is.
fn is_lasting(words: &str) -> bool {
    const LASTING: [&str; 12] = [
        "not exist",
        "not found",
        "unknown",
        "invalid",
        "not part of",
        "not authorized",
        "no such",
        "not defined",
        "not valid",
        "not supported",
        "security",
        "is no ",
    ];
    const PASSING: [&str; 6] = ["timed out", "timeout", "time out", "connection", "unavailable", "temporarily"];
    let words = words.to_lowercase();
    LASTING.iter().any(|lasting| words.contains(lasting)) && !PASSING.iter().any(|passing| words.contains(passing))
}

impl ServiceError {
    fn of(answer: &Answer) -> Self {
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    fn words(&self) -> Option<String> {
        let texts = [&self.message, &self.error_text, &self.user_text];
        let mut texts: Vec<_> = texts.into_iter().flatten().map(|text| text.trim().to_owned()).collect();
        texts.extend(self.sys_errors.0.iter().map(|problem| problem.0.clone()));
        texts.retain(|text| !text.is_empty());
        texts.dedup();
        (!texts.is_empty()).then(|| texts.join("; "))
    }

    fn is_dead_token(&self) -> bool {
        let exception = self.exception.as_deref().is_some_and(says_dead_token);
        exception || self.words().is_some_and(|words| says_dead_token(&words))
    }

    fn is_expired(&self) -> bool {
        self.words().is_some_and(|words| words.contains(EXPIRED))
    }
}
