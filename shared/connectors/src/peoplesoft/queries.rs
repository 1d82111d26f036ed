//! The queries that a PeopleSoft administrator creates: what each selects, asks for and is ordered by.
//!
//! Every stream has up to three: one reads rows, one (`_K`) finds a record by its key, one (`_T`) counts and sums. They
//! are printed for the administrator, and are what a simulator needs to know.

use serde::Serialize;

use super::catalog::{Entry, Field, all};

/// What the last key of a page is compared with, where the key has several columns: they are joined by this.
pub const SEPARATOR: &str = "|";

/// The unique name of the field that joins the columns of a key.
pub const ROW_KEY: &str = "ROW_KEY";

/// The unique name of the field that counts rows.
pub const RECORDS: &str = "RECORDS";

/// What a query is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// It reads rows, page by page.
    Rows,
    /// It finds a record by its key.
    ByKey,
    /// It counts and sums.
    Totals,
}

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Text of at most so many characters; an empty one is a blank in the database.
    Character(u16),
    /// A number, exact; an empty one is 0 in the database.
    Number,
    /// A day; may be empty.
    Date,
    /// A day with a time; may be empty.
    DateTime,
    /// Long text.
    Long,
}

/// Where the values of a field come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A field of a record: alias and field.
    Field,
    /// These fields joined by [`SEPARATOR`]: numbers without zeros in front, dates as `YYYY-MM-DD`.
    Joined(Vec<String>),
    /// The number of rows.
    Count,
    /// The sum of this field.
    Sum(String),
}

/// A field of a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueryField {
    /// Its unique field name, by which answers name it: `A.VENDOR_ID`, or the name of an expression.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// Where its values come from.
    pub origin: Origin,
    /// Whether it says something about a person.
    pub personal: bool,
}

/// A record that a query selects from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueryRecord {
    /// Its name, without `PS_`.
    pub record: String,
    /// Its alias in the query.
    pub alias: String,
    /// Fields, without alias, by which it is joined to the record before; none for the first.
    pub joined_by: Vec<String>,
}

/// How a prompt compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// `=`
    Equal,
    /// `>`
    Greater,
    /// `>=`
    NotLess,
    /// `<`
    Less,
}

impl Operator {
    /// As it is written in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Greater => ">",
            Self::NotLess => ">=",
            Self::Less => "<",
        }
    }
}

/// A prompt of a query, in the criterion `<field> <operator> <prompt>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueryPrompt {
    /// Its unique prompt name.
    pub name: String,
    /// The field that it is compared with: a unique field name of the query.
    pub field: String,
    /// How.
    pub operator: Operator,
    /// The type of the prompt.
    pub kind: Kind,
    /// Whether a row without a value in the field counts as one of 1900-01-01, so that a read of everything has it.
    pub empty_is_first: bool,
}

/// Which rows of an effective-dated record a query shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effective {
    /// Per key the latest that is not in the future: PS/Query's own criterion "Eff Date <= Current Date".
    Current,
    /// All, also past and future ones: without that criterion.
    All,
}

/// A query to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueryDefinition {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
    /// What it holds, in words.
    pub description: String,
    /// The records that it selects from.
    pub records: Vec<QueryRecord>,
    /// Its fields, in order.
    pub fields: Vec<QueryField>,
    /// Its prompts, in order: the order in which calls name them.
    pub prompts: Vec<QueryPrompt>,
    /// Criteria without a prompt: field, operator (`=` or `<>`), value.
    pub criteria: Vec<(String, String, String)>,
    /// The effective-dated rows that it shows, where its first record has any.
    pub effective: Option<Effective>,
    /// The fields that it is ordered by, ascending.
    pub order: Vec<String>,
    /// Whether it reads data about persons: off unless it is switched on.
    pub personal: bool,
}

impl QueryDefinition {
    /// The text of a field's expression, in the meta-SQL that PS/Query translates for every database; nothing for a field
    /// of a record and for sums and counts, which PS/Query has as aggregates of a field.
    pub fn expression(&self, field: &QueryField) -> Option<String> {
        let Origin::Joined(parts) = &field.origin else { return None };
        let part = |name: &String| match self.fields.iter().find(|field| field.name == *name).map(|field| field.kind) {
            Some(Kind::Number) => format!("%NumToChar({name})"),
            Some(Kind::Date) => format!("%DateOut({name})"),
            _ => name.clone(),
        };
        let parts: Vec<_> = parts.iter().map(part).collect();
        Some(parts.join(&format!(" %Concat '{SEPARATOR}' %Concat ")))
    }

    /// The criterion of a prompt, such as `A.SETID = :1`; nothing when the query has fewer prompts. `at` counts from 0.
    pub fn criterion(&self, at: usize) -> Option<String> {
        let prompt = self.prompts.get(at)?;
        let joined =
            self.fields.iter().find(|field| field.name == prompt.field).and_then(|field| self.expression(field));
        let field = joined.unwrap_or_else(|| prompt.field.clone());
        let field = match (prompt.empty_is_first, prompt.kind) {
            (true, Kind::Date) => format!("COALESCE({field}, %DateIn('1900-01-01'))"),
            (true, _) => format!("COALESCE({field}, %DateTimeIn('1900-01-01-00.00.00.000000'))"),
            (false, _) => field,
        };
        Some(format!("{field} {} :{}", prompt.operator.as_str(), at + 1))
    }
}

/// All shipped queries: per stream that for rows, that by key, that for totals.
pub fn queries() -> Vec<QueryDefinition> {
    let three = |entry: &Entry| [rows(entry), by_key(entry), totals(entry)];
    all().flat_map(three).collect()
}

/// The name of the query by key.
pub(super) fn by_key_name(name: &str) -> String {
    format!("{name}_K")
}

/// The name of the query for totals.
pub(super) fn totals_name(name: &str) -> String {
    format!("{name}_T")
}

/// The unique name of a field that sums a column.
pub(super) fn sum_name(column: &str) -> String {
    format!("SUM_{}", bare(column))
}

/// A field's name without the alias of its record.
pub(super) fn bare(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, field)| field)
}

/// The prompts for begin and end of a window.
pub(super) fn window_prompts(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Date => ("FROM_DATE", "TO_DATE"),
        _ => ("FROM_DTTM", "TO_DTTM"),
    }
}

/// The prompt for a SetID.
pub(super) const SETID: &str = "SETID";

/// The prompt for the last key of a page.
pub(super) const AFTER_KEY: &str = "AFTER_KEY";

fn rows(entry: &Entry) -> QueryDefinition {
    let mut definition = base(entry, entry.name.to_owned(), Purpose::Rows, entry.description.to_owned());
    let after = entry.page_key();
    if let Some(joined) = joined(entry) {
        definition.fields.push(joined);
    }
    definition.prompts = common_prompts(entry);
    let field = definition.fields.iter().find(|field| bare(&field.name) == after);
    let (field, kind) =
        field.map_or((after.to_owned(), Kind::Character(254)), |field| (field.name.clone(), field.kind));
    let after_prompt = QueryPrompt {
        name: AFTER_KEY.to_owned(),
        field: field.clone(),
        operator: Operator::Greater,
        kind,
        empty_is_first: false,
    };
    definition.prompts.push(after_prompt);
    definition.order = vec![field];
    definition
}

fn by_key(entry: &Entry) -> QueryDefinition {
    let description = format!("{}, by key", entry.description);
    let mut definition = base(entry, by_key_name(entry.name), Purpose::ByKey, description);
    // The same fields, so that both are read in the same way.
    definition.fields.extend(joined(entry));
    definition.prompts = entry
        .key
        .iter()
        .filter_map(|column| entry.field(column))
        .map(|field| prompt(bare(field.name), field, Operator::Equal, false))
        .collect();
    definition
}

fn totals(entry: &Entry) -> QueryDefinition {
    let description = format!("{}, counted and summed", entry.description);
    let mut definition = base(entry, totals_name(entry.name), Purpose::Totals, description);
    let count = QueryField { name: RECORDS.to_owned(), kind: Kind::Number, origin: Origin::Count, personal: false };
    let sums = entry.sums.iter().filter_map(|column| entry.field(column)).map(|field| QueryField {
        name: sum_name(field.name),
        kind: Kind::Number,
        origin: Origin::Sum(field.name.to_owned()),
        personal: false,
    });
    definition.fields = std::iter::once(count).chain(sums).collect();
    definition.prompts = common_prompts(entry);
    definition
}

fn base(entry: &Entry, name: String, purpose: Purpose, description: String) -> QueryDefinition {
    let record = |(record, alias, joined_by): &(&str, &str, &[&str])| QueryRecord {
        record: (*record).to_owned(),
        alias: (*alias).to_owned(),
        joined_by: joined_by.iter().map(|field| (*field).to_owned()).collect(),
    };
    let field = |field: &Field| QueryField {
        name: field.name.to_owned(),
        kind: field.kind,
        origin: Origin::Field,
        personal: field.personal,
    };
    let criterion = |(field, operator, value): &(&str, &str, &str)| {
        ((*field).to_owned(), (*operator).to_owned(), (*value).to_owned())
    };
    QueryDefinition {
        name,
        purpose,
        description,
        records: entry.records.iter().map(record).collect(),
        fields: entry.fields.iter().map(field).collect(),
        prompts: Vec::new(),
        criteria: entry.criteria.iter().map(criterion).collect(),
        effective: entry.effective,
        order: Vec::new(),
        personal: entry.personal,
    }
}

fn joined(entry: &Entry) -> Option<QueryField> {
    let parts = entry.joined_key();
    let names = parts.iter().filter_map(|column| entry.field(column)).map(|field| field.name.to_owned()).collect();
    let origin = Origin::Joined(names);
    (parts.len() > 1).then(|| QueryField {
        name: ROW_KEY.to_owned(),
        kind: Kind::Character(254),
        origin,
        personal: false,
    })
}

/// The SetID and the window, where there are any.
fn common_prompts(entry: &Entry) -> Vec<QueryPrompt> {
    let mut prompts = Vec::new();
    if let (true, Some(field)) = (entry.has_setid(), entry.field(SETID)) {
        prompts.push(prompt(SETID, field, Operator::Equal, false));
    }
    if let Some(field) = entry.stamp.and_then(|stamp| entry.field(stamp)) {
        let (from, to) = window_prompts(field.kind);
        prompts.push(prompt(from, field, Operator::NotLess, true));
        prompts.push(prompt(to, field, Operator::Less, true));
    }
    prompts
}

fn prompt(name: &str, field: &Field, operator: Operator, empty_is_first: bool) -> QueryPrompt {
    QueryPrompt { name: name.to_owned(), field: field.name.to_owned(), operator, kind: field.kind, empty_is_first }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn query(name: &str) -> QueryDefinition {
        queries().into_iter().find(|query| query.name == name).unwrap()
    }

    fn prompts(query: &QueryDefinition) -> Vec<String> {
        let shown = |p: &QueryPrompt| format!("{}: {} {}", p.name, p.field, p.operator.as_str());
        query.prompts.iter().map(shown).collect()
    }

    #[test]
    fn a_voucher_is_read_by_its_stamp_and_its_joined_key() {
        let rows = query("ML_VOUCHER");
        let wanted = ["FROM_DTTM: A.LAST_UPDATE_DTTM >=", "TO_DTTM: A.LAST_UPDATE_DTTM <", "AFTER_KEY: ROW_KEY >"]
            .map(str::to_owned);
        assert_eq!(prompts(&rows), wanted);
        assert_eq!(rows.order, ["ROW_KEY"]);
        let key = rows.fields.iter().find(|field| field.name == "ROW_KEY").unwrap();
        assert_eq!(key.origin, Origin::Joined(vec!["A.BUSINESS_UNIT".to_owned(), "A.VOUCHER_ID".to_owned()]));
        assert_eq!(prompts(&query("ML_VOUCHER_K")), ["BUSINESS_UNIT: A.BUSINESS_UNIT =", "VOUCHER_ID: A.VOUCHER_ID ="]);
        let totals = query("ML_VOUCHER_T");
        let names: Vec<_> = totals.fields.iter().map(|field| field.name.as_str()).collect();
        assert!(names.starts_with(&["RECORDS", "SUM_GROSS_AMT"]), "{names:?}");
    }

    #[test]
    fn expressions_and_criteria_are_written_for_every_database() {
        let lines = query("ML_VOUCHER_LINE");
        let key = lines.fields.iter().find(|field| field.name == ROW_KEY).unwrap();
        let expression =
            "B.BUSINESS_UNIT %Concat '|' %Concat B.VOUCHER_ID %Concat '|' %Concat %NumToChar(B.VOUCHER_LINE_NUM)";
        assert_eq!(lines.expression(key).as_deref(), Some(expression));
        let from = "COALESCE(A.LAST_UPDATE_DTTM, %DateTimeIn('1900-01-01-00.00.00.000000')) >= :1";
        assert_eq!(lines.criterion(0).as_deref(), Some(from));
        assert_eq!(lines.criterion(2), Some(format!("{expression} > :3")));
        assert_eq!(query("ML_VENDOR").criterion(0).as_deref(), Some("A.SETID = :1"));
    }

    #[test]
    fn master_data_is_read_per_setid_by_a_plain_key() {
        let rows = query("ML_VENDOR");
        assert_eq!(prompts(&rows), ["SETID: A.SETID =", "AFTER_KEY: A.VENDOR_ID >"]);
        assert_eq!(rows.order, ["A.VENDOR_ID"]);
        assert_eq!(prompts(&query("ML_VENDOR_T")), ["SETID: A.SETID ="]);
    }

    #[test]
    fn every_query_can_be_created_as_it_is_written() {
        let (mut names, queries) = (HashSet::new(), queries());
        assert!(queries.len() >= 40);
        for query in &queries {
            assert!(query.name.len() <= 30 && names.insert(&query.name), "{}", query.name);
            let mut fields = HashSet::new();
            for field in &query.fields {
                // Streams name fields without alias, so that no two may differ only there.
                assert!(fields.insert(bare(&field.name)), "{} has {} twice", query.name, field.name);
                let aliases: Vec<_> = query.records.iter().map(|record| record.alias.as_str()).collect();
                let alias = field.name.split_once('.').map(|(alias, _)| alias);
                assert!(alias.is_none_or(|alias| aliases.contains(&alias)), "{} {}", query.name, field.name);
            }
            assert!(!query.prompts.is_empty() || query.purpose == Purpose::Totals, "{}", query.name);
            for prompt in query.prompts.iter().filter(|_| query.purpose != Purpose::Totals) {
                assert!(fields.contains(bare(&prompt.field)), "{}: {}", query.name, prompt.field);
            }
            assert_eq!(query.order.len(), usize::from(query.purpose == Purpose::Rows), "{}", query.name);
        }
        assert!(query("ML_PAY_CHECK").personal && !query("ML_VOUCHER").personal);
    }
}
