//! `infra`: the templates of a deployment, rendered from the tenant files, and what has to hold in them.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use engine::stages::Limits;
use serde::Serialize;

use crate::config::TENANTS;
use crate::exit::{Exit, usage};
use crate::infra::render::{ROOT, render};
use crate::infra::rules::Broken;
use crate::infra::template::Template;
use crate::infra::{files, limits, rules};
use crate::output::{Answer, Output};

/// `infra`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write the templates of a deployment in the cloud from the tenant files
    Render(Folders),
    /// Check the templates: that they are what the tenant files give, and the rules that no tool of AWS knows
    Check(Folders),
}

#[derive(Debug, clap::Args)]
struct Folders {
    /// Where the tenant files lie
    #[arg(long, value_name = "DIR", default_value = TENANTS)]
    tenants: PathBuf,
    /// Where the templates that are written by hand lie
    #[arg(long, value_name = "DIR", default_value = "infra")]
    infra: PathBuf,
    /// Where the rendered templates lie
    #[arg(long, value_name = "DIR", default_value = "infra/rendered")]
    out: PathBuf,
}

/// Does what is asked for.
pub fn run(args: &Args, output: &Output) -> anyhow::Result<Exit> {
    match &args.what {
        What::Render(folders) => write(folders, output),
        What::Check(folders) => check(folders, output),
    }
}

fn write(folders: &Folders, output: &Output) -> anyhow::Result<Exit> {
    let deployment = files::read(&folders.tenants)?;
    require(&folders.infra)?;
    let rendered = render(&deployment, &files::way(&folders.out, &folders.infra)?);
    let changes = files::write(&folders.out, &rendered)?;
    output.say(format!(
        "{} tenants, {} integrations: {} files in {}, {} of them new or changed, {} removed. Next:",
        deployment.tenants.len(),
        deployment.scopes().len(),
        rendered.len(),
        folders.out.display(),
        changes.written.len(),
        changes.removed.len()
    ));
    output.say("  1. ml-connector infra check");
    output.say(format!("  2. sam build --language-extensions --template {}", folders.out.join(ROOT).display()));
    output.say("  3. sam deploy --language-extensions");
    let paths = |paths: &[PathBuf]| paths.iter().map(|path| folders.out.join(path)).collect();
    output.answer(&Rendered { written: paths(&changes.written), removed: paths(&changes.removed) })?;
    Ok(Exit::Ok)
}

fn check(folders: &Folders, output: &Output) -> anyhow::Result<Exit> {
    let deployment = files::read(&folders.tenants)?;
    require(&folders.infra)?;
    let rendered = render(&deployment, &files::way(&folders.out, &folders.infra)?);
    let changes = files::compare(&folders.out, &rendered)?;
    let stale = changes.written.iter().chain(&changes.removed).map(|path| Broken {
        file: folders.out.join(path).display().to_string(),
        resource: String::new(),
        message: "is not what the tenant files give: run `ml-connector infra render`".to_owned(),
    });
    let mut broken: Vec<_> = stale.collect();
    let root = folders.out.join(ROOT);
    let mut checked = 0;
    if root.is_file() {
        let templates = Template::read_all(&root).map_err(usage)?;
        let lease = Limits::default().lease.as_secs();
        broken.extend(templates.iter().flat_map(|template| rules::broken(template, lease)));
        broken.extend(limits::broken(&templates));
        checked = templates.len();
    }
    broken.sort();
    broken.dedup();
    let exit = if broken.is_empty() { Exit::Ok } else { Exit::NotOk };
    match broken.len() {
        0 => output.say(format!("{checked} templates: all rules hold")),
        count => output.say(format!("{checked} templates: {count} rules broken")),
    }
    output.answer(&Checked { checked, broken })?;
    Ok(exit)
}

/// The templates that are written by hand are part of the project, not of this program.
fn require(infra: &Path) -> anyhow::Result<()> {
    if infra.join("integration.yaml").is_file() {
        return Ok(());
    }
    let infra = infra.display();
    Err(usage(format!(
        "{infra} does not hold integration.yaml: run this in the project's folder, or name it with --infra"
    )))
}

#[derive(Debug, Serialize)]
struct Rendered {
    written: Vec<PathBuf>,
    removed: Vec<PathBuf>,
}

impl Answer for Rendered {
    fn text(&self) -> String {
        let written = self.written.iter().map(|path| format!("{}\n", path.display()));
        written.chain(self.removed.iter().map(|path| format!("{} removed\n", path.display()))).collect()
    }
}

#[derive(Debug, Serialize)]
struct Checked {
    checked: usize,
    broken: Vec<Broken>,
}

impl Answer for Checked {
    fn text(&self) -> String {
        let line = |broken: &Broken| match broken.resource.as_str() {
            "" => format!("{}: {}\n", broken.file, broken.message),
            resource => format!("{}: {resource}: {}\n", broken.file, broken.message),
        };
        self.broken.iter().map(line).collect()
    }
}
