//! Strict simulators of the vendor systems, seeded with data that looks like a real ledger.
//!
//! A simulator refuses what the real system would refuse, with the real system's answer, and can be told to misbehave.
//! Invariant: nothing here knows the product under test. Everything is written from the vendors' own documentation,
//! so a test that passes here says something about the vendor and not about a shared misunderstanding.

pub mod clock;
#[cfg(feature = "databricks")]
pub mod databricks;
pub mod faults;
pub mod gate;
mod http;
pub mod jde;
pub mod looker;
pub mod peoplesoft;
pub mod random;

pub use clock::Clock;
