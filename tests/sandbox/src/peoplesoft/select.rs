//! Runs a query: joins, effective dates, row-level security, criteria, order, groups.
//!
//! Invariant: which rows come, and in which order, depends on the data, the definition, the operator, the day and the answers
//! to the prompts, and on nothing else. A selection is kept only while none of these changes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use chrono::NaiveDate;

use super::cell::{Cell, Decimal};
use super::definition::{Effective, QueryDefinition};
use super::record::{NO_ROW, Record, Slot};
use super::settings::RowFilter;
use super::value::{Check, Value};

/// A query with everything found, ready to run.
pub(super) struct Prepared<'a> {
    pub(super) sources: Vec<Source<'a>>,
    pub(super) columns: Vec<PreparedColumn>,
    pub(super) checks: Vec<Check>,
    pub(super) order: Vec<(Value, bool)>,
    /// Where the page begins in the order, when a criterion says "greater than" about the first step of it.
    pub(super) seek: Option<Seek>,
    pub(super) aggregated: bool,
}

/// One record of a query.
pub(super) struct Source<'a> {
    pub(super) record: &'a Record,
    /// A field of this record and what it must equal.
    pub(super) on: Vec<(usize, Value)>,
    pub(super) outer: bool,
    pub(super) effective: Effective,
    /// What the operator may see of it.
    pub(super) security: Vec<&'a RowFilter>,
}

/// One column of the answer.
pub(super) struct PreparedColumn {
    /// The name in the definition.
    pub(super) unique: String,
    /// The name in the answer.
    pub(super) wire: String,
    pub(super) value: Value,
    pub(super) kind: super::cell::Kind,
}

pub(super) struct Seek {
    pub(super) value: Cell,
    pub(super) inclusive: bool,
    /// The place of its prompt.
    pub(super) prompt: usize,
}

/// What a query found.
pub(super) enum Selection {
    /// Places, so many per row as the query has records.
    Places { width: usize, places: Vec<Slot> },
    /// Rows that no record has: groups.
    Groups(Vec<Vec<Cell>>),
}

impl Selection {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Places { width, places } => places.len() / width.max(&1),
            Self::Groups(rows) => rows.len(),
        }
    }

    /// The places of a row; none of a group.
    pub(super) fn places(&self, row: usize) -> &[Slot] {
        match self {
            Self::Places { width, places } => places.get(row * width..(row + 1) * width).unwrap_or_default(),
            Self::Groups(_) => &[],
        }
    }
}

impl<'a> Prepared<'a> {
    /// The answers that the selection depends on: all but the one that only says where the page begins.
    pub(super) fn depends_on(&self, answers: &[Cell]) -> Vec<Option<Cell>> {
        let seeks = self.seek.as_ref().map(|seek| seek.prompt);
        answers.iter().enumerate().map(|(at, answer)| (Some(at) != seeks).then(|| answer.clone())).collect()
    }

    pub(super) fn records(&self) -> Vec<&'a Record> {
        self.sources.iter().map(|source| source.record).collect()
    }

    /// All rows in their order, without regard to where a page begins.
    pub(super) fn select(&self, today: NaiveDate, by_key: bool) -> Selection {
        let records = self.records();
        let mut places: Vec<Slot> = Vec::new();
        for (at, source) in self.sources.iter().enumerate() {
            let alone = source.visible(today, by_key);
            let checks: Vec<&Check> = self.checks.iter().filter(|check| check.depth() == at).collect();
            let keep = |row: &[Slot]| checks.iter().all(|check| check.holds(row, &records));
            if at == 0 {
                places = alone.into_iter().filter(|slot| keep(&[*slot])).collect();
                continue;
            }
            places = source.join(&places, at, &alone, &records, keep);
        }
        let width = self.sources.len();
        if self.aggregated {
            return Selection::Groups(self.groups(&places, width, &records));
        }
        if !self.order.is_empty() {
            places = self.ordered(&places, width, &records);
        }
        Selection::Places { width, places }
    }

    /// The first row of the page.
    pub(super) fn first(&self, selection: &Selection) -> usize {
        let (Some(seek), Some((value, _))) = (&self.seek, self.order.first()) else {
            return 0;
        };
        let records = self.records();
        let (mut low, mut high) = (0, selection.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let cell = value.of(selection.places(middle), &records);
            let before = match super::value::compare(&cell, &seek.value) {
                Some(order) => order.is_lt() || (order.is_eq() && !seek.inclusive),
                // What is empty comes first and is greater than nothing; nothing is greater than an empty prompt.
                None => true,
            };
            if before { low = middle + 1 } else { high = middle }
        }
        low
    }

    fn ordered(&self, places: &[Slot], width: usize, records: &[&Record]) -> Vec<Slot> {
        let key = |row: &[Slot]| -> Vec<Cell> {
            self.order.iter().map(|(value, _)| value.of(row, records).into_owned()).collect()
        };
        let mut rows: Vec<(Vec<Cell>, usize)> =
            places.chunks(width).enumerate().map(|(at, row)| (key(row), at)).collect();
        rows.sort_by(|(left, first), (right, second)| {
            let steps = left.iter().zip(right).zip(&self.order);
            let decided = steps.map(|((left, right), (_, descending))| {
                let order = left.cmp(right);
                if *descending { order.reverse() } else { order }
            });
            decided.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then).then(first.cmp(second))
        });
        rows.iter().flat_map(|(_, at)| places[at * width..(at + 1) * width].iter().copied()).collect()
    }

    /// One row per combination of the columns that are no aggregates, ordered by them.
    fn groups(&self, places: &[Slot], width: usize, records: &[&Record]) -> Vec<Vec<Cell>> {
        let mut groups: BTreeMap<Vec<Cell>, Vec<Cell>> = BTreeMap::new();
        let plain = |value: &Value| !matches!(value, Value::Count | Value::Sum(_) | Value::Min(_) | Value::Max(_));
        let grouped: Vec<&Value> =
            self.columns.iter().map(|column| &column.value).filter(|value| plain(value)).collect();
        if grouped.is_empty() {
            groups.insert(Vec::new(), self.columns.iter().map(|column| start(&column.value)).collect());
        }
        for row in places.chunks(width) {
            let key = grouped.iter().map(|value| value.of(row, records).into_owned()).collect();
            let sums =
                groups.entry(key).or_insert_with(|| self.columns.iter().map(|column| start(&column.value)).collect());
            for (sum, column) in sums.iter_mut().zip(&self.columns) {
                add(sum, &column.value, row, records);
            }
        }
        groups.into_values().collect()
    }
}

fn start(value: &Value) -> Cell {
    match value {
        Value::Count | Value::Sum(_) => Cell::Number(Decimal::new(0, 0)),
        _ => Cell::Null,
    }
}

fn add(sum: &mut Cell, value: &Value, row: &[Slot], records: &[&Record]) {
    let added = match value {
        Value::Count => Cell::Number(Decimal::new(1, 0)),
        Value::Sum(inner) | Value::Min(inner) | Value::Max(inner) => inner.of(row, records).into_owned(),
        plain => {
            *sum = plain.of(row, records).into_owned();
            return;
        }
    };
    match (value, &*sum, &added) {
        (Value::Count | Value::Sum(_), Cell::Number(before), Cell::Number(more)) => {
            if let Some(after) = before.plus(*more) {
                *sum = Cell::Number(after);
            }
        }
        (Value::Min(_), before, more) if *before == Cell::Null || (*more < *before && *more != Cell::Null) => {
            *sum = added
        }
        (Value::Max(_), before, more) if *more > *before => *sum = added,
        _ => {}
    }
}

impl Source<'_> {
    /// What the operator sees of the record on this day.
    fn visible(&self, today: NaiveDate, by_key: bool) -> Vec<Slot> {
        let mut places = self.record.places(by_key);
        if let (Effective::Current, Some(at)) = (self.effective, self.record.schema().effective_date()) {
            let current = self.current(at, today);
            places.retain(|slot| current.contains(slot));
        }
        places.retain(|slot| self.security.iter().all(|filter| self.allowed(*slot, filter)));
        places
    }

    fn allowed(&self, slot: Slot, filter: &RowFilter) -> bool {
        let field = self.record.schema().position(&filter.field);
        let cell = field.and_then(|field| self.record.cell(slot, field));
        cell.is_some_and(|cell| filter.values.iter().any(|value| *value == cell.to_string()))
    }

    /// The latest row per key that is not in the future, and of several on that day the one with the highest sequence.
    fn current(&self, effective_date: usize, today: NaiveDate) -> HashSet<Slot> {
        let schema = self.record.schema();
        let sequence = schema.position("EFFSEQ");
        let rest: Vec<usize> =
            schema.key().iter().copied().filter(|at| *at != effective_date && Some(*at) != sequence).collect();
        let mut latest: HashMap<Vec<&Cell>, Slot> = HashMap::new();
        // In the order of the key a later date and a higher sequence come later.
        for slot in self.record.places(true) {
            let due = matches!(self.record.cell(slot, effective_date), Some(Cell::Date(day)) if *day <= today);
            if due {
                latest.insert(rest.iter().filter_map(|at| self.record.cell(slot, *at)).collect(), slot);
            }
        }
        latest.into_values().collect()
    }

    fn join(
        &self,
        rows: &[Slot],
        width: usize,
        alone: &[Slot],
        records: &[&Record],
        keep: impl Fn(&[Slot]) -> bool,
    ) -> Vec<Slot> {
        let mut index: HashMap<Vec<&Cell>, Vec<Slot>> = HashMap::new();
        for slot in alone {
            let key = self.on.iter().filter_map(|(field, _)| self.record.cell(*slot, *field)).collect();
            index.entry(key).or_default().push(*slot);
        }
        let mut joined = Vec::new();
        let mut row = Vec::with_capacity(width + 1);
        for left in rows.chunks(width) {
            let wanted: Vec<_> = self.on.iter().map(|(_, value)| value.of(left, records)).collect();
            let found = index.get(&wanted.iter().map(AsRef::as_ref).collect::<Vec<&Cell>>());
            let found = found.map_or(&[][..], Vec::as_slice);
            // What is said about an outer record is said about the rows without one, too.
            let found = if found.is_empty() && self.outer { &[NO_ROW][..] } else { found };
            for slot in found {
                row.clear();
                row.extend_from_slice(left);
                row.push(*slot);
                if keep(&row) {
                    joined.extend_from_slice(&row);
                }
            }
        }
        joined
    }
}

/// Selections of late, so that the pages of one read do not each walk the whole record.
#[derive(Default)]
pub(super) struct Selections(Vec<(SelectionKey, Arc<Selection>)>);

/// What a selection depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SelectionKey {
    pub(super) query: QueryDefinition,
    /// Those that are wanted of its columns: groups hold no others.
    pub(super) columns: Vec<String>,
    pub(super) records_version: u64,
    pub(super) operator: String,
    pub(super) today: NaiveDate,
    /// The answers to the prompts, but for the one that only says where the page begins.
    pub(super) answers: Vec<Option<Cell>>,
}

impl Selections {
    const KEPT: usize = 8;

    pub(super) fn get(&mut self, key: SelectionKey, select: impl FnOnce() -> Selection) -> Arc<Selection> {
        if let Some((_, known)) = self.0.iter().find(|(known, _)| *known == key) {
            return Arc::clone(known);
        }
        let selection = Arc::new(select());
        self.0.retain(|(known, _)| known.records_version == key.records_version);
        if self.0.len() >= Self::KEPT {
            self.0.remove(0);
        }
        self.0.push((key, Arc::clone(&selection)));
        selection
    }
}
