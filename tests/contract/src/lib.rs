//! What the engine's ports promise, as checks that every backend passes.
//!
//! Each battery takes a way to make a fresh backend and holds it to one promise after the other. Where a promise is
//! broken the battery panics, as a test does, and the message says which promise it was.

#![allow(clippy::panic, reason = "a broken promise is a failed test")]

mod queue;
mod sample;
mod store;
mod vault;

use std::fmt::Display;

pub use queue::{Pace, queue_battery, queue_battery_at};
pub use store::store_battery;
pub use vault::{missing_secret_names_both_ways, vault_battery};

/// Unwraps the answer of a port, which promised to give one.
trait Kept<T> {
    fn kept(self, promise: &str) -> T;
}

impl<T, E: Display> Kept<T> for Result<T, E> {
    fn kept(self, promise: &str) -> T {
        self.unwrap_or_else(|error| panic!("broken: {promise}: {error}"))
    }
}

impl<T> Kept<T> for Option<T> {
    fn kept(self, promise: &str) -> T {
        self.unwrap_or_else(|| panic!("broken: {promise}: there is none"))
    }
}
