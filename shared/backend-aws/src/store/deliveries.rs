//! Deliveries and what they wait for, in the table `syncs`.

use std::collections::HashMap;

use engine::Result;
use engine::model::delivery::{Cycle, Delivery};
use engine::model::id::{DeliveryId, IntegrationId, TenantId};
use engine::ports::Change;

use crate::database::{Database, Place, Query, text, text_in};
use crate::document::{Document, Draft};

const DELIVERY: &str = "delivery";

fn place_of(database: &Database, delivery: &DeliveryId) -> Place {
    Place::new(database.owner("delivery", delivery), DELIVERY)
}

/// 1 RRU and 1 WRU.
pub(super) async fn update_cycle(
    database: &Database,
    (tenant, integration): (&TenantId, &IntegrationId),
    name: &str,
    change: Change<'_, Cycle>,
) -> Result<Cycle> {
    let place = Place::new(database.owner("cycles", format!("{tenant}/{integration}")), name);
    let cycle = database.update(&database.tables.syncs, &place, || Some(Cycle::default()), change).await?;
    Ok(cycle.unwrap_or_default())
}

/// 4 WRU.
pub(super) async fn create(database: &Database, delivery: &Delivery) -> Result<()> {
    let table = &database.tables.syncs;
    let draft = Draft::new(place_of(database, &delivery.id), delivery)?;
    let owner = database.owner("deliveries", format!("{}/{}", delivery.tenant, delivery.integration));
    // Ids of runs sort by time, so the list does too.
    let mut listed = Place::new(owner, format!("{}/{}", delivery.id.run(), delivery.id)).key();
    listed.insert(DELIVERY.to_owned(), text(delivery.id.as_str()));
    database.create(table, &draft, listed).await
}

/// 1 RRU.
pub(super) async fn delivery(database: &Database, delivery: &DeliveryId) -> Result<Option<Delivery>> {
    database.value(&database.tables.syncs, &place_of(database, delivery)).await
}

/// 1 RRU per delivery and one for the list.
pub(super) async fn newest(
    database: &Database,
    (tenant, integration): (&TenantId, &IntegrationId),
    limit: usize,
) -> Result<Vec<Delivery>> {
    let table = &database.tables.syncs;
    let query = Query::of(database.owner("deliveries", format!("{tenant}/{integration}"))).newest_first();
    let listed = database.list(table, &query, limit).await?;
    let ids: Vec<DeliveryId> =
        listed.iter().map(|item| Ok(DeliveryId::new(text_in(item, DELIVERY)?))).collect::<Result<_>>()?;
    let places = ids.iter().map(|id| place_of(database, id)).collect();
    let mut found = HashMap::new();
    for item in database.get_many(table, places).await? {
        let delivery: Delivery = Document::of(&item)?.value()?;
        found.insert(delivery.id.clone(), delivery);
    }
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

/// 1 RRU and 1 WRU.
pub(super) async fn change(
    database: &Database,
    delivery: &DeliveryId,
    change: Change<'_, Delivery>,
) -> Result<Option<Delivery>> {
    database.update(&database.tables.syncs, &place_of(database, delivery), || None, change).await
}
