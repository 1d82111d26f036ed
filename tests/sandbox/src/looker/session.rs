//! Tokens: who is logged in, until when, and in which workspace.
//!
//! Invariant: one log-in is one token is one session; a dead token never comes back.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::error::Refusal;
use super::settings::{Account, Settings};
use crate::http::{Request, decode};
use crate::random::Random;

/// One log-in.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) account: Account,
    pub(super) workspace: String,
    ends: DateTime<Utc>,
}

/// All sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    open: BTreeMap<String, Session>,
    random: Random,
}

impl Sessions {
    pub(super) fn new(seed: u64) -> Self {
        Self { open: BTreeMap::new(), random: Random::new(seed).fork("tokens") }
    }

    /// A new token. Credentials count only as a form in the body.
    pub(super) fn log_in(
        &mut self,
        request: &Request,
        settings: &Settings,
        now: DateTime<Utc>,
    ) -> Result<String, Refusal> {
        let declared = request.header("content-type").unwrap_or("");
        let media = declared.split(';').next().unwrap_or("").trim();
        if !media.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Refusal::BadRequest("Credentials must be sent as a form in the body".into()));
        }
        let form = String::from_utf8_lossy(&request.body).into_owned();
        let value = |wanted: &str| {
            let mut pairs = form.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(name, _)| decode(name) == wanted).map(|(_, value)| decode(value))
        };
        // The real product hides which ids exist: whatever is wrong, the answer is 404.
        let (id, secret) = value("client_id").zip(value("client_secret")).ok_or(Refusal::NotFound)?;
        let account =
            settings.accounts.iter().find(|account| account.client_id == id && account.client_secret == secret);
        let account = account.ok_or(Refusal::NotFound)?;
        self.drop_dead(now);
        if settings.max_sessions.is_some_and(|most| self.open.len() >= most) {
            return Err(Refusal::Throttled(60));
        }
        let token = self.new_token();
        let life = TimeDelta::from_std(settings.token_life).unwrap_or(TimeDelta::MAX);
        let ends = now.checked_add_signed(life).unwrap_or(DateTime::<Utc>::MAX_UTC);
        self.open.insert(token.clone(), Session { account: account.clone(), workspace: "production".into(), ends });
        Ok(token)
    }

    /// The session of a request, whose token stands behind `Bearer` or `token`.
    pub(super) fn check(&mut self, request: &Request, now: DateTime<Utc>) -> Result<(String, &mut Session), Refusal> {
        self.drop_dead(now);
        let token = token(request).ok_or(Refusal::Unauthenticated)?;
        let session = self.open.get_mut(token).ok_or(Refusal::Unauthenticated)?;
        Ok((token.to_owned(), session))
    }

    pub(super) fn end(&mut self, token: &str) {
        self.open.remove(token);
    }

    pub(super) fn count(&mut self, now: DateTime<Utc>) -> usize {
        self.drop_dead(now);
        self.open.len()
    }

    fn drop_dead(&mut self, now: DateTime<Utc>) {
        self.open.retain(|_, session| session.ends > now);
    }

    fn new_token(&mut self) -> String {
        const ALPHABET: &[u8] = b"BCDFGHJKMNPQRSTVWXYZbcdfghjkmnpqrstvwxyz23456789";
        (0..40).map(|_| char::from(ALPHABET[self.random.below(ALPHABET.len())])).collect()
    }
}

/// The token that a request carries.
pub(super) fn token(request: &Request) -> Option<&str> {
    let (scheme, token) = request.header("authorization")?.split_once(' ')?;
    ["bearer", "token"].contains(&scheme.to_ascii_lowercase().as_str()).then(|| token.trim())
}
