//! Finding the tenant file.

use std::path::{Path, PathBuf};

use engine::model::id::TenantId;
use tenants::{Error, Tenant};

use crate::exit::usage;

/// Where tenant files lie unless another place is named.
pub const TENANTS: &str = "infra/tenants";

/// Reads the tenant file that was named, or the only one there is.
///
/// # Errors
/// [`crate::exit::Exit::Usage`] with every mistake of the file and its place.
pub fn load(named: Option<&Path>) -> anyhow::Result<Tenant> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => only_one_in(Path::new(TENANTS))?,
    };
    Tenant::read(&path).map_err(|error| match error {
        Error::NotThere(_) => {
            usage(format!("{error}: write one with `ml-connector init`, or name another with --config"))
        }
        other => usage(other),
    })
}

/// Reads a tenant file's text; `name` is the file's name for messages.
///
/// # Errors
/// As [`load`].
pub fn read(tenant: TenantId, name: &str, text: &str) -> anyhow::Result<Tenant> {
    Tenant::parse(tenant, name, text).map_err(usage)
}

/// The only tenant file of a directory.
fn only_one_in(dir: &Path) -> anyhow::Result<PathBuf> {
    let mut found = tenants::files_in(dir).map_err(usage)?;
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

#[cfg(test)]
mod tests {
    use std::fs;

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
}
