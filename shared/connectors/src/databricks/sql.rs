//! The text of statements: names, literals, types, tables, and what is asked of them. What applies rows is in
//! [`super::merge`].
//!
//! Invariant: nothing from outside stands in the text of a statement but names in backquotes and literals made here; values
//! and lists of keys are parameters.

use engine::model::id::RecordKey;
use engine::model::table::{ColumnType, TableSpec};
use engine::{Error, Result};

use super::settings::DatabricksSettings;
use super::statements::Parameter;
use crate::warehouse::meta;
use crate::warehouse::present::{declared, key_parts};
use crate::warehouse::schema::{Dialect, Fit, Step};
use engine::model::value::Value;

/// The number of the batch in its run, in landed rows.
pub(super) const BATCH: &str = "_batch";
/// Whether an unchanged record gets the version of the landed row.
pub(super) const TOUCH: &str = "_touch";
/// Which of the rows of one key a row is, while they are applied.
pub(super) const PLACE: &str = "_place";

/// What follows the table's own columns in a landed row, with its type.
pub(super) const LANDED: [(&str, &str); 11] = [
    (meta::SOURCE_ID, "STRING"),
    (meta::SOURCE_UPDATED_AT, "TIMESTAMP"),
    (meta::ROW_HASH, "STRING"),
    (meta::IS_DELETED, "BOOLEAN"),
    (meta::BATCH_ID, "STRING"),
    (meta::SEQ, "BIGINT"),
    (meta::VERSION, "BIGINT"),
    (meta::MAPPING, "INT"),
    (meta::LOADED_AT, "TIMESTAMP"),
    (BATCH, "INT"),
    (TOUCH, "BOOLEAN"),
];

/// An identifier in backquotes.
pub(crate) fn name(identifier: &str) -> String {
    format!("`{}`", identifier.replace('`', "``"))
}

/// A text literal: Databricks reads backslashes in them.
pub(super) fn literal(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars().filter(|c| *c != '\0') {
        if matches!(c, '\'' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('\'');
    quoted
}

/// Bytes as hexadecimal digits, which is how ids and hashes are kept.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where everything of a table is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The table, qualified and quoted.
    pub(super) table: String,
    /// The ledger of loaded batches, qualified and quoted.
    pub(super) ledger: String,
    /// The table of everything that came, qualified and quoted, where there is one.
    pub(super) raw: Option<String>,
    /// The name under which the ledger knows the table.
    pub(super) entity: String,
}

impl Place {
    /// Where a table is by these settings.
    pub(super) fn of(settings: &DatabricksSettings, table: &TableSpec) -> Self {
        let qualified =
            |schema: &str, table: &str| format!("{}.{}.{}", name(&settings.catalog), name(schema), name(table));
        let raw = settings.raw.as_ref().map(|raw| {
            qualified(raw.schema.as_deref().unwrap_or(&settings.schema), &format!("{}{}", table.name, raw.suffix))
        });
        Self {
            table: qualified(&settings.schema, &table.name),
            ledger: qualified(settings.ledger_schema(), LEDGER),
            raw,
            entity: format!("{}.{}", settings.schema, table.name),
        }
    }
}

/// The name of the ledger.
pub(super) const LEDGER: &str = "load_batches";

/// The type of a column, as SQL writes it.
pub(super) fn type_of(kind: ColumnType) -> String {
    match kind {
        // Its length is checked before it is sent. JSON stays text: every reader of tables knows that.
        ColumnType::Text { .. } | ColumnType::Json => "STRING".to_owned(),
        ColumnType::Integer => "BIGINT".to_owned(),
        ColumnType::Decimal { precision, scale } => format!("DECIMAL({precision},{scale})"),
        ColumnType::Boolean => "BOOLEAN".to_owned(),
        ColumnType::Date => "DATE".to_owned(),
        ColumnType::Timestamp => "TIMESTAMP".to_owned(),
    }
}

/// The type of a metadata column.
fn meta_type_of(column: &str) -> &'static str {
    match column {
        meta::SOURCE_UPDATED_AT | meta::FIRST_LOADED_AT | meta::LOADED_AT => "timestamp",
        meta::IS_DELETED => "boolean",
        meta::SEQ | meta::VERSION => "bigint",
        meta::MAPPING => "int",
        _ => "string",
    }
}

/// Types as Unity Catalog names them.
#[derive(Debug)]
pub(super) struct Delta<'a>(pub &'a str);

impl Dialect for Delta<'_> {
    fn column_type(&self, kind: ColumnType) -> String {
        type_of(kind).to_ascii_lowercase()
    }

    fn meta_type(&self, column: &str) -> &'static str {
        meta_type_of(column)
    }

    fn fit(&self, there: &str, wanted: ColumnType) -> Fit {
        if there == self.column_type(wanted) {
            return Fit::Holds;
        }
        let (kind, numbers) = arguments(there);
        match (wanted, kind) {
            (ColumnType::Text { max: Some(max) }, "varchar" | "char")
                if numbers[0].is_some_and(|there| max <= there) =>
            {
                Fit::Holds
            }
            (ColumnType::Text { .. }, "varchar" | "char") => Fit::Rewrites,
            (ColumnType::Integer, "tinyint" | "smallint" | "int") => Fit::Widens,
            (ColumnType::Integer, "decimal") => match numbers {
                [Some(precision), Some(scale)] if precision.saturating_sub(scale) >= 19 => Fit::Holds,
                _ => Fit::Differs,
            },
            (ColumnType::Decimal { precision, scale }, "decimal") => {
                let [Some(p), Some(s)] = numbers else { return Fit::Differs };
                let (precision, scale) = (u32::from(precision), u32::from(scale));
                let whole = |precision: u32, scale: u32| precision.saturating_sub(scale);
                if s >= scale && whole(p, s) >= whole(precision, scale) {
                    Fit::Holds
                } else if s <= scale && whole(p, s) <= whole(precision, scale) {
                    // Delta widens a decimal where neither side of the point gets shorter.
                    Fit::Widens
                } else {
                    Fit::Rewrites
                }
            }
            (ColumnType::Decimal { precision, scale }, "tinyint" | "smallint" | "int" | "bigint") => {
                let needed = if kind == "bigint" { 20 } else { 10 };
                match u32::from(precision.saturating_sub(scale)) >= needed {
                    true => Fit::Widens,
                    false => Fit::Rewrites,
                }
            }
            _ => Fit::Differs,
        }
    }

    fn change_type(&self, _: &TableSpec, column: &str, kind: &str) -> String {
        format!("ALTER TABLE {} ALTER COLUMN {} TYPE {kind}", self.0, name(column))
    }
}

/// `decimal(15,2)` as its name and its numbers.
fn arguments(kind: &str) -> (&str, [Option<u32>; 2]) {
    let Some((kind, rest)) = kind.split_once('(') else {
        return (kind, [None, None]);
    };
    let mut numbers = rest.trim_end_matches(')').split(',').map(|n| n.trim().parse().ok());
    (kind, [numbers.next().flatten(), numbers.next().flatten()])
}

/// The property by which a table says what its key is, where its primary key cannot be seen.
pub(super) const KEY_PROPERTY: &str = "ml_connector.key";

/// The statements that make a table what is wanted.
pub(super) fn steps(table: &TableSpec, place: &Place, steps: &[Step]) -> Vec<String> {
    let target = &place.table;
    let mut statements = Vec::new();
    let comment = |column: &str| {
        let own = table.column(column).and_then(|i| table.columns.get(i)).map(|c| c.description.as_str());
        literal(own.unwrap_or_else(|| meta::description(column)))
    };
    let added: Vec<String> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Add { column, kind } => {
                Some(format!("{} {} COMMENT {}", name(column), kind.to_ascii_uppercase(), comment(column)))
            }
            Step::Create | Step::Widen { .. } => None,
        })
        .collect();
    if steps.contains(&Step::Create) {
        statements.push(create(table, target));
    }
    if !added.is_empty() {
        statements.push(format!("ALTER TABLE {target} ADD COLUMNS ({})", added.join(", ")));
    }
    let widened: Vec<String> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Widen { column, kind } => {
                Some(format!("ALTER TABLE {target} ALTER COLUMN {} TYPE {}", name(column), kind.to_ascii_uppercase()))
            }
            Step::Create | Step::Add { .. } => None,
        })
        .collect();
    if !widened.is_empty() {
        statements.push(format!("ALTER TABLE {target} SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true')"));
        statements.extend(widened);
    }
    statements
}

/// Creates a table. Beyond the key nothing is NOT NULL: what is required is the mapping's to say and may change. The
/// primary key is for people and for planners; Databricks does not enforce it.
fn create(table: &TableSpec, target: &str) -> String {
    let mut columns: Vec<String> = table
        .columns
        .iter()
        .enumerate()
        .map(|(i, column)| {
            let required = if table.key.contains(&i) { " NOT NULL" } else { "" };
            format!(
                "{} {}{required} COMMENT {}",
                name(&column.name),
                type_of(column.kind),
                literal(&column.description)
            )
        })
        .collect();
    columns.extend(meta::COLUMNS.map(|column| {
        format!("{column} {} COMMENT {}", meta_type_of(column).to_ascii_uppercase(), literal(meta::description(column)))
    }));
    let keys: Vec<&str> = table.key_columns().map(|column| column.name.as_str()).collect();
    let quoted: Vec<String> = keys.iter().map(|key| name(key)).collect();
    format!(
        "CREATE TABLE IF NOT EXISTS {target} ({}, CONSTRAINT {} PRIMARY KEY ({})) USING DELTA COMMENT {} TBLPROPERTIES \
         ('{KEY_PROPERTY}' = {})",
        columns.join(", "),
        name(&format!("{}_key", table.name)),
        quoted.join(", "),
        literal(&table.description),
        literal(&keys.join(",")),
    )
}

/// Creates the ledger.
pub(super) fn create_ledger(ledger: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {ledger} (batch_id STRING NOT NULL COMMENT 'The batch, as the tables name it.', entity \
         STRING NOT NULL COMMENT 'The table it was loaded into.', sync STRING, run_id STRING, seq INT COMMENT 'Number of the \
         batch in its run.', version BIGINT, rows_in BIGINT, inserted BIGINT, updated BIGINT, unchanged BIGINT, superseded \
         BIGINT, deleted BIGINT, started_at TIMESTAMP, finished_at TIMESTAMP) USING DELTA COMMENT 'What was loaded, batch by \
         batch.'"
    )
}

/// Creates the table of everything that came: landed rows as they are.
pub(super) fn create_raw(table: &TableSpec, raw: &str) -> String {
    let own = table
        .columns
        .iter()
        .map(|c| format!("{} {} COMMENT {}", name(&c.name), type_of(c.kind), literal(&c.description)));
    let landed = LANDED.map(|(column, kind)| format!("{column} {kind}"));
    let columns: Vec<String> = own.chain(landed).collect();
    let comment = literal(&format!("Everything that ever came for {}, as it landed.", table.name));
    format!("CREATE TABLE IF NOT EXISTS {raw} ({}) USING DELTA COMMENT {comment}", columns.join(", "))
}

/// Adds columns to the table of everything that came.
pub(super) fn extend_raw(table: &TableSpec, raw: &str, missing: &[&str]) -> String {
    let columns = table.columns.iter().filter(|column| missing.contains(&column.name.as_str()));
    let columns: Vec<String> =
        columns.map(|column| format!("{} {}", name(&column.name), type_of(column.kind))).collect();
    format!("ALTER TABLE {raw} ADD COLUMNS ({})", columns.join(", "))
}

/// Gives a table tags.
pub(super) fn set_tags<'a>(target: &str, tags: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let tags: Vec<String> = tags.map(|(key, value)| format!("{} = {}", literal(key), literal(value))).collect();
    format!("ALTER TABLE {target} SET TAGS ({})", tags.join(", "))
}

/// What a column is selected as, so that its text has one form whatever the session's time zone.
pub(super) fn selected(kind: ColumnType, column: &str) -> String {
    match kind {
        ColumnType::Timestamp => format!("unix_micros(t.{})", name(column)),
        _ => format!("t.{}", name(column)),
    }
}

/// A selected text, in the form in which the mapping made the value.
pub(super) fn present(kind: ColumnType, text: Option<&str>) -> Value<'_> {
    match (kind, text) {
        (_, None) => Value::Null,
        (ColumnType::Timestamp, Some(micros)) => {
            micros.parse().map_or_else(|_| declared(kind, Value::text(micros)), Value::Timestamp)
        }
        (_, Some(text)) => declared(kind, Value::text(text)),
    }
}

/// A list of texts, as the rows of a column `id`, from the parameter of this name.
pub(super) fn listed(parameter: &str) -> String {
    format!("(SELECT explode(from_json(:{parameter}, 'array<string>')) AS id)")
}

/// A list of texts as the value of such a parameter.
///
/// # Errors
/// Stops when it cannot be written, which no list of texts is.
pub(super) fn list(parameter: &str, texts: &[String]) -> Result<Parameter> {
    let json = serde_json::to_string(texts).map_err(|e| Error::stop(format!("a list cannot be written: {e}")))?;
    Ok(Parameter::text(parameter, json))
}

/// Given keys as a relation: their number from 0 as `at`, and the key's columns under their own names.
pub(super) fn given(table: &TableSpec) -> String {
    let members: Vec<String> = (0..table.key.len()).map(|i| format!("k{i}:STRING")).collect();
    let columns: Vec<String> = table
        .key_columns()
        .enumerate()
        .map(|(i, column)| format!("CAST(g.k{i} AS {}) AS {}", type_of(column.kind), name(&column.name)))
        .collect();
    format!(
        "(SELECT g.at AS at, {} FROM (SELECT explode(from_json(:keys, 'array<struct<at:INT,{}>>')) AS g))",
        columns.join(", "),
        members.join(",")
    )
}

/// Keys as the value of that parameter.
///
/// # Errors
/// Stops when one is no key of this table.
pub(super) fn keys(table: &TableSpec, keys: &[RecordKey]) -> Result<Parameter> {
    let mut objects = Vec::with_capacity(keys.len());
    for (at, key) in keys.iter().enumerate() {
        let mut object = serde_json::Map::from_iter([("at".to_owned(), at.into())]);
        object.extend(key_parts(table, key)?.into_iter().enumerate().map(|(i, part)| (format!("k{i}"), part.into())));
        objects.push(serde_json::Value::Object(object));
    }
    Ok(Parameter::text("keys", serde_json::Value::Array(objects).to_string()))
}

/// What tells that two rows have the same key.
pub(super) fn same_key(table: &TableSpec, one: &str, other: &str) -> String {
    let pairs: Vec<String> =
        table.key_columns().map(|column| format!("{one}.{0} = {other}.{0}", name(&column.name))).collect();
    pairs.join(" AND ")
}

/// The columns of the key, of a row.
pub(super) fn key_of(table: &TableSpec, row: &str) -> String {
    let columns: Vec<String> = table.key_columns().map(|column| format!("{row}.{}", name(&column.name))).collect();
    columns.join(", ")
}
