//! The machine of ml-connector: it moves records from a source to a destination and can prove what became of each.
//!
//! Start with [`stages`], which is the way of one record; [`model`] holds the words, [`ports`] what the machine needs
//! from the world, [`mapping`] how a source row becomes a destination row, [`config`] what people write.
//!
//! Invariants: no vendor, no cloud and no HTTP client is known here; time, randomness and ids are passed in; money is
//! never a float.

pub mod config;
pub mod error;
pub mod mapping;
pub mod metrics;
pub mod model;
pub mod plan;
pub mod ports;
pub mod stages;

pub use error::{Error, Kind, Result};
