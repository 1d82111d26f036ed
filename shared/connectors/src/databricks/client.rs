//! Calls to one workspace: the token, its renewal, and how many calls are made at once.
//!
//! Invariants: at most [`AT_ONCE`] calls are in flight; one log-in at a time; a token is replaced before it ends, and once
//! per call when it is refused; credentials that were refused are not used again.

use std::collections::HashMap;
use std::sync::Arc;

use engine::ports::{Clock, Secret};
use engine::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, Semaphore};

use super::auth::{self, Credentials, Token};
use super::refusal::{Call, Failure, Grants, StatementError, damaged};
use super::settings::DatabricksSettings;
use crate::http::{Answer, Http, HttpSettings, Method, percent_encode};

/// More calls at once than this only meet the limits of the workspace.
const AT_ONCE: usize = 4;

/// A connection to one workspace.
pub(super) struct Client {
    pub(super) http: Http,
    pub(super) settings: DatabricksSettings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) grants: Grants,
    entra: Option<Http>,
    credentials: Credentials,
    session: Mutex<Session>,
    calls: Semaphore,
    /// Statements that went on when nobody waited for them any more, by what they were.
    pub(super) pending: std::sync::Mutex<HashMap<u128, String>>,
}

#[derive(Default)]
struct Session {
    token: Option<Token>,
    /// The credentials were refused: nobody tries again.
    refused: Option<Error>,
}

/// One call.
pub(super) struct Ask<'a> {
    method: Method,
    path: String,
    query: String,
    body: Option<(&'static str, bytes::Bytes)>,
    what: &'a str,
}

impl<'a> Ask<'a> {
    /// A call of a path whose parts are encoded here. `what` is what is asked for, for messages.
    pub(super) fn new(method: Method, path: &[&str], what: &'a str) -> Self {
        let path: Vec<_> = path.iter().flat_map(|part| part.split('/')).map(percent_encode).collect();
        Self { method, path: path.join("/"), query: String::new(), body: None, what }
    }

    /// A parameter.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        let and = if self.query.is_empty() { "" } else { "&" };
        self.query.push_str(&format!("{and}{name}={}", percent_encode(value)));
        self
    }

    /// A body of JSON.
    ///
    /// # Errors
    /// Stops when it cannot be written, which no body of ours is.
    pub(super) fn json(mut self, body: &impl Serialize) -> Result<Self> {
        let written = serde_json::to_vec(body);
        let written = written.map_err(|_| Error::stop(format!("the request for {} cannot be written", self.what)))?;
        self.body = Some(("application/json", written.into()));
        Ok(self)
    }

    /// A body of bytes.
    pub(super) fn bytes(mut self, bytes: bytes::Bytes) -> Self {
        self.body = Some(("application/octet-stream", bytes));
        self
    }
}

impl Client {
    /// A client. Nothing is called yet.
    ///
    /// # Errors
    /// Stops when the settings cannot work or the secret lacks a field.
    pub(super) fn new(settings: DatabricksSettings, secret: &Secret, clock: Arc<dyn Clock>) -> Result<Self> {
        settings.validate()?;
        let credentials = Credentials::new(&settings, secret)?;
        let http = |url: &str| {
            Http::new(&HttpSettings {
                url,
                ca_file: settings.ca_file.as_deref(),
                time_out: settings.time_out.0,
                max_response_bytes: settings.max_response_bytes,
            })
        };
        let workspace = http(&settings.url)?;
        if workspace.base().path() != "/" {
            return Err(Error::stop(format!(
                "`url` must be the address of the workspace up to the first slash: {}",
                workspace.host()
            )));
        }
        let entra = settings.azure.as_ref().map(|azure| http(&azure.login_url)).transpose()?;
        Ok(Self {
            http: workspace,
            grants: Grants::new(&settings, credentials.principal()),
            entra,
            credentials,
            session: Mutex::default(),
            calls: Semaphore::new(AT_ONCE),
            pending: std::sync::Mutex::default(),
            settings,
            clock,
        })
    }

    /// Logs in where that has not happened yet.
    ///
    /// # Errors
    /// See [`auth::token`].
    pub(super) async fn log_in(&self) -> Result<()> {
        self.token().await.map(|_| ())
    }

    /// A call whose answer is JSON of a known shape.
    ///
    /// # Errors
    /// See [`Call::inspect`].
    pub(super) async fn ask<T: DeserializeOwned>(&self, ask: &Ask<'_>) -> Result<T, Failure> {
        let answer = self.answer(ask, false).await?;
        self.decoded(ask, &answer)
    }

    /// As [`Client::ask`], for what should not be done twice without looking first.
    ///
    /// # Errors
    /// As [`Client::ask`]; Unknown where the call may have taken effect.
    pub(super) async fn ask_once<T: DeserializeOwned>(&self, ask: &Ask<'_>) -> Result<T, Failure> {
        let answer = self.answer(ask, true).await?;
        self.decoded(ask, &answer).map_err(|failure| Error::unknown(failure.into_error().to_string()).into())
    }

    fn decoded<T: DeserializeOwned>(&self, ask: &Ask<'_>, answer: &Answer) -> Result<T, Failure> {
        serde_json::from_slice(&answer.body).map_err(|e| damaged(&self.http.host(), ask.what, &e).into())
    }

    /// A call whose answer is of no interest.
    ///
    /// # Errors
    /// See [`Call::inspect`].
    pub(super) async fn tell(&self, ask: &Ask<'_>) -> Result<(), Failure> {
        self.answer(ask, false).await.map(|_| ())
    }

    async fn answer(&self, ask: &Ask<'_>, once: bool) -> Result<Answer, Failure> {
        let mut renewed = false;
        loop {
            let token = self.token().await?;
            let answer = self.send(ask, &token.text, once).await?;
            match self.within(ask.what, &token.text, |call| call.inspect(&answer)) {
                Ok(()) => return Ok(answer),
                Err(Failure::DeadToken(said)) => {
                    if token.renew_at.is_none() {
                        return Err(self.refuse(said).await.into());
                    }
                    self.forget(&token).await;
                    if renewed {
                        return Err(Error::stop(format!(
                            "{} refuses {} also with a new token{said}: is the service principal active, and does it belong to \
                             this workspace?",
                            self.http.host(),
                            ask.what
                        ))
                        .into());
                    }
                    renewed = true;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// A personal access token that is refused stays refused.
    async fn refuse(&self, said: String) -> Error {
        let error = Error::refused_credentials(format!(
            "{} refuses the personal access token{said}: it has expired or was revoked; make another one and put it into the \
             secret; it is not tried again until then",
            self.http.host()
        ));
        self.session.lock().await.refused = Some(error.clone());
        error
    }

    /// What a failed statement means.
    pub(super) fn failed(&self, what: &str, error: &StatementError, sql_state: Option<&str>) -> Failure {
        self.within(what, "", |call| call.failed(error, sql_state))
    }

    fn within<T>(&self, what: &str, token: &str, judge: impl FnOnce(&Call<'_>) -> T) -> T {
        let host = self.http.host();
        let secrets = [self.credentials.unsaid(), token];
        judge(&Call { host: &host, what, grants: &self.grants, secrets: &secrets })
    }

    async fn send(&self, ask: &Ask<'_>, token: &str, once: bool) -> Result<Answer> {
        let query = Some(ask.query.as_str()).filter(|query| !query.is_empty());
        let mut request = self.http.request(ask.method.clone(), &ask.path, query).header("Accept", "application/json");
        if let Some((kind, body)) = &ask.body {
            request = request.header("Content-Type", *kind).body(body.clone());
        }
        let request = auth::with_token(request, token);
        let _permit = self.calls.acquire().await.map_err(|_| Error::later("the connection is being closed"))?;
        match once {
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
        let lives = |token: &&Token| token.renew_at.is_none_or(|end| now < end);
        if let Some(token) = session.token.as_ref().filter(lives) {
            return Ok(token.clone());
        }
        match auth::token(&self.http, self.entra.as_ref(), &self.settings, &self.credentials, now).await {
            Ok(token) => {
                session.token = Some(token.clone());
                Ok(token)
            }
            Err(error) => {
                if error.is_refused_credentials() {
                    session.refused = Some(error.clone());
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
}
