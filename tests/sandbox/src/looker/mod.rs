//! A simulator of Looker's API 4.0 over a LookML project and real warehouse tables.
//!
//! It reads the project's LookML, turns queries into SQL, runs them on SQLite files or PostgreSQL servers, keeps a
//! result cache under datagroups, runs scheduled plans and posts their webhooks. It refuses what the real product would
//! refuse; what differs between servers is in [`Settings`], misbehaviour is ordered with [`Fault`].

mod activity;
mod answer;
mod builder;
mod connections;
mod content;
mod control;
mod datagroups;
mod delivery;
mod error;
mod explores;
mod faults;
mod handlers;
mod journal;
mod lookml;
mod members;
mod parameters;
mod plans;
mod post;
mod query;
mod receiver;
mod render;
mod routes;
mod run;
mod schedule;
mod server;
mod session;
mod settings;
mod sql;
mod tasks;
#[cfg(test)]
mod tests;
mod trim;
mod warehouse;

pub use crate::faults::Calls;
pub use builder::{Builder, StartError};
pub use delivery::Delivery;
pub use faults::Fault;
pub use journal::Call;
pub use lookml::{LookmlError, Project};
pub use receiver::{Received, Receiver};
pub use server::LookerSandbox;
pub use settings::{Account, BadQuery, Settings, UnknownMembers};
pub use warehouse::Warehouse;
