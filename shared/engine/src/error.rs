//! Errors, named by what the caller must do about them.
//!
//! There are four kinds and no fifth: try again later, reject this one record, stop and tell a person, or look before
//! trying again. A message says what happened, to which record or place, and what to do next; it never carries a secret.

use std::fmt;
use std::time::Duration;

/// The result of everything that can fail in the engine, its ports and its connectors.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller has to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing is wrong with the work itself: repeat it, not before `after` where the other side asked for that.
    Later {
        /// How long to wait at least, as the other side asked (`Retry-After`) or the port knows.
        after: Option<Duration>,
    },
    /// This one record cannot go on; its siblings can.
    Reject,
    /// Configuration, credentials or permissions: a person has to act, repeating makes it worse.
    Stop,
    /// The call may or may not have taken effect: look for its effect before doing it again.
    Unknown,
}

/// An error of one of the four kinds.
#[derive(Debug, Clone)]
pub struct Error {
    kind: Kind,
    message: String,
    /// The connection whose credentials were refused, so that nobody logs in with them again.
    refused_credentials: bool,
    awaits_secret: bool,
}

impl Error {
    /// Nothing is lost: try again, as soon as the caller likes.
    pub fn later(message: impl Into<String>) -> Self {
        Self::new(Kind::Later { after: None }, message)
    }

    /// Try again, but not before `after` has passed.
    pub fn later_after(after: Duration, message: impl Into<String>) -> Self {
        Self::new(Kind::Later { after: Some(after) }, message)
    }

    /// One record cannot be mapped or is refused.
    pub fn reject(message: impl Into<String>) -> Self {
        Self::new(Kind::Reject, message)
    }

    /// A person has to act.
    pub fn stop(message: impl Into<String>) -> Self {
        Self::new(Kind::Stop, message)
    }

    /// Wrong user or password: one try and no more, because accounts lock.
    pub fn refused_credentials(message: impl Into<String>) -> Self {
        Self { refused_credentials: true, ..Self::awaiting_secret(message) }
    }

    /// A secret is missing, or stopped because it was refused: nothing but another one helps.
    pub fn awaiting_secret(message: impl Into<String>) -> Self {
        Self { awaits_secret: true, ..Self::new(Kind::Stop, message) }
    }

    /// The outcome of a call is not known.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::new(Kind::Unknown, message)
    }

    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), refused_credentials: false, awaits_secret: false }
    }

    /// What to do about it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the other side refused the user or password.
    pub fn is_refused_credentials(&self) -> bool {
        self.refused_credentials
    }

    /// Whether another secret is all that is needed to go on.
    pub fn awaits_secret(&self) -> bool {
        self.awaits_secret
    }

    /// Whether repeating the same work can help.
    pub fn is_later(&self) -> bool {
        matches!(self.kind, Kind::Later { .. })
    }

    /// Puts the place in front of the message: `<place>: <message>`.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
