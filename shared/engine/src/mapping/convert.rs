//! One cell of the source becomes one value of the declared type, or a reason why not.

use std::borrow::Cow;

use super::format::{Convert, Pad, Trim};
use super::{dates, number};
use crate::model::value::Value;

/// The value, or what is wrong with it and what to do next.
pub(super) type Converted<'v> = Result<Value<'v>, String>;

/// The text of a cell, and whether the source wrote it as a number.
pub(super) fn cell_text<'c>(cell: &'c Value<'_>) -> Cow<'c, str> {
    match cell {
        Value::Text(text) | Value::Number(text) | Value::Json(text) => Cow::Borrowed(text),
        other => other.to_text(),
    }
}

impl Convert {
    /// Converts a cell that is neither null nor blank.
    pub(super) fn apply<'v>(&self, cell: &Value<'v>, zone: &dates::Zone) -> Converted<'v> {
        match (self, cell) {
            (Self::Text { trim, pad, max }, Value::Text(text) | Value::Number(text) | Value::Json(text)) => {
                self::text(text, *trim, *pad, *max)
            }
            (Self::Text { trim, pad, max }, other) => {
                let text = Cow::Owned(cell_text(other).into_owned());
                self::text(&text, *trim, *pad, *max)
            }
            (Self::Boolean, Value::Bool(bool)) => Ok(Value::Bool(*bool)),
            (Self::Boolean, other) => boolean(&cell_text(other)),
            (Self::Json, other) => json(other),
            (_, Value::Bool(_)) => Err("is true or false: declare the column as boolean".to_owned()),
            (_, Value::Json(_)) => Err("is a JSON document: declare the column as json".to_owned()),
            (Self::Integer { implied }, other) => {
                number::integer(trim(&cell_text(other)), *implied).map(Value::Integer)
            }
            (Self::Decimal { precision, scale, implied, limit }, other) => {
                let text = cell_text(other);
                number::decimal(trim(&text), *precision, *scale, *implied, *limit).map(Value::Decimal)
            }
            (Self::Date(format), other) => {
                let date = dates::date(format, trim(&cell_text(other)))?;
                Ok(date.map_or(Value::Null, Value::Date))
            }
            (Self::Timestamp(format), other) => {
                dates::timestamp(format, trim(&cell_text(other)), zone).map(Value::Timestamp)
            }
        }
    }
}

/// Takes trailing blanks off, both ends' blanks, or none.
fn trimmed(text: &str, by: Trim) -> &str {
    match by {
        Trim::End => trim_end(text),
        Trim::Both => trim(text),
        Trim::Never => text,
    }
}

/// The text without the blanks at its end. Byte by byte: the general ways to trim cost several times as much.
pub(super) fn trim_end(text: &str) -> &str {
    let mut rest = text.as_bytes();
    while let [head @ .., b' '] = rest {
        rest = head;
    }
    text.get(..rest.len()).unwrap_or_default()
}

/// The text without the blanks at both ends.
pub(super) fn trim(text: &str) -> &str {
    let text = trim_end(text);
    let mut rest = text.as_bytes();
    while let [b' ', tail @ ..] = rest {
        rest = tail;
    }
    text.get(text.len() - rest.len()..).unwrap_or_default()
}

fn text<'v>(text: &Cow<'v, str>, trim: Trim, pad: Option<Pad>, max: Option<usize>) -> Converted<'v> {
    let text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(trimmed(text, trim)),
        Cow::Owned(text) => Cow::Owned(trimmed(text, trim).to_owned()),
    };
    let text = match pad {
        Some(pad) if !text.is_empty() => padded(text, pad),
        _ => text,
    };
    check_text(&text, max)?;
    Ok(Value::Text(text))
}

fn padded(text: Cow<'_, str>, pad: Pad) -> Cow<'_, str> {
    let missing = pad.width.saturating_sub(text.chars().count());
    if missing == 0 { text } else { Cow::Owned(std::iter::repeat_n(pad.with, missing).chain(text.chars()).collect()) }
}

fn check_text(text: &str, max: Option<usize>) -> Result<(), String> {
    if let Some(max) = max
        && text.len() > max
    {
        let characters = text.chars().count();
        if characters > max {
            return Err(format!(
                "has {characters} characters, the column holds {max}: widen the column to text({characters}) or text in \
                 the tenant file"
            ));
        }
    }
    if text.as_bytes().contains(&0) {
        return Err("contains the character U+0000, which no warehouse stores: remove it at the source".to_owned());
    }
    Ok(())
}

fn boolean<'v>(text: &str) -> Converted<'v> {
    match trim(text) {
        "true" | "TRUE" | "True" | "Y" | "y" | "1" => Ok(Value::Bool(true)),
        "false" | "FALSE" | "False" | "N" | "n" | "0" => Ok(Value::Bool(false)),
        _ => Err("is neither true/false, Y/N nor 1/0: say in `values` what it means".to_owned()),
    }
}

fn json<'v>(cell: &Value<'v>) -> Converted<'v> {
    let text = match cell {
        Value::Json(text) | Value::Text(text) | Value::Number(text) => text.clone(),
        other => Cow::Owned(other.to_text().into_owned()),
    };
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        return Err(format!("is not a JSON document ({error}): declare the column as text"));
    }
    if has_escaped_nul(&text) {
        return Err("contains the character U+0000, which no warehouse stores: remove it at the source".to_owned());
    }
    Ok(Value::Json(text))
}

/// Whether a JSON text writes U+0000 as `\u0000`; an escaped backslash before `u0000` is none.
fn has_escaped_nul(json: &str) -> bool {
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let escaped = &rest[at + 1..];
        if escaped.starts_with("u0000") {
            return true;
        }
        rest = escaped.get(1..).unwrap_or_default();
    }
    false
}
