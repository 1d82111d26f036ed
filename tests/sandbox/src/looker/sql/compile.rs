//! Writes the statement of a query.
//!
//! Invariant: a joined view takes part only when a field, filter or join condition needs it, and a measure whose rows a
//! join repeats is counted by primary key or refused, never summed twice.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::super::lookml::reference::{self, DEPTH, Piece};
use super::super::lookml::{Explore, Field, Frame, Kind, Measure, Source, label};
use super::super::warehouse::Dialect;
use super::dates::Calendar;
use super::{dialect, filter};

/// What is asked of an explore.
pub(in super::super) struct Question<'a> {
    pub(in super::super) fields: &'a [String],
    pub(in super::super) filters: &'a BTreeMap<String, String>,
    pub(in super::super) sorts: &'a [String],
    /// Nothing is unlimited.
    pub(in super::super) limit: Option<u64>,
    pub(in super::super) zone: Tz,
    pub(in super::super) now: DateTime<Utc>,
}

/// The statement, and what its columns are.
#[derive(Clone, Debug)]
pub(in super::super) struct Compiled {
    pub(in super::super) sql: String,
    pub(in super::super) columns: Vec<Column>,
}

/// A column of the answer.
#[derive(Clone, Debug)]
pub(in super::super) struct Column {
    /// `view.field`
    pub(in super::super) name: String,
    /// View and field as people read them.
    pub(in super::super) label: String,
    pub(in super::super) kind: Kind,
    pub(in super::super) value_format: Option<String>,
}

/// Why there is no statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Problem {
    /// A field that the explore does not have.
    UnknownField(String),
    /// A member of the query that makes no sense.
    Invalid { field: String, message: String },
    /// LookML that cannot be made into SQL.
    Broken(String),
}

/// Writes the statement.
pub(in super::super) fn compile(
    explore: &Explore,
    dialect: Dialect,
    question: &Question<'_>,
) -> Result<Compiled, Problem> {
    if question.fields.is_empty() {
        return Err(Problem::Invalid { field: "fields".into(), message: "Must query at least one field".into() });
    }
    let mut writer = Writer { explore, dialect, question, used: BTreeSet::new() };
    // The first pass finds the views that take part, the second knows them while it writes the measures.
    writer.statement(false)?;
    writer.statement(true)
}

struct Writer<'a> {
    explore: &'a Explore,
    dialect: Dialect,
    question: &'a Question<'a>,
    /// The aliases of the views that take part.
    used: BTreeSet<&'a str>,
}

impl<'a> Writer<'a> {
    fn statement(&mut self, strict: bool) -> Result<Compiled, Problem> {
        let explore = self.explore;
        let base = explore.sources.first().ok_or_else(|| Problem::Broken(first_error(explore)))?;
        self.used.insert(&base.alias);
        let mut columns: Vec<Column> = Vec::new();
        let mut select = Vec::new();
        let mut group = Vec::new();
        let mut classes = Vec::new();
        for name in self.question.fields {
            if columns.iter().any(|column| column.name == *name) {
                continue;
            }
            let (source, field) = self.find(name)?;
            if !field.kind.is_measure() {
                group.push((select.len() + 1).to_string());
            }
            let shown = self.shown(source, field, strict)?;
            classes.push(field.case.as_ref().map(|case| dialect::rank(&shown, case.labels())));
            select.push(format!("{shown} AS {}", dialect::name(name)));
            columns.push(Column {
                name: name.clone(),
                label: format!("{} {}", label::of_view(source), label::of_field(field)),
                kind: field.kind,
                value_format: field.value_format.clone(),
            });
        }
        let (mut conditions, having) = self.filters(strict)?;
        if let Some(sql) = &explore.always_where {
            conditions.insert(0, format!("({})", self.expand(base, sql, strict, 0)?));
        }
        let from = self.from(base, strict)?;
        let mut sql = format!("SELECT\n    {}\n{from}", select.join(",\n    "));
        let mut clause = |word: &str, parts: &[String], between: &str| {
            if !parts.is_empty() {
                sql.push_str(&format!("\n{word} {}", parts.join(between)));
            }
        };
        clause("WHERE", &conditions, " AND ");
        clause("GROUP BY", &group, ", ");
        clause("HAVING", &having, " AND ");
        clause("ORDER BY", &self.order(&columns, &classes)?, ", ");
        if let Some(limit) = self.question.limit {
            clause("LIMIT", &[limit.to_string()], "");
        }
        Ok(Compiled { sql, columns })
    }

    fn find(&self, name: &str) -> Result<(&'a Source, &'a Field), Problem> {
        self.explore.field(name).ok_or_else(|| Problem::UnknownField(name.into()))
    }

    fn from(&mut self, base: &'a Source, strict: bool) -> Result<String, Problem> {
        let mut from = format!("FROM {} AS {}", base.view.table, dialect::name(&base.alias));
        // A join may need one that stands before it, so the conditions are read from the back.
        let mut joins = Vec::new();
        for source in self.explore.sources.iter().rev() {
            let Some(join) = source.join.as_ref().filter(|_| self.used.contains(source.alias.as_str())) else {
                continue;
            };
            let word = match join.kind.as_str() {
                "inner" => "INNER JOIN",
                "full_outer" => "FULL OUTER JOIN",
                "cross" => "CROSS JOIN",
                _ => "LEFT JOIN",
            };
            let mut text = format!("\n{word} {} AS {}", source.view.table, dialect::name(&source.alias));
            if join.kind != "cross" {
                text.push_str(&format!(" ON {}", self.expand(source, &join.sql_on, strict, 0)?));
            }
            joins.push(text);
        }
        from.extend(joins.into_iter().rev());
        Ok(from)
    }

    /// The conditions on rows and those on groups.
    fn filters(&mut self, strict: bool) -> Result<(Vec<String>, Vec<String>), Problem> {
        let (mut rows, mut groups) = (Vec::new(), Vec::new());
        for (name, expression) in self.question.filters {
            let (source, field) = self.find(name)?;
            let condition = self.condition(source, field, expression, strict).map_err(|problem| match problem {
                Problem::Invalid { message, .. } => Problem::Invalid { field: format!("filters.{name}"), message },
                other => other,
            })?;
            if field.kind.is_measure() { groups.extend(condition) } else { rows.extend(condition) }
        }
        Ok((rows, groups))
    }

    fn condition(
        &mut self,
        source: &'a Source,
        field: &'a Field,
        expression: &str,
        strict: bool,
    ) -> Result<Option<String>, Problem> {
        let sql = match field.kind {
            // Times are compared as such, not as their timeframe's text.
            Kind::Time(_) | Kind::Measure(Measure::Time(_)) => self.raw(source, field, strict, 0)?,
            _ => self.value(source, field, strict, 0)?,
        };
        let calendar = Calendar { now: self.question.now, zone: self.zone(field) };
        let condition = filter::condition(self.dialect, &calendar, field.kind, &sql, expression);
        condition.map_err(|why| {
            let message = format!("Invalid filter expression \"{expression}\": {why}");
            Problem::Invalid { field: "filters".into(), message }
        })
    }

    /// What the rows are sorted by; `classes` holds what stands for a column whose classes have an order of their own.
    fn order(&self, columns: &[Column], classes: &[Option<String>]) -> Result<Vec<String>, Problem> {
        let by = |at: usize, descending: bool| {
            let sql = classes[at].clone();
            let sql = sql.unwrap_or_else(|| self.dialect.order(at, &columns[at].name, columns[at].kind.is_numeric()));
            if descending { format!("{sql} DESC") } else { sql }
        };
        if self.question.sorts.is_empty() {
            let first = |test: fn(Kind) -> bool| columns.iter().position(|column| test(column.kind));
            let time = first(|kind| matches!(kind, Kind::Time(_)));
            let descending = time.or_else(|| first(Kind::is_measure));
            return Ok(vec![descending.map_or_else(|| by(0, false), |at| by(at, true))]);
        }
        if self.question.sorts == ["__UNSORTED__"] {
            return Ok(Vec::new());
        }
        let mut order = Vec::new();
        for sort in self.question.sorts {
            let invalid = |message: &str| Problem::Invalid {
                field: "sorts".into(),
                message: format!("{message} in sort \"{sort}\""),
            };
            let words: Vec<&str> = sort.split_whitespace().collect();
            let (name, descending) = match words.as_slice() {
                [name] | [name, "asc"] => (*name, false),
                [name, "desc"] => (*name, true),
                _ => return Err(invalid("Unknown direction")),
            };
            self.find(name)?;
            // A sort on a field that is not asked for has nothing to sort.
            if let Some(at) = columns.iter().position(|column| column.name == name) {
                order.push(by(at, descending));
            }
        }
        Ok(order)
    }

    /// The field as a column of the answer.
    fn shown(&mut self, source: &'a Source, field: &'a Field, strict: bool) -> Result<String, Problem> {
        let sql = self.value(source, field, strict, 0)?;
        Ok(match field.kind {
            Kind::YesNo | Kind::Measure(Measure::YesNo) => format!("CASE WHEN {sql} THEN 'Yes' ELSE 'No' END"),
            _ => sql,
        })
    }

    /// The field as an expression, the way a reference sees it.
    fn value(&mut self, source: &'a Source, field: &'a Field, strict: bool, depth: usize) -> Result<String, Problem> {
        let kind = match field.kind {
            Kind::Measure(measure) => return self.measure(source, field, measure, strict, depth),
            kind => kind,
        };
        let sql = self.raw(source, field, strict, depth)?;
        Ok(match kind {
            Kind::Time(frame) => self.dialect.frame(&sql, frame, self.zone(field)),
            _ => sql,
        })
    }

    /// The field's own SQL with its references resolved.
    fn raw(&mut self, source: &'a Source, field: &'a Field, strict: bool, depth: usize) -> Result<String, Problem> {
        self.used.insert(&source.alias);
        self.expand(source, field.sql.as_deref().unwrap_or_default(), strict, depth)
    }

    fn zone(&self, field: &Field) -> Tz {
        let moves = field.convert_tz && field.datatype.as_deref() != Some("date");
        if moves { self.question.zone } else { Tz::UTC }
    }

    fn expand(&mut self, home: &'a Source, sql: &str, strict: bool, depth: usize) -> Result<String, Problem> {
        if depth > DEPTH {
            return Err(Problem::Broken(format!("Circular reference in view \"{}\"", home.alias)));
        }
        let mut written = String::new();
        for piece in reference::pieces(sql) {
            match piece {
                Piece::Sql(sql) => written.push_str(sql),
                Piece::Table => written.push_str(&dialect::name(&home.alias)),
                Piece::Field(name) => {
                    let (source, field) = reference::find(self.explore, home, name).ok_or_else(|| {
                        Problem::Broken(format!(
                            "Unknown or inaccessible field \"{name}\" referenced in \"{}\"",
                            home.alias
                        ))
                    })?;
                    written.push_str(&format!("({})", self.value(source, field, strict, depth + 1)?));
                }
            }
        }
        Ok(written)
    }

    fn measure(
        &mut self,
        source: &'a Source,
        field: &'a Field,
        measure: Measure,
        strict: bool,
        depth: usize,
    ) -> Result<String, Problem> {
        let sql = self.raw(source, field, strict, depth)?;
        let mut conditions = Vec::new();
        for (name, expression) in &field.filters {
            let unknown = || Problem::UnknownField(format!("{}.{name}", source.alias));
            let (owner, dimension) = reference::find(self.explore, source, name).ok_or_else(unknown)?;
            conditions.extend(self.condition(owner, dimension, expression, strict)?);
        }
        let only = |sql: String| {
            if conditions.is_empty() { sql } else { format!("CASE WHEN {} THEN {sql} END", conditions.join(" AND ")) }
        };
        let repeated = strict && self.repeats(source);
        let needs_rows = matches!(measure, Measure::Sum | Measure::Average);
        if repeated && needs_rows {
            let message =
                format!("{}.{}: sums over rows that a join repeats are not simulated", source.alias, field.name);
            return Err(Problem::Broken(message));
        }
        let dialect = self.dialect;
        Ok(match measure {
            Measure::Count if source.join.is_none() && !repeated => match conditions.is_empty() {
                true => "COUNT(*)".into(),
                false => format!("COUNT({})", only("1".into())),
            },
            Measure::Count => {
                let key = source.view.primary_key().ok_or_else(|| {
                    Problem::Broken(format!("View \"{}\" needs a primary key to be counted in a join", source.alias))
                })?;
                let key = self.value(source, key, strict, depth + 1)?;
                format!("COUNT(DISTINCT {})", only(key))
            }
            Measure::CountDistinct => format!("COUNT(DISTINCT {})", only(sql)),
            Measure::Sum => format!("COALESCE({}, {})", dialect.aggregate("sum", &only(sql)), self.zero()),
            Measure::Average => dialect.aggregate("average", &only(sql)),
            Measure::Min => dialect.aggregate("min", &only(sql)),
            Measure::Max => dialect.aggregate("max", &only(sql)),
            Measure::Number | Measure::Text | Measure::YesNo => sql,
            Measure::Time(Frame::Raw) => sql,
            Measure::Time(frame) => dialect.frame(&sql, frame, self.zone(field)),
        })
    }

    fn zero(&self) -> &'static str {
        match self.dialect {
            Dialect::Sqlite => "'0'",
            Dialect::Postgres => "0",
        }
    }

    /// Whether the joins that take part show a row of this view more than once.
    fn repeats(&self, source: &Source) -> bool {
        let fans = |other: &&Source| {
            let many = other.join.as_ref().is_some_and(|join| join.relationship.ends_with("_to_many"));
            many && other.alias != source.alias && self.used.contains(other.alias.as_str())
        };
        let own = source.join.as_ref().is_some_and(|join| join.relationship.starts_with("many_to_"));
        own || self.explore.sources.iter().any(|other| fans(&other))
    }
}

fn first_error(explore: &Explore) -> String {
    let error = explore.errors.first();
    error.map_or_else(|| format!("Explore \"{}\" has no view", explore.name), |error| error.message.clone())
}
