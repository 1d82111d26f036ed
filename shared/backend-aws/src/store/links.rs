//! The table `links`: where records are at the destination, and where writes to them stand. Each link is an owner of its
//! own, so that many are written at once without one partition being in the way.
//!
//! ```text
//! {scope}|link|{sync}|{key}   link   there     the id of the record there, where it is known
//!                                    version   counts the changes
//!                                    value     the rest, of records that are written one at a time
//!                                    mark      whose change the value is
//!                                    key       the whole key, where the owner was too long for it
//! ```
//!
//! The id is an attribute of its own and is set without looking at the rest, so that linking many records costs one write
//! each and no other change is lost by it.

use std::collections::HashMap;

use engine::Result;
use engine::model::id::{RecordKey, SyncId};
use engine::model::link::Link;
use engine::ports::Change;

use super::unique;
use crate::database::{Database, Item, KEY, OWNER, Place, number_in, overloaded, text, text_in};
use crate::document::{Draft, VALUE, VERSION, from_json};
use crate::pause::pause;

const LINK: &str = "link";
const THERE: &str = "there";

/// How often a link is changed anew that others change at the same time. Each time one of them gets through.
const ATTEMPTS: u32 = 100;

fn place_of(database: &Database, sync: &SyncId, key: &RecordKey) -> Place {
    Place::new(database.owner(LINK, format!("{sync}|{key}")), LINK)
}

/// 1 RRU per link, and 1 WRU and a call for each that is new or changed: reading costs a fifth of writing, and most links
/// stay as they are.
pub(super) async fn link(database: &Database, sync: &SyncId, links: &[(RecordKey, String)]) -> Result<()> {
    // Where a record comes twice the later one counts.
    let links: HashMap<&RecordKey, &String> = links.iter().map(|(key, there)| (key, there)).collect();
    let keys: Vec<RecordKey> = links.keys().map(|key| (*key).clone()).collect();
    let known: HashMap<RecordKey, String> = linked(database, sync, &keys).await?.into_iter().collect();
    let changed = links.into_iter().filter(|(key, there)| known.get(*key) != Some(there));
    let amended = changed.map(|(key, there)| {
        let place = place_of(database, sync, key);
        let beside = beside(&place, key, Some(there));
        (place, beside)
    });
    database.amend_many(&database.tables.links, amended.collect()).await
}

/// What a link holds beside its rest.
fn beside(place: &Place, key: &RecordKey, there: Option<&str>) -> Item {
    let key = place.is_shortened.then(|| (KEY.to_owned(), text(key.as_str())));
    there.map(|there| (THERE.to_owned(), text(there))).into_iter().chain(key).collect()
}

/// 1 RRU per record, whether it is linked or not.
pub(super) async fn linked(database: &Database, sync: &SyncId, keys: &[RecordKey]) -> Result<Vec<(RecordKey, String)>> {
    let found = items(database, sync, keys).await?;
    let ids = found.into_iter().filter_map(|(key, item)| Some((key, id_in(&item).transpose()?)));
    ids.map(|(key, id)| Ok((key, id?))).collect()
}

/// 1 RRU per record, whether it has a link or not.
pub(super) async fn links(database: &Database, sync: &SyncId, keys: &[RecordKey]) -> Result<Vec<(RecordKey, Link)>> {
    let found = items(database, sync, keys).await?;
    found.into_iter().map(|(key, item)| Ok((key, link_in(&item)?.0))).collect()
}

async fn items(database: &Database, sync: &SyncId, keys: &[RecordKey]) -> Result<Vec<(RecordKey, Item)>> {
    let keys = unique(keys);
    let places: Vec<Place> = keys.iter().map(|key| place_of(database, sync, key)).collect();
    let mut asked: HashMap<String, &RecordKey> = HashMap::with_capacity(keys.len());
    asked.extend(places.iter().map(|place| place.owner.clone()).zip(keys));
    let mut items = Vec::new();
    for item in database.get_many(&database.tables.links, places).await? {
        let Some(key) = asked.get(text_in(&item, OWNER)?) else { continue };
        if is_of(&item, key)? {
            items.push(((*key).clone(), item));
        }
    }
    Ok(items)
}

/// Two long keys may share their shortened form.
fn is_of(item: &Item, key: &RecordKey) -> Result<bool> {
    Ok(!item.contains_key(KEY) || text_in(item, KEY)? == key.as_str())
}

fn id_in(item: &Item) -> Result<Option<String>> {
    item.contains_key(THERE).then(|| text_in(item, THERE).map(str::to_owned)).transpose()
}

/// A link and its version, which is 0 where nobody has counted yet.
fn link_in(item: &Item) -> Result<(Link, i64)> {
    let rest = item.contains_key(VALUE).then(|| from_json::<Link>(text_in(item, VALUE)?)).transpose()?;
    let version = item.contains_key(VERSION).then(|| number_in(item, VERSION)).transpose()?;
    Ok((Link { id: id_in(item)?, ..rest.unwrap_or_default() }, version.unwrap_or_default()))
}

/// 1 RRU and 1 WRU, each time that somebody was faster the same once more. What stays as it is is not written.
pub(super) async fn update(
    database: &Database,
    sync: &SyncId,
    key: &RecordKey,
    change: Change<'_, Link>,
) -> Result<Link> {
    let table = &database.tables.links;
    let place = place_of(database, sync, key);
    for attempt in 0..ATTEMPTS {
        let found = database.get(table, &place).await?;
        let (before, version) = match &found {
            Some(item) if is_of(item, key)? => link_in(item)?,
            _ => (Link::default(), 0),
        };
        let mut link = before.clone();
        change(&mut link);
        if link == before {
            return Ok(link);
        }
        let rest = Link { id: None, ..link.clone() };
        let draft = Draft::following(version, place.clone(), &rest)?.with(beside(&place, key, link.id.as_deref()));
        if database.write(table, &draft).await? {
            return Ok(link);
        }
        pause(attempt).await;
    }
    Err(overloaded(&format!("the link of {key} in {sync}")))
}
