//! Calls to one AIS Server: the session, the one renewal of a dead token, and the server's clock.
//!
//! Invariants: one request in flight per token; a token that died is replaced once per call; credentials that were
//! refused are not used again.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use engine::ports::Clock;
use engine::{Error, Result};
use serde::Serialize;

use super::auth::{self, Credentials, Token, UserInfo};
use super::dates::{DateWriter, check_pattern, time_stamp};
use super::query::DataRequest;
use super::refusal::{Call, Failure};
use super::{Auth, DateLiteral, JdeSettings};
use crate::http::{Answer, Http, percent_decode, percent_encode};

/// A connection to one AIS Server.
pub(super) struct Client {
    pub(super) http: Http,
    pub(super) settings: JdeSettings,
    pub(super) clock: Arc<dyn Clock>,
    credentials: Credentials,
    session: tokio::sync::Mutex<Session>,
    server_clock: Mutex<Option<ServerClock>>,
}

#[derive(Default)]
struct Session {
    token: Option<Token>,
    /// The server refused user and password: nobody tries again.
    refused: Option<Error>,
    /// A call with the password in it went through, so that a later refusal is about rights.
    accepted: bool,
}

/// What the server's wall clock showed, and when.
#[derive(Debug, Clone, Copy)]
struct ServerClock {
    local: NaiveDateTime,
    at: DateTime<Utc>,
}

/// A call for data.
pub(super) enum Ask<'a> {
    /// A POST to the data service.
    Data(&'a DataRequest),
    /// The next page, by the link of an answer.
    Next(&'a str),
}

/// With HTTP Basic every request names what a token was given once.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(flatten)]
    request: &'a DataRequest,
    device_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jasserver: Option<&'a str>,
}

impl Client {
    pub(super) fn new(http: Http, settings: JdeSettings, credentials: Credentials, clock: Arc<dyn Clock>) -> Self {
        let (session, server_clock) = (tokio::sync::Mutex::default(), Mutex::default());
        Self { http, settings, clock, credentials, session, server_clock }
    }

    /// Logs in where that has not happened yet, and says what the server told about the user.
    pub(super) async fn user(&self) -> Result<UserInfo> {
        let mut session = self.session.lock().await;
        self.ready(&mut session).await?;
        Ok(session.token.as_ref().map(|token| token.user.clone()).unwrap_or_default())
    }

    /// How dates of a request that is sent now are written.
    pub(super) async fn date_writer(&self) -> Result<DateWriter> {
        Ok(match self.settings.date_literal {
            DateLiteral::Special => DateWriter::Special { today: self.today() },
            DateLiteral::Julian => DateWriter::Julian,
            DateLiteral::Iso => DateWriter::Iso,
            DateLiteral::UserFormat => {
                let pattern = match &self.settings.date_format {
                    Some(pattern) => pattern.clone(),
                    None => self.user().await?.simple_date_format.unwrap_or_default(),
                };
                check_pattern(&pattern)?;
                DateWriter::Pattern(pattern)
            }
        })
    }

    /// The server's today: by its own clock once an answer has told it, by ours in its zone before.
    pub(super) fn today(&self) -> NaiveDate {
        let now = self.clock.now();
        let known = self.server_clock.lock().ok().and_then(|clock| *clock);
        match known {
            Some(clock) => (clock.local + (now - clock.at)).date(),
            None => now.with_timezone(&self.settings.zone).date_naive(),
        }
    }

    /// Whether an answer has told the server's time.
    pub(super) fn knows_time(&self) -> bool {
        self.server_clock.lock().is_ok_and(|clock| clock.is_some())
    }

    /// Keeps what the server's clock showed in an answer.
    pub(super) fn note_time(&self, stamp: Option<&str>) -> Option<NaiveDateTime> {
        let local = time_stamp(stamp?)?;
        if let Ok(mut clock) = self.server_clock.lock() {
            *clock = Some(ServerClock { local, at: self.clock.now() });
        }
        Some(local)
    }

    /// Asks for data and decodes the answer. A dead token is replaced once, and then the call is made again; what the
    /// decoder began is its own to undo.
    pub(super) async fn ask<T>(
        &self,
        ask: &Ask<'_>,
        object: &str,
        decode: &mut (dyn FnMut(&Answer) -> Result<T, Failure> + Send),
    ) -> Result<T, Failure> {
        let mut session = self.session.lock().await;
        let mut renewed = false;
        loop {
            self.ready(&mut session).await?;
            let said = match self.ask_once(&mut session, ask, object, decode).await {
                Err(Failure::DeadToken(said)) => said,
                other => return other,
            };
            if let Some(token) = session.token.take() {
                // A refusal of rights looks the same, and then the session is alive.
                auth::log_out(&self.http, &self.settings, &token.token).await;
            }
            if let Ask::Next(_) = ask {
                return Err(Failure::DeadToken(said));
            }
            if renewed {
                return Err(Error::stop(format!(
                    "{} refuses {object} also with a new token{said}: the user may lack rights, or calls of one session reach \
                     different servers",
                    self.http.host()
                ))
                .into());
            }
            renewed = true;
        }
    }

    async fn ready(&self, session: &mut Session) -> Result<()> {
        if let Some(refused) = &session.refused {
            return Err(refused.clone());
        }
        if self.settings.auth == Auth::Basic || session.token.is_some() {
            return Ok(());
        }
        match auth::log_in(&self.http, &self.settings, &self.credentials).await {
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

    async fn ask_once<T>(
        &self,
        session: &mut Session,
        ask: &Ask<'_>,
        object: &str,
        decode: &mut (dyn FnMut(&Answer) -> Result<T, Failure> + Send),
    ) -> Result<T, Failure> {
        let token = session.token.as_ref().map(|token| token.token.as_str());
        let request = match (ask, token) {
            (Ask::Data(request), Some(token)) => auth::with_token(self.post(request, false)?, &self.settings, token),
            (Ask::Data(request), None) => self
                .post(request, true)?
                .header("jde-AIS-Auth-Device", &self.settings.device_name)
                .basic_auth(self.credentials.username(), Some(self.credentials.password())),
            (Ask::Next(href), _) => {
                let token = token.ok_or_else(|| Failure::DeadToken(String::new()))?;
                let (path, query) = self.next_page(href)?;
                let request = self.http.get(&path, Some(&query)).header("Accept", "application/json");
                auth::with_token(request, &self.settings, token)
            }
        };
        let answer = self.http.send(request).await?;
        let host = self.http.host();
        let secrets = [self.credentials.password(), token.unwrap_or_default()];
        let call = Call { host: &host, object, token: token.is_some(), secrets: &secrets };
        let result = call.inspect(&answer).and_then(|()| decode(&answer));
        let result = match result {
            Err(Failure::Reported(words)) => Err(call.reported(&words)),
            other => other,
        };
        match &result {
            Ok(_) => session.accepted = true,
            Err(Failure::Failed(error)) if error.is_refused_credentials() => {
                if session.accepted {
                    let words = format!("{error} (the same user was let in before, so this is about rights)");
                    return Err(Error::stop(words).into());
                }
                session.refused = Some(error.clone());
            }
            Err(_) => {}
        }
        result
    }

    fn post(&self, request: &DataRequest, alone: bool) -> Result<reqwest::RequestBuilder> {
        let settings = &self.settings;
        let given = |value: &Option<String>| alone.then(|| value.clone()).flatten();
        let (environment, role, jasserver) =
            (given(&settings.environment), given(&settings.role), given(&settings.jasserver));
        let body = Body {
            request,
            device_name: &settings.device_name,
            environment: environment.as_deref(),
            role: role.as_deref(),
            jasserver: jasserver.as_deref(),
        };
        auth::post(&self.http, settings, "dataservice", &body)
    }

    /// The path of a next page under the configured address, and its query. The link names the host that the server
    /// believes to be its own, holds a literal `|`, and may lack the device.
    fn next_page(&self, href: &str) -> Result<(String, String)> {
        let unusable = |why: &str| Error::later(format!("the next link of {} {why}", self.http.host()));
        let (address, query) = href.split_once('?').ok_or_else(|| unusable("has no parameters"))?;
        let service = address.rfind("/dataservice/next").and_then(|at| address.get(at + 1..));
        let service = service.ok_or_else(|| unusable("leads elsewhere"))?;
        let mut parameters = Vec::new();
        let mut has_device = false;
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = percent_decode(value).ok_or_else(|| unusable("cannot be read"))?;
            has_device |= name == "deviceName";
            parameters.push(format!("{name}={}", percent_encode(&value)));
        }
        if !has_device {
            parameters.push(format!("deviceName={}", percent_encode(&self.settings.device_name)));
        }
        Ok((format!("{}{service}", self.settings.api.prefix()), parameters.join("&")))
    }

    /// Logs out. Safe to call twice.
    pub(super) async fn close(&self) {
        let token = self.session.lock().await.token.take();
        if let Some(token) = token {
            auth::log_out(&self.http, &self.settings, &token.token).await;
        }
    }
}
