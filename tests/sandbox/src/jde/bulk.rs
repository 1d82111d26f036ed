//! Many rows at once: written column by column, by position, sorted and checked once at the end.

use super::cell::Value;
use super::table::{Slot, Table};
use super::table_error::TableError;

/// Rows on their way into a table. [`Bulk::finish`] makes them rows of it; dropped unfinished, they never were.
#[derive(Debug)]
#[must_use = "the rows belong to the table only after finish"]
pub struct Bulk<'a> {
    table: &'a mut Table,
    first: Slot,
    row: Slot,
    finished: bool,
}

impl<'a> Bulk<'a> {
    pub(super) fn new(table: &'a mut Table) -> Self {
        let first = table.next_slot();
        Self { table, first, row: first, finished: false }
    }

    /// Begins a row; the setters below write into the last row begun.
    pub fn row(&mut self) {
        self.row = self.table.new_row();
    }

    /// Sets a text cell.
    pub fn text(&mut self, column: usize, text: &str) {
        self.table.set_text(self.row, column, text);
    }

    /// Sets a number in the decimals of its column (cents for an amount), a Julian date or a time.
    pub fn int(&mut self, column: usize, whole: i64) {
        self.table.set_int(self.row, column, whole);
    }

    /// Sets a cell from any value, as [`Table::insert`] does.
    pub fn value(&mut self, column: usize, value: &Value) {
        self.table.set(self.row, column, value);
    }

    /// Sorts the rows into the table. The error names the first key that came twice or does not fit its column; the
    /// table then holds none of the rows added.
    pub fn finish(mut self) -> Result<(), TableError> {
        self.finished = true;
        self.table.take_in(self.first)
    }
}

impl Drop for Bulk<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.table.discard(self.first);
        }
    }
}
