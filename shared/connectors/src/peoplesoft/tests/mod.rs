//! Tests of the source against a server that answers as Query Access Services are known to, and of the destination against
//! the simulator.

mod answers;
mod background;
mod blueprint;
mod calls;
mod checks;
mod fixture;
mod operations;
mod paging;
mod personal;
mod refusals;
mod stub;
mod totals;
mod writes;
mod writes_refused;
mod writes_settings;
