//! Deliveries and what they wait for, in the table `syncs`.

use engine::Result;
use engine::model::delivery::{Cycle, Delivery};
use engine::model::id::{DeliveryId, IntegrationId, TenantId};
use engine::ports::Change;

use super::syncs::{item, put, update};
use super::to_json;
use crate::database::{Database, all};

const DELIVERY: &str = "delivery";

fn owner_of_integration(tenant: &TenantId, integration: &IntegrationId) -> String {
    format!("deliveries:{tenant}/{integration}")
}

fn owner_of(delivery: &DeliveryId) -> String {
    format!("delivery:{delivery}")
}

pub(super) async fn update_cycle(
    database: &Database,
    (tenant, integration): (&TenantId, &IntegrationId),
    name: &str,
    change: Change<'_, Cycle>,
) -> Result<Cycle> {
    let owner = owner_of_integration(tenant, integration);
    let cycle = update(database, owner, format!("cycle/{name}"), || Some(Cycle::default()), change).await?;
    Ok(cycle.unwrap_or_default())
}

pub(super) async fn create(database: &Database, delivery: &Delivery) -> Result<()> {
    let delivery = delivery.clone();
    database
        .write(move |c| {
            // Ids of runs sort by time, so the list does too.
            let listed = format!("sent/{}/{}", delivery.id.run(), delivery.id);
            put(c, &owner_of(&delivery.id), DELIVERY, 0, &to_json(&delivery)?)?;
            put(
                c,
                &owner_of_integration(&delivery.tenant, &delivery.integration),
                &listed,
                0,
                &to_json(&delivery.id)?,
            )?;
            Ok(())
        })
        .await
}

pub(super) async fn delivery(database: &Database, delivery: &DeliveryId) -> Result<Option<Delivery>> {
    let owner = owner_of(delivery);
    database.read(move |c| Ok(item(c, &owner, DELIVERY)?.map(|(delivery, _)| delivery))).await
}

pub(super) async fn newest(
    database: &Database,
    (tenant, integration): (&TenantId, &IntegrationId),
    limit: usize,
) -> Result<Vec<Delivery>> {
    let owner = owner_of_integration(tenant, integration);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    database
        .read(move |c| {
            // `0` follows `/`.
            let sql = "SELECT value FROM syncs WHERE owner = ?1 AND item > 'sent/' AND item < 'sent0' \
                       ORDER BY item DESC LIMIT ?2";
            let ids: Vec<String> = all(c, sql, (&owner, limit), |r| r.get(0))?;
            let mut deliveries = Vec::new();
            for id in ids {
                let id: DeliveryId = super::from_json(&id)?;
                deliveries.extend(item::<Delivery>(c, &owner_of(&id), DELIVERY)?.map(|(delivery, _)| delivery));
            }
            Ok(deliveries)
        })
        .await
}

pub(super) async fn change(
    database: &Database,
    delivery: &DeliveryId,
    change: Change<'_, Delivery>,
) -> Result<Option<Delivery>> {
    update(database, owner_of(delivery), DELIVERY, || None, change).await
}
