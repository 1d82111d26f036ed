//! JD Edwards to PostgreSQL, the whole way with archive, audit and ledger, alternating with what PostgreSQL alone needs
//! for the same rows: `psql \copy` into a staging table and one upsert.
//!
//! Run it with `tests/bench/run`. Figures are ratios of runs side by side; seconds alone say little about other machines.
#![allow(clippy::print_stderr, reason = "a benchmark talks to whoever runs it")]

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use chrono::{Days, NaiveDate, Utc};
use nix::sys::resource::{UsageWho, getrusage};
use sandbox::Clock;
use sandbox::jde::{JdeSandbox, Settings, Tables, Value, seed};
use serde_json::{Value as Json, json};

/// The mapped columns: a usual choice of twenty, with key, dates, amounts and texts.
const COLUMNS: [&str; 20] = [
    "document_number",
    "document_type",
    "document_company",
    "pay_item",
    "pay_item_extension",
    "supplier_number",
    "company",
    "invoice_date",
    "due_date",
    "gl_date",
    "gross_amount",
    "open_amount",
    "tax_amount",
    "currency",
    "pay_status",
    "is_voided",
    "supplier_invoice_number",
    "business_unit",
    "remark",
    "source_updated_at",
];

const KEY: &str = "document_number, document_type, document_company, pay_item, pay_item_extension";

/// What a step leaves behind would be vacuumed while the next one is measured.
const LEFT_BEHIND: &str = "set client_min_messages = error; drop schema if exists lower_bound cascade; \
                           drop schema if exists erp cascade; drop schema if exists etl cascade";

struct Options {
    rows: usize,
    small: usize,
    rounds: usize,
    out: PathBuf,
    binary: PathBuf,
    postgres: String,
}

/// What one process used.
#[derive(Clone, Copy)]
struct Used {
    wall: Duration,
    cpu: Duration,
    /// Most resident memory, in KiB.
    resident: i64,
}

fn main() -> Result<()> {
    let options = options()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _guard = runtime.enter();
    let small = measure(&runtime, &options, options.small, 1)?;
    let large = measure(&runtime, &options, options.rows, options.rounds)?;
    let report = report(&options, &small, &large)?;
    fs::write(&options.out, serde_json::to_string_pretty(&report)? + "\n")?;
    eprintln!("results in {}", options.out.display());
    Ok(())
}

fn options() -> Result<Options> {
    let mut options = Options {
        rows: 1_000_000,
        small: 10_000,
        rounds: 3,
        out: PathBuf::from("jde_postgres.json"),
        binary: PathBuf::from("target/release/ml-connector"),
        postgres: std::env::var("ML_CONNECTOR_TEST_POSTGRES")
            .context("ML_CONNECTOR_TEST_POSTGRES is not set: run tests/bench/run, which starts a server")?,
    };
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(name) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--rows" => options.rows = value.parse()?,
            "--small" => options.small = value.parse()?,
            "--rounds" => options.rounds = value.parse()?,
            "--out" => options.out = value.into(),
            "--binary" => options.binary = value.into(),
            other => bail!("{other} is not an option: use --rows, --small, --rounds, --out, --binary"),
        }
    }
    Ok(options)
}

struct Measured {
    rows: usize,
    ours: Vec<Used>,
    lower_bound: Vec<Duration>,
    resync: Vec<Used>,
    resync_read: u64,
}

fn measure(runtime: &tokio::runtime::Runtime, options: &Options, rows: usize, rounds: usize) -> Result<Measured> {
    eprintln!("{rows} rows, {rounds} round(s)");
    let folder = tempfile::tempdir()?;
    let today = today();
    let tables = ledger(rows, today)?;
    let jde = runtime.block_on(JdeSandbox::start(settings(), Clock::system(), tables))?;
    let config = folder.path().join("bench.yaml");
    fs::write(&config, tenant_file(&jde.base_url(), &options.postgres))?;
    let csv = folder.path().join("rows.csv");
    let mut measured = Measured { rows, ours: Vec::new(), lower_bound: Vec::new(), resync: Vec::new(), resync_read: 0 };
    for round in 0..rounds {
        psql(options, &format!("{LEFT_BEHIND}; checkpoint"))?;
        let state = folder.path().join(format!("state-{round}"));
        set_secret(options, &config, &state)?;
        let (ours, counts) = sync(options, &config, &state)?;
        ensure!(counts["inserted"] == rows, "loaded {counts}");
        eprintln!("  sync        {:7.2} s wall {:6.2} s cpu {:4} MiB", secs(ours.wall), secs(ours.cpu), mib(ours));
        measured.ours.push(ours);
        change(&jde, rows, round, today)?;
        let (again, counts) = sync(options, &config, &state)?;
        measured.resync_read = counts["read"].as_u64().unwrap_or(0);
        ensure!(counts["updated"] == rows / 100, "after 1 % changed: {counts}");
        eprintln!(
            "  1 % changed {:7.2} s wall {:6.2} s cpu, {} read",
            secs(again.wall),
            secs(again.cpu),
            counts["read"]
        );
        measured.resync.push(again);
        let columns = COLUMNS.join(", ");
        psql(
            options,
            &format!("\\copy (select {columns} from erp.ap_invoices order by {KEY}) to '{}' csv", csv.display()),
        )?;
        let lower = lower_bound(options, &csv)?;
        eprintln!("  lower bound {:7.2} s wall", secs(lower));
        measured.lower_bound.push(lower);
    }
    runtime.block_on(jde.shutdown());
    Ok(measured)
}

fn settings() -> Settings {
    Settings { users: vec![("bench".to_owned(), "bench".to_owned())], ..Settings::default() }
}

/// Exactly `rows` rows of F0411, none of which changed within the last days.
fn ledger(rows: usize, today: NaiveDate) -> Result<Tables> {
    let options = seed::SeedOptions { invoices: rows, details: false, ..seed::SeedOptions::new(today) };
    let mut tables = seed::ledger(&options)?;
    let table = tables.get_mut("F0411").context("the seed has no F0411")?;
    let old = today.checked_sub_days(Days::new(30)).context("no date 30 days ago")?;
    let recent: Vec<_> =
        table.rows().filter(|row| row.date("UPMJ").is_some_and(|d| d > old)).map(|row| row.key_values()).collect();
    for key in &recent {
        table.update(key, &[("UPMJ", Value::from(old))])?;
    }
    ensure!(table.len() == rows, "the seed gave {} rows of F0411, not {rows}", table.len());
    Ok(tables)
}

/// Changes every hundredth row today.
fn change(jde: &JdeSandbox, rows: usize, round: usize, today: NaiveDate) -> Result<()> {
    jde.with_tables(|tables| {
        let table = tables.get_mut("F0411").context("no F0411")?;
        let old = today.checked_sub_days(Days::new(30)).context("no date 30 days ago")?;
        let dated: Vec<_> =
            table.rows().filter(|row| row.date("UPMJ") == Some(today)).map(|row| row.key_values()).collect();
        for key in &dated {
            table.update(key, &[("UPMJ", Value::from(old))])?;
        }
        let keys: Vec<_> =
            (0..rows / 100).filter_map(|i| table.nth(i * 100 + round)).map(|row| row.key_values()).collect();
        for key in &keys {
            let remark = format!("changed in round {round}");
            table.update(
                key,
                &[("RMK", Value::from(remark)), ("UPMJ", Value::from(today)), ("UPMT", Value::from(91_502))],
            )?;
        }
        Ok(())
    })
}

fn tenant_file(jde: &str, postgres: &str) -> String {
    let (address, _) = split_password(postgres);
    let columns = other_columns();
    format!(
        "connections:\n  erp:\n    jde: {{url: \"{jde}\", secret: bench-jde, page_size: 1000}}\n  warehouse:\n    \
         postgres: {{url: \"{address}\", secret: bench-postgres}}\nintegrations:\n  jde-looker:\n    source: erp\n    \
         destination: warehouse\n    syncs:\n      ap_invoices:\n        columns:\n{columns}"
    )
}

/// The blueprint's other columns, switched off.
fn other_columns() -> String {
    let blueprint = include_str!("../../shared/integrations/jde-looker.yaml");
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut columns = blueprint
        .lines()
        .skip_while(|line| line.trim() != "ap_invoices:")
        .skip_while(|line| line.trim() != "columns:")
        .skip(1)
        .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .peekable();
    let column_depth = columns.peek().map_or(0, |line| depth(line));
    columns
        .take_while(|line| depth(line) >= column_depth)
        .filter(|line| depth(line) == column_depth)
        .filter_map(|line| line.trim().split_once(':').map(|(name, _)| name))
        .filter(|name| !COLUMNS.contains(name))
        .map(|name| format!("          {name}: null\n"))
        .collect()
}

fn split_password(url: &str) -> (String, Option<String>) {
    let Some((head, rest)) = url.split_once("://") else { return (url.to_owned(), None) };
    let Some((user, host)) = rest.split_once('@') else { return (url.to_owned(), None) };
    match user.split_once(':') {
        Some((user, password)) => (format!("{head}://{user}@{host}"), Some(password.to_owned())),
        None => (url.to_owned(), None),
    }
}

fn command(options: &Options, config: &Path, state: &Path) -> Command {
    let mut command = Command::new(&options.binary);
    command.arg("--config").arg(config).arg("--state").arg(state).arg("--json").arg("--no-progress");
    command
}

fn set_secret(options: &Options, config: &Path, state: &Path) -> Result<()> {
    let (_, password) = split_password(&options.postgres);
    let fields = [
        ("bench-jde", "username", "bench".to_owned()),
        ("bench-jde", "password", "bench".to_owned()),
        ("bench-postgres", "password", password.unwrap_or_else(|| "unused".to_owned())),
    ];
    for (secret, field, value) in fields {
        let mut child = command(options, config, state)
            .args(["secrets", "set", secret, field])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        child.stdin.take().context("no stdin")?.write_all(value.as_bytes())?;
        ensure!(child.wait()?.success(), "a secret could not be set");
    }
    Ok(())
}

/// Runs the sync; returns what the process used and what it reports of `ap_invoices`.
fn sync(options: &Options, config: &Path, state: &Path) -> Result<(Used, Json)> {
    let before = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let begun = Instant::now();
    let mut child = command(options, config, state)
        .args(["run", "ap_invoices"])
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
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

/// The same rows as CSV into a staging table and one upsert: nothing less does the job.
fn lower_bound(options: &Options, csv: &Path) -> Result<Duration> {
    let columns = COLUMNS.join(", ");
    psql(
        options,
        &format!(
            "create schema lower_bound; \
             create table lower_bound.ap_invoices as select {columns} from erp.ap_invoices with no data; \
             alter table lower_bound.ap_invoices add primary key ({KEY}); \
             drop schema erp cascade; drop schema etl cascade; checkpoint"
        ),
    )?;
    let set: Vec<_> = COLUMNS.iter().map(|column| format!("{column} = excluded.{column}")).collect();
    let script = format!(
        "begin;\ncreate temp table staging (like lower_bound.ap_invoices) on commit drop;\n\\copy staging from '{}' csv\n\
         insert into lower_bound.ap_invoices select * from staging on conflict ({KEY}) do update set {};\ncommit;\n",
        csv.display(),
        set.join(", ")
    );
    let file = csv.with_extension("sql");
    fs::write(&file, script)?;
    let begun = Instant::now();
    let status = Command::new("psql")
        .args(["-q", "-X", "-v", "ON_ERROR_STOP=1", "-d", &options.postgres, "-f"])
        .arg(&file)
        .stdout(Stdio::null())
        .status()?;
    ensure!(status.success(), "the lower bound ended with {status}");
    Ok(begun.elapsed())
}

fn psql(options: &Options, commands: &str) -> Result<()> {
    let mut command = Command::new("psql");
    command.args(["-q", "-X", "-v", "ON_ERROR_STOP=1", "-d", &options.postgres]);
    for one in commands.split("; ") {
        command.arg("-c").arg(one);
    }
    let status = command.stdout(Stdio::null()).stderr(Stdio::inherit()).status().context("psql is not installed")?;
    ensure!(status.success(), "psql ended with {status}");
    Ok(())
}

fn secs(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

fn mib(used: Used) -> i64 {
    used.resident / 1024
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn report(options: &Options, small: &Measured, large: &Measured) -> Result<Json> {
    let ours = median(large.ours.iter().map(|used| secs(used.wall)).collect());
    let lower = median(large.lower_bound.iter().copied().map(secs).collect());
    let cpu = median(large.ours.iter().map(|used| secs(used.cpu)).collect());
    let resync = median(large.resync.iter().map(|used| secs(used.wall)).collect());
    let millions = large.rows as f64 / 1e6;
    let resident = |m: &Measured| m.ours.iter().chain(&m.resync).map(|used| mib(*used)).max();
    let wall = |m: &[Used]| m.iter().map(|used| rounded(secs(used.wall))).collect::<Vec<_>>();
    Ok(json!({
        "what": "F0411 by AIS into PostgreSQL: 20 columns, 1,000 rows a page, upsert by key, audit, archive and ledger on, \
                 everything durable; beside it psql \\copy into a staging table and one upsert",
        "machine": machine()?,
        "rows": large.rows,
        "rounds": options.rounds,
        "wall_seconds": {"sync": wall(&large.ours), "lower_bound": large.lower_bound.iter().map(|d| rounded(secs(*d))).collect::<Vec<_>>()},
        "ratio_to_lower_bound": rounded(ours / lower),
        "own_cpu_seconds_per_million_rows": rounded(cpu / millions),
        "resident_mib": resident(large),
        "resident_mib_at_small": {"rows": small.rows, "mib": resident(small)},
        "resync_after_one_percent_changed": {"wall_seconds": wall(&large.resync), "median": rounded(resync), "rows_read": large.resync_read},
        "limits": {"ratio_to_lower_bound": 2.0, "own_cpu_seconds_per_million_rows": 8.0, "resident_mib": 96, "resync_seconds": 1.0},
    }))
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

#[allow(clippy::disallowed_methods, reason = "a benchmark runs in real time")]
fn today() -> NaiveDate {
    Utc::now().date_naive()
}
