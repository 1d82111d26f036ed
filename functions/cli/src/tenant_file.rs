//! The tenant file to start from: written by `init`, printed by `sandbox`, used by `demo`.

use std::path::Path;

use serde_json::json;

/// Where the simulated JD Edwards listens unless told otherwise, as a real AIS Server does.
pub const SANDBOX_PORT: u16 = 9302;

/// Where the simulated Looker listens unless told otherwise, as the API of older installations does.
pub const LOOKER_PORT: u16 = 19999;

/// Where the simulated PeopleSoft listens unless told otherwise: a port of the web servers of real ones.
pub const PEOPLESOFT_PORT: u16 = 8021;

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
    /// The PeopleSoft that is read too; without one its lines are there as comments.
    pub peoplesoft: Option<PeopleSoftBlock<'a>>,
    /// The Databricks that PeopleSoft goes to as well; without one its lines are there as comments.
    pub databricks: Option<DatabricksBlock<'a>>,
}

/// The Databricks of a tenant file to start from.
#[derive(Debug, Clone, Copy)]
pub struct DatabricksBlock<'a> {
    /// Address of the workspace.
    pub url: &'a str,
    /// The id of its SQL warehouse.
    pub warehouse: &'a str,
    /// Name of its secret.
    pub secret: &'a str,
}

/// The PeopleSoft of a tenant file to start from.
#[derive(Debug, Clone, Copy)]
pub struct PeopleSoftBlock<'a> {
    /// Address of the REST listener, without the node.
    pub url: &'a str,
    /// Its default local node.
    pub node: &'a str,
    /// Name of its secret.
    pub secret: &'a str,
    /// The SetIDs of its master data.
    pub setids: &'a [&'a str],
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

/// What the commented lines about Looker say.
const LOOKER_ELSEWHERE: LookerBlock<'_> = LookerBlock {
    url: "https://acme.cloud.looker.com",
    secret: "acme-looker",
    receiver: "https://example.com/payables",
};

/// What the commented lines about PeopleSoft say.
const PEOPLESOFT_ELSEWHERE: PeopleSoftBlock<'_> = PeopleSoftBlock {
    url: "https://psft.example.com:8443/PSIGW/RESTListeningConnector",
    node: "PSFT_EP",
    secret: "acme-peoplesoft",
    setids: &["SHARE"],
};

/// What the commented lines about Databricks say.
const DATABRICKS_ELSEWHERE: DatabricksBlock<'_> = DatabricksBlock {
    url: "https://dbc-a1b2c3d4-e5f6.cloud.databricks.com",
    warehouse: "1234567890abcdef",
    secret: "acme-databricks",
};

/// Lines of the template that are about Databricks.
const DATABRICKS_MARK: &str = "{D}";

/// Lines of the template that are about Looker.
const LOOKER_MARK: &str = "{#}";

/// Lines of the template that are about PeopleSoft.
const PEOPLESOFT_MARK: &str = "{P}";

impl TenantFile<'_> {
    /// The commented file.
    pub fn text(&self) -> String {
        // A JSON string is a YAML string, whatever is in it.
        let quoted = |text: &str| json!(text).to_string();
        let (looker, peoplesoft) =
            (self.looker.unwrap_or(LOOKER_ELSEWHERE), self.peoplesoft.unwrap_or(PEOPLESOFT_ELSEWHERE));
        let databricks = self.databricks.unwrap_or(DATABRICKS_ELSEWHERE);
        let marks = [
            (LOOKER_MARK, self.looker.is_some()),
            (PEOPLESOFT_MARK, self.peoplesoft.is_some()),
            (DATABRICKS_MARK, self.databricks.is_some()),
        ];
        let uncommented = |line: &str| match marks.iter().find_map(|(mark, on)| Some((line.strip_prefix(mark)?, *on))) {
            Some((line, true)) => format!("{line}\n"),
            // All marks in one column: without them the lines are as they should be.
            Some((line, false)) => format!("  # {}\n", line.get(2..).unwrap_or_default()),
            None => format!("{line}\n"),
        };
        let text: String = include_str!("tenant.yaml").lines().map(uncommented).collect();
        text.replace("{looker_url}", &quoted(looker.url))
            .replace("{looker_secret}", &quoted(looker.secret))
            .replace("{receiver}", &quoted(looker.receiver))
            .replace("{peoplesoft_url}", &quoted(peoplesoft.url))
            .replace("{peoplesoft_node}", &quoted(peoplesoft.node))
            .replace("{peoplesoft_secret}", &quoted(peoplesoft.secret))
            .replace("{peoplesoft_setids}", &json!(peoplesoft.setids).to_string())
            .replace("{databricks_url}", &quoted(databricks.url))
            .replace("{databricks_warehouse}", &quoted(databricks.warehouse))
            .replace("{databricks_secret}", &quoted(databricks.secret))
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
        let (url, warehouse) = (sandbox_url(SANDBOX_PORT), Path::new("acme-warehouse.sqlite"));
        TenantFile { url: &url, secret: "acme-jde", warehouse, looker: None, peoplesoft: None, databricks: None }.text()
    }

    /// The file once somebody has taken the lines of a system out of their comments.
    fn uncommented(mark: &str) -> String {
        let (template, text) = (include_str!("tenant.yaml"), to_start_from());
        let lines = template.lines().zip(text.lines()).map(|(known, line)| match line.strip_prefix("  # ") {
            Some(rest) if known.starts_with(mark) => format!("  {rest}\n"),
            _ => format!("{line}\n"),
        });
        lines.collect()
    }

    #[test]
    fn the_file_to_start_from_resolves() {
        let config = config::read(TenantId::new("acme"), "acme.yaml", &to_start_from()).unwrap();
        assert!(config.plans.iter().all(|sync| sync.plan.id.integration.as_str() == "jde-looker"));
        assert!(config.plans.iter().count() >= 5);
    }

    #[test]
    fn the_looker_block_is_valid_once_it_is_taken_out_of_its_comment() {
        let text = uncommented(LOOKER_MARK);
        assert!(text.contains("\n    consumer: looker\n"), "{text}");
        let config = config::read(TenantId::new("acme"), "acme.yaml", &text).unwrap();
        assert_eq!(config.file.tenant.integrations["jde-looker"].deliveries.len(), 1);
    }

    #[test]
    fn the_peoplesoft_block_is_valid_once_it_is_taken_out_of_its_comment() {
        let text = uncommented(PEOPLESOFT_MARK);
        let config = config::read(TenantId::new("acme"), "acme.yaml", &text).unwrap();
        let of_peoplesoft = |id: &str| id == "peoplesoft-looker";
        assert!(config.plans.iter().filter(|sync| of_peoplesoft(sync.plan.id.integration.as_str())).count() >= 10);
        // The settings that only some sites need are valid too.
        for name in ["auth", "quiet_hours", "ca_file"] {
            let text = text.replace(&format!("      # {name}:"), &format!("      {name}:"));
            assert!(text.contains(&format!("\n      {name}: ")), "{text}");
            config::read(TenantId::new("acme"), "acme.yaml", &text).unwrap();
        }
    }

    #[test]
    fn the_databricks_block_is_valid_once_it_and_peoplesofts_are_taken_out_of_their_comments() {
        let (template, text) = (include_str!("tenant.yaml"), to_start_from());
        let lines = template.lines().zip(text.lines()).map(|(known, line)| match line.strip_prefix("  # ") {
            Some(rest) if known.starts_with(PEOPLESOFT_MARK) || known.starts_with(DATABRICKS_MARK) => {
                format!("  {rest}\n")
            }
            _ => format!("{line}\n"),
        });
        let config = config::read(TenantId::new("acme"), "acme.yaml", &lines.collect::<String>()).unwrap();
        let of_databricks = |id: &str| id == "peoplesoft-databricks";
        let syncs = config.plans.iter().filter(|sync| of_databricks(sync.plan.id.integration.as_str()));
        assert!(syncs.filter(|sync| sync.enabled).any(|sync| sync.plan.reverse));
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
