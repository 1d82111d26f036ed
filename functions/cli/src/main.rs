//! The program: reads the command line and leaves with the exit code.

use std::process::ExitCode;

use clap::Parser;
use ml_connector::args::Cli;

fn main() -> ExitCode {
    ml_connector::run(Cli::parse()).into()
}
