//! What is done when a run has ended: files that were kept long enough are removed, and the tenant's job is run.

use engine::model::table::TableSpec;
use engine::ports::{AfterRun, Landed};
use engine::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::{Ask, Client};
use super::settings::JobSettings;
use crate::http::Method;

const JOBS: &str = "api/2.2/jobs";

/// Directories of runs that are looked at after one run.
const DIRECTORIES: usize = 20;

/// Files of other runs stay at least so long, whatever the settings say: a run may not be applied yet.
const SPARED_MS: i64 = 86_400_000;

#[derive(Debug, Serialize, Deserialize)]
struct Progress {
    v: u32,
    job_run: i64,
}

#[derive(Deserialize)]
struct Started {
    run_id: i64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RunInfo {
    state: State,
    status: Status,
    run_page_url: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct State {
    life_cycle_state: String,
    result_state: String,
    state_message: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    state: String,
    termination_details: Termination,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Termination {
    code: String,
    message: String,
}

/// Cleans up, runs the job, and tells how that ended.
///
/// # Errors
/// Stop when the job failed, Later for what passes.
pub(super) async fn after_run(
    client: &Client,
    table: &TableSpec,
    landed: &Landed<'_>,
    progress: Option<&str>,
) -> Result<AfterRun> {
    if progress.is_none()
        && let Err(error) = clean_up(client, table, landed).await
    {
        tracing::warn!(table = %table.name, reason = %error, "old files were not removed; the next run tries again");
    }
    let Some(job) = &client.settings.job else {
        return Ok(AfterRun::Done { note: None });
    };
    let known: Option<Progress> = progress.and_then(|text| serde_json::from_str(text).ok());
    let job_run = match known {
        Some(progress) => progress.job_run,
        None => run_now(client, job, table, landed).await?,
    };
    let what = format!("run {job_run} of job {}", job.id);
    let ask = Ask::new(Method::GET, &[JOBS, "runs/get"], &what).with("run_id", &job_run.to_string());
    let info: RunInfo = client.ask(&ask).await?;
    let Some(end) = end_of(&info) else {
        let progress = serde_json::to_string(&Progress { v: 1, job_run });
        let progress = progress.map_err(|e| Error::stop(format!("progress cannot be written: {e}")))?;
        return Ok(AfterRun::UnderWay { progress, after: client.settings.ask_every.0 });
    };
    match end {
        Ok(()) => Ok(AfterRun::Done { note: Some(format!("{what} succeeded")) }),
        Err(words) => Err(Error::stop(format!("{what} did not succeed: {words}; see {}", info.run_page_url))),
    }
}

/// Runs the job for this run of the sync; asked again, Databricks names the run that there is.
async fn run_now(client: &Client, job: &JobSettings, table: &TableSpec, landed: &Landed<'_>) -> Result<i64> {
    let Landed { run, sync, .. } = landed;
    let filled = |value: &String| {
        value.replace("{run}", run.as_str()).replace("{sync}", &sync.to_string()).replace("{table}", &table.name)
    };
    let parameters: serde_json::Map<_, _> =
        job.parameters.iter().map(|(name, value)| (name.clone(), filled(value).into())).collect();
    let token = xxhash_rust::xxh3::xxh3_128(format!("{sync}/{run}/{}", job.id).as_bytes());
    let mut body = json!({ "job_id": job.id, "idempotency_token": format!("{token:032x}") });
    if !parameters.is_empty() {
        body["job_parameters"] = parameters.into();
    }
    let what = format!("job {}", job.id);
    let started: Started = client.ask(&Ask::new(Method::POST, &[JOBS, "run-now"], &what).json(&body)?).await?;
    Ok(started.run_id)
}

/// Whether a run of a job has ended, and how.
fn end_of(info: &RunInfo) -> Option<Result<(), String>> {
    let RunInfo { state, status, .. } = info;
    let ended = match state.life_cycle_state.as_str() {
        "TERMINATED" | "SKIPPED" | "INTERNAL_ERROR" => true,
        // Newer answers may bring the other form alone.
        "" => status.state == "TERMINATED",
        _ => false,
    };
    if !ended {
        return None;
    }
    let result = match state.result_state.as_str() {
        "" => status.termination_details.code.as_str(),
        result => result,
    };
    if state.life_cycle_state != "SKIPPED" && matches!(result, "SUCCESS" | "SUCCESS_WITH_FAILURES") {
        return Some(Ok(()));
    }
    let message =
        if state.state_message.is_empty() { &status.termination_details.message } else { &state.state_message };
    let words: Vec<&str> =
        [state.life_cycle_state.as_str(), result, message].into_iter().filter(|word| !word.is_empty()).collect();
    Some(Err(words.join(" ")))
}

/// Removes the directories of runs whose files have been kept long enough, the oldest first.
async fn clean_up(client: &Client, table: &TableSpec, landed: &Landed<'_>) -> Result<()> {
    let now = client.clock.now().timestamp_millis();
    let kept = i64::try_from(client.settings.keep_files.0.as_millis()).unwrap_or(i64::MAX);
    let parent = client.directory(&table.name);
    let mut runs = client.list(&parent, 1_000).await?;
    // Names of runs sort by their time.
    runs.sort_by(|a, b| a.name.cmp(&b.name));
    let is_this = |name: &str| name == landed.run.as_str();
    let others = runs.iter().filter(|entry| entry.is_directory && !is_this(&entry.name)).take(DIRECTORIES);
    let these = runs.iter().filter(|entry| is_this(&entry.name) && kept == 0);
    for entry in these.chain(others) {
        let directory = format!("{parent}/{}", entry.name);
        let files = client.list(&directory, usize::MAX).await?;
        let before = now.saturating_sub(if is_this(&entry.name) { kept } else { kept.max(SPARED_MS) });
        if files.iter().any(|file| file.is_directory || file.last_modified.is_none_or(|changed| changed > before)) {
            if is_this(&entry.name) {
                continue;
            }
            return Ok(());
        }
        for file in files {
            client.remove(&format!("{directory}/{}", file.name)).await?;
        }
        client.remove_directory(&directory).await?;
    }
    Ok(())
}
