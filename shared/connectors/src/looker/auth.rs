//! Logging in and out, and what a call carries to say who it is.
//!
//! Invariant: a client id and secret that were refused are not sent again by this instance, and nothing here prints them.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use engine::ports::Secret;
use engine::{Error, Result};
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::Deserialize;

use super::refusal::{Call, Failure, damaged};
use crate::http::{Answer, Http, Method, percent_encode};

/// A log-out is not worth waiting for longer.
const LOG_OUT_TIME_OUT: Duration = Duration::from_secs(10);

/// How long before its end a token is replaced, so that it does not end on the way.
const MARGIN: TimeDelta = TimeDelta::seconds(60);

/// What Looker gives when it does not say how long a token lives.
const USUAL_LIFE: i64 = 3600;

/// The API key of the service user. Never printed.
pub(super) struct Credentials {
    client_id: String,
    client_secret: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl Credentials {
    /// Reads the fields `client_id` and `client_secret` of a secret.
    ///
    /// # Errors
    /// Stops when one is missing.
    pub(super) fn new(name: &str, secret: &Secret) -> Result<Self> {
        let field = |field| secret.field(name, field).map(str::to_owned);
        Ok(Self { client_id: field("client_id")?, client_secret: field("client_secret")? })
    }

    pub(super) fn client_secret(&self) -> &str {
        &self.client_secret
    }
}

/// A token, and when to have another.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) renew_at: DateTime<Utc>,
}

/// Every member is optional in Looker's own description.
#[derive(Deserialize)]
struct AccessToken {
    access_token: Option<String>,
    expires_in: Option<i64>,
}

/// Logs in, once.
///
/// # Errors
/// Refused credentials for 400, 401, 403 and 404 (Looker says "Not found" to a wrong id or secret) and for a 200 without
/// a token; see [`Call::inspect`] for the rest.
pub(super) async fn log_in(
    http: &Http,
    api: &str,
    credentials: &Credentials,
    now: DateTime<Utc>,
    secrets: &[&str],
) -> Result<Token> {
    let form = format!(
        "client_id={}&client_secret={}",
        percent_encode(&credentials.client_id),
        percent_encode(&credentials.client_secret)
    );
    let request = http
        .request(Method::POST, &format!("{api}/login"), None)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("Accept", "application/json")
        .body(form);
    let answer = http.send(request).await?;
    let host = http.host();
    let call = Call { host: &host, what: "the log-in", needs: "", once: false, secrets };
    if matches!(answer.status, 400 | 401 | 403 | 404) && !answer.is_html() {
        return Err(Error::refused_credentials(format!(
            "{host} refused the log-in ({}){}: check `client_id` and `client_secret` of the secret, that the API user is not \
             disabled, and that `url` and `api_path` lead to API 4.0; it is not tried again until the secret changes",
            answer.status,
            call.said(&answer)
        )));
    }
    call.inspect(&answer).map_err(Failure::into_error)?;
    token_of(&call, &answer, now)
}

fn token_of(call: &Call<'_>, answer: &Answer, now: DateTime<Utc>) -> Result<Token> {
    let token: AccessToken = serde_json::from_slice(&answer.body).map_err(|e| damaged(call, &e))?;
    let life = TimeDelta::seconds(token.expires_in.unwrap_or(USUAL_LIFE).clamp(0, 10 * 365 * 86_400));
    let renew_at = now + life - MARGIN.min(life / 2);
    match token.access_token.filter(|text| !text.trim().is_empty()) {
        Some(text) => Ok(Token { text, renew_at }),
        None => Err(Error::refused_credentials(format!(
            "{} answered the log-in without a token: check `client_id` and `client_secret`; it is not tried again until \
             the secret changes",
            call.host
        ))),
    }
}

/// Ends a session; that it fails changes nothing, because tokens end by themselves.
pub(super) async fn log_out(http: &Http, api: &str, token: &str, time_out: Duration) {
    let request = http.request(Method::DELETE, &format!("{api}/logout"), None);
    let request = with_token(request, token).timeout(LOG_OUT_TIME_OUT.min(time_out));
    match http.send(request).await {
        Ok(answer) if matches!(answer.status, 200..=299 | 401) => {}
        Ok(answer) => tracing::debug!(host = %http.host(), status = answer.status, "log-out was refused"),
        Err(error) => tracing::debug!(host = %http.host(), reason = %error, "log-out failed"),
    }
}

/// Says by token who calls.
pub(super) fn with_token(request: RequestBuilder, token: &str) -> RequestBuilder {
    match HeaderValue::from_str(&format!("Bearer {token}")) {
        Ok(mut value) => {
            value.set_sensitive(true);
            request.header(AUTHORIZATION, value)
        }
        // A token that no header can hold fails when the request is built.
        Err(_) => request.header(AUTHORIZATION, "\n"),
    }
}
