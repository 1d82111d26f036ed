//! What the ledger of loaded batches keeps of each: one byte per row, and the reasons of the refused ones.

use engine::model::audit::{Counts, Outcome};
use engine::ports::Written;
use engine::{Error, Result};
use serde::{Deserialize, Serialize};

/// One refused row, as the ledger keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Reject {
    /// The row in the batch as it was handed over, from 0.
    row: usize,
    /// Why.
    reason: String,
}

/// What the ledger keeps of a batch.
#[derive(Debug)]
pub(super) struct Entry {
    /// [`Outcome::code`] of every row, compressed.
    pub outcomes: Vec<u8>,
    /// The refused rows as JSON; `None` when there are none.
    pub rejects: Option<String>,
    /// How many ended in which outcome.
    pub counts: Counts,
}

impl Entry {
    /// The entry of a batch that was just written.
    pub fn new(written: &[Written]) -> Result<Self> {
        let codes: Vec<u8> = written.iter().map(|w| w.outcome.code()).collect();
        let mut counts = Counts { polled: codes.len() as u64, ..Counts::default() };
        for row in written {
            counts.add(row.outcome);
        }
        let rejects: Vec<Reject> =
            written.iter().enumerate().filter_map(|(row, w)| Some(Reject { row, reason: w.reason.clone()? })).collect();
        let rejects = (!rejects.is_empty()).then(|| serde_json::to_string(&rejects)).transpose();
        Ok(Self {
            outcomes: zstd::bulk::compress(&codes, 1)
                .map_err(|e| Error::later(format!("outcomes cannot be compressed: {e}")))?,
            rejects: rejects.map_err(|e| Error::stop(format!("reasons cannot be written as JSON: {e}")))?,
            counts,
        })
    }
}

/// The outcomes of a batch that the ledger knows, for the `rows` that came again.
pub(super) fn read(outcomes: &[u8], rejects: Option<&str>, rows: usize) -> Result<Vec<Written>> {
    let damaged = || Error::stop("the ledger of loaded batches is damaged: an entry cannot be read");
    // One byte more than expected, so that an entry of more rows is told from one of as many.
    let codes = zstd::bulk::decompress(outcomes, rows + 1).map_err(|_| differs(rows))?;
    if codes.len() != rows {
        return Err(differs(rows));
    }
    let outcomes = codes.into_iter().map(|code| Outcome::from_code(code).map(Written::from).ok_or_else(damaged));
    let mut written = outcomes.collect::<Result<Vec<_>>>()?;
    let rejects: Vec<Reject> = rejects.map_or(Ok(Vec::new()), serde_json::from_str).map_err(|_| damaged())?;
    for reject in rejects {
        written.get_mut(reject.row).ok_or_else(damaged)?.reason = Some(reject.reason);
    }
    Ok(written)
}

fn differs(rows: usize) -> Error {
    Error::stop(format!(
        "this batch was loaded before with another number of rows than the {rows} that came now: replay its run, which \
         gives it a new id"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_as_it_was_written() {
        let mut written: Vec<Written> = vec![Outcome::Inserted.into(); 3000];
        written[7] = Written { outcome: Outcome::Rejected, reason: Some("no".into()) };
        let entry = Entry::new(&written).unwrap();
        assert!(entry.outcomes.len() < 100);
        assert_eq!((entry.counts.inserted, entry.counts.rejected), (2999, 1));
        assert_eq!(read(&entry.outcomes, entry.rejects.as_deref(), 3000).unwrap(), written);
        for rows in [2999, 3001, 0] {
            assert!(read(&entry.outcomes, entry.rejects.as_deref(), rows).is_err());
        }
    }
}
