//! What a value must be to fit its column, wherever it is loaded.
//!
//! Databases are not asked: PostgreSQL would round a decimal to the scale of its column and SQLite would take anything.

use engine::model::decimal::{Decimal, MAX_DIGITS};
use engine::model::table::{ColumnType, TableColumn, TableSpec};
use engine::model::value::Value;

/// 0001-01-01, in days since 1970-01-01. Years of four digits sort as text and are known to every warehouse.
const FIRST_DAY: i32 = -719_162;
/// 9999-12-31.
const LAST_DAY: i32 = 2_932_896;
/// The first and the last microsecond of those days, since 1970-01-01T00:00:00Z.
const FIRST_MICRO: i64 = FIRST_DAY as i64 * 86_400_000_000;
const LAST_MICRO: i64 = (LAST_DAY as i64 + 1) * 86_400_000_000 - 1;

/// Powers of ten up to the most digits a decimal has.
const POWERS: [u128; MAX_DIGITS as usize + 1] = {
    let mut powers = [1; MAX_DIGITS as usize + 1];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// Says in words why a value does not fit its column, or `None` when it does.
#[inline]
pub(super) fn misfit(table: &TableSpec, position: usize, value: &Value<'_>) -> Option<String> {
    let column = table.columns.get(position)?;
    let fits = match (column.kind, value) {
        (_, Value::Null) => !table.key.contains(&position),
        (ColumnType::Text { max }, Value::Text(text)) => text_fits(max, text),
        (ColumnType::Json, Value::Json(text)) => text_fits(None, text),
        (ColumnType::Decimal { precision, scale }, Value::Decimal(decimal)) => {
            at_scale(*decimal, precision, scale).is_some()
        }
        (ColumnType::Date, Value::Date(days)) => (FIRST_DAY..=LAST_DAY).contains(days),
        (ColumnType::Timestamp, Value::Timestamp(micros)) => (FIRST_MICRO..=LAST_MICRO).contains(micros),
        (ColumnType::Integer, Value::Integer(_)) | (ColumnType::Boolean, Value::Bool(_)) => true,
        _ => false,
    };
    if fits { None } else { Some(words(column, value)) }
}

/// The decimal at the scale of its column, unless that loses a digit or it has too many.
pub(crate) fn at_scale(decimal: Decimal, precision: u8, scale: u8) -> Option<Decimal> {
    let exact = if decimal.scale() == scale { decimal } else { decimal.with_scale(scale)? };
    (exact.units().unsigned_abs() < *POWERS.get(usize::from(precision))?).then_some(exact)
}

fn text_fits(max: Option<u32>, text: &str) -> bool {
    // A character is at least one byte, so most texts need no counting.
    let is_short = max.is_none_or(|max| text.len() <= max as usize || text.chars().count() <= max as usize);
    is_short && !text.as_bytes().contains(&0)
}

#[cold]
fn words(column: &TableColumn, value: &Value<'_>) -> String {
    let name = &column.name;
    match (column.kind, value) {
        (_, Value::Null) => format!("key column `{name}` has no value"),
        (ColumnType::Text { .. }, Value::Text(text)) | (ColumnType::Json, Value::Json(text)) if text.contains('\0') => {
            format!("`{name}` contains the character U+0000, which databases cannot keep in text")
        }
        (ColumnType::Text { max: Some(max) }, Value::Text(text)) => {
            format!("`{name}` has {} characters, at most {max} fit", text.chars().count())
        }
        (ColumnType::Decimal { .. }, Value::Decimal(decimal)) => {
            format!("`{name}`: {decimal} does not fit {} without loss", column.kind)
        }
        (ColumnType::Date, Value::Date(_)) | (ColumnType::Timestamp, Value::Timestamp(_)) => {
            format!("`{name}`: {} lies outside the years 0001 to 9999", value.to_text())
        }
        _ => format!("`{name}` is declared {} and came as {}", column.kind, kind_of(value)),
    }
}

fn kind_of(value: &Value<'_>) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Integer(_) => "a whole number",
        Value::Decimal(_) => "a decimal",
        Value::Date(_) => "a date",
        Value::Timestamp(_) => "a timestamp",
        Value::Text(_) => "text",
        Value::Number(_) => "a number that was not read",
        Value::Json(_) => "JSON",
        Value::Hash(_) => "a hash",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(kind: &str, value: Value<'_>) -> Option<String> {
        let column =
            TableColumn { name: "c".into(), kind: kind.parse().unwrap(), nullable: true, description: String::new() };
        let table = TableSpec {
            name: "t".into(),
            description: String::new(),
            columns: vec![column],
            key: vec![],
            company: None,
            source_system: String::new(),
        };
        misfit(&table, 0, &value)
    }

    #[test]
    fn nothing_is_rounded_cut_or_converted() {
        assert_eq!(why("decimal(5,2)", Value::Decimal(Decimal::new(99_999, 2))), None);
        assert_eq!(why("decimal(5,2)", Value::Decimal(Decimal::new(999_990, 3))), None);
        assert!(why("decimal(5,2)", Value::Decimal(Decimal::new(100_000, 2))).is_some());
        assert!(why("decimal(5,2)", Value::Decimal(Decimal::new(1_005, 3))).is_some());
        assert_eq!(why("text(3)", Value::text("äöü")), None);
        assert_eq!(why("text(2)", Value::text("äöü")).unwrap(), "`c` has 3 characters, at most 2 fit");
        assert!(why("text", Value::text("a\0b")).is_some());
        assert_eq!(why("integer", Value::text("1")).unwrap(), "`c` is declared integer and came as text");
    }

    #[test]
    fn dates_have_years_of_four_digits() {
        assert_eq!(why("date", Value::Date(FIRST_DAY)), None);
        assert_eq!(why("date", Value::Date(LAST_DAY)), None);
        assert!(why("date", Value::Date(LAST_DAY + 1)).unwrap().contains("outside the years"));
        assert!(why("date", Value::Date(i32::MAX)).is_some());
        assert!(why("timestamp", Value::Timestamp(i64::MIN)).is_some());
        for micros in [-1, FIRST_MICRO, LAST_MICRO] {
            assert_eq!(why("timestamp", Value::Timestamp(micros)), None);
        }
        assert!(why("timestamp", Value::Timestamp(LAST_MICRO + 1)).is_some());
        assert_eq!(engine::model::value::date_text(FIRST_DAY), "0001-01-01");
        assert_eq!(engine::model::value::date_text(LAST_DAY), "9999-12-31");
    }
}
