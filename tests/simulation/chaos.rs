//! Ports that crash, fail and lose replies, each at a moment that the seed decides.
//!
//! A crash is a panic: the future of the stage is dropped at that port call, as if the process had died there. It strikes
//! before the call, or after it, when the effect is there and nobody knows.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use engine::model::audit::{AuditBatch, AuditLine, Counts, Held, Settled};
use engine::model::batch::{Archived, MappedBatch, Version};
use engine::model::decimal::Decimal;
use engine::model::delivery::{Cycle, Delivery};
use engine::model::id::{BatchId, ConnectionId, DeliveryId, IntegrationId, RecordKey, RunId, SyncId, TenantId};
use engine::model::link::Link;
use engine::model::message::{Message, Stage};
use engine::model::rows::{Rows, RowsWriter};
use engine::model::run::Run;
use engine::model::sync::SyncState;
use engine::model::table::TableSpec;
use engine::model::totals::{GroupBy, GroupTotal};
use engine::model::window::Window;
use engine::plan::StreamSpec;
use engine::ports::{
    AfterRun, Applied, ArchivePut, Change, Destination, DestinationCapabilities, Finding, HeldFilter, Landed, Outgoing,
    Page, Queue, ReadRequest, Received, Source, SourceCapabilities, SourceGroup, Store, Totals, Which, Written,
};
use engine::{Error, Result};

/// What a crash panics with, so that it is told from a real panic.
pub struct Crash;

/// Decides what goes wrong.
pub struct Chaos {
    random: Mutex<u64>,
    /// Of a thousand calls so many go wrong.
    rate: Mutex<u64>,
}

impl Chaos {
    pub fn new(seed: u64, rate: u64) -> Arc<Self> {
        Arc::new(Self { random: Mutex::new(seed ^ 0x9E37_79B9_7F4A_7C15), rate: Mutex::new(rate) })
    }

    /// From now on nothing goes wrong.
    pub fn calm(&self) {
        *self.rate.lock().unwrap() = 0;
    }

    pub fn is_calm(&self) -> bool {
        *self.rate.lock().unwrap() == 0
    }

    /// A number below `bound` (splitmix64).
    pub fn below(&self, bound: u64) -> u64 {
        let mut state = self.random.lock().unwrap();
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    fn strike(&self, what: &str) -> Result<()> {
        let rate = *self.rate.lock().unwrap();
        if self.below(1_000) >= rate {
            return Ok(());
        }
        match self.below(2) {
            0 => std::panic::panic_any(Crash),
            _ => Err(Error::later(format!("{what} cannot be reached"))),
        }
    }

    /// Calls with a chance that something goes wrong before or after.
    async fn around<T>(&self, what: &str, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.strike(what)?;
        let result = call.await?;
        self.strike(what)?;
        Ok(result)
    }
}

/// Any port under chaos.
pub struct Shaky<P: ?Sized> {
    pub chaos: Arc<Chaos>,
    pub inner: Arc<P>,
}

/// Writes a port's methods, each around the inner port's.
macro_rules! shaky {
    ($port:ident { $($calm:item)* } $($name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {
        #[async_trait]
        impl<P: $port + ?Sized> $port for Shaky<P> {
            $($calm)*

            $(async fn $name(&self, $($arg: $type),*) -> Result<$result> {
                self.chaos.around(stringify!($name), self.inner.$name($($arg),*)).await
            })*
        }
    };
}

shaky! {
    Queue {}
    send(message: &Message, delay: Duration) -> ();
    receive(stage: Stage, max: usize, visibility: Duration) -> Vec<Received>;
    delete(stage: Stage, receipt: &str) -> ();
    dead_letter(stage: Stage, received: &Received, reason: &str) -> ();
}

shaky! {
    Store {}
    sync(sync: &SyncId) -> SyncState;
    update_sync(sync: &SyncId, change: Change<'_, SyncState>) -> SyncState;
    syncs(tenant: &TenantId) -> Vec<SyncId>;
    create_run(run: &Run) -> ();
    run(run: &RunId) -> Option<Run>;
    runs(sync: &SyncId, limit: usize) -> Vec<Run>;
    update_run(run: &RunId, change: Change<'_, Run>) -> Option<Run>;
    batch_done(batch: &BatchId, counts: &Counts) -> Option<Run>;
    archive(batch: &Archived, lease_until: DateTime<Utc>) -> ArchivePut;
    archived(batch: &BatchId) -> Option<Archived>;
    last_archived(run: &RunId) -> Option<Archived>;
    expire_archive(sync: &SyncId, before: DateTime<Utc>) -> u64;
    write_audit(audit: &AuditBatch) -> ();
    audit_of(sync: &SyncId, key: &RecordKey) -> Vec<AuditLine>;
    hold(held: &[Held]) -> ();
    held(sync: &SyncId, filter: &HeldFilter) -> Vec<Held>;
    held_count(sync: &SyncId) -> (u64, u64);
    held_among(sync: &SyncId, keys: &[RecordKey]) -> Vec<RecordKey>;
    settle(sync: &SyncId, settled: &[Settled]) -> ();
    link(sync: &SyncId, links: &[(RecordKey, String)]) -> ();
    linked(sync: &SyncId, keys: &[RecordKey]) -> Vec<(RecordKey, String)>;
    links(sync: &SyncId, keys: &[RecordKey]) -> Vec<(RecordKey, Link)>;
    update_link(sync: &SyncId, key: &RecordKey, change: Change<'_, Link>) -> Link;
    update_cycle(tenant: &TenantId, integration: &IntegrationId, name: &str, change: Change<'_, Cycle>) -> Cycle;
    create_delivery(delivery: &Delivery) -> ();
    delivery(delivery: &DeliveryId) -> Option<Delivery>;
    deliveries(tenant: &TenantId, integration: &IntegrationId, limit: usize) -> Vec<Delivery>;
    update_delivery(delivery: &DeliveryId, change: Change<'_, Delivery>) -> Option<Delivery>;
    permit(tenant: &TenantId, connection: &ConnectionId, holder: &str, limit: u32, now: DateTime<Utc>,
        until: DateTime<Utc>) -> bool;
    release_permit(tenant: &TenantId, connection: &ConnectionId, holder: &str) -> ();
    stop_connection(tenant: &TenantId, connection: &ConnectionId, secret: &str, why: &str) -> ();
    connection_stopped(tenant: &TenantId, connection: &ConnectionId, secret: &str) -> Option<String>;
    restart_connection(tenant: &TenantId, connection: &ConnectionId) -> ();
}

shaky! {
    Destination {
        fn capabilities(&self) -> DestinationCapabilities {
            self.inner.capabilities()
        }

        async fn check(&self, tables: &[&TableSpec]) -> Vec<Finding> {
            self.inner.check(tables).await
        }

        /// A call that was not made may be made again; of one whose reply is lost nobody knows.
        async fn send(&self, table: &TableSpec, record: &Outgoing<'_>) -> Result<Option<String>> {
            self.chaos.strike("send")?;
            let sent = self.inner.send(table, record).await?;
            self.chaos.strike("send").map_err(|_| Error::unknown("the reply was lost"))?;
            Ok(sent)
        }
    }
    prepare(table: &TableSpec) -> ();
    write(table: &TableSpec, batch: &MappedBatch) -> Vec<Written>;
    count_stale(table: &TableSpec, sync: &SyncId, before: Version, except: &[String]) -> u64;
    delete_stale(table: &TableSpec, sync: &SyncId, before: Version, except: &[String]) -> Vec<String>;
    newer_among(table: &TableSpec, sync: &SyncId, keys: &[String], than: Version) -> Vec<String>;
    totals(table: &TableSpec, sync: &SyncId, columns: &[&str], except: &[String]) -> Totals;
    control_totals(table: &TableSpec, sync: &SyncId, by: &GroupBy, columns: &[&str]) -> Vec<GroupTotal>;
    standing(table: &TableSpec, sync: &SyncId, which: Which<'_>) -> Rows;
    count_standing(table: &TableSpec, sync: &SyncId) -> u64;
    forget(table: &TableSpec, sync: &SyncId, keys: &[RecordKey]) -> ();
    mark_deleted(table: &TableSpec, sync: &SyncId, before: Version, keys: &[RecordKey]) -> Vec<RecordKey>;
    apply(table: &TableSpec, landed: &Landed<'_>, progress: Option<&str>) -> Applied;
    after_run(table: &TableSpec, landed: &Landed<'_>, progress: Option<&str>) -> AfterRun;
}

shaky! {
    Source {
        fn capabilities(&self, stream: &StreamSpec) -> SourceCapabilities {
            self.inner.capabilities(stream)
        }

        async fn check(&self, streams: &[&StreamSpec]) -> Vec<Finding> {
            self.inner.check(streams).await
        }

        async fn close(&self) {
            self.inner.close().await;
        }
    }
    now(stream: &StreamSpec) -> Option<DateTime<Utc>>;
    read(request: ReadRequest<'_>, rows: &mut RowsWriter) -> Page;
    count(stream: &StreamSpec, window: Window) -> u64;
    total(stream: &StreamSpec, window: Window, column: &str) -> Decimal;
    groups(stream: &StreamSpec, window: Window, by: &str, columns: &[&str]) -> Option<Vec<SourceGroup>>;
}
