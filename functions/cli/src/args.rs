//! The command line: its verbs, and the options that all of them share.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args, Parser, Subcommand};

use crate::commands::{
    audit, backfill, check, completions, config, cost, demo, infra, init, lookml, peoplesoft, preview, reconcile,
    rejects, replay, run, sandbox, schema, secrets, status,
};
use crate::exit;

/// Moves records from an ERP system into a warehouse, and proves that nothing was lost on the way.
#[derive(Debug, Parser)]
#[command(name = "ml-connector", version, after_help = exit::HELP)]
pub struct Cli {
    /// What all verbs share.
    #[command(flatten)]
    pub options: Options,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Options that all verbs share. Each can also be set in the environment.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The tenant file [default: the only file in infra/tenants]
    #[arg(long, global = true, env = "ML_CONNECTOR_CONFIG", value_name = "FILE", help_heading = "Common options")]
    pub config: Option<PathBuf>,
    /// Where queues, audit, archive and secrets are kept on this machine
    #[arg(
        long,
        global = true,
        env = "ML_CONNECTOR_STATE",
        value_name = "DIR",
        default_value = ".ml-connector",
        help_heading = "Common options"
    )]
    pub state: PathBuf,
    /// Work with the deployment on AWS instead of this machine
    #[arg(
        long,
        global = true,
        env = "ML_CONNECTOR_AWS",
        value_parser = FalseyValueParser::new(),
        help_heading = "Common options"
    )]
    pub aws: bool,
    /// With --aws: the name of the deployment's stack
    #[arg(
        long,
        global = true,
        env = "ML_CONNECTOR_STACK",
        value_name = "NAME",
        default_value = "ml-connector",
        help_heading = "Common options"
    )]
    pub stack: String,
    /// Print answers as JSON
    #[arg(
        long,
        global = true,
        env = "ML_CONNECTOR_JSON",
        value_parser = FalseyValueParser::new(),
        help_heading = "Common options"
    )]
    pub json: bool,
    /// How often work is tried that fails for a passing reason, with pauses that double
    #[arg(
        long,
        global = true,
        env = "ML_CONNECTOR_ATTEMPTS",
        value_name = "N",
        default_value_t = 8,
        value_parser = clap::value_parser!(u32).range(1..=20),
        help_heading = "Common options"
    )]
    pub attempts: u32,
    /// How many records travel together at most
    #[arg(
        long,
        global = true,
        env = "ML_CONNECTOR_BATCH_ROWS",
        value_name = "N",
        default_value_t = 4_000,
        value_parser = clap::value_parser!(u32).range(1..=100_000),
        hide = true
    )]
    pub batch_rows: u32,
    /// For how many seconds the outcome of a delivery is looked for
    #[arg(
        long,
        global = true,
        env = "ML_CONNECTOR_DELIVERIES_SETTLE",
        value_name = "SECONDS",
        default_value_t = 900,
        value_parser = clap::value_parser!(u64).range(1..=86_400),
        help_heading = "Common options"
    )]
    pub deliveries_settle: u64,
    /// Say on stderr what the stages do; twice for every step
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Common options")]
    pub verbose: u8,
    /// Show no progress bars
    #[arg(
        long,
        global = true,
        env = "ML_CONNECTOR_NO_PROGRESS",
        value_parser = FalseyValueParser::new(),
        help_heading = "Common options"
    )]
    pub no_progress: bool,
}

/// How long a command waits for what the functions of a deployment do.
#[derive(Debug, Clone, Copy, Args)]
pub struct Waiting {
    /// With --aws: only start it, and leave it to the functions
    #[arg(long, conflicts_with = "wait_at_most", help_heading = "With --aws")]
    pub no_wait: bool,
    /// With --aws: stop waiting after so long; the runs go on
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600, help_heading = "With --aws")]
    pub wait_at_most: u64,
}

impl Waiting {
    /// On this machine a command does the work itself.
    ///
    /// # Errors
    /// [`exit::Exit::Usage`] when it is told not to wait for itself.
    pub fn require_aws(&self, options: &Options) -> anyhow::Result<()> {
        match self.no_wait && !options.aws {
            true => Err(exit::usage("--no-wait goes with --aws: on this machine the command does the work itself")),
            false => Ok(()),
        }
    }
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// See it work: a simulated ERP, a warehouse file, two runs; needs no account and no network
    Demo(demo::Args),
    /// Write a commented tenant file to start from
    Init(init::Args),
    /// Try every connection and say what an administrator must do
    Check(check::Args),
    /// Show the first records of a sync: as they come, and as they would be written
    Preview(preview::Args),
    /// Move what changed
    Run(run::Args),
    /// Show how far every sync is, what waits for what, and what to do next
    Status(status::Args),
    /// Show what happened to one record
    Audit(audit::Args),
    /// List the records that were refused, with field, value and reason
    Rejects(rejects::Args),
    /// Prove that source and destination agree; name every record that does not, and mend it on request
    Reconcile(reconcile::Args),
    /// Send records the same way once more
    Replay(replay::Args),
    /// Read a past period again, window by window
    Backfill(backfill::Args),
    /// Set, list and remove the secrets of connections
    Secrets(secrets::Args),
    /// Put the tenant files where a deployment without layers reads them
    Config(config::Args),
    /// Show what a month of a deployment costs, from what was counted and list prices
    Cost(cost::Args),
    /// Write the LookML of a tenant's tables: views, explores and dashboards for Looker
    Lookml(lookml::Args),
    /// Print what the administrator of a PeopleSoft has to create
    Peoplesoft(peoplesoft::Args),
    /// Render and check the templates of a deployment in the cloud
    Infra(infra::Args),
    /// Print the JSON Schema of the files that people write
    Schema(schema::Args),
    /// Start the simulated systems and print a tenant file for them
    Sandbox(sandbox::Args),
    /// Print the completions of a shell
    Completions(completions::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_the_guide_to_aws_shows_is_understood() {
        let guide = include_str!("../../../infra/README.md");
        let mut seen = 0;
        for line in guide.lines().filter(|line| line.starts_with("ml-connector ") && !line.contains("  rendered")) {
            let words = line.split('#').next().unwrap_or_default().split_whitespace();
            let words: Vec<_> = words.map(|word| word.trim_matches('\'')).collect();
            if let Err(wrong) = Cli::try_parse_from(&words) {
                panic!("{line}: {wrong}");
            }
            seen += 1;
        }
        assert!(seen >= 15, "only {seen} commands were found");
    }

    #[test]
    fn common_options_may_follow_the_verb() {
        let cli = Cli::try_parse_from(["ml-connector", "status", "--state", "s", "--json"]).unwrap();
        assert_eq!(cli.options.state, PathBuf::from("s"));
        assert!(cli.options.json);
    }
}
