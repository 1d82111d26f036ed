//! `config`: tenant files where a deployment without layers reads them.

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;

use crate::args::Options;
use crate::config::TENANTS;
use crate::exit::{Exit, usage};
use crate::output::{Answer, Output};
use crate::words::Columns;

/// `config`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// With --aws: put all tenant files in force, and no others
    Push {
        /// Where the tenant files lie
        #[arg(long, value_name = "DIR", default_value = TENANTS)]
        tenants: PathBuf,
    },
}

/// Pushes.
pub async fn run(options: &Options, args: &Args, output: &Output) -> anyhow::Result<Exit> {
    #[cfg_attr(not(feature = "aws"), expect(unused_variables, reason = "without AWS nothing comes this far"))]
    let What::Push { tenants } = &args.what;
    if !options.aws {
        return Err(usage("tenant files are pushed to a deployment only: use it with --aws"));
    }
    #[cfg(feature = "aws")]
    let scopes = crate::aws::config::push(&options.stack, tenants, output).await?;
    #[cfg(not(feature = "aws"))]
    let scopes = Vec::new();
    output.answer(&Pushed { scopes })?;
    Ok(Exit::Ok)
}

/// What a push changed in a scope.
#[derive(Debug, Serialize)]
pub(crate) struct PushedScope {
    pub(crate) scope: String,
    /// Tenants whose files are in force.
    pub(crate) tenants: usize,
    pub(crate) written: Vec<String>,
    pub(crate) removed: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Pushed {
    scopes: Vec<PushedScope>,
}

impl Answer for Pushed {
    fn text(&self) -> String {
        let mut columns = Columns::new(&["scope", ">tenants", "new or changed", "removed"]);
        let names = |names: &[String]| if names.is_empty() { "-".to_owned() } else { names.join(", ") };
        for scope in &self.scopes {
            columns.row([scope.scope.clone(), scope.tenants.to_string(), names(&scope.written), names(&scope.removed)]);
        }
        columns.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_says_what_it_changed() {
        let scope = PushedScope {
            scope: "jde-looker".to_owned(),
            tenants: 2,
            written: vec!["acme".to_owned()],
            removed: Vec::new(),
        };
        let text = Pushed { scopes: vec![scope] }.text();
        assert_eq!(text, "scope       tenants  new or changed  removed\njde-looker        2  acme            -\n");
    }
}
