//! Databricks as a destination: a warehouse that loads files.
//!
//! [`destination`] is the port; [`settings`] is what people write; [`client`] and [`auth`] make the calls, [`refusal`] says
//! what a refused one means; [`statements`] runs SQL, [`files`] fills the volume, [`catalog`] and [`jobs`] do what their
//! names say. [`parquet`] writes the files, [`sql`] and [`merge`] all SQL text. [`load`] lands a batch or, where it is
//! small, writes it by [`small`]; [`apply`] applies a run; [`read`] and [`sweep`] are asked by those who compare; [`check`]
//! tells an administrator what is missing.
//!
//! Invariants: every statement may be repeated, because Databricks has no key by which it would know a repetition; which
//! row wins is what `warehouse::judge` says; identifiers and texts stand in SQL only where [`sql`] has put them there;
//! amounts never pass through a float; no secret is in any message. What must not be here: sources, other systems.

#[cfg(feature = "databricks")]
mod apply;
#[cfg(feature = "databricks")]
mod auth;
#[cfg(feature = "databricks")]
mod catalog;
#[cfg(feature = "databricks")]
mod check;
#[cfg(feature = "databricks")]
mod client;
#[cfg(feature = "databricks")]
mod destination;
#[cfg(feature = "databricks")]
mod files;
#[cfg(feature = "databricks")]
mod jobs;
#[cfg(feature = "databricks")]
mod load;
#[cfg(feature = "databricks")]
mod merge;
#[cfg(feature = "databricks")]
mod parquet;
#[cfg(feature = "databricks")]
mod read;
#[cfg(feature = "databricks")]
mod refusal;
mod settings;
#[cfg(feature = "databricks")]
mod small;
#[cfg(feature = "databricks")]
mod source;
#[cfg(feature = "databricks")]
pub(crate) mod sql;
#[cfg(feature = "databricks")]
mod statements;
#[cfg(feature = "databricks")]
mod sweep;
#[cfg(feature = "databricks")]
#[cfg(test)]
mod tests;

use std::sync::Arc;

use engine::Result;
use engine::ports::{Clock, Destination, Secret, Source};

#[cfg(feature = "databricks")]
pub use destination::Databricks;
pub use settings::{DatabricksSettings, EntraSettings, JobSettings, RawSettings};

/// Opens a workspace as a destination. Nothing is called yet.
///
/// # Errors
/// Stops when a setting cannot be used or the secret lacks a field.
#[cfg(feature = "databricks")]
pub fn open(settings: &DatabricksSettings, secret: &Secret, clock: Arc<dyn Clock>) -> Result<Arc<dyn Destination>> {
    Ok(Arc::new(Databricks::open(settings, secret, clock)?))
}

/// Opens a workspace as a source. Nothing is called yet.
///
/// # Errors
/// As [`open`].
#[cfg(feature = "databricks")]
pub fn open_source(settings: &DatabricksSettings, secret: &Secret, clock: Arc<dyn Clock>) -> Result<Box<dyn Source>> {
    Ok(Box::new(source::DatabricksSource::open(settings, secret, clock)?))
}

/// As [`open`], where this program cannot.
///
/// # Errors
/// Always Stop.
#[cfg(not(feature = "databricks"))]
pub fn open_source(_: &DatabricksSettings, _: &Secret, _: Arc<dyn Clock>) -> Result<Box<dyn Source>> {
    Err(engine::Error::stop("this program was built without Databricks: build it with --features databricks"))
}

/// Says that this program cannot open a workspace.
///
/// # Errors
/// Always Stop.
#[cfg(not(feature = "databricks"))]
pub fn open(_: &DatabricksSettings, _: &Secret, _: Arc<dyn Clock>) -> Result<Arc<dyn Destination>> {
    Err(engine::Error::stop("this program was built without Databricks: build it with --features databricks"))
}
