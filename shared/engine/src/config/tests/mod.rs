//! What tenant files and blueprints say, and what is said about their mistakes.

mod dashboards;
mod deliveries;
mod mistakes;
mod plans;
mod schema;
mod values;

use schemars::JsonSchema;
use serde::Deserialize;

use super::*;
use crate::mapping::Fault;
use crate::model::id::TenantId;

/// Connections of two systems.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Connection {
    /// The ERP.
    Jde(Jde),
    /// The warehouse.
    Sqlite(Sqlite),
    /// Who is told.
    Looker(Jde),
}

/// The ERP's settings.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Jde {
    /// Where it is.
    #[schemars(example = &"https://ais.example.com/jderest")]
    url: String,
    /// The name of its secret.
    #[schemars(example = &"acme-jde")]
    secret: String,
    /// Its zone.
    #[schemars(example = &"America/Denver")]
    zone: Option<String>,
}

/// The warehouse's settings.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sqlite {
    /// Its file.
    #[schemars(example = &"warehouse.db")]
    path: String,
}

impl ConnectionSpec for Connection {
    fn system(&self) -> &str {
        match self {
            Self::Jde(_) => "jde",
            Self::Sqlite(_) => "sqlite",
            Self::Looker(_) => "looker",
        }
    }

    fn kind(&self) -> &str {
        match self {
            Self::Jde(_) => "jde",
            Self::Sqlite(_) => "warehouse",
            Self::Looker(_) => "looker",
        }
    }

    fn zone(&self) -> Option<&str> {
        match self {
            Self::Jde(jde) => jde.zone.as_deref(),
            Self::Sqlite(_) | Self::Looker(_) => None,
        }
    }

    fn faults(&self) -> Vec<Fault> {
        let fault = |field: &str, message: &str| Fault { path: vec![field.to_owned()], message: message.to_owned() };
        match self {
            Self::Jde(jde) | Self::Looker(jde) if !jde.url.starts_with("https://") => {
                vec![fault("url", "begins with https://")]
            }
            Self::Jde(jde) if jde.secret.is_empty() => vec![fault("secret", "is empty")],
            Self::Sqlite(sqlite) if sqlite.path.is_empty() => vec![fault("path", "is empty")],
            _ => Vec::new(),
        }
    }
}

const BLUEPRINT: &str = r#"
integration: jde-looker
description: For analysts
source: jde
destination: warehouse
syncs:
  lines:
    description: Lines
    read: {object: F4311, key: [DOCO, LNID], updated: {date: UPMJ, time: TDAY}, padded: {MCU: 12}}
    table: order_lines
    key: [order_number, line_number]
    company: company
    needs: [{stream: orders, key: [order_number]}]
    totals: [amount]
    columns:
      order_number: {from: DOCO, type: integer}
      line_number: {from: LNID, type: "decimal(7,3)"}
      company: {from: CO, type: text}
      business_unit: {from: MCU, type: text, format: trim}
      amount: {from: AEXP, type: "decimal(15,2)"}
      remark: {from: RMK, type: text}
  orders:
    description: Orders
    read: {object: F4301, key: [DOCO], filter: [{column: DCTO, equals: [OP]}], page_size: 1000}
    table: orders
    key: [order_number]
    schedule: rate(1 day)
    columns:
      order_number: {from: DOCO, type: integer, description: Its number}
      buyer_id: {lookup: {stream: buyers, key: [buyer_number]}, type: text}
      buyer_number: {from: ANBY, type: integer}
  buyers:
    description: Buyers
    read: {object: F0101, key: [AN8]}
    table: buyers
    key: [number]
    columns:
      number: {from: AN8, type: integer}
"#;

const TENANT: &str = r"
connections:
  erp:
    jde: {url: https://ais.example.com/jderest, secret: acme-jde, zone: America/Denver}
  warehouse:
    sqlite: {path: warehouse.db}
integrations:
  jde-looker:
    source: erp
    destination: warehouse
";

fn blueprint(text: &str) -> BlueprintFile {
    BlueprintFile::parse("jde-looker.yaml", text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn resolve_tenant(tenant: &str, blueprints: &[&str]) -> Result<ConfiguredPlans, Problems> {
    let file = TenantFile::<Connection>::parse(TenantId::new("acme"), "acme.yaml", tenant)?;
    let blueprints: Vec<_> = blueprints.iter().map(|text| blueprint(text)).collect();
    resolve(&file, &blueprints)
}

/// The plans of [`TENANT`] with these lines added at the end.
fn plans(added: &str) -> Result<ConfiguredPlans, Problems> {
    resolve_tenant(&format!("{TENANT}{added}"), &[BLUEPRINT])
}
