//! Lands a batch as one file, or writes it at once where it is small.

use engine::Result;
use engine::model::audit::Outcome;
use engine::model::batch::MappedBatch;
use engine::model::table::TableSpec;
use engine::ports::Written;

use super::client::Client;
use super::parquet::File;
use super::small::{self, Small};
use super::sql::Place;
use crate::warehouse::incoming::Incoming;

/// Writes or lands the rows that fit; the others are refused before anything is sent.
///
/// # Errors
/// As [`engine::ports::Destination::write`].
pub(super) async fn write(
    client: &Client,
    place: &Place,
    table: &TableSpec,
    batch: &MappedBatch,
) -> Result<Vec<Written>> {
    let directory = client.run_directory(&table.name, &batch.id.run)?;
    // Where something of the run has landed, perhaps this very batch before, its rows are counted when that is applied.
    if small::fits(client, batch)? && client.list(&directory, 1).await?.is_empty() {
        let Small { mut written, rows } = small::read(table, batch)?;
        if rows.is_empty() {
            return Ok(written);
        }
        if let Some(rows) = rows.parameter()
            && small::apply(client, place, table, batch, rows, &mut written).await?
        {
            return Ok(written);
        }
    }
    let (file, written) = file(table, batch)?;
    if file.is_empty() {
        return Ok(written);
    }
    // The name depends on the batch alone, so that a batch that comes twice is one file.
    let path = format!("{directory}/{:06}-{}.parquet", batch.id.seq, batch.part);
    client.put(&path, file.finish()?).await?;
    Ok(written)
}

/// The file with the rows that fit, and what becomes of each row.
pub(super) fn file<'b>(table: &TableSpec, batch: &'b MappedBatch) -> Result<(File<'b>, Vec<Written>)> {
    let mut incoming = Incoming::new(table, batch)?;
    let mut file = File::new(table, batch)?;
    let mut written = Vec::new();
    while let Some(row) = incoming.next()? {
        match row.misfit(table) {
            Some(reason) => written.push(Written { outcome: Outcome::Rejected, reason: Some(reason) }),
            None => {
                file.push(&row)?;
                written.push(Outcome::Landed.into());
            }
        }
    }
    Ok((file, written))
}
