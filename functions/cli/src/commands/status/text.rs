//! The status as people read it.

use super::{Status, SyncStatus};
use crate::deliveries::{self, DeliveryRow};
use crate::output::Answer;
use crate::words::{Columns, count, number, span, time, time_or_dash, told_apart};

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
            let dash = || "-".to_owned();
            let agrees = match sync.agrees {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "-",
            };
            columns.row([
                self.name(sync),
                time_or_dash(sync.complete_up_to),
                sync.lag_seconds.map_or_else(dash, |s| span(chrono::TimeDelta::seconds(s))),
                last.map_or_else(dash, |run| time(run.started_at)),
                sync.state().to_owned(),
                last.map_or_else(dash, |run| number(run.counts.polled)),
                number(sync.rejected),
                number(sync.waiting),
                agrees.to_owned(),
            ]);
        }
        let mut text = columns.text();
        text.push_str(&deliveries::table(&self.deliveries));
        text.push_str(&section("problems", &self.problems()));
        text.push_str(&section("waiting", &self.waiting()));
        text.push_str(&section("next", &self.next));
        text
    }
}

fn section(heading: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("\n{heading}:\n{lines}")
}

impl Status {
    fn name(&self, sync: &SyncStatus) -> String {
        let all = self.syncs.iter().map(|sync| (sync.integration.as_str(), sync.sync.as_str()));
        told_apart(all, &sync.integration, &sync.sync)
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for connection in &self.connections {
            let name = &connection.connection;
            problems.extend(connection.stopped.iter().map(|why| format!("connection `{name}` is stopped: {why}")));
            problems.extend(connection.secret.iter().map(|why| format!("connection `{name}`: {why}")));
        }
        // What stops one sync often stops all of its connection, and is said once.
        let mut stopped: Vec<(String, Vec<String>)> = Vec::new();
        for sync in &self.syncs {
            let Some(why) = sync.standstill().filter(|why| !self.is_said_of_a_connection(why)) else {
                continue;
            };
            let problem = format!("{}: {why}", sync.state());
            match stopped.iter_mut().find(|(known, _)| *known == problem) {
                Some((_, syncs)) => syncs.push(self.name(sync)),
                None => stopped.push((problem, vec![self.name(sync)])),
            }
        }
        problems.extend(stopped.into_iter().map(|(problem, syncs)| format!("{}: {problem}", syncs.join(", "))));
        let mut warned: Vec<(&String, Vec<String>)> = Vec::new();
        for sync in &self.syncs {
            for warning in sync.last_run.iter().flat_map(|last| &last.warnings) {
                match warned.iter_mut().find(|(known, _)| *known == warning) {
                    Some((_, syncs)) => syncs.push(self.name(sync)),
                    None => warned.push((warning, vec![self.name(sync)])),
                }
            }
        }
        problems.extend(warned.into_iter().map(|(warning, syncs)| format!("{}: {warning}", syncs.join(", "))));
        for sync in &self.syncs {
            let name = self.name(sync);
            if sync.agrees == Some(false) {
                problems.extend(sync.note.iter().map(|note| format!("{name}: does not agree: {note}")));
            }
        }
        problems
    }

    fn is_said_of_a_connection(&self, why: &str) -> bool {
        let mut stopped = self.connections.iter().filter_map(|connection| connection.stopped.as_deref());
        stopped.any(|stopped| why.contains(stopped))
    }

    fn waiting(&self) -> Vec<String> {
        let lines = self.syncs.iter().flat_map(|sync| {
            sync.waits.iter().map(|waits| {
                format!(
                    "{}: {} for {} since {}, such as {} for {}",
                    self.name(sync),
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

    /// What a person can do about it.
    pub(super) fn next_steps(&self) -> Vec<String> {
        let mut next = Vec::new();
        match (self.queued, self.is_deployed) {
            (0, _) => {}
            (_, true) => next.push("messages are in the queues: the functions are at work; look again".to_owned()),
            (_, false) => {
                next.push(
                    "work is left in the queues: `run` finishes it, unless another process is at it now".to_owned(),
                );
            }
        }
        for connection in self.connections.iter().filter(|connection| connection.stopped.is_some()) {
            let name = &connection.connection;
            next.push(format!("set the right secret for connection `{name}`; was it right, `check --restart`"));
        }
        let failed =
            |sync: &SyncStatus| matches!(sync.state(), "paused" | "failed" | "incomplete" | "abandoned" | "unbalanced");
        if let Some(names) = self.names(failed) {
            next.push(format!("when that is mended, `run{names}`"));
        }
        if let Some(names) = self.names(|sync| sync.state() == "never run") {
            next.push(format!("run what has not been run: `run{names}`"));
        }
        for sync in &self.syncs {
            let name = self.name(sync);
            if sync.agrees == Some(false) {
                next.push(format!("read everything of {name} again: `run {name} --full`"));
            }
            if sync.rejected > 0 {
                next.push(format!("look at what {name} refused: `rejects {name}`"));
            }
        }
        next.extend(self.deliveries.iter().filter_map(DeliveryRow::words));
        if next.is_empty() && !self.problems().is_empty() {
            next.push("mend what is named above; then `run`".to_owned());
        }
        if next.is_empty() {
            next.push("nothing; `run` moves what has changed since".to_owned());
        }
        next
    }

    /// The names of some syncs as arguments, each after a blank; none when it is all of them.
    fn names(&self, which: impl Fn(&SyncStatus) -> bool) -> Option<String> {
        let names: Vec<_> = self.syncs.iter().filter(|sync| which(sync)).collect();
        match names.len() {
            0 => None,
            all if all == self.syncs.len() => Some(String::new()),
            _ => Some(names.iter().map(|sync| format!(" {}", self.name(sync))).collect()),
        }
    }
}

impl SyncStatus {
    /// Why it does not go on.
    fn standstill(&self) -> Option<&str> {
        let not_begun = self.not_begun.as_ref().map(|failed| &failed.why);
        let last = self.last_run.as_ref().and_then(|last| last.why.as_ref());
        self.paused.as_ref().or(not_begun).or(last).map(String::as_str)
    }
}
