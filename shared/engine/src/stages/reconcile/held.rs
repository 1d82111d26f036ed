//! The records that are held, as they lie in the archive.

use std::collections::HashMap;

use super::super::Context;
use super::super::close::is_archived;
use crate::error::Result;
use crate::model::audit::Held;
use crate::model::id::{BatchId, RecordKey};
use crate::model::rows::Rows;
use crate::model::value::Value;

/// Shows the archived row of every held record with the names of its columns, and returns how many have none.
pub(in crate::stages) async fn visit<'h>(
    context: &Context,
    held: &'h [Held],
    mut show: impl FnMut(&'h Held, &Rows, &[Value<'_>]) -> Result<()> + Send,
) -> Result<u64> {
    let mut missing = 0;
    let mut by_batch: HashMap<&BatchId, HashMap<u32, Vec<&'h Held>>> = HashMap::new();
    for held in held {
        match is_archived(held) {
            true => by_batch.entry(&held.batch).or_default().entry(held.row).or_default().push(held),
            false => missing += 1,
        }
    }
    for (batch, mut places) in by_batch {
        if let Some(archived) = context.store.archived(batch).await? {
            let rows = Rows::decompress(&archived.payload)?;
            let mut cells = Vec::new();
            let mut reader = rows.reader();
            let mut row = 0;
            while reader.next_into(&mut cells)? {
                for held in places.remove(&row).unwrap_or_default() {
                    show(held, &rows, &cells)?;
                }
                row += 1;
            }
        }
        missing += places.values().map(|held| held.len() as u64).sum::<u64>();
    }
    Ok(missing)
}

/// A held record as the comparison needs it.
#[derive(Debug, Clone)]
pub(super) struct HeldRecord {
    /// As it is remembered.
    pub held: Held,
    /// What the source's row was, in short; nothing when it is not in the archive.
    pub print: Option<u64>,
}

/// Tells one row of the source from another, by the columns that the sync reads.
pub(super) fn print(columns: &[String], names: &[String], cells: &[Value<'_>]) -> u64 {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    for column in columns {
        let cell = names.iter().position(|name| name == column).and_then(|at| cells.get(at)).unwrap_or(&Value::Null);
        let text = cell.to_text();
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.digest()
}

/// All held records of a sync by key.
pub(super) async fn by_key(
    context: &Context,
    columns: &[String],
    held: Vec<Held>,
) -> Result<HashMap<RecordKey, HeldRecord>> {
    let mut prints: HashMap<RecordKey, u64> = HashMap::new();
    visit(context, &held, |held, rows, cells| {
        prints.insert(held.key.clone(), print(columns, rows.columns(), cells));
        Ok(())
    })
    .await?;
    let record = |held: Held| (held.key.clone(), HeldRecord { print: prints.get(&held.key).copied(), held });
    Ok(held.into_iter().map(record).collect())
}
