//! Jobs that customers have set up: they are started and looked at.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::answer::{Answer, Refusal};
use super::catalog::Privilege;
use super::server::Shared;
use super::settings::Principal;
use crate::http::Request;

/// A job.
#[derive(Clone, Debug)]
pub struct Job {
    pub(super) id: u64,
    pub(super) polls: usize,
    pub(super) failure: Option<String>,
}

impl Job {
    /// A job whose runs succeed once they were asked for a time.
    pub fn new(id: u64) -> Self {
        Self { id, polls: 1, failure: None }
    }

    /// Its runs are under way for so many polls.
    pub fn taking(mut self, polls: usize) -> Self {
        self.polls = polls;
        self
    }

    /// Its runs fail, with these words.
    pub fn failing(mut self, message: &str) -> Self {
        self.failure = Some(message.into());
        self
    }
}

/// A run of a job.
#[derive(Clone, Debug)]
pub struct JobRun {
    /// Its id.
    pub id: u64,
    /// The job's id.
    pub job: u64,
    /// The token that it was started with.
    pub idempotency_token: Option<String>,
    /// The job parameters that it was started with.
    pub parameters: BTreeMap<String, String>,
    polls_left: usize,
    canceled: bool,
}

/// Jobs and their runs.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    pub(super) jobs: Vec<Job>,
    pub(super) runs: Vec<JobRun>,
}

fn read<'a, T: Deserialize<'a>>(request: &'a Request) -> Result<T, Refusal> {
    serde_json::from_slice(&request.body)
        .map_err(|error| Refusal::malformed(format!("Could not parse request object: {error}")))
}

fn number(request: &Request, name: &str) -> Result<u64, Refusal> {
    let found = request.parameters().into_iter().find(|(known, _)| known == name);
    found
        .and_then(|(_, value)| value.parse().ok())
        .ok_or_else(|| Refusal::invalid(format!("{name} is missing or no number.")))
}

fn missing(job: u64) -> Refusal {
    Refusal::new(400, "INVALID_PARAMETER_VALUE", format!("Job {job} does not exist."))
}

impl Shared {
    /// `POST /api/2.2/jobs/run-now`: the same token leads to the same run.
    pub(super) fn run_now(&self, request: &Request, principal: &Principal) -> Result<Answer, Refusal> {
        #[derive(Deserialize)]
        struct Body {
            job_id: u64,
            idempotency_token: Option<String>,
            #[serde(default)]
            job_parameters: BTreeMap<String, String>,
        }
        let body: Body = read(request)?;
        if body.idempotency_token.as_ref().is_some_and(|token| token.chars().count() > 64) {
            return Err(Refusal::invalid("idempotency_token must not have more than 64 characters."));
        }
        let may = principal.privileges.has(Privilege::CanManageRun, &body.job_id.to_string());
        if !may {
            let message =
                format!("User {} does not have Manage Run permissions on job {}.", principal.name, body.job_id);
            return Err(Refusal::denied(message));
        }
        let mut state = self.state();
        let jobs = &mut state.jobs;
        let polls_left = jobs.jobs.iter().find(|job| job.id == body.job_id).ok_or_else(|| missing(body.job_id))?.polls;
        let known = jobs
            .runs
            .iter()
            .find(|run| run.idempotency_token.is_some() && run.idempotency_token == body.idempotency_token);
        let id = match known {
            Some(run) => run.id,
            None => {
                let id = 1000 + jobs.runs.len() as u64;
                let (job, idempotency_token, parameters) = (body.job_id, body.idempotency_token, body.job_parameters);
                jobs.runs.push(JobRun { id, job, idempotency_token, parameters, polls_left, canceled: false });
                id
            }
        };
        Ok(Answer::json(&json!({"run_id": id, "number_in_job": id})))
    }

    /// `GET /api/2.2/jobs/runs/get?run_id=77`.
    pub(super) fn job_run(&self, request: &Request) -> Result<Answer, Refusal> {
        let id = number(request, "run_id")?;
        let mut state = self.state();
        let Jobs { jobs, runs } = &mut state.jobs;
        let run = runs.iter_mut().find(|run| run.id == id);
        let run =
            run.ok_or_else(|| Refusal::new(400, "INVALID_PARAMETER_VALUE", format!("Run {id} does not exist.")))?;
        let job = jobs.iter().find(|job| job.id == run.job);
        let shown = shown(run, job);
        run.polls_left = run.polls_left.saturating_sub(1);
        Ok(Answer::json(&shown))
    }

    /// `POST /api/2.2/jobs/runs/cancel`.
    pub(super) fn cancel_run(&self, request: &Request) -> Result<Answer, Refusal> {
        #[derive(Deserialize)]
        struct Body {
            run_id: u64,
        }
        let body: Body = read(request)?;
        let mut state = self.state();
        let run = state.jobs.runs.iter_mut().find(|run| run.id == body.run_id);
        let run = run.ok_or_else(|| {
            Refusal::new(400, "INVALID_PARAMETER_VALUE", format!("Run {} does not exist.", body.run_id))
        })?;
        run.canceled |= run.polls_left > 0;
        run.polls_left = 0;
        Ok(Answer::json(&json!({})))
    }

    /// `GET /api/2.2/jobs/get?job_id=5`.
    pub(super) fn job(&self, request: &Request) -> Result<Answer, Refusal> {
        let id = number(request, "job_id")?;
        let state = self.state();
        let job = state.jobs.jobs.iter().find(|job| job.id == id).ok_or_else(|| missing(id))?;
        Ok(Answer::json(&json!({"job_id": job.id, "settings": {"name": format!("Job {}", job.id)}, "created_time": 0})))
    }
}

fn shown(run: &JobRun, job: Option<&Job>) -> Json {
    let failure = job.and_then(|job| job.failure.clone());
    let (life, result, status) = match (run.polls_left, run.canceled, &failure) {
        (2.., ..) => ("PENDING", None, json!({"state": "PENDING"})),
        (1, ..) => ("RUNNING", None, json!({"state": "RUNNING"})),
        (0, true, _) => ("TERMINATED", Some("CANCELED"), ended("USER_CANCELED", "CLIENT_ERROR", "Run cancelled.")),
        (0, false, Some(message)) => {
            ("TERMINATED", Some("FAILED"), ended("RUN_EXECUTION_ERROR", "CLIENT_ERROR", message))
        }
        (0, false, None) => ("TERMINATED", Some("SUCCESS"), ended("SUCCESS", "SUCCESS", "")),
    };
    let mut state = json!({"life_cycle_state": life, "state_message": failure.unwrap_or_default()});
    if let (Some(result), Some(state)) = (result, state.as_object_mut()) {
        state.insert("result_state".into(), result.into());
    }
    let parameters = run.parameters.iter().map(|(name, value)| json!({"name": name, "value": value}));
    json!({
        "job_id": run.job, "run_id": run.id, "number_in_job": run.id, "state": state, "status": status,
        "job_parameters": parameters.collect::<Vec<_>>(), "run_name": format!("Job {}", run.job), "run_type": "JOB_RUN",
    })
}

fn ended(code: &str, kind: &str, message: &str) -> Json {
    json!({"state": "TERMINATED", "termination_details": {"code": code, "type": kind, "message": message}})
}
