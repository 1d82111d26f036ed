//! From a query to SQL: the fields, filters, sorts and limit of a request, in the dialect of the explore's connection.
//!
//! Invariant: nothing of a request reaches the SQL except as a quoted literal or the SQL of the LookML itself.

mod compile;
mod dates;
mod dialect;
mod filter;
mod numbers;

pub(super) use compile::{Column, Compiled, Problem, Question, compile};

#[cfg(test)]
mod tests;
