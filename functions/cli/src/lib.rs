//! `ml-connector`: the engine on one machine, and the hand of whoever runs it.
//!
//! [`args`] is the command line, [`commands`] has one file per verb, [`setup`] builds what they need, [`work`] holds the
//! lock and runs syncs over [`driver`], [`rows`] says what came of it. With the feature `aws` the same verbs work with a
//! deployed stack: its [`backend`] is in the module `aws`, and what moves records are its functions. Data goes to stdout and words to stderr, both
//! through [`output`] alone; [`exit`] has the exit codes.
//!
//! Invariant: nothing is decided here about records. Every verb that moves them sends the same tasks to the same stages
//! that the deployed functions run.

pub mod archive;
pub mod args;
#[cfg(feature = "aws")]
pub mod aws;
pub mod backend;
pub mod commands;
pub mod config;
pub mod cost;
mod deliveries;
pub mod driver;
pub mod exit;
pub mod held;
pub mod infra;
pub mod logs;
pub mod output;
pub mod previews;
pub mod progress;
pub mod rows;
pub mod setup;
pub mod simulated;
pub mod tenant_file;
pub mod words;
pub mod work;

use args::Cli;
use exit::{Exit, exit_of, explain};
use output::Output;

/// Does what the command line asks for, and says in words what went wrong.
pub fn run(cli: Cli) -> Exit {
    let output = Output::new(cli.options.json, !cli.options.no_progress);
    logs::start(&output, cli.options.verbose);
    // Whoever installed a provider before has made the same choice.
    let _already = rustls::crypto::ring::default_provider().install_default().is_err();
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(commands::dispatch(cli, &output)));
    done.unwrap_or_else(|error| {
        output.say(explain(&error));
        exit_of(&error)
    })
}
