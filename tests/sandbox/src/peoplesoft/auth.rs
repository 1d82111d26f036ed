//! Who calls: Basic with an operator's password, or the bearer token of an identity provider outside.
//!
//! Invariant: each call proves itself, there is no session. A locked account is refused with the same words as a wrong
//! password. A token means the operator it is mapped to, for the audience it was asked for, until it expires or is revoked.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::error::Refusal;
use super::http::{Request, basic, decode};
use super::settings::{OAuth, Operator, Profile, Settings};
use crate::random::Random;

/// The operators and what became of their passwords.
pub(super) struct Accounts {
    pub(super) operators: Vec<Operator>,
    failed: HashMap<String, u32>,
}

impl Accounts {
    pub(super) fn new(operators: Vec<Operator>) -> Self {
        Self { operators, failed: HashMap::new() }
    }

    pub(super) fn unlock(&mut self, operator: &str) {
        self.failed.remove(operator);
    }

    pub(super) fn find(&self, id: &str) -> Option<&Operator> {
        self.operators.iter().find(|operator| operator.id == id)
    }

    fn check(&mut self, user: &str, password: &str, most: u32) -> Result<Operator, Refusal> {
        let refused = Refusal::BadCredentials(user.into());
        let failures = self.failed.get(user).copied().unwrap_or(0);
        if failures >= most {
            return Err(refused);
        }
        let known = self.find(user).filter(|operator| operator.password.as_deref() == Some(password)).cloned();
        let Some(operator) = known else {
            self.failed.insert(user.into(), failures + 1);
            return Err(refused);
        };
        self.failed.remove(user);
        Ok(operator)
    }
}

/// Whom a call runs as.
pub(super) fn admit(
    request: &Request,
    accounts: &mut Accounts,
    tokens: &Tokens,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<Operator, Refusal> {
    let nobody = || Refusal::BadCredentials("ANONYMOUS".into());
    let header = request.header("authorization").unwrap_or("");
    if let Some(token) = header.strip_prefix("Bearer ") {
        let oauth = settings.oauth.as_ref().filter(|_| settings.profile != Profile::Pt856).ok_or_else(nobody)?;
        let alive = tokens.alive(token.trim(), oauth, now);
        return accounts.find(&oauth.operator).filter(|_| alive).cloned().ok_or(Refusal::BadToken);
    }
    let (user, password) = basic(header).filter(|_| settings.basic).ok_or_else(nobody)?;
    accounts.check(&user, &password, settings.max_failed_logins)
}

struct Token {
    ends: DateTime<Utc>,
    audience: Option<String>,
}

/// The tokens that the identity provider has issued.
pub(super) struct Tokens {
    issued: BTreeMap<String, Token>,
    random: Random,
}

impl Tokens {
    pub(super) fn new(seed: u64) -> Self {
        Self { issued: BTreeMap::new(), random: Random::new(seed) }
    }

    pub(super) fn revoke_all(&mut self) {
        self.issued.clear();
    }

    fn alive(&self, token: &str, oauth: &OAuth, now: DateTime<Utc>) -> bool {
        let ours = |token: &&Token| oauth.audience.is_none() || token.audience == oauth.audience;
        self.issued.get(token).filter(ours).is_some_and(|token| now < token.ends)
    }

    /// The token endpoint: status and JSON body.
    pub(super) fn grant(&mut self, request: &Request, oauth: &OAuth, now: DateTime<Utc>) -> (u16, Vec<u8>) {
        let refused = |status: u16, error: &str, why: &str| {
            (status, json!({"error": error, "error_description": why}).to_string().into_bytes())
        };
        let form = String::from_utf8_lossy(&request.body).into_owned();
        let media = request.header("content-type").unwrap_or("").split(';').next().unwrap_or("").trim().to_owned();
        if request.method != "POST" || media != "application/x-www-form-urlencoded" {
            return refused(400, "invalid_request", "a form must be posted");
        }
        let field = |name: &str| {
            let mut pairs = form.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(known, _)| *known == name).map(|(_, value)| decode(value))
        };
        let header = request.header("authorization").and_then(basic);
        let header = header.map(|(id, secret)| (decode(&id), decode(&secret)));
        let client = header.or_else(|| field("client_id").zip(field("client_secret")));
        if client != Some((oauth.client_id.clone(), oauth.client_secret.clone())) {
            return refused(401, "invalid_client", "Client authentication failed.");
        }
        if field("grant_type").as_deref() != Some("client_credentials") {
            return refused(400, "unsupported_grant_type", "only client_credentials");
        }
        let asked = field("scope").unwrap_or_default();
        if oauth.scope.as_ref().is_some_and(|scope| !asked.split(' ').any(|one| one == scope)) {
            return refused(400, "invalid_scope", "The scope is not allowed for this client.");
        }
        let audience = field("audience").or_else(|| field("resource"));
        let token = self.new_token();
        let life = TimeDelta::from_std(oauth.token_life).unwrap_or(TimeDelta::zero());
        self.issued.insert(token.clone(), Token { ends: now + life, audience });
        let answer = json!({
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": oauth.token_life.as_secs(),
            "scope": asked,
        });
        (200, answer.to_string().into_bytes())
    }

    /// Looks like a signed token; nothing is to be read from it.
    fn new_token(&mut self) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut token = String::from("eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.");
        for part in [80, 120] {
            if part == 120 {
                token.push('.');
            }
            for _ in 0..part {
                token.push(char::from(ALPHABET[self.random.below(64)]));
            }
        }
        token
    }
}
