//! The table `links`: where records are at the destination, and where writes to them stand.

use engine::Result;
use engine::model::id::{RecordKey, SyncId};
use engine::model::link::Link;
use engine::ports::Change;
use rusqlite::Connection;

use super::{from_json, to_json, unique};
use crate::database::{Database, Fault, execute, one};

pub(super) async fn link(database: &Database, sync: &SyncId, links: &[(RecordKey, String)]) -> Result<()> {
    if links.is_empty() {
        return Ok(());
    }
    let (sync, links) = (sync.to_string(), links.to_vec());
    database
        .write(move |c| {
            // A link that stays as it is costs no write.
            let sql = "INSERT INTO links (sync, key, there) VALUES (?1, ?2, ?3) \
                       ON CONFLICT DO UPDATE SET there = excluded.there, has_id = 1, version = version + 1 \
                       WHERE there <> excluded.there OR NOT has_id";
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
                let sql = "SELECT there FROM links WHERE sync = ?1 AND key = ?2 AND has_id";
                let there: Option<String> = one(c, sql, (&sync, key.as_str()), |r| r.get(0))?;
                linked.extend(there.map(|there| (key, there)));
            }
            Ok(linked)
        })
        .await
}

pub(super) async fn links(database: &Database, sync: &SyncId, keys: &[RecordKey]) -> Result<Vec<(RecordKey, Link)>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let (sync, keys) = (sync.to_string(), unique(keys));
    database
        .read(move |c| {
            let mut links = Vec::new();
            for key in keys {
                let found = link_in(c, &sync, &key)?;
                links.extend(found.map(|(link, _)| (key, link)));
            }
            Ok(links)
        })
        .await
}

/// As an item is updated; what stays as it is is not written.
pub(super) async fn update(
    database: &Database,
    sync: &SyncId,
    key: &RecordKey,
    change: Change<'_, Link>,
) -> Result<Link> {
    let sync = sync.to_string();
    loop {
        let (of, what) = (sync.clone(), key.clone());
        let found = database.read(move |c| link_in(c, &of, &what)).await?;
        let (before, version) = found.unwrap_or_default();
        let mut link = before.clone();
        change(&mut link);
        if link == before {
            return Ok(link);
        }
        let (of, what) = (sync.clone(), key.clone());
        let put = database.write(move |c| Ok(put(c, (&of, &what), version, &link)?.then_some(link)));
        if let Some(link) = put.await? {
            return Ok(link);
        }
    }
}

/// A link and its version.
fn link_in(connection: &Connection, sync: &str, key: &RecordKey) -> Result<Option<(Link, i64)>, Fault> {
    let sql = "SELECT iif(has_id, there, NULL), rest, version FROM links WHERE sync = ?1 AND key = ?2";
    let found = one(connection, sql, (sync, key.as_str()), |r| {
        Ok((r.get::<_, Option<String>>(0)?, r.get::<_, Option<String>>(1)?, r.get(2)?))
    })?;
    let Some((id, rest, version)) = found else { return Ok(None) };
    let rest: Link = rest.map(|rest| from_json(&rest)).transpose()?.unwrap_or_default();
    Ok(Some((Link { id, ..rest }, version)))
}

/// Writes a link whose version is still `version`, 0 for one that is not there, and says whether it was.
fn put(connection: &Connection, (sync, key): (&str, &RecordKey), version: i64, link: &Link) -> Result<bool, Fault> {
    let sql = match version {
        0 => {
            "INSERT INTO links (sync, key, version, there, has_id, rest) VALUES (?1, ?2, ?3 + 1, ?4, ?5, ?6) \
             ON CONFLICT DO NOTHING"
        }
        _ => {
            "UPDATE links SET there = ?4, has_id = ?5, rest = ?6, version = version + 1 \
             WHERE sync = ?1 AND key = ?2 AND version = ?3"
        }
    };
    let rest = to_json(&Link { id: None, ..link.clone() })?;
    let there = link.id.as_deref().unwrap_or_default();
    Ok(execute(connection, sql, (sync, key.as_str(), version, there, link.id.is_some(), rest))? == 1)
}
