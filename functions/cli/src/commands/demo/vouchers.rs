//! What happens in the simulated PeopleSoft between the two runs of the demo.

use chrono::TimeDelta;
use sandbox::clock::Clock;
use sandbox::peoplesoft::changes::{Clerk, Key};
use sandbox::peoplesoft::{RecordError, Records};
use sandbox::random::Random;

use crate::simulated::PeopleSoft;

/// How many vouchers are entered.
const NEW: usize = 60;

/// How many vouchers are voided.
const VOIDED: usize = 6;

/// How many scheduled payments are made.
const PAID: usize = 30;

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Vouchers that are new; the late and the bad one are not among them.
    pub(super) new: usize,
    /// Vouchers that are void now.
    pub(super) voided: usize,
    /// Scheduled payments that are paid now. Nothing stamps that.
    pub(super) paid: usize,
}

/// Some days of work: new, void and paid vouchers, one that is committed late, one with a date that is none, and a supplier
/// that is archived.
pub(super) fn some_days(peoplesoft: &PeopleSoft, clock: &Clock) -> Result<Changes, RecordError> {
    peoplesoft.sandbox.with_records(|records| {
        let mut random = Random::new(7);
        let open =
            keys(records, "VOUCHER", VOIDED, |text| text("VOUCHER_STYLE") == "REG" && text("CLOSE_STATUS") == "O")?;
        let mut clerk = Clerk::new(records, clock.now(), peoplesoft.settings.zone, &mut random);
        let mut changes = Changes { new: clerk.enter(NEW)?.len(), ..Changes::default() };
        clerk.enter_late(TimeDelta::hours(18))?;
        for bad in clerk.enter(1)? {
            clerk.change(&bad, &[("INVOICE_DT", "2026-02-30")])?;
        }
        for key in &open {
            changes.voided += usize::from(clerk.void(key)?);
        }
        changes.paid = pay(records)?;
        archive_supplier(records)?;
        Ok(changes)
    })
}

/// Pays what is due next, as a pay cycle does.
fn pay(records: &mut Records) -> Result<usize, RecordError> {
    let due = keys(records, "PYMNT_VCHR_XREF", PAID, |text| text("PYMNT_SELCT_STATUS") == "N")?;
    for key in &due {
        let key: Vec<&str> = key.iter().map(String::as_str).collect();
        let scheduled = records.change("PYMNT_VCHR_XREF")?;
        let amount = scheduled.get(&key)?.map(|row| row.text("PYMNT_GROSS_AMT")).unwrap_or_default();
        scheduled.update(&key, &[("PYMNT_SELCT_STATUS", "P"), ("PAID_AMT", &amount)])?;
    }
    Ok(due.len())
}

/// The last supplier is gone, with its addresses.
fn archive_supplier(records: &mut Records) -> Result<(), RecordError> {
    let Some(last) = records.get("VENDOR")?.rows().next_back().map(|row| row.key()) else { return Ok(()) };
    for record in ["VENDOR_ADDR", "VENDOR"] {
        let gone: Vec<Key> =
            records.get(record)?.rows().map(|row| row.key()).filter(|key| key.starts_with(&last)).collect();
        for key in gone {
            records.change(record)?.delete(&key.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
    }
    Ok(())
}

/// The keys of the first rows of a record that fulfil this.
fn keys(
    records: &Records,
    record: &str,
    most: usize,
    wanted: impl Fn(&dyn Fn(&str) -> String) -> bool,
) -> Result<Vec<Key>, RecordError> {
    let rows = records.get(record)?.rows().filter(|row| wanted(&|field| row.text(field)));
    Ok(rows.take(most).map(|row| row.key()).collect())
}

/// The first suppliers with their classes: (SetID, number, class).
#[cfg(feature = "databricks")]
pub(super) fn classes(peoplesoft: &PeopleSoft) -> Result<Vec<(String, String, String)>, RecordError> {
    peoplesoft.sandbox.with_records(|records| {
        let rows = records.get("VENDOR")?.rows().take(10);
        Ok(rows.map(|row| (row.text("SETID"), row.text("VENDOR_ID"), row.text("VENDOR_CLASS"))).collect())
    })
}
