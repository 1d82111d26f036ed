//! JSON texts as typed nested values, and parts of them.
//!
//! Invariant: a nested value lies in the storage as JSON whose leaves are the storage's own values (a decimal is text, a date
//! a number of days), in the order and with the names of its type.

use rusqlite::Connection;
use rusqlite::types::Value;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::{PURE, integer, strict, text, type_at};
use crate::databricks::catalog::types::Type;
use crate::databricks::sql::convert;
use crate::databricks::sql::error::{Result, SqlError};

pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    connection.create_scalar_function("from_json_as", 2, PURE, |context| {
        let (json, ty) = (text(context, 0), type_at(context, 1)?);
        // Text that is no JSON is nothing, not an error: the service's permissive mode.
        let parsed = serde_json::from_str::<&RawValue>(&json).ok();
        let typed = parsed.and_then(|raw| raw_typed(raw, &ty).ok()).filter(|json| !json.is_null());
        Ok(typed.map(|json| json.to_string()))
    })?;
    strict(connection, "parse_json_as", 1, |context| {
        let text = text(context, 0);
        let json: Json = serde_json::from_str(&text).map_err(|_| {
            let message =
                format!("The JSON string cannot be parsed: '{text}'. Use `try_parse_json` to get NULL instead.");
            SqlError::new("MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION", "22023", message)
        })?;
        Ok(Value::Text(json.to_string()))
    })?;
    strict(connection, "array_at", 2, |context| {
        let items = array(&text(context, 0));
        let item = usize::try_from(integer(context, 1)).ok().and_then(|at| items.get(at).cloned());
        Ok(item.map_or(Value::Null, |item| convert::from_json(&item)))
    })?;
    strict(connection, "array_has", 2, |context| {
        let wanted = convert::to_json(&convert::owned(context.get_raw(1)));
        Ok(Value::Integer(array(&text(context, 0)).contains(&wanted).into()))
    })?;
    strict(connection, "get_json_text", 2, |context| {
        let (json, path) = (text(context, 0), text(context, 1));
        let Ok(json) = serde_json::from_str::<Json>(&json) else {
            return Ok(Value::Null);
        };
        let pointer = pointer(&path);
        Ok(match json.pointer(&pointer) {
            None | Some(Json::Null) => Value::Null,
            Some(Json::String(text)) => Value::Text(text.clone()),
            Some(other) => Value::Text(other.to_string()),
        })
    })?;
    strict(connection, "split_text", 2, |context| {
        let (text, separator) = (text(context, 0), text(context, 1));
        // The service splits by a regular expression; only plain separators are known here.
        let plain = separator.replace('\\', "");
        let parts: Vec<Json> = text.split(plain.as_str()).map(Json::from).collect();
        Ok(Value::Text(Json::Array(parts).to_string()))
    })
}

fn array(text: &str) -> Vec<Json> {
    serde_json::from_str(text).unwrap_or_default()
}

/// `$.a.b[0]` as a pointer.
fn pointer(path: &str) -> String {
    let path = path.strip_prefix('$').unwrap_or(path);
    path.replace("['", "/").replace("']", "").replace(['.', '['], "/").replace(']', "")
}

/// A value of JSON as the storage keeps a value of this type.
pub(in super::super) fn typed(json: &Json, ty: &Type) -> Result<Json> {
    let raw = serde_json::value::to_raw_value(json).map_err(|_| bad(&json.to_string(), ty))?;
    raw_typed(&raw, ty)
}

fn bad(text: &str, ty: &Type) -> SqlError {
    SqlError::cast(text, "STRING", &ty.to_string())
}

/// The same from JSON as it was written, so that no number passes through a float.
pub(in super::super) fn raw_typed(raw: &RawValue, ty: &Type) -> Result<Json> {
    let text = raw.get();
    if text == "null" {
        return Ok(Json::Null);
    }
    match ty {
        Type::Array(item) => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| bad(text, ty))?;
            items.into_iter().map(|raw| raw_typed(raw, item)).collect::<Result<Vec<_>>>().map(Json::Array)
        }
        Type::Struct(fields) => {
            let members = members(text).ok_or_else(|| bad(text, ty))?;
            let typed = fields.iter().map(|field| {
                let found = members.iter().find(|(name, _)| *name == field.name);
                // A member of another type is nothing, and the others stay.
                let value = found.map(|(_, raw)| raw_typed(raw, &field.ty).unwrap_or(Json::Null));
                (field.name.clone(), value.unwrap_or(Json::Null))
            });
            Ok(Json::Object(typed.collect()))
        }
        Type::Map(_, of) => {
            let members = members(text).ok_or_else(|| bad(text, ty))?;
            let typed = members.iter().map(|(name, raw)| Ok((name.clone(), raw_typed(raw, of)?)));
            typed.collect::<Result<_>>().map(Json::Object)
        }
        Type::Variant => Ok(Json::String(text.into())),
        leaf => leaf_typed(text, leaf),
    }
}

fn members(text: &str) -> Option<Vec<(String, Box<RawValue>)>> {
    let map: std::collections::HashMap<String, Box<RawValue>> = serde_json::from_str(text).ok()?;
    Some(map.into_iter().collect())
}

fn leaf_typed(text: &str, ty: &Type) -> Result<Json> {
    let quoted = text.starts_with('"');
    let plain: String = if quoted { serde_json::from_str(text).map_err(|_| bad(text, ty))? } else { text.into() };
    let fits = match ty {
        ty if ty.is_text() => true,
        Type::Boolean => !quoted && matches!(text, "true" | "false"),
        // Whole and floating numbers are never taken from a text; decimals are.
        ty if ty.is_whole() || ty.is_float() => !quoted,
        Type::Decimal(..) => quoted || text.starts_with(|c: char| c == '-' || c.is_ascii_digit()),
        _ => quoted,
    };
    if !fits {
        return Err(bad(text, ty));
    }
    let value = Value::Text(plain);
    Ok(convert::to_json(&convert::converted(convert::borrowed(&value), &Type::String, ty)?))
}
