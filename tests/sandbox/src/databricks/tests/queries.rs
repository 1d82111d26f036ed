//! Expressions and queries.

use super::{class, value, workspace};

#[tokio::test]
async fn decimals_are_exact_and_have_types() {
    let sandbox = workspace().await;
    sandbox.sql("CREATE TABLE main.erp.t (id INT, amt DECIMAL(18,4), big DECIMAL(38,2))").unwrap();
    let rows = [
        vec![Some("1"), Some("0.1"), Some("999999999999999999999999999999999999.99")],
        vec![Some("2"), Some("-10.2345"), Some("-0.01")],
        vec![Some("3"), None, None],
    ];
    sandbox.seed("main.erp.t", &rows).unwrap();
    let sums =
        sandbox.sql("SELECT sum(amt), sum(big), max(amt), min(amt), avg(amt), count(amt) FROM main.erp.t").unwrap();
    assert_eq!(
        sums.texts(),
        [["-10.1345", "999999999999999999999999999999999999.98", "0.1000", "-10.2345", "-5.06725000", "2"]]
    );
    assert_eq!(sums.types[..2], ["DECIMAL(28,4)", "DECIMAL(38,2)"]);
    assert_eq!(sandbox.rows("main.erp.t").unwrap().texts()[0][1], "0.1000");
    let order = sandbox.sql("SELECT id FROM main.erp.t WHERE amt < 1 ORDER BY amt DESC").unwrap();
    assert_eq!(order.texts(), [["1"], ["2"]]);
    let product = sandbox.sql("SELECT 1.50 * 2, 10.00 / 3, 7 / 2, CAST('12.345' AS DECIMAL(10,2)), -1.5").unwrap();
    assert_eq!(product.texts(), [["3.00", "3.333333", "3.5", "12.35", "-1.5"]]);
    assert_eq!(class(&sandbox, "SELECT CAST('1000.00' AS DECIMAL(5,2))"), "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION");
    assert_eq!(class(&sandbox, "SELECT CAST('12x' AS INT)"), "CAST_INVALID_INPUT");
    assert_eq!(class(&sandbox, "SELECT CAST(3000000000 AS INT)"), "CAST_OVERFLOW");
    assert_eq!(class(&sandbox, "SELECT 2147483647 + 1"), "ARITHMETIC_OVERFLOW");
    assert_eq!(class(&sandbox, "SELECT 1 / 0"), "DIVIDE_BY_ZERO");
    assert_eq!(value(&sandbox, "SELECT try_cast('12x' AS INT) IS NULL"), "true");
}

#[tokio::test]
async fn values_of_all_types_are_shown_as_the_service_shows_them() {
    let sandbox = workspace().await;
    let shown = sandbox
        .sql(
            "SELECT true, CAST(7 AS BIGINT), DATE'2026-11-21', TIMESTAMP'2026-11-21 09:30:00', \
             CAST('2026-11-21 09:30:00.123456' AS TIMESTAMP_NTZ), X'00ff', 1.5D, CAST(NULL AS STRING), 'it\\'s'",
        )
        .or_else(|_| {
            sandbox.sql(
                "SELECT true, CAST(7 AS BIGINT), DATE'2026-11-21', TIMESTAMP'2026-11-21 09:30:00', \
                 CAST('2026-11-21 09:30:00.123456' AS TIMESTAMP_NTZ), X'00ff', CAST(1.5 AS DOUBLE), CAST(NULL AS STRING), 'it\\'s'",
            )
        })
        .unwrap();
    assert_eq!(
        shown.texts(),
        [[
            "true",
            "7",
            "2026-11-21",
            "2026-11-21T09:30:00.000Z",
            "2026-11-21T09:30:00.123456",
            "00FF",
            "1.5",
            "null",
            "it's"
        ]]
    );
    assert_eq!(
        shown.types,
        ["BOOLEAN", "BIGINT", "DATE", "TIMESTAMP", "TIMESTAMP_NTZ", "BINARY", "DOUBLE", "STRING", "STRING"]
    );
    let functions = [
        ("coalesce(NULL, 'a')", "a"),
        ("concat('a', 1, DATE'2026-01-02')", "a12026-01-02"),
        ("concat_ws('|', 'a', NULL, 'b')", "a|b"),
        ("md5('a')", "0cc175b9c0f1b6a831c399e269772661"),
        ("sha2('a', 256)", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
        ("hex(unhex('00ff'))", "00FF"),
        ("date_format(TIMESTAMP'2026-11-21 09:30:05', 'yyyy-MM-dd HH:mm:ss')", "2026-11-21 09:30:05"),
        ("date_trunc('month', TIMESTAMP'2026-11-21 09:30:05')", "2026-11-01T00:00:00.000Z"),
        ("DATE'2026-11-21' + INTERVAL 11 DAYS", "2026-12-02"),
        ("date_add(DATE'2026-11-21', -21)", "2026-10-31"),
        ("datediff(DATE'2026-11-21', DATE'2026-11-01')", "20"),
        ("substr('Databricks', -3)", "cks"),
        ("lpad('7', 3, '0')", "007"),
        ("split('a,b', ',')[1]", "b"),
        ("upper(trim('  é '))", "É"),
        ("if(1 <=> NULL, 'x', 'y')", "y"),
        ("CASE WHEN NULL THEN 1 ELSE 2 END", "2"),
        ("greatest(1, 2.50, NULL)", "2.50"),
        ("(1, 'b') > (1, 'a')", "true"),
        ("'Invoice' LIKE 'in%'", "false"),
        ("round(2.345, 2)", "2.35"),
        ("try_divide(1, 0) IS NULL", "true"),
        ("unix_micros(TIMESTAMP'1970-01-01 00:00:01')", "1000000"),
        (
            "to_json(named_struct('a', 1, 'b', 'x', 'c', CAST(1.10 AS DECIMAL(5,2))))",
            "{\"a\":1,\"b\":\"x\",\"c\":1.10}",
        ),
    ];
    for (expression, wanted) in functions {
        assert_eq!(value(&sandbox, &format!("SELECT {expression}")), wanted, "{expression}");
    }
}

#[tokio::test]
async fn names_and_grouping_are_held_to() {
    let sandbox = workspace().await;
    sandbox.sql("CREATE TABLE main.erp.t (id INT, `Group` STRING, amt DECIMAL(10,2))").unwrap();
    sandbox.sql("INSERT INTO main.erp.t VALUES (1, 'a', 1), (2, 'a', 2.5), (3, 'b', NULL)").unwrap();
    let wrong = [
        ("SELECT nope FROM main.erp.t", "UNRESOLVED_COLUMN.WITH_SUGGESTION"),
        ("SELECT * FROM main.erp.nope", "TABLE_OR_VIEW_NOT_FOUND"),
        ("SELECT * FROM main.nope.t", "TABLE_OR_VIEW_NOT_FOUND"),
        ("SELECT id FROM main.erp.t AS a JOIN main.erp.t AS b ON a.id = b.id", "AMBIGUOUS_REFERENCE"),
        ("SELECT id, count(*) FROM main.erp.t GROUP BY `Group`", "MISSING_AGGREGATION"),
        ("SELECT nothing(1)", "UNRESOLVED_ROUTINE"),
        ("SELEC 1", "PARSE_SYNTAX_ERROR"),
        ("SELECT 1; SELECT 2", "PARSE_SYNTAX_ERROR"),
        ("SELECT 'it''s'", "PARSE_SYNTAX_ERROR"),
        ("SELECT 1 WHERE id", "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION"),
        ("SELECT CAST(1 AS DATE)", "DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION"),
        ("SELECT :a", "UNBOUND_SQL_PARAMETER"),
        ("SELECT row_number() OVER (PARTITION BY id) FROM main.erp.t", "_LEGACY_ERROR_TEMP_1037"),
        ("SELECT 1 UNION ALL SELECT 1, 2", "NUM_COLUMNS_MISMATCH"),
    ];
    for (query, wanted) in wrong {
        assert_eq!(class(&sandbox, query), wanted, "{query}");
    }
    let groups = sandbox
        .sql("SELECT `group`, count(*) AS n, sum(amt) AS total, count_if(amt > 1) FROM main.erp.T GROUP BY ALL HAVING n > 0 ORDER BY n DESC")
        .unwrap();
    assert_eq!(groups.texts(), [["a", "2", "3.50", "1"], ["b", "1", "null", "0"]]);
    assert_eq!(groups.names, ["group", "n", "total", "count_if(amt > 1)"]);
}

#[tokio::test]
async fn queries_are_put_together() {
    let sandbox = workspace().await;
    sandbox.sql("CREATE TABLE main.erp.t (k STRING, v INT)").unwrap();
    sandbox.sql("INSERT INTO main.erp.t VALUES ('a', 1), ('a', 3), ('b', 2)").unwrap();
    let texts = |query: &str| -> Vec<String> {
        let rows = sandbox.sql(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        rows.texts().iter().map(|row| row.join(",")).collect()
    };
    assert_eq!(
        texts(
            "SELECT * EXCEPT (_rn) FROM (SELECT *, row_number() OVER (PARTITION BY k ORDER BY v DESC) AS _rn FROM main.erp.t) WHERE _rn = 1 ORDER BY k"
        ),
        ["a,3", "b,2"]
    );
    assert_eq!(
        texts("SELECT k, v FROM main.erp.t QUALIFY row_number() OVER (PARTITION BY k ORDER BY v) = 1 ORDER BY v DESC"),
        ["b,2", "a,1"]
    );
    assert_eq!(
        texts(
            "WITH m AS (SELECT k, max(v) AS m FROM main.erp.t GROUP BY k) SELECT t.k, t.v, m.m FROM main.erp.t t JOIN m USING (k) ORDER BY 1, 2"
        ),
        ["a,1,3", "a,3,3", "b,2,2"]
    );
    assert_eq!(
        texts(
            "SELECT k FROM main.erp.t AS t WHERE EXISTS (SELECT 1 FROM main.erp.t AS o WHERE o.k = t.k AND o.v > t.v)"
        ),
        ["a"]
    );
    assert_eq!(texts("SELECT v FROM main.erp.t t LEFT ANTI JOIN (SELECT 'a' AS k) x ON t.k = x.k"), ["2"]);
    assert_eq!(texts("SELECT 1 AS a UNION ALL SELECT 2.5 ORDER BY a DESC LIMIT 1"), ["2.5"]);
    assert_eq!(texts("SELECT a.x, a.y FROM VALUES (1, 'p'), (2, NULL) AS a(x, y) WHERE y IS NULL"), ["2,null"]);
    assert_eq!(
        texts(
            "SELECT r.id, r.amt, r.tags[0] FROM (SELECT explode(from_json('[{\"id\": 1, \"amt\": \"1.5\", \"tags\": [\"x\"]}, {\"id\": 2}]', \
             'array<struct<id: bigint, amt: decimal(10,2), tags: array<string>>>')) AS r)"
        ),
        ["1,1.50,x", "2,null,null"]
    );
    assert_eq!(
        texts("SELECT inline(from_json('[{\"a\": 1, \"b\": \"z\"}]', 'array<struct<a: int, b: string>>'))"),
        ["1,z"]
    );
    assert_eq!(texts("SELECT max_by(k, v), collect_list(v) FROM main.erp.t"), ["a,[1,3,2]"]);
}
