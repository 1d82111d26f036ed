//! Finding and reading the tenant file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use connectors::registry::ConnectionSettings;
use engine::config::{BlueprintFile, ConfiguredPlans, TenantFile, resolve};
use engine::mapping::ColumnSpec;
use engine::model::id::{SyncId, TenantId};

use crate::exit::usage;

/// Where tenant files lie unless another place is named.
pub const TENANTS: &str = "infra/tenants";

/// A tenant file, read and resolved.
#[derive(Debug)]
pub struct Config {
    /// What it says.
    pub file: TenantFile<ConnectionSettings>,
    /// Its syncs.
    pub plans: ConfiguredPlans,
    blueprints: Vec<BlueprintFile>,
}

impl Config {
    /// How the tenant's file and the blueprint together declare the columns of a sync.
    pub fn columns(&self, sync: &SyncId) -> HashMap<String, ColumnSpec> {
        let integration = sync.integration.as_str();
        let blueprint = self.blueprints.iter().find(|file| file.blueprint.integration == integration);
        let shipped = blueprint.and_then(|file| file.blueprint.syncs.get(&sync.stream)).map(|spec| &spec.columns);
        let mut columns: HashMap<_, _> =
            shipped.into_iter().flatten().map(|(name, spec)| (name.clone(), spec.clone())).collect();
        let tenant = self.file.tenant.integrations.get(integration);
        let changes = tenant.and_then(|tenant| tenant.syncs.get(&sync.stream)).map(|change| &change.columns);
        for (name, change) in changes.into_iter().flatten() {
            if let Some(change) = change {
                let changed = columns.get(name).map_or_else(|| change.clone(), |shipped| shipped.changed_by(change));
                columns.insert(name.clone(), changed);
            }
        }
        columns
    }
}

/// Reads the tenant file that was named, or the only one there is.
///
/// # Errors
/// [`crate::exit::Exit::Usage`] with every mistake of the file and its place.
pub fn load(named: Option<&Path>) -> anyhow::Result<Config> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => only_one_in(Path::new(TENANTS))?,
    };
    let text = fs::read_to_string(&path).map_err(|e| cannot_read(&path, &e))?;
    let tenant = tenant_of(&path)?;
    read(tenant, &path.display().to_string(), &text)
}

/// Reads a tenant file's text; `name` is the file's name for messages.
///
/// # Errors
/// As [`load`].
pub fn read(tenant: TenantId, name: &str, text: &str) -> anyhow::Result<Config> {
    let file = TenantFile::<ConnectionSettings>::parse(tenant, name, text).map_err(usage)?;
    let blueprints = integrations::blueprints().map_err(usage)?;
    let plans = resolve(&file, &blueprints).map_err(usage)?;
    Ok(Config { file, plans, blueprints })
}

fn cannot_read(path: &Path, error: &io::Error) -> anyhow::Error {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => usage(format!(
            "there is no tenant file {path}: write one with `ml-connector init`, or name another with --config"
        )),
        _ => usage(format!("{path} cannot be read: {error}")),
    }
}

/// A tenant is named by its file.
fn tenant_of(path: &Path) -> anyhow::Result<TenantId> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if stem.is_empty() || !stem.chars().all(is_name) {
        return Err(usage(format!(
            "{} names no tenant: rename it to letters, digits, `-` and `_`, such as acme.yaml",
            path.display()
        )));
    }
    Ok(TenantId::new(stem))
}

/// The only tenant file of a directory.
fn only_one_in(dir: &Path) -> anyhow::Result<PathBuf> {
    let mut found: Vec<PathBuf> = match fs::read_dir(dir) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_yaml(path)).collect(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(cannot_read(dir, &e)),
    };
    found.sort();
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(usage(format!(
            "there is no tenant file in {}: write one with `ml-connector init`, or name one with --config",
            dir.display()
        ))),
        (Some(last), false) => {
            found.push(last);
            let names: Vec<_> = found.iter().map(|path| path.display().to_string()).collect();
            Err(usage(format!("there are several tenant files: name one with --config: {}", names.join(", "))))
        }
    }
}

fn is_yaml(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    matches!(extension, Some("yaml" | "yml")) && path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::{Exit, exit_of, explain};

    #[test]
    fn the_only_tenant_file_is_found() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("README.md"), "").unwrap();
        let none = only_one_in(dir.path()).unwrap_err();
        assert!(explain(&none).starts_with("error: there is no tenant file in "), "{none}");
        fs::write(dir.path().join("acme.yaml"), "").unwrap();
        assert_eq!(only_one_in(dir.path()).unwrap(), dir.path().join("acme.yaml"));
        fs::write(dir.path().join("zenith.yml"), "").unwrap();
        let several = only_one_in(dir.path()).unwrap_err();
        assert_eq!(exit_of(&several), Exit::Usage);
        assert!(several.to_string().ends_with(&format!(
            "{}, {}",
            dir.path().join("acme.yaml").display(),
            dir.path().join("zenith.yml").display()
        )));
    }

    #[test]
    fn a_tenant_is_named_by_its_file() {
        assert_eq!(tenant_of(Path::new("infra/tenants/acme.yaml")).unwrap().as_str(), "acme");
        assert!(tenant_of(Path::new("a b.yaml")).is_err());
    }
}
