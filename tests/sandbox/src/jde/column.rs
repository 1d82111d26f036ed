//! The cells of one column, for all rows of a table.
//!
//! Invariant: every row has a cell. A column may be shorter than its table, and what is missing at the end is blank, so a
//! column that nobody fills costs nothing.

use std::collections::BTreeMap;

use super::cell::Stored;
use super::schema::Kind;
use super::table::Slot;

#[derive(Clone, Debug)]
enum Cells {
    Texts(Vec<u32>),
    Small(Vec<i32>),
    Numbers(Vec<i64>),
}

/// One column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    cells: Cells,
    /// What does not fit the column, by row; the cell itself is then blank.
    raw: BTreeMap<Slot, Box<str>>,
    /// The symbol written last.
    last: u32,
}

impl Column {
    pub(super) fn new(kind: Kind) -> Self {
        let cells = match kind {
            Kind::Text { .. } => Cells::Texts(Vec::new()),
            Kind::Number { .. } => Cells::Numbers(Vec::new()),
            Kind::Date | Kind::Time => Cells::Small(Vec::new()),
        };
        Self { cells, raw: BTreeMap::new(), last: 0 }
    }

    /// The symbol of a text.
    pub(super) fn symbol(&self, slot: Slot) -> u32 {
        match &self.cells {
            Cells::Texts(cells) => cells.get(slot as usize).copied().unwrap_or(0),
            Cells::Small(_) | Cells::Numbers(_) => 0,
        }
    }

    /// A number, Julian date or time.
    pub(super) fn int(&self, slot: Slot) -> i64 {
        match &self.cells {
            Cells::Texts(_) => 0,
            Cells::Small(cells) => cells.get(slot as usize).map_or(0, |cell| i64::from(*cell)),
            Cells::Numbers(cells) => cells.get(slot as usize).copied().unwrap_or(0),
        }
    }

    /// What a cell holds that does not fit.
    pub(super) fn raw(&self, slot: Slot) -> Option<&str> {
        if self.raw.is_empty() { None } else { self.raw.get(&slot).map(AsRef::as_ref) }
    }

    /// The first such cell from `slot` on.
    pub(super) fn first_raw(&self, slot: Slot) -> Option<&str> {
        self.raw.range(slot..).next().map(|(_, raw)| raw.as_ref())
    }

    /// The symbol that was written last: the next row often has the same.
    pub(super) fn last(&self) -> u32 {
        self.last
    }

    pub(super) fn store(&mut self, slot: Slot, stored: Stored) {
        if !self.raw.is_empty() {
            self.raw.remove(&slot);
        }
        let at = slot as usize;
        match (&mut self.cells, stored) {
            (Cells::Texts(cells), Stored::Text(symbol)) => {
                self.last = symbol;
                put_at(cells, at, symbol);
            }
            (Cells::Small(cells), Stored::Int(whole)) => put_at(cells, at, whole as i32),
            (Cells::Numbers(cells), Stored::Int(whole)) => put_at(cells, at, whole),
            (Cells::Small(cells), Stored::Raw(text)) => {
                put_at(cells, at, 0);
                self.raw.insert(slot, text.into());
            }
            (Cells::Numbers(cells), Stored::Raw(text)) => {
                put_at(cells, at, 0);
                self.raw.insert(slot, text.into());
            }
            // The table gives a column only what its kind stores.
            (Cells::Texts(_), Stored::Int(_) | Stored::Raw(_)) | (_, Stored::Text(_)) => {}
        }
    }
}

fn put_at<T: Copy + Default + PartialEq>(cells: &mut Vec<T>, at: usize, value: T) {
    if let Some(cell) = cells.get_mut(at) {
        *cell = value;
    } else if value != T::default() {
        cells.resize(at, T::default());
        cells.push(value);
    }
}
