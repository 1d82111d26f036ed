//! From conditions to a predicate over rows.
//!
//! Invariant: what the server would not understand is refused before any row is looked at: an unknown operator or
//! column, a literal that does not fit, a date in another form than the site's. Column names become positions once per
//! request.

use std::cmp::Ordering;

use chrono::{Days, Months, NaiveDate};

use super::cell::{Operand, text_form};
use super::error::Refusal;
use super::request::{Condition, Literal, Query};
use super::schema::Kind;
use super::settings::{AndOr, DateLiteral, Settings};
use super::table::{Slot, Table};
use super::value::{Decimal, from_julian, julian, parse_day};

/// A predicate with its columns resolved.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Predicate {
    All(Vec<Predicate>),
    Any(Vec<Predicate>),
    Test(usize, Test),
}

/// What one cell must satisfy.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    Never,
    Always,
    Is(Comparison, Operand),
    Between(Operand, Operand),
    OneOf(Vec<Operand>),
    /// Text cells compared by symbol: equality without looking at the text.
    Symbols(Vec<u32>),
    NotSymbol(u32),
    Starts(String),
    Ends(String),
    Contains(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Comparison {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterEqual => ordering.is_ge(),
        }
    }
}

impl Predicate {
    /// Whether it is true of every row without looking.
    pub(super) fn is_everything(&self) -> bool {
        matches!(self, Self::All(parts) if parts.is_empty())
    }

    pub(super) fn holds(&self, table: &Table, slot: Slot) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(table, slot)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(table, slot)),
            Self::Test(column, test) => test.holds(table, slot, *column),
        }
    }
}

impl Test {
    fn holds(&self, table: &Table, slot: Slot, column: usize) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::Is(comparison, operand) => comparison.holds(table.compare(slot, column, operand)),
            Self::Between(low, high) => {
                table.compare(slot, column, low).is_ge() && table.compare(slot, column, high).is_le()
            }
            Self::OneOf(operands) => operands.iter().any(|operand| table.compare(slot, column, operand).is_eq()),
            Self::Symbols(symbols) => symbols.contains(&table.symbol(slot, column)),
            Self::NotSymbol(symbol) => table.symbol(slot, column) != *symbol,
            Self::Starts(text) => table.symbols().text(table.symbol(slot, column)).starts_with(text.as_str()),
            Self::Ends(text) => table.symbols().text(table.symbol(slot, column)).ends_with(text.as_str()),
            Self::Contains(text) => table.symbols().text(table.symbol(slot, column)).contains(text.as_str()),
        }
    }
}

/// What a query is read against.
pub(super) struct Reader<'a> {
    pub(super) table: &'a Table,
    pub(super) settings: &'a Settings,
    /// The user behind LOGIN_USER.
    pub(super) user: &'a str,
    /// The server's day behind TODAY.
    pub(super) today: NaiveDate,
}

impl Reader<'_> {
    /// The position of `TABLE.ALIAS`, or of a bare alias.
    pub(super) fn column(&self, name: &str) -> Result<usize, Refusal> {
        let alias = match name.split_once('.') {
            Some((table, alias)) if table == self.table.schema().name() => alias,
            Some(_) => {
                return Err(Refusal::failed(format!("Column {name} is not part of the requested table or view")));
            }
            None => name,
        };
        let position = self.table.schema().position(alias);
        position
            .ok_or_else(|| Refusal::failed(format!("Column {name} does not exist in {}", self.table.schema().name())))
    }

    /// The predicate of a query; no query is true of every row.
    pub(super) fn predicate(&self, query: Option<&Query>) -> Result<Predicate, Refusal> {
        let Some(query) = query else {
            return Ok(Predicate::All(Vec::new()));
        };
        self.query(query, 0)
    }

    fn query(&self, query: &Query, depth: usize) -> Result<Predicate, Refusal> {
        if depth > 16 {
            return Err(Refusal::failed("Query groups are nested too deeply"));
        }
        let tests = query.condition.iter().map(|condition| self.condition(condition)).collect::<Result<Vec<_>, _>>()?;
        let base = match query.match_type.as_deref() {
            None | Some("MATCH_ALL") => Predicate::All(tests),
            Some("MATCH_ANY") if tests.is_empty() => Predicate::All(tests),
            Some("MATCH_ANY") => Predicate::Any(tests),
            Some(other) => return Err(Refusal::failed(format!("Unknown matchType {other:?}"))),
        };
        // Without conditions of its own a query starts with its first group, whose andOr then joins it with nothing.
        let mut joined = (!query.condition.is_empty()).then_some(base);
        let mut carried = Join::And;
        for group in &query.complex_query {
            let own = match group.and_or.as_deref() {
                Some("AND") => Join::And,
                Some("OR") => Join::Or,
                other => return Err(Refusal::failed(format!("andOr must be AND or OR, not {other:?}"))),
            };
            let join = match self.settings.and_or {
                AndOr::WithPrevious => own,
                AndOr::WithNext => std::mem::replace(&mut carried, own),
            };
            let part = self.query(&group.query, depth + 1)?;
            joined = Some(match joined {
                None => part,
                Some(before) => join.join(before, part),
            });
        }
        Ok(joined.unwrap_or(Predicate::All(Vec::new())))
    }

    fn condition(&self, condition: &Condition) -> Result<Predicate, Refusal> {
        let column = self.column(&condition.control_id)?;
        let kind = self.table.schema().columns()[column].kind;
        let values = &condition.value;
        let count = |expected: usize| {
            if values.len() == expected {
                return Ok(());
            }
            let (operator, given) = (&condition.operator, values.len());
            Err(Refusal::failed(format!("{operator} takes {expected} value(s), {given} given")))
        };
        let one = |index: usize| {
            values.get(index).ok_or_else(|| Refusal::failed(format!("{} needs a value", condition.operator)))
        };
        let compare = |comparison: Comparison| {
            count(1)?;
            self.compare(kind, comparison, one(0)?)
        };
        let text = || {
            count(1)?;
            let Kind::Text { .. } = kind else {
                return Err(Refusal::failed(format!("{} is only for character columns", condition.operator)));
            };
            self.text(one(0)?)
        };
        let test = match condition.operator.as_str() {
            "EQUAL" => compare(Comparison::Equal)?,
            "NOT_EQUAL" => compare(Comparison::NotEqual)?,
            "LESS" => compare(Comparison::Less)?,
            "LESS_EQUAL" => compare(Comparison::LessEqual)?,
            "GREATER" => compare(Comparison::Greater)?,
            "GREATER_EQUAL" => compare(Comparison::GreaterEqual)?,
            "BETWEEN" => {
                count(2)?;
                // Two comparisons, so that a literal finer than the column keeps its meaning at both ends.
                let low = self.compare(kind, Comparison::GreaterEqual, one(0)?)?;
                let high = self.compare(kind, Comparison::LessEqual, one(1)?)?;
                match (low, high) {
                    (Test::Is(Comparison::GreaterEqual, low), Test::Is(Comparison::LessEqual, high)) => {
                        Test::Between(low, high)
                    }
                    (low, high) => {
                        return Ok(Predicate::All(vec![Predicate::Test(column, low), Predicate::Test(column, high)]));
                    }
                }
            }
            "LIST" => {
                one(0)?;
                let tests = values.iter().map(|value| self.compare(kind, Comparison::Equal, value));
                any_of(tests.collect::<Result<Vec<_>, _>>()?)
            }
            "STR_START_WITH" => Test::Starts(text()?),
            "STR_END_WITH" => Test::Ends(text()?),
            "STR_CONTAIN" => Test::Contains(text()?),
            "STR_BLANK" | "STR_NOT_BLANK" => {
                let Kind::Text { .. } = kind else {
                    return Err(Refusal::failed(format!("{} is only for character columns", condition.operator)));
                };
                if condition.operator == "STR_BLANK" { Test::Symbols(vec![0]) } else { Test::NotSymbol(0) }
            }
            other => return Err(Refusal::failed(format!("Unknown operator {other:?}"))),
        };
        Ok(Predicate::Test(column, test))
    }

    /// A comparison with one value, in the column's own terms.
    fn compare(&self, kind: Kind, comparison: Comparison, value: &Literal) -> Result<Test, Refusal> {
        match kind {
            Kind::Text { width, right } => {
                let text = self.text(value)?;
                let right = right && !self.settings.padded_filters;
                Ok(self.compare_text(comparison, &text_form(&text, width, right)))
            }
            Kind::Number { decimals } => {
                let number = literal(value)?;
                let number =
                    Decimal::parse(number).ok_or_else(|| Refusal::failed(format!("{number:?} is no number")))?;
                Ok(compare_number(comparison, number, decimals))
            }
            Kind::Time => {
                let number = literal(value)?;
                let number = Decimal::parse(number).ok_or_else(|| Refusal::failed(format!("{number:?} is no time")))?;
                Ok(compare_number(comparison, number, 0))
            }
            Kind::Date => Ok(Test::Is(comparison, Operand::Int(self.date(value)?))),
        }
    }

    fn compare_text(&self, comparison: Comparison, text: &str) -> Test {
        let symbol = self.table.symbols().find(text);
        match (comparison, symbol) {
            (Comparison::Equal, Some(symbol)) => Test::Symbols(vec![symbol]),
            (Comparison::Equal, None) => Test::Never,
            (Comparison::NotEqual, Some(symbol)) => Test::NotSymbol(symbol),
            (Comparison::NotEqual, None) => Test::Always,
            (other, _) => Test::Is(other, Operand::Text(text.into())),
        }
    }

    fn text(&self, value: &Literal) -> Result<String, Refusal> {
        match special(value)? {
            "LITERAL" => content(value).map(Into::into),
            "LOGIN_USER" => Ok(self.user.into()),
            other => Err(Refusal::failed(format!("{other} does not fit a character column"))),
        }
    }

    /// The Julian day of a literal or of a day relative to the server's today.
    fn date(&self, value: &Literal) -> Result<i64, Refusal> {
        let id = special(value)?;
        if id == "LITERAL" {
            return self.date_literal(content(value)?);
        }
        let count = || {
            let count = content(value)?;
            count.trim().parse::<u32>().map_err(|_| Refusal::failed(format!("{id} needs a count, not {count:?}")))
        };
        let day = match id {
            "TODAY" => Some(self.today),
            "TODAY_PLUS_DAY" => self.today.checked_add_days(Days::new(u64::from(count()?))),
            "TODAY_MINUS_DAY" => self.today.checked_sub_days(Days::new(u64::from(count()?))),
            "TODAY_PLUS_MONTH" => self.today.checked_add_months(Months::new(count()?)),
            "TODAY_MINUS_MONTH" => self.today.checked_sub_months(Months::new(count()?)),
            "TODAY_PLUS_YEAR" => self.today.checked_add_months(Months::new(count()?.saturating_mul(12))),
            "TODAY_MINUS_YEAR" => self.today.checked_sub_months(Months::new(count()?.saturating_mul(12))),
            other => return Err(Refusal::failed(format!("{other} does not fit a date column"))),
        };
        let day = day.ok_or_else(|| Refusal::failed(format!("{id} leaves the calendar")))?;
        Ok(i64::from(julian(day)))
    }

    fn date_literal(&self, text: &str) -> Result<i64, Refusal> {
        let day = match self.settings.date_literal {
            DateLiteral::UserFormat => parse_day(&self.settings.simple_date_format, text),
            DateLiteral::Julian => text.parse().ok().and_then(from_julian),
            DateLiteral::Iso => parse_day("yyyyMMdd", text).or_else(|| parse_day("yyyy-MM-dd", text)),
        };
        day.map(|day| i64::from(julian(day))).ok_or_else(|| Refusal::failed(format!("Invalid date {text:?} in query")))
    }
}

#[derive(Clone, Copy)]
enum Join {
    And,
    Or,
}

impl Join {
    fn join(self, left: Predicate, right: Predicate) -> Predicate {
        match (self, left) {
            (Self::And, Predicate::All(mut parts)) => {
                parts.push(right);
                Predicate::All(parts)
            }
            (Self::Or, Predicate::Any(mut parts)) => {
                parts.push(right);
                Predicate::Any(parts)
            }
            (Self::And, left) => Predicate::All(vec![left, right]),
            (Self::Or, left) => Predicate::Any(vec![left, right]),
        }
    }
}

/// A number literal may be finer than the column: `> 12.345` on a column with two decimals means `> 12.34`.
fn compare_number(comparison: Comparison, number: Decimal, decimals: u8) -> Test {
    let Some((floor, exact)) = number.floor_at(decimals) else {
        // Beyond anything the column can hold.
        let above = number.units > 0;
        return match comparison {
            Comparison::NotEqual => Test::Always,
            Comparison::Less | Comparison::LessEqual if above => Test::Always,
            Comparison::Greater | Comparison::GreaterEqual if !above => Test::Always,
            _ => Test::Never,
        };
    };
    let comparison = match comparison {
        same if exact => same,
        Comparison::Equal => return Test::Never,
        Comparison::NotEqual => return Test::Always,
        Comparison::Less | Comparison::LessEqual => Comparison::LessEqual,
        Comparison::Greater | Comparison::GreaterEqual => Comparison::Greater,
    };
    Test::Is(comparison, Operand::Int(floor))
}

fn any_of(tests: Vec<Test>) -> Test {
    let mut symbols = Vec::new();
    let mut operands = Vec::new();
    for test in tests {
        match test {
            Test::Symbols(more) => symbols.extend(more),
            Test::Is(_, operand) => operands.push(operand),
            _ => {}
        }
    }
    match (symbols.is_empty(), operands.is_empty()) {
        (true, true) => Test::Never,
        (false, _) => Test::Symbols(symbols),
        (true, false) => Test::OneOf(operands),
    }
}

fn special(value: &Literal) -> Result<&str, Refusal> {
    value.special_value_id.as_deref().ok_or_else(|| Refusal::failed("A condition value has no specialValueId"))
}

fn content(value: &Literal) -> Result<&str, Refusal> {
    value.content.as_deref().ok_or_else(|| Refusal::failed("A condition value has no content"))
}

fn literal(value: &Literal) -> Result<&str, Refusal> {
    match special(value)? {
        "LITERAL" => content(value),
        other => Err(Refusal::failed(format!("{other} does not fit a numeric column"))),
    }
}
