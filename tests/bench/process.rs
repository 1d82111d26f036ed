//! The program under measurement: started as a person starts it, and what it used.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::Value as Json;

use crate::options::Options;

/// What one process used.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// From its start to its end.
    pub wall: Duration,
    /// On all cores.
    pub cpu: Duration,
    /// Most resident memory, in KiB.
    pub resident: i64,
}

fn command(options: &Options, config: &Path, state: &Path) -> Command {
    let mut command = Command::new(&options.binary);
    command.arg("--config").arg(config).arg("--state").arg(state).arg("--json").arg("--no-progress");
    command
}

/// Sets a field of a secret.
///
/// # Errors
/// When the program refuses it.
pub fn set_secret(options: &Options, config: &Path, state: &Path, field: [&str; 3]) -> Result<()> {
    let [secret, field, value] = field;
    let mut child = command(options, config, state)
        .args(["secrets", "set", secret, field])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("{} cannot be started", options.binary.display()))?;
    child.stdin.take().context("no stdin")?.write_all(value.as_bytes())?;
    ensure!(child.wait()?.success(), "a secret could not be set");
    Ok(())
}

/// Runs a sync; returns what the process used and what it reports of the sync.
///
/// # Errors
/// When the run does not succeed.
pub fn sync(options: &Options, config: &Path, state: &Path, name: &str) -> Result<(Used, Json)> {
    let before = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let begun = Instant::now();
    let mut child =
        command(options, config, state).args(["run", name]).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut resident = 0;
    while child.try_wait()?.is_none() {
        // The kernel's own high-water mark of this program; the one it reports at the end would count this process too.
        resident = high_water_kib(&status).unwrap_or(resident);
        std::thread::sleep(Duration::from_millis(5));
    }
    let wall = begun.elapsed();
    let mut printed = String::new();
    child.stdout.take().context("no stdout")?.read_to_string(&mut printed)?;
    let ended = child.wait()?;
    let after = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = |usage: &nix::sys::resource::Usage| micros(usage.user_time()) + micros(usage.system_time());
    ensure!(ended.success(), "the sync ended with {ended}: {printed}");
    let printed: Json = serde_json::from_str(&printed)?;
    let used = Used { wall, cpu: cpu(&after).saturating_sub(cpu(&before)), resident };
    Ok((used, printed["syncs"][0].clone()))
}

fn high_water_kib(status: &Path) -> Option<i64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn micros(time: nix::sys::time::TimeVal) -> Duration {
    Duration::from_micros(u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap_or(0))
}
