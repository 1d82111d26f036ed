//! A month of a tenant: what its runs used, and what is paid for whether anything runs or not.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};
use engine::model::run::Run;
use engine::ports::Store;
use serde::{Serialize, Serializer};

use engine::model::id::SyncId;

use super::prices::{self, Usd};
use super::usage::Usage;

/// Runs of a sync that are read at first; when they do not reach back to the month's beginning, four times as many.
const RUNS: usize = 250;

/// A month of 30 days, in seconds.
const SECONDS: u64 = 30 * 24 * 3_600;

/// Pollers that Lambda keeps at a queue, each asking anew after this many seconds.
const POLLERS: u64 = 5;
const POLLER_SECONDS: u64 = 20;

/// Queues of a scope that are polled.
const QUEUES: u64 = 4;

/// Alarms of a scope: see `infra/alarms.yaml`.
const ALARMS: u64 = 16;

/// Seconds between two looks at all syncs, as the templates set it, and milliseconds of each.
const SWEEP_SECONDS: u64 = 900;
const SWEEP_MS: u64 = 500;

/// A calendar month, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Month(NaiveDate);

impl Month {
    /// The month of a point in time.
    pub fn of(at: DateTime<Utc>) -> Self {
        let day = at.date_naive();
        Self(day.with_day(1).unwrap_or(day))
    }

    fn start(self) -> DateTime<Utc> {
        self.0.and_time(NaiveTime::MIN).and_utc()
    }

    /// Whether something happened in it.
    pub fn contains(self, at: DateTime<Utc>) -> bool {
        Self::of(at) == self
    }
}

impl FromStr for Month {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let first = NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d");
        first.map(Self).map_err(|_| "write a month, such as 2026-11".to_owned())
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m"))
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// All runs of a sync that began in a month.
///
/// # Errors
/// When the store fails.
pub async fn runs_in(store: &dyn Store, sync: &SyncId, month: Month) -> engine::Result<Vec<Run>> {
    let mut limit = RUNS;
    loop {
        let mut runs = store.runs(sync, limit).await?;
        // Ids of runs sort by time but for those of one second.
        let reaches_back = runs.iter().map(|run| run.started_at).min().is_some_and(|first| first < month.start());
        if reaches_back || runs.len() < limit {
            runs.retain(|run| month.contains(run.started_at));
            return Ok(runs);
        }
        limit = limit.saturating_mul(4);
    }
}

/// Something that is paid for by the month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// What.
    pub what: String,
    /// How many.
    pub number: u64,
    /// For a month.
    pub usd: Usd,
    /// Whether other tenants use it too.
    pub shared: bool,
}

/// What stands of a tenant with so many secrets, whose integrations are in these scopes.
pub fn standing(secrets: u64, scopes: &[String], dedicated: bool) -> Vec<Standing> {
    let line = |what: String, number, usd, shared| Standing { what, number, usd, shared };
    let mut all = vec![
        line("secrets".to_owned(), secrets, prices::SECRET * secrets, false),
        line("key of tables and secrets".to_owned(), 1, prices::KEY, true),
    ];
    for scope in scopes {
        let polls = QUEUES * POLLERS * SECONDS / POLLER_SECONDS;
        let sweeps = SECONDS / SWEEP_SECONDS;
        let sweep = Usage {
            reads: sweeps,
            invocations: sweeps,
            milliseconds: sweeps * SWEEP_MS,
            firings: sweeps,
            ..Usage::default()
        };
        let shared = !dedicated;
        all.push(line(format!("{scope}: alarms"), ALARMS, prices::ALARM * ALARMS, shared));
        all.push(line(format!("{scope}: requests to empty queues"), polls, prices::EMPTY_REQUEST * polls, shared));
        all.push(line(format!("{scope}: looks at lateness"), sweeps, sweep.cost().total(), shared));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_read_as_it_is_written() {
        let month: Month = "2026-11".parse().unwrap();
        assert_eq!(month.to_string(), "2026-11");
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert!(month.contains(at("2026-11-30T23:59:59Z")) && !month.contains(at("2026-12-01T00:00:00Z")));
        assert_eq!(Month::of(at("2026-11-21T12:00:00Z")), month);
        assert!("11/2026".parse::<Month>().is_err());
    }

    /// The number of alarms is that of the template.
    #[test]
    fn alarms_are_counted_as_they_are_deployed() {
        let template = include_str!("../../../../infra/alarms.yaml");
        let mut alarms = 0;
        let mut each = 1;
        for line in template.lines() {
            match line.trim() {
                line if line.starts_with("Fn::ForEach") => each = 0,
                line if line.starts_with("- [") && each == 0 => each = line.split(',').count() as u64,
                line if line.ends_with("Type: AWS::CloudWatch::Alarm") => {
                    alarms += each;
                    each = 1;
                }
                _ => {}
            }
        }
        assert_eq!(alarms, ALARMS);
    }

    #[test]
    fn what_stands_does_not_depend_on_runs() {
        let standing = standing(3, &["jde-looker".to_owned()], false);
        let total: Usd = standing.iter().map(|line| line.usd).sum();
        assert_eq!(standing.len(), 5);
        assert_eq!(total.to_string(), "4.85");
        assert!(!standing[0].shared && standing[2].shared);
    }
}
