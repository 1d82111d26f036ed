//! What is remembered about a sync between its runs: watermark, lease, epoch.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use super::id::RunId;

/// A run's right to read a sync. It is held by making progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who holds it.
    pub run: RunId,
    /// Until when, unless it is renewed.
    pub until: DateTime<Utc>,
    /// What [`SyncState::outstanding`] was before this run.
    #[serde(default)]
    pub outstanding_before: bool,
}

/// The mapping in force: its number goes up when its content changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct MappingVersion {
    /// From 1.
    pub number: u32,
    /// Hash of the mapping.
    pub hash: String,
}

/// What is remembered about a sync between its runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct SyncState {
    /// Number of the newest run.
    pub epoch: u64,
    /// Complete up to: every change at the source before it is loaded, or recorded as reject or waiting.
    pub watermark: Option<DateTime<Utc>>,
    /// The run that reads now.
    pub lease: Option<Lease>,
    /// A window task came while a run was reading: poll once more when it ends.
    pub again: bool,
    /// Why the sync rests until a person acts.
    pub paused: Option<String>,
    /// Whether the run before did not end complete, so that batches of it may still arrive or be replayed.
    pub outstanding: bool,
    /// The latest time the sync has seen; its clock never goes back.
    pub clock: Option<DateTime<Utc>>,
    /// The mapping in force.
    pub mapping: MappingVersion,
    /// The newest run.
    pub last_run: Option<RunId>,
    /// Runs whose lease ran out and that are still to be marked abandoned.
    pub overtaken: Vec<RunId>,
}

/// How a run ends, as far as its sync is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The window is complete: the watermark moves forward, never back.
    Complete {
        /// The new watermark.
        up_to: Option<DateTime<Utc>>,
    },
    /// All went well, but the run read chosen records and says nothing about the rest.
    Aside,
    /// Something is missing: batches of the run may still arrive or be replayed.
    NotComplete,
}

/// What [`SyncState::begin`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// The run holds the lease and is new.
    Started {
        /// Its epoch.
        epoch: u64,
        /// Whether it gives its version to unchanged records too.
        touch: bool,
    },
    /// The run held the lease already: the task came again.
    Resumed,
    /// Another run holds it.
    Busy {
        /// Which.
        by: RunId,
    },
}

impl SyncState {
    /// Time as the sync sees it: never before a time it has seen.
    pub fn tick(&mut self, now: DateTime<Utc>) -> DateTime<Utc> {
        let tick = self.clock.map_or(now, |last| now.max(last + Duration::microseconds(1)));
        self.clock = Some(tick);
        tick
    }

    /// Takes the lease for `run` until `until`, unless another run holds it. A run whose lease ran out is overtaken.
    pub fn begin(&mut self, run: &RunId, now: DateTime<Utc>, until: DateTime<Utc>) -> Begin {
        match &mut self.lease {
            Some(lease) if lease.run == *run => {
                lease.until = until;
                return Begin::Resumed;
            }
            Some(lease) if lease.until > now => return Begin::Busy { by: lease.run.clone() },
            Some(lease) => self.overtaken.push(lease.run.clone()),
            None => {}
        }
        self.epoch += 1;
        let touch = self.outstanding;
        self.lease = Some(Lease { run: run.clone(), until, outstanding_before: self.outstanding });
        self.outstanding = true;
        self.again = false;
        self.last_run = Some(run.clone());
        Begin::Started { epoch: self.epoch, touch }
    }

    /// Whether `run` holds the lease.
    pub fn is_held_by(&self, run: &RunId) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.run == *run)
    }

    /// Renews the lease of `run`; says whether it still held it.
    pub fn renew(&mut self, run: &RunId, until: DateTime<Utc>) -> bool {
        match &mut self.lease {
            Some(lease) if lease.run == *run => {
                lease.until = lease.until.max(until);
                true
            }
            _ => false,
        }
    }

    /// Ends the run, if it holds the lease; says whether it did.
    pub fn finish(&mut self, run: &RunId, end: End) -> bool {
        let Some(lease) = self.lease.take_if(|lease| lease.run == *run) else { return false };
        match end {
            End::Complete { up_to } => {
                self.outstanding = false;
                self.watermark = self.watermark.max(up_to);
            }
            End::Aside => self.outstanding = lease.outstanding_before,
            End::NotComplete => {}
        }
        true
    }

    /// Whether a task that came while a run was reading still asks for another poll. Only the next run answers it, so
    /// that it is not lost when whoever sends its task dies.
    pub fn owes_a_run(&self) -> bool {
        self.again && self.lease.is_none()
    }

    /// The number of the mapping with this hash: a new number when the hash is new.
    pub fn mapping_number(&mut self, hash: &str) -> u32 {
        if self.mapping.hash != hash {
            self.mapping = MappingVersion { number: self.mapping.number + 1, hash: hash.to_owned() };
        }
        self.mapping.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(minute * 60, 0).unwrap()
    }

    #[test]
    fn the_successor_of_a_run_whose_lease_ran_out_touches_what_it_reads() {
        let (first, second) = (RunId::new("1"), RunId::new("2"));
        let mut sync = SyncState::default();
        assert_eq!(sync.begin(&first, at(0), at(10)), Begin::Started { epoch: 1, touch: false });
        assert_eq!(sync.begin(&second, at(5), at(15)), Begin::Busy { by: first.clone() });
        assert_eq!(sync.begin(&second, at(11), at(21)), Begin::Started { epoch: 2, touch: true });
        assert_eq!(sync.overtaken, std::slice::from_ref(&first));
        assert!(!sync.renew(&first, at(30)));
        assert!(!sync.finish(&first, End::Complete { up_to: Some(at(1)) }));
        assert_eq!(sync.watermark, None);
    }

    #[test]
    fn a_run_over_chosen_keys_does_not_hide_what_an_incomplete_run_left_outstanding() {
        let (window, keys) = (RunId::new("1"), RunId::new("2"));
        let mut sync = SyncState::default();
        sync.begin(&window, at(0), at(10));
        sync.finish(&window, End::NotComplete);
        sync.begin(&keys, at(1), at(11));
        sync.finish(&keys, End::Aside);
        assert!(sync.outstanding);
    }

    #[test]
    fn a_task_that_comes_again_resumes_its_run() {
        let run = RunId::new("1");
        let mut sync = SyncState::default();
        sync.begin(&run, at(0), at(10));
        assert_eq!(sync.begin(&run, at(1), at(11)), Begin::Resumed);
        assert_eq!(sync.epoch, 1);
    }

    #[test]
    fn the_clock_of_a_sync_never_goes_back() {
        let mut sync = SyncState::default();
        let first = sync.tick(at(10));
        assert!(sync.tick(at(5)) > first);
    }

    #[test]
    fn the_watermark_moves_only_forward_and_only_on_completion() {
        let run = RunId::new("1");
        let mut sync = SyncState { watermark: Some(at(5)), ..SyncState::default() };
        sync.begin(&run, at(6), at(10));
        assert!(sync.finish(&run, End::Complete { up_to: Some(at(3)) }));
        assert_eq!(sync.watermark, Some(at(5)));
        sync.begin(&run, at(6), at(10));
        sync.finish(&run, End::NotComplete);
        assert_eq!(sync.watermark, Some(at(5)));
    }
}
