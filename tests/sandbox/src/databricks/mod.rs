//! A simulator of a Databricks workspace: OAuth, SQL warehouses and statements, files in volumes, Unity Catalog, jobs.
//!
//! Statements really run: they are read with a published grammar of the dialect, bound against a typed catalog and executed
//! on an embedded database, Delta's versions and change feed beside it. What the real system would refuse is refused with its
//! error classes; SQL that is not known here is a syntax error. What differs between workspaces is in [`Settings`],
//! misbehaviour is ordered with [`Fault`].

mod answer;
mod auth;
mod builder;
mod catalog;
mod control;
mod faults;
mod files_api;
mod inspect;
mod jobs;
mod journal;
mod routes;
mod server;
mod settings;
mod sql;
mod statements;
#[cfg(test)]
mod tests;
mod unity;
mod volumes;
mod warehouse_calls;
mod warehouses;
mod world;

pub use crate::faults::Calls;
pub use crate::gate::Gate;
pub use builder::{Builder, StartError};
pub use catalog::Privilege;
pub use faults::Fault;
pub use inspect::{ColumnInfo, Rows};
pub use jobs::{Job, JobRun};
pub use journal::Call;
pub use server::DatabricksSandbox;
pub use settings::{Principal, Settings};
pub use warehouses::{Starts, Warehouse};
