//! Starts the Looker simulator for programs in other languages: a small ledger, a look, a dashboard, plans and a
//! receiver.
//!
//! `cargo run -p sandbox --example looker [SECONDS A TOKEN LIVES]` prints one line of JSON that says where everything
//! is, and serves until its standard input closes.

use std::error::Error;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, params};
use sandbox::looker::{Account, LookerSandbox, Project, Receiver, Settings, Warehouse};
use sandbox::random::Random;
use serde_json::{Value as Json, json};

const CLIENT_ID: &str = "Fidelity1";
const CLIENT_SECRET: &str = "s3cr/t+with=signs";
const ROWS: i64 = 400;

const MODEL: &str = r#"
connection: "erp_warehouse"
include: "/views/*.view.lkml"
datagroup: loads { sql_trigger: SELECT max(batch_id) FROM ap_invoices ;; max_cache_age: "24 hours" }
explore: ap_invoices {
  label: "AP Invoices"
  persist_with: loads
  join: suppliers {
    relationship: many_to_one
    sql_on: ${ap_invoices.supplier_id} = ${suppliers.id} ;;
  }
}
"#;

const INVOICES: &str = r#"
view: ap_invoices {
  sql_table_name: main.ap_invoices ;;
  dimension: id { primary_key: yes type: number sql: ${TABLE}.id ;; }
  dimension: supplier_id { type: number hidden: yes sql: ${TABLE}.supplier_id ;; }
  dimension: batch_id { type: string sql: ${TABLE}.batch_id ;; }
  dimension: status { type: string sql: ${TABLE}.status ;; }
  dimension_group: invoiced {
    type: time
    timeframes: [raw, date, month, year]
    datatype: date
    convert_tz: no
    sql: ${TABLE}.invoice_date ;;
  }
  measure: count { type: count }
  measure: total { type: sum sql: ${TABLE}.amount ;; value_format_name: decimal_2 }
}
"#;

const SUPPLIERS: &str = r#"
view: suppliers {
  dimension: id { primary_key: yes type: number sql: ${TABLE}.id ;; }
  dimension: name { type: string sql: ${TABLE}.name ;; }
}
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let life = std::env::args().nth(1).map(|seconds| seconds.parse()).transpose()?.unwrap_or(3600);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("warehouse.db");
    fill(&file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let receiver = runtime.block_on(Receiver::start())?;
    let settings = Settings {
        accounts: vec![Account::admin(CLIENT_ID, CLIENT_SECRET)],
        token_life: Duration::from_secs(life),
        control: true,
        ..Settings::default()
    };
    let files = [
        ("erp.model.lkml", MODEL),
        ("views/ap_invoices.view.lkml", INVOICES),
        ("views/suppliers.view.lkml", SUPPLIERS),
    ];
    let by_status = json!({
        "model": "erp", "view": "ap_invoices", "fields": ["ap_invoices.status", "ap_invoices.count"],
        "sorts": ["ap_invoices.status"], "limit": "50",
    });
    let sandbox = LookerSandbox::builder()
        .settings(settings)
        .project(Project::parse("finance", &files))
        .connection("erp_warehouse", Warehouse::Sqlite(file.clone()))
        .look("12", "AP by status", by_status.clone())
        .dashboard("7", "AP", vec![("By status", by_status)])
        .plan(4711, plan("AP daily", ("crontab", "0 5 * * *"), &receiver))
        .plan(4712, plan("AP after each load", ("datagroup", "loads"), &receiver))
        .start();
    let sandbox = runtime.block_on(sandbox)?;
    let line = json!({
        "url": sandbox.url(), "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "token_life": life,
        "control": format!("{}/__sandbox", sandbox.url()),
        "receiver": receiver.url(), "receiver_control": receiver.url().replace("/webhook", "/__sandbox"),
        "warehouse": file, "rows": ROWS, "look": "12", "dashboard": "7", "plan": "4711", "triggered_plan": "4712",
    });
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    out.flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    runtime.block_on(sandbox.shutdown());
    Ok(())
}

fn plan(name: &str, schedule: (&str, &str), receiver: &Receiver) -> Json {
    json!({
        "name": name, "look_id": "12", schedule.0: schedule.1,
        "require_results": false, "require_no_results": false, "require_change": false,
        "scheduled_plan_destination": [{"type": "webhook", "address": receiver.url(), "format": "csv"}],
    })
}

fn fill(file: &Path) -> Result<(), Box<dyn Error>> {
    let mut connection = Connection::open(file)?;
    connection.execute_batch(
        "CREATE TABLE suppliers (id INTEGER PRIMARY KEY, name TEXT);
         CREATE TABLE ap_invoices (id INTEGER PRIMARY KEY, supplier_id INTEGER, batch_id TEXT, status TEXT, amount TEXT,
             invoice_date TEXT)",
    )?;
    let mut random = Random::new(7);
    let transaction = connection.transaction()?;
    for id in 1..=20_i64 {
        transaction.execute("INSERT INTO suppliers VALUES (?1, ?2)", params![id, format!("Supplier {id}")])?;
    }
    for id in 1..=ROWS {
        let cents = random.between(100, 500_000);
        let row = params![
            id,
            random.between(1, 20),
            format!("b-202611{:02}-01", random.between(1, 20)),
            random.pick(&["A", "P", "H"]),
            format!("{}.{:02}", cents / 100, cents % 100),
            format!("2026-{:02}-{:02}", random.between(1, 11), random.between(1, 28)),
        ];
        transaction.execute("INSERT INTO ap_invoices VALUES (?1, ?2, ?3, ?4, ?5, ?6)", row)?;
    }
    transaction.commit()?;
    Ok(())
}
