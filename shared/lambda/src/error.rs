//! Failures as the platform shows them to whoever invoked the function.

use std::fmt;

use engine::Kind;
use lambda_runtime::Diagnostic;

/// A failure, with its kind as the error type and its words as the message.
#[derive(Debug)]
pub struct Failure(pub engine::Error);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Failure> for Diagnostic {
    fn from(Failure(failure): Failure) -> Self {
        let error_type = match failure.kind() {
            Kind::Later { .. } => "Later",
            Kind::Reject => "Reject",
            Kind::Stop => "Stop",
            Kind::Unknown => "Unknown",
        };
        Self { error_type: error_type.to_owned(), error_message: failure.to_string() }
    }
}
