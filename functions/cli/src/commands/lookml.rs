//! `lookml`: a LookML project over the tables of a tenant, for a Looker developer to import.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use connectors::looker::lookml::{File, Project, Rendered, Table, Warehouse, is_generated, render};
use connectors::registry::ConnectionSettings;
use engine::config::ConfiguredSync;
use engine::model::id::{ConnectionId, IntegrationId};
use serde::Serialize;
use tenants::Tenant;

use crate::args::Options;
use crate::config;
use crate::exit::{Exit, usage};
use crate::output::{Answer, Output};

/// `lookml`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to write the project; files of others that are there stay as they are
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The model's name [default: the integration's, with _ for -]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// What Looker calls its connection to the warehouse
    #[arg(long, value_name = "NAME", default_value = "warehouse")]
    connection: String,
    /// Whose tables, where the tenant has several integrations
    #[arg(long, value_name = "NAME")]
    integration: Option<String>,
}

/// Writes the project.
pub fn run(options: &Options, args: &Args, output: &Output) -> anyhow::Result<Exit> {
    let config = config::load(options.config.as_deref())?;
    let integration = integration(&config, args.integration.as_deref())?;
    let model = args.model.clone().unwrap_or_else(|| integration.as_str().replace('-', "_"));
    let rendered = project(&config, &integration, &model, &args.connection)?;
    let changed = write(&args.out, &rendered.files)?;
    for what in &rendered.left_out {
        output.say(format!("left out: {what}"));
    }
    for path in stale(&args.out, &rendered.files) {
        output.say(format!("{path} was generated before and is no longer part of the project: remove it"));
    }
    output.say(format!(
        "{} files are in {}, {changed} of them new or changed; {} says how to import them",
        rendered.files.len(),
        args.out.display(),
        args.out.join("README.md").display()
    ));
    let files = rendered.files.into_iter().map(|file| file.path).collect();
    output.answer(&Written { out: args.out.clone(), model, files })?;
    Ok(Exit::Ok)
}

/// The integration that was named, or the only one there is.
fn integration(config: &Tenant, named: Option<&str>) -> anyhow::Result<IntegrationId> {
    let known: Vec<_> = config.file.tenant.integrations.keys().map(String::as_str).collect();
    match (named, known.as_slice()) {
        (Some(name), _) if known.contains(&name) => Ok(IntegrationId::new(name)),
        (Some(name), _) => Err(usage(format!("there is no integration `{name}`: use one of {}", known.join(", ")))),
        (None, [only]) => Ok(IntegrationId::new(*only)),
        (None, []) => Err(usage("the tenant file has no integration: add one")),
        (None, _) => {
            Err(usage(format!("there are several integrations: name one with --integration: {}", known.join(", "))))
        }
    }
}

/// The project of an integration: its syncs that are switched on.
///
/// # Errors
/// [`Exit::Usage`] when none is, or when they are not loaded into a warehouse.
pub fn project(config: &Tenant, id: &IntegrationId, model: &str, connection: &str) -> anyhow::Result<Rendered> {
    let is_meant = |sync: &&ConfiguredSync| sync.enabled && !sync.plan.reverse && sync.plan.id.integration == *id;
    let syncs: Vec<_> = config.plans.iter().filter(is_meant).collect();
    let Some(first) = syncs.first() else {
        return Err(usage(format!("no sync of {id} is switched on: switch one on in the tenant file")));
    };
    let project = Project {
        model,
        connection,
        warehouse: warehouse(config, &first.plan.destination)?,
        tables: syncs.iter().map(|sync| Table { plan: &sync.plan, references: &sync.references }).collect(),
        dashboards: config.plans.dashboards(&config.file.id, id).collect(),
    };
    render(&project).map_err(usage)
}

fn warehouse(config: &Tenant, connection: &ConnectionId) -> anyhow::Result<Warehouse> {
    match config.file.tenant.connections.get(connection.as_str()) {
        Some(ConnectionSettings::Postgres(settings)) => {
            Ok(Warehouse::Postgres { schema: settings.schema.clone(), ledger_schema: settings.ledger_schema.clone() })
        }
        Some(ConnectionSettings::Databricks(settings)) => Ok(Warehouse::Databricks {
            catalog: settings.catalog.clone(),
            schema: settings.schema.clone(),
            ledger_schema: settings.ledger_schema().to_owned(),
        }),
        Some(ConnectionSettings::Sqlite(_)) => Ok(Warehouse::Sqlite),
        _ => Err(usage(format!("connection `{connection}` is no warehouse, so Looker has no tables there"))),
    }
}

/// Writes what is new or changed, and says how many files that were. Nothing is written while a file is in the way.
fn write(out: &Path, files: &[File]) -> anyhow::Result<usize> {
    let mut changed = Vec::new();
    for file in files {
        let path = out.join(&file.path);
        match fs::read(&path) {
            Ok(there) if there == file.text.as_bytes() => {}
            Ok(there) if is_generated(&String::from_utf8_lossy(&there)) => changed.push((path, file)),
            Ok(_) => {
                return Err(usage(format!(
                    "{} was not generated, and nothing was written: move it, or name another directory with --out",
                    path.display()
                )));
            }
            Err(e) if e.kind() == ErrorKind::NotFound => changed.push((path, file)),
            Err(e) => return Err(usage(format!("{} cannot be read: {e}", path.display()))),
        }
    }
    for (path, file) in &changed {
        let cannot = |e| usage(format!("{} cannot be written: {e}", path.display()));
        fs::create_dir_all(path.parent().unwrap_or(out)).map_err(cannot)?;
        fs::write(path, &file.text).map_err(cannot)?;
    }
    Ok(changed.len())
}

/// Files that an earlier call wrote and this one did not: of tables or dashboards that the tenant no longer has.
fn stale(out: &Path, files: &[File]) -> Vec<String> {
    let written: BTreeSet<_> = files.iter().map(|file| out.join(&file.path)).collect();
    let folders = [out.to_owned(), out.join("views"), out.join("dashboards")];
    let there = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let mut stale: Vec<_> = there
        .map(|entry| entry.path())
        .filter(|path| !written.contains(path) && path.is_file())
        .filter(|path| fs::read(path).is_ok_and(|text| is_generated(&String::from_utf8_lossy(&text))))
        .map(|path| path.display().to_string())
        .collect();
    stale.sort();
    stale
}

#[derive(Debug, Serialize)]
struct Written {
    out: PathBuf,
    model: String,
    files: Vec<String>,
}

impl Answer for Written {
    fn text(&self) -> String {
        self.files.iter().map(|file| format!("{}\n", self.out.join(file).display())).collect()
    }
}
