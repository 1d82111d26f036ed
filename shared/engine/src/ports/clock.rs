//! Time and ids, passed in so that tests decide them.

use chrono::{DateTime, Utc};

use crate::model::id::RunId;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> DateTime<Utc>;
}

/// Gives ids.
pub trait Ids: Send + Sync {
    /// A new run id, never given before, sorting after those given earlier.
    fn run_id(&self) -> RunId;
}
