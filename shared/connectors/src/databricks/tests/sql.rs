//! The text of statements.

use engine::model::table::ColumnType;

use super::fixture::settings;
use crate::databricks::merge::{self, Source};
use crate::databricks::sql::{Delta, Place, literal, name, steps};
use crate::warehouse::schema::{Dialect, Fit, Step};
use crate::warehouse::tests::sample::{column, table};

fn place(table: &engine::model::table::TableSpec) -> Place {
    Place::of(&settings("https://x", serde_json::json!({"ledger_schema": "etl", "raw": {}})), table)
}

fn small() -> engine::model::table::TableSpec {
    let mut table = table("t");
    table.columns = vec![column("company", "text"), column("id", "text(40)"), column("amount", "decimal(15,2)")];
    table
}

#[test]
fn names_and_texts_cannot_end_early() {
    assert_eq!(name("a`b"), "`a``b`");
    assert_eq!(literal(r"it's a \ test"), r"'it\'s a \\ test'");
    let place = place(&small());
    assert_eq!(place.table, "`main`.`erp`.`t`");
    assert_eq!(place.ledger, "`main`.`etl`.`load_batches`");
    assert_eq!(place.raw.as_deref(), Some("`main`.`erp`.`t_raw`"));
}

#[test]
fn the_merge_is_written_as_reviewed() {
    let expected = "MERGE INTO `main`.`erp`.`t` AS t USING (SELECT * FROM (SELECT r.`company`, r.`id`, r.`amount`, r._source_id, \
        r._source_updated_at, r._row_hash, r._is_deleted, r._batch_id, r._seq, r._version, r._mapping, r._loaded_at, r._batch, \
        (max(r._touch) OVER (PARTITION BY r.`id`) OR count(*) OVER (PARTITION BY r.`id`) > 1) AS _touch, row_number() OVER (PARTITION BY r.`id` ORDER BY r._version DESC, \
        r._source_updated_at DESC NULLS LAST, r._mapping DESC, r._batch DESC, r._seq DESC) AS _place FROM \
        read_files('/Volumes/main/erp/landing/t/r1', format => 'parquet', schema => '`company` STRING, `id` STRING, `amount` \
        DECIMAL(15,2), `_source_id` STRING, `_source_updated_at` TIMESTAMP, `_row_hash` STRING, `_is_deleted` BOOLEAN, \
        `_batch_id` STRING, `_seq` BIGINT, `_version` BIGINT, `_mapping` INT, `_loaded_at` TIMESTAMP, `_batch` INT, `_touch` \
        BOOLEAN', schemaEvolutionMode => 'none') AS r) WHERE _place = 1) AS s ON t.`id` = s.`id` WHEN MATCHED AND (t._row_hash IS \
        DISTINCT FROM s._row_hash OR t._is_deleted IS DISTINCT FROM s._is_deleted) AND (s._version > coalesce(t._version, -1) OR \
        (s._version = coalesce(t._version, -1) AND ((t._source_updated_at IS NULL AND s._source_updated_at IS NOT NULL) OR \
        s._source_updated_at > t._source_updated_at OR (s._source_updated_at IS NOT DISTINCT FROM t._source_updated_at AND \
        s._mapping >= coalesce(t._mapping, -1))))) THEN UPDATE SET t.`company` = s.`company`, t.`amount` = s.`amount`, \
        t._source_system = :system, t._source_company = CAST(s.`company` AS STRING), t._source_id = s._source_id, \
        t._source_updated_at = s._source_updated_at, t._row_hash = s._row_hash, t._op = CASE WHEN s._is_deleted THEN 'D' ELSE 'U' \
        END, t._is_deleted = s._is_deleted, t._batch_id = s._batch_id, t._seq = s._seq, t._version = s._version, t._mapping = \
        s._mapping, t._loaded_at = CASE WHEN t._first_loaded_at >= s._loaded_at THEN \
        timestamp_micros(unix_micros(t._first_loaded_at) + 1) ELSE s._loaded_at END WHEN MATCHED AND s._touch AND NOT (t._row_hash IS DISTINCT FROM s._row_hash OR t._is_deleted IS DISTINCT FROM s._is_deleted) AND (s._version \
        > coalesce(t._version, -1) OR (s._version = coalesce(t._version, -1) AND ((t._source_updated_at IS NULL AND \
        s._source_updated_at IS NOT NULL) OR s._source_updated_at > t._source_updated_at OR (s._source_updated_at IS NOT DISTINCT \
        FROM t._source_updated_at AND s._mapping > coalesce(t._mapping, -1))))) THEN UPDATE SET t._version = s._version, t._mapping \
        = s._mapping, t._source_updated_at = s._source_updated_at WHEN NOT MATCHED THEN INSERT (`company`, `id`, `amount`, \
        _source_system, _source_company, _source_id, _source_updated_at, _row_hash, _op, _is_deleted, _batch_id, _seq, _version, \
        _mapping, _first_loaded_at, _loaded_at) VALUES (s.`company`, s.`id`, s.`amount`, :system, CAST(s.`company` AS STRING), \
        s._source_id, s._source_updated_at, s._row_hash, CASE WHEN s._is_deleted THEN 'D' ELSE 'U' END, s._is_deleted, s._batch_id, \
        s._seq, s._version, s._mapping, s._loaded_at, s._loaded_at)";
    let table = small();
    let directory = "/Volumes/main/erp/landing/t/r1";
    assert_eq!(merge::merge(&table, &place(&table), Source::Files(directory)), expected);
    let rows = merge::merge(&table, &place(&table), Source::Rows);
    let from_json = "FROM (SELECT CAST(r.c0 AS STRING) AS `company`, CAST(r.c1 AS STRING) AS `id`, CAST(r.c2 AS DECIMAL(15,2)) AS \
                     `amount`, CAST(r.c3 AS STRING) AS `_source_id`";
    assert!(rows.contains(from_json), "{rows}");
    let raw = merge::copy_into("`main`.`erp`.`t_raw`", directory);
    let copy = "COPY INTO `main`.`erp`.`t_raw` FROM '/Volumes/main/erp/landing/t/r1' FILEFORMAT = PARQUET";
    assert_eq!(raw, copy);
}

#[test]
fn a_table_is_created_with_comments_and_grown_column_by_column() {
    let table = small();
    let create = steps(&table, &place(&table), &[Step::Create]).remove(0);
    for part in [
        "CREATE TABLE IF NOT EXISTS `main`.`erp`.`t` (`company` STRING COMMENT 'What `company` means; it\\'s a \\'test\\'.', `id` \
         STRING NOT NULL COMMENT",
        "_version BIGINT COMMENT 'Which read last saw the record so; a greater one is newer.'",
        "CONSTRAINT `t_key` PRIMARY KEY (`id`)) USING DELTA COMMENT 'Invoices of suppliers.' TBLPROPERTIES ('ml_connector.key' = \
         'id')",
    ] {
        assert!(create.contains(part), "{part}\n{create}");
    }
    let added = Step::Add { column: "amount".to_owned(), kind: "decimal(15,2)".to_owned() };
    let widened = Step::Widen { column: "amount".to_owned(), kind: "decimal(20,2)".to_owned() };
    assert_eq!(
        steps(&table, &place(&table), &[added, widened]),
        [
            "ALTER TABLE `main`.`erp`.`t` ADD COLUMNS (`amount` DECIMAL(15,2) COMMENT 'What `amount` means; it\\'s a \\'test\\'.')",
            "ALTER TABLE `main`.`erp`.`t` SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true')",
            "ALTER TABLE `main`.`erp`.`t` ALTER COLUMN `amount` TYPE DECIMAL(20,2)",
        ]
    );
}

#[test]
fn types_are_widened_only_where_delta_can() {
    let fit = |there: &str, wanted: &str| Delta("t").fit(there, wanted.parse::<ColumnType>().unwrap());
    for (there, wanted, expected) in [
        ("string", "text(40)", Fit::Holds),
        ("string", "json", Fit::Holds),
        ("varchar(40)", "text(40)", Fit::Holds),
        ("varchar(40)", "text", Fit::Rewrites),
        ("int", "integer", Fit::Widens),
        ("decimal(20,0)", "integer", Fit::Holds),
        ("decimal(20,2)", "decimal(15,2)", Fit::Holds),
        ("decimal(15,2)", "decimal(20,2)", Fit::Widens),
        ("decimal(15,2)", "decimal(17,4)", Fit::Widens),
        ("decimal(15,2)", "decimal(15,4)", Fit::Rewrites),
        ("bigint", "decimal(22,2)", Fit::Widens),
        ("bigint", "decimal(15,2)", Fit::Rewrites),
        ("timestamp_ntz", "timestamp", Fit::Differs),
        ("string", "date", Fit::Differs),
        ("double", "decimal(15,2)", Fit::Differs),
    ] {
        assert_eq!(fit(there, wanted), expected, "{there} {wanted}");
    }
}
