//! The tenant file to start from: written by `init`, printed by `sandbox`, used by `demo`.

use std::path::Path;

use serde_json::json;

/// Where the simulated JD Edwards listens unless told otherwise, as a real AIS Server does.
pub const SANDBOX_PORT: u16 = 9302;

/// Where the simulated Looker listens unless told otherwise, as the API of older installations does.
pub const LOOKER_PORT: u16 = 19999;

/// What differs between tenant files to start from.
#[derive(Debug, Clone, Copy)]
pub struct TenantFile<'a> {
    /// Address of the AIS Server.
    pub url: &'a str,
    /// Name of its secret.
    pub secret: &'a str,
    /// The SQLite file that is loaded.
    pub warehouse: &'a Path,
    /// The Looker that is told; without one its lines are there as comments.
    pub looker: Option<LookerBlock<'a>>,
}

/// The Looker of a tenant file to start from.
#[derive(Debug, Clone, Copy)]
pub struct LookerBlock<'a> {
    /// Its address.
    pub url: &'a str,
    /// Name of its secret.
    pub secret: &'a str,
    /// Where it sends what it delivers.
    pub receiver: &'a str,
}

/// What the commented lines say.
const ELSEWHERE: LookerBlock<'_> = LookerBlock {
    url: "https://acme.cloud.looker.com",
    secret: "acme-looker",
    receiver: "https://example.com/payables",
};

impl TenantFile<'_> {
    /// The commented file.
    pub fn text(&self) -> String {
        // A JSON string is a YAML string, whatever is in it.
        let quoted = |text: &str| json!(text).to_string();
        let looker = self.looker.unwrap_or(ELSEWHERE);
        let uncommented = |line: &str| match line.strip_prefix("{#}") {
            Some(line) if self.looker.is_some() => format!("{line}\n"),
            // All marks in one column: without them the lines are as they should be.
            Some(line) => format!("  # {}\n", line.get(2..).unwrap_or_default()),
            None => format!("{line}\n"),
        };
        let text: String = include_str!("tenant.yaml").lines().map(uncommented).collect();
        text.replace("{looker_url}", &quoted(looker.url))
            .replace("{looker_secret}", &quoted(looker.secret))
            .replace("{receiver}", &quoted(looker.receiver))
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
        TenantFile { url: &url, secret: "acme-jde", warehouse: Path::new("acme-warehouse.sqlite"), looker: None }.text()
    }

    #[test]
    fn the_file_to_start_from_resolves() {
        let config = config::read(TenantId::new("acme"), "acme.yaml", &to_start_from()).unwrap();
        assert!(config.plans.iter().count() >= 5);
    }

    #[test]
    fn the_looker_block_is_valid_once_it_is_taken_out_of_its_comment() {
        let text = to_start_from();
        let lines = text.lines().map(|line| match line.strip_prefix("  # ") {
            Some(rest) if rest.starts_with("looker:") || rest.starts_with("  ") => format!("  {rest}\n"),
            _ => format!("{line}\n"),
        });
        let text: String = lines.collect();
        assert!(text.contains("\n    consumer: looker\n"), "{text}");
        let config = config::read(TenantId::new("acme"), "acme.yaml", &text).unwrap();
        assert_eq!(config.file.tenant.integrations["jde-looker"].deliveries.len(), 1);
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
