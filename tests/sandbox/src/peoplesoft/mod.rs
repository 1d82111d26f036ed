//! A simulator of Oracle PeopleSoft's integration broker, the REST side of it: what is read from, and operations of
//! a site by which attributes are written.
//!
//! It answers Query Access Services, custom operations and Application Services over records it holds in memory, takes Basic
//! and the bearer tokens of an identity provider beside it, and refuses what the real system refuses. Queries are not its own:
//! whoever uses it defines them with [`PeopleSoftSandbox::define_query`], as an administrator does in Query Manager. What
//! differs between sites and releases is in [`Settings`]; misbehaviour is ordered with [`Fault`].

mod auth;
mod call;
mod cell;
pub mod changes;
mod custom;
mod definition;
mod dictionary;
mod error;
mod extract;
mod faults;
mod operations;
mod page;
mod prompts;
mod qas;
mod queries;
mod record;
mod routes;
mod schema;
pub mod seed;
mod select;
mod server;
mod settings;
mod steer;
#[cfg(test)]
mod tests;
mod tls;
mod value;
mod writes;

use crate::http;

pub use crate::faults::Calls;
pub use crate::gate::Gate;
pub use call::Call;
pub use cell::{Cell, Decimal, Kind};
pub use custom::{CustomOperation, MemberNames, Next};
pub use definition::{
    Column, Comparison, Criterion, Effective, Expression, JoinedRecord, Operand, Order, Prompt, PromptKind,
    QueryDefinition,
};
pub use extract::{CsvError, From};
pub use faults::{Fault, Hook};
pub use queries::DefinitionError;
pub use record::{Record, Records, Row};
pub use schema::{Field, RecordError, Schema};
pub use server::PeopleSoftSandbox;
pub use settings::{
    Aliases, Answered, DateTimeForm, ErrorBody, FieldNames, OAuth, Operator, Profile, RowFilter, Settings, Tls,
    Unordered,
};
pub use writes::{TooLong, WriteOperation, Written};
