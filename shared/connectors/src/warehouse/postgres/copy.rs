//! Encodes rows as PostgreSQL's binary COPY stream.
//!
//! All numbers are big-endian. A stream is a signature, flags and an extension length; then each row is its number of
//! fields as 16 bits and each field its length as 32 bits (-1 for NULL) and its bytes; 16 bits of -1 end it. Every value
//! must have exactly the binary form of its column's type, because nothing is converted.

use bytes::{BufMut, Bytes, BytesMut};
use engine::model::decimal::Decimal;
use engine::model::value::Value;

use super::super::incoming::Row;

/// Signature, flags, length of the header's extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// 2000-01-01, PostgreSQL's first day, in days since 1970-01-01.
pub(super) const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
pub(super) const EPOCH_MICROS: i64 = 86_400_000_000 * EPOCH_DAYS as i64;
/// How much is gathered before it is sent.
const CHUNK_BYTES: usize = 64 << 10;
/// Room for the chunk and the row that overshoots it.
const BUFFER_BYTES: usize = 160 << 10;

/// Gathers encoded rows. The buffer is used again once what was taken from it has been sent.
#[derive(Debug)]
pub(super) struct Encoder {
    bytes: BytesMut,
    /// The row being encoded. A plain vector is much cheaper to append a few bytes to.
    row: Vec<u8>,
}

impl Encoder {
    /// Begins a stream.
    pub fn new() -> Self {
        let mut bytes = BytesMut::with_capacity(BUFFER_BYTES);
        bytes.put_slice(HEADER);
        Self { bytes, row: Vec::new() }
    }

    /// Appends a row: the cells of the table's columns, then `STAGED_META`.
    pub fn row(&mut self, row: &Row<'_, '_>) {
        let bytes = &mut self.row;
        bytes.clear();
        // A table has at most 1600 columns.
        bytes.extend_from_slice(&((row.cells.len() + 5) as i16).to_be_bytes());
        for cell in row.cells {
            put(bytes, cell);
        }
        put_bytes(bytes, row.key.as_bytes());
        match row.stamp {
            Some(micros) => put_timestamp(bytes, micros),
            None => bytes.extend_from_slice(&NULL),
        }
        put_bytes(bytes, &row.hash.to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 0, 1, u8::from(row.deleted)]);
        put_4(bytes, row.seq);
        self.bytes.put_slice(bytes);
    }

    /// Takes what was gathered, once it is enough to be sent.
    pub fn chunk(&mut self) -> Option<Bytes> {
        if self.bytes.len() < CHUNK_BYTES {
            return None;
        }
        let chunk = self.bytes.split().freeze();
        if self.bytes.capacity() < CHUNK_BYTES {
            self.bytes.reserve(BUFFER_BYTES);
        }
        Some(chunk)
    }

    /// Ends the stream and takes the rest.
    pub fn finish(mut self) -> Bytes {
        self.bytes.put_i16(-1);
        self.bytes.freeze()
    }
}

/// The length of a value that is not there.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();

#[inline]
fn put(bytes: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Null => bytes.extend_from_slice(&NULL),
        Value::Bool(b) => bytes.extend_from_slice(&[0, 0, 0, 1, u8::from(*b)]),
        Value::Integer(i) => put_8(bytes, *i),
        Value::Decimal(decimal) => put_numeric(bytes, *decimal),
        Value::Date(days) => put_4(bytes, days.saturating_sub(EPOCH_DAYS)),
        Value::Timestamp(micros) => put_timestamp(bytes, *micros),
        Value::Text(text) | Value::Json(text) | Value::Number(text) => put_bytes(bytes, text.as_bytes()),
        Value::Hash(hash) => put_bytes(bytes, &hash.to_be_bytes()),
    }
}

fn put_bytes(bytes: &mut Vec<u8>, value: &[u8]) {
    // A block of rows is at most 256 MiB, so a length always fits.
    bytes.extend_from_slice(&(value.len() as i32).to_be_bytes());
    bytes.extend_from_slice(value);
}

fn put_4(bytes: &mut Vec<u8>, value: i32) {
    let mut field = [0, 0, 0, 4, 0, 0, 0, 0];
    field[4..].copy_from_slice(&value.to_be_bytes());
    bytes.extend_from_slice(&field);
}

fn put_8(bytes: &mut Vec<u8>, value: i64) {
    let mut field = [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    field[4..].copy_from_slice(&value.to_be_bytes());
    bytes.extend_from_slice(&field);
}

fn put_timestamp(bytes: &mut Vec<u8>, micros: i64) {
    put_8(bytes, micros.saturating_sub(EPOCH_MICROS));
}

/// `numeric`: number of base-10000 digits, weight of the first of them, sign, digits behind the decimal point, then the
/// digits. They are counted from the decimal point, so its fraction is filled up to a multiple of four.
fn put_numeric(bytes: &mut Vec<u8>, decimal: Decimal) {
    let scale = u32::from(decimal.scale());
    let fraction_groups = scale.div_ceil(4);
    let padding = 10_u64.pow(fraction_groups * 4 - scale);
    // 39 digits of an i128 and up to three zeros make at most 11 groups, lowest first.
    let mut groups = [0_u16; 11];
    let mut used = 0;
    let mut push = |group: u64| {
        groups[used] = group as u16;
        used += 1;
    };
    let units = decimal.units().unsigned_abs();
    match u64::try_from(units).ok().and_then(|u| u.checked_mul(padding)) {
        Some(mut rest) => {
            while rest > 0 {
                push(rest % 10_000);
                rest /= 10_000;
            }
        }
        None => {
            // The lowest group takes the padding; above it the digits are aligned.
            let lowest = u128::from(10_000 / padding);
            push((units % lowest) as u64 * padding);
            let mut rest = units / lowest;
            while rest > 0 {
                push((rest % 10_000) as u64);
                rest /= 10_000;
            }
        }
    }
    // Zeros at the low end are not sent: the scale implies them.
    let zeros = groups[..used].iter().take_while(|group| **group == 0).count();
    let weight = if zeros == used { 0 } else { used as i16 - fraction_groups as i16 - 1 };
    let count = used - zeros;
    let sign: u16 = if decimal.units() < 0 { 0x4000 } else { 0 };
    let mut field = [0_u8; 12 + 2 * 11];
    field[..4].copy_from_slice(&(8 + 2 * count as i32).to_be_bytes());
    field[4..6].copy_from_slice(&(count as i16).to_be_bytes());
    field[6..8].copy_from_slice(&weight.to_be_bytes());
    field[8..10].copy_from_slice(&sign.to_be_bytes());
    field[10..12].copy_from_slice(&(scale as u16).to_be_bytes());
    for (to, group) in field[12..].chunks_exact_mut(2).zip(groups[zeros..used].iter().rev()) {
        to.copy_from_slice(&group.to_be_bytes());
    }
    bytes.extend_from_slice(&field[..12 + 2 * count]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: Value<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes, &value);
        bytes
    }

    /// Digits, weight, sign and scale of an encoded numeric.
    fn numeric(text: &str) -> (Vec<u16>, i16, u16, u16) {
        let bytes = encoded(Value::Decimal(Decimal::parse(text).unwrap()));
        let at = |i: usize| u16::from_be_bytes([bytes[i], bytes[i + 1]]);
        let count = usize::from(at(4));
        assert_eq!(bytes[..4], (8 + 2 * count as i32).to_be_bytes());
        assert_eq!(bytes.len(), 12 + 2 * count);
        ((0..count).map(|i| at(12 + 2 * i)).collect(), at(6).cast_signed(), at(8), at(10))
    }

    #[test]
    fn every_type_has_its_binary_form() {
        assert_eq!(encoded(Value::Null), [0xff, 0xff, 0xff, 0xff]);
        assert_eq!(encoded(Value::Bool(true)), [0, 0, 0, 1, 1]);
        assert_eq!(encoded(Value::Integer(-2)), [0, 0, 0, 8, 255, 255, 255, 255, 255, 255, 255, 254]);
        assert_eq!(encoded(Value::text("né")), [0, 0, 0, 3, b'n', 0xc3, 0xa9]);
        assert_eq!(encoded(Value::Json("{}".into())), [0, 0, 0, 2, b'{', b'}']);
        // 2000-01-01 and the day before.
        assert_eq!(encoded(Value::Date(10_957)), [0, 0, 0, 4, 0, 0, 0, 0]);
        assert_eq!(encoded(Value::Date(10_956)), [0, 0, 0, 4, 255, 255, 255, 255]);
        // 2000-01-01T00:00:00.000001Z.
        assert_eq!(encoded(Value::Timestamp(946_684_800_000_001)), [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(encoded(Value::Hash(1))[..5], [0, 0, 0, 16, 0]);
    }

    #[test]
    fn numerics_are_groups_of_four_digits_around_the_point() {
        assert_eq!(numeric("0"), (vec![], 0, 0, 0));
        assert_eq!(numeric("0.00"), (vec![], 0, 0, 2));
        assert_eq!(numeric("1"), (vec![1], 0, 0, 0));
        assert_eq!(numeric("-1250.75"), (vec![1250, 7500], 0, 0x4000, 2));
        assert_eq!(numeric("10000"), (vec![1], 1, 0, 0));
        assert_eq!(numeric("120000000"), (vec![1, 2000], 2, 0, 0));
        assert_eq!(numeric("0.0001"), (vec![1], -1, 0, 4));
        assert_eq!(numeric("0.00001"), (vec![1000], -2, 0, 5));
        assert_eq!(numeric("-0.000000000000000000000000000000000001"), (vec![1], -9, 0x4000, 36));
        assert_eq!(numeric("12345.6789"), (vec![1, 2345, 6789], 1, 0, 4));
    }

    #[test]
    fn thirty_eight_digits_are_sent_whole_at_every_scale() {
        let nines = vec![9999_u16; 9];
        assert_eq!(numeric(&"9".repeat(38)), ([vec![99], nines.clone()].concat(), 9, 0, 0));
        let text = format!("0.{}", "9".repeat(38));
        assert_eq!(numeric(&text), ([nines.clone(), vec![9900]].concat(), -1, 0, 38));
        let text = format!("-{}.{}", "9".repeat(37), "9");
        assert_eq!(numeric(&text), ([vec![9], nines, vec![9000]].concat(), 9, 0x4000, 1));
        let text = format!("{}.{}", "1".repeat(20), "2".repeat(18));
        let digits = vec![1111, 1111, 1111, 1111, 1111, 2222, 2222, 2222, 2222, 2200];
        assert_eq!(numeric(&text), (digits, 4, 0, 18));
    }

    #[test]
    fn a_stream_is_header_rows_and_trailer() {
        let mut encoder = Encoder::new();
        let cells = [Value::Integer(7), Value::Null];
        encoder.row(&Row { key: "7", stamp: None, hash: 5, deleted: true, seq: 3, cells: &cells });
        assert!(encoder.chunk().is_none());
        let mut expected = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
        expected.extend([0, 7]);
        expected.extend([0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7]);
        expected.extend([255, 255, 255, 255]);
        expected.extend([0, 0, 0, 1, b'7']);
        expected.extend([255, 255, 255, 255]);
        expected.extend([0, 0, 0, 16]);
        expected.extend(5_u128.to_be_bytes());
        expected.extend([0, 0, 0, 1, 1]);
        expected.extend([0, 0, 0, 4, 0, 0, 0, 3]);
        expected.extend([255, 255]);
        assert_eq!(encoder.finish().to_vec(), expected);
    }
}
