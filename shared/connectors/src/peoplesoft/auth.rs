//! What a call carries to say who it is: user and password, or a token of an identity provider.
//!
//! Invariant: credentials that were refused are not sent again by this instance, and nothing here prints them.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use engine::ports::Secret;
use engine::{Error, Result};
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::Deserialize;

use super::personal::HashKey;
use super::settings::{Auth, OauthSettings, PeopleSoftSettings};
use crate::http::{Answer, Http, Method, percent_encode, quote};

/// How long before its end a token is replaced, so that it does not end on the way.
const MARGIN: TimeDelta = TimeDelta::seconds(60);

/// What a token lives where the provider does not say.
const USUAL_LIFE: i64 = 3600;

/// Who calls: a user with a password, or a client with a secret. Never printed.
pub(super) struct Credentials {
    name: String,
    secret: String,
    hash_key: Option<HashKey>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl Credentials {
    /// Reads the fields that the way of authentication needs.
    ///
    /// # Errors
    /// Stops when one is missing.
    pub(super) fn new(settings: &PeopleSoftSettings, secret: &Secret) -> Result<Self> {
        let field = |field| secret.field(&settings.secret, field).map(str::to_owned);
        let (name, password) = match settings.auth {
            Auth::Basic => ("username", "password"),
            Auth::Oauth2(_) => ("client_id", "client_secret"),
        };
        let hash_key = match secret.names().any(|name| name == "hash_key") {
            true => Some(HashKey::new(&field("hash_key")?)),
            false => None,
        };
        Ok(Self { name: field(name)?, secret: field(password)?, hash_key })
    }

    /// What must not be quoted.
    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    /// What personal columns are hashed with.
    pub(super) fn hash_key(&self) -> Option<HashKey> {
        self.hash_key.clone()
    }

    /// Says by user and password who calls.
    pub(super) fn basic(&self, request: RequestBuilder) -> RequestBuilder {
        request.basic_auth(&self.name, Some(&self.secret))
    }
}

/// A token, and when to have another.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) renew_at: DateTime<Utc>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct TokenAnswer {
    access_token: Option<String>,
    /// Seconds; some providers write them as text.
    expires_in: Option<serde_json::Value>,
    error: Option<String>,
    error_description: Option<String>,
}

/// Asks the provider for a token, once.
///
/// # Errors
/// Refused credentials for 400, 401 and 403 and for an answer without a token; Later for what passes by itself.
pub(super) async fn token(
    http: &Http,
    settings: &OauthSettings,
    credentials: &Credentials,
    now: DateTime<Utc>,
) -> Result<Token> {
    let mut form = vec![("grant_type", "client_credentials")];
    if !settings.basic {
        form.extend([("client_id", credentials.name.as_str()), ("client_secret", credentials.secret.as_str())]);
    }
    form.extend(settings.scope.as_deref().map(|scope| ("scope", scope)));
    form.extend(settings.audience.as_deref().map(|audience| ("audience", audience)));
    form.extend(settings.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let form: Vec<_> = form.iter().map(|(name, value)| format!("{name}={}", percent_encode(value))).collect();
    // The whole address is the base: a path would be appended to it.
    let mut request = http
        .at(Method::POST, http.base().clone())
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("Accept", "application/json")
        .body(form.join("&"));
    if settings.basic {
        request = request.basic_auth(&credentials.name, Some(&credentials.secret));
    }
    let answer = http.send(request).await?;
    read(&http.host(), &answer, credentials, now)
}

fn read(host: &str, answer: &Answer, credentials: &Credentials, now: DateTime<Utc>) -> Result<Token> {
    let told: TokenAnswer = serde_json::from_slice(&answer.body).unwrap_or_default();
    let words = [told.error, told.error_description].into_iter().flatten().collect::<Vec<_>>().join(": ");
    let said = match words.is_empty() {
        true => String::new(),
        false => format!(": «{}»", quote(&words, &[credentials.secret.as_str()])),
    };
    let status = answer.status;
    match (status, told.access_token.filter(|text| !text.trim().is_empty())) {
        (200..=299, Some(text)) => {
            let life = match told.expires_in {
                Some(serde_json::Value::Number(seconds)) => seconds.as_i64(),
                Some(serde_json::Value::String(seconds)) => seconds.parse().ok(),
                _ => None,
            };
            let life = TimeDelta::seconds(life.unwrap_or(USUAL_LIFE).clamp(0, 10 * 365 * 86_400));
            Ok(Token { text, renew_at: now + life - MARGIN.min(life / 2) })
        }
        (200..=299, None) if !answer.is_html() => Err(Error::refused_credentials(format!(
            "the identity provider {host} answered without a token{said}: check `token_url`, `client_id` and `client_secret`; it \
             is not tried again until the secret changes"
        ))),
        (400 | 401 | 403, _) => Err(Error::refused_credentials(format!(
            "the identity provider {host} gave no token ({status}){said}: check `client_id` and `client_secret`, and that the \
             client may have the `scope` and `audience` by client credentials; it is not tried again until the secret changes"
        ))),
        (404 | 405 | 300..=399, _) => {
            Err(Error::stop(format!("the identity provider {host} has nothing at `token_url` ({status}){said}")))
        }
        _ => {
            let words = format!("the identity provider {host} gave no token now ({status}){said}");
            Err(answer.retry_after.map_or_else(|| Error::later(&words), |wait| Error::later_after(wait, &words)))
        }
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
