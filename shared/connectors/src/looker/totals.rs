//! Control totals as Looker sees them, however many groups there are.
//!
//! Looker cuts an answer at its row limit without saying so. So an answer that is as long as the limit counts for nothing:
//! the records are asked for again in slices, by ranges of a date or number that is there for every record or not there at
//! all, each range halved until its answer is short enough. Slices do not overlap, so counts and sums of a group that shows
//! in several are added up, exactly.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use engine::model::decimal::Decimal;
use engine::model::table::{ColumnType, TableColumn};
use engine::model::totals::{GroupBy, GroupTotal};
use engine::{Error, Result};

use super::client::Client;
use super::explores::{Explore, Explores};
use super::model::Bound;
use super::queries::{MAY_QUERY, NOT_NULL, NULL, Query, Row, dates, numbers, run};
use super::refusal::Failure;

/// Queries that one set of totals may cost.
const MOST_QUERIES: usize = 2_000;

/// What is asked for of one table.
struct Ask<'a> {
    client: &'a Client,
    bound: Bound<'a>,
    by: &'a GroupBy,
    /// The field that groups.
    group: Option<String>,
    /// The measure that counts.
    count: String,
    /// The column and measure of each sum.
    sums: Vec<(&'a TableColumn, String)>,
    what: String,
}

/// Values by which records are cut into slices: days since 1970, or whole units at the column's scale.
#[derive(Clone, Copy)]
enum Scale {
    Days,
    Units(u8),
}

/// The column whose ranges cut records into slices.
struct Knife {
    field: String,
    scale: Scale,
}

/// Groups as they are added up, those without a value first.
type Groups = BTreeMap<Option<String>, GroupTotal>;

/// Counts and sums of a table. `None` when the model does not show it.
///
/// # Errors
/// Stops for a missing explore that the settings name, missing fields, more groups than can be asked for; otherwise as
/// every call.
pub(super) async fn totals(
    client: &Client,
    explores: &Explores,
    bound: Bound<'_>,
    by: &GroupBy,
    columns: &[&str],
) -> Result<Option<Vec<GroupTotal>>> {
    let explore = match explores.get(client, &bound.explore()).await {
        Err(Failure::Missing(_)) if !bound.is_named() => return Ok(None),
        other => other?,
    };
    let ask = Ask::new(client, bound, by, columns)?;
    ask.fields_are_in(&explore)?;
    let limit = client.settings.row_limit;
    let rows = ask.run(&[]).await?;
    let mut groups = Groups::new();
    if rows.len() < limit {
        ask.add(&rows, &mut groups)?;
    } else {
        ask.slices(&explore, &mut groups).await?;
    }
    if *by == GroupBy::All {
        let none = || GroupTotal { group: None, records: 0, sums: vec![None; columns.len()] };
        groups.entry(None).or_insert_with(none);
        return Ok(Some(groups.into_values().collect()));
    }
    // A group whose records are all marked deleted still shows, with nothing in it.
    groups.retain(|_, total| total.records > 0 || total.sums.iter().flatten().any(|sum| sum.units() != 0));
    Ok(Some(groups.into_values().collect()))
}

impl<'a> Ask<'a> {
    fn new(client: &'a Client, bound: Bound<'a>, by: &'a GroupBy, columns: &[&str]) -> Result<Self> {
        let table = bound.table;
        let group = match by {
            GroupBy::All => None,
            GroupBy::Value(column) => Some(bound.dimension(column)?),
            GroupBy::Month(column) => Some(bound.month(column)?),
        };
        let mut sums = Vec::with_capacity(columns.len());
        for name in columns {
            let column = table.column(name).and_then(|at| table.columns.get(at));
            let sum = column
                .zip(bound.sum(name))
                .ok_or_else(|| Error::stop(format!("`{}.{name}` is no number: Looker has no sum of it", table.name)))?;
            sums.push(sum);
        }
        let what =
            format!("the totals of `{}` in the explore `{}::{}`", table.name, client.settings.model, bound.explore());
        Ok(Self { client, by, group, count: bound.count(), sums, what, bound })
    }

    /// The fields of a query, the group first.
    fn fields(&self) -> Vec<String> {
        let sums = self.sums.iter().map(|(_, measure)| measure);
        self.group.iter().chain([&self.count]).chain(sums).cloned().collect()
    }

    fn fields_are_in(&self, explore: &Explore) -> Result<()> {
        let names = explore.names();
        let missing: Vec<_> = self.fields().into_iter().filter(|field| !names.contains(field.as_str())).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::stop(format!(
            "{} cannot be asked for: it has no {}; add what is missing to the LookML, or name other fields under \
             `explores.{}` of the connection",
            self.what,
            missing.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", "),
            self.bound.table.name
        )))
    }

    fn query(&self, fields: Vec<String>, limit: usize) -> Query {
        Query::new(&self.client.settings.model, &self.bound.explore(), fields, limit)
    }

    async fn run(&self, filters: &[(&str, String)]) -> Result<Vec<Row>> {
        let mut query = self.query(self.fields(), self.client.settings.row_limit);
        for (field, expression) in filters {
            query = query.filter(field, expression.as_str());
        }
        Ok(run(self.client, &query, &self.what, MAY_QUERY).await?)
    }

    /// Asks for the records in slices.
    async fn slices(&self, explore: &Explore, groups: &mut Groups) -> Result<()> {
        let knife = self.knife(explore)?;
        let rows = self.run(&[(&knife.field, NULL.to_owned())]).await?;
        self.short_enough(&rows)?;
        self.add(&rows, groups)?;
        let (Some(least), Some(most)) = (self.end(&knife, "asc").await?, self.end(&knife, "desc").await?) else {
            return Ok(());
        };
        // The whole range is known to be too long.
        let middle = least + (most - least + 1) / 2;
        let mut open = vec![(middle, most + 1), (least, middle)];
        let mut queries = 4;
        while let Some((from, to)) = open.pop() {
            if from >= to {
                continue;
            }
            queries += 1;
            if queries > MOST_QUERIES {
                return Err(self.too_many());
            }
            let rows = self.run(&[(&knife.field, knife.range(from, to)?)]).await?;
            if rows.len() < self.client.settings.row_limit {
                self.add(&rows, groups)?;
            } else if to - from == 1 {
                return Err(self.too_many());
            } else {
                let middle = from + (to - from) / 2;
                open.extend([(middle, to), (from, middle)]);
            }
        }
        Ok(())
    }

    /// The grouped column where it is a number or date, else the first of the key, else any other that the explore shows.
    fn knife(&self, explore: &Explore) -> Result<Knife> {
        let table = self.bound.table;
        let own = match self.by {
            GroupBy::All => None,
            GroupBy::Value(column) | GroupBy::Month(column) => table.columns.iter().find(|known| known.name == *column),
        };
        let names = explore.names();
        for column in own.into_iter().chain(table.key_columns()).chain(&table.columns) {
            let scale = match column.kind {
                ColumnType::Date => Scale::Days,
                ColumnType::Integer => Scale::Units(0),
                ColumnType::Decimal { scale, .. } => Scale::Units(scale),
                _ => continue,
            };
            let field = self.bound.dimension(&column.name)?;
            if !self.bound.ignores(&column.name) && names.contains(field.as_str()) {
                return Ok(Knife { field, scale });
            }
        }
        Err(self.too_many())
    }

    fn short_enough(&self, rows: &[Row]) -> Result<()> {
        if rows.len() < self.client.settings.row_limit { Ok(()) } else { Err(self.too_many()) }
    }

    fn too_many(&self) -> Error {
        Error::stop(format!(
            "{} have more groups than Looker gives in answers of {} rows, and cannot be cut into small enough slices by a date \
             or number: compare by a column with fewer values",
            self.what, self.client.settings.row_limit
        ))
    }

    /// The least or the greatest value of the knife.
    async fn end(&self, knife: &Knife, order: &str) -> Result<Option<i128>> {
        let query = self.query(vec![knife.field.clone()], 1);
        let query = query.filter(&knife.field, NOT_NULL).sort(format!("{} {order}", knife.field));
        let rows = run(self.client, &query, &self.what, MAY_QUERY).await?;
        rows.first().map_or(Ok(None), |row| knife.read(row))
    }

    /// Adds the rows of one answer to the groups.
    fn add(&self, rows: &[Row], groups: &mut Groups) -> Result<()> {
        for row in rows {
            let total = self.total(row)?;
            let Some(known) = groups.get_mut(&total.group) else {
                groups.insert(total.group.clone(), total);
                continue;
            };
            known.records += total.records;
            for (sum, more) in known.sums.iter_mut().zip(total.sums) {
                *sum = match (*sum, more) {
                    (Some(sum), Some(more)) => {
                        Some(sum.plus(more).map_err(|e| Error::stop(format!("{}: {e}", self.what)))?)
                    }
                    (sum, more) => sum.or(more),
                };
            }
        }
        Ok(())
    }

    fn total(&self, row: &Row) -> Result<GroupTotal> {
        let count = row.number(&self.count)?.and_then(|count| count.with_scale(0));
        let records = count.and_then(|count| u64::try_from(count.units()).ok()).ok_or_else(|| {
            Error::stop(format!("`{}` is no count of records: name another measure as `count`", self.count))
        })?;
        let mut sums = Vec::with_capacity(self.sums.len());
        for (column, measure) in &self.sums {
            sums.push(row.number(measure)?.map(|sum| at_scale(sum, column.kind)));
        }
        let group = match &self.group {
            Some(field) => row.text(field)?.map(|text| self.group_text(field, text)).transpose()?,
            None => None,
        };
        Ok(GroupTotal { group, records, sums })
    }

    /// The canonical text of a group, as the warehouse has it.
    fn group_text(&self, field: &str, text: String) -> Result<String> {
        let wrong = |text: &str, kind: &str| {
            Error::stop(format!("`{field}` shows `{text}`, which is no {kind}: name the right field under `explores`"))
        };
        let column = match self.by {
            GroupBy::All => return Ok(text),
            GroupBy::Month(_) => return month(&text).ok_or_else(|| wrong(&text, "month such as 2026-11")),
            GroupBy::Value(column) => column,
        };
        let kind = self.bound.table.columns.iter().find(|known| known.name == *column).map(|known| known.kind);
        let read = match kind {
            None | Some(ColumnType::Text { .. }) => return Ok(text),
            Some(ColumnType::Integer) => number(&text, 0),
            Some(ColumnType::Decimal { scale, .. }) => number(&text, scale),
            Some(ColumnType::Boolean) => boolean(&text).map(str::to_owned),
            Some(ColumnType::Date) => date(&text).map(|date| date.to_string()),
            Some(ColumnType::Timestamp | ColumnType::Json) => None,
        };
        read.ok_or_else(|| {
            wrong(&text, &kind.map_or_else(String::new, |kind| format!("value of type {kind} to compare by")))
        })
    }
}

impl Knife {
    fn read(&self, row: &Row) -> Result<Option<i128>> {
        let Some(text) = row.text(&self.field)? else { return Ok(None) };
        let read = match self.scale {
            Scale::Days => {
                date(&text).map(|date| i128::from(date.signed_duration_since(NaiveDate::default()).num_days()))
            }
            Scale::Units(scale) => Decimal::parse(&text).ok().and_then(|n| n.with_scale(scale)).map(Decimal::units),
        };
        let wrong = || Error::stop(format!("`{}` shows `{text}`, which is not of the column's type", self.field));
        read.map(Some).ok_or_else(wrong)
    }

    fn range(&self, from: i128, to: i128) -> Result<String> {
        match self.scale {
            Scale::Units(scale) => Ok(numbers(Decimal::new(from, scale), Decimal::new(to, scale))),
            Scale::Days => {
                let ends = day(from).zip(day(to));
                let (from, to) =
                    ends.ok_or_else(|| Error::stop(format!("`{}` holds dates beyond reason", self.field)))?;
                Ok(dates(from, to))
            }
        }
    }
}

fn day(days: i128) -> Option<NaiveDate> {
    let offset = Days::new(u64::try_from(days.unsigned_abs()).ok()?);
    let epoch = NaiveDate::default();
    if days < 0 { epoch.checked_sub_days(offset) } else { epoch.checked_add_days(offset) }
}

/// The sum at its column's scale where that loses nothing, so that equal sums look equal.
fn at_scale(sum: Decimal, kind: ColumnType) -> Decimal {
    let scale = if let ColumnType::Decimal { scale, .. } = kind { scale } else { 0 };
    sum.with_scale(scale).unwrap_or_else(|| sum.normalized())
}

fn number(text: &str, scale: u8) -> Option<String> {
    Some(Decimal::parse(text.trim()).ok()?.with_scale(scale)?.to_string())
}

/// `Yes` and `No` of a yesno dimension, or what a database shows of a boolean.
fn boolean(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "t" | "1" => Some("true"),
        "no" | "false" | "f" | "0" => Some("false"),
        _ => None,
    }
}

/// The date at the beginning of a text, behind which only a time may stand.
fn date(text: &str) -> Option<NaiveDate> {
    let (date, rest) = text.split_at_checked(10)?;
    let is_time = rest.is_empty() || rest.starts_with([' ', 'T']);
    date.parse().ok().filter(|_| is_time)
}

/// `2026-11` of `2026-11` or of the month's first day.
fn month(text: &str) -> Option<String> {
    let first = if text.len() == 7 { date(&format!("{text}-01")) } else { date(text) };
    first.map(|first| first.format("%Y-%m").to_string())
}
