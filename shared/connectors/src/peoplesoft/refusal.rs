//! What a refused call means. The same failure comes as 200, 4xx or 500, in XML, JSON, HTML or without a body, depending
//! on the PeopleTools release: the words are looked at as much as the status.
//!
//! Invariant: whatever is quoted from an answer is shortened and cleaned of secrets first.

mod write;

use engine::Error;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decode::Notice;
use super::settings::PeopleSoftSettings;
use crate::http::{Answer, quote};

pub(super) use write::{Looked, Told};

/// By which words and statuses a refusal is told. A number is an HTTP status, anything else is looked for in the words of
/// the answer, without regard to case. The first list that matches counts, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RefusalSettings {
    /// User or password are wrong: it is not tried again, because accounts lock.
    #[schemars(example = ["401", "(158,45)", "password failed"])]
    pub credentials: Vec<String>,
    /// It passes by itself.
    #[schemars(example = ["503", "timed out"])]
    pub passing: Vec<String>,
    /// Something has to be set right by an administrator.
    #[schemars(example = ["404", "not active", "routing"])]
    pub lasting: Vec<String>,
}

impl Default for RefusalSettings {
    fn default() -> Self {
        let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            credentials: list(&["401", "(158,45)", "password failed"]),
            passing: list(&[
                "408",
                "429",
                "502",
                "503",
                "504",
                "timed out",
                "timeout",
                "time-out",
                "temporarily",
                "not reachable",
                "unavailable",
                "domain is down",
                "connection",
            ]),
            lasting: list(&[
                "400",
                "403",
                "404",
                "405",
                "not authorized",
                "not authorised",
                "not active",
                "inactive",
                "routing",
                "node",
                "does not exist",
                "not exist",
                "no access",
                "not have access",
                "access group",
                "not found",
                "no matching",
                "invalid",
                "prompt",
                "security",
            ]),
        }
    }
}

impl RefusalSettings {
    /// Whether a text tells of wrong credentials in words, without regard to a status.
    pub(super) fn tell_credentials(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let is_word = |entry: &&String| entry.parse::<u16>().is_err();
        self.credentials.iter().filter(is_word).any(|entry| is_met(entry, 0, &text))
    }
}

/// Why a call did not bring what was asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// The token is no longer valid: have another, once.
    DeadToken(String),
    /// The answer itself reports errors, in PeopleSoft's words, not yet cleaned.
    Reported(String),
    /// The answer is no rows: this, unless its words tell of credentials.
    NoRows(Error),
    /// Anything else.
    Failed(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What an answer is, by its first look.
#[derive(Debug, PartialEq, Eq)]
enum Body {
    /// JSON, or XML that says nothing of a failure.
    Content,
    /// A web page.
    Page,
    /// XML that says that something failed, or JSON of a refused call: its words.
    Notice(String),
    /// Nothing.
    Empty,
    /// Anything else.
    Text(String),
}

/// The circumstances of a call.
pub(super) struct Circumstances<'a> {
    /// Who was called, for messages.
    pub(super) host: &'a str,
    /// What was asked for, for messages: a query, an operation.
    pub(super) what: &'a str,
    /// The operation by its alias and version.
    pub(super) operation: &'a str,
    pub(super) settings: &'a PeopleSoftSettings,
    /// Whether it used a token, so that a refusal can mean that the token is dead.
    pub(super) bearer: bool,
    /// Whether the same user was let in before.
    pub(super) accepted: bool,
    /// What must not be quoted.
    pub(super) secrets: &'a [&'a str],
}

impl Circumstances<'_> {
    /// Refuses answers that are none.
    ///
    /// # Errors
    /// By status and body, see the module.
    pub(super) fn inspect(&self, answer: &Answer) -> Result<(), Failure> {
        let body = Body::of(answer);
        if (200..300).contains(&answer.status) && body == Body::Content {
            return Ok(());
        }
        let (words, said) = match &body {
            Body::Notice(words) => (words.clone(), format!(": «{}»", quote(words, self.secrets))),
            Body::Text(text) => (String::new(), format!(" with «{}»", quote(text, self.secrets))),
            Body::Page => {
                let title = answer.page_title().unwrap_or_default();
                (title.clone(), format!(" with a web page «{}»", quote(&title, self.secrets)))
            }
            Body::Content | Body::Empty => (String::new(), String::new()),
        };
        Err(self.judge(answer, &body, &words, &said))
    }

    /// What the failure inside of a 200 means.
    pub(super) fn reported(&self, answer: &Answer, words: &str) -> Failure {
        let said = format!(": «{}»", quote(words, self.secrets));
        self.by_words(answer, words, &said)
            .unwrap_or_else(|| Error::later(format!("{} reports that {} failed{said}", self.host, self.what)).into())
    }

    /// What a 200 means that is no rows; this error, unless its words tell of credentials.
    pub(super) fn without_rows(&self, answer: &Answer, error: Error) -> Failure {
        let said = format!(": «{}»", quote(&String::from_utf8_lossy(&answer.body), self.secrets));
        self.by_words(answer, "", &said).unwrap_or_else(|| error.into())
    }

    fn judge(&self, answer: &Answer, body: &Body, words: &str, said: &str) -> Failure {
        let (host, what, status) = (self.host, self.what, answer.status);
        if let Some(failure) = self.by_words(answer, words, said) {
            return match (failure, answer.retry_after) {
                (Failure::Failed(error), Some(wait)) if error.is_later() => {
                    Error::later_after(wait, error.to_string()).into()
                }
                (failure, _) => failure,
            };
        }
        let error = match status {
            200..=299 if *body == Body::Empty => Error::later(format!("{host} answered {what} with nothing at all")),
            200..=299 if *body == Body::Page => {
                Error::later(format!("{host} answered {what}{said}: is a proxy or log-in page in between?"))
            }
            200..=299 => Error::later(format!("{host} answered {what}{said} in place of rows")),
            300..=399 => Error::stop(format!(
                "{host} redirects {what} ({status}): name the final address as `url`; redirects are not followed with credentials"
            )),
            400..=499 => Error::stop(format!("{host} refused {what} ({status}){said}")),
            _ => Error::later(format!("{host} failed to answer {what} ({status}){said}: is the domain being started?")),
        };
        error.into()
    }

    /// By the lists of the settings.
    fn by_words(&self, answer: &Answer, words: &str, said: &str) -> Option<Failure> {
        let (host, what, status, lists) = (self.host, self.what, answer.status, &self.settings.refusals);
        let words = words.to_lowercase();
        let is_in = |list: &[String]| list.iter().any(|entry| is_met(entry, status, &words));
        // Every further try brings the account nearer to its lock: these words count wherever in the body they stand.
        let is_told = lists.tell_credentials(&words) || lists.tell_credentials(&String::from_utf8_lossy(&answer.body));
        if is_told || is_in(&lists.credentials) {
            return Some(self.credentials(status, &words, is_told, said));
        }
        if is_in(&lists.passing) {
            return Some(Error::later(format!("{host} cannot answer {what} now ({status}){said}")).into());
        }
        if is_in(&lists.lasting) {
            let hint = self.hint(status, &words);
            return Some(Error::stop(format!("{host} refused {what} ({status}){said}: {hint}")).into());
        }
        None
    }

    /// Refused credentials, or a lack of rights that is told by the same status. Where words told it, it is a wrong
    /// password: it may have been changed since the user was let in.
    fn credentials(&self, status: u16, words: &str, is_told: bool, said: &str) -> Failure {
        let (host, what) = (self.host, self.what);
        if self.bearer {
            return Failure::DeadToken(format!(" ({status}){said}"));
        }
        let rights = match self.accepted {
            _ if is_told => None,
            true => Some("the same user was let in before, so this is about rights"),
            // The newest releases answer with 401 to whoever is known and may not.
            false => words.contains("not authori").then_some("the user is known, and this is about rights"),
        };
        if let Some(why) = rights {
            let operation = self.operation;
            return Error::stop(format!(
                "{host} refused {what} ({status}){said}; {why}: a permission list of the user has to grant the service operation \
                 behind {operation}"
            ))
            .into();
        }
        Error::refused_credentials(format!(
            "{host} refused the user or its password for {what} ({status}){said}: set them right with `ml-connector secrets \
             set`, and check that the service operation wants HTTP Basic (Req Verification) and is granted to the user; it is \
             not tried again, because accounts lock"
        ))
        .into()
    }

    /// The administrator's step that is likely missing.
    fn hint(&self, status: u16, words: &str) -> String {
        let (node, operation) = (&self.settings.node, self.operation);
        let has = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
        if has(&["not active", "inactive"]) {
            return format!(
                "the administrator has to activate the service operation behind {operation}, its version and its handler"
            );
        }
        if has(&["routing"]) {
            return format!("the service operation behind {operation} needs an active any-to-local routing");
        }
        if has(&["query", "access group", "not have access", "no access"]) || words.contains("prompt") {
            return "create the query as `ml-connector peoplesoft queries` prints it, with all its prompts, as a public one, and \
                    give a permission list of the user the query access groups that hold its records"
                .to_owned();
        }
        if has(&["node"]) {
            return format!(
                "`node: {node}` has to be the default local node of this database, which a refresh may rename"
            );
        }
        if status == 403 || has(&["not authori", "security"]) {
            return format!("a permission list of the user has to grant the service operation behind {operation}");
        }
        if matches!(status, 400 | 405) || has(&["no matching", "invalid"]) {
            return format!(
                "no URI template of {operation} fits: is it the delivered operation, in the version that is named?"
            );
        }
        format!(
            "either the service operation behind {operation} is not active or has no routing, or `node: {node}` is not the \
             default local node, or `url` does not end with /PSIGW/RESTListeningConnector"
        )
    }
}

/// Whether an entry of a list is this status, or in these words.
fn is_met(entry: &str, status: u16, words: &str) -> bool {
    match entry.parse::<u16>() {
        Ok(number) => number == status,
        Err(_) => !entry.is_empty() && words.contains(&entry.to_lowercase()),
    }
}

impl Body {
    fn of(answer: &Answer) -> Self {
        let is_good = (200..300).contains(&answer.status);
        // Pages are long, and nearly all of them are told by their first character.
        if is_good && matches!(answer.body.trim_ascii_start().first(), Some(b'{' | b'[')) {
            return Self::Content;
        }
        let text = String::from_utf8_lossy(&answer.body);
        let text = text.trim_start_matches('\u{feff}').trim();
        match text.bytes().next() {
            None => Self::Empty,
            Some(b'{' | b'[') if is_good => Self::Content,
            Some(b'{' | b'[') => Self::Notice(json_words(text)),
            Some(b'<') => match Notice::read(text) {
                None => Self::Page,
                Some(notice) if is_good && !notice.is_failure && !notice.is_response => Self::Content,
                Some(notice) => Self::Notice(notice.words),
            },
            Some(_) => Self::Text(text.to_owned()),
        }
    }
}

/// The words of a refusal in JSON, whatever its members are called.
fn json_words(text: &str) -> String {
    fn collect(value: &serde_json::Value, words: &mut Vec<String>) {
        match value {
            serde_json::Value::String(text) if !text.trim().is_empty() => words.push(text.trim().to_owned()),
            serde_json::Value::Array(list) => list.iter().for_each(|value| collect(value, words)),
            serde_json::Value::Object(members) => members.values().for_each(|value| collect(value, words)),
            _ => {}
        }
    }
    let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else { return text.to_owned() };
    let mut words = Vec::new();
    collect(&value, &mut words);
    words.join("; ")
}
