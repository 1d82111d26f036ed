//! What PostgreSQL alone needs: the same rows as CSV into a staging table, and one upsert.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::measure::Stream;
use crate::options::Options;

/// What a step leaves behind would be vacuumed while the next one is measured.
const LEFT_BEHIND: &str = "set client_min_messages = error; drop schema if exists lower_bound cascade; \
                           drop schema if exists erp cascade; drop schema if exists etl cascade";

/// Removes what earlier steps left behind.
///
/// # Errors
/// When psql fails.
pub fn clean(options: &Options) -> Result<()> {
    psql(options, &format!("{LEFT_BEHIND}; checkpoint"))
}

/// Writes what was loaded to a CSV file, in the order of the key.
///
/// # Errors
/// When psql fails.
pub fn copy_out(options: &Options, stream: &Stream, csv: &Path) -> Result<()> {
    let (columns, table, key) = (stream.columns.join(", "), stream.table, stream.key);
    psql(options, &format!("\\copy (select {columns} from erp.{table} order by {key}) to '{}' csv", csv.display()))
}

/// The same rows as CSV into a staging table and one upsert: nothing less does the job.
///
/// # Errors
/// When psql fails.
pub fn lower_bound(options: &Options, stream: &Stream, csv: &Path) -> Result<Duration> {
    let (columns, table, key) = (stream.columns.join(", "), stream.table, stream.key);
    psql(
        options,
        &format!(
            "create schema lower_bound; \
             create table lower_bound.{table} as select {columns} from erp.{table} with no data; \
             alter table lower_bound.{table} add primary key ({key}); \
             drop schema erp cascade; drop schema etl cascade; checkpoint"
        ),
    )?;
    let set: Vec<_> = stream.columns.iter().map(|column| format!("{column} = excluded.{column}")).collect();
    let script = format!(
        "begin;\ncreate temp table staging (like lower_bound.{table}) on commit drop;\n\\copy staging from '{}' csv\n\
         insert into lower_bound.{table} select * from staging on conflict ({key}) do update set {};\ncommit;\n",
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

/// The address of a server without its password, and the password.
pub fn split_password(url: &str) -> (String, Option<String>) {
    let Some((head, rest)) = url.split_once("://") else { return (url.to_owned(), None) };
    let Some((user, host)) = rest.split_once('@') else { return (url.to_owned(), None) };
    match user.split_once(':') {
        Some((user, password)) => (format!("{head}://{user}@{host}"), Some(password.to_owned())),
        None => (url.to_owned(), None),
    }
}
