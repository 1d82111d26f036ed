//! The real program against simulated ERPs, JD Edwards and PeopleSoft, as a person would use it.
//!
//! SQLite is always there; PostgreSQL when `ML_CONNECTOR_TEST_POSTGRES` names a server (`tests/run` sees to that). What is
//! left out is said on stderr.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "this is a test from end to end"
)]

mod bad_input;
mod complaints;
#[cfg(feature = "databricks")]
mod databricks;
mod fidelity;
mod first_sync;
mod infra;
mod killed;
mod looker;
mod looker_shapes;
mod lookml;
mod peoplesoft;
mod postgres;
mod readme;
#[path = "../real_rows/mod.rs"]
mod real_rows;
mod reconcile;
mod replay;
#[path = "../simulation/mod.rs"]
mod simulation;
mod two_at_once;
mod world;
