//! A system that records are read from.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::Finding;
use crate::error::Result;
use crate::model::decimal::Decimal;
use crate::model::rows::RowsWriter;
use crate::model::value::Value;
use crate::model::window::{Granularity, Position, Window};
use crate::plan::StreamSpec;

/// What a source can truthfully do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceCapabilities {
    /// How finely it tells what changed.
    pub granularity: Granularity,
    /// Whether it reads chosen records by key, and how many in one call.
    pub keys_per_read: Option<usize>,
    /// Whether it counts without reading.
    pub counts: bool,
    /// Whether it sums without reading.
    pub totals: bool,
    /// Whether it counts and sums by the values of a column without reading.
    pub groups: bool,
    /// How many polls may run at once on one connection.
    pub sessions: u32,
}

/// What a page is asked for.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    /// Records that changed in a window.
    Window(Window),
    /// These records: per record the values of [`StreamSpec::key`], in that order, as the source writes them.
    Keys(&'a [Vec<String>]),
}

/// A request for the next page.
#[derive(Debug, Clone, Copy)]
pub struct ReadRequest<'a> {
    /// Of which stream.
    pub stream: &'a StreamSpec,
    /// Which records.
    pub what: What<'a>,
    /// Where the page before ended; `None` for the first page.
    pub after: Option<&'a Position>,
}

/// A record too big to be carried, left out of the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooBig {
    /// Its key as the source writes it.
    pub key: Vec<String>,
    /// How many bytes it has.
    pub bytes: usize,
}

/// What came with a page besides its rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// Where to go on; `None` when this was the last page.
    pub next: Option<Position>,
    /// Records that were too big to carry.
    pub too_big: Vec<TooBig>,
}

/// The records of a source that have the same value in a column.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceGroup {
    /// The value, as [`Source::read`] gives it.
    pub cell: Value<'static>,
    /// How many records have it.
    pub records: u64,
    /// The exact sum per asked column, in the order asked; `None` where the source gives none.
    pub sums: Vec<Option<Decimal>>,
}

/// A system that records are read from. One instance serves one poll: it logs in when first used, and
/// [`Source::close`] logs it out.
#[async_trait]
pub trait Source: Send + Sync {
    /// What it can do for this stream.
    fn capabilities(&self, stream: &StreamSpec) -> SourceCapabilities;

    /// Tries everything that polling these streams needs and says what works and what an administrator must do.
    async fn check(&self, streams: &[&StreamSpec]) -> Vec<Finding>;

    /// The source's own time, where it tells one.
    ///
    /// # Errors
    /// As [`Source::read`].
    async fn now(&self, stream: &StreamSpec) -> Result<Option<DateTime<Utc>>>;

    /// Reads the next page and appends its rows to `rows`, whose columns are [`StreamSpec::columns`].
    ///
    /// # Errors
    /// Later for what passes by itself; Stop for permissions, unknown tables and columns, refused credentials. A short,
    /// truncated or refused answer is an error and never an empty page.
    async fn read(&self, request: ReadRequest<'_>, rows: &mut RowsWriter) -> Result<Page>;

    /// How many records of the stream lie in the window.
    ///
    /// # Errors
    /// As [`Source::read`].
    async fn count(&self, stream: &StreamSpec, window: Window) -> Result<u64>;

    /// The exact sum of a column over the window.
    ///
    /// # Errors
    /// As [`Source::read`].
    async fn total(&self, stream: &StreamSpec, window: Window, column: &str) -> Result<Decimal>;

    /// Counts and exact sums of columns over the window, by the values of the column `by`. `None` when the source cannot
    /// tell them all, because its answers are limited.
    ///
    /// # Errors
    /// As [`Source::read`].
    async fn groups(
        &self,
        stream: &StreamSpec,
        window: Window,
        by: &str,
        columns: &[&str],
    ) -> Result<Option<Vec<SourceGroup>>>;

    /// Ends the session. Called once at the end of every poll, also after errors; what fails here is only logged.
    async fn close(&self);
}
