//! Logging in and out, and what a call carries to say who it is.
//!
//! Invariant: a user and password that were refused are not sent again by this instance, and nothing here prints them.

use std::fmt;
use std::time::Duration;

use engine::ports::Secret;
use engine::{Error, Result};
use serde::{Deserialize, Serialize};

use super::JdeSettings;
use super::refusal::{Call, Failure};
use crate::http::{Answer, Http};

/// A log-out is not worth waiting for longer.
const LOG_OUT_TIME_OUT: Duration = Duration::from_secs(10);

/// User and password of the service user. Never printed.
#[derive(Clone)]
pub(super) struct Credentials {
    username: String,
    password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl Credentials {
    /// Reads the fields `username` and `password` of a secret.
    ///
    /// # Errors
    /// Stops when one is missing.
    pub(super) fn new(name: &str, secret: &Secret) -> Result<Self> {
        let field = |field| secret.field(name, field).map(str::to_owned);
        Ok(Self { username: field("username")?, password: field("password")? })
    }

    pub(super) fn username(&self) -> &str {
        &self.username
    }

    pub(super) fn password(&self) -> &str {
        &self.password
    }
}

/// A token and what the log-in told about the user.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) token: String,
    pub(super) user: UserInfo,
}

/// What a log-in tells about the user, as far as it is of use here.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct UserInfo {
    token: Option<String>,
    /// The user's date preference, a Java pattern.
    pub(super) simple_date_format: Option<String>,
    /// Such as `UTC-05:00`.
    pub(super) time_zone_offset: Option<String>,
    /// Such as `E920`.
    pub(super) apps_release: Option<String>,
    #[serde(skip)]
    pub(super) environment: Option<String>,
    #[serde(skip)]
    pub(super) role: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LoginAnswer {
    user_info: Option<UserInfo>,
    environment: Option<String>,
    role: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LoginRequest<'a> {
    username: &'a str,
    password: &'a str,
    device_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jasserver: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogoutRequest<'a> {
    token: &'a str,
    device_name: &'a str,
}

/// Logs in, once.
///
/// # Errors
/// Refused credentials for a wrong user or password and for a 200 without a token; see [`Call::inspect`] for the rest.
pub(super) async fn log_in(http: &Http, settings: &JdeSettings, credentials: &Credentials) -> Result<Token> {
    let body = LoginRequest {
        username: &credentials.username,
        password: &credentials.password,
        device_name: &settings.device_name,
        environment: settings.environment.as_deref(),
        role: settings.role.as_deref(),
        jasserver: settings.jasserver.as_deref(),
    };
    let answer = http.send(post(http, settings, "tokenrequest", &body)?).await?;
    let host = http.host();
    let secrets = [credentials.password.as_str()];
    let call = Call { host: &host, object: "tokenrequest", token: false, secrets: &secrets };
    match call.inspect(&answer) {
        Ok(()) => token_of(&host, &answer),
        Err(Failure::Failed(error)) => Err(error),
        // Without a token there is none that could be dead, and no result set.
        Err(_) => Err(Error::later(format!("{host} failed to log in"))),
    }
}

fn token_of(host: &str, answer: &Answer) -> Result<Token> {
    let text = answer.text()?;
    let login: LoginAnswer = serde_json::from_str(text).map_err(|e| super::decode::damaged("tokenrequest", &e))?;
    let mut user = login.user_info.unwrap_or_default();
    user.environment = login.environment;
    user.role = login.role;
    match user.token.take().filter(|token| !token.trim().is_empty()) {
        Some(token) => Ok(Token { token, user }),
        None => Err(Error::refused_credentials(format!(
            "{host} answered the log-in without a token: user, password, environment or role are not right; it is not \
             tried again, because accounts lock"
        ))),
    }
}

/// Ends a session. Sessions that are not ended stay on both servers until they time out and count against the site's
/// limits, so this is done whatever happened; that it fails changes nothing.
pub(super) async fn log_out(http: &Http, settings: &JdeSettings, token: &str) {
    let body = LogoutRequest { token, device_name: &settings.device_name };
    let Ok(request) = post(http, settings, "tokenrequest/logout", &body) else {
        return;
    };
    let request = with_token(request, settings, token).timeout(LOG_OUT_TIME_OUT.min(settings.time_out.0));
    match http.send(request).await {
        // 444 says that the token is dead already.
        Ok(answer) if matches!(answer.status, 200 | 444) => {}
        Ok(answer) => tracing::debug!(host = %http.host(), status = answer.status, "log-out was refused"),
        Err(error) => tracing::debug!(host = %http.host(), reason = %error, "log-out failed"),
    }
}

/// A POST of JSON to a service of the configured API.
///
/// # Errors
/// Stops when the body cannot be written, which no body of ours is.
pub(super) fn post(
    http: &Http,
    settings: &JdeSettings,
    service: &str,
    body: &impl Serialize,
) -> Result<reqwest::RequestBuilder> {
    let body = serde_json::to_vec(body)
        .map_err(|e| Error::stop(format!("the request to {service} cannot be written: {e}")))?;
    let path = format!("{}{service}", settings.api.prefix());
    let request = http.post(&path).header("Content-Type", "application/json").header("Accept", "application/json");
    Ok(request.body(body))
}

/// Says by token who calls. The device must be the one of the log-in.
pub(super) fn with_token(
    request: reqwest::RequestBuilder,
    settings: &JdeSettings,
    token: &str,
) -> reqwest::RequestBuilder {
    let request = request.header("jde-AIS-Auth-Device", &settings.device_name);
    match reqwest::header::HeaderValue::from_str(token) {
        Ok(mut token) => {
            token.set_sensitive(true);
            request.header("jde-AIS-Auth", token)
        }
        // A token that no header can hold fails when the request is built.
        Err(_) => request.header("jde-AIS-Auth", "\n"),
    }
}
