//! The table `links`: where records are at the destination. Each link is an owner of its own, so that many are written at
//! once without one partition being in the way.

use std::collections::HashMap;

use engine::Result;
use engine::model::id::{RecordKey, SyncId};

use super::unique;
use crate::database::{Database, Item, KEY, OWNER, Place, text, text_in};

const LINK: &str = "link";
const THERE: &str = "there";

fn place_of(database: &Database, sync: &SyncId, key: &RecordKey) -> Place {
    Place::new(database.owner(LINK, format!("{sync}|{key}")), LINK)
}

/// 1 RRU per link, and 1 WRU for each that is new or changed: reading costs a fifth of writing, and most links stay as
/// they are.
pub(super) async fn link(database: &Database, sync: &SyncId, links: &[(RecordKey, String)]) -> Result<()> {
    // Where a record comes twice the later one counts.
    let links: HashMap<&RecordKey, &String> = links.iter().map(|(key, there)| (key, there)).collect();
    let keys: Vec<RecordKey> = links.keys().map(|key| (*key).clone()).collect();
    let known: HashMap<RecordKey, String> = linked(database, sync, &keys).await?.into_iter().collect();
    let changed = links.into_iter().filter(|(key, there)| known.get(*key) != Some(there));
    let items = changed.map(|(key, there)| item(&place_of(database, sync, key), key, there)).collect();
    database.put_many(&database.tables.links, items).await
}

fn item(place: &Place, key: &RecordKey, there: &str) -> Item {
    let mut item = place.key();
    item.insert(THERE.to_owned(), text(there));
    if place.is_shortened {
        item.insert(KEY.to_owned(), text(key.as_str()));
    }
    item
}

/// 1 RRU per record, whether it is linked or not.
pub(super) async fn linked(database: &Database, sync: &SyncId, keys: &[RecordKey]) -> Result<Vec<(RecordKey, String)>> {
    let keys = unique(keys);
    let places: Vec<Place> = keys.iter().map(|key| place_of(database, sync, key)).collect();
    let mut asked: HashMap<String, &RecordKey> = HashMap::with_capacity(keys.len());
    asked.extend(places.iter().map(|place| place.owner.clone()).zip(keys));
    let mut linked = Vec::new();
    for found in database.get_many(&database.tables.links, places).await? {
        let Some(key) = asked.get(text_in(&found, OWNER)?) else { continue };
        if found.contains_key(KEY) && text_in(&found, KEY)? != key.as_str() {
            continue;
        }
        linked.push(((*key).clone(), text_in(&found, THERE)?.to_owned()));
    }
    Ok(linked)
}
