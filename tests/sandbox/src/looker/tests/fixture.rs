//! A small ledger in a SQLite file, the LookML over it, and a server over both.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use serde_json::{Value as Json, json};

use super::super::{Builder, LookerSandbox, Project, Settings, Warehouse};
use crate::clock::Clock;

pub(super) const MODEL: &str = r#"
connection: "erp_warehouse"
include: "/views/*.view.lkml"
datagroup: loads { sql_trigger: SELECT max(batch) FROM etl ;; max_cache_age: "24 hours" }
explore: ap_invoices {
  label: "AP Invoices"
  persist_with: loads
  sql_always_where: ${ap_invoices.is_deleted} = 0 ;;
  join: suppliers {
    type: left_outer
    relationship: many_to_one
    sql_on: ${ap_invoices.supplier_id} = ${suppliers.id} ;;
  }
}
explore: wrong { view_name: ghosts }
"#;

pub(super) const INVOICES: &str = r#"
view: ap_invoices {
  sql_table_name: main.ap_invoices ;;
  dimension: id { primary_key: yes type: number sql: ${TABLE}.id ;; value_format_name: id }
  dimension: supplier_id { type: number hidden: yes sql: ${TABLE}.supplier_id ;; }
  dimension: batch_id { type: string sql: ${TABLE}.batch_id ;; }
  dimension: status { type: string sql: ${TABLE}.status ;; }
  dimension: amount { type: number sql: ${TABLE}.amount ;; }
  dimension: is_deleted { type: number hidden: yes sql: ${TABLE}.is_deleted ;; }
  dimension: is_paid { type: yesno sql: ${status} = 'P' ;; }
  dimension: size {
    case: {
      when: { sql: ${amount} + 0 >= 10 ;; label: "Large" }
      when: { sql: ${amount} + 0 > 0 ;; label: "Common" }
      else: "Below 0"
    }
  }
  dimension: renamed { type: string sql: ${TABLE}.column_that_is_gone ;; }
  dimension_group: invoiced {
    type: time
    timeframes: [raw, date, week, month, quarter, year]
    datatype: date
    convert_tz: no
    sql: ${TABLE}.invoice_date ;;
  }
  dimension_group: loaded { type: time timeframes: [raw, time, date] sql: ${TABLE}.loaded_at ;; }
  measure: count { type: count drill_fields: [id, suppliers.name] }
  measure: total { type: sum sql: ${amount} ;; value_format_name: decimal_2 }
  measure: average { type: average sql: ${amount} ;; }
  measure: largest { type: max sql: ${amount} ;; }
  measure: smallest { type: min sql: ${amount} ;; }
  measure: suppliers { type: count_distinct sql: ${supplier_id} ;; }
  measure: paid_total { type: sum sql: ${amount} ;; filters: [status: "P"] }
  measure: last_load { type: date_time sql: MAX(${loaded_raw}) ;; }
}
"#;

const SUPPLIERS: &str = r#"
view: suppliers {
  dimension: id { primary_key: yes type: number }
  dimension: name { label: "Supplier" }
  measure: count { type: count }
}
"#;

/// A server with its ledger.
pub(super) struct World {
    pub(super) sandbox: LookerSandbox,
    pub(super) clock: Clock,
    _folder: tempfile::TempDir,
    file: PathBuf,
}

pub(super) fn noon() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

pub(super) fn count() -> Json {
    json!({"model": "erp", "view": "ap_invoices", "fields": ["ap_invoices.count"]})
}

/// A plan for look 12 with one destination.
pub(super) fn plan(name: &str, schedule: (&str, &str), kind: &str, address: &str) -> Json {
    json!({
        "name": name, "look_id": "12", schedule.0: schedule.1,
        "require_results": false, "require_no_results": false, "require_change": false,
        "scheduled_plan_destination": [{
            "type": kind, "address": address, "format": "csv", "apply_formatting": false,
            "secret_parameters": "{\"password\":\"hush\"}",
        }],
    })
}

pub(super) fn world() -> World {
    world_with(Settings::default(), |builder| builder)
}

pub(super) fn world_with(settings: Settings, more: impl FnOnce(Builder) -> Builder) -> World {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("warehouse.db");
    let connection = Connection::open(&file).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE ap_invoices (id INTEGER PRIMARY KEY, supplier_id INTEGER, batch_id TEXT, status TEXT, amount TEXT,
                 invoice_date TEXT, loaded_at TEXT, is_deleted INTEGER);
             CREATE TABLE suppliers (id INTEGER PRIMARY KEY, name TEXT);
             INSERT INTO suppliers VALUES (1, 'Acme, Inc.'), (2, 'Blümchen');
             INSERT INTO ap_invoices VALUES
                 (1, 1, 'b-20261119-01', 'P', '10.10', '2026-09-30', '2026-11-19T23:30:00.000000Z', 0),
                 (2, 1, 'b-20261119-01', 'A', '20.20', '2026-10-01', '2026-11-19T23:30:00.000000Z', 0),
                 (3, 2, 'b-20261120-01', 'P', '9.00', '2026-11-15', '2026-11-20T03:04:05.123456Z', 0),
                 (4, 2, 'b-20261120-01', NULL, '-0.05', '2026-11-20', '2026-11-20T03:04:05.123456Z', 0),
                 (5, 3, 'b-20261120-01', '', '99999999999999999999.99', NULL, '2026-11-20T03:04:05.123456Z', 0),
                 (6, 3, 'b-20261120-01', 'A', '5.00', '2026-11-20', '2026-11-20T03:04:05.123456Z', 1);",
        )
        .unwrap();
    let clock = Clock::fixed(noon());
    let files = [
        ("erp.model.lkml", MODEL),
        ("views/ap_invoices.view.lkml", INVOICES),
        ("views/suppliers.view.lkml", SUPPLIERS),
    ];
    let builder = LookerSandbox::builder()
        .settings(settings)
        .clock(clock.clone())
        .project(Project::parse("finance", &files))
        .connection("erp_warehouse", Warehouse::Sqlite(file.clone()))
        .look(
            "12",
            "AP daily",
            super::invoices(&["ap_invoices.status", "ap_invoices.count"], &json!({"ap_invoices.status": "-EMPTY"})),
        )
        .dashboard("7", "AP", vec![("Invoices", count())]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let sandbox = runtime.block_on(more(builder).start()).unwrap();
    World { sandbox, clock, _folder: folder, file }
}

impl World {
    /// Changes the ledger behind the server's back.
    pub(super) fn sql(&self, sql: &str) {
        Connection::open(&self.file).unwrap().execute_batch(sql).unwrap();
    }

    pub(super) fn add_invoice(&self, id: i64) {
        self.sql(&format!(
            "INSERT INTO ap_invoices VALUES ({id}, 1, 'b-20261120-02', 'A', '1.00', '2026-11-20', '2026-11-20T11:00:00Z', 0)"
        ));
    }
}
