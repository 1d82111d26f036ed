//! Preview: the first records of a sync as they come, as they map, and what would be written. Writes nothing anywhere.

use serde::Serialize;

use super::Context;
use super::session::Session;
use super::transform::map;
use crate::error::Result;
use crate::model::audit::Counts;
use crate::model::batch::{Version, meta};
use crate::model::id::{BatchId, RecordKey, RunId, SyncId};
use crate::model::message::BatchTask;
use crate::model::rows::{Rows, RowsWriter};
use crate::model::window::Window;
use crate::ports::{ReadRequest, What};

/// One record of a preview.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Previewed {
    /// The row as the source sent it: column and value.
    pub source: serde_json::Map<String, serde_json::Value>,
    /// The row as it would be written; absent when it would not.
    pub mapped: Option<serde_json::Map<String, serde_json::Value>>,
    /// Its key, where it has one.
    pub key: Option<String>,
    /// Why it would not be written.
    pub held: Option<String>,
}

/// Reads at most `limit` records, of `keys` or from the beginning, and maps them.
///
/// # Errors
/// As a poll.
pub async fn preview(context: &Context, sync: &SyncId, keys: &[RecordKey], limit: usize) -> Result<Vec<Previewed>> {
    let plan = context.plans.plan(sync)?;
    let source_keys = keys.iter().map(|key| plan.mapping.source_key(key)).collect::<Result<Vec<_>>>()?;
    let mut stream = plan.stream.clone();
    stream.page_size = Some(limit.clamp(1, stream.page_size.unwrap_or(500)));
    let session = Session::open(context, &sync.tenant, &plan.source, "preview").await?;
    let mut rows = RowsWriter::new(&stream.columns);
    let what = if keys.is_empty() { What::Window(Window::default()) } else { What::Keys(&source_keys) };
    let read = session.source.read(ReadRequest { stream: &stream, what, after: None }, &mut rows).await;
    session.source.close().await;
    read?;

    let rows = rows.into_rows()?;
    let task = BatchTask {
        sync: sync.clone(),
        batch: BatchId { run: RunId::new("preview"), seq: 0 },
        part: 0,
        version: Version::new(0, 0),
        mapping: 0,
        touch: false,
        counts: Counts::default(),
    };
    let mapped = map(context, &plan, &task, &rows).await?;
    let mut previews = Vec::new();
    let mut cells = Vec::new();
    let mut reader = rows.reader();
    while previews.len() < limit && reader.next_into(&mut cells)? {
        let source = rows.columns().iter().cloned().zip(cells.iter().map(|cell| cell.to_json())).collect();
        let held = mapped.held.iter().find(|held| held.row as usize == previews.len());
        previews.push(Previewed {
            source,
            mapped: None,
            key: held.map(|held| held.key.to_string()),
            held: held.map(|held| match &held.field {
                Some(field) => format!("{field}: {}", held.reason),
                None => held.reason.clone(),
            }),
        });
    }
    fill_mapped(&mut previews, &mapped.rows.into_rows()?)?;
    for preview in previews.iter_mut().filter(|preview| preview.mapped.is_none() && preview.held.is_none()) {
        preview.held = Some("left out by the sync's own condition, or replaced by a later row".to_owned());
    }
    Ok(previews)
}

fn fill_mapped(previews: &mut [Previewed], mapped: &Rows) -> Result<()> {
    let head = meta::COLUMNS.len();
    let mut cells = Vec::new();
    let mut reader = mapped.reader();
    while reader.next_into(&mut cells)? {
        let place = cells.get(head - 1).map(|cell| cell.to_text().into_owned());
        let Some(preview) = place.and_then(|p| p.parse::<usize>().ok()).and_then(|p| previews.get_mut(p)) else {
            continue;
        };
        preview.key = cells.first().map(|cell| cell.to_text().into_owned());
        let columns = mapped.columns().iter().skip(head).cloned();
        preview.mapped = Some(columns.zip(cells.iter().skip(head).map(|cell| cell.to_json())).collect());
    }
    Ok(())
}
