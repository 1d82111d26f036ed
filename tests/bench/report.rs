//! What the results of all benchmarks have in common.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value as Json, json};

use crate::measure::Measured;
use crate::options::Options;
use crate::process::Used;

/// A length of time in seconds.
pub fn secs(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

/// The memory of a process in MiB.
pub fn mib(used: Used) -> i64 {
    used.resident / 1024
}

/// The value in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// To two digits behind the point.
pub fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The wall times of processes, in seconds.
pub fn walls(used: &[Used]) -> Vec<f64> {
    used.iter().map(|used| rounded(secs(used.wall))).collect()
}

/// The middle wall time of processes, in seconds.
pub fn median_wall(used: &[Used]) -> f64 {
    median(used.iter().map(|used| secs(used.wall)).collect())
}

/// The figures that every benchmark has, and its limits. Each benchmark adds its own.
///
/// # Errors
/// When the machine cannot be described.
pub fn report(what: &str, options: &Options, small: &Measured, large: &Measured, limits: Json) -> Result<Json> {
    let lower = median(large.lower_bound.iter().copied().map(secs).collect());
    let cpu = median(large.ours.iter().map(|used| secs(used.cpu)).collect());
    let millions = large.rows as f64 / 1e6;
    let resident = |m: &Measured| m.ours.iter().chain(&m.resync).map(|used| mib(*used)).max();
    let lower_bound: Vec<_> = large.lower_bound.iter().map(|took| rounded(secs(*took))).collect();
    Ok(json!({
        "what": what,
        "machine": machine()?,
        "rows": large.rows,
        "rounds": options.rounds,
        "wall_seconds": {"sync": walls(&large.ours), "lower_bound": lower_bound},
        "ratio_to_lower_bound": rounded(median_wall(&large.ours) / lower),
        "own_cpu_seconds_per_million_rows": rounded(cpu / millions),
        "resident_mib": resident(large),
        "resident_mib_at_small": {"rows": small.rows, "mib": resident(small)},
        "resync_after_one_percent_changed": {
            "wall_seconds": walls(&large.resync),
            "median": rounded(median_wall(&large.resync)),
            "rows_read": large.resync_read,
        },
        "limits": limits,
    }))
}

/// Writes a result.
///
/// # Errors
/// When the file cannot be written.
pub fn write(options: &Options, report: &Json) -> Result<()> {
    fs::write(&options.out, serde_json::to_string_pretty(report)? + "\n")?;
    eprintln!("results in {}", options.out.display());
    Ok(())
}

fn machine() -> Result<Json> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches(['\t', ' ', ':']));
    let server = Command::new("psql").arg("--version").output()?;
    Ok(json!({
        "cores": std::thread::available_parallelism()?.get(),
        "cpu": model,
        "psql": String::from_utf8_lossy(&server.stdout).trim(),
    }))
}
