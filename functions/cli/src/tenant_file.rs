//! The tenant file to start from: written by `init`, printed by `sandbox`, used by `demo`.

use std::path::Path;

use serde_json::json;

/// Where the simulated JD Edwards listens unless told otherwise, as a real AIS Server does.
pub const SANDBOX_PORT: u16 = 9302;

/// What differs between tenant files to start from.
#[derive(Debug, Clone, Copy)]
pub struct TenantFile<'a> {
    /// Address of the AIS Server.
    pub url: &'a str,
    /// Name of its secret.
    pub secret: &'a str,
    /// The SQLite file that is loaded.
    pub warehouse: &'a Path,
}

impl TenantFile<'_> {
    /// The commented file.
    pub fn text(&self) -> String {
        // A JSON string is a YAML string, whatever is in it.
        let quoted = |text: &str| json!(text).to_string();
        include_str!("tenant.yaml")
            .replace("{url}", &quoted(self.url))
            .replace("{secret}", &quoted(self.secret))
            .replace("{warehouse}", &quoted(&self.warehouse.display().to_string()))
    }
}

/// The address of a simulated AIS Server on this machine.
pub fn sandbox_url(port: u16) -> String {
    format!("http://127.0.0.1:{port}/jderest")
}

#[cfg(test)]
mod tests {
    use engine::model::id::TenantId;

    use super::*;
    use crate::config;

    fn to_start_from() -> String {
        let url = sandbox_url(SANDBOX_PORT);
        TenantFile { url: &url, secret: "acme-jde", warehouse: Path::new("acme-warehouse.sqlite") }.text()
    }

    #[test]
    fn the_file_to_start_from_resolves() {
        let config = config::read(TenantId::new("acme"), "acme.yaml", &to_start_from()).unwrap();
        assert!(config.plans.iter().count() >= 5);
    }

    #[test]
    fn the_postgres_block_is_valid_once_it_is_taken_out_of_its_comment() {
        let text = to_start_from();
        let (before, rest) = text.split_once("    sqlite:\n").unwrap();
        let (_, block) = rest.split_once("    # postgres:\n").unwrap();
        let (block, after) = block.split_once("\n\n").unwrap();
        let text = format!("{before}    postgres:\n{}\n\n{after}", block.replace("    # ", "    "));
        config::read(TenantId::new("acme"), "acme.yaml", &text).unwrap();
    }
}
