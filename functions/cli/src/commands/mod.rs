//! One file per verb: its arguments, and what it does.

pub mod audit;
pub mod backfill;
pub mod check;
pub mod completions;
pub mod config;
pub mod cost;
pub mod demo;
pub mod infra;
pub mod init;
pub mod lookml;
pub mod peoplesoft;
pub mod preview;
pub mod reconcile;
pub mod rejects;
pub mod replay;
pub mod run;
pub mod sandbox;
pub mod schema;
pub mod secrets;
pub mod status;

use crate::args::{Cli, Verb};
use crate::exit::{Exit, usage};
use crate::output::Output;

/// Does what the command line asks for.
///
/// # Errors
/// What went wrong, to be shown by [`crate::exit::explain`].
pub async fn dispatch(cli: Cli, output: &Output) -> anyhow::Result<Exit> {
    let options = &cli.options;
    if options.aws && !cfg!(feature = "aws") {
        return Err(usage(
            "this ml-connector was built without AWS: install it with `cargo install --path functions/cli --features aws`",
        ));
    }
    match cli.verb {
        Verb::Demo(args) => demo::run(options, args, output).await,
        Verb::Infra(args) => infra::run(&args, output),
        Verb::Init(args) => init::run(options, &args, output),
        Verb::Check(args) => check::run(options, &args, output).await,
        Verb::Preview(args) => preview::run(options, &args, output).await,
        Verb::Run(args) => run::run(options, &args, output).await,
        Verb::Status(args) => status::run(options, &args, output).await,
        Verb::Audit(args) => audit::run(options, &args, output).await,
        Verb::Rejects(args) => rejects::run(options, &args, output).await,
        Verb::Reconcile(args) => reconcile::run(options, &args, output).await,
        Verb::Replay(args) => replay::run(options, &args, output).await,
        Verb::Backfill(args) => backfill::run(options, &args, output).await,
        Verb::Secrets(args) => secrets::run(options, &args, output).await,
        Verb::Config(args) => config::run(options, &args, output).await,
        Verb::Cost(args) => cost::run(options, &args, output).await,
        Verb::Lookml(args) => lookml::run(options, &args, output),
        Verb::Peoplesoft(args) => peoplesoft::run(options, &args, output),
        Verb::Schema(args) => schema::run(&args, output),
        Verb::Sandbox(args) => sandbox::run(args, output).await,
        Verb::Completions(args) => completions::run(&args, output),
    }
}
