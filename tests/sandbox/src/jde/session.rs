//! Tokens: who is logged in, from which device, and since when idle.
//!
//! Invariant: a token is bound to the device name given at log-in, or to the caller's address when none was given, and is
//! checked against it on each use. A dead token never comes back.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};

use super::error::{BAD_LOGIN, Refusal};
use super::settings::Settings;
use crate::random::Random;

/// One log-in.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) user: String,
    device: String,
    born: DateTime<Utc>,
    used: DateTime<Utc>,
    /// Calls under way.
    pub(super) busy: u32,
    /// The next stack of this session.
    pub(super) stack: u64,
}

/// All sessions and accounts.
#[derive(Debug)]
pub(super) struct Sessions {
    open: BTreeMap<String, Session>,
    failed: HashMap<String, u32>,
    random: Random,
}

/// What a log-in asks for.
pub(super) struct Login<'a> {
    pub(super) user: &'a str,
    pub(super) password: &'a str,
    pub(super) device: &'a str,
    pub(super) environment: Option<&'a str>,
    pub(super) role: Option<&'a str>,
}

impl Sessions {
    pub(super) fn new(seed: u64) -> Self {
        Self { open: BTreeMap::new(), failed: HashMap::new(), random: Random::new(seed) }
    }

    /// A new token, or why there is none.
    pub(super) fn log_in(
        &mut self,
        login: &Login<'_>,
        settings: &Settings,
        now: DateTime<Utc>,
    ) -> Result<String, Refusal> {
        let Login { user, password, device, environment, role } = *login;
        self.drop_expired(settings, now);
        let failures = self.failed.get(user).copied().unwrap_or(0);
        if failures >= settings.max_failed_logins {
            return Err(Refusal::forbidden(
                "Authorization Failure: User account is locked. Contact your administrator.",
            ));
        }
        if !settings.users.iter().any(|(name, secret)| name == user && secret == password) {
            self.failed.insert(user.into(), failures + 1);
            return Err(Refusal::forbidden(BAD_LOGIN));
        }
        let given = |value: Option<&str>| value.filter(|value| !value.trim().is_empty()).map(str::to_owned);
        if given(environment).is_some_and(|environment| environment != settings.environment) {
            return Err(Refusal::forbidden("Authorization Failure: Environment is not valid for this user."));
        }
        if given(role).is_some_and(|role| role != settings.role && role != "*ALL") {
            return Err(Refusal::forbidden("Authorization Failure: Role is not valid for this user."));
        }
        let open = self.open.values().filter(|session| session.user == user).count();
        if settings.max_sessions.is_some_and(|most| open >= most) {
            return Err(Refusal::forbidden("Authorization Failure: Maximum number of sessions for this user reached."));
        }
        self.failed.remove(user);
        let token = self.new_token();
        let session = Session { user: user.into(), device: device.into(), born: now, used: now, busy: 0, stack: 0 };
        self.open.insert(token.clone(), session);
        Ok(token)
    }

    /// The session of a token that is alive and comes from its device; renews its idle time when `touch`.
    pub(super) fn check(
        &mut self,
        token: &str,
        device: &str,
        touch: bool,
        settings: &Settings,
        now: DateTime<Utc>,
    ) -> Result<&mut Session, Refusal> {
        let dead = Refusal::DeadToken(settings.dead_token.status());
        if self.open.get(token).is_some_and(|session| session.is_over(settings, now)) {
            self.open.remove(token);
        }
        let session = self.open.get_mut(token).ok_or(dead)?;
        if session.device != device {
            return Err(Refusal::forbidden("Authorization Failure: Token was issued to another device."));
        }
        if touch {
            session.used = now;
        }
        Ok(session)
    }

    /// Ends a session; false when there was none.
    pub(super) fn end(&mut self, token: &str, settings: &Settings, now: DateTime<Utc>) -> bool {
        self.open.remove(token).is_some_and(|session| !session.is_over(settings, now))
    }

    pub(super) fn get_mut(&mut self, token: &str) -> Option<&mut Session> {
        self.open.get_mut(token)
    }

    pub(super) fn count(&mut self, settings: &Settings, now: DateTime<Utc>) -> usize {
        self.drop_expired(settings, now);
        self.open.len()
    }

    pub(super) fn unlock(&mut self, user: &str) {
        self.failed.remove(user);
    }

    /// A number nobody can guess the next of, for the parts of a link.
    pub(super) fn new_rid(&mut self) -> String {
        format!("{:015x}", self.random.next() >> 4)
    }

    fn drop_expired(&mut self, settings: &Settings, now: DateTime<Utc>) {
        self.open.retain(|_, session| !session.is_over(settings, now));
    }

    /// About 110 characters of base64 in two parts, with `+`, `/` and `=` in it: it must be encoded in a URL.
    fn new_token(&mut self) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut token = String::from("044");
        for part in [64, 36] {
            for _ in 0..part {
                token.push(char::from(ALPHABET[self.random.below(64)]));
            }
            token.push_str("+/=");
        }
        token
    }
}

impl Session {
    fn is_over(&self, settings: &Settings, now: DateTime<Utc>) -> bool {
        let longer = |since: DateTime<Utc>, limit| TimeDelta::from_std(limit).is_ok_and(|limit| now - since > limit);
        longer(self.used, settings.token_ttl) || longer(self.born, settings.token_life)
    }
}
