//! What a call is answered with, before faults touch it.

use serde_json::Value as Json;

/// A reply as plain data.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) retry_after: Option<u32>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(body: &Json) -> Self {
        Self::with_status(200, body)
    }

    pub(super) fn with_status(status: u16, body: &Json) -> Self {
        let body = body.to_string().into_bytes();
        Self { status, content_type: "application/json", retry_after: None, body }
    }

    pub(super) fn empty() -> Self {
        Self { status: 204, content_type: "application/json", retry_after: None, body: Vec::new() }
    }
}
