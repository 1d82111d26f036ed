//! Queries that run in the background of the Process Scheduler: started, asked after, fetched.
//!
//! Starting one gives the id of its instance. The documents around it differ from release to release, so they are searched
//! for what is known: an id, and one of the documented words for how far it is.

use std::time::Duration;

use chrono::{DateTime, Utc};
use engine::model::rows::RowsWriter;
use engine::{Error, Result};
use serde::{Deserialize, Serialize};

use super::decode::{Layout, Taken};
use super::query::{Call, Given, Plan, Query};
use super::refusal::Failure;
use super::source::PeopleSoftSource;
use crate::http::Answer;

/// A query that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    /// The id of its instance.
    instance: String,
    /// When.
    since: DateTime<Utc>,
    /// How often it was asked how far it is: no two positions are the same.
    #[serde(default)]
    asked: u32,
    /// How often the server had lost it, and it was started again.
    #[serde(default)]
    restarts: u32,
}

/// A server that loses a query more often than this has lost more than a query.
const RESTARTS: u32 = 3;

/// How a background query got on.
pub(super) enum Progress {
    /// It goes on; ask again.
    Waiting(Pending),
    /// Its rows are there.
    Done(Taken),
    /// The server knows nothing of it: start again.
    Lost,
}

/// What the server says of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unknown,
    Running,
    Done,
    Failed,
}

impl PeopleSoftSource {
    /// Starts the query of a page.
    pub(super) async fn start(&self, plan: &Plan<'_>, query: &Query, given: &Given<'_>) -> Result<Pending> {
        let call = plan.query(query, &self.client.settings.aliases.start, given, &plan.columns())?;
        let what = call.what.clone();
        let mut decode = |answer: &Answer| -> Result<String, Failure> {
            instance_in(answer.text()?).ok_or_else(|| {
                let words = crate::http::quote(answer.text().unwrap_or_default(), &[]);
                Failure::NoRows(Error::stop(format!(
                    "starting {what} in the background gave no id of an instance: «{words}»; the user needs the role QAS Admin, \
                     and `aliases.start` has to be the operation of QAS_EXECUTEQRYPOLL_REST_GET"
                )))
            })
        };
        let instance = self.client.ask(&call, &mut decode).await?;
        Ok(Pending { instance, since: self.client.clock.now(), asked: 0, restarts: 0 })
    }

    /// Starts a query again that the server has lost, after a moment.
    ///
    /// # Errors
    /// Later when it was lost too often; as [`Self::start`] otherwise.
    pub(super) async fn start_again(
        &self,
        plan: &Plan<'_>,
        query: &Query,
        given: &Given<'_>,
        lost: &Pending,
    ) -> Result<Pending> {
        if lost.restarts >= RESTARTS {
            return Err(Error::later(format!(
                "the server knows nothing of query {} in the background, although it was started {} times: its last instance \
                 is {}; does something purge the Process Scheduler or its report repository?",
                plan.stream.object,
                RESTARTS + 1,
                lost.instance
            )));
        }
        tokio::time::sleep(self.client.settings.background.ask_every.0).await;
        let pending = self.start(plan, query, given).await?;
        Ok(Pending { restarts: lost.restarts + 1, ..pending })
    }

    /// Asks how far it is, and fetches its rows when it is done. Waits a moment while it is not, as long as a page may take.
    pub(super) async fn proceed(
        &self,
        plan: &Plan<'_>,
        pending: &Pending,
        layout: &Layout,
        rows: &mut RowsWriter,
    ) -> Result<Progress> {
        let settings = &self.client.settings;
        let object = &plan.stream.object;
        let status = self.instance_call(&settings.aliases.status, pending, object);
        let mut decode = |answer: &Answer| {
            let text = answer.text()?;
            // Words of no state count as running, and asking on with a wrong password locks the account.
            match settings.refusals.tell_credentials(text) {
                true => Err(Failure::Reported(text.to_owned())),
                false => Ok(state_in(text)),
            }
        };
        match self.client.ask(&status, &mut decode).await? {
            State::Done => {
                let results = self.instance_call(&settings.aliases.results, pending, object);
                self.rows(plan, &results, layout, rows).await.map(Progress::Done)
            }
            State::Unknown => Ok(Progress::Lost),
            State::Failed => Err(Error::later(format!(
                "query {object} failed in the background: its instance is {}",
                pending.instance
            ))),
            State::Running => {
                let at_most = settings.background.at_most;
                let waited = (self.client.clock.now() - pending.since).to_std().unwrap_or(Duration::ZERO);
                if waited > at_most.0 {
                    return Err(Error::later(format!(
                        "query {object} did not end in the background within {at_most}: is the Process Scheduler running?"
                    )));
                }
                tokio::time::sleep(settings.background.ask_every.0).await;
                Ok(Progress::Waiting(Pending { asked: pending.asked.saturating_add(1), ..pending.clone() }))
            }
        }
    }

    fn instance_call(&self, template: &str, pending: &Pending, object: &str) -> Call {
        let address = template.replace("{instance}", &crate::http::percent_encode(&pending.instance));
        let (path, query) =
            address.split_once('?').map_or((address.as_str(), None), |(path, query)| (path, Some(query)));
        Call {
            path: path.to_owned(),
            query: query.map(str::to_owned),
            body: None,
            headers: Vec::new(),
            what: format!("query {object} in the background"),
        }
    }
}

/// The id of an instance, wherever it stands: `7d40d78f-2fae-11e3-95a9-8782b6a978ba`.
fn instance_in(text: &str) -> Option<String> {
    let is_part = |c: char| c.is_ascii_hexdigit() || c == '-';
    let is_id = |word: &&str| {
        let lengths: Vec<_> = word.split('-').map(str::len).collect();
        lengths == [8, 4, 4, 4, 12]
    };
    text.split(|c: char| !is_part(c)).find(is_id).map(str::to_owned)
}

/// How far it is. The innermost of all statuses counts: those around it speak of the call.
fn state_in(text: &str) -> State {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_ascii_lowercase);
    let mut state = None;
    for word in words {
        let said = match word.as_str() {
            "idnotfound" => State::Unknown,
            "running" | "posting" | "last" | "queued" => State::Running,
            "killed" | "error" => State::Failed,
            "success" => State::Done,
            _ => continue,
        };
        // `success` may be the call's own.
        if state.is_none() || said != State::Done {
            state = Some(said);
        }
    }
    state.unwrap_or(State::Running)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_and_the_state_are_found_in_either_format() {
        let id = "7d40d78f-2fae-11e3-95a9-8782b6a978ba";
        assert_eq!(instance_in(&format!(r#"{{"status":"success","data":{{"id":"{id}"}}}}"#)).as_deref(), Some(id));
        assert_eq!(instance_in(&format!("<R><QueryInstance>{id}</QueryInstance></R>")).as_deref(), Some(id));
        assert_eq!(instance_in("<html>no</html>"), None);
        for (text, state) in [
            (r#"{"status":"success","data":{"status":"queued","TotalRows":0}}"#, State::Running),
            (r#"{"status":"success","data":{"status":"success"}}"#, State::Done),
            ("<R><status>idNotFound</status></R>", State::Unknown),
            (r#"{"data":{"status":"error"},"status":"success"}"#, State::Failed),
            ("{}", State::Running),
        ] {
            assert_eq!(state_in(text), state, "{text}");
        }
    }
}
