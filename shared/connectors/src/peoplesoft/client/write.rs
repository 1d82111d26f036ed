//! Calls that must not take effect twice, and calls that only look whether an operation is there.

use engine::{Error, Result};
use reqwest::Url;

use super::{Client, Session};
use crate::http::{Answer, Method};
use crate::peoplesoft::auth;
use crate::peoplesoft::query::Call;
use crate::peoplesoft::refusal::{Circumstances, Failure, Looked, Told};
use crate::peoplesoft::settings::first_part;

/// What an answer comes to under the circumstances of its call.
type Judge<'j, T> = dyn Fn(&Circumstances<'_>, &Answer) -> Result<T, Failure> + Send + Sync + 'j;

impl Client {
    /// Writes one record, and returns the id that the answer tells. The call is made once; only a token that died is
    /// replaced, since a call with a dead one is refused before anything else.
    ///
    /// # Errors
    /// Reject when the record is refused, Unknown when it may have been written, Later when it certainly was not, Stop when
    /// somebody has to act.
    pub(in crate::peoplesoft) async fn write(
        &self,
        call: &Call,
        method: Method,
        told: &Told<'_>,
    ) -> Result<Option<String>> {
        self.once(call, method, &|circumstances, answer| circumstances.written(answer, told)).await
    }

    /// Looks whether an operation can be called, by a method that changes nothing.
    ///
    /// # Errors
    /// Stop when it cannot be, with the administrator's step; Later for what passes by itself.
    pub(in crate::peoplesoft) async fn look(&self, call: &Call) -> Result<Looked> {
        let looked = self.once(call, Method::GET, &|circumstances, answer| circumstances.looked(answer)).await;
        // Whatever it did, it did not write.
        looked.map_err(
            |error| if error.kind() == engine::Kind::Unknown { Error::later(error.to_string()) } else { error },
        )
    }

    async fn once<T>(&self, call: &Call, method: Method, judge: &Judge<'_, T>) -> Result<T> {
        self.is_awake()?;
        let url = self.address(call)?;
        let mut session = self.session.lock().await;
        let mut renewed = false;
        loop {
            self.ready(&mut session).await?;
            match self.once_with(&mut session, call, method.clone(), url.clone(), judge).await {
                Ok(judged) => return Ok(judged),
                Err(Failure::Failed(error) | Failure::NoRows(error)) => return Err(error),
                Err(Failure::Reported(words)) => return Err(Error::unknown(words)),
                Err(Failure::DeadToken(said)) => {
                    session.token = None;
                    if renewed {
                        return Err(Error::stop(format!(
                            "{} refuses {} also with a new token{said}: the service operation behind {} has to want OAuth2 (Req \
                             Verification) and to be granted to the user that PeopleSoft finds by the token",
                            self.http.host(),
                            call.what,
                            first_part(&call.path)
                        )));
                    }
                    renewed = true;
                }
            }
        }
    }

    async fn once_with<T>(
        &self,
        session: &mut Session,
        call: &Call,
        method: Method,
        url: Url,
        judge: &Judge<'_, T>,
    ) -> Result<T, Failure> {
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
        let answer = self.http.send_once(request).await?;
        self.reached.store(true, std::sync::atomic::Ordering::Relaxed);
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
        let judged = judge(&circumstances, &answer);
        match &judged {
            Ok(_) => session.accepted = true,
            Err(Failure::Failed(error)) if error.is_refused_credentials() => session.refused = Some(error.clone()),
            Err(_) => {}
        }
        judged
    }
}
