//! Invoking functions, and what they answer when they fail.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::Builder;
use aws_sdk_lambda::primitives::Blob;
use engine::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A function runs for a quarter of an hour at most.
const LONGEST: Duration = Duration::from_secs(910);

/// The kinds of error that our functions give, whose messages say all there is to say.
const OURS: [&str; 4] = ["Later", "Reject", "Stop", "Unknown"];

/// A function of an integration.
#[derive(Debug, Clone, Copy)]
pub struct Function<'a> {
    /// What it is called in the templates and documents.
    pub stage: &'static str,
    /// Its name in Lambda.
    pub name: &'a str,
    /// The scope it works for.
    pub scope: &'a str,
    /// What the names of log groups begin with.
    pub logs: &'a str,
}

impl Function<'_> {
    fn log(&self) -> String {
        let mut stage = self.stage.to_owned();
        if let Some(first) = stage.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        format!("{}/{stage}", self.logs)
    }

    /// What its own words begin with where they are passed on.
    pub fn says(&self) -> String {
        format!("function {} of {} says: ", self.stage, self.scope)
    }

    /// What a function answered that failed, in words.
    fn failed(&self, payload: &[u8]) -> Error {
        let Self { stage, scope, .. } = self;
        let answered: Answered = serde_json::from_slice(payload).unwrap_or_default();
        let message = answered.message;
        if OURS.contains(&answered.kind.as_str()) {
            return Error::stop(format!("{}{message}", self.says()));
        }
        let log = self.log();
        match answered.kind.as_str() {
            "Sandbox.Timedout" => Error::stop(format!(
                "function {stage} of {scope} did not end in its time ({message}); ask for less at once, such as one sync, \
                 or a period by --from and --to"
            )),
            kind => Error::stop(format!(
                "function {stage} of {scope} ended without an answer ({kind}: {message}); look into its log {log} for why"
            )),
        }
    }
}

/// What Lambda answers in place of a function that failed.
#[derive(Debug, Default, Deserialize)]
struct Answered {
    #[serde(rename = "errorType", default)]
    kind: String,
    #[serde(rename = "errorMessage", default)]
    message: String,
}

/// Invokes functions and waits for their answers.
#[derive(Debug, Clone)]
pub struct Functions {
    client: Client,
}

impl Functions {
    /// With region and credentials of `sdk`.
    pub fn new(sdk: &SdkConfig) -> Self {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(LONGEST).read_timeout(LONGEST).build();
        let config = Builder::from(sdk)
            .timeout_config(timeouts)
            // What a lost answer belongs to may have been done; a person looks before asking again.
            .retry_config(RetryConfig::standard().with_max_attempts(1))
            // Nothing comes for as long as the function works.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        Self { client: Client::from_conf(config) }
    }

    /// Invokes a function with a payload, and reads its answer.
    ///
    /// # Errors
    /// Stops with what the function says went wrong, with what it lacks, and when it may not be invoked.
    pub async fn invoke<T: DeserializeOwned>(&self, function: &Function<'_>, payload: &impl Serialize) -> Result<T> {
        let payload = serde_json::to_vec(payload)
            .map_err(|e| Error::stop(format!("the payload of {} cannot be written down: {e}", function.stage)))?;
        let invoked = self.client.invoke().function_name(function.name).payload(Blob::new(payload)).send().await;
        let resource = format!("function {} of {}", function.stage, function.scope);
        let answer = invoked.map_err(|e| backend_aws::failed("lambda:InvokeFunction", &resource, &e))?;
        let text = answer.payload().map(Blob::as_ref).unwrap_or_default();
        if answer.function_error().is_some() {
            return Err(function.failed(text));
        }
        serde_json::from_slice(text).map_err(|e| {
            Error::stop(format!(
                "{resource} answered something else ({e}), another version is deployed: use that version's ml-connector, \
                 or deploy this one"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLAY: Function<'_> =
        Function { stage: "replay", name: "R-1", scope: "jde-looker", logs: "/ml-connector/jde-looker" };

    #[test]
    fn a_failure_of_ours_is_told_in_its_own_words() {
        let failure = REPLAY.failed(br#"{"errorType":"Stop","errorMessage":"run `1` of acme is not known"}"#);
        assert_eq!(failure.to_string(), "function replay of jde-looker says: run `1` of acme is not known");
    }

    #[test]
    fn a_function_that_crashed_points_to_its_log() {
        let payload = br#"{"errorType":"Runtime.ExitError","errorMessage":"exit status 1"}"#;
        let failure = REPLAY.failed(payload).to_string();
        assert!(failure.contains("Runtime.ExitError: exit status 1"), "{failure}");
        assert!(failure.contains("look into its log /ml-connector/jde-looker/Replay"), "{failure}");
        assert!(REPLAY.failed(b"").to_string().contains("ended without an answer"));
    }
}
