//! The compact, versioned encoding in which rows travel and are archived.
//!
//! One block holds a header (version, column names) and then row after row, each cell a tag byte and its bytes. It is
//! written by appending and read by borrowing: no value tree is ever built. Source rows and mapped rows use the same
//! encoding; only the values differ (see [`Value`]). Blocks are compressed when they leave the process.

use std::borrow::Cow;

use super::decimal::Decimal;
use super::memory::Memory;
use super::value::Value;
use crate::error::{Error, Result};

/// The first byte of every block. A reader refuses a version it does not know.
const VERSION: u8 = 1;

/// A block never unpacks to more than this; more means that it is not one of ours.
const MAX_BLOCK_BYTES: usize = 256 << 20;

mod tag {
    pub const NULL: u8 = 0;
    pub const FALSE: u8 = 1;
    pub const TRUE: u8 = 2;
    pub const INTEGER: u8 = 3;
    pub const DECIMAL: u8 = 4;
    pub const DATE: u8 = 5;
    pub const TIMESTAMP: u8 = 6;
    pub const TEXT: u8 = 7;
    pub const NUMBER: u8 = 8;
    pub const JSON: u8 = 9;
    pub const HASH: u8 = 10;
    /// A decimal whose units need more than 64 bits.
    pub const WIDE_DECIMAL: u8 = 11;
}

/// Writes a block of rows.
#[derive(Debug, Clone)]
pub struct RowsWriter {
    bytes: Memory,
    columns: usize,
    rows: usize,
    header: usize,
}

impl RowsWriter {
    /// Begins a block with these columns.
    pub fn new<S: AsRef<str>>(columns: &[S]) -> Self {
        let mut bytes = Memory::take();
        bytes.push(VERSION);
        put_length(&mut bytes, columns.len());
        for column in columns {
            put_length(&mut bytes, column.as_ref().len());
            bytes.extend_from_slice(column.as_ref().as_bytes());
        }
        Self { header: bytes.len(), bytes, columns: columns.len(), rows: 0 }
    }

    /// Appends one row; `cells` must be as many as the block has columns.
    pub fn push<'v>(&mut self, cells: impl IntoIterator<Item = &'v Value<'v>>) {
        let mut count = 0;
        for cell in cells {
            put_value(&mut self.bytes, cell);
            count += 1;
        }
        debug_assert_eq!(count, self.columns, "a row has as many cells as the block has columns");
        self.rows += 1;
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether no row was written.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Bytes of the block so far, before compression.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets the rows, keeps the columns and the memory.
    pub fn clear(&mut self) {
        self.bytes.truncate(self.header);
        self.rows = 0;
    }

    /// The block as it stands.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The block, to be kept in memory.
    pub fn into_rows(self) -> Result<Rows> {
        Rows::from_memory(self.bytes)
    }

    /// The block compressed, ready for the archive or a message.
    ///
    /// # Errors
    /// Only when memory for the compressor cannot be had.
    pub fn compress(&self) -> Result<Vec<u8>> {
        Memory::compress(&self.bytes).map_err(|e| Error::later(format!("rows cannot be compressed: {e}")))
    }
}

/// A block of rows, held in memory.
#[derive(Debug, Clone)]
pub struct Rows {
    bytes: Memory,
    columns: Vec<String>,
    start: usize,
}

impl Rows {
    /// Unpacks a compressed block.
    ///
    /// # Errors
    /// Stops when the bytes are not a block of a known version: whoever wrote them is newer, or they are damaged.
    pub fn decompress(bytes: &[u8]) -> Result<Self> {
        let size = zstd::zstd_safe::get_frame_content_size(bytes).ok().flatten().unwrap_or(0);
        let size = usize::try_from(size).ok().filter(|s| *s <= MAX_BLOCK_BYTES).ok_or_else(damaged)?;
        Self::from_memory(Memory::decompress(bytes, size).map_err(|_| damaged())?)
    }

    /// Takes over the bytes of a block.
    ///
    /// # Errors
    /// As [`Rows::decompress`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        Self::from_memory(bytes.into())
    }

    fn from_memory(bytes: Memory) -> Result<Self> {
        let mut reader = Reader { bytes: &bytes, at: 0 };
        match reader.byte()? {
            VERSION => {}
            other => {
                return Err(Error::stop(format!("rows are in version {other} of the encoding, known is {VERSION}")));
            }
        }
        let count = reader.length()?;
        let mut columns = Vec::with_capacity(count.min(1024));
        for _ in 0..count {
            columns.push(reader.text()?.to_owned());
        }
        let start = reader.at;
        Ok(Self { bytes, columns, start })
    }

    /// The names of the columns, in the order of the cells.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The position of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c == name)
    }

    /// Reads the rows from the first to the last.
    pub fn reader(&self) -> RowReader<'_> {
        RowReader { reader: Reader { bytes: &self.bytes, at: self.start }, columns: self.columns.len() }
    }

    /// Counts the rows by walking over them.
    ///
    /// # Errors
    /// Stops when the block is damaged.
    pub fn count(&self) -> Result<usize> {
        let mut reader = self.reader();
        let mut cells = Vec::new();
        let mut count = 0;
        while reader.next_head_into(0, &mut cells)? {
            count += 1;
        }
        Ok(count)
    }

    /// Bytes of the block, unpacked.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The block as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Walks over the rows of a block.
#[derive(Debug)]
pub struct RowReader<'a> {
    reader: Reader<'a>,
    columns: usize,
}

impl<'a> RowReader<'a> {
    /// Reads the next row into `cells` (cleared first) and says whether there was one.
    ///
    /// # Errors
    /// Stops when the block is damaged.
    pub fn next_into(&mut self, cells: &mut Vec<Value<'a>>) -> Result<bool> {
        cells.clear();
        if self.reader.at >= self.reader.bytes.len() {
            return Ok(false);
        }
        for _ in 0..self.columns {
            cells.push(self.reader.value()?);
        }
        Ok(true)
    }

    /// Reads only the first `count` cells of the next row into `cells` (cleared first) and passes over the others.
    ///
    /// # Errors
    /// Stops when the block is damaged.
    pub fn next_head_into(&mut self, count: usize, cells: &mut Vec<Value<'a>>) -> Result<bool> {
        cells.clear();
        if self.reader.at >= self.reader.bytes.len() {
            return Ok(false);
        }
        for column in 0..self.columns {
            if column < count {
                cells.push(self.reader.value()?);
            } else {
                self.reader.skip()?;
            }
        }
        Ok(true)
    }
}

fn damaged() -> Error {
    Error::stop("a block of rows is damaged: replay its run from the source")
}

fn put_length(bytes: &mut Vec<u8>, length: usize) {
    put_varint(bytes, length as u64);
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Small numbers of either sign become small unsigned ones.
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

fn put_value(bytes: &mut Vec<u8>, value: &Value<'_>) {
    let mut put_text = |tag, text: &str| {
        bytes.push(tag);
        put_length(bytes, text.len());
        bytes.extend_from_slice(text.as_bytes());
    };
    match value {
        Value::Text(text) => put_text(tag::TEXT, text),
        Value::Number(text) => put_text(tag::NUMBER, text),
        Value::Json(text) => put_text(tag::JSON, text),
        Value::Null => bytes.push(tag::NULL),
        Value::Bool(false) => bytes.push(tag::FALSE),
        Value::Bool(true) => bytes.push(tag::TRUE),
        Value::Integer(i) => {
            bytes.push(tag::INTEGER);
            put_varint(bytes, zigzag(*i));
        }
        Value::Decimal(d) => match i64::try_from(d.units()) {
            Ok(units) => {
                bytes.extend_from_slice(&[tag::DECIMAL, d.scale()]);
                put_varint(bytes, zigzag(units));
            }
            Err(_) => {
                bytes.extend_from_slice(&[tag::WIDE_DECIMAL, d.scale()]);
                bytes.extend_from_slice(&d.units().to_be_bytes());
            }
        },
        Value::Date(days) => {
            bytes.push(tag::DATE);
            put_varint(bytes, zigzag(i64::from(*days)));
        }
        Value::Timestamp(micros) => {
            bytes.push(tag::TIMESTAMP);
            put_varint(bytes, zigzag(*micros));
        }
        Value::Hash(hash) => {
            bytes.push(tag::HASH);
            bytes.extend_from_slice(&hash.to_be_bytes());
        }
    }
}

#[derive(Debug)]
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8> {
        let byte = *self.bytes.get(self.at).ok_or_else(damaged)?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64> {
        // Nearly every length and small number fits one byte.
        let first = self.byte()?;
        let mut value = u64::from(first & 0x7f);
        if first < 0x80 {
            return Ok(value);
        }
        let mut shift = 7;
        loop {
            let byte = self.byte()?;
            if shift > 63 {
                return Err(damaged());
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
            shift += 7;
        }
    }

    fn length(&mut self) -> Result<usize> {
        usize::try_from(self.varint()?).map_err(|_| damaged())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(length).ok_or_else(damaged)?;
        let taken = self.bytes.get(self.at..end).ok_or_else(damaged)?;
        self.at = end;
        Ok(taken)
    }

    fn text(&mut self) -> Result<&'a str> {
        let length = self.length()?;
        std::str::from_utf8(self.take(length)?).map_err(|_| damaged())
    }

    fn wide(&mut self) -> Result<[u8; 16]> {
        self.take(16)?.try_into().map_err(|_| damaged())
    }

    /// Passes over a cell.
    fn skip(&mut self) -> Result<()> {
        match self.byte()? {
            tag::NULL | tag::FALSE | tag::TRUE => {}
            tag::INTEGER | tag::DATE | tag::TIMESTAMP => _ = self.varint()?,
            tag::DECIMAL => {
                self.byte()?;
                self.varint()?;
            }
            tag::TEXT | tag::NUMBER | tag::JSON => {
                let length = self.length()?;
                self.take(length)?;
            }
            tag::HASH => _ = self.take(16)?,
            tag::WIDE_DECIMAL => _ = self.take(17)?,
            _ => return Err(damaged()),
        }
        Ok(())
    }

    fn value(&mut self) -> Result<Value<'a>> {
        Ok(match self.byte()? {
            tag::NULL => Value::Null,
            tag::FALSE => Value::Bool(false),
            tag::TRUE => Value::Bool(true),
            tag::INTEGER => Value::Integer(unzigzag(self.varint()?)),
            tag::DECIMAL => {
                let scale = self.byte()?;
                Value::Decimal(Decimal::new(i128::from(unzigzag(self.varint()?)), scale))
            }
            tag::WIDE_DECIMAL => {
                let scale = self.byte()?;
                Value::Decimal(Decimal::new(i128::from_be_bytes(self.wide()?), scale))
            }
            tag::DATE => Value::Date(i32::try_from(unzigzag(self.varint()?)).map_err(|_| damaged())?),
            tag::TIMESTAMP => Value::Timestamp(unzigzag(self.varint()?)),
            tag::TEXT => Value::Text(Cow::Borrowed(self.text()?)),
            tag::NUMBER => Value::Number(Cow::Borrowed(self.text()?)),
            tag::JSON => Value::Json(Cow::Borrowed(self.text()?)),
            tag::HASH => Value::Hash(u128::from_be_bytes(self.wide()?)),
            _ => return Err(damaged()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value<'static>> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Integer),
            (any::<i128>(), any::<u8>()).prop_map(|(u, s)| Value::Decimal(Decimal::new(u, s))),
            any::<i32>().prop_map(Value::Date),
            any::<u128>().prop_map(Value::Hash),
            any::<i64>().prop_map(Value::Timestamp),
            ".*".prop_map(|t| Value::Text(t.into())),
            "-?[0-9]{1,30}".prop_map(|t| Value::Number(t.into())),
        ]
    }

    proptest! {
        #[test]
        fn rows_come_out_as_they_went_in(rows in prop::collection::vec(prop::collection::vec(any_value(), 3), 0..20)) {
            let mut writer = RowsWriter::new(&["a", "b", "c"]);
            for row in &rows {
                writer.push(row);
            }
            let block = Rows::decompress(&writer.compress().unwrap()).unwrap();
            let mut reader = block.reader();
            let mut cells = Vec::new();
            for row in &rows {
                prop_assert!(reader.next_into(&mut cells).unwrap());
                prop_assert_eq!(&cells, row);
            }
            prop_assert!(!reader.next_into(&mut cells).unwrap());
            let mut heads = block.reader();
            for row in &rows {
                prop_assert!(heads.next_head_into(1, &mut cells).unwrap());
                prop_assert_eq!(&cells[..], &row[..1]);
            }
            prop_assert!(!heads.next_head_into(1, &mut cells).unwrap());
        }

        #[test]
        fn damaged_blocks_are_errors_and_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(rows) = Rows::from_bytes([vec![VERSION, 2, 1, b'a', 1, b'b'], bytes].concat()) {
                let _counted = rows.count();
            }
        }
    }
}
