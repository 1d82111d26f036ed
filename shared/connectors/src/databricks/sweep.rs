//! Marks deleted what is gone at the source, and forgets contents.

use engine::Result;
use engine::model::audit::Counts;
use engine::model::batch::Version;
use engine::model::id::RecordKey;

use super::merge;
use super::read::Reader;
use super::small::{Ledger, ledger_entry};
use super::sql::{self, hex, list};
use super::statements::Parameter;
use crate::warehouse::{SWEEP, sweep_id};

/// Ids that are read back at once.
const PAGE: usize = 50_000;

impl Reader<'_> {
    /// The id of a sweep, and the parameters of what it marks.
    fn sweep(&self, before: Version) -> (String, Vec<Parameter>) {
        let id = hex(&sweep_id(self.sync, before));
        let at = self.client.clock.now().timestamp_micros().to_string();
        let parameters = vec![
            Parameter::integer("before", before.0),
            Parameter::text("sweep", id.as_str()),
            Parameter::text("at", at),
            self.system(),
        ];
        (id, parameters)
    }

    /// As [`engine::ports::Destination::delete_stale`].
    pub(super) async fn delete_stale(&self, before: Version, except: &[String]) -> Result<Vec<String>> {
        let (id, mut parameters) = self.sweep(before);
        parameters.push(list("held", except)?);
        self.ask("sweep", merge::mark_stale(self.table, self.place), parameters).await?;
        // Also what an earlier call has marked.
        let mut marked: Vec<String> = Vec::new();
        loop {
            let after = marked.last().cloned().unwrap_or_default();
            let parameters = vec![Parameter::text("sweep", id.as_str()), Parameter::text("after", after)];
            let page = self.ask("swept records", merge::swept(self.place, PAGE), parameters).await?;
            let count = page.len();
            marked.extend(page.into_iter().filter_map(|row| row.into_iter().next().flatten()));
            if count < PAGE {
                break;
            }
        }
        self.note(&id, before, marked.len()).await?;
        Ok(marked)
    }

    /// As [`engine::ports::Destination::mark_deleted`].
    pub(super) async fn mark_deleted(&self, before: Version, keys: &[RecordKey]) -> Result<Vec<RecordKey>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let (id, mut parameters) = self.sweep(before);
        let given = sql::keys(self.table, keys)?;
        parameters.push(given.clone());
        self.ask("sweep", merge::mark_given(self.table, self.place), parameters).await?;
        let parameters = vec![given, Parameter::text("sweep", id.as_str())];
        let rows = self.ask("swept records", merge::marked_of_given(self.table, self.place), parameters).await?;
        let mut marked = Vec::with_capacity(rows.len());
        for row in rows {
            let at: usize = self.number(row.first().and_then(Option::as_deref).unwrap_or_default())?;
            marked.extend(keys.get(at).cloned());
        }
        self.note(&id, before, marked.len()).await?;
        Ok(marked)
    }

    /// As [`engine::ports::Destination::forget`].
    pub(super) async fn forget(&self, keys: &[RecordKey]) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let parameters = vec![sql::keys(self.table, keys)?, self.system()];
        self.ask("forgetting", merge::forget(self.table, self.place), parameters).await.map(|_| ())
    }

    /// Notes a sweep in the ledger, where it marked anything.
    async fn note(&self, id: &str, before: Version, marked: usize) -> Result<()> {
        if marked == 0 {
            return Ok(());
        }
        let counts = Counts { deleted: marked as u64, ..Counts::default() };
        let at = self.client.clock.now().timestamp_micros();
        let ledger = Ledger { client: self.client, place: self.place, run: SWEEP, sync: &self.sync.to_string() };
        let statement = ledger.statement(vec![ledger_entry(id, 0, before.0, at, &counts)]);
        self.client.run(&statement).await?;
        Ok(())
    }
}
