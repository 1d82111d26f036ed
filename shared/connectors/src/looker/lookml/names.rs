//! What the fields of a table are called in Looker: the one place that decides, so that what is generated and what is
//! checked afterwards cannot differ.
//!
//! A column is a dimension of the same name. A date or timestamp is a dimension group, of which Looker makes the fields
//! `<group>_date`, `<group>_month` and so on; the group's name is the column's without `_date`, `_at` or `_time`, so that
//! `gl_date` is the field `gl_date` and `source_updated_at` is the field `source_updated_time`.
//!
//! No two columns share a field. A name that is taken goes to whom it suits best, in this order: the measures `count` and
//! `max_loaded_at`, columns by their own names, dates, timestamps, metadata columns, sums; each in the table's order.
//! Who comes too late: a date or timestamp keeps its whole name as the group's, a metadata column gets `load_` in front,
//! and where that is taken too, or nothing else helps, the name ends in `_2`, `_3` and so on.

use std::collections::{HashMap, HashSet};

use engine::model::table::{ColumnType, TableSpec};
use engine::plan::SyncPlan;

use crate::warehouse::meta;

/// The measure that counts the records that are not deleted.
pub const COUNT: &str = "count";
/// The measure that tells when the newest content was loaded.
pub const MAX_LOADED_AT: &str = "max_loaded_at";

/// The timeframes of a date.
pub(super) const OF_DATES: [&str; 6] = ["raw", "date", "week", "month", "quarter", "year"];
/// The timeframes of a timestamp.
pub(super) const OF_TIMES: [&str; 7] = ["raw", "time", "date", "week", "month", "quarter", "year"];

/// What a column is called in Looker, each name as queries write it: `view.field`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The field with the column's value: `ap_invoices.supplier_number`, `ap_invoices.gl_date`,
    /// `ap_invoices.source_updated_time`.
    pub dimension: String,
    /// The field with the month of a date or timestamp: `ap_invoices.gl_month`.
    pub month: Option<String>,
    /// The field with the value of a date or timestamp as the database has it, for joins: `ap_invoices.gl_raw`.
    pub raw: Option<String>,
    /// The measure that sums a number: `ap_invoices.total_open_amount`. The view has it where [`is_summed`] says so.
    pub total: Option<String>,
    /// The dimension group of a date or timestamp, without the view.
    pub(super) group: Option<String>,
}

impl Field {
    /// What a join compares, without the view.
    pub(super) fn compared(&self) -> &str {
        local(self.raw.as_deref().unwrap_or(&self.dimension))
    }
}

/// A field's name without its view.
pub(super) fn local(field: &str) -> &str {
    field.split_once('.').map_or(field, |(_, name)| name)
}

/// The view of a table, which is also the name of its explore.
pub fn view_of(table: &TableSpec) -> String {
    word(&table.name)
}

/// The fields of a mapped or metadata column; nothing when the table has no such column.
pub fn field_of(table: &TableSpec, column: &str) -> Option<Field> {
    Names::of(table).fields.remove(column)
}

/// The measure that counts the records of a table that are not deleted, such as `ap_invoices.count`.
pub fn count_of(table: &TableSpec) -> String {
    format!("{}.{COUNT}", view_of(table))
}

/// The measure that tells when the newest content of a table was loaded, such as `ap_invoices.max_loaded_at`.
pub fn max_loaded_at_of(table: &TableSpec) -> String {
    format!("{}.{MAX_LOADED_AT}", view_of(table))
}

/// Whether the view of a sync has a measure that sums this column: those the sync's proof sums, and every other decimal
/// whose name says that it is an amount or a quantity. A rate, a price or a line number has no sum that means anything.
pub fn is_summed(plan: &SyncPlan, column: &str) -> bool {
    let named = |word: &str| column == word || column.strip_suffix(word).is_some_and(|rest| rest.ends_with('_'));
    let kind = plan.table.columns.iter().find(|known| known.name == column).map(|known| known.kind);
    match kind {
        Some(ColumnType::Integer | ColumnType::Decimal { .. }) if plan.totals.iter().any(|(_, to)| to == column) => {
            true
        }
        Some(ColumnType::Decimal { .. }) => named("amount") || named("quantity"),
        _ => false,
    }
}

/// The names of all fields of a view.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// The view.
    pub view: String,
    fields: HashMap<String, Field>,
    taken: HashSet<String>,
}

impl Names {
    /// The names of a table's fields.
    pub fn of(table: &TableSpec) -> Self {
        let taken = [COUNT, MAX_LOADED_AT].map(str::to_owned).into();
        let mut names = Self { view: view_of(table), fields: HashMap::new(), taken };
        let plain = || table.columns.iter().filter(|column| timeframes(column.kind).is_none());
        let (mut late, mut own) = (Vec::new(), Vec::new());
        for column in plain() {
            match names.taken.insert(word(&column.name)) {
                true => own.push(column),
                false => late.push(column),
            }
        }
        for column in own {
            names.plain(&column.name, word(&column.name));
        }
        for column in late {
            let name = names.free(&word(&column.name));
            names.plain(&column.name, name);
        }
        for kind in [ColumnType::Date, ColumnType::Timestamp] {
            for column in table.columns.iter().filter(|column| column.kind == kind) {
                let whole = word(&column.name);
                names.group(&column.name, &[stem(&whole), &whole], timeframes(kind).unwrap_or_default());
            }
        }
        names.metadata();
        for column in &table.columns {
            if matches!(column.kind, ColumnType::Integer | ColumnType::Decimal { .. }) {
                let total = names.free(&format!("total_{}", word(&column.name)));
                let total = names.full(&total);
                if let Some(field) = names.fields.get_mut(&column.name) {
                    field.total = Some(total);
                }
            }
        }
        names
    }

    /// The fields of a column.
    pub fn field(&self, column: &str) -> Option<&Field> {
        self.fields.get(column)
    }

    /// Takes this name, or the first one like it that is free.
    pub fn free(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut more = 2..;
        while !self.taken.insert(name.clone()) {
            name = format!("{wanted}_{}", more.next().unwrap_or_default());
        }
        name
    }

    fn metadata(&mut self) {
        for column in meta::COLUMNS {
            let bare = column.trim_start_matches('_');
            let behind = format!("load_{bare}");
            if is_time(column) {
                self.group(column, &[stem(bare), stem(&behind)], &OF_TIMES);
                continue;
            }
            let name = if self.taken.contains(bare) { behind.as_str() } else { bare };
            let name = self.free(name);
            self.plain(column, name);
        }
    }

    fn plain(&mut self, column: &str, name: String) {
        let field = Field { dimension: self.full(&name), month: None, raw: None, total: None, group: None };
        self.fields.insert(column.to_owned(), field);
    }

    /// A dimension group by the first of these names that gives no field that is there already.
    fn group(&mut self, column: &str, wanted: &[&str], timeframes: &[&str]) {
        let last = wanted.last().copied().unwrap_or(column);
        let numbered = (2..).map(|n| format!("{last}_{n}"));
        let group = wanted.iter().map(|name| (*name).to_owned()).chain(numbered).find(|name| {
            let clashes = timeframes.iter().any(|timeframe| self.taken.contains(&format!("{name}_{timeframe}")));
            !clashes && !self.taken.contains(name)
        });
        let Some(group) = group else { return };
        let of = |timeframe: &str| format!("{group}_{timeframe}");
        self.taken.insert(group.clone());
        self.taken.extend(timeframes.iter().map(|timeframe| of(timeframe)));
        let value = if timeframes.contains(&"time") { "time" } else { "date" };
        let field = Field {
            dimension: self.full(&of(value)),
            month: Some(self.full(&of("month"))),
            raw: Some(self.full(&of("raw"))),
            total: None,
            group: Some(group),
        };
        self.fields.insert(column.to_owned(), field);
    }

    fn full(&self, name: &str) -> String {
        format!("{}.{name}", self.view)
    }
}

/// Whether a metadata column is a timestamp.
pub(super) fn is_time(metadata: &str) -> bool {
    matches!(metadata, meta::SOURCE_UPDATED_AT | meta::FIRST_LOADED_AT | meta::LOADED_AT)
}

/// The timeframes of a type that has any.
pub(super) fn timeframes(kind: ColumnType) -> Option<&'static [&'static str]> {
    match kind {
        ColumnType::Date => Some(&OF_DATES),
        ColumnType::Timestamp => Some(&OF_TIMES),
        _ => None,
    }
}

/// The name of the group whose fields have the column's own name, or come near to it.
fn stem(column: &str) -> &str {
    let without = ["_date", "_at", "_time"].iter().find_map(|ending| column.strip_suffix(ending));
    without.filter(|stem| !stem.is_empty()).unwrap_or(column)
}

/// A name as LookML takes it: lower-case letters, digits and underscores.
pub(super) fn word(name: &str) -> String {
    let one = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    name.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use engine::model::table::TableColumn;

    use super::*;

    fn table(columns: &[(&str, ColumnType)]) -> TableSpec {
        let column = |(name, kind): &(&str, ColumnType)| TableColumn {
            name: (*name).to_owned(),
            kind: *kind,
            nullable: true,
            description: String::new(),
        };
        TableSpec {
            name: "invoices".to_owned(),
            description: String::new(),
            columns: columns.iter().map(column).collect(),
            key: vec![0],
            company: None,
            source_system: "erp".to_owned(),
        }
    }

    const TEXT: ColumnType = ColumnType::Text { max: None };
    const AMOUNT: ColumnType = ColumnType::Decimal { precision: 15, scale: 2 };

    fn dimension(table: &TableSpec, column: &str) -> String {
        field_of(table, column).map_or_else(|| "nothing".to_owned(), |field| local(&field.dimension).to_owned())
    }

    #[test]
    fn a_column_is_found_by_the_name_that_analysts_expect() {
        let table = table(&[
            ("supplier_number", ColumnType::Integer),
            ("gl_date", ColumnType::Date),
            ("open_amount", AMOUNT),
            ("source_updated_at", ColumnType::Timestamp),
        ]);
        assert_eq!(field_of(&table, "supplier_number").unwrap().dimension, "invoices.supplier_number");
        let date = field_of(&table, "gl_date").unwrap();
        assert_eq!((date.dimension.as_str(), date.month.as_deref()), ("invoices.gl_date", Some("invoices.gl_month")));
        assert_eq!(field_of(&table, "open_amount").unwrap().total.as_deref(), Some("invoices.total_open_amount"));
        assert_eq!(field_of(&table, "source_updated_at").unwrap().dimension, "invoices.source_updated_time");
        assert_eq!(field_of(&table, "_loaded_at").unwrap().dimension, "invoices.loaded_time");
        assert_eq!(field_of(&table, "_batch_id").unwrap().dimension, "invoices.batch_id");
        assert_eq!(field_of(&table, "colour"), None);
    }

    #[test]
    fn two_columns_never_share_a_field() {
        let table = table(&[
            ("due_at", ColumnType::Timestamp),
            ("due_date", ColumnType::Date),
            ("gl_month", TEXT),
            ("gl_date", ColumnType::Date),
            ("paid", TEXT),
            ("paid_date", ColumnType::Date),
            ("count", ColumnType::Integer),
            ("count_2", ColumnType::Integer),
            ("total_amount", AMOUNT),
            ("amount", AMOUNT),
            ("batch_id", TEXT),
            ("source_updated_at", ColumnType::Timestamp),
        ]);
        let expected = [
            ("due_at", "due_at_time"),
            ("due_date", "due_date"),
            ("gl_month", "gl_month"),
            ("gl_date", "gl_date_date"),
            ("paid", "paid"),
            ("paid_date", "paid_date_date"),
            ("count", "count_3"),
            ("count_2", "count_2"),
            ("batch_id", "batch_id"),
            ("_batch_id", "load_batch_id"),
            ("source_updated_at", "source_updated_time"),
            ("_source_updated_at", "load_source_updated_time"),
        ];
        for (column, name) in expected {
            assert_eq!(dimension(&table, column), name, "{column}");
        }
        let total = |column: &str| field_of(&table, column).unwrap().total.unwrap();
        assert_eq!(total("total_amount"), "invoices.total_total_amount");
        assert_eq!(total("amount"), "invoices.total_amount_2");
    }
}
