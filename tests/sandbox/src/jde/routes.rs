//! Which path means what, and what a body must look like before anybody reads it.
//!
//! Invariant: a path outside the vendor's list is a 404, and a body that is not declared as JSON is a 415, whoever calls.

use serde::de::DeserializeOwned;

use super::error::Refusal;
use super::http::{Request, decode};

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Config,
    Login,
    Validate {
        /// The newer name refuses a dead token, the older one says `false`.
        refuse_dead: bool,
    },
    Logout,
    Data {
        v2: bool,
    },
    Get {
        /// `table` or `view`.
        kind: &'static str,
        name: String,
    },
    Next,
    Orchestration(String),
}

/// The route of a method and path.
pub(super) fn find(method: &str, path: &str) -> Result<Route, Refusal> {
    let rest = path.strip_prefix("/jderest/").ok_or(Refusal::NotFound)?;
    let (version, rest) = match rest.split_once('/') {
        Some(("v2", rest)) => (2, rest),
        Some(("v3", rest)) => (3, rest),
        _ => (1, rest),
    };
    let parts: Vec<&str> = rest.split('/').collect();
    let (route, methods): (Route, &[&str]) = match (version, parts.as_slice()) {
        (1 | 2, ["defaultconfig"]) => (Route::Config, &["GET", "POST"]),
        (1 | 2, ["tokenrequest"]) => (Route::Login, &["POST"]),
        (1 | 2, ["tokenrequest", "validate"]) => (Route::Validate { refuse_dead: false }, &["POST"]),
        (1 | 2, ["tokenrequest", "logout"]) => (Route::Logout, &["POST"]),
        (2 | 3, ["orchestrator", "jde-login"]) => (Route::Login, &["GET", "POST"]),
        (2 | 3, ["orchestrator", "jde-logout"]) => (Route::Logout, &["POST"]),
        (2 | 3, ["orchestrator", "jde-validate-session"]) => (Route::Validate { refuse_dead: true }, &["POST"]),
        (2 | 3, ["orchestrator", name]) if !name.is_empty() => (Route::Orchestration(decode(name)), &["POST"]),
        (1 | 2, ["dataservice"]) => (Route::Data { v2: version == 2 }, &["POST"]),
        (2, ["dataservice", "next"]) => (Route::Next, &["GET", "POST"]),
        (2, ["dataservice", "table", name]) => (Route::Get { kind: "table", name: decode(name) }, &["GET"]),
        (2, ["dataservice", "view", name]) => (Route::Get { kind: "view", name: decode(name) }, &["GET"]),
        _ => return Err(Refusal::NotFound),
    };
    if methods.contains(&method) { Ok(route) } else { Err(Refusal::NotAllowed) }
}

/// A body must be declared as JSON; without a body nothing need be said.
pub(super) fn check_body(request: &Request) -> Result<(), Refusal> {
    let declared = request.header("content-type").unwrap_or("");
    let media = declared.split(';').next().unwrap_or("").trim();
    if request.body.is_empty() || media.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Refusal::MediaType)
}

/// The body as JSON.
pub(super) fn json<T: DeserializeOwned>(request: &Request) -> Result<T, Refusal> {
    serde_json::from_slice(&request.body).map_err(|error| Refusal::BadJson(error.to_string()))
}

/// The body as JSON where it may be missing; a published client sends `null` for nothing.
pub(super) fn optional_json<T: DeserializeOwned + Default>(request: &Request) -> Result<T, Refusal> {
    match request.body.trim_ascii() {
        b"" | b"null" => Ok(T::default()),
        _ => json(request),
    }
}
