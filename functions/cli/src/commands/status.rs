//! `status`: how far every sync is, what waits for what, and what to do next.

mod text;

use backend_embedded::DeadLetter;
use chrono::{DateTime, Utc};
use engine::model::audit::Counts;
use engine::model::id::SyncId;
use engine::model::message::Reason;
use engine::model::run::Run;
use engine::ports::HeldFilter;
use serde::Serialize;

use crate::args::Options;
use crate::deliveries::{self, DeliveryRow};
use crate::exit::Exit;
use crate::held::{self, Waiters};
use crate::output::Output;
use crate::rows::{state_word, why};
use crate::setup::Setup;

/// Runs that are looked through for the newest that compared both sides.
const RECENT: usize = 20;

/// Deliveries that are shown.
const SHOWN_DELIVERIES: usize = 10;

/// `status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only these syncs
    syncs: Vec<String>,
}

/// Shows where everything stands.
pub async fn run(options: &Options, args: &Args, output: &Output) -> anyhow::Result<Exit> {
    let setup = Setup::look(options).await?;
    let status = look(&setup, &setup.choose(&args.syncs)?).await?;
    output.answer(&status)?;
    Ok(Exit::Ok)
}

async fn look(setup: &Setup, syncs: &[SyncId]) -> anyhow::Result<Status> {
    let now = setup.context.clock.now();
    let queued = setup.backend.pending().await?;
    let letters = setup.backend.dead_letters().await?;
    let mut rows = Vec::new();
    for sync in syncs {
        rows.push(sync_status(setup, sync, &letters, now).await?);
    }
    let mut connections = Vec::new();
    for connection in setup.connections() {
        let stopped = setup.stopped(&connection).await;
        let secret = setup.secret_problem(&connection).await;
        connections.push(ConnectionStatus { connection: connection.to_string(), stopped, secret });
    }
    let deliveries: Vec<_> =
        deliveries::newest(setup).await?.iter().take(SHOWN_DELIVERIES).map(DeliveryRow::from).collect();
    let mut status = Status {
        tenant: setup.tenant.to_string(),
        queued,
        syncs: rows,
        deliveries,
        connections,
        next: Vec::new(),
        is_deployed: setup.backend.is_deployed(),
    };
    status.next = status.next_steps();
    Ok(status)
}

async fn sync_status(
    setup: &Setup,
    sync: &SyncId,
    letters: &[DeadLetter],
    now: DateTime<Utc>,
) -> anyhow::Result<SyncStatus> {
    let store = &setup.context.store;
    let state = store.sync(sync).await?;
    let mut recent = store.runs(sync, RECENT).await?;
    // Runs of one second are listed in any order; their epochs tell which came later.
    recent.sort_by_key(|run| std::cmp::Reverse(run.epoch));
    let (rejected, waiting) = store.held_count(sync).await?;
    let waiting_only = HeldFilter { waiting: Some(true), ..HeldFilter::default() };
    let waits = match waiting {
        0 => Vec::new(),
        _ => held::waiters(&held::all(store, sync, &waiting_only).await?),
    };
    let last_run = recent.first().map(|run| LastRun::new(run, setup.backend.is_deployed()));
    let not_begun = not_begun(setup, sync, letters, last_run.as_ref()).await?;
    // The newest run may be one over chosen records, which compares nothing.
    let proof = recent.into_iter().find_map(|run| run.proof);
    Ok(SyncStatus {
        sync: sync.stream.clone(),
        integration: sync.integration.to_string(),
        complete_up_to: state.watermark,
        lag_seconds: state.watermark.map(|mark| (now - mark).num_seconds().max(0)),
        last_run,
        not_begun,
        rejected,
        waiting,
        waits,
        agrees: proof.as_ref().map(|proof| proof.agrees),
        note: proof.map(|proof| proof.note),
        paused: state.paused,
    })
}

/// A run that was asked for after the last one and could not even begin.
async fn not_begun(
    setup: &Setup,
    sync: &SyncId,
    letters: &[DeadLetter],
    last: Option<&LastRun>,
) -> anyhow::Result<Option<NotBegun>> {
    for letter in letters.iter().rev() {
        let Some(message) = &letter.message else { continue };
        if message.task.sync() != sync {
            continue;
        }
        let is_newer = last.is_none_or(|last| letter.at > last.started_at);
        let is_known = setup.context.store.run(message.task.run()).await?.is_some();
        return Ok((is_newer && !is_known).then(|| NotBegun { at: letter.at, why: letter.reason.clone() }));
    }
    Ok(None)
}

#[derive(Debug, Serialize)]
struct Status {
    tenant: String,
    /// Messages in the queues: above zero while somebody works, or when something was interrupted.
    queued: u64,
    syncs: Vec<SyncStatus>,
    /// The newest, newest first.
    deliveries: Vec<DeliveryRow>,
    connections: Vec<ConnectionStatus>,
    next: Vec<String>,
    #[serde(skip)]
    is_deployed: bool,
}

#[derive(Debug, Serialize)]
struct SyncStatus {
    sync: String,
    integration: String,
    complete_up_to: Option<DateTime<Utc>>,
    lag_seconds: Option<i64>,
    last_run: Option<LastRun>,
    not_begun: Option<NotBegun>,
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
    /// What else is worth knowing of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct NotBegun {
    at: DateTime<Utc>,
    why: String,
}

#[derive(Debug, Serialize)]
struct ConnectionStatus {
    connection: String,
    stopped: Option<String>,
    /// In a stack: why its secret could not be read from here, so that nobody can say whether it is stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl LastRun {
    fn new(run: &Run, is_deployed: bool) -> Self {
        // Functions go on by themselves, so that a run of theirs that has not ended is no problem.
        let is_a_problem = run.has_ended() || !is_deployed;
        Self {
            run: run.id.to_string(),
            reason: run.reason,
            state: state_word(run).to_owned(),
            why: why(run).filter(|_| is_a_problem),
            started_at: run.started_at,
            ended_at: run.ended_at,
            counts: run.counts,
            warnings: run.warnings.clone(),
            notes: run.notes.clone(),
        }
    }
}

impl SyncStatus {
    /// In one word.
    fn state(&self) -> &str {
        match (&self.paused, &self.not_begun, &self.last_run) {
            (Some(_), _, _) => "paused",
            (None, Some(_), _) => "failed",
            (None, None, Some(run)) => &run.state,
            (None, None, None) => "never run",
        }
    }
}

#[cfg(test)]
mod tests;
