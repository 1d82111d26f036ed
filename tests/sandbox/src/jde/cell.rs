//! What is put into a cell, and the form in which the database keeps it.
//!
//! Invariant: one conversion for rows and for filters, so that a value finds the row it was stored in.

use std::borrow::Cow;
use std::cmp::Ordering;

use chrono::NaiveDate;

use super::schema::Kind;
use super::value::{Decimal, julian};

/// How texts are sorted and compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Collation {
    /// By byte: digits, upper case, lower case.
    #[default]
    Binary,
    /// As on IBM i: lower case, upper case, digits. A client that relies on its own order goes wrong here.
    DigitsLast,
}

impl Collation {
    /// Compares two texts.
    pub fn compare(self, a: &str, b: &str) -> Ordering {
        match self {
            Self::Binary => a.cmp(b),
            Self::DigitsLast => a.bytes().map(digits_last).cmp(b.bytes().map(digits_last)),
        }
    }
}

fn digits_last(byte: u8) -> u16 {
    match byte {
        b'a'..=b'z' => 0x100 + u16::from(byte),
        b'A'..=b'Z' => 0x200 + u16::from(byte),
        b'0'..=b'9' => 0x300 + u16::from(byte),
        0x80.. => 0x400 + u16::from(byte),
        _ => u16::from(byte),
    }
}

/// A value to put into a cell. Text is taken for every kind of column: a number or date is read from it, and what cannot
/// be read is kept as it came (see [`Table::insert`]).
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text, or a number, date (`2026-11-20` or `20261120`) or time written as text.
    Text(String),
    /// A number with its decimals applied.
    Number(Decimal),
    /// A day.
    Date(NaiveDate),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(Decimal::new(number, 0))
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::from(i64::from(number))
    }
}

impl From<Decimal> for Value {
    fn from(number: Decimal) -> Self {
        Self::Number(number)
    }
}

impl From<NaiveDate> for Value {
    fn from(day: NaiveDate) -> Self {
        Self::Date(day)
    }
}

/// A value made ready for comparing with a column: numbers in the column's decimals, dates Julian, text as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Int(i64),
    Text(Box<str>),
}

/// Makes a value ready for comparing with a column of a kind; nothing when it does not fit.
pub(super) fn operand(kind: Kind, value: &Value) -> Option<Operand> {
    match kind {
        Kind::Text { width, right } => Some(Operand::Text(text_form(&display(value), width, right).into())),
        Kind::Number { .. } | Kind::Date | Kind::Time => whole_form(kind, value).map(Operand::Int),
    }
}

/// What a cell becomes when it is stored.
pub(super) enum Stored {
    Int(i64),
    Text(u32),
    /// Does not fit the column; shown as it came, compared as if it were empty.
    Raw(String),
}

pub(super) fn display(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Date(day) => day.format("%Y%m%d").to_string(),
    }
}

/// Text as the database keeps it: trailing blanks gone, business units pushed to the right edge.
pub(super) fn text_form(text: &str, width: usize, right: bool) -> Cow<'_, str> {
    let text = text.trim_end_matches(' ');
    if !right || text.is_empty() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{:>width$}", text.trim_start_matches(' ')))
}

/// A number in the column's decimals, a Julian date or a time; nothing when the value is none of that.
pub(super) fn whole_form(kind: Kind, value: &Value) -> Option<i64> {
    match (kind, value) {
        (_, Value::Text(text)) if text.trim().is_empty() => Some(0),
        (Kind::Number { decimals }, Value::Number(number)) => number.rescale(decimals),
        (Kind::Number { decimals }, Value::Text(text)) => Decimal::parse(text)?.rescale(decimals),
        (Kind::Date, Value::Date(day)) => Some(i64::from(julian(*day))),
        (Kind::Date, Value::Text(text)) => {
            let day = NaiveDate::parse_from_str(text, "%Y-%m-%d");
            let day = day.or_else(|_| NaiveDate::parse_from_str(text, "%Y%m%d"));
            day.ok().map(|day| i64::from(julian(day)))
        }
        (Kind::Time, Value::Text(text)) => time_of_day(Decimal::parse(text)?),
        (Kind::Time, Value::Number(number)) => time_of_day(*number),
        (Kind::Number { .. } | Kind::Time, Value::Date(_))
        | (Kind::Date, Value::Number(_))
        | (Kind::Text { .. }, _) => None,
    }
}

fn time_of_day(number: Decimal) -> Option<i64> {
    let time = number.rescale(0)?;
    let fits = (0..240_000).contains(&time) && time / 100 % 100 < 60 && time % 100 < 60;
    fits.then_some(time)
}
