//! Running SQL: starting a statement, asking for it, its rows, and finding one whose reply was lost.
//!
//! Databricks has no key by which it would know a statement that is sent twice. So whatever is sent here may be repeated,
//! each attempt carries a mark of its own in a comment, and a lost reply is settled by looking for that mark in the history
//! of queries before anything is sent again. A statement that fails does so inside of a 200.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use engine::{Error, Kind};
use serde::{Deserialize, Serialize};

use super::client::{Ask, Client};
use super::refusal::{Failure, StatementError};
use crate::http::Method;

const STATEMENTS: &str = "api/2.0/sql/statements";
const HISTORY: &str = "api/2.0/sql/history/queries";

/// Statements may be this long in all (16 MiB), less what surrounds them.
const MOST_BYTES: usize = (16 << 20) - (64 << 10);

/// How far the clock of the workspace may be from ours.
const SKEW_MS: i64 = 10 * 60_000;

/// Pages of the history that are looked through.
const HISTORY_PAGES: usize = 3;

/// What a statement belongs to: it is found by this in the history, by us and by administrators.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// The run, or what else asked for it.
    pub(super) run: String,
    /// The sync.
    pub(super) sync: String,
    /// The batch, or the step of the run.
    pub(super) step: String,
}

impl Origin {
    /// What the comment before a statement begins with, whichever attempt it is.
    fn mark(&self) -> String {
        // A comment must not end early.
        let clean = |text: &str| text.replace("*/", "* /");
        format!("/* ml-connector run={} sync={} step={} ", clean(&self.run), clean(&self.sync), clean(&self.step))
    }
}

/// A named parameter of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Parameter {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl Parameter {
    /// A text.
    pub(super) fn text(name: &str, value: impl Into<String>) -> Self {
        Self { name: name.to_owned(), value: Some(value.into()), kind: "STRING" }
    }

    /// A whole number.
    pub(super) fn integer(name: &str, value: impl Into<i64>) -> Self {
        Self { name: name.to_owned(), value: Some(value.into().to_string()), kind: "BIGINT" }
    }
}

/// A statement that may be sent twice.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    /// What it does, for messages.
    pub(super) what: String,
    /// Its text.
    pub(super) sql: String,
    /// What stands for `:name` in it.
    pub(super) parameters: Vec<Parameter>,
    /// What it belongs to.
    pub(super) origin: Origin,
}

/// What to do with a statement that does not end while it is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnWait {
    /// It goes on and is asked for again.
    Continue,
    /// It is given up.
    Cancel,
}

/// Rows as text, which is how all of them come; null is `None`.
pub(super) type Table = Vec<Vec<Option<String>>>;

/// How a statement stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is done.
    Finished(Table),
    /// It is done, and its rows cannot be had any more.
    Closed,
    /// It waits for the warehouse or runs, by this id.
    UnderWay(String),
    /// It was cancelled: it had no effect.
    Cancelled,
    /// The workspace knows nothing of it.
    Forgotten,
}

#[derive(Serialize)]
struct Execute<'a> {
    statement: &'a str,
    warehouse_id: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    parameters: &'a [Parameter],
    wait_timeout: String,
    on_wait_timeout: &'static str,
    disposition: &'static str,
    format: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    query_tags: Vec<Tag<'a>>,
}

#[derive(Serialize)]
struct Tag<'a> {
    key: &'static str,
    value: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    statement_id: String,
    status: Status,
    manifest: Option<Manifest>,
    result: Option<Chunk>,
}

#[derive(Deserialize)]
struct Status {
    state: String,
    error: Option<StatementError>,
    sql_state: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Manifest {
    total_row_count: Option<u64>,
    truncated: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Chunk {
    data_array: Option<Table>,
    next_chunk_index: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct History {
    res: Vec<Past>,
    next_page_token: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Past {
    query_id: String,
    status: String,
    query_text: String,
}

impl Client {
    /// Starts a statement and waits a while for its end.
    ///
    /// # Errors
    /// As [`Client::ask`], and what a failed statement means.
    pub(super) async fn start(&self, statement: &Statement, on_wait: OnWait) -> Result<State, Failure> {
        for _ in 0..2 {
            let attempt = format!("{}at={} */", statement.origin.mark(), self.attempt());
            match self.execute(statement, &attempt, on_wait).await {
                Err(Failure::Failed(error)) if error.kind() == Kind::Unknown => {
                    // The reply is lost, the statement may run: find it, or be sure that it was never there.
                    if let Some(id) = self.find_quietly(&attempt, |_| true).await {
                        return self.look(&id, &statement.what).await;
                    }
                }
                state => return state,
            }
        }
        Err(Error::later(format!(
            "{} gave no answer to {}, and its history knows nothing of it",
            self.http.host(),
            statement.what
        ))
        .into())
    }

    async fn execute(&self, statement: &Statement, attempt: &str, on_wait: OnWait) -> Result<State, Failure> {
        let text = format!("{attempt} {}", statement.sql);
        let given: usize = statement.parameters.iter().filter_map(|p| p.value.as_ref()).map(String::len).sum();
        if text.len() + given > MOST_BYTES {
            return Err(Error::stop(format!(
                "{} needs a statement of {} bytes, and Databricks takes 16 MiB: too many records are held or asked for at once",
                statement.what,
                text.len() + given
            ))
            .into());
        }
        let Origin { run, sync, step } = &statement.origin;
        let tags = [("run", run), ("sync", sync), ("batch", step)];
        let body = Execute {
            statement: &text,
            warehouse_id: &self.settings.warehouse,
            parameters: &statement.parameters,
            wait_timeout: format!("{}s", self.settings.wait.0.as_secs()),
            on_wait_timeout: match on_wait {
                OnWait::Continue => "CONTINUE",
                OnWait::Cancel => "CANCEL",
            },
            disposition: "INLINE",
            format: "JSON_ARRAY",
            query_tags: match self.settings.query_tags {
                true => tags.into_iter().map(|(key, value)| Tag { key, value }).collect(),
                false => Vec::new(),
            },
        };
        let ask = Ask::new(Method::POST, &[STATEMENTS], &statement.what).json(&body)?;
        let answer: Answer = self.ask_once(&ask).await?;
        self.state_of(answer, &statement.what).await
    }

    /// How a statement stands that was started before.
    ///
    /// # Errors
    /// As [`Client::start`].
    pub(super) async fn look(&self, id: &str, what: &str) -> Result<State, Failure> {
        let ask = Ask::new(Method::GET, &[STATEMENTS, id], what);
        match self.ask::<Answer>(&ask).await {
            Ok(answer) => self.state_of(answer, what).await,
            Err(Failure::Missing(_)) => Ok(State::Forgotten),
            Err(failure) => Err(failure),
        }
    }

    async fn state_of(&self, answer: Answer, what: &str) -> Result<State, Failure> {
        match answer.status.state.as_str() {
            "SUCCEEDED" => self.rows(answer, what).await,
            "CLOSED" => Ok(State::Closed),
            "CANCELED" => Ok(State::Cancelled),
            "FAILED" => {
                let error = answer.status.error.unwrap_or_default();
                Err(self.failed(what, &error, answer.status.sql_state.as_deref()))
            }
            // PENDING, RUNNING, and what may be invented yet.
            _ => Ok(State::UnderWay(answer.statement_id)),
        }
    }

    async fn rows(&self, answer: Answer, what: &str) -> Result<State, Failure> {
        let manifest = answer.manifest.unwrap_or_default();
        if manifest.truncated {
            return Err(Error::stop(format!("{} cut the rows of {what} short", self.http.host())).into());
        }
        let first = answer.result.unwrap_or_default();
        let (mut rows, mut next) = (first.data_array.unwrap_or_default(), first.next_chunk_index);
        while let Some(index) = next {
            let ask =
                Ask::new(Method::GET, &[STATEMENTS, &answer.statement_id, "result/chunks", &index.to_string()], what);
            let chunk: Chunk = match self.ask(&ask).await {
                // Rows are kept for an hour.
                Err(Failure::Missing(_)) => return Ok(State::Closed),
                chunk => chunk?,
            };
            rows.extend(chunk.data_array.unwrap_or_default());
            next = chunk.next_chunk_index.filter(|next| *next > index);
        }
        match manifest.total_row_count {
            Some(expected) if expected != rows.len() as u64 => Err(Error::later(format!(
                "{} announced {expected} rows for {what} and sent {}",
                self.http.host(),
                rows.len()
            ))
            .into()),
            _ => Ok(State::Finished(rows)),
        }
    }

    /// Runs a statement to its end, however long the warehouse takes to start, as far as that is short enough to be waited
    /// for. One that goes on is found again by the next call.
    ///
    /// # Errors
    /// As [`Client::start`]; Later while it runs.
    pub(super) async fn run(&self, statement: &Statement) -> Result<Table, Failure> {
        let known = fingerprint(statement);
        let before = self.pending().remove(&known);
        let mut state = match before {
            Some(id) => self.look(&id, &statement.what).await?,
            None => self.start(statement, OnWait::Continue).await?,
        };
        let mut restarts = 0;
        for _ in 0..self.settings.asks {
            state = match state {
                State::Finished(rows) => return Ok(rows),
                State::UnderWay(id) => {
                    tokio::time::sleep(self.settings.ask_every.0).await;
                    self.look(&id, &statement.what).await?
                }
                State::Closed | State::Forgotten if restarts == 0 => {
                    restarts += 1;
                    self.start(statement, OnWait::Continue).await?
                }
                State::Closed | State::Forgotten | State::Cancelled => {
                    return Err(
                        Error::later(format!("{} was cancelled at {}", statement.what, self.http.host())).into()
                    );
                }
            };
        }
        match state {
            State::Finished(rows) => Ok(rows),
            State::UnderWay(id) => {
                self.pending().insert(known, id);
                Err(Error::later_after(
                    self.settings.ask_every.0.max(Duration::from_secs(5)),
                    format!(
                        "the SQL warehouse {} is still busy with {}, or starting",
                        self.settings.warehouse, statement.what
                    ),
                )
                .into())
            }
            _ => Err(Error::later(format!("{} did not end at {}", statement.what, self.http.host())).into()),
        }
    }

    /// Cancels a statement; that it was faster changes nothing.
    pub(super) async fn cancel(&self, id: &str) -> Result<(), Failure> {
        let ask = Ask::new(Method::POST, &[STATEMENTS, id, "cancel"], "the cancelling of a statement");
        self.tell(&ask.json(&serde_json::json!({}))?).await
    }

    /// The statement of this origin that is waiting or running, whoever started it.
    pub(super) async fn find_running(&self, origin: &Origin) -> Option<String> {
        let is_running = |status: &str| !matches!(status, "FINISHED" | "FAILED" | "CANCELED");
        self.find_quietly(&origin.mark(), is_running).await
    }

    /// As [`Client::find`]. That the history cannot be asked does no harm: the statement may be run twice.
    async fn find_quietly(&self, mark: &str, stands: impl Fn(&str) -> bool) -> Option<String> {
        match self.find(mark, stands).await {
            Ok(found) => found,
            Err(failure) => {
                tracing::debug!(reason = %failure.into_error(), "the history of queries cannot be asked");
                None
            }
        }
    }

    /// The newest statement that carries a mark and stands so.
    async fn find(&self, mark: &str, stands: impl Fn(&str) -> bool) -> Result<Option<String>, Failure> {
        let longest = i64::try_from(self.settings.statement_timeout.0.as_millis()).unwrap_or(i64::MAX / 2);
        let since = self.clock.now().timestamp_millis().saturating_sub(longest).saturating_sub(SKEW_MS);
        let mut page: Option<String> = None;
        for _ in 0..HISTORY_PAGES {
            let mut ask = Ask::new(Method::GET, &[HISTORY], "the history of queries")
                .with("filter_by.warehouse_ids", &self.settings.warehouse)
                .with("filter_by.query_start_time_range.start_time_ms", &since.to_string())
                .with("max_results", "100");
            if let Some(token) = &page {
                ask = ask.with("page_token", token);
            }
            let history: History = self.ask(&ask).await?;
            let found = history.res.into_iter().find(|past| past.query_text.starts_with(mark) && stands(&past.status));
            if let Some(found) = found {
                return Ok(Some(found.query_id));
            }
            match history.next_page_token.filter(|token| !token.is_empty()) {
                Some(token) => page = Some(token),
                None => break,
            }
        }
        Ok(None)
    }

    /// Tells one attempt from every other.
    fn attempt(&self) -> String {
        static ATTEMPTS: AtomicU64 = AtomicU64::new(0);
        format!("{}.{}", self.clock.now().timestamp_micros(), ATTEMPTS.fetch_add(1, Ordering::Relaxed))
    }

    fn pending(&self) -> std::sync::MutexGuard<'_, std::collections::HashMap<u128, String>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells one statement from another, with what it is given.
fn fingerprint(statement: &Statement) -> u128 {
    let mut text = statement.sql.clone();
    for parameter in &statement.parameters {
        text.push_str(&format!("\0{}={:?}", parameter.name, parameter.value));
    }
    xxhash_rust::xxh3::xxh3_128(text.as_bytes())
}
