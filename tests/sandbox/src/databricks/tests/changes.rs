//! Versions of a table and what changed between them.

use super::{class, workspace};

#[tokio::test]
async fn changes_are_recorded_from_when_they_are_asked_for() {
    let sandbox = workspace().await;
    sandbox.sql("CREATE TABLE main.erp.v (id INT, name STRING)").unwrap();
    sandbox.sql("INSERT INTO main.erp.v VALUES (1, 'a')").unwrap();
    sandbox.sql("ALTER TABLE main.erp.v SET TBLPROPERTIES (delta.enableChangeDataFeed = true)").unwrap();
    sandbox.sql("INSERT INTO main.erp.v VALUES (2, 'b'), (3, 'c')").unwrap();
    sandbox.sql("UPDATE main.erp.v SET name = upper(name) WHERE id <= 2").unwrap();
    sandbox.sql("ALTER TABLE main.erp.v ADD COLUMNS (more INT)").unwrap();
    sandbox.sql("MERGE INTO main.erp.v t USING (SELECT 3 AS id) s ON t.id = s.id WHEN MATCHED THEN DELETE").unwrap();
    assert_eq!(sandbox.version("main.erp.v"), Some(6));
    let changes = |range: &str| {
        let query = format!(
            "SELECT _commit_version, _change_type, id, name, more FROM table_changes('main.erp.v', {range}) ORDER BY 1, 3, 2"
        );
        let rows = sandbox.sql(&query).unwrap_or_else(|error| panic!("{query}: {error}"));
        rows.texts().iter().map(|row| row.join(",")).collect::<Vec<_>>()
    };
    assert_eq!(
        changes("3, 4"),
        [
            "3,insert,2,b,null",
            "3,insert,3,c,null",
            "4,update_postimage,1,A,null",
            "4,update_preimage,1,a,null",
            "4,update_postimage,2,B,null",
            "4,update_preimage,2,b,null",
        ]
    );
    assert_eq!(changes("5"), ["6,delete,3,c,null"]);
    let refused = |range: &str| class(&sandbox, &format!("SELECT * FROM table_changes('main.erp.v', {range})"));
    assert_eq!(refused("7"), "DELTA_CDC_START_VERSION_AFTER_LATEST");
    assert_eq!(refused("1, 4"), "DELTA_MISSING_CHANGE_DATA");
    assert_eq!(refused("4, 3"), "DELTA_INVALID_CDC_RANGE");
    assert_eq!(class(&sandbox, "SELECT * FROM table_changes('main.erp.nope', 1)"), "TABLE_OR_VIEW_NOT_FOUND");
    sandbox.forget_versions_before("main.erp.v", 5).unwrap();
    assert_eq!(refused("4"), "DELTA_VERSION_NOT_FOUND");
    assert_eq!(changes("5").len(), 1);
}

#[tokio::test]
async fn the_history_tells_what_was_done() {
    let sandbox = workspace().await;
    sandbox.sql("CREATE TABLE main.erp.v (id INT)").unwrap();
    sandbox.sql("INSERT INTO main.erp.v VALUES (1)").unwrap();
    sandbox.sql("DELETE FROM main.erp.v WHERE id = 9").unwrap();
    sandbox.sql("OPTIMIZE main.erp.v").unwrap();
    let history =
        sandbox.sql("SELECT version, operation, userName FROM (DESCRIBE HISTORY main.erp.v) ORDER BY version").unwrap();
    assert_eq!(
        history.texts(),
        [
            ["0", "CREATE TABLE", "somebody@example.com"],
            ["1", "WRITE", "somebody@example.com"],
            ["2", "OPTIMIZE", "somebody@example.com"]
        ]
    );
    let last = sandbox.sql("DESCRIBE HISTORY main.erp.v LIMIT 1").unwrap();
    assert_eq!((last.names[..2].to_vec(), last.rows.len()), (vec!["version".into(), "timestamp".into()], 1));
}
