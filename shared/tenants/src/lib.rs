//! Tenant files, read and resolved with the shipped blueprints and the systems that are known.
//!
//! Every program that works on records begins here: the command line with one file, the functions with a folder of them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use connectors::registry::{ConnectionSettings, Registry};
use engine::config::{BlueprintFile, ConfiguredPlans, Problems, TenantFile, resolve};
use engine::mapping::ColumnSpec;
use engine::model::id::{ConnectionId, SyncId, TenantId};
use engine::ports::{Clock, Vault};

/// Why a tenant file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none.
    #[error("there is no tenant file {}", .0.display())]
    NotThere(PathBuf),
    /// It cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its name names no tenant.
    #[error("{} names no tenant: rename it to letters, digits, `-` and `_`, such as acme.yaml", .0.display())]
    NoName(PathBuf),
    /// It has mistakes, each with its place.
    #[error(transparent)]
    Mistakes(#[from] Problems),
}

/// A tenant file, read and resolved.
#[derive(Debug)]
pub struct Tenant {
    /// What it says.
    pub file: TenantFile<ConnectionSettings>,
    /// Its syncs.
    pub plans: ConfiguredPlans,
    blueprints: Vec<BlueprintFile>,
}

impl Tenant {
    /// Reads a tenant file's text; `name` is the file's name for messages.
    ///
    /// # Errors
    /// All its mistakes, with their places.
    pub fn parse(tenant: TenantId, name: &str, text: &str) -> Result<Self, Problems> {
        let file = TenantFile::<ConnectionSettings>::parse(tenant, name, text)?;
        let blueprints = integrations::blueprints()?;
        let plans = resolve(&file, &blueprints)?;
        Ok(Self { file, plans, blueprints })
    }

    /// Reads a tenant file.
    ///
    /// # Errors
    /// When it is not there, cannot be read, names no tenant, or has mistakes.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::NotThere(path.to_owned()),
            _ => Error::Unreadable { path: path.to_owned(), source },
        })?;
        Ok(Self::parse(tenant_of(path)?, &path.display().to_string(), &text)?)
    }

    /// Its connections by name.
    pub fn connections(&self) -> BTreeMap<ConnectionId, ConnectionSettings> {
        let settings = self.file.tenant.connections.iter();
        settings.map(|(name, settings)| (ConnectionId::new(name), settings.clone())).collect()
    }

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

/// The tenant files of a folder, in the order of their names.
///
/// # Errors
/// When the folder or one of them cannot be used.
pub fn read_all(dir: &Path) -> Result<Vec<Tenant>, Error> {
    files_in(dir)?.iter().map(|path| Tenant::read(path)).collect()
}

/// Where the tenant files of a folder lie, in the order of their names.
///
/// # Errors
/// When the folder cannot be read. One that is not there has none.
pub fn files_in(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(Error::Unreadable { path: dir.to_owned(), source }),
    };
    let mut files: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_yaml(path)).collect();
    files.sort();
    Ok(files)
}

/// The plans of several tenants, and a registry of their connections.
///
/// `vault` gives the vault of a tenant's secrets.
pub fn together(
    tenants: &[Tenant],
    vault: impl Fn(&TenantId) -> Arc<dyn Vault>,
    clock: Arc<dyn Clock>,
) -> (ConfiguredPlans, Registry) {
    let mut plans = ConfiguredPlans::default();
    let mut registry = Registry::new(clock);
    for tenant in tenants {
        plans.extend(tenant.plans.clone());
        registry = registry.with_tenant(tenant.file.id.clone(), tenant.connections(), vault(&tenant.file.id));
    }
    (plans, registry)
}

/// A tenant is named by its file.
///
/// # Errors
/// [`Error::NoName`] for a name that is not made of letters, digits, `-` and `_`.
pub fn tenant_of(path: &Path) -> Result<TenantId, Error> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if stem.is_empty() || !stem.chars().all(is_name) {
        return Err(Error::NoName(path.to_owned()));
    }
    Ok(TenantId::new(stem))
}

fn is_yaml(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    matches!(extension, Some("yaml" | "yml")) && path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenant_files_of_a_folder_are_found_in_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["zenith.yml", "README.md", "acme.yaml"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(files_in(dir.path()).unwrap(), [dir.path().join("acme.yaml"), dir.path().join("zenith.yml")]);
        assert!(files_in(&dir.path().join("none")).unwrap().is_empty());
    }

    #[test]
    fn a_tenant_is_named_by_its_file() {
        assert_eq!(tenant_of(Path::new("infra/tenants/acme.yaml")).unwrap().as_str(), "acme");
        assert!(tenant_of(Path::new("a b.yaml")).is_err());
    }
}
