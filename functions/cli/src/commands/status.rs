//! `status`: how far every sync is, what waits for what, and what to do next.

use chrono::{DateTime, Utc};
use engine::model::audit::Counts;
use engine::model::id::SyncId;
use engine::model::message::{Reason, Stage};
use engine::model::run::Run;
use engine::ports::HeldFilter;
use serde::Serialize;

use crate::args::Options;
use crate::exit::Exit;
use crate::held::{self, Waiters};
use crate::output::{Answer, Output};
use crate::rows::{state_word, why};
use crate::setup::Setup;
use crate::words::{Columns, count, number, span, time, time_or_dash};

/// `status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only these syncs
    syncs: Vec<String>,
}

/// Shows where everything stands.
pub async fn run(options: &Options, args: &Args, output: &Output) -> anyhow::Result<Exit> {
    let setup = Setup::look(options)?;
    let status = look(&setup, &setup.choose(&args.syncs)?).await?;
    output.answer(&status)?;
    Ok(Exit::Ok)
}

async fn look(setup: &Setup, syncs: &[SyncId]) -> anyhow::Result<Status> {
    let now = setup.context.clock.now();
    let mut queued = 0;
    for stage in Stage::ALL {
        queued += setup.embedded.pending(stage).await?;
    }
    let mut rows = Vec::new();
    for sync in syncs {
        rows.push(sync_status(setup, sync, now).await?);
    }
    let mut connections = Vec::new();
    for connection in setup.connections() {
        let stopped = setup.stopped(&connection).await;
        connections.push(ConnectionStatus {
            connection: connection.to_string(),
            stopped,
        });
    }
    let mut status = Status {
        tenant: setup.tenant.to_string(),
        queued,
        syncs: rows,
        connections,
        next: Vec::new(),
    };
    status.next = status.next_steps();
    Ok(status)
}

async fn sync_status(setup: &Setup, sync: &SyncId, now: DateTime<Utc>) -> anyhow::Result<SyncStatus> {
    let store = &setup.context.store;
    let state = store.sync(sync).await?;
    let last = store.runs(sync, 1).await?.pop();
    let (rejected, waiting) = store.held_count(sync).await?;
    let waiting_only = HeldFilter {
        waiting: Some(true),
        ..HeldFilter::default()
    };
    let waits = if waiting > 0 {
        held::waiters(&held::all(store, sync, &waiting_only).await?)
    } else {
        Vec::new()
    };
    // The newest run may be one over chosen records, which compares nothing.
    let proof = store.runs(sync, 20).await?.into_iter().find_map(|run| run.proof);
    Ok(SyncStatus {
        sync: sync.stream.clone(),
        integration: sync.integration.to_string(),
        complete_up_to: state.watermark,
        lag_seconds: state.watermark.map(|mark| (now - mark).num_seconds().max(0)),
        last_run: last.as_ref().map(LastRun::new),
        rejected,
        waiting,
        waits,
        agrees: proof.as_ref().map(|proof| proof.agrees),
        note: proof.map(|proof| proof.note),
        paused: state.paused,
    })
}

#[derive(Debug, Serialize)]
struct Status {
    tenant: String,
    /// Messages in the queues: above zero while somebody works, or when something was interrupted.
    queued: u64,
    syncs: Vec<SyncStatus>,
    connections: Vec<ConnectionStatus>,
    next: Vec<String>,
}

#[derive(Debug, Serialize)]
struct SyncStatus {
    sync: String,
    integration: String,
    complete_up_to: Option<DateTime<Utc>>,
    lag_seconds: Option<i64>,
    last_run: Option<LastRun>,
    rejected: u64,
    waiting: u64,
    waits: Vec<Waiters>,
    agrees: Option<bool>,
    note: Option<String>,
    paused: Option<String>,
}

#[derive(Debug, Serialize)]
struct LastRun {
    run: String,
    reason: Reason,
    state: String,
    why: Option<String>,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    counts: Counts,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ConnectionStatus {
    connection: String,
    stopped: Option<String>,
}

impl LastRun {
    fn new(run: &Run) -> Self {
        Self {
            run: run.id.to_string(),
            reason: run.reason,
            state: state_word(run).to_owned(),
            why: why(run),
            started_at: run.started_at,
            ended_at: run.ended_at,
            counts: run.counts,
            warnings: run.warnings.clone(),
        }
    }
}

impl Status {
    fn next_steps(&self) -> Vec<String> {
        let mut next = Vec::new();
        if self.queued > 0 {
            next.push("work is left in the queues: `run` finishes it, unless another process is at it now".to_owned());
        }
        for connection in self
            .connections
            .iter()
            .filter(|connection| connection.stopped.is_some())
        {
            let name = &connection.connection;
            next.push(format!(
                "set the right secret for connection `{name}`; was it right, `check --restart`"
            ));
        }
        let paused = self.names(|sync| sync.paused.is_some());
        if !paused.is_empty() {
            next.push(format!("mend why they are paused, then `run {}`", paused.join(" ")));
        }
        let never_run = self.names(|sync| sync.is_new() && sync.paused.is_none());
        if !never_run.is_empty() {
            next.push(format!("run what has not been run: `run {}`", never_run.join(" ")));
        }
        for sync in &self.syncs {
            next.extend(sync.next_step());
        }
        if next.is_empty() {
            next.push("nothing; `run` moves what has changed since".to_owned());
        }
        next
    }

    fn names(&self, which: impl Fn(&SyncStatus) -> bool) -> Vec<&str> {
        self.syncs
            .iter()
            .filter(|sync| which(sync))
            .map(|sync| sync.sync.as_str())
            .collect()
    }
}

impl SyncStatus {
    fn is_new(&self) -> bool {
        self.last_run.is_none() && self.complete_up_to.is_none()
    }

    fn state(&self) -> &str {
        match (&self.paused, &self.last_run) {
            (Some(_), _) => "paused",
            (None, Some(run)) => &run.state,
            (None, None) => "never run",
        }
    }

    fn next_step(&self) -> Vec<String> {
        let name = &self.sync;
        let mut next = Vec::new();
        let state = self.state();
        if matches!(state, "failed" | "incomplete" | "abandoned" | "unbalanced") {
            next.push(format!("mend why {name} is {state}, then `run {name}`"));
        }
        if self.agrees == Some(false) {
            next.push(format!(
                "{name} does not agree with its source: `run {name} --full` reads everything again"
            ));
        }
        if self.rejected > 0 {
            next.push(format!("look at what {name} refused: `rejects {name}`"));
        }
        next
    }
}

impl Answer for Status {
    fn text(&self) -> String {
        let mut columns = Columns::new(&[
            "sync",
            "complete up to (UTC)",
            "behind",
            "last run (UTC)",
            "state",
            ">read",
            ">rejected",
            ">waiting",
            "agrees",
        ]);
        for sync in &self.syncs {
            let last = sync.last_run.as_ref();
            let agrees = match sync.agrees {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "-",
            };
            columns.row([
                sync.sync.clone(),
                time_or_dash(sync.complete_up_to),
                sync.lag_seconds
                    .map_or_else(|| "-".to_owned(), |s| span(chrono::TimeDelta::seconds(s))),
                last.map_or_else(|| "-".to_owned(), |run| time(run.started_at)),
                sync.state().to_owned(),
                last.map_or_else(|| "-".to_owned(), |run| number(run.counts.polled)),
                number(sync.rejected),
                number(sync.waiting),
                agrees.to_owned(),
            ]);
        }
        let mut text = columns.text();
        text.push_str(&section("problems", &self.problems()));
        text.push_str(&section("waiting", &self.waiting()));
        text.push_str(&section("next", &self.next));
        text
    }
}

impl Status {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for connection in &self.connections {
            let why = connection.stopped.iter();
            problems.extend(why.map(|why| format!("connection `{}` is stopped: {why}", connection.connection)));
        }
        // What stops one sync often stops all of its connection, and is said once.
        let mut paused: Vec<(&str, Vec<&str>)> = Vec::new();
        for sync in &self.syncs {
            let Some(why) = &sync.paused else { continue };
            match paused.iter_mut().find(|(known, _)| known == why) {
                Some((_, syncs)) => syncs.push(&sync.sync),
                None => paused.push((why, vec![&sync.sync])),
            }
        }
        problems.extend(
            paused
                .into_iter()
                .map(|(why, syncs)| format!("paused: {}: {why}", syncs.join(", "))),
        );
        for sync in &self.syncs {
            let name = &sync.sync;
            if let Some(last) = &sync.last_run {
                let why = last.why.iter().filter(|why| sync.paused.as_ref() != Some(why));
                problems.extend(why.map(|why| format!("{name} is {}: {why}", last.state)));
                problems.extend(last.warnings.iter().map(|warning| format!("{name}: {warning}")));
            }
            if sync.agrees == Some(false) {
                problems.extend(sync.note.iter().map(|note| format!("{name} does not agree: {note}")));
            }
        }
        problems
    }

    fn waiting(&self) -> Vec<String> {
        let lines = self.syncs.iter().flat_map(|sync| {
            sync.waits.iter().map(|waits| {
                format!(
                    "{}: {} for {} since {}, such as {} for {}",
                    sync.sync,
                    count(waits.records, "record waits", "records wait"),
                    waits.for_stream,
                    time(waits.since),
                    waits.example,
                    waits.example_waits_for
                )
            })
        });
        lines.collect()
    }
}

fn section(heading: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("\n{heading}:\n{lines}")
}

#[cfg(test)]
mod tests;
