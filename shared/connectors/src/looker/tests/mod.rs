//! Tests of the consumer against a server with scripted answers.

mod changes;
mod checks;
mod declared;
mod fixture;
mod outcomes;
mod refusals;
mod sending;
mod session;
mod settings;
mod slices;
mod stub;
mod totals;
