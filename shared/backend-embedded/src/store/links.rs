//! The table `links`: where records are at the destination.

use engine::Result;
use engine::model::id::{RecordKey, SyncId};

use super::unique;
use crate::database::{Database, execute, one};

pub(super) async fn link(database: &Database, sync: &SyncId, links: &[(RecordKey, String)]) -> Result<()> {
    if links.is_empty() {
        return Ok(());
    }
    let (sync, links) = (sync.to_string(), links.to_vec());
    database
        .write(move |c| {
            // A link that stays as it is costs no write.
            let sql = "INSERT INTO links (sync, key, there) VALUES (?1, ?2, ?3) \
                       ON CONFLICT DO UPDATE SET there = excluded.there WHERE there <> excluded.there";
            for (key, there) in &links {
                execute(c, sql, (&sync, key.as_str(), there))?;
            }
            Ok(())
        })
        .await
}

pub(super) async fn linked(database: &Database, sync: &SyncId, keys: &[RecordKey]) -> Result<Vec<(RecordKey, String)>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let (sync, keys) = (sync.to_string(), unique(keys));
    database
        .read(move |c| {
            let mut linked = Vec::new();
            for key in keys {
                let sql = "SELECT there FROM links WHERE sync = ?1 AND key = ?2";
                let there: Option<String> = one(c, sql, (&sync, key.as_str()), |r| r.get(0))?;
                linked.extend(there.map(|there| (key, there)));
            }
            Ok(linked)
        })
        .await
}
