//! Queries as a person creates them: page by page of Query Manager, in its own words.

use connectors::peoplesoft::{Effective, Kind, Operator, Origin, Owner, Purpose, QueryDefinition, QueryField};

use super::{Listed, Wanted, writes};
use crate::words::{Columns, count, indented};

/// What holds for all of them, before the first.
const HOW: &str = "\
In PeopleSoft open Reporting Tools > Query > Query Manager. For each query below choose Create New Query, and go through its
pages from left to right:

  Records      Add the records in this order: they get the aliases A, B and so on. A second record is joined by Join Record,
               as a standard join; of the join criteria that are proposed leave those that are written here, and no others.
  Expressions  Add Expression with the type, length and text that are written here, then Use as Field.
  Query        Tick the fields.
  Fields       Bring the fields into the order that is written here. Edit those whose Unique Field Name is not proposed as
               it is written here, in this very case, and those with an Aggregate. Leave Distinct off.
  Prompts      Add Prompt in this order, which is the order in which they are asked for: Unique Prompt Name as written, in
               this very case, its type, its length, and No Table Edit.
  Criteria     Add the criteria, all joined by AND. Where the left side is an expression, choose Expression as its type; the
               right side is a Prompt or a Constant.
  Order        On the page Fields, Reorder / Sort: ascending.
  Save         Under the name that is written here, as Query Type User, with the Owner that is written here.

Names, fields, prompts and order count: a query that differs is refused by `ml-connector check`, or says so when it runs.
";

/// All of it.
pub(super) fn text(listed: &Listed) -> String {
    let operations = writes::text(&listed.writes);
    if listed.queries.is_empty() && listed.writes.is_empty() {
        return "there is no query to create\n".to_owned();
    }
    if listed.queries.is_empty() {
        return operations.trim_start().to_owned();
    }
    let queries = count(listed.queries.len() as u64, "query", "queries");
    let mut text = format!("{queries} to create.\n\n{HOW}");
    for query in &listed.queries {
        text.push('\n');
        text.push_str(&query_text(query));
    }
    text.push_str(&security(listed));
    text.push_str(&operations);
    text
}

fn query_text(query: &Wanted) -> String {
    let definition = &query.definition;
    let mut text = format!("{}\n", definition.name);
    text.push_str(&format!("  {}.{}\n", purpose(definition), readers(&query.streams)));
    let owner = match query.owner {
        Owner::Public => "Public",
        Owner::Private => "Private, saved by the service user itself",
    };
    text.push_str(&format!("  Owner: {owner}\n"));
    let parts = [
        ("Records", records(definition)),
        ("Fields, in this order", fields(query)),
        ("Prompts, in this order", prompts(definition)),
        ("Criteria", criteria(query)),
        ("Order", definition.order.iter().map(|field| format!("{field}, ascending\n")).collect()),
        ("Security", format!("query access groups that hold {}\n", names(definition))),
    ];
    for (heading, part) in parts.iter().filter(|(_, part)| !part.is_empty()) {
        text.push_str(&format!("\n  {heading}\n{}", indented(part, 4)));
    }
    text
}

fn purpose(definition: &QueryDefinition) -> String {
    let what = match definition.purpose {
        Purpose::Rows => "It reads rows, page by page",
        Purpose::ByKey => "It finds one record",
        Purpose::Totals => "Its one row proves that all was read",
    };
    let personal = if definition.personal { "; they are data about persons" } else { "" };
    format!("{}. {what}{personal}", definition.description)
}

fn readers(streams: &[String]) -> String {
    match streams {
        [] => " No stream reads it yet.".to_owned(),
        [one] => format!(" For the stream {one}."),
        several => format!(" For the streams {}.", several.join(", ")),
    }
}

fn names(definition: &QueryDefinition) -> String {
    definition.records.iter().map(|record| record.record.as_str()).collect::<Vec<_>>().join(" and ")
}

fn records(definition: &QueryDefinition) -> String {
    let mut text = String::new();
    let mut before = "";
    for record in &definition.records {
        let on = record.joined_by.iter().map(|field| format!("{}.{field} = {before}.{field}", record.alias));
        let on = on.collect::<Vec<_>>().join(" AND ");
        let on = if on.is_empty() { on } else { format!(", standard join with {before} on {on}") };
        text.push_str(&format!("{}  {}{on}\n", record.alias, record.record));
        before = &record.alias;
    }
    text
}

fn fields(query: &Wanted) -> String {
    let definition = &query.definition;
    if definition.purpose == Purpose::ByKey {
        return format!(
            "the {} of {}, in the same order; the quickest way is to save that query under this name, and to replace its \
             prompts,\ncriteria and order by these\n",
            definition.fields.len(),
            query.rows.name
        );
    }
    let mut columns = Columns::new(&[">no.", "field", "unique field name", "type", "aggregate"]);
    for (at, field) in definition.fields.iter().enumerate() {
        let (shown, aggregate) = match &field.origin {
            Origin::Field => (field.name.clone(), ""),
            Origin::Joined(_) => ("expression".to_owned(), ""),
            Origin::Count => (first_field(query), "Count"),
            Origin::Sum(of) => (of.clone(), "Sum"),
        };
        columns.row([(at + 1).to_string(), shown, field.name.clone(), kind(field.kind), aggregate.to_owned()]);
    }
    let expressions = definition.fields.iter().filter_map(|field| Some((field, query.expressions.get(&field.name)?)));
    let expressions = expressions.map(|(field, expression)| expression_text(field, expression));
    columns.text() + &expressions.collect::<String>()
}

/// What rows are counted by: a field of the key, which never is empty.
fn first_field(query: &Wanted) -> String {
    query.rows.fields.first().map(|field| field.name.clone()).unwrap_or_default()
}

fn expression_text(field: &QueryField, expression: &str) -> String {
    format!("{} is the expression of type {}:\n  {expression}\n", field.name, kind(field.kind))
}

fn prompts(definition: &QueryDefinition) -> String {
    if definition.prompts.is_empty() {
        return String::new();
    }
    let mut columns = Columns::new(&[">no.", "unique prompt name", "type"]);
    for (at, prompt) in definition.prompts.iter().enumerate() {
        columns.row([(at + 1).to_string(), prompt.name.clone(), kind(prompt.kind)]);
    }
    columns.text()
}

fn criteria(query: &Wanted) -> String {
    let definition = &query.definition;
    let mut columns = Columns::new(&["left side", "condition", "right side"]);
    for (field, operator, value) in &definition.criteria {
        let condition = if operator == "=" { "equal to" } else { "not equal to" };
        columns.row([format!("field {field}"), condition.to_owned(), format!("constant {value}")]);
    }
    for (at, (prompt, criterion)) in definition.prompts.iter().zip(&query.prompt_criteria).enumerate() {
        let compared = format!(" {} :{}", prompt.operator.as_str(), at + 1);
        let left = criterion.strip_suffix(&compared).unwrap_or(criterion);
        let kind = if left == prompt.field { "field" } else { "expression" };
        let right = format!("prompt :{}, {}", at + 1, prompt.name);
        columns.row([format!("{kind} {left}"), condition(prompt.operator).to_owned(), right]);
    }
    let mut text = String::new();
    if !(definition.criteria.is_empty() && definition.prompts.is_empty()) {
        text.push_str(&columns.text());
    }
    match definition.effective {
        Some(Effective::Current) => {
            text.push_str("keep the criterion that Query Manager adds by itself: A.EFFDT  Eff Date <=  Current Date\n");
        }
        Some(Effective::All) => {
            text.push_str(
                "delete the criterion A.EFFDT  Eff Date <=  Current Date, which Query Manager adds by itself\n",
            );
        }
        None => {}
    }
    text
}

fn condition(operator: Operator) -> &'static str {
    match operator {
        Operator::Equal => "equal to",
        Operator::Greater => "greater than",
        Operator::NotLess => "not less than",
        Operator::Less => "less than",
    }
}

/// A type, as Query Manager calls it.
pub(super) fn kind(kind: Kind) -> String {
    match kind {
        Kind::Character(length) => format!("Character {length}"),
        Kind::Number => "Number".to_owned(),
        Kind::Date => "Date".to_owned(),
        Kind::DateTime => "DateTime".to_owned(),
        Kind::Long => "Long Character".to_owned(),
    }
}

/// What the service user needs to run them, once for all.
fn security(listed: &Listed) -> String {
    format!(
        "\nSecurity\n  The permission list of the service user needs query access groups that hold all of these records:\n    \
         {}\n  Row-level security leaves rows out without saying so: let the user see all business units and SetIDs. In its \
         query\n  profile allow it to run queries, and as many rows as a page has. Nobody else should be able to change \
         these queries.\n",
        listed.records.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::super::*;

    fn printed(asked: Option<&str>, all: bool) -> String {
        let sites = sites(None).unwrap();
        Listed::choose(&sites, asked, all).unwrap().text()
    }

    #[test]
    fn a_query_is_told_as_query_manager_asks_for_it() {
        let text = printed(Some("voucher_lines"), false);
        let wanted = [
            "3 queries to create.",
            "\nML_VOUCHER_LINE\n  Lines of vouchers. It reads rows, page by page. For the stream voucher_lines.\n",
            "    A  VOUCHER\n    B  VOUCHER_LINE, standard join with A on B.BUSINESS_UNIT = A.BUSINESS_UNIT AND B.VOUCHER_ID = A.VOUCHER_ID\n",
            "A.LAST_UPDATE_DTTM  DateTime",
            "ROW_KEY is the expression of type Character 254:\n      B.BUSINESS_UNIT %Concat '|' %Concat B.VOUCHER_ID %Concat '|' \
             %Concat %NumToChar(B.VOUCHER_LINE_NUM)\n",
            "field A.VOUCHER_STYLE",
            "constant TMPL",
            "prompt :3, AFTER_KEY",
            "    ROW_KEY, ascending\n",
            "query access groups that hold VOUCHER and VOUCHER_LINE\n",
            "B.MERCHANDISE_AMT  SUM_MERCHANDISE_AMT  Number",
        ];
        for wanted in wanted {
            assert!(text.contains(wanted), "no {wanted:?} in {text}");
        }
    }

    #[test]
    fn effective_dates_are_said() {
        assert!(printed(Some("ML_GL_ACCOUNT"), false).contains("keep the criterion"));
        assert!(printed(Some("ML_GL_ACCOUNT_H"), false).contains("delete the criterion"));
    }

    #[test]
    fn what_is_read_is_printed_and_data_about_persons_only_when_asked_for() {
        let read = printed(None, false);
        assert!(read.starts_with("48 queries to create."), "{read}");
        assert!(!read.contains("ML_REQ_HDR") && !read.contains("ML_PAY_CHECK"));
        let all = printed(None, true);
        assert!(all.contains("\nML_REQ_HDR\n") && !all.contains("ML_PAY_CHECK"));
        for name in ["ml_pay_check", "pay_checks"] {
            let payroll = printed(Some(name), false);
            assert!(payroll.contains("; they are data about persons. For the stream pay_checks."), "{payroll}");
        }
    }
}
