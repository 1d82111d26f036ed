//! A simulated PeopleSoft whose administrator has done all of the README's steps: the queries and the operations that write
//! are there, and the operator may call and see everything.

use anyhow::Context as _;
use connectors::peoplesoft::{self as queries, Kind, Operator, Origin};
use sandbox::clock::Clock;
use sandbox::peoplesoft::seed::{SeedOptions, site};
use sandbox::peoplesoft::{
    Comparison, Criterion, Expression, Operand, PeopleSoftSandbox, PromptKind, QueryDefinition, Records, Settings,
    WriteOperation,
};

/// Vouchers beyond which there are no lines, distributions and payments: they are two thirds of the memory.
const WITH_DETAILS: usize = 50_000;

/// Starts one with `vouchers` vouchers and the rest in proportion, as of the clock's day in `settings.zone`. Where it listens,
/// the node, the operators and their passwords are those of `settings`.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn start(settings: Settings, clock: Clock, vouchers: usize) -> anyhow::Result<PeopleSoftSandbox> {
    let today = clock.now().with_timezone(&settings.zone).date_naive();
    let options = SeedOptions { voucher_details: vouchers <= WITH_DETAILS, ..SeedOptions::sized(vouchers, today) };
    serve(settings, clock, site(&options).context("the simulated PeopleSoft cannot be made up")?).await
}

/// Starts one that holds these records.
///
/// # Errors
/// When the address cannot be listened on, or the records lack one that the queries name.
pub async fn serve(settings: Settings, clock: Clock, records: Records) -> anyhow::Result<PeopleSoftSandbox> {
    let address = settings.listen;
    let sandbox = PeopleSoftSandbox::start(settings, clock, records).await;
    let sandbox = sandbox.with_context(|| format!("{address} cannot be used for the simulated PeopleSoft"))?;
    for definition in definitions() {
        sandbox.define_query(definition)?;
    }
    for write in queries::writes(None)? {
        let operation = match write.read.as_str() {
            "ML_CUSTOMER" => WriteOperation::customers(&write.operation),
            _ => WriteOperation::suppliers(&write.operation),
        };
        sandbox.define_write(operation)?;
    }
    Ok(sandbox)
}

/// The connector's queries, as its administrator creates them.
pub fn definitions() -> Vec<QueryDefinition> {
    queries::queries().iter().map(definition).collect()
}

fn definition(wanted: &queries::QueryDefinition) -> QueryDefinition {
    let mut query = QueryDefinition::new(&wanted.name);
    let mut before = "";
    for record in &wanted.records {
        let other = |field: &String| (field.clone(), format!("{before}.{field}"));
        let on: Vec<_> = record.joined_by.iter().map(other).collect();
        let on: Vec<_> = on.iter().map(|(own, other)| (own.as_str(), other.as_str())).collect();
        query = query.join(&record.alias, &record.record, &on);
        if wanted.effective == Some(queries::Effective::All) {
            query = query.all_history(&record.alias);
        }
        before = &record.alias;
    }
    for field in &wanted.fields {
        query = match &field.origin {
            Origin::Field => query.field(&field.name),
            Origin::Joined(parts) => query.expression(&field.name, joined(parts)),
            Origin::Count => query.expression(&field.name, Expression::Count),
            Origin::Sum(of) => query.expression(&field.name, Expression::Sum(Box::new(Expression::field(of)))),
        };
    }
    for prompt in &wanted.prompts {
        let field = Expression::field(&prompt.field);
        let left = match (prompt.empty_is_first, prompt.kind) {
            (true, Kind::Date) => Expression::Coalesce(Box::new(field), "1900-01-01".into()),
            (true, _) => Expression::Coalesce(Box::new(field), "1900-01-01-00.00.00.000000".into()),
            (false, _) => field,
        };
        let right = vec![Operand::Prompt(prompt.name.clone())];
        query = query.prompt(&prompt.name, prompt_kind(prompt.kind)).criterion(Criterion::Compare {
            left,
            operator: comparison(prompt.operator),
            right,
        });
    }
    for (field, operator, value) in &wanted.criteria {
        let operator = if operator == "=" { Comparison::Equal } else { Comparison::NotEqual };
        query = query.where_value(field, operator, value);
    }
    wanted.order.iter().fold(query, |query, field| query.order_by(field))
}

fn joined(parts: &[String]) -> Expression {
    let mut joined = Vec::new();
    for part in parts {
        if !joined.is_empty() {
            joined.push(Expression::Text(queries::SEPARATOR.into()));
        }
        joined.push(Expression::field(part));
    }
    Expression::Concat(joined)
}

fn prompt_kind(kind: Kind) -> PromptKind {
    match kind {
        Kind::Character(_) | Kind::Long => PromptKind::Text,
        Kind::Number => PromptKind::Number,
        Kind::Date => PromptKind::Date,
        Kind::DateTime => PromptKind::DateTime,
    }
}

fn comparison(operator: Operator) -> Comparison {
    match operator {
        Operator::Equal => Comparison::Equal,
        Operator::Greater => Comparison::Greater,
        Operator::NotLess => Comparison::GreaterOrEqual,
        Operator::Less => Comparison::Less,
    }
}
