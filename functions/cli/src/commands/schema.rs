//! `schema`: the JSON Schema of the files that people write, for editors and for checks.

use clap::ValueEnum;
use connectors::registry::ConnectionSettings;
use engine::config::{blueprint_schema, tenant_schema};

use crate::exit::Exit;
use crate::output::Output;

/// `schema`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Of which file
    #[arg(value_enum, default_value_t = File::Tenant)]
    file: File,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum File {
    /// infra/tenants/<tenant>.yaml
    Tenant,
    /// What an integration ships
    Blueprint,
}

/// Prints the schema.
pub fn run(args: &Args, output: &Output) -> anyhow::Result<Exit> {
    let schema = match args.file {
        File::Tenant => tenant_schema::<ConnectionSettings>(),
        File::Blueprint => blueprint_schema(),
    };
    let mut text = serde_json::to_string_pretty(&schema)?;
    text.push('\n');
    output.data(&text)?;
    Ok(Exit::Ok)
}
