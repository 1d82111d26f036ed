//! Which parts of the primary key a predicate can reach, so that a page is searched for and not scanned for.
//!
//! Invariant: the spans never leave out a row that the predicate would accept; they may hold rows it would not. Paging
//! by key (`(w AND a > x) OR (w AND a = x AND b > y) …`) on a million rows rests on this.

use std::cmp::Ordering;
use std::ops::Range;

use super::cell::Operand;
use super::query::{Comparison, Predicate, Test};
use super::table::Table;

/// Beyond this many alternatives a predicate is no longer taken apart.
const MOST_ALTERNATIVES: usize = 64;

/// One end of what a key column may be.
#[derive(Clone, Debug)]
struct Bound {
    operand: Operand,
    /// The value itself is outside.
    strict: bool,
}

/// What one alternative says about a key column: from, to; nothing means open.
type Limits = (Option<Bound>, Option<Bound>);

/// The parts of the table's key order, as positions in ascending order, outside of which no row satisfies the predicate.
pub(super) fn spans(table: &Table, predicate: &Predicate) -> Vec<Range<usize>> {
    let whole = || vec![Range { start: 0, end: table.len() }];
    if predicate.is_everything() {
        return whole();
    }
    let Some(alternatives) = alternatives(table, predicate) else {
        return whole();
    };
    let mut spans: Vec<_> = alternatives.iter().map(|limits| start(table, limits)..end(table, limits)).collect();
    spans.retain(|span| !span.is_empty());
    spans.sort_by_key(|span| span.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}

fn start(table: &Table, limits: &[Limits]) -> usize {
    let (key, strict) = prefix(table, limits, |limits| limits.0.as_ref());
    table.order().partition_point(|slot| {
        let ordering = table.compare_key(*slot, &key);
        if strict { ordering.is_le() } else { ordering.is_lt() }
    })
}

fn end(table: &Table, limits: &[Limits]) -> usize {
    let (key, strict) = prefix(table, limits, |limits| limits.1.as_ref());
    table.order().partition_point(|slot| {
        let ordering = table.compare_key(*slot, &key);
        if strict { ordering.is_lt() } else { ordering.is_le() }
    })
}

/// The leading key columns pinned to one value, then the bound of the first one that is not, and whether it is strict.
fn prefix(table: &Table, limits: &[Limits], side: fn(&Limits) -> Option<&Bound>) -> (Vec<Operand>, bool) {
    let mut key = Vec::new();
    for column in limits {
        let Some(bound) = side(column) else { break };
        key.push(bound.operand.clone());
        if bound.strict {
            return (key, true);
        }
        let pinned = matches!(column, (Some(a), Some(b)) if order(table, &a.operand, &b.operand).is_eq());
        if !pinned {
            break;
        }
    }
    (key, false)
}

/// The predicate as alternatives, each with the limits of every key column; nothing when there would be too many.
fn alternatives(table: &Table, predicate: &Predicate) -> Option<Vec<Vec<Limits>>> {
    let open = || vec![(None, None); table.schema().key().len()];
    match predicate {
        Predicate::All(parts) => {
            let mut found = vec![open()];
            for part in parts {
                // A part that cannot be taken apart narrows nothing, and leaving it out keeps the spans sound.
                let Some(others) = alternatives(table, part) else {
                    continue;
                };
                if found.len() * others.len() <= MOST_ALTERNATIVES {
                    found = found
                        .iter()
                        .flat_map(|one| others.iter().filter_map(|other| both(table, one, other)))
                        .collect();
                }
            }
            Some(found)
        }
        Predicate::Any(parts) => {
            let mut found = Vec::new();
            for part in parts {
                found.extend(alternatives(table, part)?);
            }
            (found.len() <= MOST_ALTERNATIVES).then_some(found)
        }
        Predicate::Test(column, test) => {
            let mut limits = open();
            if *test == Test::Never {
                return Some(Vec::new());
            }
            if let Some(at) = table.schema().key().iter().position(|key| key == column) {
                limits[at] = limits_of(table, test);
            }
            Some(vec![limits])
        }
    }
}

fn limits_of(table: &Table, test: &Test) -> Limits {
    let bound = |operand: &Operand, strict| Some(Bound { operand: operand.clone(), strict });
    let ends = |mut operands: Vec<Operand>| {
        operands.sort_by(|a, b| order(table, a, b));
        (operands.first().and_then(|first| bound(first, false)), operands.last().and_then(|last| bound(last, false)))
    };
    match test {
        Test::Is(Comparison::Equal, value) => (bound(value, false), bound(value, false)),
        Test::Is(Comparison::Greater, value) => (bound(value, true), None),
        Test::Is(Comparison::GreaterEqual, value) => (bound(value, false), None),
        Test::Is(Comparison::Less, value) => (None, bound(value, true)),
        Test::Is(Comparison::LessEqual, value) => (None, bound(value, false)),
        Test::Between(low, high) => (bound(low, false), bound(high, false)),
        Test::Symbols(symbols) => {
            ends(symbols.iter().map(|symbol| Operand::Text(table.symbols().text(*symbol).into())).collect())
        }
        Test::OneOf(values) => ends(values.clone()),
        Test::Never
        | Test::Always
        | Test::Is(Comparison::NotEqual, _)
        | Test::NotSymbol(_)
        | Test::Starts(_)
        | Test::Ends(_)
        | Test::Contains(_) => (None, None),
    }
}

/// Limits within both; nothing when no value can be.
fn both(table: &Table, one: &[Limits], other: &[Limits]) -> Option<Vec<Limits>> {
    let mut narrowed = Vec::with_capacity(one.len());
    for ((from, to), (other_from, other_to)) in one.iter().zip(other) {
        let from = tighter(table, from.as_ref(), other_from.as_ref(), Ordering::Greater);
        let to = tighter(table, to.as_ref(), other_to.as_ref(), Ordering::Less);
        if let (Some(from), Some(to)) = (&from, &to)
            && order(table, &from.operand, &to.operand).is_gt()
        {
            return None;
        }
        narrowed.push((from, to));
    }
    Some(narrowed)
}

fn tighter(table: &Table, one: Option<&Bound>, other: Option<&Bound>, better: Ordering) -> Option<Bound> {
    let (Some(a), Some(b)) = (one, other) else {
        return one.or(other).cloned();
    };
    let ordering = order(table, &b.operand, &a.operand);
    Some(if ordering == better || (ordering.is_eq() && b.strict) { b.clone() } else { a.clone() })
}

fn order(table: &Table, a: &Operand, b: &Operand) -> Ordering {
    match (a, b) {
        (Operand::Int(a), Operand::Int(b)) => a.cmp(b),
        (Operand::Text(a), Operand::Text(b)) => table.collation().compare(a, b),
        // A column compares with operands of its own kind only.
        (Operand::Int(_), Operand::Text(_)) => Ordering::Less,
        (Operand::Text(_), Operand::Int(_)) => Ordering::Greater,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jde::cell::{Collation, Value};
    use crate::jde::schema::Schema;
    use crate::random::Random;

    /// 6 documents × 3 types × 2 companies × 2 pay items.
    fn ledger(collation: Collation) -> Table {
        let mut table = Table::new(Schema::standard("F0411").unwrap());
        for document in 1..=6 {
            for (kind, company, item) in
                (0..12).map(|n| (["PV", "P1", "pa"][n % 3], ["00001", "A"][n / 3 % 2], ["001", "002"][n / 6]))
            {
                let key = [("DOC", Value::from(document)), ("DCT", kind.into()), ("KCO", company.into())];
                table.insert(&[key.as_slice(), &[("SFX", item.into())]].concat()).unwrap();
            }
        }
        table.set_collation(collation);
        table
    }

    fn random_test(table: &Table, random: &mut Random) -> Predicate {
        let alias = ["DOC", "DCT", "KCO", "SFX"][random.below(4)];
        let column = table.schema().position(alias).unwrap();
        let operand = |random: &mut Random| match alias {
            "DOC" => Operand::Int(random.between(0, 7)),
            "DCT" => Operand::Text(["PV", "P1", "pa", "Q"][random.below(4)].into()),
            "KCO" => Operand::Text(["00001", "A", ""][random.below(3)].into()),
            _ => Operand::Text(["001", "002"][random.below(2)].into()),
        };
        use Comparison::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
        let comparison = [Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual][random.below(6)];
        let test = match random.below(8) {
            0 => Test::Between(operand(random), operand(random)),
            1 => Test::OneOf(vec![operand(random), operand(random)]),
            2 if alias != "DOC" => Test::Symbols(vec![table.symbols().find("PV").unwrap()]),
            3 if alias != "DOC" => Test::NotSymbol(table.symbols().find("00001").unwrap()),
            4 => [Test::Never, Test::Always][random.below(2)].clone(),
            _ => Test::Is(comparison, operand(random)),
        };
        Predicate::Test(column, test)
    }

    fn random_predicate(table: &Table, random: &mut Random, depth: usize) -> Predicate {
        let parts = |random: &mut Random| {
            (0..=random.below(3)).map(|_| random_predicate(table, random, depth - 1)).collect::<Vec<_>>()
        };
        match if depth == 0 { 0 } else { random.below(3) } {
            0 => random_test(table, random),
            1 => Predicate::All(parts(random)),
            _ => Predicate::Any(parts(random)),
        }
    }

    #[test]
    fn no_row_that_satisfies_a_predicate_lies_outside_its_spans() {
        let mut random = Random::new(3);
        for collation in [Collation::Binary, Collation::DigitsLast] {
            let table = ledger(collation);
            for _ in 0..2000 {
                let predicate = random_predicate(&table, &mut random, 3);
                let spans = spans(&table, &predicate);
                assert!(spans.windows(2).all(|pair| pair[0].end < pair[1].start), "{spans:?}");
                for (at, slot) in table.order().iter().enumerate() {
                    let inside = spans.iter().any(|span| span.contains(&at));
                    assert!(inside || !predicate.holds(&table, *slot), "row {at} of {spans:?}: {predicate:?}");
                }
            }
        }
    }

    #[test]
    fn a_page_by_key_reads_exactly_what_comes_after_the_last_row() {
        let table = ledger(Collation::Binary);
        let columns = table.schema().key();
        for (at, slot) in table.order().iter().enumerate() {
            let last = |column: usize| match table.schema().columns()[column].kind {
                crate::jde::schema::Kind::Text { .. } => {
                    Operand::Text(table.symbols().text(table.symbol(*slot, column)).into())
                }
                _ => Operand::Int(table.int(*slot, column)),
            };
            let groups = (0..columns.len()).map(|length| {
                let tests = columns.iter().take(length + 1).enumerate().map(|(n, column)| {
                    let comparison = if n < length { Comparison::Equal } else { Comparison::Greater };
                    Predicate::Test(*column, Test::Is(comparison, last(*column)))
                });
                Predicate::All(tests.collect())
            });
            let predicate = Predicate::Any(groups.collect());
            let read: usize = spans(&table, &predicate).iter().map(ExactSizeIterator::len).sum();
            assert_eq!(read, table.len() - at - 1);
        }
    }
}
