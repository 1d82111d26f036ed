//! Three of PostgreSQL's types in their binary form.

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::copy::{EPOCH_DAYS, EPOCH_MICROS};

type Read<T> = Result<T, Box<dyn std::error::Error + Sync + Send>>;
type Sent = Result<IsNull, Box<dyn std::error::Error + Sync + Send>>;

/// 16 bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Uuid(pub [u8; 16]);

impl ToSql for Uuid {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Sent {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::UUID
    }

    to_sql_checked!();
}

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timestamp(pub i64);

impl ToSql for Timestamp {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Sent {
        out.put_i64(self.0.saturating_sub(EPOCH_MICROS));
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TIMESTAMPTZ
    }

    to_sql_checked!();
}

impl FromSql<'_> for Timestamp {
    fn from_sql(_: &Type, raw: &[u8]) -> Read<Self> {
        // The infinite ones are the ends of an i64, and stay there.
        Ok(Self(i64::from_be_bytes(raw.try_into()?).saturating_add(EPOCH_MICROS)))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TIMESTAMPTZ
    }
}

/// Days since 1970-01-01.
#[derive(Debug, Clone, Copy)]
pub(super) struct Date(pub i32);

impl FromSql<'_> for Date {
    fn from_sql(_: &Type, raw: &[u8]) -> Read<Self> {
        Ok(Self(i32::from_be_bytes(raw.try_into()?).saturating_add(EPOCH_DAYS)))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::DATE
    }
}
