//! `backfill`: read a past period again, in windows one after the other, so that an interruption costs one window.

use chrono::{Days, NaiveDate};
use engine::model::audit::Counts;
use engine::model::message::Reason;
use engine::model::run::Run;
use engine::model::window::Selection;
use serde::Serialize;

use crate::args::Options;
use crate::exit::{Exit, exit_of, usage};
use crate::output::{Answer, Output};
use crate::rows::{in_seconds, state_word, why};
use crate::setup::Setup;
use crate::words::{Columns, number};
use crate::work::Work;

/// `backfill`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The sync
    sync: String,
    /// The first day
    #[arg(long, value_name = "DATE")]
    from: NaiveDate,
    /// The last day
    #[arg(long, value_name = "DATE")]
    to: NaiveDate,
    /// How much is read at once, such as 7d or 4w
    #[arg(long, value_name = "LENGTH", default_value = "7d", value_parser = days)]
    window: u64,
}

/// `7d`, `4w`, or a number of days.
fn days(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.strip_suffix(['d', 'w']) {
        Some(digits) if text.ends_with('w') => (digits, 7),
        Some(digits) => (digits, 1),
        None => (text, 1),
    };
    let count: u64 = digits.parse().map_err(|_| "write a number of days or weeks, such as 7d or 4w".to_owned())?;
    count.checked_mul(unit).filter(|days| (1..=36_525).contains(days)).ok_or_else(|| "at least one day".to_owned())
}

/// The windows from the first day to the last, both included.
fn windows(from: NaiveDate, to: NaiveDate, length: u64) -> Vec<(NaiveDate, NaiveDate)> {
    let mut windows = Vec::new();
    let mut begin = from;
    while begin <= to {
        let end = begin.checked_add_days(Days::new(length - 1)).unwrap_or(to).min(to);
        windows.push((begin, end));
        let Some(next) = end.succ_opt() else { break };
        begin = next;
    }
    windows
}

/// Runs the windows.
pub async fn run(options: &Options, args: &Args, output: &Output) -> anyhow::Result<Exit> {
    if args.to < args.from {
        return Err(usage("--to is before --from"));
    }
    let setup = Setup::open(options).await?;
    let sync = setup.find(&args.sync)?;
    let mut work = Work::begin(&setup, output).await?;
    let mut report = Report { sync: sync.stream.clone(), windows: Vec::new() };
    for (from, to) in windows(args.from, args.to, args.window) {
        let known = work.runs_of(&sync).await?.len();
        let worked = work.run(&sync, Reason::Backfill, Selection::Dates { from, to: Some(to) }).await;
        if let Err(failure) = worked {
            output.answer(&report)?;
            if exit_of(&failure) == Exit::Interrupted {
                output.say(format!(
                    "stopped in the window that begins on {from}; the ones before are done: go on with `backfill {} \
                     --from {from} --to {}`",
                    args.sync, args.to
                ));
                return Ok(Exit::Interrupted);
            }
            return Err(failure);
        }
        let runs = work.runs_of(&sync).await?;
        let window = Window::new(from, to, runs.get(known..).unwrap_or_default(), work.not_begun(&sync));
        output.say(format!("{from} to {to}: {} records, {}", number(window.counts.polled), window.state));
        let ok = window.state == "complete";
        let note = window.note.clone().unwrap_or_else(|| window.state.clone());
        report.windows.push(window);
        if !ok {
            output.answer(&report)?;
            output.say(format!(
                "the window that begins on {from} did not succeed: {note}; when that is mended, go on with `backfill {} \
                 --from {from} --to {}`",
                args.sync, args.to
            ));
            return Ok(Exit::NotOk);
        }
    }
    output.answer(&report)?;
    Ok(Exit::Ok)
}

#[derive(Debug, Serialize)]
struct Report {
    sync: String,
    windows: Vec<Window>,
}

#[derive(Debug, Serialize)]
struct Window {
    from: NaiveDate,
    to: NaiveDate,
    run: Option<String>,
    state: String,
    note: Option<String>,
    seconds: f64,
    #[serde(flatten)]
    counts: Counts,
}

impl Window {
    fn new(from: NaiveDate, to: NaiveDate, runs: &[Run], not_begun: Option<&String>) -> Self {
        let mut counts = Counts::default();
        runs.iter().for_each(|run| counts.merge(&run.counts));
        let run = runs.iter().find(|run| !run.is_green()).or(runs.first());
        Self {
            from,
            to,
            run: run.map(|run| run.id.to_string()),
            state: match not_begun {
                Some(_) => "failed".to_owned(),
                None => run.map_or("not started", state_word).to_owned(),
            },
            note: not_begun.cloned().or_else(|| run.and_then(why)),
            seconds: runs.iter().filter_map(|run| Some(in_seconds(run.ended_at? - run.started_at))).sum(),
            counts,
        }
    }
}

impl Answer for Report {
    fn text(&self) -> String {
        let mut columns = Columns::new(&[
            "from",
            "to",
            ">read",
            ">inserted",
            ">updated",
            ">unchanged",
            ">rejected",
            ">waiting",
            ">seconds",
            "state",
        ]);
        for window in &self.windows {
            let counts = &window.counts;
            let numbers = [counts.polled, counts.inserted, counts.updated, counts.unchanged, counts.rejected];
            let mut cells = vec![window.from.to_string(), window.to.to_string()];
            cells.extend(numbers.map(number));
            cells.push(number(counts.waiting));
            cells.push(format!("{:.1}", window.seconds));
            cells.push(window.state.clone());
            columns.row(cells);
        }
        columns.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn windows_follow_one_another_without_gap_or_overlap() {
        let cut = windows(day("2026-01-01"), day("2026-01-16"), 7);
        assert_eq!(
            cut,
            [
                (day("2026-01-01"), day("2026-01-07")),
                (day("2026-01-08"), day("2026-01-14")),
                (day("2026-01-15"), day("2026-01-16")),
            ]
        );
        assert_eq!(windows(day("2026-01-01"), day("2026-01-01"), 7).len(), 1);
    }

    #[test]
    fn lengths_are_days_or_weeks() {
        assert_eq!((days("7d"), days("2w"), days("30")), (Ok(7), Ok(14), Ok(30)));
        assert!(days("0d").is_err() && days("week").is_err());
    }
}
