//! What AWS refuses, as one of the engine's kinds of error.

use std::error::Error as StdError;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use engine::Error;

/// How long work rests that was throttled: the SDK has tried a few times already.
const THROTTLED: Duration = Duration::from_secs(5);

/// Codes of calls that came too fast or at a bad moment.
const BUSY: [&str; 15] = [
    "InternalFailure",
    "InternalServerError",
    "InternalServiceError",
    "KMSInternalException",
    "KmsThrottled",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionConflictException",
    "TransactionInProgressException",
    "OverLimit",
];

/// Codes of calls that the caller may not make.
const FORBIDDEN: [&str; 5] =
    ["AccessDenied", "AccessDeniedException", "AuthorizationError", "KmsAccessDenied", "NotAuthorized"];

/// Codes of calls whose caller AWS does not know.
const STRANGER: [&str; 8] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// Codes of things that are not there.
const ABSENT: [&str; 3] = ["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "ResourceNotFoundException"];

/// What a call of any AWS service amounts to that failed: `action` as IAM writes it, `resource` in words. What the call
/// carried is in no message.
pub fn failed<E>(action: &str, resource: &str, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let SdkError::ServiceError(refusal) = error else {
        return without_answer(action, resource, error);
    };
    let code = error.code().unwrap_or("an error without a code");
    let what = error.message().unwrap_or("no explanation");
    if BUSY.contains(&code) {
        return Error::later_after(THROTTLED, format!("{resource} is busy, {action} was put off by AWS ({code})"));
    }
    if FORBIDDEN.contains(&code) {
        return Error::stop(format!(
            "this role may not call {action} on {resource} ({what}): allow it in the role's policy, for example by \
             deploying the template of this version again"
        ));
    }
    if STRANGER.contains(&code) {
        return Error::stop(format!(
            "AWS does not accept the credentials for {action} ({code}: {what}): sign in again, or look at the profile \
             and the region"
        ));
    }
    if ABSENT.contains(&code) {
        return Error::stop(format!(
            "{resource} is not there ({code}): look at the settings, the region and the stack"
        ));
    }
    if refusal.raw().status().is_server_error() {
        return Error::later_after(THROTTLED, format!("{resource}: {action} failed at AWS ({code})"));
    }
    Error::stop(format!("{resource}: {action} was refused ({code}: {what})"))
}

fn without_answer<E>(action: &str, resource: &str, error: &SdkError<E, HttpResponse>) -> Error
where
    E: StdError + 'static,
{
    let causes = causes(error);
    if let Some(missing) = credentials_among(error) {
        return Error::stop(format!(
            "there are no AWS credentials for {action} ({missing}): sign in, or give a profile or role"
        ));
    }
    match error {
        SdkError::ConstructionFailure(_) => Error::stop(format!("{resource}: {action} cannot be asked for ({causes})")),
        _ => Error::later(format!("{resource} cannot be reached for {action} ({causes})")),
    }
}

/// The causes in words: their debug output would show what was answered.
fn causes(error: &(dyn StdError + 'static)) -> String {
    let mut causes = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(next) = cause {
        causes.push(next.to_string());
        cause = next.source();
    }
    causes.dedup();
    causes.join(": ")
}

/// Why there are no credentials, if that is what is wrong. A provider that failed or was slow may do better next time.
fn credentials_among(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(next) = cause {
        match next.downcast_ref::<CredentialsError>() {
            Some(CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_)) => return None,
            Some(missing) => return Some(missing.to_string()),
            None => cause = next.source(),
        }
    }
    None
}
