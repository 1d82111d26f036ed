//! Deliveries and what they wait for.

use std::collections::BTreeMap;

use chrono::DateTime;
use engine::model::delivery::{Cycle, Delivery, DeliveryState, What};
use engine::model::id::{DeliveryId, IntegrationId, RunId, TenantId};
use engine::ports::Store;

use crate::Kept;

fn delivery(name: &str, run: &str) -> Delivery {
    Delivery {
        id: DeliveryId::of(name, &RunId::new(run)),
        tenant: TenantId::new("acme"),
        integration: IntegrationId::new("jde-looker"),
        name: name.to_owned(),
        what: What::Plan("AP daily".to_owned()),
        runs: BTreeMap::from([("ap_invoices".to_owned(), RunId::new(run))]),
        late: vec!["suppliers".to_owned()],
        planned_at: DateTime::UNIX_EPOCH,
        attempts: 0,
        ended_at: None,
        state: DeliveryState::Planned,
    }
}

async fn ids<S: Store>(store: &S, limit: usize) -> Vec<String> {
    let listed = store
        .deliveries(&TenantId::new("acme"), &IntegrationId::new("jde-looker"), limit)
        .await
        .kept("deliveries can be listed");
    listed.into_iter().map(|delivery| delivery.id.to_string()).collect()
}

pub async fn delivery_reads_back_whole_and_is_created_once<S: Store>(store: &S) {
    let planned = delivery("daily", "1");
    assert_eq!(store.delivery(&planned.id).await.kept("a delivery can be read"), None);
    assert_eq!(store.update_delivery(&planned.id, &mut |_| {}).await.kept("a delivery can be changed"), None);
    store.create_delivery(&planned).await.kept("a delivery can be created");
    let request = &mut |delivery: &mut Delivery| assert!(delivery.request(DateTime::UNIX_EPOCH));
    store.update_delivery(&planned.id, request).await.kept("a delivery can be changed");
    store.create_delivery(&planned).await.kept("a delivery can be created");
    let known = store.delivery(&planned.id).await.kept("a delivery can be read").kept("a created delivery is known");
    assert_eq!(known.state, DeliveryState::Requested { at: DateTime::UNIX_EPOCH }, "creating it again changes nothing");
    assert_eq!(known.runs, planned.runs);
    assert_eq!(known.late, planned.late);
}

pub async fn concurrent_updates_of_a_delivery_all_count<S: Store>(store: &S) {
    let planned = delivery("daily", "1");
    store.create_delivery(&planned).await.kept("a delivery can be created");
    let count = async || {
        for _ in 0..10 {
            store
                .update_delivery(&planned.id, &mut |delivery| delivery.attempts += 1)
                .await
                .kept("a delivery can be changed");
        }
    };
    futures_util::future::join3(count(), count(), count()).await;
    assert_eq!(
        store.delivery(&planned.id).await.kept("a delivery can be read").kept("a created delivery is known").attempts,
        30
    );
}

pub async fn deliveries_are_listed_newest_first<S: Store>(store: &S) {
    for (name, run) in [("daily", "2"), ("weekly", "1"), ("daily", "3")] {
        store.create_delivery(&delivery(name, run)).await.kept("a delivery can be created");
    }
    store
        .create_delivery(&Delivery { tenant: TenantId::new("other"), ..delivery("daily", "4") })
        .await
        .kept("a delivery can be created");
    assert_eq!(ids(store, 10).await, ["daily@3", "daily@2", "weekly@1"]);
    assert_eq!(ids(store, 2).await, ["daily@3", "daily@2"]);
}

pub async fn cycles_of_other_deliveries_stay_apart<S: Store>(store: &S) {
    let (tenant, integration) = (TenantId::new("acme"), IntegrationId::new("jde-looker"));
    let after = ["ap_invoices".to_owned(), "suppliers".to_owned()];
    let complete = |name: &'static str, run: &'static str| {
        let after = after.clone();
        move |cycle: &mut Cycle| {
            cycle.completed(name, &after, "ap_invoices", &RunId::new(run), DateTime::UNIX_EPOCH);
        }
    };
    store
        .update_cycle(&tenant, &integration, "daily", &mut complete("daily", "1"))
        .await
        .kept("a cycle can be changed");
    store
        .update_cycle(&tenant, &integration, "weekly", &mut complete("weekly", "2"))
        .await
        .kept("a cycle can be changed");
    let daily = store.update_cycle(&tenant, &integration, "daily", &mut |_| {}).await.kept("a cycle can be changed");
    assert_eq!(daily.complete, BTreeMap::from([("ap_invoices".to_owned(), RunId::new("1"))]));
    let other = store
        .update_cycle(&TenantId::new("other"), &integration, "daily", &mut |_| {})
        .await
        .kept("a cycle can be changed");
    assert_eq!(other, Cycle::default());
}
