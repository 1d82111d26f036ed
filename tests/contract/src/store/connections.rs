//! Permits and stops of connections.

use engine::model::id::{ConnectionId, TenantId};
use engine::ports::Store;
use futures_util::future::join_all;

use crate::Kept;
use crate::sample::at;

fn connection(check: &str) -> (TenantId, ConnectionId) {
    (TenantId::new(check), ConnectionId::new("jde-prod"))
}

/// Asks for one of two permits at minute `now`, until ten minutes later.
async fn permit(store: &impl Store, check: &str, holder: &str, now: i64) -> bool {
    let (tenant, connection) = connection(check);
    store.permit(&tenant, &connection, holder, 2, at(now), at(now + 10)).await.kept("a permit can be asked for")
}

pub(super) async fn permits_are_limited(store: &impl Store) {
    assert!(permit(store, "limit", "a", 0).await, "the first permit is free");
    assert!(permit(store, "limit", "b", 0).await, "the second permit is free");
    assert!(!permit(store, "limit", "c", 0).await, "there is no permit beyond the limit");
    assert!(permit(store, "limit-too", "c", 0).await, "another connection has permits of its own");
    let (tenant, connection) = connection("limit");
    for _ in 0..2 {
        store.release_permit(&tenant, &connection, "a").await.kept("a permit can be given back, also twice");
    }
    assert!(permit(store, "limit", "c", 0).await, "a permit that was given back is free");
    assert!(!permit(store, "limit", "d", 0).await, "giving back twice frees one permit");
}

pub(super) async fn permit_is_renewed_by_its_holder(store: &impl Store) {
    assert!(permit(store, "renew", "a", 0).await && permit(store, "renew", "b", 0).await, "permits are free");
    assert!(permit(store, "renew", "a", 5).await, "a holder renews its permit though none is free");
    assert!(permit(store, "renew", "c", 12).await, "the permit that was not renewed is free");
    assert!(!permit(store, "renew", "d", 12).await, "the permit that was renewed is held");
}

pub(super) async fn permit_expires(store: &impl Store) {
    assert!(permit(store, "expire", "a", 0).await && permit(store, "expire", "b", 0).await, "permits are free");
    assert!(!permit(store, "expire", "c", 9).await, "a permit is held until its time");
    assert!(permit(store, "expire", "c", 10).await, "a permit is free at its time");
    assert!(permit(store, "expire", "d", 10).await, "so is the other");
    assert!(!permit(store, "expire", "a", 11).await, "whoever let a permit expire has no claim to it");
}

pub(super) async fn concurrent_permits_respect_the_limit(store: &impl Store) {
    let holders: Vec<String> = (0..32).map(|i| format!("holder {i}")).collect();
    let got = join_all(holders.iter().map(|holder| permit(store, "race", holder, 0))).await;
    let got = got.into_iter().filter(|got| *got).count();
    assert_eq!(got, 2, "of those who ask at once as many get a permit as there are");
}

pub(super) async fn stop_holds_for_one_secret(store: &impl Store) {
    let (tenant, connection) = connection("stop");
    let stopped = async |secret| {
        store.connection_stopped(&tenant, &connection, secret).await.kept("a connection can be asked about")
    };
    assert_eq!(stopped("old").await, None, "a connection is not stopped by itself");
    store.stop_connection(&tenant, &connection, "old", "wrong password").await.kept("a connection can be stopped");
    store.stop_connection(&tenant, &connection, "old", "wrong password").await.kept("stopping twice is no error");
    assert_eq!(stopped("old").await.as_deref(), Some("wrong password"), "a stopped connection says why");
    assert_eq!(stopped("new").await, None, "another secret clears the stop");
    store.stop_connection(&tenant, &connection, "new", "locked").await.kept("a connection can be stopped");
    assert_eq!(stopped("new").await.as_deref(), Some("locked"), "the new secret may be refused too");
    let (_, other) = super::connections::connection("stop-too");
    let there = store.connection_stopped(&TenantId::new("stop-too"), &other, "new").await;
    assert_eq!(there.kept("a connection can be asked about"), None, "another tenant's connection is another one");
}

pub(super) async fn stopped_connection_can_be_restarted(store: &impl Store) {
    let (tenant, connection) = connection("restart");
    assert!(permit(store, "restart", "a", 0).await && permit(store, "restart", "b", 0).await, "permits are free");
    store.stop_connection(&tenant, &connection, "secret", "why").await.kept("a connection can be stopped");
    store.restart_connection(&tenant, &connection).await.kept("a connection can be restarted");
    let stopped = store.connection_stopped(&tenant, &connection, "secret").await;
    assert_eq!(stopped.kept("a connection can be asked about"), None, "a restarted connection is not stopped");
    assert!(!permit(store, "restart", "c", 0).await, "restarting a connection leaves its permits alone");
    store.restart_connection(&tenant, &connection).await.kept("restarting twice is no error");
}
