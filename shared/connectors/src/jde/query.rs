//! The bodies of data requests: windows, keys, and the key range that follows a page.
//!
//! Invariant: every group of a query carries the whole window and filter, and groups are joined by OR only, so that it
//! does not matter in which order a server evaluates them. Nothing here compares keys: only the server knows its order.

mod body;

use chrono::{Days, NaiveDate, TimeDelta};
use engine::model::window::Window;
use engine::plan::StreamSpec;
use engine::{Error, Result};

use body::{Aggregation, Condition, CurrencyProcessing, Function, Group, GroupBy, GroupQuery, OrderBy, Query};
pub(super) use body::{DataRequest, Literal};

use super::dates::{DateWriter, cell_date};
use super::source::DB_FETCH_LIMIT;
use super::{JdeSettings, Paging};
pub(super) use crate::key_range::{At, Key};

/// A request for rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PageRequest {
    pub(super) body: DataRequest,
    /// Rows asked for.
    pub(super) asked: usize,
    /// The server's day that keys in it were counted from: the answer is only right when it was given on that day.
    pub(super) counted_from: Option<NaiveDate>,
}

#[derive(Clone, Copy, PartialEq)]
enum Comparison {
    Equal,
    Greater,
}

/// Before the first day that JD Edwards writes into any date.
const FIRST_DAY: NaiveDate = match NaiveDate::from_ymd_opt(1901, 1, 1) {
    Some(day) => day,
    None => NaiveDate::MIN,
};

/// Writes the requests of one stream.
pub(super) struct Writer<'a> {
    pub(super) stream: &'a StreamSpec,
    pub(super) settings: &'a JdeSettings,
    pub(super) dates: DateWriter,
}

impl Writer<'_> {
    /// The records of a window that follow a key, in key order.
    pub(super) fn window(&self, window: Window, after: Option<&Key>) -> Result<PageRequest> {
        if self.stream.key.is_empty() {
            return Err(Error::stop(format!(
                "stream `{}` declares no key: pages cannot be told apart",
                self.stream.name
            )));
        }
        let base = self.base(window)?;
        let groups = match after {
            None => vec![base],
            Some(key) => self.groups_after(&base, key)?,
        };
        let asked = self.stream.page_size.unwrap_or(self.settings.page_size).max(1);
        let mut body = self.browse(&self.stream.columns, asked);
        body.query = query(groups);
        let order_by = self.stream.key.iter();
        let order_by = order_by.map(|k| OrderBy { column: control(self.stream, k), direction: "ASC" }).collect();
        body.aggregation = Some(Aggregation { order_by, ..Aggregation::default() });
        if self.settings.paging == Paging::NextLinks {
            body.enable_next_page_processing = Some(true);
            body.next_page_time_interval = Some("0");
        }
        Ok(PageRequest { body, asked, counted_from: after.and_then(|key| self.counted_from(key)) })
    }

    /// The records with these keys.
    pub(super) fn keys(&self, keys: &[Vec<String>]) -> Result<PageRequest> {
        let base = self.filter();
        let mut groups = Vec::with_capacity(keys.len());
        let mut counted_from = None;
        for key in keys {
            let key: Key = key.iter().cloned().map(Some).collect();
            self.check_length(&key)?;
            let mut group = base.clone();
            group.extend(
                self.stream.key.iter().zip(&key).map(|(c, v)| self.compare(c, v.as_deref(), Comparison::Equal)),
            );
            groups.push(group);
            counted_from = counted_from.or(self.counted_from(&key));
        }
        let asked = self.settings.page_size.max(keys.len());
        let mut body = self.browse(&self.stream.columns, asked);
        body.query = query(groups);
        Ok(PageRequest { body, asked, counted_from })
    }

    /// Whether keys of the stream hold dates that are written as days from the server's today.
    pub(super) fn counts_key_days(&self) -> bool {
        matches!(self.dates, DateWriter::Special { .. }) && self.stream.key.iter().any(|column| is_date(column))
    }

    /// One row at most of these columns: to see whether they can be read, or what time it is.
    pub(super) fn probe(&self, columns: &[String], today_only: bool) -> DataRequest {
        let mut body = self.browse(columns, 1);
        if let (true, Some(updated)) = (today_only, &self.stream.updated) {
            let today = Literal::special("0", "TODAY");
            let control_id = control(self.stream, &updated.date);
            body.query = query(vec![vec![Condition { control_id, operator: "GREATER_EQUAL", value: vec![today] }]]);
        }
        body
    }

    /// How many records lie in a window.
    pub(super) fn count(&self, window: Window) -> Result<DataRequest> {
        let mut body = self.request("COUNT");
        body.query = query(vec![self.base(window)?]);
        Ok(body)
    }

    /// The sum of a column over a window.
    pub(super) fn total(&self, window: Window, column: &str) -> Result<DataRequest> {
        self.aggregation(window, &[column])
    }

    /// Counts and sums of columns over a window, by the values of the column `by`.
    pub(super) fn groups(&self, window: Window, by: &str, columns: &[&str]) -> Result<DataRequest> {
        let mut body = self.aggregation(window, columns)?;
        // As many as a server gives at most: whoever asks counts whether that was all.
        body.max_page_size = Some(DB_FETCH_LIMIT.to_string());
        if let Some(aggregation) = &mut body.aggregation {
            aggregation.aggregations.push(Function { aggregation: "COUNT", column: "*".to_owned() });
            aggregation.group_by.push(GroupBy { column: control(self.stream, by) });
        }
        Ok(body)
    }

    fn aggregation(&self, window: Window, columns: &[&str]) -> Result<DataRequest> {
        let mut body = self.request("AGGREGATION");
        body.query = query(vec![self.base(window)?]);
        let columns: Vec<String> = columns.iter().map(|column| control(self.stream, column)).collect();
        let processing = self.settings.currency_processing.as_ref().filter(|_| !columns.is_empty());
        let currency_processing = processing.map(|currency| CurrencyProcessing {
            kind: currency.kind.clone(),
            key_cols: currency.key_columns.iter().map(|key| control(self.stream, key)).collect(),
            currency_cols: columns.clone(),
        });
        let sum = |column| Function { aggregation: "SUM", column };
        let aggregations = columns.into_iter().map(sum).collect();
        body.aggregation = Some(Aggregation { aggregations, currency_processing, ..Aggregation::default() });
        Ok(body)
    }

    fn request(&self, kind: &'static str) -> DataRequest {
        DataRequest {
            target_name: self.stream.object.clone(),
            target_type: if is_view(self.stream) { "view" } else { "table" },
            data_service_type: kind,
            find_on_entry: "TRUE",
            output_type: "GRID_DATA",
            alias_naming: true,
            max_page_size: None,
            return_control_ids: None,
            enable_next_page_processing: None,
            next_page_time_interval: None,
            query: None,
            aggregation: None,
        }
    }

    fn browse(&self, columns: &[String], asked: usize) -> DataRequest {
        let controls: Vec<_> = columns.iter().map(|column| control(self.stream, column)).collect();
        DataRequest {
            max_page_size: Some(asked.to_string()),
            return_control_ids: Some(controls.join("|")),
            ..self.request("BROWSE")
        }
    }

    /// What every group carries: the window and the stream's own conditions.
    fn base(&self, window: Window) -> Result<Vec<Condition>> {
        let mut conditions = Vec::new();
        if let Some(updated) = &self.stream.updated {
            let control_id = control(self.stream, &updated.date);
            let zone = self.settings.zone;
            let wider = Days::new(self.dates.widening());
            let out = || Error::stop(format!("the window of stream `{}` leaves the calendar", self.stream.name));
            if let Some(from) = window.from {
                let day = from.with_timezone(&zone).date_naive().checked_sub_days(wider).ok_or_else(out)?;
                let value = vec![self.dates.literal(day)];
                conditions.push(Condition { control_id: control_id.clone(), operator: "GREATER_EQUAL", value });
            }
            if let Some(to) = window.to {
                // The window ends before `to`, and the column holds whole days: the last instant names the last day.
                let last = to.checked_sub_signed(TimeDelta::nanoseconds(1)).ok_or_else(out)?;
                let day = last.with_timezone(&zone).date_naive().checked_add_days(wider).ok_or_else(out)?;
                conditions.push(Condition { control_id, operator: "LESS_EQUAL", value: vec![self.dates.literal(day)] });
            }
        }
        conditions.extend(self.filter());
        Ok(conditions)
    }

    fn filter(&self) -> Vec<Condition> {
        let conditions = self.stream.filter.iter();
        conditions
            .map(|condition| match condition.equals.as_slice() {
                [one] => self.compare(&condition.column, Some(one), Comparison::Equal),
                many => Condition {
                    control_id: control(self.stream, &condition.column),
                    operator: "LIST",
                    value: many.iter().map(|value| self.literal(&condition.column, value)).collect(),
                },
            })
            .collect()
    }

    /// `k1 > a`, or `k1 = a` and `k2 > b`, or …: one group for each column of the key.
    fn groups_after(&self, base: &[Condition], key: &Key) -> Result<Vec<Vec<Condition>>> {
        self.check_length(key)?;
        if let Some((column, _)) = self.stream.key.iter().zip(key).find(|(c, v)| v.is_none() && !is_date(c)) {
            let object = &self.stream.object;
            return Err(Error::later(format!(
                "the last row of a page of {object} has no {column}, which is part of its key"
            )));
        }
        let mut groups = Vec::with_capacity(key.len());
        for (i, greater) in self.stream.key.iter().enumerate() {
            let mut group = base.to_vec();
            let equal = self.stream.key.iter().zip(key).take(i);
            group.extend(equal.map(|(column, value)| self.compare(column, value.as_deref(), Comparison::Equal)));
            group.push(self.compare(greater, key.get(i).and_then(Option::as_deref), Comparison::Greater));
            groups.push(group);
        }
        Ok(groups)
    }

    fn check_length(&self, key: &Key) -> Result<()> {
        let (given, needed) = (key.len(), self.stream.key.len());
        if given == needed {
            return Ok(());
        }
        Err(Error::stop(format!("stream `{}` has a key of {needed} columns, not {given}", self.stream.name)))
    }

    fn compare(&self, column: &str, value: Option<&str>, comparison: Comparison) -> Condition {
        let control_id = control(self.stream, column);
        let value = value.unwrap_or_default();
        let (operator, value) = match (value.trim().is_empty(), comparison) {
            // No date is stored as zero, so every date is greater and the years before all dates hold it.
            (true, Comparison::Equal) if is_date(column) => ("LESS", vec![self.dates.literal(FIRST_DAY)]),
            (true, Comparison::Greater) if is_date(column) => ("GREATER_EQUAL", vec![self.dates.literal(FIRST_DAY)]),
            // Blank is the least text under every collation, and a blank literal could be taken for a missing one.
            (true, Comparison::Equal) => ("STR_BLANK", Vec::new()),
            (true, Comparison::Greater) => ("STR_NOT_BLANK", Vec::new()),
            (false, Comparison::Equal) => ("EQUAL", vec![self.literal(column, value)]),
            (false, Comparison::Greater) => ("GREATER", vec![self.literal(column, value)]),
        };
        Condition { control_id, operator, value }
    }

    fn literal(&self, column: &str, value: &str) -> Literal {
        if let (true, Some(day)) = (is_date(column), cell_date(value)) {
            return self.dates.literal(day);
        }
        let width = self.stream.padded.iter().find(|(padded, _)| padded == column).map(|(_, width)| *width);
        match width {
            Some(width) if self.settings.pad_keys => Literal::text(&format!("{:>width$}", value.trim())),
            Some(_) => Literal::text(value.trim()),
            None => Literal::text(value.trim_end()),
        }
    }

    fn counted_from(&self, key: &Key) -> Option<NaiveDate> {
        let DateWriter::Special { today } = self.dates else {
            return None;
        };
        let mut parts = self.stream.key.iter().zip(key);
        parts.any(|(c, v)| is_date(c) && v.as_deref().and_then(cell_date).is_some()).then_some(today)
    }
}

/// One group stands alone; several are joined by OR.
fn query(mut groups: Vec<Vec<Condition>>) -> Option<Query> {
    const ALL: &str = "MATCH_ALL";
    let (condition, complex_query) = match groups.len() {
        0 => return None,
        1 => (groups.pop().unwrap_or_default(), Vec::new()),
        _ => {
            let group = |condition| Group { and_or: "OR", query: GroupQuery { match_type: ALL, condition } };
            (Vec::new(), groups.into_iter().map(group).collect())
        }
    };
    if condition.is_empty() && complex_query.is_empty() {
        return None;
    }
    Some(Query { auto_find: true, match_type: ALL, condition, complex_query })
}

/// Business views are named `V…`.
pub(super) fn is_view(stream: &StreamSpec) -> bool {
    stream.object.starts_with('V')
}

/// A column as requests name it: `F0411.AG`. A view's column is bare unless the stream names its table.
pub(super) fn control(stream: &StreamSpec, column: &str) -> String {
    if column.contains('.') || is_view(stream) { column.to_owned() } else { format!("{}.{column}", stream.object) }
}

/// Date columns end in J, but for object accounts; three more are known by name.
pub(super) fn is_date(column: &str) -> bool {
    let alias = column.rsplit_once('.').map_or(column, |(_, alias)| alias);
    (alias.ends_with('J') && !alias.ends_with("OBJ")) || matches!(alias, "DGL" | "IVD" | "VLDT")
}
