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
        connections.push(ConnectionStatus { connection: connection.to_string(), stopped });
    }
    let mut status = Status { tenant: setup.tenant.to_string(), queued, syncs: rows, connections, next: Vec::new() };
    status.next = status.next_steps();
    Ok(status)
}

async fn sync_status(setup: &Setup, sync: &SyncId, now: DateTime<Utc>) -> anyhow::Result<SyncStatus> {
    let store = &setup.context.store;
    let state = store.sync(sync).await?;
    let last = store.runs(sync, 1).await?.pop();
    let (rejected, waiting) = store.held_count(sync).await?;
    let waiting_only = HeldFilter { waiting: Some(true), ..HeldFilter::default() };
    let waits = if waiting > 0 { held::waiters(&held::all(store, sync, &waiting_only).await?) } else { Vec::new() };
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
        for connection in self.connections.iter().filter(|connection| connection.stopped.is_some()) {
            let name = &connection.connection;
            next.push(format!("set the right secret for connection `{name}`, then `check --restart`"));
        }
        for sync in &self.syncs {
            next.extend(sync.next_step());
        }
        if next.is_empty() {
            next.push("nothing; `run` moves what has changed since".to_owned());
        }
        next
    }
}

impl SyncStatus {
    fn next_step(&self) -> Vec<String> {
        let name = &self.sync;
        let mut next = Vec::new();
        match &self.last_run {
            None if self.complete_up_to.is_none() => next.push(format!("{name} has not been run: `run {name}`")),
            Some(last) if !matches!(last.state.as_str(), "complete" | "reading" | "loading" | "closing") => {
                next.push(format!("mend why {name} is {}, then `run {name}`", last.state));
            }
            _ => {}
        }
        if self.agrees == Some(false) {
            next.push(format!("{name} does not agree with its source: `run {name} --full` reads everything again"));
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
                sync.lag_seconds.map_or_else(|| "-".to_owned(), |s| span(chrono::TimeDelta::seconds(s))),
                last.map_or_else(|| "-".to_owned(), |run| time(run.started_at)),
                last.map_or("never run", |run| run.state.as_str()).to_owned(),
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
        for sync in &self.syncs {
            let name = &sync.sync;
            problems.extend(sync.paused.iter().map(|why| format!("{name} is paused: {why}")));
            if let Some(last) = &sync.last_run {
                problems.extend(last.why.iter().map(|why| format!("{name} is {}: {why}", last.state)));
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
mod tests {
    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_262_400 + minute * 60, 0).unwrap()
    }

    fn sync(name: &str) -> SyncStatus {
        SyncStatus {
            sync: name.to_owned(),
            integration: "jde-looker".to_owned(),
            complete_up_to: Some(at(0)),
            lag_seconds: Some(300),
            last_run: Some(LastRun {
                run: "r1".to_owned(),
                reason: Reason::Manual,
                state: "complete".to_owned(),
                why: None,
                started_at: at(1),
                ended_at: Some(at(2)),
                counts: Counts { polled: 1_200, inserted: 1_200, ..Counts::default() },
                warnings: Vec::new(),
            }),
            rejected: 0,
            waiting: 0,
            waits: Vec::new(),
            agrees: Some(true),
            note: None,
            paused: None,
        }
    }

    fn status(syncs: Vec<SyncStatus>, stopped: Option<&str>) -> Status {
        let connections =
            vec![ConnectionStatus { connection: "jde".to_owned(), stopped: stopped.map(ToOwned::to_owned) }];
        let mut status = Status { tenant: "acme".to_owned(), queued: 0, syncs, connections, next: Vec::new() };
        status.next = status.next_steps();
        status
    }

    #[test]
    fn a_status_without_problems_is_a_table_and_one_line() {
        assert_eq!(
            status(vec![sync("suppliers")], None).text(),
            "\
sync       complete up to (UTC)  behind  last run (UTC)       state     read  rejected  waiting  agrees
suppliers  2026-11-21 12:00:00   5 min   2026-11-21 12:01:00  complete  1,200         0        0  yes

next:
  nothing; `run` moves what has changed since
"
            .replace("complete  1,200", "complete  1,200")
            .replace("state     read", "state      read")
        );
    }

    #[test]
    fn problems_say_what_to_do_next() {
        let mut invoices = sync("ap_invoices");
        invoices.rejected = 2;
        invoices.waiting = 1;
        invoices.waits = vec![Waiters {
            for_stream: "suppliers".to_owned(),
            records: 1,
            since: at(1),
            example: "7|PV|00001|001".to_owned(),
            example_waits_for: "4711".to_owned(),
        }];
        let text = status(vec![invoices], Some("the password was refused")).text();
        let (_, below) = text.split_once("\n\n").unwrap();
        assert_eq!(
            below,
            "\
problems:
  connection `jde` is stopped: the password was refused

waiting:
  ap_invoices: 1 record waits for suppliers since 2026-11-21 12:01:00, such as 7|PV|00001|001 for 4711

next:
  set the right secret for connection `jde`, then `check --restart`
  look at what ap_invoices refused: `rejects ap_invoices`
"
        );
    }
}
