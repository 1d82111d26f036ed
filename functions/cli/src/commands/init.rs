//! `init`: a commented tenant file to start from.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::args::Options;
use crate::config::TENANTS;
use crate::exit::{Exit, usage};
use crate::output::{Answer, Output};
use crate::tenant_file::{SANDBOX_PORT, TenantFile, sandbox_url};

/// `init`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the project lies
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The tenant: a customer or division
    #[arg(long, value_name = "NAME", default_value = "acme")]
    tenant: String,
}

/// Writes the file unless there is one.
pub fn run(options: &Options, args: &Args, output: &Output) -> anyhow::Result<Exit> {
    let tenant = &args.tenant;
    if tenant.is_empty() || !tenant.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
        return Err(usage(format!("`{tenant}` cannot name a tenant: use letters, digits, `-` and `_`")));
    }
    let path = options.config.clone().unwrap_or_else(|| args.dir.join(TENANTS).join(format!("{tenant}.yaml")));
    let secret = format!("{tenant}-jde");
    let warehouse = PathBuf::from(format!("{tenant}-warehouse.sqlite"));
    let url = sandbox_url(SANDBOX_PORT);
    let tenant = TenantFile {
        url: &url,
        secret: &secret,
        warehouse: &warehouse,
        looker: None,
        peoplesoft: None,
        databricks: None,
    };
    write_new(&path, &tenant.text())?;
    let shown = path.display();
    output.say(format!("{shown} is written. Next:"));
    output.say("  1. set `url` and `zone` in it; `ml-connector sandbox` simulates an ERP at the address it has now");
    output.say("     (what PeopleSoft needs stands there as comments; `ml-connector peoplesoft queries` is for its administrator)");
    output.say(format!("  2. ml-connector secrets set {secret} username"));
    output.say(format!("     ml-connector secrets set {secret} password"));
    output.say("  3. ml-connector check");
    output.say("  4. ml-connector preview ap_invoices");
    output.say("  5. ml-connector run");
    output.answer(&Written { config: path })?;
    Ok(Exit::Ok)
}

/// Writes a file that must not be there yet, with its folder.
pub fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        fs::create_dir_all(dir).map_err(|e| usage(format!("{} cannot be made: {e}", dir.display())))?;
    }
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = file.map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => {
            usage(format!("{} is there already: remove it first, or name another", path.display()))
        }
        _ => usage(format!("{} cannot be written: {e}", path.display())),
    })?;
    Ok(file.write_all(text.as_bytes())?)
}

#[derive(Debug, Serialize)]
struct Written {
    config: PathBuf,
}

impl Answer for Written {
    fn text(&self) -> String {
        format!("{}\n", self.config.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("infra/tenants/acme.yaml");
        write_new(&path, "mine").unwrap();
        assert!(write_new(&path, "other").unwrap_err().to_string().contains("is there already"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }
}
