//! The statements for one table, built once.

use std::sync::atomic::AtomicBool;

use engine::model::table::{ColumnType, TableSpec};

use super::super::schema::{Dialect, Fit, Step};
use super::super::{literal, meta, quoted, quoted_list};

/// Where ledger and tables live.
#[derive(Debug, Clone)]
pub(super) struct Schemas {
    /// Of the tables.
    pub data: String,
    /// Of the ledger.
    pub ledger: String,
}

impl Schemas {
    /// The table, qualified and quoted.
    pub fn table(&self, name: &str) -> String {
        format!("{}.{}", quoted(&self.data), quoted(name))
    }

    /// The ledger of loaded batches.
    pub fn batches(&self) -> String {
        format!("{}.load_batches", quoted(&self.ledger))
    }

    /// The history of the tables' shapes.
    pub fn versions(&self) -> String {
        format!("{}.schema_versions", quoted(&self.ledger))
    }

    /// The name under which ledger and history know a table.
    pub fn entity(&self, name: &str) -> String {
        format!("{}.{name}", self.data)
    }
}

/// The staging table. It lives in the session's own schema, so one name serves all tables, and it is gone with the
/// transaction, so it works behind a pooler that gives each transaction another session.
const STAGE: &str = "pg_temp.ml_connector_stage";

/// The statements that load one table.
#[derive(Debug)]
pub(super) struct LoadSql {
    /// The table, qualified and quoted.
    pub table: String,
    /// Creates the staging table.
    pub stage: String,
    /// Fills it.
    pub copy: String,
    /// Writes from it: see [`merge`] for parameters and result.
    pub merge: String,
    /// Compares what is staged with what is there: see [`compare`].
    pub compare: String,
    /// Adds the ledger row.
    pub begin_ledger: String,
    /// Completes it.
    pub finish_ledger: String,
    /// Reads it.
    pub read_ledger: String,
    /// The name under which the ledger knows the table.
    pub entity: String,
    /// Whether most rows of the last batch stayed as they were, so that it pays to compare before writing.
    pub mostly_unchanged: AtomicBool,
}

impl LoadSql {
    /// Builds them.
    pub fn new(table: &TableSpec, schemas: &Schemas) -> Self {
        let target = schemas.table(&table.name);
        let batches = schemas.batches();
        let mut columns: Vec<String> = table.columns.iter().map(|c| quoted(&c.name)).collect();
        let mut stage: Vec<String> =
            table.columns.iter().map(|c| format!("{} {}", quoted(&c.name), stage_type(c.kind))).collect();
        for (name, kind) in STAGED_META {
            columns.push(quoted(name));
            stage.push(format!("{} {kind}", quoted(name)));
        }
        Self {
            stage: format!("CREATE TEMPORARY TABLE ml_connector_stage ({}) ON COMMIT DROP", stage.join(", ")),
            copy: format!("COPY {STAGE} ({}) FROM STDIN (FORMAT binary)", columns.join(", ")),
            merge: merge(table, &target),
            compare: compare(table, &target),
            begin_ledger: format!(
                "INSERT INTO {batches} (batch_id, part, sync, run_id, seq, entity, version, started_at) VALUES ($1, $2, $3, \
                 $4, $5, $6, $7, $8) ON CONFLICT (batch_id, part) DO NOTHING"
            ),
            finish_ledger: format!(
                "UPDATE {batches} SET rows_in = $3, inserted = $4, updated = $5, unchanged = $6, superseded = $7, deleted = \
                 $8, rejected = $9, outcomes = $10, rejects = $11::text::jsonb, finished_at = clock_timestamp() WHERE \
                 batch_id = $1 AND part = $2"
            ),
            read_ledger: format!("SELECT outcomes, rejects::text FROM {batches} WHERE batch_id = $1 AND part = $2"),
            entity: schemas.entity(&table.name),
            table: target,
            mostly_unchanged: AtomicBool::new(false),
        }
    }
}

/// Metadata that differs from row to row; everything else is the same for a batch and given as a parameter.
pub(super) const STAGED_META: [(&str, &str); 5] = [
    (meta::SOURCE_ID, "text"),
    (meta::SOURCE_UPDATED_AT, "timestamp with time zone"),
    (meta::ROW_HASH, "bytea"),
    (meta::IS_DELETED, "boolean"),
    (meta::SEQ, "integer"),
];

/// What a staged column is declared as. Without limits, so that a value the table refuses is found by the write, which
/// can be repeated for half of the rows, and not by the COPY, which cannot.
pub(super) fn stage_type(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Text { .. } | ColumnType::Json => "text",
        ColumnType::Integer => "bigint",
        ColumnType::Decimal { .. } => "numeric",
        ColumnType::Boolean => "boolean",
        ColumnType::Date => "date",
        ColumnType::Timestamp => "timestamp with time zone",
    }
}

/// What tells that a row's content is another.
fn changed(there: &str, came: &str) -> String {
    format!(
        "({there}._row_hash IS DISTINCT FROM {came}._row_hash OR {there}._is_deleted IS DISTINCT FROM \
         {came}._is_deleted)"
    )
}

/// What decides which row wins. Rows that something else put there have no version and lose.
fn rank(version: &str, stamp: &str, mapping: &str) -> String {
    format!("(COALESCE({version}, -1), COALESCE({stamp}, '-infinity'), COALESCE({mapping}, -1))")
}

fn rank_of(row: &str) -> String {
    rank(&format!("{row}._version"), &format!("{row}._source_updated_at"), &format!("{row}._mapping"))
}

/// Writes the staged rows whose `_seq` is in `$6`, or all when that is NULL; each only where it wins (see `judge`).
///
/// Parameters: `$1` batch id, `$2` version, `$3` mapping, `$4` time of loading, `$5` touch, `$6` the rows, `$7` source
/// system. Gives one row: the `_seq`s inserted, changed and newly marked deleted as arrays, and how many were written or
/// touched. One row for the whole batch, because a result row per record costs more than the rest.
fn merge(table: &TableSpec, target: &str) -> String {
    let mut names: Vec<String> = table.columns.iter().map(|c| quoted(&c.name)).collect();
    let mut values: Vec<String> = table
        .columns
        .iter()
        .map(|c| format!("s.{}{}", quoted(&c.name), if c.kind == ColumnType::Json { "::jsonb" } else { "" }))
        .collect();
    let company = table.company.and_then(|i| table.columns.get(i));
    let company = company.map_or("NULL".to_owned(), |c| format!("s.{}::text", quoted(&c.name)));
    for (name, value) in [
        (meta::SOURCE_SYSTEM, "$7::text"),
        (meta::SOURCE_COMPANY, company.as_str()),
        (meta::SOURCE_ID, "s._source_id"),
        (meta::SOURCE_UPDATED_AT, "s._source_updated_at"),
        (meta::ROW_HASH, "s._row_hash"),
        (meta::OP, "CASE WHEN s._is_deleted THEN 'D' ELSE 'U' END"),
        (meta::IS_DELETED, "s._is_deleted"),
        (meta::BATCH_ID, "$1::uuid"),
        (meta::SEQ, "s._seq"),
        (meta::VERSION, "$2::bigint"),
        (meta::MAPPING, "$3::integer"),
        (meta::FIRST_LOADED_AT, "$4::timestamptz"),
        (meta::LOADED_AT, "$4::timestamptz"),
    ] {
        names.push(name.to_owned());
        values.push(value.to_owned());
    }
    let is_key = |i: &usize| table.key.contains(i);
    let data = table.columns.iter().enumerate().filter(|(i, _)| !is_key(i)).map(|(_, c)| quoted(&c.name));
    let always = [
        meta::SOURCE_SYSTEM,
        meta::SOURCE_COMPANY,
        meta::SOURCE_ID,
        meta::SOURCE_UPDATED_AT,
        meta::ROW_HASH,
        meta::OP,
        meta::IS_DELETED,
        meta::VERSION,
        meta::MAPPING,
    ];
    let mut assignments: Vec<String> =
        data.chain(always.map(str::to_owned)).map(|name| format!("{name} = excluded.{name}")).collect();
    let changed = changed("t", "excluded");
    // A touched row keeps these: together they lead to the archived row that brought the content.
    for name in [meta::BATCH_ID, meta::SEQ, meta::LOADED_AT] {
        assignments.push(format!("{name} = CASE WHEN {changed} THEN excluded.{name} ELSE t.{name} END"));
    }
    // The sub-select sees the row as it was before this statement; it runs only for rows marked deleted.
    format!(
        "WITH written AS (INSERT INTO {target} AS t ({names}) SELECT {values} FROM {STAGE} AS s WHERE $6::integer[] IS \
         NULL OR s._seq = ANY ($6::integer[]) ON CONFLICT ({key}) DO UPDATE SET {assignments} WHERE {came} >= {there} AND \
         ({changed} OR ($5::boolean AND {came} > {there})) RETURNING t._seq::integer AS seq, t._batch_id = $1::uuid AS \
         changed, CASE WHEN t._is_deleted AND NOT COALESCE((SELECT o._is_deleted FROM {target} AS o WHERE {same_key}), \
         false) THEN 'd' WHEN t.xmax = 0 THEN 'i' ELSE 'u' END AS what) SELECT array_agg(seq) FILTER (WHERE changed AND \
         what = 'i'), array_agg(seq) FILTER (WHERE changed AND what = 'u'), array_agg(seq) FILTER (WHERE changed AND \
         what = 'd'), count(*) FROM written",
        names = names.join(", "),
        values = values.join(", "),
        assignments = assignments.join(", "),
        key = quoted_list(table.key_columns().map(|c| c.name.as_str())),
        came = rank_of("excluded"),
        there = rank_of("t"),
        same_key = same_key(table, "o", "t"),
    )
}

fn same_key(table: &TableSpec, one: &str, other: &str) -> String {
    let pairs: Vec<String> = table.key_columns().map(|c| format!("{one}.{0} = {other}.{0}", quoted(&c.name))).collect();
    pairs.join(" AND ")
}

/// Compares the staged rows with the table without locking anything.
///
/// Parameters: `$1` version, `$2` mapping, `$3` touch. Gives one row of two arrays: the `_seq`s of the rows that lost
/// against what is there, and of those that a [`merge`] would write or touch. The others are there already.
///
/// `LATERAL … LIMIT 1` keeps the planner, which knows nothing of the staging table, from reading the whole table.
fn compare(table: &TableSpec, target: &str) -> String {
    let came = rank("$1::bigint", "s._source_updated_at", "$2::integer");
    format!(
        "WITH compared AS (SELECT s._seq AS seq, o.is_there IS NULL AS is_new, {changed} AS changed, {came} >= {there} AS \
         wins, {came} > {there} AS newer FROM {STAGE} AS s LEFT JOIN LATERAL (SELECT true AS is_there, t._version, \
         t._source_updated_at, t._mapping, t._row_hash, t._is_deleted FROM {target} AS t WHERE {same_key} LIMIT 1) AS o ON \
         true) SELECT array_agg(seq) FILTER (WHERE NOT is_new AND changed AND NOT wins), array_agg(seq) FILTER (WHERE \
         is_new OR (changed AND wins) OR (NOT changed AND newer AND $3::boolean)) FROM compared",
        changed = changed("o", "s"),
        there = rank_of("o"),
        same_key = same_key(table, "t", "s"),
    )
}

/// PostgreSQL's types.
#[derive(Debug)]
pub(super) struct Postgres15<'a>(pub &'a Schemas);

impl Dialect for Postgres15<'_> {
    fn column_type(&self, kind: ColumnType) -> String {
        match kind {
            // Its length is checked before it is sent. A limit here too would have to be lifted when it grows, which a
            // view on the column forbids.
            ColumnType::Text { .. } => "text".to_owned(),
            ColumnType::Integer => "bigint".to_owned(),
            ColumnType::Decimal { precision, scale } => format!("numeric({precision},{scale})"),
            ColumnType::Boolean => "boolean".to_owned(),
            ColumnType::Date => "date".to_owned(),
            ColumnType::Timestamp => "timestamp with time zone".to_owned(),
            ColumnType::Json => "jsonb".to_owned(),
        }
    }

    fn meta_type(&self, column: &str) -> &'static str {
        match column {
            meta::SOURCE_UPDATED_AT | meta::FIRST_LOADED_AT | meta::LOADED_AT => "timestamp with time zone",
            meta::ROW_HASH => "bytea",
            meta::OP => "character(1)",
            meta::IS_DELETED => "boolean",
            meta::BATCH_ID => "uuid",
            meta::SEQ | meta::VERSION => "bigint",
            meta::MAPPING => "integer",
            _ => "text",
        }
    }

    fn fit(&self, there: &str, wanted: ColumnType) -> Fit {
        if there == self.column_type(wanted) {
            return Fit::Holds;
        }
        let (name, arguments) = arguments(there);
        match (wanted, name, arguments) {
            (ColumnType::Text { .. }, "text", _) | (ColumnType::Text { .. }, "character varying", [None, _]) => {
                Fit::Holds
            }
            (ColumnType::Text { max }, "character varying", [Some(there), _]) => match max {
                Some(max) if max <= there => Fit::Holds,
                _ => Fit::Widens,
            },
            (ColumnType::Integer, "smallint" | "integer", _) => Fit::Rewrites,
            (ColumnType::Integer, "numeric", [precision, scale]) => match precision {
                Some(precision) if precision.saturating_sub(scale.unwrap_or(0)) < 19 => Fit::Differs,
                _ => Fit::Holds,
            },
            (ColumnType::Decimal { .. }, "numeric", [None, _]) => Fit::Holds,
            (ColumnType::Decimal { precision, scale }, "numeric", [Some(p), s]) => {
                let (precision, scale, s) = (u32::from(precision), u32::from(scale), s.unwrap_or(0));
                let whole_there = i64::from(p) - i64::from(s);
                if s >= scale && whole_there >= i64::from(precision - scale) {
                    Fit::Holds
                } else if s == scale {
                    Fit::Widens
                } else {
                    Fit::Rewrites
                }
            }
            (ColumnType::Decimal { .. }, "smallint" | "integer" | "bigint", _) => Fit::Rewrites,
            _ => Fit::Differs,
        }
    }

    fn change_type(&self, table: &TableSpec, column: &str, kind: &str) -> String {
        format!("ALTER TABLE {} ALTER COLUMN {} TYPE {kind}", self.0.table(&table.name), quoted(column))
    }
}

/// `numeric(15,2)` as its name and its numbers.
fn arguments(kind: &str) -> (&str, [Option<u32>; 2]) {
    let Some((name, rest)) = kind.split_once('(') else {
        return (kind, [None, None]);
    };
    let mut numbers = rest.trim_end_matches(')').split(',').map(|n| n.trim().parse().ok());
    (name, [numbers.next().flatten(), numbers.next().flatten()])
}

/// The statement of a step.
pub(super) fn step(table: &TableSpec, schemas: &Schemas, step: &Step) -> String {
    let target = schemas.table(&table.name);
    match step {
        Step::Add { column, kind } => {
            format!("ALTER TABLE {target} ADD COLUMN IF NOT EXISTS {} {kind}", quoted(column))
        }
        Step::Widen { column, kind } => format!("ALTER TABLE {target} ALTER COLUMN {} TYPE {kind}", quoted(column)),
        Step::Create => {
            let dialect = Postgres15(schemas);
            let mut columns = Vec::new();
            for (i, column) in table.columns.iter().enumerate() {
                // Beyond the key nothing is NOT NULL: what is required is the mapping's to say and may change, and a
                // deleted record may come with its key alone.
                let required = if table.key.contains(&i) { " NOT NULL" } else { "" };
                columns.push(format!("{} {}{required}", quoted(&column.name), dialect.column_type(column.kind)));
            }
            for name in meta::COLUMNS {
                columns.push(format!("{name} {}", dialect.meta_type(name)));
            }
            let key = quoted_list(table.key_columns().map(|c| c.name.as_str()));
            // Space left in each page lets an update stay on its page and touch no index.
            format!(
                "CREATE TABLE IF NOT EXISTS {target} ({}, PRIMARY KEY ({key})) WITH (fillfactor = 90)",
                columns.join(", ")
            )
        }
    }
}

/// The comments on a table and its columns.
pub(super) fn comments(table: &TableSpec, schemas: &Schemas) -> String {
    let target = schemas.table(&table.name);
    let mut sql = format!("COMMENT ON TABLE {target} IS {};", literal(&table.description));
    let described = table.columns.iter().map(|c| (c.name.as_str(), c.description.as_str()));
    for (name, description) in described.chain(meta::COLUMNS.map(|name| (name, meta::description(name)))) {
        sql.push_str(&format!("COMMENT ON COLUMN {target}.{} IS {};", quoted(name), literal(description)));
    }
    sql
}

/// Creates the ledger's tables.
pub(super) fn ledger(schemas: &Schemas) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {batches} (batch_id uuid NOT NULL, part integer NOT NULL, sync text NOT NULL, run_id \
         text NOT NULL, seq integer NOT NULL, entity text NOT NULL, version bigint NOT NULL, rows_in integer, \
         inserted integer, updated integer, unchanged integer, superseded integer, deleted integer, rejected integer, \
         outcomes bytea, rejects jsonb, started_at timestamptz NOT NULL, finished_at timestamptz, PRIMARY KEY (batch_id, \
         part)) WITH (fillfactor = 70); \
         CREATE TABLE IF NOT EXISTS {versions} (entity text NOT NULL, version integer NOT NULL, fingerprint text NOT \
         NULL, applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (entity, version));",
        batches = schemas.batches(),
        versions = schemas.versions(),
    )
}
