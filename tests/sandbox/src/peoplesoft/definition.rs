//! A saved query, as an administrator creates it in Query Manager.
//!
//! ```
//! use sandbox::peoplesoft::{Expression, Comparison, PromptKind, QueryDefinition};
//!
//! let vouchers = QueryDefinition::new("CX_VOUCHERS")
//!     .record("A", "VOUCHER")
//!     .field("A.BUSINESS_UNIT")
//!     .field("A.VOUCHER_ID")
//!     .field("A.GROSS_AMT")
//!     .expression("VOUCHER_KEY", Expression::concat(["A.BUSINESS_UNIT", "'.'", "A.VOUCHER_ID"]))
//!     .prompt("SINCE", PromptKind::DateTime)
//!     .prompt("AFTER_KEY", PromptKind::Text)
//!     .where_prompt("A.LAST_UPDATE_DTTM", Comparison::GreaterOrEqual, "SINCE")
//!     .where_prompt("VOUCHER_KEY", Comparison::Greater, "AFTER_KEY")
//!     .order_by("VOUCHER_KEY");
//! ```
//!
//! Invariant: a definition is plain data. Whether its records and fields exist is found out when it is defined and again each
//! time it runs, because both can change in between.

/// A saved query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryDefinition {
    /// Its name, in upper case.
    pub name: String,
    /// Nothing for a public query, or the operator it belongs to.
    pub owner: Option<String>,
    /// The records; the first is the main one, each other is joined to those before it.
    pub records: Vec<JoinedRecord>,
    /// The fields that it shows, in their order.
    pub columns: Vec<Column>,
    /// What it asks before it runs, in this order.
    pub prompts: Vec<Prompt>,
    /// What rows must fulfil, all of it.
    pub criteria: Vec<Criterion>,
    /// The order of the rows; later ones decide where earlier ones are equal.
    pub order: Vec<Order>,
}

/// A record of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedRecord {
    /// `A`, `B`, …
    pub alias: String,
    /// The record's name, without `PS_`.
    pub record: String,
    /// A field of this record and the field that it must equal, such as `("VENDOR_ID", "A.VENDOR_ID")`.
    pub on: Vec<(String, String)>,
    /// Whether a row without a counterpart stays, with this record's fields empty.
    pub outer: bool,
    /// Which of the rows in effect are seen.
    pub effective: Effective,
}

/// Which rows of a record with effective dates are seen. Means nothing for other records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effective {
    /// The latest row per key that is not in the future: the criterion that Query Manager adds by itself.
    Current,
    /// All: past, current and future; the author has taken the criterion out.
    All,
}

/// A field that a query shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its unique name: `A.VENDOR_ID` for a field of a record, the heading for an expression.
    pub name: String,
    /// What it shows.
    pub value: Expression,
}

/// What a column, a criterion or an order looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// A field with its alias, `A.VENDOR_ID`, or the name of a column.
    Field(String),
    /// A fixed text.
    Text(String),
    /// Several, one behind the other: `A.BUSINESS_UNIT || '.' || A.VOUCHER_ID`.
    Concat(Vec<Expression>),
    /// A number or text filled up with zeros in front to this width: `LPAD(A.LINE_NBR, 5, '0')`.
    Padded(Box<Expression>, usize),
    /// The largest of several that is not empty.
    Greatest(Vec<Expression>),
    /// What it comes to, or this where that is empty: `COALESCE(A.LAST_UPDATE_DTTM, …)`. Written as a value of its kind is.
    Coalesce(Box<Expression>, String),
    /// How many rows; groups by the columns that are no aggregates.
    Count,
    /// The sum of numbers; a text where a number should be counts nothing.
    Sum(Box<Expression>),
    /// The smallest that is not empty.
    Min(Box<Expression>),
    /// The largest that is not empty.
    Max(Box<Expression>),
}

impl Expression {
    /// A field: `A.VENDOR_ID`.
    pub fn field(name: &str) -> Self {
        Self::Field(name.into())
    }

    /// Fields and, in single quotes, fixed texts, one behind the other.
    pub fn concat<const N: usize>(parts: [&str; N]) -> Self {
        let part = |part: &str| match part.strip_prefix('\'').and_then(|part| part.strip_suffix('\'')) {
            Some(text) => Self::Text(text.into()),
            None => Self::field(part),
        };
        Self::Concat(parts.into_iter().map(part).collect())
    }

    pub(super) fn is_aggregate(&self) -> bool {
        matches!(self, Self::Count | Self::Sum(_) | Self::Min(_) | Self::Max(_))
    }
}

/// What a query asks before it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Its unique name, case-sensitive; nothing makes it `BIND1`, `BIND2`, … by its place.
    pub name: Option<String>,
    /// What it takes.
    pub kind: PromptKind,
    /// The pattern of a date or date and time (`%m/%d/%Y`), where the author departed from `YYYY-MM-DD` and
    /// `YYYY-MM-DD-HH.MM.SS`.
    pub pattern: Option<String>,
}

impl Prompt {
    /// Its unique name, given its place counted from 0.
    pub(super) fn unique_name(&self, place: usize) -> String {
        self.name.clone().unwrap_or_else(|| format!("BIND{}", place + 1))
    }
}

/// What a prompt takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptKind {
    /// Any text.
    Text,
    /// A number; empty is 0.
    Number,
    /// A date; empty is null, with which nothing compares.
    Date,
    /// A date and time; empty is null, with which nothing compares.
    DateTime,
}

/// What rows must fulfil.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Criterion {
    /// A comparison. `Between` has two operands, `In` has one or more, all others have one.
    Compare {
        /// What is compared.
        left: Expression,
        /// How.
        operator: Comparison,
        /// With what.
        right: Vec<Operand>,
    },
    /// At least one of these groups, each of which must be fulfilled as a whole.
    Any(Vec<Vec<Criterion>>),
}

/// How things are compared; with an empty date nothing is true. Texts compare by their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// From the first operand to the second, both included.
    Between,
    /// One of the operands.
    In,
}

/// What something is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A prompt by its unique name.
    Prompt(String),
    /// A fixed value, written as the left side's kind is written.
    Constant(String),
    /// Something else in the same row.
    Expression(Expression),
}

/// One step of the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub value: Expression,
    /// Whether the largest comes first.
    pub descending: bool,
}

impl QueryDefinition {
    /// A public query without anything in it.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            owner: None,
            records: Vec::new(),
            columns: Vec::new(),
            prompts: Vec::new(),
            criteria: Vec::new(),
            order: Vec::new(),
        }
    }

    /// Makes it a private query of an operator.
    pub fn private(mut self, operator: &str) -> Self {
        self.owner = Some(operator.into());
        self
    }

    /// Adds the main record.
    pub fn record(self, alias: &str, record: &str) -> Self {
        self.join(alias, record, &[])
    }

    /// Joins a record: pairs of one of its fields and the field that it must equal.
    pub fn join(mut self, alias: &str, record: &str, on: &[(&str, &str)]) -> Self {
        self.records.push(JoinedRecord {
            alias: alias.into(),
            record: record.into(),
            on: on.iter().map(|(own, other)| ((*own).into(), (*other).into())).collect(),
            outer: false,
            effective: Effective::Current,
        });
        self
    }

    /// Joins a record whose counterpart may be missing.
    pub fn outer_join(self, alias: &str, record: &str, on: &[(&str, &str)]) -> Self {
        let mut joined = self.join(alias, record, on);
        if let Some(last) = joined.records.last_mut() {
            last.outer = true;
        }
        joined
    }

    /// Shows all rows of a record with effective dates, not only those in effect.
    pub fn all_history(mut self, alias: &str) -> Self {
        for record in self.records.iter_mut().filter(|record| record.alias == alias) {
            record.effective = Effective::All;
        }
        self
    }

    /// Shows a field: `A.VENDOR_ID`.
    pub fn field(mut self, name: &str) -> Self {
        self.columns.push(Column { name: name.into(), value: Expression::field(name) });
        self
    }

    /// Shows several fields.
    pub fn fields(self, names: &[&str]) -> Self {
        names.iter().fold(self, |query, name| query.field(name))
    }

    /// Shows an expression under a heading.
    pub fn expression(mut self, heading: &str, value: Expression) -> Self {
        self.columns.push(Column { name: heading.into(), value });
        self
    }

    /// Asks for a value.
    pub fn prompt(mut self, name: &str, kind: PromptKind) -> Self {
        self.prompts.push(Prompt { name: Some(name.into()), kind, pattern: None });
        self
    }

    /// Asks for a value under the name that PeopleSoft makes up: `BIND1` for the first prompt, and so on.
    pub fn unnamed_prompt(mut self, kind: PromptKind) -> Self {
        self.prompts.push(Prompt { name: None, kind, pattern: None });
        self
    }

    /// Compares a field, or a column by its heading, with a prompt.
    pub fn where_prompt(self, field: &str, operator: Comparison, prompt: &str) -> Self {
        self.where_operands(field, operator, vec![Operand::Prompt(prompt.into())])
    }

    /// Compares a field with a fixed value.
    pub fn where_value(self, field: &str, operator: Comparison, value: &str) -> Self {
        self.where_operands(field, operator, vec![Operand::Constant(value.into())])
    }

    /// From one prompt to another, both included.
    pub fn where_between(self, field: &str, from: &str, to: &str) -> Self {
        let operands = [from, to].map(|prompt| Operand::Prompt(prompt.into()));
        self.where_operands(field, Comparison::Between, operands.into())
    }

    /// Compares a field with whatever the operator takes.
    pub fn where_operands(mut self, field: &str, operator: Comparison, right: Vec<Operand>) -> Self {
        self.criteria.push(Criterion::Compare { left: Expression::field(field), operator, right });
        self
    }

    /// Adds any criterion.
    pub fn criterion(mut self, criterion: Criterion) -> Self {
        self.criteria.push(criterion);
        self
    }

    /// Orders by a field or a column, smallest first.
    pub fn order_by(mut self, field: &str) -> Self {
        self.order.push(Order { value: Expression::field(field), descending: false });
        self
    }
}
