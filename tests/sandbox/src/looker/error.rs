//! The answers of a request that is refused.
//!
//! Invariant: every refusal is one value made in one place. The documentation link is a general page on purpose:
//! published clients follow links of the form `…/r/err/…` to a server outside.

use serde_json::{Value as Json, json};

/// What every error links to.
pub(super) const DOCUMENTATION: &str = "https://cloud.google.com/looker/docs/";

/// Why a request is not answered with data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 400
    BadRequest(String),
    /// 401: no token, or one that is unknown, expired or logged out.
    Unauthenticated,
    /// 404: no such path, or no such thing for this user.
    NotFound,
    /// 405: the path does not know the method.
    NotAllowed,
    /// 422: one entry for each thing that is wrong.
    Invalid(Vec<FieldError>),
    /// 429 with seconds to wait.
    Throttled(u32),
}

/// One entry of a validation error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldError {
    pub(super) field: String,
    /// `missing_field`, `invalid`, `already_exists`
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl FieldError {
    pub(super) fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), code: "invalid", message: message.into() }
    }

    pub(super) fn missing(field: &str) -> Self {
        Self { field: field.into(), code: "missing_field", message: format!("{field} is required") }
    }
}

impl Refusal {
    pub(super) fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::invalid(field, message)])
    }

    /// Nothing when there is nothing wrong.
    pub(super) fn check(errors: Vec<FieldError>) -> Result<(), Self> {
        if errors.is_empty() { Ok(()) } else { Err(Self::Invalid(errors)) }
    }

    /// Status, seconds to wait and body.
    pub(super) fn render(&self) -> (u16, Option<u32>, Json) {
        match self {
            Self::BadRequest(message) => (400, None, error(message)),
            Self::Unauthenticated => (401, None, error("Requires authentication.")),
            Self::NotFound => (404, None, error("Not found")),
            Self::NotAllowed => (405, None, error("Method Not Allowed")),
            Self::Invalid(errors) => (422, None, validation("Validation Failed", errors)),
            Self::Throttled(seconds) => (429, Some(*seconds), error("Too many requests")),
        }
    }
}

/// The `Error` of the API.
pub(super) fn error(message: &str) -> Json {
    json!({"message": message, "documentation_url": DOCUMENTATION})
}

fn validation(message: &str, errors: &[FieldError]) -> Json {
    let errors: Vec<Json> = errors
        .iter()
        .map(|error| {
            json!({
                "field": error.field, "code": error.code, "message": error.message, "documentation_url": DOCUMENTATION,
            })
        })
        .collect();
    json!({"message": message, "errors": errors, "documentation_url": DOCUMENTATION})
}
