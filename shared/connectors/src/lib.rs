//! Connectors: one folder per system, with the same file names in each, and one line per system in [`registry`].
//!
//! Invariant: connectors do not know each other; only [`http`] builds HTTP clients.

mod cells;
pub mod databricks;
pub mod http;
pub mod jde;
mod key_range;
pub mod looker;
pub mod peoplesoft;
pub mod registry;
pub mod warehouse;
