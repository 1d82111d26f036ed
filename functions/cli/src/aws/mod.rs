//! A deployed stack, worked with from here.
//!
//! [`Stack`] is found by CloudFormation and says where everything is, [`Deployed`] is queue and store of one tenant in it,
//! [`Functions`] invokes its functions, [`waiting`] sees their runs through. What commands do differently for a stack is in
//! one file each, named like the command.
//!
//! Invariant: nothing that a function does is done here. Runs are asked for, and their end is read from the store.

pub mod check;
pub mod config;
mod deployed;
mod functions;
pub mod reconcile;
pub mod replay;
pub mod secrets;
mod stack;
mod store;
pub mod waiting;

pub use deployed::{Deployed, Instance};
pub use functions::{Function, Functions};
pub use stack::{FunctionNames, Parts, Stack};
