//! The real functions, deployed by the project's own templates to an emulator of AWS that enforces their roles, between the
//! simulated vendors and a real PostgreSQL.
//!
//! All tests share one deployment; each brings a tenant of its own. `tests/run` sees to what they need: the programs of all
//! functions beside this one, `ML_CONNECTOR_TEST_AWS_PYTHON` (with the packages of `tests/aws/requirements.txt`) and
//! `ML_CONNECTOR_TEST_POSTGRES`. Without these they are left out, which is said on stderr.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "this is a test from end to end"
)]

mod access;
mod by_hand;
mod by_schedule;
mod emulator;
mod failing;
mod messages;
mod processes;
mod stack;
mod tenant;
mod tenants;
#[path = "../../integration/world/mod.rs"]
mod world;
