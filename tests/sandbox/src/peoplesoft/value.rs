//! Expressions of a query with their fields found, and what they come to in a row.
//!
//! Invariant: a value is worked out from places alone; it never looks up a name.

use std::borrow::Cow;
use std::cmp::Ordering;

use chrono::NaiveTime;

use super::cell::{Cell, Kind};
use super::definition::{Comparison, Expression, QueryDefinition};
use super::record::{Record, Slot};

/// An expression with its fields found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Field { source: usize, field: usize },
    Fixed(Cell),
    Concat(Vec<Value>),
    Padded(Box<Value>, usize),
    Greatest(Vec<Value>),
    Coalesce(Box<Value>, Cell),
    Count,
    Sum(Box<Value>),
    Min(Box<Value>),
    Max(Box<Value>),
}

/// Finds the fields of expressions.
pub(super) struct Resolver<'a> {
    pub(super) query: &'a QueryDefinition,
    /// The records of the query, by their place in it.
    pub(super) records: &'a [&'a Record],
}

impl Resolver<'_> {
    /// The value of an expression; the error is what the database would not know.
    pub(super) fn value(&self, expression: &Expression) -> Result<Value, String> {
        self.nested(expression, 0)
    }

    fn nested(&self, expression: &Expression, depth: usize) -> Result<Value, String> {
        // A column may name another; one that names itself is not let in circles.
        if depth > 8 {
            return Err(format!("{expression:?}"));
        }
        let boxed = |inner: &Expression| self.nested(inner, depth + 1).map(Box::new);
        let all = |parts: &[Expression]| -> Result<Vec<Value>, String> {
            parts.iter().map(|part| self.nested(part, depth + 1)).collect()
        };
        Ok(match expression {
            Expression::Field(name) => return self.field(name, depth),
            Expression::Text(text) => Value::Fixed(text.as_str().into()),
            Expression::Concat(parts) => Value::Concat(all(parts)?),
            Expression::Padded(inner, width) => Value::Padded(boxed(inner)?, *width),
            Expression::Greatest(parts) => Value::Greatest(all(parts)?),
            Expression::Coalesce(inner, instead) => {
                let inner = boxed(inner)?;
                let instead = Cell::parse(inner.kind(self.records), instead);
                Value::Coalesce(inner, instead)
            }
            Expression::Count => Value::Count,
            Expression::Sum(inner) => Value::Sum(boxed(inner)?),
            Expression::Min(inner) => Value::Min(boxed(inner)?),
            Expression::Max(inner) => Value::Max(boxed(inner)?),
        })
    }

    fn field(&self, name: &str, depth: usize) -> Result<Value, String> {
        let found = name.split_once('.').and_then(|(alias, field)| {
            let source = self.query.records.iter().position(|record| record.alias == alias)?;
            let field = self.records.get(source)?.schema().position(field)?;
            Some(Value::Field { source, field })
        });
        if let Some(found) = found {
            return Ok(found);
        }
        let column = self.query.columns.iter().find(|column| column.name == name);
        match column {
            Some(column) if column.value != Expression::field(name) => self.nested(&column.value, depth + 1),
            _ => Err(name.into()),
        }
    }
}

impl Value {
    /// What it comes to in a row; aggregates come to nothing in a single row.
    pub(super) fn of<'a>(&self, places: &[Slot], records: &[&'a Record]) -> Cow<'a, Cell> {
        match self {
            Self::Field { source, field } => {
                let cell = places.get(*source).and_then(|slot| records.get(*source)?.cell(*slot, *field));
                cell.map_or(Cow::Owned(Cell::Null), Cow::Borrowed)
            }
            Self::Fixed(cell) => Cow::Owned(cell.clone()),
            Self::Concat(parts) => {
                let mut joined = String::new();
                parts.iter().for_each(|part| part.of(places, records).push_onto(&mut joined));
                Cow::Owned(joined.into())
            }
            Self::Padded(inner, width) => {
                Cow::Owned(format!("{:0>width$}", inner.of(places, records).to_string(), width = *width).into())
            }
            Self::Greatest(parts) => {
                let values = parts.iter().map(|part| part.of(places, records));
                values.max().unwrap_or(Cow::Owned(Cell::Null))
            }
            Self::Coalesce(inner, instead) => match inner.of(places, records) {
                empty if *empty == Cell::Null => Cow::Owned(instead.clone()),
                there => there,
            },
            Self::Count | Self::Sum(_) | Self::Min(_) | Self::Max(_) => Cow::Owned(Cell::Null),
        }
    }

    /// What kind of thing it comes to.
    pub(super) fn kind(&self, records: &[&Record]) -> Kind {
        match self {
            Self::Field { source, field } => {
                let field = records.get(*source).and_then(|record| record.schema().fields().get(*field));
                field.map_or(Kind::Text, |field| field.kind)
            }
            Self::Fixed(_) | Self::Concat(_) | Self::Padded(..) => Kind::Text,
            Self::Greatest(parts) => parts.first().map_or(Kind::Text, |part| part.kind(records)),
            Self::Count => Kind::Number { decimals: 0 },
            Self::Coalesce(inner, _) | Self::Sum(inner) | Self::Min(inner) | Self::Max(inner) => inner.kind(records),
        }
    }

    /// The last record that it looks at.
    pub(super) fn depth(&self) -> usize {
        match self {
            Self::Field { source, .. } => *source,
            Self::Fixed(_) | Self::Count => 0,
            Self::Concat(parts) | Self::Greatest(parts) => parts.iter().map(Self::depth).max().unwrap_or(0),
            Self::Padded(inner, _)
            | Self::Coalesce(inner, _)
            | Self::Sum(inner)
            | Self::Min(inner)
            | Self::Max(inner) => inner.depth(),
        }
    }
}

/// A criterion with everything found and all prompts answered.
#[derive(Clone, Debug)]
pub(super) enum Check {
    Compare { left: Value, operator: Comparison, right: Vec<Value> },
    Any(Vec<Vec<Check>>),
}

impl Check {
    pub(super) fn holds(&self, places: &[Slot], records: &[&Record]) -> bool {
        let (left, operator, right) = match self {
            Self::Compare { left, operator, right } => (left, operator, right),
            Self::Any(groups) => {
                return groups.iter().any(|group| group.iter().all(|check| check.holds(places, records)));
            }
        };
        let left = left.of(places, records);
        let against = |at: usize| right.get(at).and_then(|right| compare(&left, &right.of(places, records)));
        match operator {
            Comparison::Equal => against(0).is_some_and(Ordering::is_eq),
            Comparison::NotEqual => against(0).is_some_and(Ordering::is_ne),
            Comparison::Greater => against(0).is_some_and(Ordering::is_gt),
            Comparison::GreaterOrEqual => against(0).is_some_and(Ordering::is_ge),
            Comparison::Less => against(0).is_some_and(Ordering::is_lt),
            Comparison::LessOrEqual => against(0).is_some_and(Ordering::is_le),
            Comparison::Between => against(0).is_some_and(Ordering::is_ge) && against(1).is_some_and(Ordering::is_le),
            Comparison::In => (0..right.len()).any(|at| against(at).is_some_and(Ordering::is_eq)),
        }
    }

    pub(super) fn depth(&self) -> usize {
        match self {
            Self::Compare { left, right, .. } => right.iter().map(Value::depth).max().unwrap_or(0).max(left.depth()),
            Self::Any(groups) => groups.iter().flatten().map(Self::depth).max().unwrap_or(0),
        }
    }
}

/// As the database compares: a date is the beginning of its day, and nothing compares with null.
pub(super) fn compare(left: &Cell, right: &Cell) -> Option<Ordering> {
    match (left, right) {
        (Cell::Null, _) | (_, Cell::Null) => None,
        (Cell::Date(left), Cell::DateTime(right)) => Some(left.and_time(NaiveTime::MIN).cmp(right)),
        (Cell::DateTime(left), Cell::Date(right)) => Some(left.cmp(&right.and_time(NaiveTime::MIN))),
        _ => Some(left.cmp(right)),
    }
}
