//! AGGREGATION: sums, extremes, averages and counts over rows, all at once or by group.
//!
//! Invariant: sums are exact; only an average is divided. Names are `TABLE.ALIAS_FUNCTION`, with the dot.

use std::collections::{BTreeMap, BTreeSet};

use super::error::Refusal;
use super::grid::write_text;
use super::query::Reader;
use super::request::Aggregation;
use super::row::Row;
use super::schema::Kind;
use super::table::{Slot, Table};
use super::value::{format_day, from_julian};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Sum,
    Min,
    Max,
    Avg,
    Count,
    CountDistinct,
    AvgDistinct,
    SumDistinct,
}

const FUNCTIONS: [(&str, Function); 8] = [
    ("SUM", Function::Sum),
    ("MIN", Function::Min),
    ("MAX", Function::Max),
    ("AVG", Function::Avg),
    ("COUNT", Function::Count),
    ("COUNT_DISTINCT", Function::CountDistinct),
    ("AVG_DISTINCT", Function::AvgDistinct),
    ("SUM_DISTINCT", Function::SumDistinct),
];

/// A piece of JSON, written out: a value tree would turn exact sums into floating point.
type Json = String;

/// The objects of the `output` array, at most `limit` of them.
pub(super) fn aggregate(
    reader: &Reader<'_>,
    asked: &Aggregation,
    rows: &[Slot],
    limit: usize,
) -> Result<Vec<String>, Refusal> {
    if asked.having.is_some() {
        return Err(Refusal::failed("having is not supported"));
    }
    if asked.aggregations.is_empty() {
        return Err(Refusal::failed("An aggregation request needs aggregations"));
    }
    let table = reader.table;
    let scaled = !reader.settings.aggregates_unscaled || asked.currency_processing.is_some();
    let mut functions = Vec::with_capacity(asked.aggregations.len());
    for one in &asked.aggregations {
        let Some((name, function)) = FUNCTIONS.iter().find(|(name, _)| *name == one.aggregation) else {
            return Err(Refusal::failed(format!("Unknown aggregation {:?}", one.aggregation)));
        };
        if one.column == "*" && *function == Function::Count {
            functions.push(("COUNT".to_owned(), None, *function));
            continue;
        }
        let column = reader.column(&one.column)?;
        let numeric = matches!(table.schema().columns()[column].kind, Kind::Number { .. } | Kind::Time);
        let any_kind = matches!(function, Function::Count | Function::CountDistinct | Function::Min | Function::Max);
        if !numeric && !any_kind {
            return Err(Refusal::failed(format!("{name} is only for numeric columns")));
        }
        let alias = &table.schema().columns()[column].alias;
        functions.push((format!("{}.{alias}_{name}", table.schema().name()), Some(column), *function));
    }
    let mut by = Vec::with_capacity(asked.group_by.len());
    for one in &asked.group_by {
        by.push((reader.column(&one.column)?, one.special_handling.as_deref()));
    }
    let groups = group(table, rows, &by);
    let mut groups: Vec<_> = groups.into_values().collect();
    let order = super::select::order(reader, &asked.order_by)?;
    groups.sort_by(|a, b| {
        let differing = order.iter().map(|(column, descends)| {
            let ordering = match (a.first(), b.first()) {
                (Some(a), Some(b)) => table.compare_cells(*a, *b, *column),
                _ => std::cmp::Ordering::Equal,
            };
            if *descends { ordering.reverse() } else { ordering }
        });
        differing.into_iter().find(|o| o.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    });
    let mut output = Vec::with_capacity(groups.len().min(limit));
    for members in groups.iter().take(limit) {
        let mut parts = Vec::with_capacity(functions.len() + 1);
        if let (false, Some(first)) = (by.is_empty(), members.first()) {
            let values = by.iter().map(|(column, handling)| {
                let name = format!("{}.{}", table.schema().name(), table.schema().columns()[*column].alias);
                format!("{}:{}", text(&name), group_value(reader, *first, *column, *handling))
            });
            parts.push(format!("\"groupBy\":{{{}}}", values.collect::<Vec<_>>().join(",")));
        }
        for (name, column, function) in &functions {
            parts.push(format!("{}:{}", text(name), value(table, members, *column, *function, scaled)));
        }
        output.push(format!("{{{}}}", parts.join(",")));
    }
    Ok(output)
}

/// Rows by the values of the group columns; without group columns one group, even of no rows.
fn group(table: &Table, rows: &[Slot], by: &[(usize, Option<&str>)]) -> BTreeMap<Vec<i64>, Vec<Slot>> {
    let mut groups: BTreeMap<Vec<i64>, Vec<Slot>> = BTreeMap::new();
    if by.is_empty() {
        groups.insert(Vec::new(), Vec::new());
    }
    for slot in rows {
        let key = by.iter().map(|(column, _)| table.int(*slot, *column) + i64::from(table.symbol(*slot, *column)));
        groups.entry(key.collect()).or_default().push(*slot);
    }
    groups
}

/// Dates of a group come as milliseconds unless a pattern is given, as the vendor's client guide has it.
fn group_value(reader: &Reader<'_>, slot: Slot, column: usize, handling: Option<&str>) -> Json {
    let schema = reader.table.schema();
    let column_def = &schema.columns()[column];
    let whole = reader.table.int(slot, column);
    match column_def.kind {
        Kind::Number { decimals } => number(i128::from(whole), decimals),
        Kind::Time => whole.to_string(),
        Kind::Text { .. } => {
            let text = Row::new(reader.table, slot).text(&column_def.alias);
            self::text(if text.is_empty() { " " } else { &text })
        }
        Kind::Date => match (from_julian(whole as i32), handling) {
            (None, _) => null(),
            (Some(day), Some("User")) => text(&format_day(&reader.settings.simple_date_format, day)),
            (Some(day), Some(pattern)) => text(&format_day(pattern, day)),
            (Some(day), None) => day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis().to_string(),
        },
    }
}

fn value(table: &Table, rows: &[Slot], column: Option<usize>, function: Function, scaled: bool) -> Json {
    let Some(column) = column else {
        return rows.len().to_string();
    };
    let kind = table.schema().columns()[column].kind;
    let decimals = match kind {
        Kind::Number { decimals } if scaled => decimals,
        _ => 0,
    };
    let wholes = || rows.iter().map(|slot| table.int(*slot, column));
    let distinct = || wholes().collect::<BTreeSet<_>>();
    let sum = |values: &mut dyn Iterator<Item = i64>| values.map(i128::from).sum::<i128>();
    let extreme = |largest: bool| {
        let ordered = |a: &&Slot, b: &&Slot| table.compare_cells(**a, **b, column);
        let found = if largest { rows.iter().max_by(ordered) } else { rows.iter().min_by(ordered) };
        let Some(slot) = found else { return null() };
        match kind {
            Kind::Number { .. } | Kind::Time => number(i128::from(table.int(*slot, column)), decimals),
            Kind::Text { .. } | Kind::Date => {
                text(&Row::new(table, *slot).text(&table.schema().columns()[column].alias))
            }
        }
    };
    match function {
        Function::Count => rows.len().to_string(),
        Function::CountDistinct => {
            let keys = rows.iter().map(|slot| (table.int(*slot, column), table.symbol(*slot, column)));
            keys.collect::<BTreeSet<_>>().len().to_string()
        }
        _ if rows.is_empty() => null(),
        Function::Sum => number(sum(&mut wholes()), decimals),
        Function::SumDistinct => number(sum(&mut distinct().into_iter()), decimals),
        Function::Avg => average(sum(&mut wholes()), rows.len(), decimals),
        Function::AvgDistinct => average(sum(&mut distinct().into_iter()), distinct().len(), decimals),
        Function::Min => extreme(false),
        Function::Max => extreme(true),
    }
}

fn average(sum: i128, count: usize, decimals: u8) -> Json {
    // Six digits more than the column has, as a database would give some.
    let scaled = sum.saturating_mul(1_000_000) / (count.max(1) as i128);
    number(scaled, decimals + 6)
}

fn number(units: i128, decimals: u8) -> Json {
    let whole = units.unsigned_abs() / 10_u128.pow(u32::from(decimals));
    let rest = units.unsigned_abs() % 10_u128.pow(u32::from(decimals));
    let sign = if units < 0 { "-" } else { "" };
    let fraction = format!("{rest:0width$}", width = usize::from(decimals));
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

fn text(text: &str) -> Json {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_text(text, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn null() -> Json {
    "null".into()
}
