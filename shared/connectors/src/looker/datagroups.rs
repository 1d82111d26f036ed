//! Datagroups: what caches, derived tables and some plans hang on.
//!
//! A time in Looker's future is refused, so ours are a little in the past; when Looker's clock is further behind than the
//! settings say, a minute older is tried once.

use chrono::{DateTime, Utc};
use engine::ports::{Progress, Sent};
use engine::{Error, Result};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::client::{Ask, Client};
use super::refusal::Failure;
use super::settings::OnChange;
use crate::http::Method;

const MAY_SEE: &str = "`see_datagroups`";
const MAY_UPDATE: &str = "`see_datagroups` and `update_datagroups`";

/// How much older the second try is, in seconds.
const OLDER: i64 = 60;

/// A datagroup, as far as it is of use here. Times are UNIX seconds.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Datagroup {
    id: Option<String>,
    model_name: Option<String>,
    name: Option<String>,
    stale_before: Option<i64>,
    triggered_at: Option<i64>,
}

/// What is changed of a datagroup.
#[derive(Serialize)]
struct Change {
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_before: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    triggered_at: Option<i64>,
}

/// Which of its two times is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// What was cached before is stale.
    StaleBefore,
    /// It became triggered.
    TriggeredAt,
}

impl Mark {
    fn field(self) -> &'static str {
        match self {
            Self::StaleBefore => "stale_before",
            Self::TriggeredAt => "triggered_at",
        }
    }

    fn of(self, datagroup: &Datagroup) -> Option<i64> {
        match self {
            Self::StaleBefore => datagroup.stale_before,
            Self::TriggeredAt => datagroup.triggered_at,
        }
    }

    fn change(self, time: i64) -> Change {
        match self {
            Self::StaleBefore => Change { stale_before: Some(time), triggered_at: None },
            Self::TriggeredAt => Change { stale_before: None, triggered_at: Some(time) },
        }
    }
}

/// The datagroups of the instance, read once per session: their ids are the instance's own.
#[derive(Default)]
pub(super) struct Datagroups(OnceCell<Vec<Datagroup>>);

impl Datagroups {
    /// The id of the datagroup of this name: `name` in our model, or `model::name`.
    ///
    /// # Errors
    /// Stops when there is none that may be seen; otherwise as every call.
    pub(super) async fn id_of(&self, client: &Client, name: &str) -> Result<String> {
        let all = self.0.get_or_try_init(|| list(client)).await?;
        let (model, name) = split(client, name);
        let of_model = || all.iter().filter(|one| one.model_name.as_deref() == Some(model));
        let found = of_model().find(|one| one.name.as_deref() == Some(name)).and_then(|one| one.id.clone());
        found.ok_or_else(|| {
            let known: Vec<_> = of_model().filter_map(|one| one.name.as_deref()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Error::stop(format!(
                "{} shows no datagroup `{name}` of the model `{model}` (it shows {known}): declare it in the model, name another \
                 as `datagroup.name`, or give a role of the API user {MAY_SEE}",
                client.http.host()
            ))
        })
    }
}

/// Model and name of a datagroup as people write it.
fn split<'n>(client: &'n Client, name: &'n str) -> (&'n str, &'n str) {
    name.split_once("::").unwrap_or((&client.settings.model, name))
}

/// Whether a plan's datagroup is this one. Looker shows it with or without its model in front.
pub(super) fn is_same(client: &Client, shown: &str, name: &str) -> bool {
    let (model, name) = split(client, name);
    shown == name || shown.strip_suffix(name).is_some_and(|rest| rest.trim_end_matches([':', '/']) == model)
}

/// The datagroup that a change of a table triggers, and with it the plans that hang on it.
pub(super) fn triggered(client: &Client) -> Option<String> {
    (client.settings.datagroup.on_change == OnChange::Trigger).then(|| client.settings.datagroup_name())
}

async fn list(client: &Client) -> Result<Vec<Datagroup>> {
    let ask = Ask::new(Method::GET, &["datagroups"], "the datagroups", MAY_SEE);
    Ok(client.ask(&ask).await?)
}

async fn read(client: &Client, id: &str) -> Result<Datagroup> {
    let what = format!("the datagroup {id}");
    let ask = Ask::new(Method::GET, &["datagroups", id], &what, MAY_SEE);
    Ok(client.ask(&ask).await?)
}

/// Tells the datagroup that a table has changed, as the settings say.
///
/// # Errors
/// As [`Datagroups::id_of`].
pub(super) async fn changed(client: &Client, datagroups: &Datagroups) -> Result<()> {
    let mark = match client.settings.datagroup.on_change {
        OnChange::Nothing => return Ok(()),
        OnChange::Reset => Mark::StaleBefore,
        OnChange::Trigger => Mark::TriggeredAt,
    };
    let id = datagroups.id_of(client, &client.settings.datagroup_name()).await?;
    let time = now(client);
    let error = match set(client, &id, mark, time, false).await {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    // What the reply was lost of may have been done: doing it again would set off a trigger's plans twice.
    let is_done = error.is_later() && read(client, &id).await.is_ok_and(|shown| mark.of(&shown) == Some(time));
    if is_done { Ok(()) } else { Err(error) }
}

/// Makes what is cached stale and sets nothing off.
///
/// # Errors
/// As [`Datagroups::id_of`].
pub(super) async fn refresh(client: &Client, datagroups: &Datagroups) -> Result<()> {
    if client.settings.datagroup.on_change == OnChange::Nothing {
        return Ok(());
    }
    let id = datagroups.id_of(client, &client.settings.datagroup_name()).await?;
    set(client, &id, Mark::StaleBefore, now(client), false).await.map(|_| ())
}

/// Triggers a datagroup, once. Returns what [`progress`] takes.
///
/// # Errors
/// As [`Datagroups::id_of`]; Unknown when it may have been triggered.
pub(super) async fn trigger(client: &Client, datagroups: &Datagroups, name: &str) -> Result<String> {
    let id = datagroups.id_of(client, name).await?;
    let time = set(client, &id, Mark::TriggeredAt, now(client), true).await?;
    Ok(format!("{id}@{time}"))
}

/// Looks whether a datagroup was triggered at `since` or later, by whomever: then it need not be triggered again.
///
/// # Errors
/// As every call.
pub(super) async fn find(
    client: &Client,
    datagroups: &Datagroups,
    name: &str,
    since: DateTime<Utc>,
) -> Result<Option<Sent>> {
    let id = datagroups.id_of(client, name).await?;
    let shown = read(client, &id).await?;
    let earliest = (since - client.settings.datagroup.clock_skew.0).timestamp();
    let Some(time) = shown.triggered_at.filter(|time| *time >= earliest) else { return Ok(None) };
    Ok(Some(Sent { reference: format!("{id}@{time}"), progress: Progress::Delivered(words(name, time)) }))
}

/// Whether a trigger shows.
///
/// # Errors
/// As every call; stops for a reference that is none of ours.
pub(super) async fn progress(client: &Client, name: &str, reference: &str) -> Result<Progress> {
    let parts = reference.rsplit_once('@').and_then(|(id, time)| Some((id, time.parse::<i64>().ok()?)));
    let (id, time) = parts.ok_or_else(|| Error::stop(format!("`{reference}` is no trigger of a datagroup")))?;
    let shown = read(client, id).await?;
    let done = shown.triggered_at.is_some_and(|shown| shown >= time);
    Ok(if done { Progress::Delivered(words(name, time)) } else { Progress::Pending })
}

fn words(name: &str, time: i64) -> String {
    let at = DateTime::from_timestamp(time, 0).map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
    format!("datagroup {name}, triggered at {}", at.unwrap_or_else(|| time.to_string()))
}

fn now(client: &Client) -> i64 {
    (client.clock.now() - client.settings.datagroup.clock_skew.0).timestamp()
}

/// Sets one of the times and returns the one that was taken.
async fn set(client: &Client, id: &str, mark: Mark, time: i64, once: bool) -> Result<i64> {
    let field = mark.field();
    let (time, shown) = match patch(client, id, mark, time, once).await {
        Err(Failure::Invalid { fields, .. }) if fields.iter().any(|name| name == field) => {
            tracing::warn!(host = %client.http.host(), "Looker's clock is behind ours: `datagroup.clock_skew` is too small");
            (time - OLDER, patch(client, id, mark, time - OLDER, once).await?)
        }
        other => (time, other?),
    };
    match mark.of(&shown) {
        Some(kept) if kept < time => Err(Error::stop(format!(
            "{} took `{field}` of the datagroup {id} and kept the old value: may the API user change it ({MAY_UPDATE})?",
            client.http.host()
        ))),
        _ => Ok(time),
    }
}

async fn patch(client: &Client, id: &str, mark: Mark, time: i64, once: bool) -> Result<Datagroup, Failure> {
    let what = format!("`{}` of the datagroup {id}", mark.field());
    let ask = Ask::new(Method::PATCH, &["datagroups", id], &what, MAY_UPDATE).json(&mark.change(time))?;
    client.ask(&if once { ask.once() } else { ask }).await
}
