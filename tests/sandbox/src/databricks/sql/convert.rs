//! Values of one type as values of another, by the rules of ANSI mode, and as text in results.
//!
//! Invariant: what does not fit is an error with the service's error class and never a rounded or empty value.

use rusqlite::types::{Value, ValueRef};
use serde_json::Value as Json;

use super::decimal::Decimal;
use super::error::{Result, SqlError};
use super::moment::{self, MICROS_PER_DAY};
use crate::databricks::catalog::types::Type;

/// Whether a cast from one type to another exists at all.
pub(super) fn is_castable(from: &Type, to: &Type) -> bool {
    match (from, to) {
        (Type::Null, _) => true,
        (from, to) if from == to => true,
        (Type::Array(from), Type::Array(to)) => is_castable(from, to),
        (Type::Map(from, a), Type::Map(to, b)) => is_castable(from, to) && is_castable(a, b),
        (Type::Struct(from), Type::Struct(to)) => {
            from.len() == to.len() && from.iter().zip(to).all(|(from, to)| is_castable(&from.ty, &to.ty))
        }
        (from, to) if to.is_text() => !matches!(from, Type::Null),
        (from, Type::Variant) => !from.is_nested() || matches!(from, Type::Array(_) | Type::Struct(_)),
        (Type::Variant, to) => !matches!(to, Type::Map(..)),
        (from, to) if from.is_nested() || to.is_nested() => false,
        (from, Type::Binary) => from.is_text(),
        (Type::Binary, _) => false,
        (from, Type::Date) => from.is_text() || from.is_moment(),
        (from, Type::Timestamp) => from.is_text() || from.is_moment() || from.is_number() || *from == Type::Date,
        (from, Type::TimestampNtz) => from.is_text() || from.is_moment() || *from == Type::Date,
        (Type::Date | Type::TimestampNtz, _) => false,
        (Type::Timestamp, to) => to.is_number(),
        _ => true,
    }
}

/// The value as one of another type.
pub(super) fn converted(value: ValueRef<'_>, from: &Type, to: &Type) -> Result<Value> {
    if matches!(value, ValueRef::Null) {
        return Ok(Value::Null);
    }
    if let (Type::Variant, false) = (from, *to == Type::Variant) {
        return from_variant(value, to);
    }
    match to {
        Type::Null => Ok(Value::Null),
        Type::String => text(value, from).map(Value::Text),
        Type::Char(most) | Type::Varchar(most) => limited(text(value, from)?, *most),
        Type::Boolean => boolean(value, from),
        Type::Byte | Type::Short | Type::Int | Type::Long => whole(value, from, to),
        Type::Float | Type::Double => float(value, from, to),
        Type::Decimal(precision, scale) => decimal(value, from, *precision, *scale),
        Type::Date => date(value, from),
        Type::Timestamp | Type::TimestampNtz => timestamp(value, from, to),
        Type::Binary => Ok(Value::Blob(as_text(value).into_bytes())),
        Type::Variant => Ok(Value::Text(json_text(value, from))),
        Type::Array(_) | Type::Map(..) | Type::Struct(_) => nested(value, from, to),
    }
}

fn as_text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => float_text(number),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn limited(text: String, most: u32) -> Result<Value> {
    if text.chars().count() <= most as usize {
        return Ok(Value::Text(text));
    }
    let message =
        format!("Value \"{text}\" exceeds char/varchar type length limitation. Failed check: (length <= {most}).");
    Err(SqlError::new("DELTA_EXCEED_CHAR_VARCHAR_LIMIT", "22001", message))
}

/// As a cast to STRING makes it.
pub(super) fn text(value: ValueRef<'_>, from: &Type) -> Result<String> {
    let shown = match (from, value) {
        (Type::Boolean, ValueRef::Integer(bit)) => Some((bit != 0).to_string()),
        (Type::Date, ValueRef::Integer(days)) => moment::date_text(days),
        (Type::Timestamp | Type::TimestampNtz, ValueRef::Integer(micros)) => moment::cast_text(micros),
        (from, value) if from.is_nested() => Some(json_text(value, from)),
        _ => None,
    };
    Ok(shown.unwrap_or_else(|| as_text(value)))
}

fn boolean(value: ValueRef<'_>, from: &Type) -> Result<Value> {
    let bit = match value {
        ValueRef::Integer(number) => number != 0,
        ValueRef::Real(number) => number != 0.0,
        _ if matches!(from, Type::Decimal(..)) => Decimal::parse(&as_text(value)).is_some_and(|one| one.units != 0),
        _ => match as_text(value).trim().to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" => true,
            "false" | "f" | "no" | "n" | "0" => false,
            _ => return Err(SqlError::cast(&as_text(value), &from.to_string(), "BOOLEAN")),
        },
    };
    Ok(Value::Integer(bit.into()))
}

fn whole(value: ValueRef<'_>, from: &Type, to: &Type) -> Result<Value> {
    let number = match (from, value) {
        (from, ValueRef::Integer(micros)) if from.is_moment() => Some(i128::from(micros.div_euclid(1_000_000))),
        (_, ValueRef::Integer(number)) => Some(i128::from(number)),
        #[expect(clippy::cast_possible_truncation, reason = "a float beyond the range is beyond every whole type too")]
        (_, ValueRef::Real(number)) => Some(number.trunc() as i128),
        (Type::Decimal(..), value) => Decimal::parse(&as_text(value)).map(Decimal::truncated),
        (_, value) => as_text(value).trim().parse().ok(),
    };
    let number = number.ok_or_else(|| SqlError::cast(&as_text(value), &from.to_string(), &to.to_string()))?;
    let bits = match to {
        Type::Byte => 8,
        Type::Short => 16,
        Type::Int => 32,
        _ => 64,
    };
    let limit = 1_i128 << (bits - 1);
    let fits = (-limit..limit).contains(&number);
    let fitted = i64::try_from(number).ok().filter(|_| fits);
    fitted.map(Value::Integer).ok_or_else(|| {
        if from.is_text() {
            return SqlError::cast(&as_text(value), &from.to_string(), &to.to_string());
        }
        SqlError::cast_overflow(&as_text(value), &from.to_string(), &to.to_string())
    })
}

fn float(value: ValueRef<'_>, from: &Type, to: &Type) -> Result<Value> {
    #[expect(clippy::cast_precision_loss, reason = "this is what a cast to a float is")]
    let number = match value {
        ValueRef::Integer(number) if from.is_moment() => Some(number as f64 / 1e6),
        ValueRef::Integer(number) => Some(number as f64),
        ValueRef::Real(number) => Some(number),
        _ => as_text(value).trim().parse().ok(),
    };
    let number = number.ok_or_else(|| SqlError::cast(&as_text(value), &from.to_string(), &to.to_string()))?;
    #[expect(clippy::cast_possible_truncation, reason = "a FLOAT has 32 bits")]
    let number = if *to == Type::Float { f64::from(number as f32) } else { number };
    Ok(Value::Real(number))
}

fn decimal(value: ValueRef<'_>, from: &Type, precision: u8, scale: u8) -> Result<Value> {
    let to = Type::Decimal(precision, scale);
    let number = match value {
        ValueRef::Integer(number) => Some(Decimal { units: number.into(), scale: 0 }),
        ValueRef::Real(number) => Decimal::parse(&format!("{number}")),
        _ => {
            let text = as_text(value);
            // Digits behind the point that nobody can keep are rounded away, as many as there are.
            Decimal::parse(text.trim()).or_else(|| text.trim().get(..40).and_then(Decimal::parse))
        }
    };
    let number = number.ok_or_else(|| SqlError::cast(&as_text(value), &from.to_string(), &to.to_string()))?;
    let fitted = number.fitted(precision, scale);
    let fitted = fitted.ok_or_else(|| SqlError::out_of_range(&as_text(value), precision, scale))?;
    Ok(Value::Text(fitted.to_string()))
}

fn date(value: ValueRef<'_>, from: &Type) -> Result<Value> {
    match value {
        ValueRef::Integer(micros) if from.is_moment() => Ok(Value::Integer(micros.div_euclid(MICROS_PER_DAY))),
        ValueRef::Integer(days) => Ok(Value::Integer(days)),
        _ => {
            let text = as_text(value);
            let days = moment::parse_date(&text).ok_or_else(|| SqlError::cast(&text, &from.to_string(), "DATE"))?;
            Ok(Value::Integer(days))
        }
    }
}

fn timestamp(value: ValueRef<'_>, from: &Type, to: &Type) -> Result<Value> {
    let bad = || SqlError::cast(&as_text(value), &from.to_string(), &to.to_string());
    let micros = match (from, value) {
        (Type::Date, ValueRef::Integer(days)) => days.checked_mul(MICROS_PER_DAY),
        (from, ValueRef::Integer(seconds)) if from.is_whole() => seconds.checked_mul(1_000_000),
        (_, ValueRef::Integer(micros)) => Some(micros),
        #[expect(clippy::cast_possible_truncation, reason = "microseconds are all there is")]
        (_, ValueRef::Real(seconds)) => Some((seconds * 1e6) as i64),
        (Type::Decimal(..), value) => {
            let seconds = Decimal::parse(&as_text(value)).and_then(|one| one.rescaled(6));
            seconds.and_then(|one| i64::try_from(one.units).ok())
        }
        (_, value) => moment::parse_timestamp(&as_text(value)),
    };
    micros.map(Value::Integer).ok_or_else(bad)
}

fn nested(value: ValueRef<'_>, from: &Type, to: &Type) -> Result<Value> {
    let json: Json = serde_json::from_str(&as_text(value))
        .map_err(|_| SqlError::cast(&as_text(value), &from.to_string(), &to.to_string()))?;
    Ok(Value::Text(members(&json, from, to)?.to_string()))
}

/// A nested value in the storage's form, each leaf converted.
fn members(json: &Json, from: &Type, to: &Type) -> Result<Json> {
    match (json, from, to) {
        (Json::Null, ..) => Ok(Json::Null),
        (Json::Array(items), Type::Array(from), Type::Array(to)) => {
            items.iter().map(|item| members(item, from, to)).collect::<Result<Vec<_>>>().map(Json::Array)
        }
        (Json::Object(object), Type::Struct(from), Type::Struct(to)) => {
            let pairs = from.iter().zip(to).map(|(from, to)| {
                let member = object.get(&from.name).unwrap_or(&Json::Null);
                Ok((to.name.clone(), members(member, &from.ty, &to.ty)?))
            });
            pairs.collect::<Result<_>>().map(Json::Object)
        }
        (Json::Object(object), Type::Map(_, from), Type::Map(_, to)) => {
            let pairs = object.iter().map(|(key, value)| Ok((key.clone(), members(value, from, to)?)));
            pairs.collect::<Result<_>>().map(Json::Object)
        }
        (leaf, from, to) => Ok(to_json(&converted(borrowed(&from_json(leaf)), from, to)?)),
    }
}

fn from_variant(value: ValueRef<'_>, to: &Type) -> Result<Value> {
    let text = as_text(value);
    let json: Json = serde_json::from_str(&text).map_err(|_| SqlError::cast(&text, "VARIANT", &to.to_string()))?;
    match (&json, to) {
        (Json::Null, _) => Ok(Value::Null),
        (Json::String(text), to) => converted(ValueRef::Text(text.as_bytes()), &Type::String, to),
        (Json::Bool(bit), to) => converted(ValueRef::Integer((*bit).into()), &Type::Boolean, to),
        (Json::Number(number), to) => converted(ValueRef::Text(number.to_string().as_bytes()), &Type::String, to),
        (_, to) if to.is_text() => Ok(Value::Text(text)),
        (_, to) => super::functions::json::typed(&json, to).map(|json| Value::Text(json.to_string())),
    }
}

/// A value inside a nested one, as the storage keeps it there.
pub(super) fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(number) => (*number).into(),
        Value::Real(number) => (*number).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Blob(bytes) => String::from_utf8_lossy(bytes).into(),
    }
}

/// The other way round.
pub(super) fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(bit) => Value::Integer((*bit).into()),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Value::Real(number.as_f64().unwrap_or(0.0)), Value::Integer)
        }
        Json::String(text) => Value::Text(text.clone()),
        other => Value::Text(other.to_string()),
    }
}

pub(super) fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(bytes) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

pub(super) fn borrowed(value: &Value) -> ValueRef<'_> {
    ValueRef::from(value)
}

/// A value in a result: everything is text, and nothing is null.
pub(in super::super) fn shown(value: ValueRef<'_>, ty: &Type) -> Option<String> {
    match (ty, value) {
        (_, ValueRef::Null) => None,
        (Type::Boolean, ValueRef::Integer(bit)) => Some((bit != 0).to_string()),
        (Type::Date, ValueRef::Integer(days)) => moment::date_text(days),
        (Type::Timestamp, ValueRef::Integer(micros)) => moment::result_text(micros, "Z"),
        (Type::TimestampNtz, ValueRef::Integer(micros)) => moment::result_text(micros, ""),
        (_, ValueRef::Blob(bytes)) => Some(hex(bytes)),
        (ty, value) if ty.is_nested() => Some(json_text(value, ty)),
        (_, value) => Some(as_text(value)),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// As other systems write it: at least one digit behind the point.
fn float_text(number: f64) -> String {
    let size = number.abs();
    if number == 0.0 || (1e-3..1e7).contains(&size) || !number.is_finite() {
        return format!("{number:?}").replace("inf", "Infinity");
    }
    let text = format!("{number:E}");
    match text.split_once('E') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0E{exponent}"),
        _ => text,
    }
}

/// A value of any type as JSON text.
pub(super) fn json_text(value: ValueRef<'_>, ty: &Type) -> String {
    if !ty.is_nested() {
        return leaf_text(value, ty);
    }
    let json: Json = serde_json::from_str(&as_text(value)).unwrap_or(Json::Null);
    nested_text(&json, ty)
}

fn leaf_text(value: ValueRef<'_>, ty: &Type) -> String {
    match (ty, value) {
        (_, ValueRef::Null) => "null".into(),
        (Type::Decimal(..) | Type::Variant, value) => as_text(value),
        (ty, value) if ty.is_number() => as_text(value),
        (Type::Boolean, ValueRef::Integer(bit)) => (bit != 0).to_string(),
        (ty, value) => Json::String(shown(value, ty).unwrap_or_default()).to_string(),
    }
}

fn nested_text(json: &Json, ty: &Type) -> String {
    match (json, ty) {
        (Json::Array(items), Type::Array(item)) => {
            let items: Vec<String> = items.iter().map(|json| nested_text(json, item)).collect();
            format!("[{}]", items.join(","))
        }
        (Json::Object(object), Type::Struct(fields)) => {
            let pairs = fields.iter().filter_map(|field| {
                let member = object.get(&field.name).filter(|json| !json.is_null())?;
                Some(format!("{}:{}", Json::String(field.name.clone()), nested_text(member, &field.ty)))
            });
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
        }
        (Json::Object(object), Type::Map(_, of)) => {
            let pairs =
                object.iter().map(|(key, value)| format!("{}:{}", Json::String(key.clone()), nested_text(value, of)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
        }
        (leaf, ty) => leaf_text(borrowed(&from_json(leaf)), ty),
    }
}
