//! Calls to one Looker instance: the session and the one renewal of a token that is refused.
//!
//! Invariants: one log-in at a time; a token is replaced before it ends, and once per call when it is refused; an id and
//! secret that were refused are not used again.

use std::sync::Arc;

use engine::ports::{Clock, Secret};
use engine::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::auth::{self, Credentials, Token};
use super::refusal::{Call, Failure, damaged};
use super::settings::LookerSettings;
use crate::http::{Answer, Http, HttpSettings, Method, percent_encode};

/// A connection to one Looker instance.
pub(super) struct Client {
    pub(super) http: Http,
    pub(super) settings: LookerSettings,
    pub(super) clock: Arc<dyn Clock>,
    api: String,
    credentials: Credentials,
    /// What must not be quoted, in every form in which it is sent.
    secrets: Vec<String>,
    session: tokio::sync::Mutex<Session>,
}

#[derive(Default)]
struct Session {
    token: Option<Token>,
    /// Looker refused id and secret: nobody tries again.
    refused: Option<Error>,
}

/// One call.
pub(super) struct Ask<'a> {
    method: Method,
    path: String,
    query: String,
    body: Option<Vec<u8>>,
    what: &'a str,
    needs: &'a str,
    once: bool,
}

impl<'a> Ask<'a> {
    /// A call of a path, whose parts are encoded here. `what` is what is asked for, for messages, and `needs` names the
    /// permissions.
    pub(super) fn new(method: Method, path: &[&str], what: &'a str, needs: &'a str) -> Self {
        let path: Vec<_> = path.iter().map(|part| percent_encode(part)).collect();
        Self { method, path: path.join("/"), query: String::new(), body: None, what, needs, once: false }
    }

    /// A parameter.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        let and = if self.query.is_empty() { "" } else { "&" };
        self.query.push_str(&format!("{and}{name}={}", percent_encode(value)));
        self
    }

    /// The body.
    ///
    /// # Errors
    /// Stops when it cannot be written, which no body of ours is.
    pub(super) fn json(mut self, body: &impl Serialize) -> Result<Self> {
        let written = serde_json::to_vec(body);
        self.body = Some(written.map_err(|_| Error::stop(format!("the request for {} cannot be written", self.what)))?);
        Ok(self)
    }

    /// Says that it must not take effect twice.
    pub(super) fn once(mut self) -> Self {
        self.once = true;
        self
    }
}

impl Client {
    /// A client. Nothing is called yet.
    ///
    /// # Errors
    /// Stops when the settings cannot work or the secret lacks a field.
    pub(super) fn new<'s>(
        settings: LookerSettings,
        secret: &Secret,
        others: impl Iterator<Item = &'s Secret>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        if let Some(fault) = settings.faults().first() {
            let place = fault.path.join(".");
            return Err(Error::stop(format!("the Looker connection: `{place}`: {}", fault.message)));
        }
        let credentials = Credentials::new(&settings.secret, secret)?;
        let http = Http::new(&HttpSettings {
            url: &settings.url,
            ca_file: settings.ca_file.as_deref(),
            time_out: settings.time_out.0,
            max_response_bytes: settings.max_response_bytes,
        })?;
        let others = others.flat_map(|secret| secret.fields().values().map(String::as_str));
        let secrets = std::iter::once(credentials.client_secret()).chain(others).flat_map(forms).collect();
        let api = settings.api_path.trim_matches('/').to_owned();
        Ok(Self { http, settings, clock, api, credentials, secrets, session: tokio::sync::Mutex::default() })
    }

    /// Logs in where that has not happened yet.
    ///
    /// # Errors
    /// See [`auth::log_in`].
    pub(super) async fn log_in(&self) -> Result<()> {
        self.token().await.map(|_| ())
    }

    /// A call whose answer is JSON of a known shape.
    ///
    /// # Errors
    /// See [`Call::inspect`].
    pub(super) async fn ask<T: DeserializeOwned>(&self, ask: &Ask<'_>) -> Result<T, Failure> {
        let answer = self.answer(ask).await?;
        let read = serde_json::from_slice(&answer.body);
        read.map_err(|e| self.within(ask, "", |call| damaged(call, &e)).into())
    }

    /// A call whose answer is read by the caller.
    ///
    /// # Errors
    /// See [`Call::inspect`].
    pub(super) async fn answer(&self, ask: &Ask<'_>) -> Result<Answer, Failure> {
        let mut renewed = false;
        loop {
            let token = self.token().await?;
            let answer = self.send(ask, Some(&token.text)).await?;
            if answer.status != 401 {
                self.within(ask, &token.text, |call| call.inspect(&answer))?;
                return Ok(answer);
            }
            self.forget(&token).await;
            if renewed {
                let said = self.within(ask, &token.text, |call| call.said(&answer));
                return Err(Error::stop(format!(
                    "{} refuses {} also with a new token (401){said}: is the API user disabled, do calls reach different \
                     instances?",
                    self.http.host(),
                    ask.what
                ))
                .into());
            }
            renewed = true;
        }
    }

    /// A call that needs no session. Its answer is not judged yet.
    ///
    /// # Errors
    /// As every call that brings no answer.
    pub(super) async fn answer_to_anyone(&self, ask: &Ask<'_>) -> Result<Answer> {
        self.send(ask, None).await
    }

    /// Words of Looker for a message: shortened and without secrets.
    pub(super) fn quote(&self, words: &str) -> String {
        crate::http::quote(words, &self.unsaid(""))
    }

    /// The circumstances of a call, for whoever judges its answer.
    pub(super) fn within<T>(&self, ask: &Ask<'_>, token: &str, judge: impl FnOnce(&Call<'_>) -> T) -> T {
        let (host, secrets) = (self.http.host(), self.unsaid(token));
        judge(&Call { host: &host, what: ask.what, needs: ask.needs, once: ask.once, secrets: &secrets })
    }

    fn unsaid<'c>(&'c self, token: &'c str) -> Vec<&'c str> {
        self.secrets.iter().map(String::as_str).chain([token]).collect()
    }

    async fn send(&self, ask: &Ask<'_>, token: Option<&str>) -> Result<Answer> {
        let query = Some(ask.query.as_str()).filter(|query| !query.is_empty());
        let path = format!("{}/{}", self.api, ask.path);
        let mut request = self.http.request(ask.method.clone(), &path, query).header("Accept", "application/json");
        if let Some(body) = &ask.body {
            request = request.header("Content-Type", "application/json").body(body.clone());
        }
        if let Some(token) = token {
            request = auth::with_token(request, token);
        }
        match ask.once {
            true => self.http.send_once(request).await,
            false => self.http.send(request).await,
        }
    }

    async fn token(&self) -> Result<Token> {
        let mut session = self.session.lock().await;
        if let Some(refused) = &session.refused {
            return Err(refused.clone());
        }
        let now = self.clock.now();
        if let Some(token) = session.token.as_ref().filter(|token| now < token.renew_at) {
            return Ok(token.clone());
        }
        let old = session.token.take();
        match auth::log_in(&self.http, &self.api, &self.credentials, now, &self.unsaid("")).await {
            Ok(token) => {
                session.token = Some(token.clone());
                Ok(token)
            }
            Err(error) => {
                if error.is_refused_credentials() {
                    session.refused = Some(error.clone());
                } else {
                    // It may live a little longer, and has to be logged out.
                    session.token = old;
                }
                Err(error)
            }
        }
    }

    async fn forget(&self, token: &Token) {
        let mut session = self.session.lock().await;
        if session.token.as_ref().is_some_and(|current| current.text == token.text) {
            session.token = None;
        }
    }

    /// Logs out. Safe to call twice.
    pub(super) async fn close(&self) {
        let token = self.session.lock().await.token.take();
        if let Some(token) = token {
            auth::log_out(&self.http, &self.api, &token.text, self.settings.time_out.0).await;
        }
    }
}

/// A secret as it is, and as it stands in JSON and in JSON within JSON, where an answer may show it.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned()];
    for _ in 0..2 {
        let last = forms.last().cloned().unwrap_or_default();
        let written = serde_json::to_string(&last).unwrap_or_default();
        let inside = written.get(1..written.len().saturating_sub(1)).unwrap_or_default().to_owned();
        if inside == last {
            break;
        }
        forms.push(inside);
    }
    // The longest first, so that no part of it stays.
    forms.reverse();
    forms
}
