//! The statements that apply rows: which row wins (as `warehouse::judge` says it), what became of each, the ledger, and what
//! a comparison marks.
//!
//! Each may be repeated: what has been applied wins against nothing a second time, and outcomes are read off the table.

use engine::model::table::TableSpec;

use super::sql::{BATCH, LANDED, PLACE, Place, TOUCH, given, key_of, listed, literal, name, same_key, type_of};
use crate::warehouse::meta;

/// Where the rows that are applied come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source<'a> {
    /// The files of a directory.
    Files(&'a str),
    /// The parameter `:rows`, an array of objects of texts.
    Rows,
}

/// The rows as a relation, with exactly the types of the table.
fn relation(table: &TableSpec, source: Source<'_>) -> String {
    let own = table.columns.iter().map(|column| (column.name.as_str(), type_of(column.kind)));
    let landed = LANDED.map(|(column, kind)| (column, kind.to_owned()));
    let columns: Vec<(&str, String)> = own.chain(landed).collect();
    match source {
        Source::Files(directory) => {
            let schema: Vec<String> = columns.iter().map(|(column, kind)| format!("{} {kind}", name(column))).collect();
            format!(
                "read_files({}, format => 'parquet', schema => {}, schemaEvolutionMode => 'none')",
                literal(directory),
                literal(&schema.join(", "))
            )
        }
        Source::Rows => {
            let members: Vec<String> = (0..columns.len()).map(|i| format!("c{i}:STRING")).collect();
            let cast =
                |(i, (column, kind)): (usize, &(&str, String))| format!("CAST(r.c{i} AS {kind}) AS {}", name(column));
            let casts: Vec<String> = columns.iter().enumerate().map(cast).collect();
            format!(
                "(SELECT {} FROM (SELECT explode(from_json(:rows, 'array<struct<{}>>')) AS r))",
                casts.join(", "),
                members.join(",")
            )
        }
    }
}

/// What tells that a row's content is another.
const CHANGED: &str = "(t._row_hash IS DISTINCT FROM s._row_hash OR t._is_deleted IS DISTINCT FROM s._is_deleted)";

/// What tells that the row that came ranks above the row that is there: by `>` or, with `>=`, also beside it. A row that
/// something else put there has no version and ranks below all.
fn ranks(beside: &str) -> String {
    format!(
        "(s._version > coalesce(t._version, -1) OR (s._version = coalesce(t._version, -1) AND ((t._source_updated_at IS NULL \
         AND s._source_updated_at IS NOT NULL) OR s._source_updated_at > t._source_updated_at OR (s._source_updated_at IS NOT \
         DISTINCT FROM t._source_updated_at AND s._mapping {beside} coalesce(t._mapping, -1)))))"
    )
}

/// Applies rows. Parameters: `:system`, and `:rows` for [`Source::Rows`].
///
/// Of several rows of one key the one that ranks highest is applied. It also touches where another of them asks for that, and
/// where there are others at all: they may differ, and one of them may be replayed some day. An update
/// takes a later time of loading than the first one, also where the clock stood still: so it can be told from an insert.
pub(super) fn merge(table: &TableSpec, place: &Place, source: Source<'_>) -> String {
    let company = table.company.and_then(|i| table.columns.get(i));
    let company = company.map_or("CAST(NULL AS STRING)".to_owned(), |c| format!("CAST(s.{} AS STRING)", name(&c.name)));
    let metadata = [
        (meta::SOURCE_SYSTEM, ":system".to_owned()),
        (meta::SOURCE_COMPANY, company),
        (meta::SOURCE_ID, "s._source_id".to_owned()),
        (meta::SOURCE_UPDATED_AT, "s._source_updated_at".to_owned()),
        (meta::ROW_HASH, "s._row_hash".to_owned()),
        (meta::OP, "CASE WHEN s._is_deleted THEN 'D' ELSE 'U' END".to_owned()),
        (meta::IS_DELETED, "s._is_deleted".to_owned()),
        (meta::BATCH_ID, "s._batch_id".to_owned()),
        (meta::SEQ, "s._seq".to_owned()),
        (meta::VERSION, "s._version".to_owned()),
        (meta::MAPPING, "s._mapping".to_owned()),
    ];
    let own = |i: &usize| table.key.contains(i);
    let content = table.columns.iter().enumerate().filter(|(i, _)| !own(i));
    let mut updates: Vec<String> = content.map(|(_, c)| format!("t.{0} = s.{0}", name(&c.name))).collect();
    updates.extend(metadata.iter().map(|(column, value)| format!("t.{column} = {value}")));
    updates.push(
        "t._loaded_at = CASE WHEN t._first_loaded_at >= s._loaded_at THEN timestamp_micros(unix_micros(t._first_loaded_at) + 1) ELSE s._loaded_at END".to_owned(),
    );
    let mut names: Vec<String> = table.columns.iter().map(|c| name(&c.name)).collect();
    let mut values: Vec<String> = table.columns.iter().map(|c| format!("s.{}", name(&c.name))).collect();
    let times = [meta::FIRST_LOADED_AT, meta::LOADED_AT].map(|column| (column, "s._loaded_at".to_owned()));
    for (column, value) in metadata.into_iter().chain(times) {
        names.push(column.to_owned());
        values.push(value);
    }
    format!(
        "MERGE INTO {target} AS t USING {source} AS s ON {same_key} WHEN MATCHED AND {CHANGED} AND {wins} THEN UPDATE SET \
         {updates} WHEN MATCHED AND s.{TOUCH} AND {newer} THEN UPDATE SET t._version = s._version, t._mapping = s._mapping, \
         t._source_updated_at = s._source_updated_at WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({values})",
        target = place.table,
        source = highest(table, source),
        same_key = same_key(table, "t", "s"),
        wins = ranks(">="),
        newer = format_args!("NOT {CHANGED} AND {}", ranks(">")),
        updates = updates.join(", "),
        names = names.join(", "),
        values = values.join(", "),
    )
}

/// The row of each key that ranks highest among those that came.
fn highest(table: &TableSpec, source: Source<'_>) -> String {
    let own = table.columns.iter().map(|column| format!("r.{}", name(&column.name)));
    let landed = LANDED.iter().filter(|(column, _)| *column != TOUCH).map(|(column, _)| format!("r.{column}"));
    let columns: Vec<String> = own.chain(landed).collect();
    let key = key_of(table, "r");
    format!(
        "(SELECT * FROM (SELECT {}, (max(r.{TOUCH}) OVER (PARTITION BY {key}) OR count(*) OVER (PARTITION BY {key}) > 1) AS \
         {TOUCH}, row_number() OVER (PARTITION BY {key} ORDER BY r._version DESC, r._source_updated_at DESC NULLS LAST, r._mapping DESC, r.{BATCH} DESC, r._seq DESC) \
         AS {PLACE} FROM {} AS r) WHERE {PLACE} = 1)",
        columns.join(", "),
        relation(table, source)
    )
}

/// What became of a row that came, read off the row that is there. As the same words each time: what is there does not
/// change by a repetition.
const OUTCOME: &str = "CASE WHEN t._batch_id = s._batch_id AND t._seq = s._seq THEN CASE WHEN t._is_deleted THEN 'deleted' \
                       WHEN t._first_loaded_at = t._loaded_at THEN 'inserted' ELSE 'updated' END WHEN t._row_hash = \
                       s._row_hash AND t._is_deleted = s._is_deleted THEN 'unchanged' ELSE 'superseded' END";

fn outcomes(table: &TableSpec, place: &Place, source: Source<'_>) -> String {
    format!(
        "SELECT s.{BATCH} AS batch, s._seq AS seq, s._source_id AS id, s._version AS version, s._mapping AS mapping, \
         s._batch_id AS batch_id, s._loaded_at AS at, {OUTCOME} AS outcome FROM {} AS s LEFT JOIN {} AS t ON {}",
        relation(table, source),
        place.table,
        same_key(table, "t", "s")
    )
}

/// Counts outcomes per batch. Columns: batch, batch id, version, the time of loading in microseconds since 1970, outcome,
/// how many, and the longest id in bytes.
pub(super) fn counts(table: &TableSpec, place: &Place, source: Source<'_>) -> String {
    format!(
        "SELECT batch, batch_id, max(version), unix_micros(min(at)), outcome, count(*), max(octet_length(id)) FROM ({}) AS o \
         GROUP BY batch, batch_id, outcome ORDER BY batch, outcome",
        outcomes(table, place, source)
    )
}

/// Lists outcomes of rows behind (`:batch`, `:seq`), at most `limit`. Columns: batch, seq, id, outcome, version, mapping.
pub(super) fn page(table: &TableSpec, place: &Place, source: Source<'_>, every_row: bool, limit: usize) -> String {
    let listed = if every_row { "" } else { " AND outcome <> 'unchanged'" };
    format!(
        "SELECT batch, seq, id, outcome, version, mapping FROM ({}) AS o WHERE (batch > :batch OR (batch = :batch AND seq > \
         :seq)){listed} ORDER BY batch, seq LIMIT {limit}",
        outcomes(table, place, source)
    )
}

/// Copies files into the table of everything that came. Files that it had before are left out by Databricks itself.
pub(super) fn copy_into(raw: &str, directory: &str) -> String {
    format!("COPY INTO {raw} FROM {} FILEFORMAT = PARQUET", literal(directory))
}

/// Writes what became of batches into the ledger. Parameters: `:batches`, `:entity`, `:sync`, `:run`, `:finished`.
pub(super) fn ledger(place: &Place) -> String {
    const COUNTS: [&str; 6] = ["rows_in", "inserted", "updated", "unchanged", "superseded", "deleted"];
    let counted = |row: &str| COUNTS.map(|column| format!("CAST(b.{column} AS BIGINT) AS {column}{row}")).join(", ");
    let set = COUNTS.map(|column| format!("t.{column} = s.{column}")).join(", ");
    format!(
        "MERGE INTO {} AS t USING (SELECT b.batch_id AS batch_id, CAST(b.seq AS INT) AS seq, CAST(b.version AS BIGINT) AS \
         version, timestamp_micros(CAST(b.at AS BIGINT)) AS started_at, {} FROM (SELECT explode(from_json(:batches, \
         'array<struct<batch_id:STRING,seq:STRING,version:STRING,at:STRING,{}>>')) AS b)) AS s ON t.batch_id = s.batch_id AND \
         t.entity = :entity WHEN MATCHED THEN UPDATE SET {set} WHEN NOT MATCHED THEN INSERT (batch_id, entity, sync, run_id, \
         seq, version, {}, started_at, finished_at) VALUES (s.batch_id, :entity, :sync, :run, s.seq, s.version, {}, \
         s.started_at, timestamp_micros(CAST(:finished AS BIGINT)))",
        place.ledger,
        counted(""),
        COUNTS.map(|column| format!("{column}:STRING")).join(","),
        COUNTS.join(", "),
        COUNTS.map(|column| format!("s.{column}")).join(", "),
    )
}

/// The records of a source that a full read did not find. Parameters: `:before`, `:system`, `:held`.
fn stale(place: &Place) -> String {
    format!(
        "{} AS t WHERE NOT t._is_deleted AND t._version < :before AND t._source_system = :system AND NOT EXISTS (SELECT 1 \
         FROM {} AS held WHERE held.id = t._source_id)",
        place.table,
        listed("held")
    )
}

/// Counts them.
pub(super) fn count_stale(place: &Place) -> String {
    format!("SELECT count(*) FROM {}", stale(place))
}

/// What marks a record deleted, besides its version. Parameters: `:before`, `:sweep`, `:at`.
const MARK: &str = "t._is_deleted = true, t._op = 'D', t._version = :before, t._batch_id = :sweep, t._seq = CAST(NULL AS \
                    BIGINT), t._loaded_at = timestamp_micros(CAST(:at AS BIGINT))";

/// Marks them deleted.
pub(super) fn mark_stale(table: &TableSpec, place: &Place) -> String {
    format!(
        "MERGE INTO {} AS t USING (SELECT {} FROM {}) AS s ON {} WHEN MATCHED AND NOT t._is_deleted AND t._version < :before \
         THEN UPDATE SET {MARK}",
        place.table,
        key_of(table, "t"),
        stale(place),
        same_key(table, "t", "s")
    )
}

/// The ids of what a sweep has marked behind `:after`, at most `limit`.
pub(super) fn swept(place: &Place, limit: usize) -> String {
    format!(
        "SELECT t._source_id FROM {} AS t WHERE t._batch_id = :sweep AND t._is_deleted AND t._source_id > :after ORDER BY \
         t._source_id LIMIT {limit}",
        place.table
    )
}

/// Marks the given records deleted that are older. Parameters besides those of [`MARK`]: `:keys`, `:system`.
pub(super) fn mark_given(table: &TableSpec, place: &Place) -> String {
    format!(
        "MERGE INTO {} AS t USING {} AS s ON {} WHEN MATCHED AND NOT t._is_deleted AND t._version < :before AND \
         t._source_system = :system THEN UPDATE SET {MARK}",
        place.table,
        given(table),
        same_key(table, "t", "s")
    )
}

/// The numbers of the given records that a sweep has marked.
pub(super) fn marked_of_given(table: &TableSpec, place: &Place) -> String {
    format!(
        "SELECT s.at FROM {} AS s JOIN {} AS t ON {} WHERE t._batch_id = :sweep AND t._is_deleted ORDER BY s.at",
        given(table),
        place.table,
        same_key(table, "t", "s")
    )
}

/// Forgets the hashes of the given records.
pub(super) fn forget(table: &TableSpec, place: &Place) -> String {
    format!(
        "MERGE INTO {} AS t USING {} AS s ON {} WHEN MATCHED AND t._source_system = :system THEN UPDATE SET t._row_hash = \
         CAST(NULL AS STRING)",
        place.table,
        given(table),
        same_key(table, "t", "s")
    )
}
