//! Databricks SQL over an embedded database.
//!
//! A statement is read with a published grammar of the dialect (and a small hand-made one for what that does not know),
//! bound against the typed catalog, translated, and run. What is not known is refused as a syntax error, so that
//! unexpected SQL is noticed.
//!
//! Invariant: no DECIMAL is ever a float; a statement happens as a whole or not at all, rows and catalog.

mod bind;
mod convert;
mod ddl;
pub(super) mod decimal;
mod dml;
pub(super) mod error;
mod files;
mod functions;
mod moment;
mod run;
mod show;
pub(super) mod storage;
mod tokens;

pub(super) use run::{Output, Parameter, Session, convert_text, run};
pub(super) use storage::Storage;

/// The stack of the thread that a statement runs on: conditions may be nested deeply.
pub(super) const STACK: usize = 64 << 20;
