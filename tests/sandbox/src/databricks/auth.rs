//! Discovery, OAuth tokens, and who calls.
//!
//! Invariant: two grants never give the same token; a token dies at the time that was promised and not before.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::answer::{Answer, Refusal};
use super::server::Shared;
use super::settings::Principal;
use crate::http::{Request, basic, decode};

/// The tokens that were granted.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    granted: BTreeMap<String, (String, DateTime<Utc>)>,
    count: u64,
}

impl Tokens {
    /// Makes all tokens die at once.
    pub(super) fn revoke_all(&mut self) {
        self.granted.clear();
    }
}

impl Shared {
    /// Where official clients look first.
    pub(super) fn discovery(&self) -> Answer {
        Answer::json(&json!({
            "oidc_endpoint": format!("{}/oidc", self.base), "workspace_id": self.settings.workspace_id,
            "account_id": "00000000-0000-4000-8000-00000000acc0", "cloud": "AWS",
        }))
    }

    pub(super) fn authorization_server(&self) -> Answer {
        let base = &self.base;
        Answer::json(&json!({
            "issuer": format!("{base}/oidc"), "authorization_endpoint": format!("{base}/oidc/v1/authorize"),
            "token_endpoint": format!("{base}/oidc/v1/token"),
            "grant_types_supported": ["client_credentials", "authorization_code", "refresh_token"],
        }))
    }

    /// `POST /oidc/v1/token`: the client credentials grant, credentials in the header or in the body.
    pub(super) fn grant(&self, request: &Request) -> Answer {
        let refuse = |status: u16, error: &str, words: &str| {
            Answer::with_status(status, &json!({"error": error, "error_description": words}))
        };
        let form = parameters(&request.body);
        let field = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let in_header = request.header("authorization").and_then(basic);
        let credentials = in_header.or_else(|| field("client_id").zip(field("client_secret")));
        let known = credentials.and_then(|(id, secret)| {
            let found = self.principals.iter().find(|one| one.client_id == id)?;
            (found.secret == secret).then_some(found)
        });
        let Some(principal) = known else {
            return refuse(401, "invalid_client", "Client authentication failed");
        };
        if field("grant_type").as_deref() != Some("client_credentials") {
            return refuse(400, "unsupported_grant_type", "Grant type is not supported");
        }
        if field("scope").as_deref() != Some("all-apis") {
            return refuse(400, "invalid_scope", "Scope is not supported");
        }
        let life = self.settings.token_life;
        let expires = self.clock.now() + life;
        let mut state = self.state();
        state.tokens.count += 1;
        let token = format!("eyJsandbox.{}.{}", self.port, state.tokens.count);
        state.tokens.granted.insert(token.clone(), (principal.client_id.clone(), expires));
        drop(state);
        Answer::json(&json!({
            "access_token": token, "token_type": "Bearer", "expires_in": life.as_secs(), "scope": "all-apis",
        }))
    }

    /// Who calls.
    pub(super) fn caller(&self, request: &Request) -> Result<&Principal, Refusal> {
        let Some(token) = request.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) else {
            return Err(Refusal::ordered(401, None));
        };
        let by_token = self.principals.iter().find(|one| one.token.as_deref() == Some(token));
        if let Some(principal) = by_token {
            return Ok(principal);
        }
        let state = self.state();
        let granted = state.tokens.granted.get(token).filter(|(_, expires)| self.clock.now() < *expires);
        let client_id = granted.map(|(client_id, _)| client_id.clone());
        drop(state);
        let found = client_id.and_then(|id| self.principals.iter().find(|one| one.client_id == id));
        found.ok_or_else(|| Refusal::ordered(self.settings.dead_token, None))
    }
}

fn parameters(form: &[u8]) -> Vec<(String, String)> {
    let form = String::from_utf8_lossy(form);
    let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}
