//! What a command did, one row per sync: what was read, and what became of it.

use chrono::{DateTime, TimeDelta, Utc};
use engine::model::audit::Counts;
use engine::model::id::SyncId;
use engine::model::run::{Run, RunState};
use serde::Serialize;

use crate::deliveries::{self, DeliveryRow};
use crate::output::Answer;
use crate::words::{Columns, count, number, shortened, time_or_dash, told_apart};

/// One sync's row: all runs of one command, the runs that were woken meanwhile included.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SyncRow {
    /// The stream.
    pub sync: String,
    /// The integration it belongs to.
    pub integration: String,
    /// The newest run that was asked for, or, without one, the newest at all.
    pub run: Option<String>,
    /// `complete`, or what went wrong first.
    pub state: String,
    /// Records read from the source; one read twice counts twice.
    pub read: u64,
    /// New at the destination.
    pub inserted: u64,
    /// Changed at the destination.
    pub updated: u64,
    /// Marked deleted at the destination.
    pub deleted: u64,
    /// There already, with the same content.
    pub unchanged: u64,
    /// Replaced by a newer version.
    pub superseded: u64,
    /// Left out by the sync's own condition.
    pub filtered: u64,
    /// Refused, with a reason each.
    pub rejected: u64,
    /// Held until what they need is there.
    pub waiting: u64,
    /// How long the runs took.
    pub seconds: f64,
    /// Every change at the source before this is loaded, or named as rejected or waiting.
    pub complete_up_to: Option<DateTime<Utc>>,
    /// Whether the source equals the destination plus what is named; absent when nothing was compared.
    pub agrees: Option<bool>,
    /// What was compared, or why the run did not succeed.
    pub note: String,
    /// Steps after the load that failed.
    pub warnings: Vec<String>,
    /// What else is worth knowing, such as what became of a job that was run after the load.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Records that are held as rejects now, whichever run brought them.
    pub open_rejects: u64,
    /// Records that wait now, whichever run brought them.
    pub open_waiting: u64,
    /// The parts of this row, where it sums up several commands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<SyncRow>,
}

impl SyncRow {
    /// The row of these runs, oldest first.
    pub fn new(sync: &SyncId, runs: &[Run], complete_up_to: Option<DateTime<Utc>>, held: (u64, u64)) -> Self {
        let mut counts = Counts::default();
        let mut swept = 0;
        let mut seconds = 0.0;
        for run in runs {
            counts.merge(&run.counts);
            swept += run.swept;
            seconds += run.ended_at.map_or(0.0, |ended| in_seconds(ended - run.started_at));
        }
        let main = runs.iter().rev().find(|run| run.selection.moves_watermark()).or(runs.last());
        let failed = first_failure(runs);
        let proof = runs.iter().rev().find_map(|run| run.proof.as_ref());
        let note = match (failed.and_then(why), proof) {
            (Some(why), _) => why,
            (None, Some(proof)) => proof.note.clone(),
            (None, None) => String::new(),
        };
        Self {
            sync: sync.stream.clone(),
            integration: sync.integration.to_string(),
            run: main.map(|run| run.id.to_string()),
            state: match (runs.last(), failed) {
                (None, _) => "not started".to_owned(),
                (Some(_), Some(failed)) => state_word(failed).to_owned(),
                (Some(last), None) => state_word(last).to_owned(),
            },
            read: counts.polled,
            inserted: counts.inserted,
            updated: counts.updated,
            deleted: counts.deleted + swept,
            unchanged: counts.unchanged,
            superseded: counts.superseded,
            filtered: counts.filtered + counts.echoed,
            rejected: counts.rejected,
            waiting: counts.waiting,
            seconds,
            complete_up_to,
            agrees: proof.map(|proof| proof.agrees),
            note,
            warnings: runs.iter().flat_map(|run| run.warnings.iter().cloned()).collect(),
            notes: runs.iter().flat_map(|run| run.notes.iter().cloned()).collect(),
            open_rejects: held.0,
            open_waiting: held.1,
            runs: Vec::new(),
        }
    }

    /// The row of two commands after one another: what they did is added up, where they ended is the later one's.
    #[must_use]
    pub fn followed_by(self, next: &Self) -> Self {
        let worse = if self.is_ok() { next } else { &self };
        Self {
            sync: self.sync.clone(),
            integration: self.integration.clone(),
            run: next.run.clone(),
            state: worse.state.clone(),
            read: self.read + next.read,
            inserted: self.inserted + next.inserted,
            updated: self.updated + next.updated,
            deleted: self.deleted + next.deleted,
            unchanged: self.unchanged + next.unchanged,
            superseded: self.superseded + next.superseded,
            filtered: self.filtered + next.filtered,
            rejected: self.rejected + next.rejected,
            waiting: self.waiting + next.waiting,
            seconds: self.seconds + next.seconds,
            complete_up_to: next.complete_up_to,
            agrees: self.agrees.zip(next.agrees).map(|(first, second)| first && second),
            note: worse.note.clone(),
            warnings: [self.warnings.as_slice(), &next.warnings].concat(),
            notes: [self.notes.as_slice(), &next.notes].concat(),
            open_rejects: next.open_rejects,
            open_waiting: next.open_waiting,
            runs: vec![self.clone(), next.clone()],
        }
    }

    /// The row of a sync whose last run could not even begin, or has not ended in time.
    #[must_use]
    pub fn not_begun(self, why: Option<&String>) -> Self {
        let is_under_way = matches!(self.state.as_str(), "reading" | "loading" | "closing");
        let state = if is_under_way { self.state.clone() } else { "failed".to_owned() };
        match why {
            Some(why) => Self { state, note: why.clone(), agrees: None, ..self },
            None => self,
        }
    }

    /// Whether all went well: complete, everything accounted for, and both sides agree where they were compared.
    pub fn is_ok(&self) -> bool {
        self.state == "complete" && self.agrees != Some(false)
    }
}

/// The first run that did not succeed and was not covered by a later one.
fn first_failure(runs: &[Run]) -> Option<&Run> {
    let covered = runs.iter().rposition(|run| run.is_green() && run.selection.moves_watermark()).map_or(0, |at| at + 1);
    runs.iter().skip(covered).find(|run| !run.is_green())
}

/// The state of a run in one word.
pub fn state_word(run: &Run) -> &'static str {
    match run.state {
        RunState::Polling => "reading",
        RunState::Draining => "loading",
        RunState::Closing { .. } => "closing",
        RunState::Complete if run.counts.balanced() => "complete",
        RunState::Complete => "unbalanced",
        RunState::Incomplete { .. } => "incomplete",
        RunState::Abandoned => "abandoned",
        RunState::Failed { .. } => "failed",
    }
}

/// Why a run did not succeed.
pub fn why(run: &Run) -> Option<String> {
    match &run.state {
        RunState::Incomplete { why } | RunState::Failed { why } => Some(why.clone()),
        RunState::Abandoned => Some("it was interrupted; the next run covers the same window".to_owned()),
        RunState::Complete if !run.counts.balanced() => Some(format!(
            "{} records were read and another number is accounted for: please report it, and run it with --full",
            run.counts.polled
        )),
        RunState::Complete => None,
        RunState::Polling | RunState::Draining | RunState::Closing { .. } => {
            Some("it has not ended: `run` continues it".to_owned())
        }
    }
}

/// A length of time in seconds, to the millisecond.
pub fn in_seconds(length: TimeDelta) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a run does not last longer than a double counts milliseconds")]
    let millis = length.num_milliseconds().max(0) as f64;
    millis / 1_000.0
}

/// The rows of a command.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rows {
    /// One per sync, in the order in which they were run.
    pub syncs: Vec<SyncRow>,
    /// What was delivered meanwhile.
    pub deliveries: Vec<DeliveryRow>,
}

impl Rows {
    /// Whether every sync and every delivery succeeded.
    pub fn are_ok(&self) -> bool {
        self.syncs.iter().all(SyncRow::is_ok) && self.deliveries.iter().all(DeliveryRow::is_ok)
    }

    fn name(&self, row: &SyncRow) -> String {
        let all = self.syncs.iter().map(|row| (row.integration.as_str(), row.sync.as_str()));
        told_apart(all, &row.integration, &row.sync)
    }

    /// What a person should know beyond the table, and which command shows it.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        // What stops one sync often stops all of its connection, and is said once.
        let mut problems: Vec<(String, Vec<String>)> = Vec::new();
        for row in &self.syncs {
            let problem = (!row.is_ok() && !row.note.is_empty()).then(|| format!("{}: {}", row.problem(), row.note));
            for text in problem.into_iter().chain(row.warnings.iter().chain(&row.notes).cloned()) {
                match problems.iter_mut().find(|(known, _)| *known == text) {
                    Some((_, syncs)) if syncs.contains(&self.name(row)) => {}
                    Some((_, syncs)) => syncs.push(self.name(row)),
                    None => problems.push((text, vec![self.name(row)])),
                }
            }
        }
        words.extend(problems.into_iter().map(|(text, syncs)| format!("{}: {text}", syncs.join(", "))));
        words.extend(self.deliveries.iter().filter_map(DeliveryRow::words));
        let (rejects, waiting) =
            self.syncs.iter().fold((0, 0), |(r, w), row| (r + row.open_rejects, w + row.open_waiting));
        if rejects > 0 {
            let records = count(rejects, "record is", "records are");
            words.push(format!("{records} rejected: `rejects` shows the field, the value and the reason"));
        }
        if waiting > 0 {
            let records = count(waiting, "record waits", "records wait");
            words.push(format!("{records} for something that is named: `status` shows for what"));
        }
        words
    }
}

impl SyncRow {
    fn problem(&self) -> &str {
        if self.state == "complete" { "does not agree" } else { &self.state }
    }
}

impl Answer for Rows {
    fn text(&self) -> String {
        let shows = |of: fn(&SyncRow) -> u64| self.syncs.iter().any(|row| of(row) > 0);
        // Columns that are nearly always empty are shown when they are not.
        let (deleted, superseded, filtered) =
            (shows(|row| row.deleted), shows(|row| row.superseded), shows(|row| row.filtered));
        let mut headings = vec!["sync", ">read", ">inserted", ">updated"];
        headings.extend(deleted.then_some(">deleted"));
        headings.push(">unchanged");
        headings.extend(superseded.then_some(">superseded"));
        headings.extend(filtered.then_some(">filtered"));
        headings.extend([">rejected", ">waiting", ">seconds", "complete up to (UTC)", "agrees"]);
        let mut columns = Columns::new(&headings);
        for row in &self.syncs {
            let mut cells = vec![self.name(row), number(row.read), number(row.inserted), number(row.updated)];
            cells.extend(deleted.then(|| number(row.deleted)));
            cells.push(number(row.unchanged));
            cells.extend(superseded.then(|| number(row.superseded)));
            cells.extend(filtered.then(|| number(row.filtered)));
            cells.extend([number(row.rejected), number(row.waiting), format!("{:.1}", row.seconds)]);
            cells.push(time_or_dash(row.complete_up_to));
            cells.push(row.verdict());
            columns.row(cells);
        }
        let syncs = if self.syncs.is_empty() { String::new() } else { columns.text() };
        syncs + &deliveries::table(&self.deliveries)
    }
}

impl SyncRow {
    /// The last column: whether it agrees, or why that cannot be said.
    fn verdict(&self) -> String {
        match (self.state.as_str(), self.agrees) {
            ("complete", Some(true)) => "yes".to_owned(),
            ("complete", Some(false)) => "NO".to_owned(),
            ("complete", None) => "not compared".to_owned(),
            (state, _) => shortened(&state.to_uppercase(), 20),
        }
    }
}

#[cfg(test)]
mod tests;
