//! Results, cut into chunks.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::order::Order;
use crate::databricks::catalog::types::Type;
use crate::databricks::settings::Settings;
use crate::databricks::sql::Output;

/// The result of a statement that has succeeded.
pub(super) struct Stored {
    manifest: Json,
    pub(super) chunks: Vec<Chunk>,
    pub(super) external: bool,
}

/// Some rows of a result, written.
pub(super) struct Chunk {
    offset: usize,
    rows: usize,
    pub(super) content: Bytes,
}

/// The rows as chunks; words where there are too many bytes for an INLINE result.
pub(super) fn stored(output: Output, order: &Order, settings: &Settings) -> Result<Stored, String> {
    let limit = if order.external { order.byte_limit } else { Some(settings.largest_inline as u64) };
    let mut chunks = Vec::new();
    let (mut offset, mut bytes, mut truncated) = (0, 0_u64, output.truncated);
    let pieces = output.rows.chunks(settings.chunk_rows.max(1));
    for rows in pieces {
        let content = if order.csv { csv(rows) } else { array(rows) };
        bytes += content.len() as u64;
        if limit.is_some_and(|limit| bytes > limit) {
            if !order.external {
                return Err(format!(
                    "Inline byte limit exceeded. Statements executed with disposition=INLINE can have a result size of at \
                     most {} bytes. Please execute the statement with disposition=EXTERNAL_LINKS if you want to download \
                     the full result.",
                    settings.largest_inline
                ));
            }
            truncated = true;
            break;
        }
        chunks.push(Chunk { offset, rows: rows.len(), content });
        offset += rows.len();
    }
    if chunks.is_empty() && !output.columns.is_empty() {
        chunks.push(Chunk { offset: 0, rows: 0, content: Bytes::from(if order.csv { "" } else { "[]" }) });
    }
    let columns = output.columns.iter().enumerate().map(|(at, column)| {
        let mut shown = json!({
            "name": column.name, "position": at, "type_name": column.ty.name(), "type_text": column.ty.to_string(),
        });
        if let (Type::Decimal(precision, scale), Some(shown)) = (&column.ty, shown.as_object_mut()) {
            shown.insert("type_precision".into(), (*precision).into());
            shown.insert("type_scale".into(), (*scale).into());
        }
        shown
    });
    let columns: Vec<Json> = columns.collect();
    let shown = chunks.iter().enumerate().map(|(at, chunk)| {
        json!({"chunk_index": at, "row_offset": chunk.offset, "row_count": chunk.rows, "byte_count": chunk.content.len()})
    });
    let manifest = json!({
        "format": if order.csv { "CSV" } else { "JSON_ARRAY" },
        "schema": {"column_count": columns.len(), "columns": columns},
        "total_chunk_count": chunks.len(), "total_row_count": offset, "total_byte_count": bytes, "truncated": truncated,
        "chunks": shown.collect::<Vec<_>>(),
    });
    Ok(Stored { manifest, chunks, external: order.external })
}

fn array(rows: &[Vec<Option<String>>]) -> Bytes {
    Bytes::from(serde_json::to_vec(rows).unwrap_or_default())
}

fn csv(rows: &[Vec<Option<String>>]) -> Bytes {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        let cells = row.iter().map(|cell| cell.as_deref().unwrap_or_default());
        if writer.write_record(cells).is_err() {
            break;
        }
    }
    Bytes::from(writer.into_inner().unwrap_or_default())
}

impl Stored {
    /// The manifest as JSON text.
    pub(super) fn manifest(&self) -> String {
        self.manifest.to_string()
    }

    /// One chunk as JSON text: with its rows, or with a link to them. Nothing where there is no such chunk.
    pub(super) fn chunk(&self, id: &str, at: usize, link: impl Fn(usize) -> (String, DateTime<Utc>)) -> Option<String> {
        let chunk = self.chunks.get(at)?;
        let mut shown = json!({
            "chunk_index": at, "row_offset": chunk.offset, "row_count": chunk.rows, "byte_count": chunk.content.len(),
        });
        let next = at + 1;
        if let (true, Some(shown)) = (next < self.chunks.len(), shown.as_object_mut()) {
            shown.insert("next_chunk_index".into(), next.into());
            let path =
                format!("/api/2.0/sql/statements/{id}/result/chunks/{next}?row_offset={}", chunk.offset + chunk.rows);
            shown.insert("next_chunk_internal_link".into(), path.into());
        }
        if self.external {
            let (url, expires) = link(at);
            let mut one = shown;
            if let Some(one) = one.as_object_mut() {
                one.insert("external_link".into(), url.into());
                one.insert("expiration".into(), expires.to_rfc3339_opts(chrono::SecondsFormat::Millis, true).into());
            }
            return Some(json!({"external_links": [one]}).to_string());
        }
        // The rows are written already; they go in as they are.
        let mut text = shown.to_string();
        text.pop();
        text.push_str(",\"data_array\":");
        text.push_str(std::str::from_utf8(&chunk.content).unwrap_or("[]"));
        text.push('}');
        Some(text)
    }
}
