//! What happens to the data after it was seeded: new, changed, void, moved, late and broken vouchers.
//!
//! Invariant: every change is stamped with the database's own wall clock (or, where it is meant to be late, with an earlier
//! moment of it), and everything done is reported with its key, so that a test can ask for exactly that.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::record::Records;
use super::schema::RecordError;
use super::seed::{Masters, Order, UNITS, Voucher, draw, write};
use crate::random::Random;

/// The values of a key, as text, in the order of the key fields.
pub type Key = Vec<String>;

/// Changes vouchers as people and batches do.
#[derive(Debug)]
pub struct Clerk<'a> {
    records: &'a mut Records,
    now: NaiveDateTime,
    random: &'a mut Random,
}

impl<'a> Clerk<'a> {
    /// Works at `now` in the database's zone.
    pub fn new(records: &'a mut Records, now: DateTime<Utc>, zone: Tz, random: &'a mut Random) -> Self {
        Self { records, now: now.with_timezone(&zone).naive_local(), random }
    }

    /// Enters so many new vouchers with lines and distributions, stamped now.
    pub fn enter(&mut self, count: usize) -> Result<Vec<Key>, RecordError> {
        (0..count).map(|_| self.enter_at(self.now)).collect()
    }

    /// Enters a voucher that bears a stamp of this long ago: it was committed late.
    pub fn enter_late(&mut self, by: TimeDelta) -> Result<Key, RecordError> {
        self.enter_at(self.now - by)
    }

    /// Enters a voucher whose gross amount no destination can take: text where a number should be, or nineteen digits.
    pub fn enter_bad(&mut self, amount: &str) -> Result<Key, RecordError> {
        let key = self.enter_at(self.now)?;
        self.change(&key, &[("GROSS_AMT", amount)])?;
        Ok(key)
    }

    /// Changes fields of a voucher and stamps it now. False when there is none.
    pub fn change(&mut self, key: &[String], values: &[(&str, &str)]) -> Result<bool, RecordError> {
        let stamp = self.now.format("%Y-%m-%d-%H.%M.%S%.6f").to_string();
        let day = self.now.format("%Y-%m-%d").to_string();
        let mut all = values.to_vec();
        all.extend([("LAST_UPDATE_DTTM", stamp.as_str()), ("LAST_UPDATE_DT", day.as_str())]);
        self.records.change("VOUCHER")?.update(&parts(key), &all)
    }

    /// Voids a voucher: deleted and closed, nothing owed. False when there is none.
    pub fn void(&mut self, key: &[String]) -> Result<bool, RecordError> {
        self.change(key, &[("ENTRY_STATUS", "X"), ("CLOSE_STATUS", "C"), ("GROSS_AMT", "0"), ("GROSS_AMT_BSE", "0")])
    }

    /// Gives a voucher another number and stamps it now: in a read by key it moves to another page. Its new key, or nothing
    /// when there is none.
    pub fn renumber(&mut self, key: &[String], number: &str) -> Result<Option<Key>, RecordError> {
        if !self.change(key, &[("VOUCHER_ID", number)])? {
            return Ok(None);
        }
        let mut moved = key.to_vec();
        if let Some(last) = moved.last_mut() {
            *last = number.into();
        }
        for record in ["VOUCHER_LINE", "DISTRIB_LINE", "PYMNT_VCHR_XREF"] {
            self.follow(record, key, number)?;
        }
        Ok(Some(moved))
    }

    /// Deletes a voucher with all that belongs to it, as an archive does. False when there is none.
    pub fn delete(&mut self, key: &[String]) -> Result<bool, RecordError> {
        for record in ["VOUCHER_LINE", "DISTRIB_LINE", "PYMNT_VCHR_XREF"] {
            for row in self.belonging(record, key)? {
                self.records.change(record)?.delete(&parts(&row))?;
            }
        }
        self.records.change("VOUCHER")?.delete(&parts(key))
    }

    fn follow(&mut self, record: &str, key: &[String], number: &str) -> Result<(), RecordError> {
        for row in self.belonging(record, key)? {
            self.records.change(record)?.update(&parts(&row), &[("VOUCHER_ID", number)])?;
        }
        Ok(())
    }

    fn belonging(&self, record: &str, key: &[String]) -> Result<Vec<Key>, RecordError> {
        let rows = self.records.get(record)?.rows().map(|row| row.key());
        Ok(rows.filter(|row| row.starts_with(key)).collect())
    }

    fn enter_at(&mut self, at: NaiveDateTime) -> Result<Key, RecordError> {
        let last =
            self.records.get("VOUCHER")?.rows().filter_map(|row| row.text("VOUCHER_ID").parse::<i64>().ok()).max();
        let (masters, orders) = (self.masters()?, self.orders()?);
        let drawn = draw(&masters, &orders, last.unwrap_or(0) + 1, at, self.random);
        // New: entered at that moment, open, approved.
        let voucher = Voucher {
            entered: at,
            updated: at,
            style: "REG",
            entry: "P",
            close: "O",
            posted: "U",
            approved: "A",
            paid: false,
            ..drawn
        };
        let key = vec![UNITS[voucher.unit].id.into(), voucher.number.clone()];
        write(self.records, &[voucher])?;
        Ok(key)
    }

    /// What new vouchers refer to, as it stands in the records now.
    fn masters(&self) -> Result<Masters, RecordError> {
        let vendors = self.records.get("VENDOR")?.rows().map(|row| row.text("VENDOR_ID")).collect();
        let mut departments: Vec<String> = self.records.get("DEPT_TBL")?.rows().map(|row| row.text("DEPTID")).collect();
        departments.dedup();
        Ok(Masters { vendors, departments })
    }

    fn orders(&self) -> Result<Vec<Order>, RecordError> {
        let vendors: Vec<String> = self.records.get("VENDOR")?.rows().map(|row| row.text("VENDOR_ID")).collect();
        let orders = self.records.get("PO_HDR")?.rows().filter_map(|row| {
            Some(Order {
                unit: UNITS.iter().position(|unit| unit.id == row.text("BUSINESS_UNIT"))?,
                number: row.text("PO_ID"),
                vendor: vendors.iter().position(|vendor| *vendor == row.text("VENDOR_ID"))?,
                lines: 1,
            })
        });
        Ok(orders.take(200).collect())
    }
}

fn parts(key: &[String]) -> Vec<&str> {
    key.iter().map(String::as_str).collect()
}
