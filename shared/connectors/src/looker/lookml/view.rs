//! A view: the fields of one table.

use engine::model::table::{ColumnType, TableColumn};

use super::dashboard::Aging;
use super::names::{COUNT, Field, MAX_LOADED_AT, OF_TIMES, is_time, local, timeframes};
use super::sql::Warehouse;
use super::text::Writer;
use super::{File, View};
use crate::warehouse::meta;

/// The group under which metadata columns are shown.
const LOAD: &str = "Load";

/// The view's file.
pub(super) fn file(warehouse: &Warehouse, view: &View<'_>) -> File {
    let table = view.table();
    let mut out = Writer::new();
    out.gap();
    out.open(&format!("view: {}", view.name()));
    out.sql("sql_table_name", &warehouse.table(&table.name));
    for column in &table.columns {
        if let Some(field) = view.names.field(&column.name) {
            out.gap();
            dimension(&mut out, warehouse, column, field);
        }
    }
    for aging in &view.agings {
        days(&mut out, warehouse, aging);
    }
    for column in meta::COLUMNS {
        if let Some(field) = view.names.field(column) {
            out.gap();
            metadata(&mut out, warehouse, column, field);
        }
    }
    measures(&mut out, view);
    out.close();
    File { path: format!("views/{}.view.lkml", view.name()), text: out.finish() }
}

fn dimension(out: &mut Writer, warehouse: &Warehouse, column: &TableColumn, field: &Field) {
    if let (Some(group), Some(timeframes)) = (&field.group, timeframes(column.kind)) {
        out.open(&format!("dimension_group: {group}"));
        out.description(&column.description);
        out.word("type", "time");
        out.list("timeframes", timeframes);
        if column.kind == ColumnType::Date {
            out.word("datatype", "date");
            // A date has no zone: shifted into one it would be another date.
            out.word("convert_tz", "no");
        } else {
            out.word("datatype", "timestamp");
        }
        out.sql("sql", &warehouse.value(&column.name, column.kind));
        out.close();
        return;
    }
    out.open(&format!("dimension: {}", local(&field.dimension)));
    out.description(&column.description);
    let (kind, format) = match column.kind {
        ColumnType::Text { .. } | ColumnType::Json | ColumnType::Date | ColumnType::Timestamp => ("string", None),
        ColumnType::Boolean => ("yesno", None),
        // Numbers of documents and people: no separators between thousands.
        ColumnType::Integer => ("number", Some("id".to_owned())),
        ColumnType::Decimal { scale, .. } => ("number", Some(decimals(scale))),
    };
    out.word("type", kind);
    out.sql("sql", &warehouse.value(&column.name, column.kind));
    if let Some(format) = format {
        out.word("value_format_name", &format);
    }
    out.close();
}

/// The name of the format with so many digits behind the point. Looker knows those up to 4, the model the others.
pub(super) fn decimals(scale: u8) -> String {
    format!("decimal_{scale}")
}

/// How many days ago a date was, and the bucket that makes.
fn days(out: &mut Writer, warehouse: &Warehouse, aging: &Aging) {
    out.gap();
    out.open(&format!("dimension: {}", aging.days_past));
    out.description(&format!("Days since {}; negative for one to come", aging.date));
    out.word("type", "number");
    out.sql("sql", &warehouse.days_past(&aging.date, aging.kind));
    out.word("value_format_name", "decimal_0");
    out.close();
    out.gap();
    out.open(&format!("dimension: {}", aging.age));
    out.description(&format!("For how long it has been due, by {}", aging.date));
    out.open("case:");
    for (condition, label) in aging.buckets() {
        out.open("when:");
        out.sql("sql", &format!("${{{}}} {condition}", aging.days_past));
        out.quoted("label", &label);
        out.close();
    }
    out.quoted("else", "No date");
    out.close();
    out.close();
}

/// Metadata is for checks and not for reports: hidden, but there for queries that name it.
fn metadata(out: &mut Writer, warehouse: &Warehouse, column: &str, field: &Field) {
    match &field.group {
        Some(group) => out.open(&format!("dimension_group: {group}")),
        None => out.open(&format!("dimension: {}", local(&field.dimension))),
    }
    if column == meta::SOURCE_ID {
        out.word("primary_key", "yes");
    }
    out.word("hidden", "yes");
    out.quoted("group_label", LOAD);
    out.description(meta::description(column).trim_end_matches('.'));
    if is_time(column) {
        out.word("type", "time");
        out.list("timeframes", &OF_TIMES);
        out.word("datatype", "timestamp");
    } else {
        let kind = match column {
            meta::IS_DELETED => "yesno",
            meta::SEQ | meta::VERSION | meta::MAPPING => "number",
            _ => "string",
        };
        out.word("type", kind);
    }
    out.sql("sql", &warehouse.metadata(column));
    if matches!(column, meta::SEQ | meta::VERSION | meta::MAPPING) {
        out.word("value_format_name", "id");
    }
    out.close();
}

fn measures(out: &mut Writer, view: &View<'_>) {
    let table = view.table();
    out.gap();
    out.open(&format!("measure: {COUNT}"));
    out.quoted("description", "Number of records; in explores, of those that are not deleted");
    out.word("type", "count");
    out.line("drill_fields: [detail*]");
    out.close();
    let mut shown = Vec::new();
    for column in table.columns.iter().filter(|column| view.totals.contains(&column.name.as_str())) {
        let Some(field) = view.names.field(&column.name) else { continue };
        let Some(total) = field.total.as_deref().map(local) else { continue };
        if view.plan.totals.iter().any(|(_, proven)| *proven == column.name) {
            shown.push(total.to_owned());
        }
        out.gap();
        out.open(&format!("measure: {total}"));
        let colon = if column.description.is_empty() { "" } else { ": " };
        out.quoted("description", &format!("Sum of {}{colon}{}", column.name, column.description));
        out.word("type", "sum");
        out.sql("sql", &format!("${{{}}}", local(&field.dimension)));
        let scale = if let ColumnType::Decimal { scale, .. } = column.kind { scale } else { 0 };
        out.word("value_format_name", &decimals(scale));
        out.line("drill_fields: [detail*]");
        out.close();
    }
    if let Some(raw) = view.names.field(meta::LOADED_AT).and_then(|field| field.raw.as_deref()) {
        out.gap();
        out.open(&format!("measure: {MAX_LOADED_AT}"));
        out.quoted("group_label", LOAD);
        out.quoted("description", "When the newest content was loaded");
        out.word("type", "date_time");
        out.sql("sql", &format!("MAX(${{{}}})", local(raw)));
        out.close();
    }
    let key = table.key_columns().filter_map(|column| view.names.field(&column.name));
    let detail: Vec<_> = key.map(|field| local(&field.dimension).to_owned()).chain(shown).collect();
    out.gap();
    out.open("set: detail");
    out.list("fields", &detail);
    out.close();
}
