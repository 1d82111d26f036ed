//! A project of tables with awkward names: what would break LookML or SQL does not.

use engine::config::{BlueprintFile, ConfiguredPlans, TenantFile, resolve};
use engine::model::id::{IntegrationId, TenantId};

use super::*;
use crate::registry::ConnectionSettings;

const BLUEPRINT: &str = r#"
integration: jde-looker
description: For analysts
source: jde
destination: warehouse
syncs:
  people:
    description: "People \"of note\"\nand others"
    read: {object: F0101, key: [AN8]}
    table: people
    key: [number]
    needs: [{stream: people, key: [boss]}]
    columns:
      number: {from: AN8, type: integer}
      boss: {from: AN81, type: integer}
      name: {from: ALPH, type: text}
  orders:
    description: Orders
    read: {object: F4301, key: [DOCO]}
    table: order
    key: [day]
    needs: [{stream: people, key: [buyer]}, {stream: people, key: [seller]}]
    columns:
      day: {from: DOCO, type: date, format: iso}
      buyer: {from: ANBY, type: integer}
      seller: {from: AN8, type: integer}
      select: {from: DESC, type: text, description: "A \"quoted\" word; {{ liquid }} \\"}
      open: {from: OPEN, type: boolean, values: {Y: true}}
      rate: {from: CRR, type: "decimal(19,7)"}
      amount: {from: OTOT, type: "decimal(15,2)"}
      unit_cost: {from: PRRC, type: "decimal(19,4)"}
      paid_at: {from: [UPMJ, UPMT], type: timestamp}
      notes: {from: NOTE, type: json}
  lines:
    description: Lines
    read: {object: F4311, key: [DOCO, LNID]}
    table: lines
    key: [day, line]
    totals: [pieces]
    columns:
      day: {from: DOCO, type: date, format: iso}
      line: {from: LNID, type: integer}
      pieces: {from: UORG, type: integer}
dashboards:
  ages:
    kind: aging
    title: 'Ages: "open"'
    description: What is late
    sync: orders
    amount: rate
    date: paid_at
    days: [7]
    by: [[people.name, select]]
"#;

fn plans(added: &str) -> ConfiguredPlans {
    let tenant = format!(
        "connections: {{erp: {{jde: {{url: 'https://ais/jderest', secret: s, zone: UTC}}}}, w: {{sqlite: {{path: w}}}}}}\n\
         integrations:\n  jde-looker:\n    source: erp\n    destination: w\n{added}"
    );
    let tenant = TenantFile::<ConnectionSettings>::parse(TenantId::new("acme"), "acme.yaml", &tenant);
    let blueprint = BlueprintFile::parse("jde-looker.yaml", BLUEPRINT).unwrap_or_else(|e| panic!("{e}"));
    resolve(&tenant.unwrap_or_else(|e| panic!("{e}")), &[blueprint]).unwrap_or_else(|e| panic!("{e}"))
}

fn rendered(plans: &ConfiguredPlans, warehouse: Warehouse) -> Rendered {
    let tables = plans.iter().filter(|sync| sync.enabled);
    let tables = tables.map(|sync| Table { plan: &sync.plan, references: &sync.references }).collect();
    let (tenant, integration) = (TenantId::new("acme"), IntegrationId::new("jde-looker"));
    let dashboards = plans.dashboards(&tenant, &integration).collect();
    render(&Project { model: "erp", connection: "warehouse", warehouse, tables, dashboards }).unwrap()
}

fn postgres() -> Warehouse {
    Warehouse::Postgres { schema: "erp".to_owned(), ledger_schema: "etl".to_owned() }
}

fn text<'r>(rendered: &'r Rendered, path: &str) -> &'r str {
    let file = rendered.files.iter().find(|file| file.path == path);
    file.map(|file| file.text.as_str()).unwrap_or_else(|| panic!("there is no {path}"))
}

/// Fails the test unless all these texts stand in the file.
#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "it lacks {part}\n{text}");
    }
}

#[test]
fn a_name_that_sql_keeps_for_itself_is_quoted_and_texts_stay_in_their_quotes() {
    let rendered = rendered(&plans(""), postgres());
    has(
        text(&rendered, "views/order.view.lkml"),
        &[
            "sql_table_name: erp.\"order\" ;;",
            "sql: ${TABLE}.\"select\" ;;",
            r#"description: "A \"quoted\" word; { { liquid }} \\""#,
            "sql: CAST(${TABLE}.notes AS TEXT) ;;",
            "sql: CURRENT_DATE - CAST(${TABLE}.paid_at AS DATE) ;;",
            "label: \"1 to 7 days\"",
            "label: \"Over 7 days\"",
        ],
    );
    has(text(&rendered, "erp.model.lkml"), &["description: \"People \\\"of note\\\" and others. ", "decimal_7 {"]);
    has(text(&rendered, "dashboards/ages.dashboard.lookml"), &[r#"title: "Ages: \"open\"""#]);
}

#[test]
fn sums_are_made_of_what_is_proven_of_amounts_and_of_what_a_dashboard_shows() {
    let rendered = rendered(&plans(""), postgres());
    let totals = |view: &str| -> Vec<String> {
        let lines = text(&rendered, &format!("views/{view}.view.lkml")).lines();
        lines.filter_map(|line| Some(line.trim().strip_prefix("measure: total_")?.replace(" {", ""))).collect()
    };
    assert_eq!(totals("order"), ["rate", "amount"]);
    assert_eq!(totals("lines"), ["pieces"]);
    assert!(totals("people").is_empty());
}

#[test]
fn a_view_is_joined_once_for_each_way_in_which_its_record_is_named() {
    let rendered = rendered(&plans(""), postgres());
    has(
        text(&rendered, "erp.model.lkml"),
        &[
            "join: people_by_boss {\n    from: people\n    type: left_outer\n    relationship: many_to_one\n    sql_on: \
             ${people.boss} = ${people_by_boss.number} AND NOT ${people_by_boss.is_deleted} ;;",
            "sql_on: ${order.buyer} = ${people.number} AND NOT ${people.is_deleted} ;;",
            "join: people_by_seller {\n    from: people\n",
            "sql_on: ${lines.day_raw} = ${order.day_raw} AND NOT ${order.is_deleted} ;;",
        ],
    );
}

#[test]
fn sqlite_is_asked_in_its_own_way() {
    let rendered = rendered(&plans(""), Warehouse::Sqlite);
    has(
        text(&rendered, "views/order.view.lkml"),
        &[
            "sql_table_name: \"order\" ;;",
            "sql: ${TABLE}.open = 1 ;;",
            "sql: CAST(${TABLE}.amount AS NUMERIC) ;;",
            "sql: ${TABLE}._is_deleted = 1 ;;",
            "sql: lower(hex(${TABLE}._batch_id)) ;;",
        ],
    );
    has(text(&rendered, "erp.model.lkml"), &["SELECT MAX(finished_at) FROM etl_load_batches ;;"]);
}

#[test]
fn what_a_tenant_changes_is_followed() {
    let changed = "    syncs:\n      lines: {enabled: false}\n      orders: {columns: {select: null, site: {from: URAB, \
                   type: text}}}\n";
    let rendered = rendered(&plans(changed), postgres());
    assert!(!rendered.files.iter().any(|file| file.path == "views/lines.view.lkml"));
    has(text(&rendered, "views/order.view.lkml"), &["dimension: site {"]);
    assert_eq!(rendered.left_out, ["dashboard ages: there is no `select`"]);
    let rate = "    syncs:\n      orders: {columns: {rate: null}}\n";
    let rendered = self::rendered(&plans(rate), postgres());
    assert_eq!(rendered.left_out, ["dashboard ages: orders has no number `rate`"]);
    assert!(!text(&rendered, "erp.model.lkml").contains("dashboards/"));
}

#[test]
fn names_that_lookml_cannot_carry_are_refused() {
    let plans = plans("");
    let project = |model, connection| {
        let tables = plans.iter().map(|sync| Table { plan: &sync.plan, references: &sync.references }).collect();
        render(&Project { model, connection, warehouse: Warehouse::Sqlite, tables, dashboards: Vec::new() })
    };
    assert!(project("jde-looker", "w").unwrap_err().to_string().starts_with("`jde-looker` cannot name a model"));
    assert!(project("erp", "a\"b").unwrap_err().to_string().starts_with("`a\"b` cannot name a connection of Looker"));
}
