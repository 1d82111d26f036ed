//! Calls to one node: whom they may reach, who they come from, one after the other.
//!
//! Invariants: every address is checked against host, node and the list of operations before anything is sent; one call
//! is in flight; a token that died is replaced once per call; credentials that were refused are not used again; nothing
//! is called in quiet hours.

mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engine::ports::Clock;
use engine::{Error, Result};
use reqwest::Url;
use tokio::task::JoinHandle;

use super::auth::{self, Credentials, Token};
use super::dates;
use super::query::Call;
use super::refusal::{Circumstances, Failure};
use super::settings::{Auth, PeopleSoftSettings, first_part};
use crate::http::{Answer, Http, Method};

/// A connection to one node.
pub(super) struct Client {
    pub(super) http: Http,
    pub(super) settings: PeopleSoftSettings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) credentials: Credentials,
    provider: Option<Http>,
    session: tokio::sync::Mutex<Session>,
    reached: AtomicBool,
}

#[derive(Default)]
struct Session {
    token: Option<Token>,
    /// User and password, or the client, were refused: nobody tries again.
    refused: Option<Error>,
    /// A call went through, so that a later refusal is about rights.
    accepted: bool,
}

/// An answer, and the token of its call.
struct Sent {
    answer: Answer,
    token: Option<String>,
}

/// A call that was made before its answer was wanted. Dropping it breaks it off.
pub(super) struct Begun {
    call: Call,
    answer: JoinHandle<Result<Sent>>,
}

impl Begun {
    /// Whether it is this call.
    pub(super) fn is(&self, call: &Call) -> bool {
        self.call == *call
    }

    /// Its answer; nothing where it was broken off.
    async fn end(mut self) -> Option<Result<Sent>> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.answer.abort();
    }
}

impl Client {
    pub(super) fn new(
        http: Http,
        provider: Option<Http>,
        settings: PeopleSoftSettings,
        credentials: Credentials,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (session, reached) = (tokio::sync::Mutex::default(), AtomicBool::new(false));
        Self { http, settings, clock, credentials, provider, session, reached }
    }

    /// The address of a call, if it may be called.
    ///
    /// # Errors
    /// Stops when it leads to another host or node, or to an operation that is not listed.
    pub(super) fn address(&self, call: &Call) -> Result<Url> {
        let settings = &self.settings;
        let mut url = self.http.url(&format!("{}/{}", settings.node, call.path));
        url.set_query(call.query.as_deref());
        let refuse = |why: &str| Err(Error::stop(format!("{} is not called: {why}", call.what)));
        if url.origin() != self.http.base().origin() {
            return refuse("its address leads to another host");
        }
        // As it will be sent: what leads upwards is resolved by now.
        let root = format!("{}/{}/", self.http.base().path().trim_end_matches('/'), settings.node);
        let Some(path) = url.path().strip_prefix(&root) else {
            return refuse("its address leads out of the node");
        };
        let odd = path.to_ascii_lowercase();
        if path.contains("//") || path.contains('\\') || ["%2e", "%2f", "%5c"].iter().any(|part| odd.contains(part)) {
            return refuse("its address holds what servers may take for another path");
        }
        let operation = first_part(path);
        if !settings.operation_names().any(|known| known == operation) {
            return refuse(&format!("{operation} is none of the operations of the connection"));
        }
        Ok(url)
    }

    /// Calls and decodes the answer. A dead token is replaced once, and then the call is made again; what the decoder
    /// began is its own to undo.
    pub(super) async fn ask<T>(
        &self,
        call: &Call,
        decode: &mut (dyn FnMut(&Answer) -> Result<T, Failure> + Send),
    ) -> Result<T> {
        self.ask_begun(call, None, decode).await
    }

    /// As [`Client::ask`], of a call that may have been begun before.
    pub(super) async fn ask_begun<T>(
        &self,
        call: &Call,
        begun: Option<Begun>,
        decode: &mut (dyn FnMut(&Answer) -> Result<T, Failure> + Send),
    ) -> Result<T> {
        let mut sent = match begun {
            Some(begun) => begun.end().await.transpose()?,
            None => None,
        };
        if sent.is_none() {
            self.is_awake()?;
        }
        let url = self.address(call)?;
        let mut session = self.session.lock().await;
        let mut renewed = false;
        loop {
            let answered = match sent.take() {
                Some(sent) => Ok(sent),
                None => {
                    self.ready(&mut session).await?;
                    self.send(&session, call, url.clone()).await
                }
            };
            match answered.map_err(Failure::from).and_then(|sent| self.judge(&mut session, call, &sent, decode)) {
                Ok(answered) => return Ok(answered),
                Err(Failure::Failed(error) | Failure::NoRows(error)) => return Err(error),
                Err(Failure::Reported(words)) => {
                    return Err(Error::later(format!("{} reports that it failed: {words}", call.what)));
                }
                Err(Failure::DeadToken(said)) => {
                    session.token = None;
                    if renewed {
                        return Err(Error::stop(format!(
                            "{} refuses {} also with a new token{said}: issuer, audience (the REST target location) and scope of \
                             the token have to be those of the site's OAuth service application, the service operation has to \
                             want OAuth2 (Req Verification), and PeopleSoft has to find its user by the token",
                            self.http.host(),
                            call.what
                        )));
                    }
                    renewed = true;
                }
            }
        }
    }

    /// Whether any call was answered.
    pub(super) fn is_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }

    /// Whether anything may be called now.
    ///
    /// # Errors
    /// Later in quiet hours, with their end.
    pub(super) fn is_awake(&self) -> Result<()> {
        let settings = &self.settings;
        match dates::quiet_for(&settings.quiet_hours, settings.zone, self.clock.now()) {
            None => Ok(()),
            Some((wait, hours)) => {
                Err(Error::later_after(wait, format!("{} is not called in its quiet hours, {hours}", self.http.host())))
            }
        }
    }

    /// Has a token where one is needed.
    ///
    /// # Errors
    /// As the identity provider.
    pub(super) async fn log_in(&self) -> Result<()> {
        let mut session = self.session.lock().await;
        self.ready(&mut session).await
    }

    async fn ready(&self, session: &mut Session) -> Result<()> {
        if let Some(refused) = &session.refused {
            return Err(refused.clone());
        }
        let (Auth::Oauth2(settings), Some(provider)) = (&self.settings.auth, &self.provider) else { return Ok(()) };
        let now = self.clock.now();
        if session.token.as_ref().is_some_and(|token| now < token.renew_at) {
            return Ok(());
        }
        match auth::token(provider, settings, &self.credentials, now).await {
            Ok(token) => session.token = Some(token),
            Err(error) => {
                if error.is_refused_credentials() {
                    session.refused = Some(error.clone());
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Makes a call before its answer is wanted. Still only one is in flight: others wait for it.
    pub(super) fn begin(self: &Arc<Self>, call: Call) -> Begun {
        let (client, sent) = (Arc::clone(self), call.clone());
        let answer = tokio::spawn(async move {
            client.is_awake()?;
            let url = client.address(&sent)?;
            let mut session = client.session.lock().await;
            client.ready(&mut session).await?;
            client.send(&session, &sent, url).await
        });
        Begun { call, answer }
    }

    async fn send(&self, session: &Session, call: &Call, url: Url) -> Result<Sent> {
        let method = if call.body.is_some() { Method::POST } else { Method::GET };
        let mut request = self.http.at(method, url).header("Accept", "application/json, text/xml;q=0.8, */*;q=0.1");
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &call.body {
            request = request.header("Content-Type", "application/json").body(body.clone());
        }
        let token = session.token.as_ref().map(|token| token.text.clone());
        request = match &token {
            Some(token) => auth::with_token(request, token),
            None => self.credentials.basic(request),
        };
        let answer = self.http.send(request).await?;
        self.reached.store(true, Ordering::Relaxed);
        Ok(Sent { answer, token })
    }

    /// What an answer means.
    fn judge<T>(
        &self,
        session: &mut Session,
        call: &Call,
        sent: &Sent,
        decode: &mut (dyn FnMut(&Answer) -> Result<T, Failure> + Send),
    ) -> Result<T, Failure> {
        let Sent { answer, token } = sent;
        let host = self.http.host();
        let secrets = [self.credentials.secret(), token.as_deref().unwrap_or_default()];
        let circumstances = Circumstances {
            host: &host,
            what: &call.what,
            operation: first_part(&call.path),
            settings: &self.settings,
            bearer: token.is_some(),
            accepted: session.accepted,
            secrets: &secrets,
        };
        let result = circumstances.inspect(answer).and_then(|()| decode(answer));
        let result = match result {
            Err(Failure::Reported(words)) => Err(circumstances.reported(answer, &words)),
            Err(Failure::NoRows(error)) => Err(circumstances.without_rows(answer, error)),
            other => other,
        };
        match &result {
            Ok(_) => session.accepted = true,
            Err(Failure::Failed(error)) if error.is_refused_credentials() => session.refused = Some(error.clone()),
            Err(_) => {}
        }
        result
    }
}
