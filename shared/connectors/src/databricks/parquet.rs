//! Writes the rows of a batch as one Parquet file, column by column, without a tree of values in between.
//!
//! Types are those of the table, exactly: decimals by their precision as INT32, INT64 or bytes, dates as days, timestamps as
//! microseconds in UTC (Databricks reads no nanoseconds), text as UTF-8. The same batch gives the same bytes.

use std::sync::Arc;

use bytes::Bytes;
use engine::model::batch::MappedBatch;
use engine::model::decimal::Decimal;
use engine::model::table::{ColumnType, TableSpec};
use engine::model::value::Value;
use engine::{Error, Result};
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, TypePtr};

use super::sql::{LANDED, hex};
use crate::warehouse::fits::at_scale;
use crate::warehouse::incoming::Row;
use crate::warehouse::meta;

/// How a column is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Boolean,
    Int32,
    Int64,
    Date,
    Micros,
    Decimal { precision: u8, scale: u8 },
}

impl Kind {
    fn of(kind: ColumnType) -> Self {
        match kind {
            ColumnType::Text { .. } | ColumnType::Json => Self::Text,
            ColumnType::Integer => Self::Int64,
            ColumnType::Decimal { precision, scale } => Self::Decimal { precision, scale },
            ColumnType::Boolean => Self::Boolean,
            ColumnType::Date => Self::Date,
            ColumnType::Timestamp => Self::Micros,
        }
    }

    fn of_landed(kind: &str) -> Self {
        match kind {
            "BOOLEAN" => Self::Boolean,
            "INT" => Self::Int32,
            "BIGINT" => Self::Int64,
            "TIMESTAMP" => Self::Micros,
            _ => Self::Text,
        }
    }

    /// The column in the language of Parquet's schemas.
    fn declaration(self, name: &str) -> String {
        match self {
            Self::Text => format!("OPTIONAL BYTE_ARRAY {name} (STRING);"),
            Self::Boolean => format!("OPTIONAL BOOLEAN {name};"),
            Self::Int32 => format!("OPTIONAL INT32 {name};"),
            Self::Int64 => format!("OPTIONAL INT64 {name};"),
            Self::Date => format!("OPTIONAL INT32 {name} (DATE);"),
            Self::Micros => format!("OPTIONAL INT64 {name} (TIMESTAMP(MICROS,true));"),
            Self::Decimal { precision, scale } => {
                let physical = match precision {
                    ..=9 => "INT32".to_owned(),
                    10..=18 => "INT64".to_owned(),
                    _ => format!("FIXED_LEN_BYTE_ARRAY({})", bytes_of(precision)),
                };
                format!("OPTIONAL {physical} {name} (DECIMAL({precision},{scale}));")
            }
        }
    }

    fn values(self) -> Values {
        match self {
            Self::Text => Values::Text { bytes: Vec::new(), ends: Vec::new() },
            Self::Boolean => Values::Boolean(Vec::new()),
            Self::Int32 | Self::Date | Self::Decimal { precision: ..=9, .. } => Values::Int32(Vec::new()),
            Self::Int64 | Self::Micros | Self::Decimal { precision: ..=18, .. } => Values::Int64(Vec::new()),
            Self::Decimal { precision, .. } => Values::Fixed { bytes: Vec::new(), width: bytes_of(precision) },
        }
    }
}

/// The fewest bytes that hold every number of so many digits, as a two's complement.
fn bytes_of(precision: u8) -> usize {
    let most = 10_u128.saturating_pow(precision.into()) - 1;
    let bits = 128 - most.leading_zeros() as usize + 1;
    bits.div_ceil(8)
}

/// The values of a column that are there.
enum Values {
    Text { bytes: Vec<u8>, ends: Vec<usize> },
    Boolean(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Fixed { bytes: Vec<u8>, width: usize },
}

/// A column that grows row by row.
struct Column {
    kind: Kind,
    values: Values,
    /// 1 where there is a value, 0 where there is none.
    levels: Vec<i16>,
}

impl Column {
    fn new(kind: Kind) -> Self {
        Self { kind, values: kind.values(), levels: Vec::new() }
    }

    fn push(&mut self, value: &Value<'_>) -> Result<()> {
        let fits = match (&mut self.values, self.kind, value) {
            (_, _, Value::Null) => {
                self.levels.push(0);
                return Ok(());
            }
            (Values::Text { bytes, ends }, _, Value::Text(text) | Value::Json(text)) => {
                bytes.extend_from_slice(text.as_bytes());
                ends.push(bytes.len());
                true
            }
            (Values::Boolean(values), _, Value::Bool(value)) => push(values, *value),
            (Values::Int64(values), Kind::Int64, Value::Integer(value)) => push(values, *value),
            (Values::Int32(values), Kind::Int32, Value::Integer(value)) => {
                i32::try_from(*value).is_ok_and(|value| push(values, value))
            }
            (Values::Int32(values), Kind::Date, Value::Date(days)) => push(values, *days),
            (Values::Int64(values), Kind::Micros, Value::Timestamp(micros)) => push(values, *micros),
            (values, Kind::Decimal { precision, scale }, Value::Decimal(decimal)) => {
                at_scale(*decimal, precision, scale).is_some_and(|decimal| push_decimal(values, decimal))
            }
            _ => false,
        };
        self.levels.push(1);
        if fits { Ok(()) } else { Err(Error::stop("a value does not fit the file it is written to: replay its run")) }
    }

    fn write(self, writer: &mut SerializedColumnWriter<'_>) -> Result<usize, ParquetError> {
        let levels = Some(self.levels.as_slice());
        match self.values {
            Values::Boolean(values) => writer.typed::<BoolType>().write_batch(&values, levels, None),
            Values::Int32(values) => writer.typed::<Int32Type>().write_batch(&values, levels, None),
            Values::Int64(values) => writer.typed::<Int64Type>().write_batch(&values, levels, None),
            Values::Text { bytes, ends } => {
                let bytes = Bytes::from(bytes);
                let mut start = 0;
                let value = |end| ByteArray::from(bytes.slice(std::mem::replace(&mut start, end)..end));
                let values: Vec<ByteArray> = ends.into_iter().map(value).collect();
                writer.typed::<ByteArrayType>().write_batch(&values, levels, None)
            }
            Values::Fixed { bytes, width } => {
                let bytes = Bytes::from(bytes);
                let value = |start| FixedLenByteArray::from(ByteArray::from(bytes.slice(start..start + width)));
                let values: Vec<FixedLenByteArray> = (0..bytes.len()).step_by(width).map(value).collect();
                writer.typed::<FixedLenByteArrayType>().write_batch(&values, levels, None)
            }
        }
    }
}

fn push<T>(values: &mut Vec<T>, value: T) -> bool {
    values.push(value);
    true
}

fn push_decimal(values: &mut Values, decimal: Decimal) -> bool {
    let units = decimal.units();
    match values {
        Values::Int32(values) => i32::try_from(units).is_ok_and(|units| push(values, units)),
        Values::Int64(values) => i64::try_from(units).is_ok_and(|units| push(values, units)),
        Values::Fixed { bytes, width } => {
            let all = units.to_be_bytes();
            all.get(all.len() - *width..).is_some_and(|last| {
                bytes.extend_from_slice(last);
                true
            })
        }
        Values::Text { .. } | Values::Boolean(_) => false,
    }
}

/// A file that is being written.
pub(super) struct File<'a> {
    batch: &'a MappedBatch,
    batch_id: String,
    columns: Vec<Column>,
    schema: TypePtr,
    rows: usize,
}

impl<'a> File<'a> {
    /// An empty file for the rows of a batch.
    ///
    /// # Errors
    /// Stops when the table has a column of a name that no file can have, which no checked table has.
    pub(super) fn new(table: &TableSpec, batch: &'a MappedBatch) -> Result<Self> {
        let own = table.columns.iter().map(|column| (column.name.as_str(), Kind::of(column.kind)));
        let landed = LANDED.map(|(name, kind)| (name, Kind::of_landed(kind)));
        let all: Vec<_> = own.chain(landed).collect();
        let text: String = all.iter().map(|(name, kind)| kind.declaration(name)).collect();
        let schema = parse_message_type(&format!("message rows {{ {text} }}")).map_err(failed)?;
        Ok(Self {
            batch,
            batch_id: hex(&batch.id.as_bytes()),
            columns: all.into_iter().map(|(_, kind)| Column::new(kind)).collect(),
            schema: Arc::new(schema),
            rows: 0,
        })
    }

    /// Adds a row that fits.
    ///
    /// # Errors
    /// Stops when a value is of another type than its column.
    pub(super) fn push(&mut self, row: &Row<'_, '_>) -> Result<()> {
        let hash = format!("{:032x}", row.hash);
        let (batch, own) = (self.batch, row.cells.len());
        for (column, value) in self.columns.iter_mut().zip(row.cells) {
            column.push(value)?;
        }
        for (column, (name, _)) in self.columns.iter_mut().skip(own).zip(LANDED) {
            column.push(&match name {
                meta::SOURCE_ID => Value::text(row.key),
                meta::SOURCE_UPDATED_AT => row.stamp.map_or(Value::Null, Value::Timestamp),
                meta::ROW_HASH => Value::text(&hash),
                meta::IS_DELETED => Value::Bool(row.deleted),
                meta::BATCH_ID => Value::text(&self.batch_id),
                meta::SEQ => Value::Integer(row.seq.into()),
                meta::VERSION => Value::Integer(batch.version.0),
                meta::MAPPING => Value::Integer(batch.mapping.into()),
                meta::LOADED_AT => Value::Timestamp(batch.at.timestamp_micros()),
                super::sql::BATCH => Value::Integer(batch.id.seq.into()),
                _ => Value::Bool(batch.touch),
            })?;
        }
        self.rows += 1;
        Ok(())
    }

    /// Whether no row was added.
    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// Stops when they cannot be written.
    pub(super) fn finish(self) -> Result<Bytes> {
        let Self { columns, schema, .. } = self;
        write(columns, schema).map(Bytes::from).map_err(failed)
    }
}

fn write(columns: Vec<Column>, schema: TypePtr) -> Result<Vec<u8>, ParquetError> {
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties()?)?;
    let mut group = writer.next_row_group()?;
    for column in columns {
        let Some(mut to) = group.next_column()? else { break };
        column.write(&mut to)?;
        to.close()?;
    }
    group.close()?;
    writer.flush()?;
    writer.into_inner()
}

fn properties() -> Result<WriterPropertiesPtr, ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_created_by("ml-connector".to_owned())
        .set_statistics_enabled(EnabledStatistics::Chunk);
    // What never comes twice makes no dictionary.
    let unique = [meta::ROW_HASH, meta::SOURCE_ID, meta::SEQ].map(|name| ColumnPath::new(vec![name.to_owned()]));
    let properties =
        unique.into_iter().fold(properties, |properties, path| properties.set_column_dictionary_enabled(path, false));
    Ok(Arc::new(properties.build()))
}

fn failed(error: ParquetError) -> Error {
    Error::stop(format!("a file of rows cannot be written: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_take_the_fewest_bytes_that_hold_their_digits() {
        for (precision, bytes) in [(9, 4), (18, 8), (19, 9), (20, 9), (28, 12), (38, 16)] {
            assert_eq!(bytes_of(precision), bytes, "{precision}");
        }
    }
}
