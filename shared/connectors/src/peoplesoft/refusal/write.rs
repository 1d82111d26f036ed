//! What the answer to a write means, which is another question than with a read: not whether to ask again, but whether the
//! record may have been written.
//!
//! The handler of an operation sets 2xx and 4xx and no 5xx; up to PeopleTools 8.58 a component that refuses a record answers
//! with 200. What the Integration Broker says before any handler ran is told by its words, never by message numbers, which
//! differ between releases.

use engine::Error;
use serde_json::Value;

use super::{Circumstances, Failure};
use crate::http::{Answer, quote};
use crate::peoplesoft::decode::Notice;
use crate::peoplesoft::write_settings::SuccessSettings;

/// Words of the Integration Broker about an operation that it did not call.
const OF_THE_BROKER: &[&str] = &["service operation", "routing", "uri template", "not authori"];

/// Further ones, where the status says already that nothing was called.
const OF_A_REFUSAL: &[&str] = &["not active", "inactive", "node", "no matching", "security"];

/// Statuses with which a server turns a call away before it looks at it.
const TURNED_AWAY: &[u16] = &[408, 425, 429, 503];

/// Where an answer says what became of a record.
pub(in crate::peoplesoft) struct Told<'t> {
    pub(in crate::peoplesoft) success: &'t SuccessSettings,
    /// JSON pointer to why it was refused.
    pub(in crate::peoplesoft) message: &'t str,
    /// JSON pointer to the record's id.
    pub(in crate::peoplesoft) id: &'t str,
}

/// What a call without a record found.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::peoplesoft) enum Looked {
    /// The operation is there and active, and the user may call it.
    There,
    /// The answer does not tell: this is what it says.
    Unclear(String),
}

/// An answer, taken apart.
struct Read {
    kind: Kind,
    json: Value,
    /// What it says, in its own words, not yet cleaned.
    words: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    /// XML that reports no failure; the flag says whether it is the broker's own.
    Good(bool),
    /// XML that reports a failure.
    Failure,
    Empty,
    /// A web page, or text.
    Other,
}

impl Circumstances<'_> {
    /// What became of the record that was sent. The id is the one that the answer tells.
    ///
    /// # Errors
    /// Reject when PeopleSoft refuses the record, Unknown when it may have been written, Later when it was turned away, Stop
    /// when somebody has to act.
    pub(in crate::peoplesoft) fn written(&self, answer: &Answer, told: &Told<'_>) -> Result<Option<String>, Failure> {
        let read = Read::of(answer, told.message);
        if let (200..=299, Some(true)) = (answer.status, read.is_success(told.success)) {
            return Ok(text_at(&read.json, told.id));
        }
        let said = self.said(&read.words);
        self.turned_back(answer, &read, &said)?;
        let (host, what, status) = (self.host, self.what, answer.status);
        let refused = || Error::reject(format!("PeopleSoft refused {what}{said}"));
        Err(match status {
            200..=299 => match read.kind {
                Kind::Json if text_at(&read.json, &told.success.pointer).is_some() => refused(),
                Kind::Failure if self.is_passing(&read.words) => self.unknown(status, &said),
                Kind::Failure => refused(),
                Kind::Json => Error::unknown(format!(
                    "the answer to {what}{said} has nothing at {}, where `success` of the connection's `writes` looks: whether it \
                     was written is found out by reading it back",
                    told.success.pointer
                )),
                Kind::Good(_) | Kind::Empty | Kind::Other => self.unknown(status, &said),
            },
            300..=399 => Error::stop(format!(
                "{host} redirects {what} ({status}): name the final address as `url`; redirects are not followed with credentials"
            )),
            _ if TURNED_AWAY.contains(&status) => {
                let words = format!("{host} cannot take {what} now ({status}){said}");
                answer.retry_after.map_or_else(|| Error::later(&words), |wait| Error::later_after(wait, &words))
            }
            409 | 422 => refused(),
            400..=499 if matches!(read.kind, Kind::Json | Kind::Failure) && status != 405 => refused(),
            400..=499 => self.stopped(status, &read.words, &said),
            _ => self.unknown(status, &said),
        }
        .into())
    }

    /// Whether the operation can be called, as far as a call without a record tells.
    ///
    /// # Errors
    /// Stop when it cannot be, with the administrator's step; Later for what passes by itself.
    pub(in crate::peoplesoft) fn looked(&self, answer: &Answer) -> Result<Looked, Failure> {
        let read = Read::of(answer, "/message");
        let said = self.said(&read.words);
        let (status, words) = (answer.status, read.words.to_lowercase());
        // The broker has found the operation, the user may call it, and only the method is another one.
        let is_about_the_call =
            status == 405 || ["method", "uri template", "no matching"].iter().any(|word| words.contains(word));
        let is_good = (200..300).contains(&status) && matches!(read.kind, Kind::Json | Kind::Good(_));
        if is_good || (is_about_the_call && !matches!(status, 401 | 403)) {
            return Ok(Looked::There);
        }
        self.turned_back(answer, &read, &said)?;
        match status {
            _ if TURNED_AWAY.contains(&status) || status >= 500 => {
                Err(Error::later(format!("{} cannot answer {} now ({status}){said}", self.host, self.what)).into())
            }
            400 if read.kind == Kind::Json => Ok(Looked::There),
            _ => Ok(Looked::Unclear(format!("{} answers with {status}{said}", self.host))),
        }
    }

    /// What neither the operation nor the record is to blame for: credentials, rights, and what is not switched on.
    fn turned_back(&self, answer: &Answer, read: &Read, said: &str) -> Result<(), Failure> {
        let (status, words, lists) = (answer.status, read.words.to_lowercase(), &self.settings.refusals);
        let is_good = (200..300).contains(&status);
        // Every further try brings the account nearer to its lock: these words count wherever in the body they stand.
        let is_told = lists.tell_credentials(&words) || lists.tell_credentials(&String::from_utf8_lossy(&answer.body));
        let is_status = lists.credentials.iter().any(|entry| entry.parse() == Ok(status));
        if is_told || (is_status && !is_good) {
            return Err(self.credentials(status, &words, is_told, said));
        }
        let has = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
        let is_of_broker = read.kind == Kind::Failure && (has(OF_THE_BROKER) || (!is_good && has(OF_A_REFUSAL)));
        if status == 403 || is_of_broker {
            return Err(self.stopped(status, &read.words, said).into());
        }
        Ok(())
    }

    fn stopped(&self, status: u16, words: &str, said: &str) -> Error {
        let hint = self.hint(status, &words.to_lowercase());
        Error::stop(format!("{} does not take {} ({status}){said}: {hint}", self.host, self.what))
    }

    fn unknown(&self, status: u16, said: &str) -> Error {
        Error::unknown(format!(
            "{} answered {} with {status}{said}: whether it was written is found out by reading it back",
            self.host, self.what
        ))
    }

    fn is_passing(&self, words: &str) -> bool {
        let words = words.to_lowercase();
        let is_word = |entry: &&String| entry.parse::<u16>().is_err() && !entry.is_empty();
        self.settings.refusals.passing.iter().filter(is_word).any(|entry| words.contains(&entry.to_lowercase()))
    }

    fn said(&self, words: &str) -> String {
        if words.trim().is_empty() { String::new() } else { format!(": «{}»", quote(words, self.secrets)) }
    }
}

impl Read {
    fn of(answer: &Answer, message: &str) -> Self {
        let text = String::from_utf8_lossy(&answer.body);
        let text = text.trim_start_matches('\u{feff}').trim();
        let plain = |kind, words: &str| Self { kind, json: Value::Null, words: words.to_owned() };
        match text.bytes().next() {
            None => plain(Kind::Empty, ""),
            Some(b'{' | b'[') => {
                // Raw control characters of long texts are no JSON.
                let json = serde_json::from_str(&text.replace(|c: char| c.is_ascii_control(), " "));
                match json {
                    Ok(json) => {
                        let words = text_at(&json, message).unwrap_or_else(|| super::json_words(text));
                        Self { kind: Kind::Json, json, words }
                    }
                    Err(_) => plain(Kind::Other, text),
                }
            }
            Some(b'<') => match Notice::read(text) {
                Some(notice) if notice.is_failure => plain(Kind::Failure, &notice.words),
                Some(notice) => plain(Kind::Good(notice.is_response), &notice.words),
                None => plain(Kind::Other, &answer.page_title().unwrap_or_default()),
            },
            Some(_) => plain(Kind::Other, text),
        }
    }

    /// Whether it says that the record was written; nothing where it does not say.
    fn is_success(&self, success: &SuccessSettings) -> Option<bool> {
        match self.kind {
            // The broker's own: what it was given is received.
            Kind::Good(true) => Some(true),
            Kind::Json | Kind::Good(false) | Kind::Empty if success.values.is_empty() => Some(true),
            Kind::Json => {
                let said = text_at(&self.json, &success.pointer)?;
                Some(success.values.iter().any(|value| value.eq_ignore_ascii_case(said.trim())))
            }
            Kind::Good(false) | Kind::Failure | Kind::Empty | Kind::Other => None,
        }
    }
}

/// What stands at a JSON pointer, as text; nothing for null, an empty text, and what is no single value.
fn text_at(json: &Value, pointer: &str) -> Option<String> {
    let text = match json.pointer(pointer)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(is) => is.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.trim().is_empty()).then_some(text)
}
