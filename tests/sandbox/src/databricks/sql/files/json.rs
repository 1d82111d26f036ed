//! Files of JSON objects: one per line, or one array of them.

use rusqlite::Statement;
use rusqlite::types::Value;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use super::{Input, Wanted, unreadable, uri};
use crate::databricks::catalog::types::{Field, Type};
use crate::databricks::sql::convert;
use crate::databricks::sql::error::Result;
use crate::databricks::sql::functions::json::raw_typed;

type Object<'a> = std::collections::BTreeMap<String, &'a RawValue>;

fn objects(input: &Input) -> Result<Vec<Object<'_>>> {
    let text = std::str::from_utf8(&input.content).map_err(|error| unreadable(input, error))?;
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(|error| unreadable(input, error));
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| serde_json::from_str(line).map_err(|error| unreadable(input, error))).collect()
}

/// The members of all objects, in alphabetical order, with the types that fit them.
pub(super) fn columns(input: &Input) -> Result<Vec<Field>> {
    let mut columns: std::collections::BTreeMap<String, Type> = std::collections::BTreeMap::new();
    for object in objects(input)? {
        for (name, raw) in object {
            let ty = natural(raw.get());
            let known = columns.entry(name).or_insert(Type::Null);
            *known = match (known.clone(), ty) {
                (Type::Null, ty) | (ty, Type::Null) => ty,
                (a, b) if a == b => a,
                (Type::Long, Type::Double) | (Type::Double, Type::Long) => Type::Double,
                _ => Type::String,
            };
        }
    }
    let columns = columns.into_iter();
    Ok(columns.map(|(name, ty)| Field { name, ty: if ty == Type::Null { Type::String } else { ty } }).collect())
}

fn natural(raw: &str) -> Type {
    match raw.bytes().next() {
        Some(b'n') => Type::Null,
        Some(b't' | b'f') => Type::Boolean,
        Some(b'-' | b'0'..=b'9') if raw.contains(['.', 'e', 'E']) => Type::Double,
        Some(b'-' | b'0'..=b'9') => Type::Long,
        _ => Type::String,
    }
}

pub(super) fn load(input: &Input, wanted: &Wanted, place: i64, statement: &mut Statement<'_>) -> Result<()> {
    for object in objects(input)? {
        let mut rescued = Map::new();
        let mut row = vec![Value::Null; wanted.columns.len()];
        for (name, raw) in object {
            let at = wanted.columns.iter().position(|column| column.name.eq_ignore_ascii_case(&name));
            let target =
                at.filter(|at| Some(*at) != wanted.rescued).and_then(|at| wanted.columns.get(at).zip(row.get_mut(at)));
            let typed = target.map(|(column, cell)| (typed(raw, &column.ty), cell));
            match typed {
                Some((Some(value), cell)) => *cell = value,
                _ if wanted.rescued.is_some() => {
                    rescued.insert(name, serde_json::from_str(raw.get()).unwrap_or(Json::Null));
                }
                _ => {}
            }
        }
        if let (Some(cell), false) = (wanted.rescued.and_then(|at| row.get_mut(at)), rescued.is_empty()) {
            rescued.insert("_file_path".into(), Json::String(uri(&input.path)));
            *cell = Value::Text(Json::Object(rescued).to_string());
        }
        for (at, value) in row.into_iter().enumerate() {
            statement.raw_bind_parameter(at + 1, value)?;
        }
        statement.raw_bind_parameter(wanted.columns.len() + 1, place)?;
        statement.raw_execute()?;
    }
    Ok(())
}

/// A text column takes any JSON as it stands.
fn typed(raw: &RawValue, ty: &Type) -> Option<Value> {
    let text = raw.get();
    if ty.is_text() && !text.starts_with('"') && text != "null" {
        return Some(Value::Text(text.into()));
    }
    raw_typed(raw, ty).ok().map(|json| convert::from_json(&json))
}
