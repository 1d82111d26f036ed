//! The same questions to a PostgreSQL server; left out, and said so, where there is none.

use serde_json::json;

use super::super::{LookerSandbox, Project, Settings, Warehouse};
use super::Caller;
use super::fixture::{INVOICES, MODEL};

const TABLES: &str = "
DROP SCHEMA IF EXISTS looker_sandbox CASCADE;
CREATE SCHEMA looker_sandbox;
CREATE TABLE looker_sandbox.suppliers (id bigint PRIMARY KEY, name text);
CREATE TABLE looker_sandbox.ap_invoices (id bigint PRIMARY KEY, supplier_id bigint, batch_id text, status text,
    amount numeric(38, 2), invoice_date date, loaded_at timestamptz, is_deleted int);
INSERT INTO looker_sandbox.suppliers VALUES (1, 'Acme, Inc.');
INSERT INTO looker_sandbox.ap_invoices VALUES
    (1, 1, 'b-1', 'P', 10.10, '2026-09-30', '2026-11-19T23:30:00Z', 0),
    (2, 1, 'b-1', 'A', 99999999999999999999.99, '2026-10-01', '2026-11-20T03:04:05.5Z', 0),
    (3, 2, 'b-2', NULL, -0.05, NULL, '2026-11-20T03:04:05.5Z', 0);
";

#[test]
fn postgresql_answers_the_same_questions() {
    let Ok(url) = std::env::var("ML_CONNECTOR_TEST_POSTGRES") else {
        println!("left out: ML_CONNECTOR_TEST_POSTGRES names no server");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        let served = tokio::spawn(connection);
        client.batch_execute(TABLES).await.unwrap();
        drop(client);
        served.await.unwrap().unwrap();
    });
    let invoices = INVOICES.replace("main.ap_invoices", "looker_sandbox.ap_invoices");
    let suppliers = "view: suppliers { sql_table_name: looker_sandbox.suppliers ;; \
                     dimension: id { primary_key: yes type: number } dimension: name {} }";
    let files = [
        ("erp.model.lkml", MODEL),
        ("views/ap_invoices.view.lkml", invoices.as_str()),
        ("views/suppliers.view.lkml", suppliers),
    ];
    let builder = LookerSandbox::builder()
        .settings(Settings::default())
        .project(Project::parse("finance", &files))
        .connection("erp_warehouse", Warehouse::Postgres(url));
    let sandbox = runtime.block_on(builder.start()).unwrap();
    let caller = Caller::new(&sandbox);
    let count = |field: &str, expression: &str| {
        let query = super::invoices(&["ap_invoices.count"], &json!({field: expression}));
        let rows = caller.rows(&query);
        rows[0]["ap_invoices.count"].as_i64().unwrap_or_else(|| panic!("{field} {expression}: {rows}"))
    };
    for (field, expression, rows) in [
        ("ap_invoices.batch_id", "\"b-1\"", 2),
        ("ap_invoices.status", "-P", 2),
        ("ap_invoices.is_paid", "no", 2),
        ("ap_invoices.amount", "[9,20.2)", 1),
        ("ap_invoices.invoiced_date", "2026-10", 1),
        ("ap_invoices.loaded_time", "before 2026-11-20", 1),
        ("suppliers.name", "\"Acme, Inc.\"", 2),
        ("ap_invoices.total", ">0", 3),
    ] {
        assert_eq!(count(field, expression), rows, "{field}: {expression}");
    }
    let mut query = super::invoices(
        &["ap_invoices.invoiced_quarter", "ap_invoices.invoiced_year", "ap_invoices.is_paid", "ap_invoices.total"],
        &json!({"ap_invoices.id": "<3"}),
    );
    query["sorts"] = json!(["ap_invoices.total desc"]);
    let path = "/queries/run/json?cache=false&apply_formatting=false";
    assert_eq!(
        caller.post(path, &query).body.replace('\n', ""),
        "[{\"ap_invoices.invoiced_quarter\":\"2026-10\",\"ap_invoices.invoiced_year\":2026,\"ap_invoices.is_paid\":\"No\",\
         \"ap_invoices.total\":99999999999999999999.99},{\"ap_invoices.invoiced_quarter\":\"2026-07\",\
         \"ap_invoices.invoiced_year\":2026,\"ap_invoices.is_paid\":\"Yes\",\"ap_invoices.total\":10.10}]"
    );
    let mut query =
        super::invoices(&["ap_invoices.loaded_time", "ap_invoices.last_load"], &json!({"ap_invoices.id": "1"}));
    query["query_timezone"] = json!("America/New_York");
    assert_eq!(caller.rows(&query)[0]["ap_invoices.loaded_time"], "2026-11-19 18:30:00");
    let mut query = super::invoices(&["ap_invoices.size", "ap_invoices.count"], &json!({}));
    query["sorts"] = json!(["ap_invoices.size"]);
    let rows = caller.rows(&query);
    let sizes: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["ap_invoices.size"].as_str().unwrap()).collect();
    assert_eq!(sizes, ["Large", "Below 0"]);
    let gone = caller.rows(&super::invoices(&["ap_invoices.renamed"], &json!({})));
    assert!(gone[0]["looker_error"].as_str().unwrap().contains("column_that_is_gone"), "{gone}");
    let columns =
        caller.get("/connections/erp_warehouse/columns?schema_name=looker_sandbox&table_names=ap_invoices").ok();
    assert_eq!(columns[0]["columns"][4]["data_type_looker"], "number");
    let test = caller.call("PUT", "/connections/erp_warehouse/test?tests=connect", "").unwrap().ok();
    assert_eq!(test[0]["status"], "success");
    assert!(!test.to_string().contains("ml_test:"), "{test}");
}
