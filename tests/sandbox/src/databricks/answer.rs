//! What a call is answered with, before faults touch it, and what it is refused with.

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::sql::error::SqlError;

/// A reply as plain data.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) retry_after: Option<u32>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn json(body: &Json) -> Self {
        Self::with_status(200, body)
    }

    pub(super) fn with_status(status: u16, body: &Json) -> Self {
        Self::text(status, "application/json", body.to_string())
    }

    pub(super) fn text(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, content_type, retry_after: None, headers: Vec::new(), body: body.into() }
    }

    pub(super) fn empty() -> Self {
        Self::text(204, "application/octet-stream", Bytes::new())
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Why a call is refused: a status, an error code, and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) retry_after: Option<u32>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "INVALID_PARAMETER_VALUE", message)
    }

    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(400, "MALFORMED_REQUEST", message)
    }

    pub(super) fn denied(message: impl Into<String>) -> Self {
        Self::new(403, "PERMISSION_DENIED", message)
    }

    pub(super) fn missing(message: impl Into<String>) -> Self {
        Self::new(404, "RESOURCE_DOES_NOT_EXIST", message)
    }

    pub(super) fn no_endpoint(path: &str) -> Self {
        Self::new(404, "ENDPOINT_NOT_FOUND", format!("No API found for '{path}'"))
    }

    pub(super) fn throttled(message: &str, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(429, "RESOURCE_EXHAUSTED", message) }
    }

    /// As the service shows it. Its status and code are those of the gateway where they were ordered by a fault.
    pub(super) fn render(&self) -> Answer {
        let details = json!([{
            "@type": "type.googleapis.com/google.rpc.RequestInfo",
            "request_id": "00000000-0000-4000-8000-000000000000", "serving_data": "",
        }]);
        let body = json!({"error_code": self.code, "message": self.message, "details": details});
        Answer { retry_after: self.retry_after, ..Answer::with_status(self.status, &body) }
    }

    /// A status that was ordered, with the code that belongs to it.
    pub(super) fn ordered(status: u16, retry_after: Option<u32>) -> Self {
        let (code, message) = match status {
            400 => ("BAD_REQUEST", "The request is malformed."),
            401 => ("UNAUTHENTICATED", "Credential was not sent or was of an unsupported type for this API."),
            403 => ("PERMISSION_DENIED", "Invalid access token."),
            404 => ("NOT_FOUND", "Not found."),
            409 => ("ABORTED", "The request was aborted because of a conflict."),
            429 => ("REQUEST_LIMIT_EXCEEDED", "Too many requests. Please wait a moment and try again."),
            503 => (
                "TEMPORARILY_UNAVAILABLE",
                "The service at this path is temporarily unavailable. Please try again later.",
            ),
            504 => ("DEADLINE_EXCEEDED", "The request has timed out."),
            _ => ("INTERNAL_ERROR", "An internal error has occurred."),
        };
        Self { retry_after, ..Self::new(status, code, message) }
    }
}

/// What the catalog refuses, as REST calls tell it.
impl From<SqlError> for Refusal {
    fn from(error: SqlError) -> Self {
        let (status, code) = match error.class.as_str() {
            "TABLE_OR_VIEW_NOT_FOUND" => (404, "TABLE_DOES_NOT_EXIST"),
            "SCHEMA_NOT_FOUND" => (404, "SCHEMA_DOES_NOT_EXIST"),
            "NO_SUCH_CATALOG_EXCEPTION" => (404, "CATALOG_DOES_NOT_EXIST"),
            "UC_VOLUME_NOT_FOUND" => (404, "VOLUME_DOES_NOT_EXIST"),
            "INSUFFICIENT_PERMISSIONS" => (403, "PERMISSION_DENIED"),
            _ => (400, "INVALID_PARAMETER_VALUE"),
        };
        Self::new(status, code, error.message)
    }
}
