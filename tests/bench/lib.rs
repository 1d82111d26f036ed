//! Benchmarks of whole processes. Each is a bench target of its own; `tests/bench/run` runs them and writes their results
//! beside itself.
//!
//! A benchmark is the whole way of a stream with archive, audit and ledger into PostgreSQL, alternating with what PostgreSQL
//! alone needs for the same rows: `psql \copy` into a staging table and one upsert. [`measure`] does that for any [`Bench`],
//! of which [`jde`] and [`peoplesoft`] are two; [`report`] has what their results have in common, [`waiting`] tells how long a
//! source was waited for. Figures are ratios of runs side by side; seconds alone say little about other machines.
#![allow(clippy::print_stderr, reason = "a benchmark talks to whoever runs it")]

pub mod jde;
pub mod measure;
pub mod options;
pub mod peoplesoft;
pub mod postgres;
pub mod process;
pub mod report;
pub mod waiting;

pub use measure::{Bench, Measured, Stream, measure};
pub use options::Options;
