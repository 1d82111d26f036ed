//! Statements that change the catalog, and Unity Catalog over REST.

use serde_json::json;

use super::{Caller, class, workspace};

#[tokio::test]
async fn tables_are_made_described_and_widened() {
    let sandbox = workspace().await;
    sandbox
        .sql(
            "CREATE TABLE IF NOT EXISTS `main`.`erp`.`ap_invoices` (
               id STRING NOT NULL COMMENT 'The key, it\\'s text',
               amount DECIMAL(18, 2) COMMENT 'What is owed',
               lines ARRAY<STRUCT<no: INT, text: STRING>>,
               at TIMESTAMP DEFAULT current_timestamp(),
               CONSTRAINT pk PRIMARY KEY (id))
             USING DELTA COMMENT 'Invoices' CLUSTER BY (id)
             TBLPROPERTIES ('delta.feature.allowColumnDefaults' = 'supported', delta.enableTypeWidening = true)",
        )
        .unwrap();
    let columns = sandbox.columns("main.erp.ap_invoices").unwrap();
    let shown: Vec<_> =
        columns.iter().map(|column| (column.name.as_str(), column.ty.as_str(), column.nullable)).collect();
    assert_eq!(
        shown,
        [
            ("id", "STRING", false),
            ("amount", "DECIMAL(18,2)", true),
            ("lines", "ARRAY<STRUCT<no: INT, text: STRING>>", true),
            ("at", "TIMESTAMP", true)
        ]
    );
    assert_eq!(
        (columns[0].comment.as_deref(), sandbox.table_comment("main.erp.ap_invoices").as_deref()),
        (Some("The key, it's text"), Some("Invoices"))
    );
    sandbox.sql("INSERT INTO main.erp.ap_invoices (id, amount) VALUES ('a', 1.25)").unwrap();
    assert_ne!(sandbox.rows("main.erp.ap_invoices").unwrap().texts()[0][3], "null", "a default is put in");
    sandbox.sql("ALTER TABLE main.erp.ap_invoices ALTER COLUMN amount TYPE DECIMAL(20,4)").unwrap();
    sandbox.sql("ALTER TABLE main.erp.ap_invoices ADD COLUMNS (note STRING COMMENT 'Free', n INT)").unwrap();
    sandbox.sql("COMMENT ON COLUMN main.erp.ap_invoices.n IS 'A number'").unwrap();
    assert_eq!(sandbox.rows("main.erp.ap_invoices").unwrap().texts()[0][1], "1.2500");
    for (statement, wanted) in [
        ("ALTER TABLE main.erp.ap_invoices ADD COLUMN NOTE INT", "FIELDS_ALREADY_EXISTS"),
        ("ALTER TABLE main.erp.ap_invoices ALTER COLUMN n TYPE STRING", "DELTA_UNSUPPORTED_ALTER_TABLE_CHANGE_COL_OP"),
        ("ALTER TABLE main.erp.ap_invoices DROP COLUMN n", "DELTA_UNSUPPORTED_RENAME_COLUMN"),
        ("CREATE TABLE main.erp.ap_invoices (id INT)", "TABLE_OR_VIEW_ALREADY_EXISTS"),
        ("CREATE TABLE main.nope.t (id INT)", "SCHEMA_NOT_FOUND"),
        ("CREATE TABLE nope.erp.t (id INT)", "NO_SUCH_CATALOG_EXCEPTION"),
        ("CREATE TABLE main.erp.t (id INT, ID STRING)", "COLUMN_ALREADY_EXISTS"),
        ("CREATE TABLE main.erp.t (id TEXT)", "UNSUPPORTED_DATATYPE"),
        ("CREATE SCHEMA main.erp", "SCHEMA_ALREADY_EXISTS"),
        ("CREATE VOLUME main.erp.landing", "VOLUME_ALREADY_EXISTS"),
        ("DROP SCHEMA main.erp", "SCHEMA_NOT_EMPTY"),
        ("DROP TABLE main.erp.nope", "TABLE_OR_VIEW_NOT_FOUND"),
        ("ALTER TABLE main.erp.nope ADD COLUMNS (a INT)", "TABLE_OR_VIEW_NOT_FOUND"),
        ("CREATE INDEX i ON main.erp.ap_invoices (id)", "PARSE_SYNTAX_ERROR"),
    ] {
        assert_eq!(class(&sandbox, statement), wanted, "{statement}");
    }
    sandbox.sql("CREATE TABLE IF NOT EXISTS main.erp.ap_invoices (other INT)").unwrap();
    sandbox.sql("DROP TABLE IF EXISTS main.erp.nope").unwrap();
}

#[tokio::test]
async fn the_catalog_is_asked_by_sql() {
    let sandbox = workspace().await;
    sandbox.sql("CREATE SCHEMA IF NOT EXISTS main.etl COMMENT 'Ours'").unwrap();
    sandbox.sql("CREATE VOLUME IF NOT EXISTS main.etl.files").unwrap();
    sandbox.sql("CREATE TABLE main.erp.t AS SELECT 1 AS a, 'x' AS b").unwrap();
    sandbox.sql("CREATE OR REPLACE VIEW main.erp.v AS SELECT a + 1 AS a FROM main.erp.t").unwrap();
    let texts = |query: &str| -> Vec<String> {
        let rows = sandbox.sql(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        rows.texts().iter().map(|row| row.join(",")).collect()
    };
    assert_eq!(texts("SELECT a FROM main.erp.v"), ["2"]);
    assert_eq!(texts("SHOW TABLES IN main.erp"), ["erp,t,false", "erp,v,false"]);
    assert_eq!(texts("SHOW VOLUMES IN main.etl"), ["etl,files"]);
    assert_eq!(texts("SHOW SCHEMAS IN main"), ["default", "erp", "etl"]);
    assert_eq!(texts("DESCRIBE TABLE main.erp.t"), ["a,int,null", "b,string,null"]);
    assert_eq!(
        texts(
            "SELECT column_name, full_data_type, is_nullable FROM main.information_schema.columns WHERE table_name = 't' ORDER BY ordinal_position"
        ),
        ["a,int,YES", "b,string,YES"]
    );
    assert_eq!(texts("SELECT count(*) FROM main.information_schema.tables WHERE table_schema = 'erp'"), ["2"]);
    assert!(texts("SHOW GRANTS ON TABLE main.erp.t").iter().any(|grant| grant.contains("SELECT,TABLE,main.erp.t")));
}

#[tokio::test]
async fn the_catalog_is_asked_by_rest() {
    let sandbox = workspace().await;
    sandbox.sql("CREATE TABLE main.erp.t (id BIGINT NOT NULL, amt DECIMAL(18,4) COMMENT 'Money') COMMENT 'T'").unwrap();
    let caller = Caller::new(&sandbox);
    let base = "/api/2.1/unity-catalog";
    let table = caller.get(&format!("{base}/tables/main.erp.t")).ok();
    assert_eq!(
        (&table["full_name"], &table["comment"], &table["table_type"]),
        (&json!("main.erp.t"), &json!("T"), &json!("MANAGED"))
    );
    let column = &table["columns"][1];
    assert_eq!(
        (
            &column["type_name"],
            &column["type_text"],
            &column["type_precision"],
            &column["type_scale"],
            &column["comment"]
        ),
        (&json!("DECIMAL"), &json!("decimal(18,4)"), &json!(18), &json!(4), &json!("Money"))
    );
    assert_eq!(table["columns"][0]["nullable"], false);
    assert_eq!(caller.get(&format!("{base}/tables/main.erp.x")).refused(), (404, "TABLE_DOES_NOT_EXIST".into()));
    assert_eq!(caller.get(&format!("{base}/tables/main.x.t")).refused(), (404, "SCHEMA_DOES_NOT_EXIST".into()));
    assert_eq!(caller.get(&format!("{base}/tables/main.erp.x/exists")).ok(), json!({"table_exists": false}));
    assert_eq!(caller.get(&format!("{base}/schemas/main.x")).refused(), (404, "SCHEMA_DOES_NOT_EXIST".into()));
    assert_eq!(caller.get(&format!("{base}/catalogs/x")).refused(), (404, "CATALOG_DOES_NOT_EXIST".into()));
    let new = json!({"name": "etl", "catalog_name": "main", "comment": "Ours"});
    assert_eq!(caller.post(&format!("{base}/schemas"), &new).ok()["full_name"], "main.etl");
    assert_eq!(caller.post(&format!("{base}/schemas"), &new).refused(), (409, "SCHEMA_ALREADY_EXISTS".into()));
    let new = json!({"name": "v", "catalog_name": "main", "schema_name": "etl", "volume_type": "MANAGED"});
    assert_eq!(caller.post(&format!("{base}/volumes"), &new).ok()["full_name"], "main.etl.v");
    assert_eq!(caller.get(&format!("{base}/volumes/main.etl.v")).ok()["volume_type"], "MANAGED");
    assert_eq!(
        caller.get(&format!("{base}/permissions/table/main.erp.t")).ok()["privilege_assignments"][0]["privileges"],
        json!(["SELECT", "MODIFY"])
    );
}
