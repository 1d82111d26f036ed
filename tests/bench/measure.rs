//! One benchmark: a sync, the same sync after 1 % changed, and the lower bound, as often as was asked for.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use chrono::{NaiveDate, Utc};
use serde_json::Value as Json;
use tokio::runtime::Runtime;

use crate::options::Options;
use crate::postgres::{clean, copy_out, lower_bound, split_password};
use crate::process::{Used, set_secret, sync};
use crate::report::{mib, secs};
use crate::waiting::Watched;

/// The secret of the source.
const SECRET: &str = "bench-source";

/// The secret of the warehouse.
const WAREHOUSE_SECRET: &str = "bench-postgres";

/// What is moved.
#[derive(Debug, Clone, Copy)]
pub struct Stream {
    /// The integration.
    pub integration: &'static str,
    /// Its blueprint.
    pub blueprint: &'static str,
    /// The stream.
    pub name: &'static str,
    /// Its table.
    pub table: &'static str,
    /// The mapped columns; the blueprint's others are switched off.
    pub columns: [&'static str; 20],
    /// The key of the table.
    pub key: &'static str,
}

/// A simulated source with a stream to move.
pub trait Bench: Sized {
    /// What is moved.
    const STREAM: Stream;

    /// Starts it with exactly so many rows, none of which changed within the last days.
    ///
    /// # Errors
    /// When it cannot be made up or started.
    fn start(runtime: &Runtime, rows: usize, today: NaiveDate) -> Result<Self>;

    /// Where it listens: scheme, host and port.
    fn origin(&self) -> String;

    /// The settings of its connection as one line of YAML, `system: {…}`, where it is reached at `origin`.
    fn connection(&self, origin: &str, secret: &str) -> String;

    /// User and password.
    fn credentials(&self) -> [String; 2];

    /// Changes every hundredth row today, and makes what earlier rounds changed old.
    ///
    /// # Errors
    /// When a row cannot be changed.
    fn change(&self, round: usize, today: NaiveDate) -> Result<()>;

    /// Calls since it was asked last.
    fn calls(&self) -> usize;

    /// Ends it.
    fn stop(self, runtime: &Runtime);
}

/// What was measured.
#[derive(Debug, Default)]
pub struct Measured {
    /// Rows of the source.
    pub rows: usize,
    /// The first sync of each round.
    pub ours: Vec<Used>,
    /// Calls that it made.
    pub calls: usize,
    /// What PostgreSQL alone needed.
    pub lower_bound: Vec<Duration>,
    /// The sync after 1 % changed.
    pub resync: Vec<Used>,
    /// Rows that it read.
    pub resync_read: u64,
}

impl Measured {
    /// Adds the rounds of another one.
    pub fn append(&mut self, mut other: Self) {
        self.ours.append(&mut other.ours);
        self.lower_bound.append(&mut other.lower_bound);
        self.resync.append(&mut other.resync);
        (self.rows, self.calls, self.resync_read) = (other.rows, other.calls, other.resync_read);
    }
}

/// Measures so many rounds with so many rows.
///
/// # Errors
/// When a run does not succeed, or moves another number of rows.
pub fn measure<B: Bench>(runtime: &Runtime, options: &Options, rows: usize, rounds: usize) -> Result<Measured> {
    let stream = B::STREAM;
    eprintln!("{}: {rows} rows, {rounds} round(s)", stream.name);
    let folder = tempfile::tempdir()?;
    let today = today();
    let source = B::start(runtime, rows, today)?;
    let config = folder.path().join("bench.yaml");
    fs::write(&config, tenant_file(&source, &source.origin(), options))?;
    let csv = folder.path().join("rows.csv");
    let mut measured = Measured { rows, ..Measured::default() };
    for round in 0..rounds {
        clean(options)?;
        let state = folder.path().join(format!("state-{round}"));
        set_secrets(&source, options, &config, &state)?;
        source.calls();
        let ours = first_sync(&stream, options, &config, &state, rows)?;
        measured.calls = source.calls();
        eprintln!(
            "  sync        {:7.2} s wall {:6.2} s cpu {:4} MiB {:5} calls",
            secs(ours.wall),
            secs(ours.cpu),
            mib(ours),
            measured.calls
        );
        measured.ours.push(ours);
        source.change(round, today)?;
        let (again, counts) = sync(options, &config, &state, stream.name)?;
        measured.resync_read = counts["read"].as_u64().unwrap_or(0);
        ensure!(counts["updated"] == rows / 100, "after 1 % changed: {counts}");
        eprintln!(
            "  1 % changed {:7.2} s wall {:6.2} s cpu, {} read",
            secs(again.wall),
            secs(again.cpu),
            counts["read"]
        );
        measured.resync.push(again);
        copy_out(options, &stream, &csv)?;
        let lower = lower_bound(options, &stream, &csv)?;
        eprintln!("  lower bound {:7.2} s wall", secs(lower));
        measured.lower_bound.push(lower);
    }
    source.stop(runtime);
    Ok(measured)
}

/// How a sync's time is spent at the source: what it used, its calls, and for how long their answers were waited for.
///
/// # Errors
/// As [`measure`].
pub fn watch<B: Bench>(runtime: &Runtime, options: &Options, rows: usize) -> Result<(Used, usize, Duration)> {
    let folder = tempfile::tempdir()?;
    let source = B::start(runtime, rows, today())?;
    let watched = Watched::start(&source.origin())?;
    let (config, state) = (folder.path().join("bench.yaml"), folder.path().join("state"));
    fs::write(&config, tenant_file(&source, &watched.origin(), options))?;
    clean(options)?;
    set_secrets(&source, options, &config, &state)?;
    source.calls();
    let used = first_sync(&B::STREAM, options, &config, &state, rows)?;
    let calls = source.calls();
    source.stop(runtime);
    Ok((used, calls, watched.waited()))
}

fn first_sync(stream: &Stream, options: &Options, config: &Path, state: &Path, rows: usize) -> Result<Used> {
    let (used, counts): (Used, Json) = sync(options, config, state, stream.name)?;
    ensure!(counts["inserted"] == rows, "loaded {counts}");
    Ok(used)
}

fn set_secrets<B: Bench>(source: &B, options: &Options, config: &Path, state: &Path) -> Result<()> {
    let [user, password] = source.credentials();
    let (_, warehouse) = split_password(&options.postgres);
    let warehouse = warehouse.unwrap_or_else(|| "unused".to_owned());
    let fields =
        [[SECRET, "username", &user], [SECRET, "password", &password], [WAREHOUSE_SECRET, "password", &warehouse]];
    fields.into_iter().try_for_each(|field| set_secret(options, config, state, field))
}

fn tenant_file<B: Bench>(source: &B, origin: &str, options: &Options) -> String {
    let (address, _) = split_password(&options.postgres);
    let Stream { integration, name, .. } = B::STREAM;
    let (connection, columns) = (source.connection(origin, SECRET), other_columns(&B::STREAM));
    format!(
        "connections:\n  erp:\n    {connection}\n  warehouse:\n    postgres: {{url: \"{address}\", secret: \
         {WAREHOUSE_SECRET}}}\nintegrations:\n  {integration}:\n    source: erp\n    destination: warehouse\n    syncs:\n      \
         {name}:\n        columns:\n{columns}"
    )
}

/// The blueprint's other columns, switched off.
fn other_columns(stream: &Stream) -> String {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let sync = format!("{}:", stream.name);
    let mut columns = stream
        .blueprint
        .lines()
        .skip_while(|line| line.trim() != sync)
        .skip_while(|line| line.trim() != "columns:")
        .skip(1)
        .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .peekable();
    let column_depth = columns.peek().map_or(0, |line| depth(line));
    columns
        .take_while(|line| depth(line) >= column_depth)
        .filter(|line| depth(line) == column_depth)
        .filter_map(|line| line.trim().split_once(':').map(|(name, _)| name))
        .filter(|name| !stream.columns.contains(name))
        .map(|name| format!("          {name}: null\n"))
        .collect()
}

#[allow(clippy::disallowed_methods, reason = "a benchmark runs in real time")]
fn today() -> NaiveDate {
    Utc::now().date_naive()
}
