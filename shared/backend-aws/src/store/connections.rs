//! Permits and stops of connections, in the table `syncs`, shared by a tenant's integrations.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use engine::Result;
use engine::model::id::{ConnectionId, TenantId};

use crate::database::{Database, ITEM, Place, Query, text, text_in};

const WHY: &str = "why";

/// Who holds a permit, until when in microseconds.
type Permits = BTreeMap<String, i64>;

fn place_of_permits(database: &Database, (tenant, connection): (&TenantId, &ConnectionId)) -> Place {
    Place::new(database.shared(tenant, "permits", connection), "permits")
}

/// The sort key of a stop. A connection without a secret has nothing that tells it from another, and no key may be empty.
fn item_of_stop(secret: &str) -> &str {
    if secret.is_empty() { "-" } else { secret }
}

fn owner_of_stops(database: &Database, (tenant, connection): (&TenantId, &ConnectionId)) -> String {
    database.shared(tenant, "stops", connection)
}

/// 1 RRU, and 1 WRU when there is one: all permits of a connection are one document, so that their number is exact.
pub(super) async fn permit(
    database: &Database,
    connection: (&TenantId, &ConnectionId),
    holder: &str,
    limit: u32,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool> {
    let (now, until) = (now.timestamp_micros(), until.timestamp_micros());
    let mut granted = false;
    let mut take = |permits: &mut Permits| {
        let taken = permits.iter().filter(|(name, end)| **end > now && name.as_str() != holder).count();
        let is_own = permits.get(holder).is_some_and(|end| *end > now);
        granted = is_own || taken < limit as usize;
        if granted {
            permits.retain(|_, end| *end > now);
            permits.insert(holder.to_owned(), until);
        }
    };
    let place = place_of_permits(database, connection);
    database.update(&database.tables.syncs, &place, || Some(Permits::new()), &mut take).await?;
    Ok(granted)
}

/// 1 RRU and 1 WRU.
pub(super) async fn release_permit(
    database: &Database,
    connection: (&TenantId, &ConnectionId),
    holder: &str,
) -> Result<()> {
    let mut release = |permits: &mut Permits| {
        permits.remove(holder);
    };
    let place = place_of_permits(database, connection);
    database.update(&database.tables.syncs, &place, || None, &mut release).await?;
    Ok(())
}

/// Each refused secret has a mark of its own, so that a slow process with an older secret never takes away the mark of
/// the newer one. 1 WRU.
pub(super) async fn stop_connection(
    database: &Database,
    connection: (&TenantId, &ConnectionId),
    secret: &str,
    why: &str,
) -> Result<()> {
    let mut stop = Place::new(owner_of_stops(database, connection), item_of_stop(secret)).key();
    stop.insert(WHY.to_owned(), text(why));
    database.put_new(&database.tables.syncs, stop).await?;
    Ok(())
}

/// 1 RRU.
pub(super) async fn connection_stopped(
    database: &Database,
    connection: (&TenantId, &ConnectionId),
    secret: &str,
) -> Result<Option<String>> {
    let place = Place::new(owner_of_stops(database, connection), item_of_stop(secret));
    let stop = database.get(&database.tables.syncs, &place).await?;
    stop.map(|stop| Ok(text_in(&stop, WHY)?.to_owned())).transpose()
}

/// 1 RRU, and 1 WRU per stop.
pub(super) async fn restart_connection(database: &Database, connection: (&TenantId, &ConnectionId)) -> Result<()> {
    let table = &database.tables.syncs;
    let owner = owner_of_stops(database, connection);
    let stops = database.list(table, &Query::of(owner.clone()), usize::MAX).await?;
    let places: Vec<Place> =
        stops.iter().map(|stop| Ok(Place::new(owner.clone(), text_in(stop, ITEM)?))).collect::<Result<_>>()?;
    database.delete_many(table, &places).await
}
