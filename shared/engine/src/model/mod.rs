//! The words of the machine as types: ids, values, rows, windows, runs, batches, outcomes.
//!
//! Nothing here does I/O, reads a clock or knows a system.

pub mod audit;
pub mod batch;
pub mod decimal;
pub mod delivery;
pub mod id;
pub mod link;
mod memory;
pub mod message;
pub mod reconcile;
pub mod request;
pub mod rows;
pub mod run;
pub mod sync;
pub mod table;
pub mod totals;
pub mod value;
pub mod window;
