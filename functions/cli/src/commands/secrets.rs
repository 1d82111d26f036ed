//! `secrets`: set, list and remove the secrets of connections. A value is never an argument and never printed.

use std::io::{self, BufRead, IsTerminal};

use backend_embedded::{FileVault, PASSPHRASE_VARIABLE, environment};
use clap::Subcommand;
use serde::Serialize;

use crate::args::Options;
use crate::exit::{Exit, not_found, usage};
use crate::output::{Answer, Output};
use crate::words::Columns;

/// `secrets`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Set a field of a secret; its value is read from stdin, or typed unseen
    Set {
        /// The secret, as the tenant file names it; with --aws also its connection
        name: String,
        /// The field, such as username or password
        field: String,
    },
    /// List secrets and their fields, never their values
    List,
    /// Remove a secret with all its fields
    Remove {
        /// The secret
        name: String,
    },
}

/// Changes or lists the secrets file, or the tenant's secrets in AWS.
pub async fn run(options: &Options, args: &Args, output: &Output) -> anyhow::Result<Exit> {
    #[cfg(feature = "aws")]
    if options.aws {
        return in_aws(options, args, output).await;
    }
    let passphrase = environment().find(|(name, _)| name == PASSPHRASE_VARIABLE).map(|(_, value)| value);
    let vault = FileVault::new(&options.state, passphrase);
    match &args.what {
        What::Set { name, field } => {
            let value = value(name, field)?;
            vault.set(name, field, &value)?;
            output.say(format!("`{field}` of `{name}` is set"));
        }
        What::List => output.answer(&Listed::new(vault.names()?))?,
        What::Remove { name } => {
            if !vault.remove(name)? {
                return Err(not_found(format!("there is no secret `{name}`: look with `ml-connector secrets list`")));
            }
            output.say(format!("`{name}` is removed"));
        }
    }
    Ok(Exit::Ok)
}

#[cfg(feature = "aws")]
async fn in_aws(options: &Options, args: &Args, output: &Output) -> anyhow::Result<Exit> {
    let secrets = crate::aws::secrets::Secrets::of(options).await?;
    match &args.what {
        What::Set { name, field } => {
            let name = secrets.named(name)?;
            let value = value(name, field)?;
            secrets.set(name, field, &value).await?;
            output.say(format!("`{field}` of `{name}` is set; functions that run notice it within five minutes"));
        }
        What::List => {
            let (there, missing) = secrets.list().await?;
            output.answer(&Listed::new(there))?;
            missing.iter().for_each(|why| output.say(why));
        }
        What::Remove { name } => return Err(secrets.not_removed(name)),
    }
    Ok(Exit::Ok)
}

/// One line of stdin; typed unseen where somebody sits at a terminal.
fn value(name: &str, field: &str) -> anyhow::Result<String> {
    let value = if io::stdin().is_terminal() {
        let terminal = console::Term::stderr();
        terminal.write_str(&format!("{field} of {name} (not shown): "))?;
        terminal.read_secure_line()?
    } else {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        line
    };
    let value = value.trim_end_matches(['\n', '\r']);
    match value {
        "" => Err(usage(format!(
            "no value came for `{field}` of `{name}`: pass it on stdin, such as `printf %s … | ml-connector secrets set \
             {name} {field}`"
        ))),
        // What a template engine leaves behind for a value that it did not have.
        "null" => Err(usage(format!("the value of `{field}` is the text `null`, which no real secret has"))),
        value => Ok(value.to_owned()),
    }
}

#[derive(Debug, Serialize)]
struct Listed {
    secrets: Vec<Named>,
}

#[derive(Debug, Serialize)]
struct Named {
    name: String,
    fields: Vec<String>,
}

impl Listed {
    fn new(names: Vec<(String, Vec<String>)>) -> Self {
        Self { secrets: names.into_iter().map(|(name, fields)| Named { name, fields }).collect() }
    }
}

impl Answer for Listed {
    fn text(&self) -> String {
        let mut columns = Columns::new(&["secret", "fields"]);
        for secret in &self.secrets {
            columns.row([secret.name.clone(), secret.fields.join(", ")]);
        }
        columns.text()
    }
}
