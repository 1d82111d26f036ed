//! A system that reads what was loaded and is told when it changed.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::Finding;
use crate::error::Result;
use crate::model::delivery::What;
use crate::model::table::TableSpec;
use crate::model::totals::{GroupBy, GroupTotal};

/// How far a delivery has come, as the consumer tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It has not ended, or the consumer does not show it yet.
    Pending,
    /// It was delivered; where to, in words.
    Delivered(String),
    /// It failed; why, in the consumer's words.
    Failed(String),
}

/// A delivery that the consumer knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The consumer's own id of it.
    pub reference: String,
    /// How far it has come.
    pub progress: Progress,
}

/// A system that reads what was loaded, such as Looker. One instance serves one piece of work: it logs in when first
/// used, and [`Consumer::close`] logs it out.
#[async_trait]
pub trait Consumer: Send + Sync {
    /// Tries everything that these tables and deliveries need and says what works and what an administrator must do.
    async fn check(&self, tables: &[&TableSpec], deliveries: &[&What]) -> Vec<Finding>;

    /// Creates or updates what the configuration declares, by name. Safe to repeat.
    ///
    /// # Errors
    /// Later for what passes by itself; Stop for permissions, unknown names, refused credentials.
    async fn prepare(&self) -> Result<()>;

    /// Says that the content of this table has changed, so that nothing old is shown. Safe to repeat.
    ///
    /// # Errors
    /// As [`Consumer::prepare`].
    async fn changed(&self, table: &TableSpec) -> Result<()>;

    /// How long after a load the consumer can tell what it cached before it from what it read after: its times may be
    /// whole seconds, and its clock may be behind.
    fn tells_times_apart_after(&self) -> Duration;

    /// Makes sure that what is sent next is read anew. Unlike [`Consumer::changed`] it never sets anything else off. Safe
    /// to repeat.
    ///
    /// # Errors
    /// As [`Consumer::prepare`].
    async fn refresh(&self) -> Result<()>;

    /// What the consumer itself counts and sums of the table, read past its caches; sums in the order of `columns`.
    /// `None` when it does not model the table.
    ///
    /// # Errors
    /// As [`Consumer::prepare`]; Stop also when a field is missing or the query fails in the consumer.
    async fn totals(&self, table: &TableSpec, by: &GroupBy, columns: &[&str]) -> Result<Option<Vec<GroupTotal>>>;

    /// Sends a delivery off, once, under a name that carries `tag`. Returns the consumer's id of it.
    ///
    /// # Errors
    /// Later only when it certainly was not accepted (throttled, not connected); Stop and Reject when it was refused;
    /// Unknown when it may have been accepted: then look for it with [`Consumer::find`] and never send it again blindly.
    async fn deliver(&self, what: &What, tag: &str) -> Result<String>;

    /// Looks for the delivery that carries `tag`, requested at `since` or later.
    ///
    /// # Errors
    /// As [`Consumer::prepare`].
    async fn find(&self, what: &What, tag: &str, since: DateTime<Utc>) -> Result<Option<Sent>>;

    /// How far the delivery with this id has come, requested at `since` or later.
    ///
    /// # Errors
    /// As [`Consumer::prepare`].
    async fn progress(&self, what: &What, reference: &str, since: DateTime<Utc>) -> Result<Progress>;

    /// Ends the session. Called once at the end, also after errors; what fails here is only logged.
    async fn close(&self);
}
