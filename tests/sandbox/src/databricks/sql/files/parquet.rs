//! Parquet files, read column by column into the storage.

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{AsBytes, DataType};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;
use rusqlite::Statement;
use rusqlite::types::{Value, ValueRef};
use serde_json::{Map, Value as Json};

use super::{Input, Wanted, type_differs, unreadable, uri};
use crate::databricks::catalog::types::{Field, Type};
use crate::databricks::sql::convert;
use crate::databricks::sql::decimal::Decimal;
use crate::databricks::sql::error::{Result, SqlError};

/// So many rows are held at a time.
const ROWS: usize = 4096;

fn open(input: &Input) -> Result<SerializedFileReader<bytes::Bytes>> {
    SerializedFileReader::new(input.content.clone()).map_err(|error| {
        let message = format!("{} is not a Parquet file: {error}.", uri(&input.path));
        SqlError::new("FAILED_READ_FILE.CANNOT_READ_FILE_FOOTER", "KD001", message)
    })
}

/// The columns of a file with the types that fit them.
pub(super) fn columns(input: &Input) -> Result<Vec<Field>> {
    let reader = open(input)?;
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let columns = schema.columns().iter().map(|column| {
        let ty = natural(column).ok_or_else(|| illegal(column))?;
        Ok(Field { name: column.path().parts().first().cloned().unwrap_or_default(), ty })
    });
    columns.collect()
}

fn illegal(column: &ColumnDescriptor) -> SqlError {
    let message = format!("Illegal Parquet type: {} of column {}.", described(column), column.path());
    SqlError::new("PARQUET_TYPE_ILLEGAL", "42846", message)
}

fn described(column: &ColumnDescriptor) -> String {
    match column.logical_type_ref() {
        Some(logical) => format!("{} ({logical:?})", column.physical_type()),
        None => column.physical_type().to_string(),
    }
}

/// The type that a column has by itself; nothing for one that cannot be read.
fn natural(column: &ColumnDescriptor) -> Option<Type> {
    if column.max_rep_level() > 0 || column.path().parts().len() > 1 {
        return None;
    }
    let decimal = || {
        let precision = u8::try_from(column.type_precision()).ok()?;
        Some(Type::Decimal(precision, u8::try_from(column.type_scale()).ok()?))
    };
    match column.logical_type_ref() {
        Some(LogicalType::Decimal(_)) => return decimal(),
        Some(LogicalType::String | LogicalType::Json | LogicalType::Enum) => return Some(Type::String),
        Some(LogicalType::Date) => return Some(Type::Date),
        Some(LogicalType::Timestamp(timestamp)) => {
            if timestamp.unit == TimeUnit::NANOS {
                return None;
            }
            return Some(if timestamp.is_adjusted_to_u_t_c { Type::Timestamp } else { Type::TimestampNtz });
        }
        Some(LogicalType::Integer(integer)) => {
            return Some(match (integer.bit_width, integer.is_signed) {
                (8, true) => Type::Byte,
                (16, true) | (8, false) => Type::Short,
                (32, true) | (16, false) => Type::Int,
                (64, true) | (32, false) => Type::Long,
                _ => Type::Decimal(20, 0),
            });
        }
        Some(_) => return None,
        None => {}
    }
    match (column.converted_type(), column.physical_type()) {
        (ConvertedType::DECIMAL, _) => decimal(),
        (ConvertedType::UTF8 | ConvertedType::JSON, _) => Some(Type::String),
        (ConvertedType::DATE, _) => Some(Type::Date),
        (ConvertedType::TIMESTAMP_MICROS | ConvertedType::TIMESTAMP_MILLIS, _) => Some(Type::Timestamp),
        (_, Physical::BOOLEAN) => Some(Type::Boolean),
        (_, Physical::INT32) => Some(Type::Int),
        (_, Physical::INT64) => Some(Type::Long),
        (_, Physical::FLOAT) => Some(Type::Float),
        (_, Physical::DOUBLE) => Some(Type::Double),
        (_, Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY) => Some(Type::Binary),
        (_, Physical::INT96) => None,
    }
}

/// Whether a column of one type may be read as another.
fn is_readable(found: &Type, wanted: &Type) -> bool {
    match (found, wanted) {
        (found, wanted) if found == wanted => true,
        (Type::String | Type::Binary, wanted) if wanted.is_text() => true,
        (Type::Byte | Type::Short | Type::Int, Type::Long | Type::Int) => true,
        (Type::Byte | Type::Int, Type::Short) | (Type::Int | Type::Short, Type::Byte) => true,
        (Type::Float, Type::Double) => true,
        (Type::Decimal(p1, s1), Type::Decimal(p2, s2)) => s1 == s2 && p1 <= p2,
        _ => false,
    }
}

/// Where the values of one wanted column come from.
struct Source {
    leaf: usize,
    kind: Kind,
    /// The name under which a value is rescued instead of being the column's.
    rescued: Option<String>,
    place: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Decimal(u8),
    Millis,
    Text,
}

fn kind_of(column: &ColumnDescriptor, ty: &Type) -> Kind {
    let millis = match column.logical_type_ref() {
        Some(LogicalType::Timestamp(timestamp)) => timestamp.unit == TimeUnit::MILLIS,
        _ => column.converted_type() == ConvertedType::TIMESTAMP_MILLIS,
    };
    match ty {
        Type::Decimal(_, scale) => Kind::Decimal(*scale),
        Type::Timestamp | Type::TimestampNtz if millis => Kind::Millis,
        ty if ty.is_text() => Kind::Text,
        _ => Kind::Plain,
    }
}

pub(super) fn load(input: &Input, wanted: &Wanted, place: i64, statement: &mut Statement<'_>) -> Result<()> {
    let reader = open(input)?;
    let descriptor = reader.metadata().file_metadata().schema_descr_ptr();
    let mut sources = Vec::new();
    for (leaf, column) in descriptor.columns().iter().enumerate() {
        let name = column.path().parts().first().cloned().unwrap_or_default();
        let at = wanted.columns.iter().position(|one| one.name.eq_ignore_ascii_case(&name));
        let target = at
            .and_then(|at| wanted.columns.get(at).map(|field| (at, field)))
            .filter(|(at, _)| Some(*at) != wanted.rescued);
        let found = natural(column);
        match (target, found) {
            (Some((place, field)), Some(found)) if is_readable(&found, &field.ty) => {
                sources.push(Source { leaf, kind: kind_of(column, &field.ty), rescued: None, place });
            }
            (Some((_, field)), _) if wanted.rescued.is_none() => {
                return Err(type_differs(input, &name, &field.ty, &described(column)));
            }
            (_, Some(found)) if wanted.rescued.is_some() => {
                sources.push(Source { leaf, kind: kind_of(column, &found), rescued: Some(name), place: 0 });
            }
            _ => {}
        }
    }
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(|error| unreadable(input, error))?;
        load_group(&*group, input, wanted, &sources, place, statement)?;
    }
    Ok(())
}

fn load_group(
    group: &dyn RowGroupReader,
    input: &Input,
    wanted: &Wanted,
    sources: &[Source],
    place: i64,
    statement: &mut Statement<'_>,
) -> Result<()> {
    let mut left = usize::try_from(group.metadata().num_rows()).unwrap_or_default();
    let mut readers = Vec::new();
    for source in sources {
        readers.push(group.get_column_reader(source.leaf).map_err(|error| unreadable(input, error))?);
    }
    let width = wanted.columns.len();
    while left > 0 {
        let rows = left.min(ROWS);
        let mut columns = Vec::new();
        for (source, reader) in sources.iter().zip(&mut readers) {
            columns.push(values(reader, source.kind, rows).map_err(|error| unreadable(input, error))?);
        }
        for row in 0..rows {
            for at in 0..width {
                statement.raw_bind_parameter(at + 1, Value::Null)?;
            }
            let mut rescued = Map::new();
            for (source, values) in sources.iter().zip(&columns) {
                let value = values.get(row).unwrap_or(&Value::Null);
                match &source.rescued {
                    None => statement.raw_bind_parameter(
                        source.place + 1,
                        rusqlite::types::ToSqlOutput::Borrowed(ValueRef::from(value)),
                    )?,
                    Some(_) if *value == Value::Null => {}
                    Some(name) => {
                        rescued.insert(name.clone(), convert::to_json(value));
                    }
                }
            }
            if let (Some(at), false) = (wanted.rescued, rescued.is_empty()) {
                rescued.insert("_file_path".into(), Json::String(uri(&input.path)));
                statement.raw_bind_parameter(at + 1, Json::Object(rescued).to_string())?;
            }
            statement.raw_bind_parameter(width + 1, place)?;
            statement.raw_execute()?;
        }
        left -= rows;
    }
    Ok(())
}

/// The next values of a column, nothing where there is none.
fn values(reader: &mut ColumnReader, kind: Kind, rows: usize) -> parquet::errors::Result<Vec<Value>> {
    match reader {
        ColumnReader::BoolColumnReader(reader) => read(reader, rows, |bit| Value::Integer((*bit).into())),
        ColumnReader::Int32ColumnReader(reader) => read(reader, rows, |number| whole(i64::from(*number), kind)),
        ColumnReader::Int64ColumnReader(reader) => read(reader, rows, |number| whole(*number, kind)),
        ColumnReader::FloatColumnReader(reader) => read(reader, rows, |number| Value::Real(f64::from(*number))),
        ColumnReader::DoubleColumnReader(reader) => read(reader, rows, |number| Value::Real(*number)),
        ColumnReader::ByteArrayColumnReader(reader) => read(reader, rows, |value| of_bytes(value.as_bytes(), kind)),
        ColumnReader::FixedLenByteArrayColumnReader(reader) => {
            read(reader, rows, |value| of_bytes(value.as_bytes(), kind))
        }
        ColumnReader::Int96ColumnReader(_) => Err(parquet::errors::ParquetError::NYI("INT96".into())),
    }
}

fn read<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    value: impl Fn(&T::T) -> Value,
) -> parquet::errors::Result<Vec<Value>> {
    let mut levels = Vec::new();
    let mut found = Vec::new();
    let (records, present, _) = reader.read_records(rows, Some(&mut levels), None, &mut found)?;
    if records < rows {
        return Err(parquet::errors::ParquetError::EOF(format!("{records} of {rows} rows of a column")));
    }
    let mut found = found.iter();
    if levels.is_empty() || present == rows {
        return Ok(found.map(value).collect());
    }
    Ok(levels
        .iter()
        .map(|level| if *level > 0 { found.next().map_or(Value::Null, &value) } else { Value::Null })
        .collect())
}

fn whole(number: i64, kind: Kind) -> Value {
    match kind {
        Kind::Decimal(scale) => Value::Text(Decimal { units: number.into(), scale }.to_string()),
        Kind::Millis => Value::Integer(number.saturating_mul(1000)),
        _ => Value::Integer(number),
    }
}

fn of_bytes(bytes: &[u8], kind: Kind) -> Value {
    match kind {
        Kind::Decimal(scale) => Value::Text(Decimal { units: big_endian(bytes), scale }.to_string()),
        Kind::Text => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        _ => Value::Blob(bytes.to_vec()),
    }
}

/// A whole number in two's complement, the highest byte first.
fn big_endian(bytes: &[u8]) -> i128 {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut number: i128 = if negative { -1 } else { 0 };
    for byte in bytes {
        number = (number << 8) | i128::from(*byte);
    }
    number
}
