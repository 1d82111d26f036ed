//! MERGE and the other statements that change rows.

use super::{DatabricksSandbox, class, workspace};

async fn invoices() -> DatabricksSandbox {
    let sandbox = workspace().await;
    sandbox.sql("CREATE TABLE main.erp.t (id BIGINT NOT NULL, name STRING, amt DECIMAL(6,2), at TIMESTAMP)").unwrap();
    sandbox
        .sql("INSERT INTO main.erp.t VALUES (1, 'one', 1, NULL), (2, 'two', 2, NULL), (3, 'three', 3, NULL)")
        .unwrap();
    sandbox
}

fn counts(sandbox: &DatabricksSandbox, statement: &str) -> Vec<String> {
    let rows = sandbox.sql(statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
    rows.texts()[0].iter().map(|cell| (*cell).to_owned()).collect()
}

const MERGE: &str = "MERGE INTO main.erp.t AS t USING (SELECT * FROM VALUES (1, 'ONE', 'U'), (2, NULL, 'D'), (4, 'four', 'U') AS v(id, name, op)) AS s \
    ON t.id = s.id WHEN MATCHED AND s.op = 'D' THEN DELETE WHEN MATCHED AND NOT (t.name <=> s.name) THEN UPDATE SET t.name = s.name \
    WHEN NOT MATCHED AND s.op <> 'D' THEN INSERT (id, name, amt) VALUES (s.id, s.name, 0.5)";

#[tokio::test]
async fn a_merge_changes_what_its_clauses_take_and_nothing_the_second_time() {
    let sandbox = invoices().await;
    let names = sandbox.sql(MERGE).unwrap().names;
    assert_eq!(names, ["num_affected_rows", "num_updated_rows", "num_deleted_rows", "num_inserted_rows"]);
    assert_eq!(
        sandbox.sql("SELECT id, name, amt FROM main.erp.t ORDER BY id").unwrap().texts(),
        [["1", "ONE", "1.00"], ["3", "three", "3.00"], ["4", "four", "0.50"]]
    );
    let version = sandbox.version("main.erp.t");
    assert_eq!(counts(&sandbox, MERGE), ["0", "0", "0", "0"]);
    assert_eq!(sandbox.version("main.erp.t"), version, "nothing changed, so there is no new version");
    let by_source = "MERGE INTO main.erp.t t USING (SELECT 1 AS id) s ON t.id = s.id WHEN NOT MATCHED BY SOURCE AND t.id > 3 THEN DELETE \
        WHEN NOT MATCHED BY SOURCE THEN UPDATE SET name = 'gone'";
    assert_eq!(counts(&sandbox, by_source), ["2", "1", "1", "0"]);
}

#[tokio::test]
async fn two_source_rows_for_one_target_row_are_refused() {
    let sandbox = invoices().await;
    let twice = |clauses: &str| {
        format!(
            "MERGE INTO main.erp.t t USING (SELECT * FROM VALUES (1, 'x'), (1, 'y') AS v(id, name)) s ON t.id = s.id {clauses}"
        )
    };
    let update = twice("WHEN MATCHED THEN UPDATE SET name = s.name");
    assert_eq!(class(&sandbox, &update), "DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE");
    assert_eq!(
        counts(&sandbox, &twice("WHEN MATCHED AND s.name = 'y' THEN UPDATE SET name = s.name")),
        ["1", "1", "0", "0"]
    );
    assert_eq!(counts(&sandbox, &twice("WHEN MATCHED THEN DELETE")), ["1", "0", "1", "0"]);
    assert_eq!(
        counts(&sandbox, &twice("WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)")),
        ["2", "0", "0", "2"]
    );
}

#[tokio::test]
async fn a_statement_that_fails_changes_nothing() {
    let sandbox = invoices().await;
    let before = sandbox.rows("main.erp.t").unwrap();
    let version = sandbox.version("main.erp.t");
    for (statement, wanted) in [
        ("INSERT INTO main.erp.t (id, amt) VALUES (8, 1), (9, 10000)", "CAST_OVERFLOW_IN_TABLE_INSERT"),
        ("UPDATE main.erp.t SET amt = 12345.678", "DELTA_CAST_OVERFLOW_IN_TABLE_WRITE"),
        ("INSERT INTO main.erp.t (name) VALUES ('no id')", "DELTA_NOT_NULL_CONSTRAINT_VIOLATED"),
        ("INSERT INTO main.erp.t VALUES (1, 'x')", "DELTA_INSERT_COLUMN_ARITY_MISMATCH"),
        ("INSERT INTO main.erp.t (id, nope) VALUES (1, 'x')", "UNRESOLVED_COLUMN.WITH_SUGGESTION"),
        ("INSERT INTO main.erp.t (id) VALUES ('abc')", "CAST_INVALID_INPUT"),
        ("INSERT INTO main.erp.t (id, at) VALUES (1, true)", "DELTA_FAILED_TO_MERGE_FIELDS"),
        (
            "MERGE INTO main.erp.t t USING (SELECT 1 AS id) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET *",
            "DELTA_MERGE_UNRESOLVED_EXPRESSION",
        ),
        (
            "MERGE INTO main.erp.nope t USING (SELECT 1 AS id) s ON t.id = s.id WHEN MATCHED THEN DELETE",
            "TABLE_OR_VIEW_NOT_FOUND",
        ),
        (
            "MERGE INTO main.erp.t t USING (SELECT 1 AS id) s ON t.id = s.id WHEN MATCHED THEN DELETE WHEN MATCHED THEN DELETE",
            "NON_LAST_MATCHED_CLAUSE_OMIT_CONDITION",
        ),
        (
            "MERGE WITH SCHEMA EVOLUTION INTO main.erp.t t USING (SELECT 1 AS id, 'x' AS extra, 99999 AS amt) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET *",
            "DELTA_CAST_OVERFLOW_IN_TABLE_WRITE",
        ),
    ] {
        assert_eq!(class(&sandbox, statement), wanted, "{statement}");
    }
    assert_eq!(sandbox.rows("main.erp.t").unwrap(), before);
    assert_eq!(sandbox.version("main.erp.t"), version);
}

#[tokio::test]
async fn a_merge_may_bring_new_columns() {
    let sandbox = invoices().await;
    let merge = "MERGE WITH SCHEMA EVOLUTION INTO main.erp.t t USING (SELECT 2 AS id, 'zwei' AS name, 'x' AS extra UNION ALL SELECT 5, 'fünf', 'y') s \
        ON t.id = s.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *";
    assert_eq!(counts(&sandbox, merge), ["2", "1", "0", "1"]);
    assert_eq!(
        sandbox.sql("SELECT id, name, amt, extra FROM main.erp.t WHERE extra IS NOT NULL ORDER BY id").unwrap().texts(),
        [["2", "zwei", "2.00", "x"], ["5", "fünf", "null", "y"]]
    );
}

#[tokio::test]
async fn rows_are_inserted_updated_and_deleted() {
    let sandbox = invoices().await;
    assert_eq!(counts(&sandbox, "INSERT INTO main.erp.t BY NAME SELECT 'n' AS name, 9 AS id"), ["1", "1"]);
    assert_eq!(
        counts(&sandbox, "UPDATE main.erp.t AS t SET name = concat(t.name, '!'), amt = amt * 2 WHERE id IN (1, 2)"),
        ["2"]
    );
    assert_eq!(counts(&sandbox, "DELETE FROM main.erp.t WHERE id = 3 OR name = 'n'"), ["2"]);
    assert_eq!(
        sandbox.sql("SELECT id, name, amt FROM main.erp.t ORDER BY 1").unwrap().texts(),
        [["1", "one!", "2.00"], ["2", "two!", "4.00"]]
    );
    assert_eq!(counts(&sandbox, "INSERT OVERWRITE main.erp.t SELECT 7, 'seven', 7, current_timestamp()"), ["1", "1"]);
    assert_eq!(sandbox.rows("main.erp.t").unwrap().rows.len(), 1);
}
