//! Text and bytes.

use md5::{Digest, Md5};
use rusqlite::Connection;
use rusqlite::functions::Context;
use rusqlite::types::{Value, ValueRef};
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::{PURE, bytes, integer, strict, text};
use crate::databricks::sql::convert;
use crate::databricks::sql::error::SqlError;

pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    strict(connection, "text_lower", 1, |context| Ok(Value::Text(text(context, 0).to_lowercase())))?;
    strict(connection, "text_upper", 1, |context| Ok(Value::Text(text(context, 0).to_uppercase())))?;
    strict(connection, "text_reverse", 1, |context| Ok(Value::Text(text(context, 0).chars().rev().collect())))?;
    strict(connection, "text_repeat", 2, |context| {
        let times = usize::try_from(integer(context, 1)).unwrap_or_default().min(1 << 20);
        Ok(Value::Text(text(context, 0).repeat(times)))
    })?;
    strict(connection, "text_pad", 4, |context| Ok(Value::Text(padded(context))))?;
    strict(connection, "text_like", 3, |context| {
        let escape = text(context, 2).chars().next();
        let pattern: Vec<char> = text(context, 1).chars().collect();
        let subject: Vec<char> = text(context, 0).chars().collect();
        Ok(Value::Integer(is_like(&subject, &pattern, escape).into()))
    })?;
    strict(connection, "text_part", 3, |context| {
        let (text, separator) = (text(context, 0), text(context, 1));
        let parts: Vec<&str> = text.split(separator.as_str()).collect();
        let at = integer(context, 2);
        let place = if at > 0 {
            usize::try_from(at - 1).ok()
        } else {
            usize::try_from(-at).ok().and_then(|at| parts.len().checked_sub(at))
        };
        Ok(Value::Text(place.and_then(|at| parts.get(at)).copied().unwrap_or_default().into()))
    })?;
    strict(connection, "text_before", 2, |context| {
        let text = text(context, 0);
        let most = usize::try_from(integer(context, 1)).unwrap_or_default();
        Ok(Value::Text(text.chars().take(most).collect()))
    })?;
    strict(connection, "text_substr", 3, |context| Ok(substring(context)))?;
    connection.create_scalar_function("concat_with", -1, PURE, |context| Ok(joined(context)))?;
    strict(connection, "hash_md5", 1, |context| Ok(Value::Text(lower_hex(&Md5::digest(bytes(context, 0))))))?;
    strict(connection, "hash_sha2", 2, |context| {
        let data = bytes(context, 0);
        Ok(match integer(context, 1) {
            0 | 256 => Value::Text(lower_hex(&Sha256::digest(data))),
            224 => Value::Text(lower_hex(&Sha224::digest(data))),
            384 => Value::Text(lower_hex(&Sha384::digest(data))),
            512 => Value::Text(lower_hex(&Sha512::digest(data))),
            _ => Value::Null,
        })
    })?;
    strict(connection, "to_hex", 1, |context| {
        Ok(Value::Text(match context.get_raw(0) {
            ValueRef::Integer(number) => format!("{number:X}"),
            _ => convert::hex(bytes(context, 0)),
        }))
    })?;
    strict(connection, "from_hex", 1, |context| Ok(from_hex(&text(context, 0)).map_or(Value::Null, Value::Blob)))?;
    strict(connection, "to_base64", 1, |context| {
        use base64::prelude::{BASE64_STANDARD, Engine};
        Ok(Value::Text(BASE64_STANDARD.encode(bytes(context, 0))))
    })?;
    strict(connection, "from_base64", 1, |context| {
        use base64::prelude::{BASE64_STANDARD, Engine};
        let text = text(context, 0);
        let decoded = BASE64_STANDARD.decode(text.as_bytes());
        decoded.map(Value::Blob).map_err(|_| SqlError::cast(&text, "STRING", "BINARY"))
    })?;
    strict(connection, "base_convert", 3, |context| {
        let (text, from, to) = (text(context, 0), integer(context, 1), integer(context, 2));
        let radix = u32::try_from(from).ok().filter(|radix| (2..=36).contains(radix));
        let number = radix.and_then(|radix| u64::from_str_radix(&text, radix).ok());
        Ok(match (number, to) {
            (Some(number), 10) => Value::Text(number.to_string()),
            (Some(number), 16) => Value::Text(format!("{number:X}")),
            (Some(number), 2) => Value::Text(format!("{number:b}")),
            _ => Value::Null,
        })
    })
}

fn lower_hex(bytes: &[u8]) -> String {
    convert::hex(bytes).to_lowercase()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let padded = if text.len().is_multiple_of(2) { text.to_owned() } else { format!("0{text}") };
    let pairs = padded.as_bytes().chunks(2);
    pairs.map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())).collect()
}

/// `text_pad(text, length, filling, left)`.
fn padded(context: &Context<'_>) -> String {
    let length = usize::try_from(integer(context, 1)).unwrap_or_default().min(1 << 20);
    let (kept, filling): (String, String) = (text(context, 0).chars().take(length).collect(), text(context, 2));
    let missing = length - kept.chars().count();
    let fill: String = filling.chars().cycle().take(if filling.is_empty() { 0 } else { missing }).collect();
    if integer(context, 3) != 0 { fill + &kept } else { kept + &fill }
}

/// From a place counted from 1, or from the end where it is negative; 0 is the first too.
fn substring(context: &Context<'_>) -> Value {
    let letters: Vec<char> = text(context, 0).chars().collect();
    let size = i64::try_from(letters.len()).unwrap_or(i64::MAX);
    let (from, length) = (integer(context, 1), integer(context, 2).max(0));
    let begin = if from > 0 {
        from - 1
    } else if from < 0 {
        size + from
    } else {
        0
    };
    let end = begin.saturating_add(length).clamp(0, size);
    let begin = begin.clamp(0, end);
    let range = usize::try_from(begin).unwrap_or_default()..usize::try_from(end).unwrap_or_default();
    Value::Text(letters.get(range).unwrap_or_default().iter().collect())
}

/// `concat_ws`: what is null is left out.
fn joined(context: &Context<'_>) -> Value {
    if matches!(context.get_raw(0), ValueRef::Null) {
        return Value::Null;
    }
    let parts = (1..context.len()).filter(|at| !matches!(context.get_raw(*at), ValueRef::Null));
    let parts: Vec<String> = parts.map(|at| text(context, at)).collect();
    Value::Text(parts.join(&text(context, 0)))
}

fn is_like(subject: &[char], pattern: &[char], escape: Option<char>) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return subject.is_empty();
    };
    if Some(*first) == escape {
        let Some((literal, rest)) = rest.split_first() else {
            return false;
        };
        return subject.split_first().is_some_and(|(letter, tail)| letter == literal && is_like(tail, rest, escape));
    }
    match first {
        '%' => (0..=subject.len()).any(|skip| subject.get(skip..).is_some_and(|tail| is_like(tail, rest, escape))),
        '_' => subject.split_first().is_some_and(|(_, tail)| is_like(tail, rest, escape)),
        literal => subject.split_first().is_some_and(|(letter, tail)| letter == literal && is_like(tail, rest, escape)),
    }
}
