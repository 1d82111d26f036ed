//! Connectors: one folder per system, with the same file names in each, and one line per system in [`registry`].
//!
//! Invariant: connectors do not know each other; only [`http`] builds HTTP clients.

pub mod http;
pub mod jde;
pub mod looker;
pub mod registry;
pub mod warehouse;
