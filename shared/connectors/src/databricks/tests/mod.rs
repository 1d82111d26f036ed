//! The connector against a server that answers as it is told, and against the simulator.

mod calls;
mod faults;
mod files;
mod fixture;
mod jobs;
mod rights;
mod runs;
mod settings;
mod sql;
mod statements;
mod stub;
mod workspace;
