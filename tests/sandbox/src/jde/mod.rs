//! A simulator of Oracle JD Edwards EnterpriseOne's AIS server, the read side of its REST API.
//!
//! It logs callers in, answers data requests over tables it holds in memory, and refuses what the real server refuses.
//! What differs between sites and releases is in [`Settings`]; misbehaviour is ordered with [`Fault`].

mod aggregate;
mod bulk;
mod capabilities;
mod cell;
pub mod changes;
mod column;
mod data;
mod dictionary;
mod error;
pub mod extract;
mod faults;
mod grid;
mod login;
pub mod mapping;
mod next;
mod query;
mod range;
mod request;
mod routes;
mod row;
mod schema;
pub mod seed;
mod select;
mod server;
mod session;
mod settings;
mod symbols;
mod table;
mod table_error;
mod tables;
#[cfg(test)]
mod tests;
mod value;

use crate::http;

pub use crate::faults::Calls;
pub use crate::gate::Gate;
pub use bulk::Bulk;
pub use cell::{Collation, Value};
pub use faults::{ErrorBody, Fault, Hook, RowTest};
pub use row::Row;
pub use schema::{ColumnDef, Kind, Schema, SchemaError, look_up};
pub use server::{Call, JdeSandbox};
pub use settings::{AndOr, DateLiteral, DeadToken, EmptyDate, LoginRefusal, Settings, Unordered};
pub use table::Table;
pub use table_error::TableError;
pub use tables::Tables;
pub use value::{Decimal, from_julian, julian, stamp};
