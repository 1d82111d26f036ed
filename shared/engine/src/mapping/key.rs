//! From a record's key back to the source's own key, to read chosen records again.

use indexmap::IndexSet;

use super::compile::{Column, Read};
use super::dates;
use super::format::{Convert, DateFormat};
use crate::error::{Error, Result};
use crate::model::decimal::Decimal;
use crate::model::id::RecordKey;
use crate::model::value::Value;

/// For every column of the source's key, where its value is found in a record's key, or why it is not.
#[derive(Debug)]
pub(super) struct SourceKey {
    parts: usize,
    columns: Vec<std::result::Result<Part, String>>,
}

/// One column of the source's key.
#[derive(Debug)]
struct Part {
    /// Which part of the record's key.
    at: usize,
    /// How its text becomes the source's.
    how: How,
}

#[derive(Debug)]
enum How {
    /// It is the same.
    Same,
    /// The point moves to the right.
    Implied(u8),
    /// It is written in the source's format.
    Date(DateFormat),
    /// It is one of these: mapped text, source's code.
    Codes(Vec<(String, String)>),
}

impl SourceKey {
    pub(super) fn new(source_key: &[String], sources: &IndexSet<String>, columns: &[Column], key: &[usize]) -> Self {
        let part = |source: &String| {
            let number = sources.get_index_of(source);
            let found = key.iter().enumerate().find_map(|(at, column)| {
                let column = columns.get(*column)?;
                matches!(column.read, Read::Cell(read) if Some(read) == number).then_some((at, column))
            });
            let (at, column) = found.ok_or_else(|| {
                format!("no key column of the table is filled from the source's key column {source} by a plain `from`")
            })?;
            Ok(Part { at, how: How::new(column)? })
        };
        Self { parts: key.len(), columns: source_key.iter().map(part).collect() }
    }

    pub(super) fn of(&self, key: &RecordKey) -> Result<Vec<String>> {
        let parts = key.parts();
        if parts.len() != self.parts {
            return Err(Error::stop(format!(
                "`{key}` is no key of this sync: it has {} parts, joined by |, and {} are needed",
                parts.len(),
                self.parts
            )));
        }
        self.columns
            .iter()
            .map(|column| {
                let part = column.as_ref().map_err(|why| {
                    Error::stop(format!(
                        "records of this sync cannot be read by their key: {why}; read a window instead"
                    ))
                })?;
                let text = parts.get(part.at).map(String::as_str).unwrap_or_default();
                part.how.apply(text).ok_or_else(|| {
                    Error::stop(format!(
                        "`{key}` is no key of this sync: its part `{text}` is not of its column's type"
                    ))
                })
            })
            .collect()
    }
}

impl How {
    fn new(column: &Column) -> std::result::Result<Self, String> {
        if let Some(codes) = column.codes.as_ref().filter(|codes| !codes.values.is_empty()) {
            let pairs: Vec<_> =
                codes.values.iter().map(|(code, value)| (value.to_text().into_owned(), code.clone())).collect();
            let unique = pairs.iter().all(|(text, _)| pairs.iter().filter(|(other, _)| other == text).count() == 1);
            return if unique {
                Ok(Self::Codes(pairs))
            } else {
                Err(format!("`values` of the key column {} turns several codes into one", column.name))
            };
        }
        match &column.convert {
            Convert::Integer { implied: 0 } | Convert::Decimal { implied: 0, .. } | Convert::Text { .. } => {
                Ok(Self::Same)
            }
            Convert::Integer { implied } | Convert::Decimal { implied, .. } => Ok(Self::Implied(*implied)),
            Convert::Date(format) => Ok(Self::Date(format.clone())),
            Convert::Boolean | Convert::Timestamp(_) | Convert::Json => Err(format!(
                "the key column {} is of type {}, which the source may write in several ways",
                column.name, column.kind
            )),
        }
    }

    fn apply(&self, text: &str) -> Option<String> {
        match self {
            Self::Same => Some(text.to_owned()),
            Self::Implied(places) => {
                let units = Decimal::parse(text).ok()?.with_scale(*places)?.units();
                Some(units.to_string())
            }
            Self::Date(format) => match super::constant(crate::model::table::ColumnType::Date, text).ok()? {
                Value::Date(days) => dates::date_to_source(format, days),
                _ => None,
            },
            Self::Codes(pairs) => match pairs.iter().find(|(mapped, _)| mapped == text) {
                Some((_, code)) => Some(code.clone()),
                None => Some(text.to_owned()),
            },
        }
    }
}
