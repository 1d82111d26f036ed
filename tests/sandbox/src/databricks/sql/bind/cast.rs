//! Types of expressions that meet: what they have in common, and how one becomes the other.

use super::{Binder, Typed, quoted};
use crate::databricks::catalog::types::{Field, Type};
use crate::databricks::sql::convert::is_castable;
use crate::databricks::sql::error::{Result, SqlError};

/// How a cast is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Cast {
    Strict,
    Try,
}

/// The type that holds the values of both; nothing where there is none.
pub(in super::super) fn common(a: &Type, b: &Type) -> Option<Type> {
    if a == b {
        return Some(a.clone());
    }
    let found = match (a, b) {
        (Type::Null, other) | (other, Type::Null) => other.clone(),
        (a, b) if a.is_text() && b.is_text() => Type::String,
        (a, b) if a.is_whole() && b.is_whole() => wider(a, b),
        (a, b) if a.is_float() && b.is_number() || b.is_float() && a.is_number() => match (a, b) {
            (Type::Float, Type::Byte | Type::Short) | (Type::Byte | Type::Short, Type::Float) => Type::Float,
            _ => Type::Double,
        },
        (text, other) | (other, text) if text.is_text() => match other {
            other if other.is_whole() => Type::Long,
            Type::Decimal(..) | Type::Float | Type::Double => Type::Double,
            Type::Boolean | Type::Date | Type::Timestamp | Type::TimestampNtz | Type::Binary => other.clone(),
            _ => return None,
        },
        (Type::Date, other) | (other, Type::Date) if other.is_moment() => other.clone(),
        (a, b) if a.is_moment() && b.is_moment() => Type::Timestamp,
        (Type::Array(a), Type::Array(b)) => Type::Array(Box::new(common(a, b)?)),
        (Type::Struct(a), Type::Struct(b)) if a.len() == b.len() => {
            let fields = a.iter().zip(b).map(|(a, b)| Some(Field { name: a.name.clone(), ty: common(&a.ty, &b.ty)? }));
            Type::Struct(fields.collect::<Option<_>>()?)
        }
        (a, b) => {
            let ((p1, s1), (p2, s2)) = (a.as_decimal()?, b.as_decimal()?);
            let (whole, scale) = ((p1 - s1).max(p2 - s2), s1.max(s2));
            Type::Decimal(whole.saturating_add(scale).min(38), scale)
        }
    };
    Some(found)
}

fn wider(a: &Type, b: &Type) -> Type {
    let rank = |ty: &Type| match ty {
        Type::Byte => 0,
        Type::Short => 1,
        Type::Int => 2,
        _ => 3,
    };
    if rank(a) >= rank(b) { a.clone() } else { b.clone() }
}

/// Whether every value of one type is, as the storage keeps it, a value of the other.
fn is_kept(from: &Type, to: &Type) -> bool {
    match (from, to) {
        (from, to) if from == to => true,
        (Type::Null, _) => true,
        (from, Type::String) if from.is_text() => true,
        (Type::Char(from), Type::Varchar(to) | Type::Char(to)) | (Type::Varchar(from), Type::Varchar(to)) => from <= to,
        (from, to) if from.is_whole() && to.is_whole() => wider(from, to) == *to,
        (Type::Decimal(p1, s1), Type::Decimal(p2, s2)) => s1 == s2 && p1 <= p2,
        (Type::Float, Type::Double) => true,
        (from, to) if from.is_moment() && to.is_moment() => true,
        _ => false,
    }
}

impl Binder<'_> {
    /// The expression as one of another type.
    pub(in super::super) fn cast(&self, value: Typed, to: &Type, how: Cast) -> Result<Typed> {
        if is_kept(&value.ty, to) {
            return Ok(Typed::new(value.sql, to.clone()));
        }
        if !is_castable(&value.ty, to) {
            let message = format!(
                "Cannot resolve \"CAST({} AS {to})\" due to data type mismatch: cannot cast \"{}\" to \"{to}\".",
                "…", value.ty
            );
            return Err(SqlError::new("DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION", "42K09", message));
        }
        let name = if how == Cast::Try { "try_cast_as" } else { "cast_as" };
        let sql = format!("{name}({}, {}, {})", value.sql, type_text(&value.ty), type_text(to));
        Ok(Typed::new(sql, to.clone()))
    }

    /// The expression as a value of a column; `how` is `insert` or `write`, which have different words for overflow.
    pub(in super::super) fn store(&self, value: Typed, to: &Type, column: &str, how: &str) -> Result<String> {
        if is_kept(&value.ty, to) {
            return Ok(value.sql);
        }
        if !is_castable(&value.ty, to) {
            let message = format!(
                "Failed to merge fields '{column}' and '{column}': incompatible data types \"{to}\" and \"{}\".",
                value.ty
            );
            return Err(SqlError::new("DELTA_FAILED_TO_MERGE_FIELDS", "22005", message));
        }
        let (from, to) = (type_text(&value.ty), type_text(to));
        Ok(format!("store_as({}, {from}, {to}, {}, {})", value.sql, quoted(column), quoted(how)))
    }

    /// All of them as one type.
    pub(in super::super) fn unified(&self, values: Vec<Typed>, what: &str) -> Result<(Vec<Typed>, Type)> {
        let mut ty = Type::Null;
        for value in &values {
            ty = common(&ty, &value.ty).ok_or_else(|| {
                SqlError::new(
                    "DATATYPE_MISMATCH.DATA_DIFF_TYPES",
                    "42K09",
                    format!(
                        "Cannot resolve \"{what}\" due to data type mismatch: \"{ty}\" and \"{}\" differ.",
                        value.ty
                    ),
                )
            })?;
        }
        let cast = values.into_iter().map(|value| self.cast(value, &ty, Cast::Strict)).collect::<Result<_>>()?;
        Ok((cast, ty))
    }
}

/// A type as a literal that the storage's functions read; names of members may hold anything, so they are quoted.
pub(in super::super) fn type_text(ty: &Type) -> String {
    fn written(ty: &Type) -> String {
        match ty {
            Type::Array(item) => format!("ARRAY<{}>", written(item)),
            Type::Map(key, value) => format!("MAP<{}, {}>", written(key), written(value)),
            Type::Struct(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|field| format!("`{}`: {}", field.name.replace('`', ""), written(&field.ty)))
                    .collect();
                format!("STRUCT<{}>", fields.join(", "))
            }
            leaf => leaf.to_string(),
        }
    }
    quoted(&written(ty))
}
