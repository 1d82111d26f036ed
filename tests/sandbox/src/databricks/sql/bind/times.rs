//! Functions of days and instants.

use sqlparser::ast::{Expr, Interval, Value as Literal};

use super::cast::Cast;
use super::scalars::literal;
use super::{Binder, Typed, quoted};
use crate::databricks::catalog::types::Type;
use crate::databricks::sql::error::{Result, SqlError};
use crate::databricks::sql::moment::MICROS_PER_DAY;

impl Binder<'_> {
    pub(super) fn of_time(&mut self, name: &str, args: &[Typed]) -> Result<Option<Typed>> {
        let bound = match (name, args) {
            ("to_date" | "date", [value]) => self.cast(value.clone(), &Type::Date, Cast::Strict)?,
            ("to_timestamp", [value]) => self.cast(value.clone(), &Type::Timestamp, Cast::Strict)?,
            ("to_timestamp_ntz", [value]) => self.cast(value.clone(), &Type::TimestampNtz, Cast::Strict)?,
            ("try_to_timestamp", [value]) => self.cast(value.clone(), &Type::Timestamp, Cast::Try)?,
            ("date_format", [value, pattern]) => {
                let value = self.moment(value)?;
                Typed::new(format!("moment_format({}, {})", value.sql, pattern.sql), Type::String)
            }
            ("date_trunc", [unit, value]) => {
                let value = self.moment(value)?;
                Typed::new(format!("moment_trunc({}, {})", value.sql, unit.sql), value.ty)
            }
            ("trunc", [value, unit]) => {
                let value = self.moment(value)?;
                Typed::new(format!("(moment_trunc({}, {}) / {MICROS_PER_DAY})", value.sql, unit.sql), Type::Date)
            }
            (
                "year" | "quarter" | "month" | "day" | "dayofmonth" | "dayofweek" | "dayofyear" | "hour" | "minute"
                | "second",
                [value],
            ) => self.part_of(name, value.clone())?,
            ("weekofyear", [value]) => self.part_of("week", value.clone())?,
            ("date_part" | "extract", [unit, value]) => {
                let unit = literal(&unit.sql).ok_or_else(|| SqlError::syntax(format!("'{name}'")))?;
                self.part_of(&unit, value.clone())?
            }
            ("date_add" | "dateadd", [value, days]) => self.days(value, "+", days)?,
            ("date_sub", [value, days]) => self.days(value, "-", days)?,
            ("datediff" | "date_diff", [to, from]) => {
                let (to, from) = (self.date(to)?, self.date(from)?);
                Typed::new(format!("({} - {})", to.sql, from.sql), Type::Int)
            }
            ("timestampdiff" | "datediff" | "date_diff", [unit, from, to]) => {
                let (from, to) = (self.moment(from)?, self.moment(to)?);
                Typed::new(format!("moment_diff({}, {}, {})", unit.sql, from.sql, to.sql), Type::Long)
            }
            ("add_months", [value, months]) => {
                let value = self.moment(value)?;
                Typed::new(format!("(moment_months({}, {}) / {MICROS_PER_DAY})", value.sql, months.sql), Type::Date)
            }
            ("last_day", [value]) => {
                let value = self.date(value)?;
                Typed::new(format!("last_day_of({})", value.sql), Type::Date)
            }
            ("unix_micros", [value]) => Typed::new(self.moment(value)?.sql, Type::Long),
            ("unix_millis", [value]) => Typed::new(format!("({} / 1000)", self.moment(value)?.sql), Type::Long),
            ("unix_seconds" | "unix_timestamp" | "to_unix_timestamp", [value]) => {
                Typed::new(format!("({} / 1000000)", self.moment(value)?.sql), Type::Long)
            }
            ("unix_date", [value]) => Typed::new(self.date(value)?.sql, Type::Int),
            ("timestamp_micros", [value]) => Typed::new(value.sql.clone(), Type::Timestamp),
            ("timestamp_millis", [value]) => Typed::new(format!("({} * 1000)", value.sql), Type::Timestamp),
            ("timestamp_seconds", [value]) => Typed::new(format!("({} * 1000000)", value.sql), Type::Timestamp),
            ("make_date", [year, month, day]) => {
                let text = format!("(text_pad({}, 4, '0', 1) || '-' || {} || '-' || {})", year.sql, month.sql, day.sql);
                self.cast(Typed::new(text, Type::String), &Type::Date, Cast::Strict)?
            }
            _ => return Ok(None),
        };
        Ok(Some(bound))
    }

    fn moment(&self, value: &Typed) -> Result<Typed> {
        let to = if value.ty == Type::TimestampNtz { Type::TimestampNtz } else { Type::Timestamp };
        self.cast(value.clone(), &to, Cast::Strict)
    }

    fn date(&self, value: &Typed) -> Result<Typed> {
        self.cast(value.clone(), &Type::Date, Cast::Strict)
    }

    fn days(&self, value: &Typed, sign: &str, days: &Typed) -> Result<Typed> {
        Ok(Typed::new(format!("({} {sign} {})", self.date(value)?.sql, days.sql), Type::Date))
    }

    pub(super) fn part_of(&mut self, unit: &str, value: Typed) -> Result<Typed> {
        let value = self.moment(&value)?;
        Ok(Typed::new(format!("moment_part({}, {})", value.sql, quoted(unit)), Type::Int))
    }

    /// A day or an instant moved by an interval.
    pub(super) fn shifted(&mut self, value: Typed, interval: &Interval, back: bool) -> Result<Typed> {
        let amount = match &*interval.value {
            Expr::Value(value) => match &value.value {
                Literal::Number(digits, _) | Literal::SingleQuotedString(digits) => digits.trim().parse::<i64>().ok(),
                _ => None,
            },
            _ => None,
        };
        let unit = interval.leading_field.as_ref().map(|unit| unit.to_string().to_uppercase()).unwrap_or_default();
        let unknown = || SqlError::syntax(format!("'{interval}'"));
        let amount = amount.map(|amount| if back { -amount } else { amount }).ok_or_else(unknown)?;
        let micros = match unit.trim_end_matches('S') {
            "YEAR" | "MONTH" => {
                let months = if unit.starts_with('Y') { amount * 12 } else { amount };
                let at = self.moment(&value)?;
                let moved = format!("moment_months({}, {months})", at.sql);
                let date = value.ty == Type::Date;
                return Ok(if date {
                    Typed::new(format!("({moved} / {MICROS_PER_DAY})"), Type::Date)
                } else {
                    Typed::new(moved, at.ty)
                });
            }
            "WEEK" => 7 * MICROS_PER_DAY,
            "DAY" => MICROS_PER_DAY,
            "HOUR" => 3_600_000_000,
            "MINUTE" => 60_000_000,
            "SECOND" => 1_000_000,
            "MILLISECOND" => 1_000,
            "MICROSECOND" => 1,
            _ => return Err(unknown()),
        };
        if value.ty == Type::Date && micros % MICROS_PER_DAY == 0 {
            return Ok(Typed::new(format!("({} + {})", value.sql, amount * (micros / MICROS_PER_DAY)), Type::Date));
        }
        let at = self.moment(&value)?;
        Ok(Typed::new(format!("({} + {})", at.sql, amount.saturating_mul(micros)), at.ty))
    }
}
