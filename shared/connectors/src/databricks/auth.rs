//! Tokens: asking for one, and what a call carries to say who it is.
//!
//! Invariant: credentials that were refused are not sent again by this instance, and nothing here prints them.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use engine::ports::Secret;
use engine::{Error, Result};
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::Deserialize;

use super::settings::DatabricksSettings;
use crate::http::{Answer, Http, Method, percent_encode, quote};

/// What a token lives where the answer does not say.
const USUAL_LIFE: i64 = 3_600;

/// How long before its end a token is replaced at the latest, so that it does not end in the middle of a long call.
const MARGIN: TimeDelta = TimeDelta::minutes(5);

/// Who calls. Never printed.
pub(super) enum Credentials {
    /// A service principal with a secret of Databricks or of Entra ID.
    Client {
        /// Its application id, which is also the name that rights are granted to.
        id: String,
        /// Its secret.
        secret: String,
    },
    /// A personal access token.
    Token(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl Credentials {
    /// Reads the fields `client_id` and `client_secret` of a secret, or `token`.
    ///
    /// # Errors
    /// Stops when one is missing.
    pub(super) fn new(settings: &DatabricksSettings, secret: &Secret) -> Result<Self> {
        let field = |field| secret.field(&settings.secret, field).map(str::to_owned);
        if secret.names().any(|name| name == "token") {
            return Ok(Self::Token(field("token")?));
        }
        Ok(Self::Client { id: field("client_id")?, secret: field("client_secret")? })
    }

    /// What must not be quoted.
    pub(super) fn unsaid(&self) -> &str {
        match self {
            Self::Client { secret, .. } => secret,
            Self::Token(token) => token,
        }
    }

    /// Whom rights are granted to.
    pub(super) fn principal(&self) -> &str {
        match self {
            Self::Client { id, .. } => id,
            Self::Token(_) => "<the user of the token>",
        }
    }
}

/// A token, and when to have another.
#[derive(Clone)]
pub(super) struct Token {
    /// Its text.
    pub(super) text: String,
    /// `None` for one that cannot be renewed.
    pub(super) renew_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct TokenAnswer {
    access_token: Option<String>,
    expires_in: Option<i64>,
    error: Option<String>,
    error_description: Option<String>,
    #[serde(rename = "errorCode")]
    error_code: Option<String>,
    #[serde(rename = "errorSummary")]
    error_summary: Option<String>,
}

/// Asks for a token, once. `entra` is the client for Microsoft Entra ID where that gives the tokens.
///
/// # Errors
/// Refused credentials for 400, 401 and 403 and for an answer without a token; Later for what passes by itself.
pub(super) async fn token(
    http: &Http,
    entra: Option<&Http>,
    settings: &DatabricksSettings,
    credentials: &Credentials,
    now: DateTime<Utc>,
) -> Result<Token> {
    let (id, secret) = match credentials {
        Credentials::Token(text) => return Ok(Token { text: text.clone(), renew_at: None }),
        Credentials::Client { id, secret } => (id, secret),
    };
    let grant = |scope: &str| format!("grant_type=client_credentials&scope={}", percent_encode(scope));
    let (http, request, body) = match (entra, &settings.azure) {
        (Some(entra), Some(azure)) => {
            let path = format!("{}/oauth2/v2.0/token", percent_encode(&azure.tenant));
            let client = format!("&client_id={}&client_secret={}", percent_encode(id), percent_encode(secret));
            (entra, entra.request(Method::POST, &path, None), grant(&azure.scope) + &client)
        }
        _ => {
            let request = http.request(Method::POST, "oidc/v1/token", None).basic_auth(id, Some(secret));
            (http, request, grant(&settings.scope))
        }
    };
    let request = request
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("Accept", "application/json")
        .body(body);
    let answer = http.send(request).await?;
    read(&http.host(), &answer, secret, now)
}

fn read(host: &str, answer: &Answer, secret: &str, now: DateTime<Utc>) -> Result<Token> {
    let told: TokenAnswer = serde_json::from_slice(&answer.body).unwrap_or_default();
    let words = [told.error, told.error_code, told.error_description, told.error_summary];
    let words = words.into_iter().flatten().collect::<Vec<_>>().join(": ");
    let said = match words.is_empty() {
        true => String::new(),
        false => format!(": «{}»", quote(&words, &[secret])),
    };
    let status = answer.status;
    match (status, told.access_token.filter(|text| !text.trim().is_empty())) {
        (200..=299, Some(text)) => Ok(Token { text, renew_at: Some(now + used_for(told.expires_in)) }),
        (200..=299, None) if !answer.is_html() => Err(Error::refused_credentials(format!(
            "{host} answered the log-in without a token{said}: check `client_id` and `client_secret` of the secret; it is not \
             tried again until the secret changes"
        ))),
        (400 | 401 | 403, _) if !answer.is_html() => Err(Error::refused_credentials(format!(
            "{host} refused the log-in ({status}){said}: check `client_id` and `client_secret` of the secret, that the OAuth \
             secret of the service principal has not expired, and that the service principal belongs to the workspace; it is \
             not tried again until the secret changes"
        ))),
        (300..=399 | 401 | 403 | 404 | 405, _) => Err(Error::stop(format!(
            "{host} gives no tokens ({status}){said}: is `url` the address of a workspace, is a proxy in between?"
        ))),
        _ => {
            let words = format!("{host} gave no token now ({status}){said}");
            Err(answer.retry_after.map_or_else(|| Error::later(&words), |wait| Error::later_after(wait, &words)))
        }
    }
}

/// How long a token is used: four fifths of its life, and never its last five minutes where it lives that long.
fn used_for(life: Option<i64>) -> TimeDelta {
    let life = TimeDelta::seconds(life.unwrap_or(USUAL_LIFE).clamp(0, 365 * 86_400));
    (life * 4 / 5).min(life - MARGIN).max(life / 2)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_replaced_well_before_its_end() {
        for (life, used) in [(3_600, 2_880), (1_000, 700), (600, 300), (400, 200), (60, 30), (0, 0), (-5, 0)] {
            assert_eq!(used_for(Some(life)).num_seconds(), used, "{life}");
        }
    }
}
