//! What a refused call means: Looker's statuses and bodies, and what has to be done about each.
//!
//! Invariant: whatever is quoted from an answer is shortened and cleaned of secrets first.

use engine::{Error, Result};
use serde::Deserialize;

use crate::http::{Answer, quote};

/// Why a call did not bring what was asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// 404: nothing of that name is there, or it may not be seen.
    Missing(Error),
    /// 422: fields of the request are refused.
    Invalid {
        /// Which, in Looker's words.
        fields: Vec<String>,
        /// In words.
        error: Error,
    },
    /// Anything else.
    Failed(Error),
}

impl Failure {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Missing(error) | Self::Failed(error) | Self::Invalid { error, .. } => error,
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

/// `Error` and `ValidationError` of API 4.0; every member may be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    message: Option<String>,
    errors: Option<Vec<Detail>>,
}

/// One refused field.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    field: Option<String>,
    code: Option<String>,
    message: Option<String>,
}

impl Detail {
    fn words(&self) -> String {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let place = filled(&self.field).map(|field| format!("`{field}`"));
        let code = filled(&self.code).map(|code| format!("({code})"));
        let words: Vec<_> = [place, code, filled(&self.message)].into_iter().flatten().collect();
        words.join(" ")
    }
}

/// The circumstances of a call.
pub(super) struct Call<'a> {
    /// Who was called, for messages.
    pub(super) host: &'a str,
    /// What was asked for, for messages, such as "the explore `erp::ap_invoices`".
    pub(super) what: &'a str,
    /// The permissions that it needs, for messages.
    pub(super) needs: &'a str,
    /// Whether it must not take effect twice.
    pub(super) once: bool,
    /// What must not be quoted.
    pub(super) secrets: &'a [&'a str],
}

impl Call<'_> {
    /// Refuses answers that are none.
    ///
    /// # Errors
    /// By status and body: Later for 429 and for 5xx of calls that may be repeated, Unknown for 5xx and unreadable answers of
    /// those that may not, Stop for the rest.
    pub(super) fn inspect(&self, answer: &Answer) -> Result<(), Failure> {
        let (host, what, status) = (self.host, self.what, answer.status);
        if (200..=299).contains(&status) && !answer.is_html() {
            return Ok(());
        }
        let said = self.said(answer);
        let failed = match status {
            200..=299 => self.unclear(format!(
                "{host} answered {what}{said} in place of JSON: is `url` the address of the API, is a proxy in between?"
            )),
            300..=399 => Error::stop(format!(
                "{host} redirects {what} ({status}): name the final address as `url`; redirects are not followed with credentials"
            )),
            401 | 403 | 404 if answer.is_html() => Error::stop(format!(
                "{host} refused {what} ({status}){said}: that is no answer of the API; check `url` and `api_path`, and whether a \
                 proxy or firewall in front lets this client through"
            )),
            403 => Error::stop(format!("{host} refused {what} (403){said}{}", self.permission())),
            404 => {
                let words = "it does not exist, or the API user may not see it, which Looker does not tell apart";
                return Err(Failure::Missing(Error::stop(format!(
                    "{host} does not find {what} (404){said}: {words}{}",
                    self.permission()
                ))));
            }
            422 => {
                let body = ErrorBody::of(answer);
                let fields = body.errors.into_iter().flatten().filter_map(|detail| detail.field).collect();
                let words = format!("{host} does not take {what} (422){said}: mend what it names and try again");
                return Err(Failure::Invalid { fields, error: Error::stop(words) });
            }
            429 => later(answer, format!("{host} is asked too often (429){said}")),
            503 if !self.once => later(answer, format!("{host} is not available for {what} (503){said}")),
            504 => self.unclear(format!("{host} did not finish {what} in its time (504){said}")),
            400..=499 => Error::stop(format!("{host} refused {what} ({status}){said}")),
            _ => self.unclear(format!("{host} failed at {what} ({status}){said}")),
        };
        Err(failed.into())
    }

    /// An answer from which nobody can tell whether the call took effect.
    pub(super) fn unclear(&self, words: String) -> Error {
        match self.once {
            true => Error::unknown(words),
            false => Error::later(words),
        }
    }

    /// What the other side said, in quotes, or nothing.
    pub(super) fn said(&self, answer: &Answer) -> String {
        if answer.is_html() {
            let title = answer.page_title().map(|title| format!(" «{}»", quote(&title, self.secrets)));
            return format!(" with a web page{}", title.unwrap_or_default());
        }
        let words = quote(&ErrorBody::of(answer).words(answer), self.secrets);
        if words.is_empty() { words } else { format!(": «{words}»") }
    }

    fn permission(&self) -> String {
        match self.needs {
            "" => String::new(),
            needs => format!("; an administrator gives a role of the API user {needs}"),
        }
    }
}

impl ErrorBody {
    fn of(answer: &Answer) -> Self {
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    fn words(&self, answer: &Answer) -> String {
        let message = self.message.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let details = self.errors.iter().flatten().map(Detail::words).filter(|words| !words.is_empty());
        let words: Vec<_> = message.map(str::to_owned).into_iter().chain(details).collect();
        match words.is_empty() {
            true if self.errors.is_none() => String::from_utf8_lossy(&answer.body).trim().to_owned(),
            _ => words.join("; "),
        }
    }
}

/// What an answer says that has not the shape it should have. Nothing of it is quoted: it may be anything.
pub(super) fn damaged(call: &Call<'_>, error: &serde_json::Error) -> Error {
    let (line, column) = (error.line(), error.column());
    if error.is_eof() {
        return call.unclear(format!("the answer of {} for {} was cut short", call.host, call.what));
    }
    call.unclear(format!(
        "the answer of {} for {} is not what API 4.0 gives, at line {line}, column {column}: is `url` the address of the API?",
        call.host, call.what
    ))
}

fn later(answer: &Answer, words: String) -> Error {
    match answer.retry_after {
        Some(wait) => Error::later_after(wait, words),
        None => Error::later(words),
    }
}

/// Whether words of a failed query are about how the database is and not about what was asked.
pub(super) fn is_passing(words: &str) -> bool {
    const PASSING: [&str; 9] = [
        "timed out",
        "timeout",
        "time out",
        "connection",
        "unavailable",
        "temporarily",
        "too many clients",
        "killed",
        "shutting down",
    ];
    let words = words.to_lowercase();
    PASSING.iter().any(|passing| words.contains(passing))
}
