//! The saved queries: looking one up for an operator, and making it ready to run.
//!
//! Invariant: a query is checked against the records each time it runs, and with the operator's rights, so that a field that
//! vanished or a right that was taken away shows at the next call.

use std::collections::BTreeMap;

use super::cell::{Cell, Kind};
use super::definition::{Column, Comparison as Compared, Criterion, Operand, QueryDefinition};
use super::error::Refusal;
use super::record::{Record, Records};
use super::select::{Prepared, PreparedColumn, Seek, Source};
use super::settings::{FieldNames, Operator};
use super::value::{Check, Resolver, Value};

/// Why a query cannot be defined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("query {query}: {problem}")]
pub struct DefinitionError {
    /// The query.
    pub query: String,
    /// What is wrong with it.
    pub problem: String,
}

/// All saved queries.
#[derive(Default)]
pub(super) struct Queries(BTreeMap<String, QueryDefinition>);

impl Queries {
    /// Saves a query, or saves it anew.
    pub(super) fn define(&mut self, query: QueryDefinition, records: &Records) -> Result<(), DefinitionError> {
        check(&query, records)?;
        self.put(query);
        Ok(())
    }

    /// Saves without checking: what happens behind an author's back.
    pub(super) fn put(&mut self, query: QueryDefinition) {
        self.0.insert(query.name.clone(), query);
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<QueryDefinition> {
        self.0.remove(name)
    }

    /// The query that the path names, if the operator may have it.
    pub(super) fn find(&self, owner: &str, name: &str, operator: &Operator) -> Result<&QueryDefinition, Refusal> {
        let private = match owner.to_ascii_lowercase().as_str() {
            "public" => false,
            "private" => true,
            _ => return Err(Refusal::QueryFailed(format!("Owner type {owner} is not valid."))),
        };
        let query = self.0.get(name).filter(|query| match &query.owner {
            Some(owner) => private && *owner == operator.id,
            None => !private,
        });
        query.ok_or_else(|| Refusal::NoQuery(name.into()))
    }
}

/// Whether a query could run.
pub(super) fn check(query: &QueryDefinition, records: &Records) -> Result<(), DefinitionError> {
    let problem = |problem: String| DefinitionError { query: query.name.clone(), problem };
    if query.name.is_empty() || query.name.len() > 30 || query.name != query.name.to_uppercase() {
        return Err(problem("a name has up to 30 characters and no small letters".into()));
    }
    if query.records.is_empty() || query.columns.is_empty() {
        return Err(problem("it needs a record and a field".into()));
    }
    if let Some(Column { name, .. }) = query.columns.iter().enumerate().find_map(|(at, column)| {
        query.columns[..at].iter().any(|earlier| earlier.name == column.name).then_some(column)
    }) {
        return Err(problem(format!("the column {name} is there twice")));
    }
    let answers: Vec<Cell> = query.prompts.iter().map(|_| Cell::Null).collect();
    let anyone = Operator::new("", "");
    match prepare(query, records, &anyone, &answers, FieldNames::Prefixed) {
        Ok(_) => Ok(()),
        Err(Refusal::QueryFailed(text)) => Err(problem(text)),
        Err(_) => {
            let missing = query.records.iter().find(|record| records.get(&record.record).is_err());
            Err(problem(missing.map_or_else(String::new, |record| format!("there is no record {}", record.record))))
        }
    }
}

/// Finds everything that a query names and puts the answers in the place of its prompts.
pub(super) fn prepare<'a>(
    query: &QueryDefinition,
    records: &'a Records,
    operator: &'a Operator,
    answers: &[Cell],
    names: FieldNames,
) -> Result<Prepared<'a>, Refusal> {
    let no_access = || Refusal::NoQuery(query.name.clone());
    let mut found: Vec<&'a Record> = Vec::new();
    for joined in &query.records {
        let allowed = operator.records.as_ref().is_none_or(|allowed| allowed.contains(&joined.record));
        found.push(records.get(&joined.record).ok().filter(|_| allowed).ok_or_else(no_access)?);
    }
    let resolver = Resolver { query, records: &found };
    let value = |expression| resolver.value(expression).map_err(invalid_identifier);
    let columns = query.columns.iter().map(|column| {
        let value = value(&column.value)?;
        Ok(PreparedColumn {
            unique: column.name.clone(),
            wire: wire_name(&column.name, query, names),
            kind: value.kind(&found),
            value,
        })
    });
    let columns = columns.collect::<Result<Vec<_>, Refusal>>()?;
    let order = query.order.iter().map(|order| Ok((value(&order.value)?, order.descending)));
    let order = order.collect::<Result<Vec<(Value, bool)>, Refusal>>()?;
    let aggregated = query.columns.iter().any(|column| column.value.is_aggregate());
    let mut seek = None;
    let mut checks = Vec::new();
    for criterion in &query.criteria {
        let check = bind(criterion, query, &resolver, answers)?;
        match seek_of(criterion, &check, query, &order, aggregated) {
            Some(begin) if seek.is_none() => seek = Some(begin),
            _ => checks.push(check),
        }
    }
    let mut sources = Vec::new();
    for (joined, record) in query.records.iter().zip(&found) {
        let on = joined.on.iter().map(|(own, other)| {
            let missing = || invalid_identifier(format!("{}.{own}", joined.alias));
            let own = record.schema().position(own).ok_or_else(missing)?;
            Ok((own, resolver.value(&super::definition::Expression::field(other)).map_err(invalid_identifier)?))
        });
        sources.push(Source {
            record,
            on: on.collect::<Result<_, Refusal>>()?,
            outer: joined.outer,
            effective: joined.effective,
            security: operator.rows.iter().filter(|filter| filter.record == joined.record).collect(),
        });
    }
    Ok(Prepared { sources, columns, checks, order, seek, aggregated })
}

/// What the database says about a column that is not there.
fn invalid_identifier(name: String) -> Refusal {
    let quoted = name.split('.').map(|part| format!("\"{part}\"")).collect::<Vec<_>>().join(".");
    Refusal::QueryFailed(format!(
        "A SQL error occurred. Please consult your system log for details. ORA-00904: {quoted}: invalid identifier"
    ))
}

fn wire_name(unique: &str, query: &QueryDefinition, names: FieldNames) -> String {
    let Some((_, bare)) = unique.split_once('.') else {
        return unique.into();
    };
    let ends_alike = |other: &&Column| other.name.rsplit('.').next() == Some(bare);
    let keep = match names {
        FieldNames::Prefixed => true,
        FieldNames::PrefixedWhenJoined => query.records.len() > 1,
        FieldNames::Bare => query.columns.iter().filter(ends_alike).count() > 1,
    };
    if keep { unique.into() } else { bare.into() }
}

fn bind(
    criterion: &Criterion,
    query: &QueryDefinition,
    resolver: &Resolver<'_>,
    answers: &[Cell],
) -> Result<Check, Refusal> {
    let (left, operator, right) = match criterion {
        Criterion::Compare { left, operator, right } => (left, operator, right),
        Criterion::Any(groups) => {
            let group = |group: &Vec<Criterion>| {
                group.iter().map(|criterion| bind(criterion, query, resolver, answers)).collect::<Result<Vec<_>, _>>()
            };
            return Ok(Check::Any(groups.iter().map(group).collect::<Result<_, _>>()?));
        }
    };
    let left = resolver.value(left).map_err(invalid_identifier)?;
    let wanted = match operator {
        Compared::Between => 2..=2,
        Compared::In => 1..=usize::MAX,
        _ => 1..=1,
    };
    if !wanted.contains(&right.len()) {
        return Err(Refusal::QueryFailed(format!("{operator:?} cannot have {} operands.", right.len())));
    }
    let kind = left.kind(resolver.records);
    let right = right.iter().map(|operand| operand_value(operand, kind, query, resolver, answers));
    Ok(Check::Compare { left, operator: *operator, right: right.collect::<Result<_, _>>()? })
}

fn operand_value(
    operand: &Operand,
    kind: Kind,
    query: &QueryDefinition,
    resolver: &Resolver<'_>,
    answers: &[Cell],
) -> Result<Value, Refusal> {
    match operand {
        Operand::Prompt(name) => {
            let names = query.prompts.iter().enumerate();
            let place = names.map(|(place, prompt)| prompt.unique_name(place)).position(|known| known == *name);
            let answer = place.and_then(|place| answers.get(place)).cloned();
            let missing = || Refusal::QueryFailed(format!("There is no prompt {name}."));
            Ok(Value::Fixed(answer.ok_or_else(missing)?))
        }
        Operand::Constant(text) => Ok(Value::Fixed(Cell::parse(kind, text))),
        Operand::Expression(expression) => resolver.value(expression).map_err(invalid_identifier),
    }
}

/// Where a page begins: a "greater than" about the first step of the order needs no walk through all rows. Only for a prompt
/// that nothing else looks at, so that the selection does not depend on it.
fn seek_of(
    criterion: &Criterion,
    check: &Check,
    query: &QueryDefinition,
    order: &[(Value, bool)],
    aggregated: bool,
) -> Option<Seek> {
    let Criterion::Compare { right: operands, .. } = criterion else { return None };
    let (Check::Compare { left, operator, right }, Some((first, false))) = (check, order.first()) else { return None };
    let ([Operand::Prompt(name)], [Value::Fixed(value)]) = (operands.as_slice(), right.as_slice()) else { return None };
    let inclusive = match operator {
        Compared::Greater => false,
        Compared::GreaterOrEqual => true,
        _ => return None,
    };
    let alone = query.criteria.iter().map(|criterion| uses(criterion, name)).sum::<usize>() == 1;
    let names = query.prompts.iter().enumerate().map(|(place, prompt)| prompt.unique_name(place));
    let prompt = names.into_iter().position(|known| known == *name)?;
    (left == first && alone && !aggregated).then(|| Seek { value: value.clone(), inclusive, prompt })
}

fn uses(criterion: &Criterion, prompt: &str) -> usize {
    match criterion {
        Criterion::Compare { right, .. } => {
            right.iter().filter(|operand| matches!(operand, Operand::Prompt(name) if name == prompt)).count()
        }
        Criterion::Any(groups) => groups.iter().flatten().map(|criterion| uses(criterion, prompt)).sum(),
    }
}
