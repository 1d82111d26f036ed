//! The embedded backend keeps the promises of the engine's ports, in a file and in memory.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backend_embedded::{ChainVault, Embedded, EnvVault, FileVault};
use chrono::{DateTime, TimeDelta, Utc};
use engine::ports::Clock;

/// A clock that stands still until time is made to pass.
#[derive(Default)]
struct TestClock(Mutex<TimeDelta>);

impl TestClock {
    fn pass(&self, time: Duration) {
        *self.0.lock().unwrap() += TimeDelta::from_std(time).unwrap();
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap() + *self.0.lock().unwrap()
    }
}

/// Directories that live as long as the test.
struct Dirs(tempfile::TempDir, Mutex<u32>);

impl Dirs {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap(), Mutex::new(0))
    }

    fn next(&self) -> std::path::PathBuf {
        let mut number = self.1.lock().unwrap();
        *number += 1;
        self.0.path().join(format!("state/{number}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn store_in_a_file() {
    let dirs = Dirs::new();
    contract::store_battery(async || Embedded::open(&dirs.next()).unwrap()).await;
}

#[tokio::test]
async fn store_in_memory() {
    contract::store_battery(async || Embedded::in_memory().unwrap()).await;
}

#[tokio::test]
async fn queue_in_a_file() {
    let (dirs, clock) = (Dirs::new(), Arc::new(TestClock::default()));
    let make = async || Embedded::open_with(&dirs.next(), clock.clone()).unwrap();
    contract::queue_battery(make, async |time| clock.pass(time)).await;
}

#[tokio::test]
async fn queue_in_memory() {
    let clock = Arc::new(TestClock::default());
    let make = async || Embedded::in_memory_with(clock.clone()).unwrap();
    contract::queue_battery(make, async |time| clock.pass(time)).await;
}

fn file_vault(dir: &Path, passphrase: Option<&str>, secrets: &[(&str, &str, &str)]) -> FileVault {
    let vault = FileVault::new(dir, passphrase.map(str::to_owned));
    for (secret, field, value) in secrets {
        vault.set(secret, field, value).unwrap();
    }
    vault
}

fn variables(secrets: &[(&str, &str, &str)]) -> Vec<(String, String)> {
    let variable = |(secret, field, value): &(&str, &str, &str)| {
        let name = format!("ML_CONNECTOR_SECRET_{secret}_{field}").to_uppercase().replace('-', "_");
        (name, (*value).to_owned())
    };
    secrets.iter().map(variable).collect()
}

const WAYS: [&str; 2] = ["ml-connector secrets set none", "ML_CONNECTOR_SECRET_NONE_"];

#[tokio::test]
async fn vault_in_a_file() {
    let dirs = Dirs::new();
    contract::vault_battery(async |secrets| file_vault(&dirs.next(), None, secrets)).await;
    contract::missing_secret_names_both_ways(&file_vault(&dirs.next(), None, &[]), &WAYS).await;
}

#[tokio::test]
async fn vault_in_the_environment() {
    contract::vault_battery(async |secrets| EnvVault::new(variables(secrets))).await;
    contract::missing_secret_names_both_ways(&EnvVault::default(), &WAYS).await;
}

#[tokio::test]
async fn vault_in_both() {
    let dirs = Dirs::new();
    let make = async |secrets: &[(&str, &str, &str)]| {
        let (dir, (in_file, in_environment)) = (dirs.next(), secrets.split_at(secrets.len() / 2));
        file_vault(&dir, None, in_file);
        ChainVault::new(&dir, variables(in_environment))
    };
    contract::vault_battery(make).await;
    contract::missing_secret_names_both_ways(&ChainVault::new(&dirs.next(), []), &WAYS).await;
}
