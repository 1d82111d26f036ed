//! Tests of the source: against a scripted server for single answers, against the strict simulator for whole reads.

mod answers;
mod calls;
mod checks;
mod faults;
mod fixture;
mod ledger;
mod next_links;
mod paging;
mod queries;
mod settings;
mod stub;
mod totals;
mod windows;
