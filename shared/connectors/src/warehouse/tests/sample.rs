//! Tables and batches for tests.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use engine::model::audit::Outcome;
use engine::model::batch::{MappedBatch, Version, meta};
use engine::model::decimal::Decimal;
use engine::model::id::{BatchId, RunId, SyncId};
use engine::model::rows::RowsWriter;
use engine::model::table::{TableColumn, TableSpec};
use engine::model::value::Value;
use engine::ports::Written;

pub(crate) fn column(name: &str, kind: &str) -> TableColumn {
    TableColumn {
        name: name.into(),
        kind: kind.parse().unwrap(),
        nullable: true,
        description: format!("What `{name}` means; it's a 'test'."),
    }
}

/// A table keyed by `id`, with one column of each type.
pub(crate) fn table(name: &str) -> TableSpec {
    TableSpec {
        name: name.into(),
        description: "Invoices of suppliers.".into(),
        columns: vec![
            column("company", "text"),
            column("id", "text(40)"),
            column("name", "text(60)"),
            column("lines", "integer"),
            column("amount", "decimal(15,2)"),
            column("exact", "decimal(38,10)"),
            column("is_open", "boolean"),
            column("due", "date"),
            column("paid_at", "timestamp"),
            column("extra", "json"),
        ],
        key: vec![1],
        company: Some(0),
        source_system: "jde".into(),
    }
}

/// A row before it is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub cells: Vec<Value<'static>>,
    pub stamp: Option<i64>,
    pub deleted: bool,
}

/// A row of [`table`].
pub(crate) fn row(id: &str, name: &str, amount: &str) -> Sample {
    Sample {
        cells: vec![
            text("00001"),
            text(id),
            text(name),
            Value::Integer(3),
            decimal(amount, 2),
            decimal("0.5", 10),
            Value::Bool(true),
            Value::Date(20_000),
            Value::Timestamp(1_700_000_000_123_456),
            Value::Json(Cow::Borrowed(r#"{"a": [1, 2.50]}"#)),
        ],
        stamp: Some(1_700_000_000_000_000),
        deleted: false,
    }
}

pub(crate) fn text(text: &str) -> Value<'static> {
    Value::Text(Cow::Owned(text.to_owned()))
}

pub(crate) fn decimal(text: &str, scale: u8) -> Value<'static> {
    Value::Decimal(Decimal::parse(text).unwrap().with_scale(scale).unwrap())
}

impl Sample {
    pub fn deleted(mut self) -> Self {
        self.deleted = true;
        self
    }

    pub fn stamped(mut self, stamp: Option<i64>) -> Self {
        self.stamp = stamp;
        self
    }

    pub fn with(mut self, column: usize, value: Value<'static>) -> Self {
        self.cells[column] = value;
        self
    }

    /// The hash that the mapping would give it.
    pub fn hash(&self) -> u128 {
        let text: Vec<String> = self.cells.iter().map(|cell| format!("{cell:?}")).collect();
        xxhash_rust::xxh3::xxh3_128(text.join("\n").as_bytes())
    }
}

pub(crate) fn sync() -> SyncId {
    "acme/jde-looker/ap_invoices".parse().unwrap()
}

pub(crate) fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

/// A batch of these rows; `epoch` is the version and, with `run`, the batch's identity.
pub(crate) fn batch(table: &TableSpec, run: &str, version: i64, rows: &[Sample]) -> MappedBatch {
    let columns: Vec<&str> = meta::COLUMNS.into_iter().chain(table.columns.iter().map(|c| c.name.as_str())).collect();
    let mut writer = RowsWriter::new(&columns);
    for (i, row) in rows.iter().enumerate() {
        let key: Vec<_> = table.key.iter().map(|k| row.cells[*k].to_text().into_owned()).collect();
        let key = engine::model::id::RecordKey::join(key.iter().map(String::as_str));
        let mut cells = vec![
            text(key.as_str()),
            row.stamp.map_or(Value::Null, Value::Timestamp),
            Value::Hash(row.hash()),
            Value::Bool(row.deleted),
            // Rows that were rejected on the way leave gaps.
            Value::Integer(i64::try_from(i).unwrap() * 2 + 1),
        ];
        cells.extend(row.cells.iter().cloned());
        writer.push(&cells);
    }
    MappedBatch {
        id: BatchId { run: RunId::new(run), seq: 0 },
        part: 0,
        sync: sync(),
        version: Version(version),
        mapping: 1,
        touch: false,
        at: at(),
        rows: writer.into_rows().unwrap(),
    }
}

pub(crate) fn outcomes(written: &[Written]) -> Vec<Outcome> {
    written.iter().map(|w| w.outcome).collect()
}
