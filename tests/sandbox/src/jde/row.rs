//! One row, to look at.

use chrono::NaiveDate;

use super::cell::Value;
use super::schema::Kind;
use super::table::{Slot, Table};
use super::value::{Decimal, from_julian};

/// One row, to look at.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    table: &'a Table,
    slot: Slot,
}

impl<'a> Row<'a> {
    pub(super) fn new(table: &'a Table, slot: Slot) -> Self {
        Self { table, slot }
    }

    /// A cell as text: numbers with their decimals, dates as `YYYYMMDD`, blank as the empty text. Empty, too, for a
    /// column that is not there.
    pub fn text(&self, alias: &str) -> String {
        self.table.schema().position(alias).map_or_else(String::new, |at| self.at(at))
    }

    /// A number cell; 0 when it is blank or there is none.
    pub fn number(&self, alias: &str) -> Decimal {
        let Some(at) = self.table.schema().position(alias) else {
            return Decimal::new(0, 0);
        };
        let Kind::Number { decimals } = self.table.schema().columns()[at].kind else {
            return Decimal::new(self.table.int(self.slot, at), 0);
        };
        Decimal::new(self.table.int(self.slot, at), decimals)
    }

    /// A date cell.
    pub fn date(&self, alias: &str) -> Option<NaiveDate> {
        let at = self.table.schema().position(alias)?;
        from_julian(self.table.int(self.slot, at) as i32)
    }

    /// The values of the primary key, as text.
    pub fn key(&self) -> Vec<String> {
        self.table.schema().key().iter().map(|at| self.at(*at)).collect()
    }

    /// The values of the primary key, ready for [`Table::get`], [`Table::update`] and [`Table::delete`].
    pub fn key_values(&self) -> Vec<Value> {
        self.key().into_iter().map(Value::Text).collect()
    }

    fn at(&self, column: usize) -> String {
        if let Some(raw) = self.table.raw(self.slot, column) {
            return raw.into();
        }
        let whole = self.table.int(self.slot, column);
        match self.table.schema().columns()[column].kind {
            Kind::Text { .. } => self.table.symbols().text(self.table.symbol(self.slot, column)).into(),
            Kind::Number { decimals } => Decimal::new(whole, decimals).to_string(),
            Kind::Date => from_julian(whole as i32).map_or_else(String::new, |day| day.format("%Y%m%d").to_string()),
            Kind::Time => whole.to_string(),
        }
    }
}
