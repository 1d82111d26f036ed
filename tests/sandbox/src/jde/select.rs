//! Which rows an answer holds, and in which order.
//!
//! Invariant: rows come in the asked order and ties in key order. When the asked order is the key's own, rows are read in
//! place and reading stops as soon as enough are found; otherwise all that match are sorted.

use std::cmp::Ordering;

use super::error::Refusal;
use super::query::{Predicate, Reader};
use super::range::spans;
use super::request::OrderBy;
use super::settings::Unordered;
use super::table::{Slot, Table};

/// Columns to sort by, each with whether it descends.
pub(super) type Order = Vec<(usize, bool)>;

/// Resolves `orderBy`; a direction other than ASC and DESC is refused.
pub(super) fn order(reader: &Reader<'_>, order_by: &[OrderBy]) -> Result<Order, Refusal> {
    order_by
        .iter()
        .map(|order| {
            let descends = match order.direction.as_deref() {
                None | Some("ASC") => false,
                Some("DESC") => true,
                Some(other) => return Err(Refusal::failed(format!("Unknown direction {other:?}"))),
            };
            Ok((reader.column(&order.column)?, descends))
        })
        .collect()
}

/// The first `limit` rows that satisfy the predicate.
pub(super) fn select(
    table: &Table,
    predicate: &Predicate,
    order: &Order,
    unordered: Unordered,
    hidden: &dyn Fn(Slot) -> bool,
    limit: usize,
) -> Vec<Slot> {
    let spans = spans(table, predicate);
    let everything = predicate.is_everything();
    let rows = spans.iter().flat_map(|span| table.order()[span.clone()].iter().copied());
    let mut matching = rows.filter(|slot| (everything || predicate.holds(table, *slot)) && !hidden(*slot));
    let by_key = follows_key(table, order) && (!order.is_empty() || unordered == Unordered::Key);
    if by_key {
        return matching.take(limit).collect();
    }
    let mut found: Vec<_> = matching.by_ref().collect();
    if order.is_empty() {
        found.sort_unstable();
    } else {
        found.sort_by(|a, b| compare(table, order, *a, *b));
    }
    found.truncate(limit);
    found
}

/// How many rows satisfy the predicate.
pub(super) fn count(table: &Table, predicate: &Predicate, hidden: &dyn Fn(Slot) -> bool) -> usize {
    let spans = spans(table, predicate);
    let rows = spans.iter().flat_map(|span| table.order()[span.clone()].iter().copied());
    rows.filter(|slot| predicate.holds(table, *slot) && !hidden(*slot)).count()
}

/// Whether walking the key ascending is the asked order: a leading part of the key, or the whole key and then anything.
fn follows_key(table: &Table, order: &Order) -> bool {
    let key = table.schema().key();
    order.iter().zip(key).all(|((column, descends), key)| column == key && !descends)
}

fn compare(table: &Table, order: &Order, a: Slot, b: Slot) -> Ordering {
    for (column, descends) in order {
        let ordering = table.compare_cells(a, b, *column);
        if ordering.is_ne() {
            return if *descends { ordering.reverse() } else { ordering };
        }
    }
    Ordering::Equal
}
