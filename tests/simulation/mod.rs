//! The whole machine on a virtual clock, with crashes, lost replies, duplicates and reordering at every port call.
//!
//! One seed is one story: rows change while they are read, tasks come twice, leases run out, processes die between any two
//! steps. However it went, once the machine is left in peace the destination equals the source, every record is accounted
//! for, and nothing older has overwritten anything newer. A failing seed is printed; `ML_CONNECTOR_SEED=n` repeats it.

mod bi;
mod chaos;
mod crm;
mod erp;
mod staged;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use backend_embedded::Embedded;
use chrono::{DateTime, Utc};
use connectors::warehouse::{Sqlite, SqliteSettings};
use engine::mapping::{ColumnSpec, Declaration, Mapping, SourceColumns};
use engine::model::decimal::Decimal;
use engine::model::delivery::{DeliveryState, What};
use engine::model::id::{BatchId, ConnectionId, IntegrationId, RecordKey, RunId, SyncId, TenantId};
use engine::model::message::{Message, PollTask, Reason, Stage, Task};
use engine::model::run::RunState;
use engine::model::table::TableSpec;
use engine::model::window::{Replay, Selection};
use engine::plan::{ConsumerPlan, Control, DeliveryPlan, Plans, StreamSpec, SyncPlan, UpdatedSpec};
use engine::ports::{Clock, Connectors, Consumer, Destination, HeldFilter, Ids, Queue, Received, Source, Store};
use engine::stages::{Context, Limits, handle};
use engine::{Error, Result};
use futures_util::FutureExt;

use bi::{Bi, Talk};
use chaos::{Chaos, Crash, Shaky};
use crm::Crm;
use erp::Erp;
use staged::Staged;

/// Steps of one story.
const STEPS: u64 = 500;

struct VirtualClock(Mutex<DateTime<Utc>>);

impl VirtualClock {
    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

struct Counter(Mutex<u64>);

impl Ids for Counter {
    fn run_id(&self) -> RunId {
        let mut next = self.0.lock().unwrap();
        *next += 1;
        RunId::new(format!("{:06}", *next))
    }
}

struct OnePlan(Arc<SyncPlan>);

impl Plans for OnePlan {
    fn plan(&self, sync: &SyncId) -> Result<Arc<SyncPlan>> {
        if *sync == self.0.id { Ok(Arc::clone(&self.0)) } else { Err(Error::stop(format!("{sync} is not configured"))) }
    }

    fn syncs(&self, _: &TenantId, _: &IntegrationId) -> Result<Vec<SyncId>> {
        Ok(vec![self.0.id.clone()])
    }

    fn consumer(&self, _: &TenantId, _: &IntegrationId) -> Result<Option<Arc<ConsumerPlan>>> {
        let delivery = DeliveryPlan {
            name: "daily".to_owned(),
            what: What::Plan("Daily".to_owned()),
            after: vec!["things".to_owned()],
            deadline: Duration::from_secs(3_600),
            without_late: true,
        };
        Ok(Some(Arc::new(ConsumerPlan { connection: ConnectionId::new("bi"), deliveries: vec![delivery] })))
    }
}

struct BothSides {
    erp: Arc<Erp>,
    warehouse: Arc<dyn Destination>,
    bi: Arc<Bi>,
    chaos: Arc<Chaos>,
}

#[async_trait]
impl Connectors for BothSides {
    async fn source(&self, _: &TenantId, _: &ConnectionId) -> Result<Box<dyn Source>> {
        Ok(Box::new(Shaky { chaos: Arc::clone(&self.chaos), inner: Arc::clone(&self.erp) }))
    }

    async fn secret_fingerprint(&self, _: &TenantId, _: &ConnectionId) -> Result<String> {
        Ok("1".to_owned())
    }

    async fn consumer(&self, _: &TenantId, _: &ConnectionId) -> Result<Box<dyn Consumer>> {
        Ok(Box::new(Talk { bi: Arc::clone(&self.bi), chaos: Arc::clone(&self.chaos) }))
    }

    async fn destination(&self, _: &TenantId, _: &ConnectionId) -> Result<Arc<dyn Destination>> {
        Ok(Arc::new(Shaky { chaos: Arc::clone(&self.chaos), inner: Arc::clone(&self.warehouse) }))
    }
}

/// How the records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Batch by batch, into a table.
    Batches,
    /// All batches of a run at once, when it closes.
    Staged,
    /// One by one, into a system in which other people work too.
    OneByOne,
}

fn plan(way: Way) -> SyncPlan {
    let column = |from: &str, kind: &str| ColumnSpec {
        from: Some(SourceColumns(vec![from.to_owned()])),
        kind: Some(kind.to_owned()),
        ..ColumnSpec::default()
    };
    let columns = [("id".to_owned(), column("ID", "integer")), ("amount".to_owned(), column("AMT", "decimal(9,2)"))];
    let columns = columns.into_iter().collect();
    let updated = UpdatedSpec { date: "DAY".to_owned(), time: Some("TIM".to_owned()) };
    let mapping = Mapping::compile(&Declaration {
        columns: &columns,
        key: &["id".to_owned()],
        source_key: &["ID".to_owned()],
        updated: Some(&updated),
        filter: None,
        needs: &[],
        zone: chrono_tz::UTC,
    })
    .unwrap();
    SyncPlan {
        id: "sim/erp-warehouse/things".parse().unwrap(),
        description: String::new(),
        source: ConnectionId::new("erp"),
        destination: ConnectionId::new("warehouse"),
        stream: StreamSpec {
            name: "things".to_owned(),
            object: "THINGS".to_owned(),
            key: vec!["ID".to_owned()],
            updated: Some(updated),
            filter: Vec::new(),
            columns: ["ID", "AMT", "DAY", "TIM"].map(str::to_owned).to_vec(),
            padded: Vec::new(),
            page_size: None,
        },
        table: TableSpec {
            name: "things".to_owned(),
            description: String::new(),
            columns: mapping.table_columns(),
            key: mapping.key_columns().to_vec(),
            company: None,
            source_system: "erp".to_owned(),
        },
        mapping,
        zone: chrono_tz::UTC,
        lookback_days: 0,
        safety_lag: Duration::ZERO,
        wait_at_most: Duration::from_secs(86_400),
        keep_archive: Duration::from_secs(30 * 86_400),
        totals: Vec::new(),
        control: Control::default(),
        keeps_links: false,
        after: Vec::new(),
        reverse: way == Way::OneByOne,
    }
}

struct World {
    context: Context,
    embedded: Arc<Embedded>,
    erp: Arc<Erp>,
    bi: Arc<Bi>,
    chaos: Arc<Chaos>,
    clock: Arc<VirtualClock>,
    sync: SyncId,
    warehouse: tempfile::NamedTempFile,
    crm: Option<Arc<Crm>>,
}

impl World {
    fn new(seed: u64, way: Way) -> Self {
        let chaos = Chaos::new(seed, 40);
        let clock = Arc::new(VirtualClock(Mutex::new("2026-03-01T00:00:00Z".parse().unwrap())));
        let ports: Arc<dyn Clock> = clock.clone();
        let embedded = Arc::new(Embedded::in_memory_with(Arc::clone(&ports)).unwrap());
        let erp = Arc::new(Erp { rows: Mutex::default(), clock: Arc::clone(&ports), chaos: Arc::clone(&chaos) });
        let warehouse = tempfile::NamedTempFile::new().unwrap();
        let settings = SqliteSettings { path: warehouse.path().to_owned() };
        let inner = Sqlite::open(&settings);
        let crm = (way == Way::OneByOne).then(|| {
            let (clock, chaos) = (Arc::clone(&ports), Arc::clone(&chaos));
            Arc::new(Crm { records: Mutex::default(), clock, chaos, needless: Mutex::default() })
        });
        let destination: Arc<dyn Destination> = match (&crm, way) {
            (Some(crm), _) => crm.clone(),
            (None, Way::Staged) => Arc::new(Staged { inner, chaos: Arc::clone(&chaos), landed: Mutex::default() }),
            (None, _) => Arc::new(inner),
        };
        let plan = plan(way);
        let bi = Arc::new(Bi::default());
        let context = Context {
            queue: Arc::new(Shaky { chaos: Arc::clone(&chaos), inner: Arc::clone(&embedded) }),
            store: Arc::new(Shaky { chaos: Arc::clone(&chaos), inner: Arc::clone(&embedded) }),
            connectors: Arc::new(BothSides {
                erp: Arc::clone(&erp),
                warehouse: destination,
                bi: Arc::clone(&bi),
                chaos: Arc::clone(&chaos),
            }),
            clock: ports,
            ids: Arc::new(Counter(Mutex::new(0))),
            // Small batches and few attempts, so that a short story has many of both.
            limits: Limits {
                batch_rows: 5,
                attempts: 4,
                lease: Duration::from_secs(90),
                deliveries_settle: Duration::from_secs(120),
                ..Limits::default()
            },
            plans: Arc::new(OnePlan(Arc::new(plan))),
        };
        let sync = "sim/erp-warehouse/things".parse().unwrap();
        Self { context, embedded, erp, bi, chaos, clock, sync, warehouse, crm }
    }

    async fn step(&self) {
        match self.chaos.below(20) {
            0 => match &self.crm {
                Some(crm) => crm.edit(),
                None => self.erp.edit(),
            },
            1 | 2 => self.erp.edit(),
            3 | 4 => self.work().await,
            5 | 6 => self.clock.advance(Duration::from_secs(self.chaos.below(20))),
            // Now and then everybody is away for longer than any lease.
            7 if self.chaos.below(5) == 0 => self.clock.advance(Duration::from_secs(120)),
            7 | 8 => self.ask().await,
            _ => self.work().await,
        }
    }

    /// Somebody asks for a run.
    async fn ask(&self) {
        let reason = if self.chaos.below(2) == 0 { Reason::Manual } else { Reason::Schedule };
        let selection = match self.chaos.below(10) {
            0 => Selection::Full { accept_deletes: false },
            1 => Selection::Keys(vec![RecordKey::new(self.chaos.below(12).to_string())]),
            2 => Selection::Replay(Replay::Rejects { run: None }),
            3 | 4 => match self.some_run().await {
                Some(run) if self.chaos.below(2) == 0 => Selection::Replay(Replay::Run(run)),
                Some(run) => Selection::Replay(Replay::Batch(BatchId { run, seq: 0 })),
                None => Selection::Changes,
            },
            _ => Selection::Changes,
        };
        let task = PollTask { sync: self.sync.clone(), run: self.context.ids.run_id(), reason, selection, sequence: 0 };
        self.embedded.send(&Message::new(Task::Poll(task)), Duration::ZERO).await.unwrap();
    }

    async fn some_run(&self) -> Option<RunId> {
        let runs = self.embedded.runs(&self.sync, 20).await.unwrap();
        let at = usize::try_from(self.chaos.below(20)).unwrap();
        runs.get(at % runs.len().max(1)).map(|run| run.id.clone())
    }

    /// Some stage takes some message, and possibly dies over it.
    async fn work(&self) {
        let stage = Stage::ALL[usize::try_from(self.chaos.below(3)).unwrap()];
        // What is taken and not done stays hidden: mostly for a moment, sometimes for longer than any lease, so that it
        // arrives when a later run has long read the same rows.
        let hidden = if self.chaos.below(6) == 0 { 400 } else { 15 };
        let mut received = self.embedded.receive(stage, 3, Duration::from_secs(hidden)).await.unwrap();
        if received.is_empty() {
            return;
        }
        let chosen = usize::try_from(self.chaos.below(received.len() as u64)).unwrap();
        let received = received.swap_remove(chosen);
        let deadline = (self.chaos.below(8) == 0).then(|| self.clock.now());
        self.handle(&received, deadline).await;
        if self.chaos.below(12) == 0 {
            // Delivered twice.
            self.handle(&received, None).await;
        }
    }

    async fn handle(&self, received: &Received, deadline: Option<DateTime<Utc>>) {
        // A deadline that is not over leaves the poll time for a batch.
        let deadline = deadline.map(|at| at + Duration::from_secs(31));
        let handled = AssertUnwindSafe(handle(&self.context, received, deadline)).catch_unwind().await;
        match handled {
            Err(panic) if panic.is::<Crash>() => {}
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(Err(failure)) => assert!(failure.is_later(), "{failure}"),
            Ok(Ok(_)) => self.embedded.delete(received.message.task.stage(), &received.receipt).await.unwrap(),
        }
    }

    /// Works until the queues are empty, with nothing going wrong any more.
    async fn drain(&self) {
        for _ in 0..10_000 {
            let mut worked = false;
            for stage in Stage::ALL {
                for received in self.embedded.receive(stage, 10, Duration::from_secs(3_600)).await.unwrap() {
                    worked = true;
                    self.handle(&received, None).await;
                }
            }
            if !worked {
                let mut pending = 0;
                for stage in Stage::ALL {
                    pending += self.embedded.pending(stage).await.unwrap();
                }
                if pending == 0 {
                    return;
                }
                self.clock.advance(Duration::from_secs(60));
            }
        }
        panic!("the queues do not become empty");
    }

    fn loaded(&self) -> BTreeMap<i64, String> {
        if let Some(crm) = &self.crm {
            let records = crm.records.lock().unwrap();
            return records.iter().map(|(id, record)| (*id, record.amount.to_string())).collect();
        }
        let database = rusqlite::Connection::open(self.warehouse.path()).unwrap();
        let mut rows = database.prepare("SELECT id, amount FROM things WHERE NOT _is_deleted").unwrap();
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(|row| row.unwrap()).collect()
    }

    async fn check(&self) {
        let mut held: Vec<i64> = self
            .embedded
            .held(&self.sync, &HeldFilter { limit: 1_000, ..HeldFilter::default() })
            .await
            .unwrap()
            .into_iter()
            .map(|held| held.key.as_str().parse().unwrap())
            .collect();
        held.sort_unstable();
        let (mut loaded, mut expected) = (self.loaded(), BTreeMap::new());
        let mut unfit = Vec::new();
        for (key, row) in self.erp.rows.lock().unwrap().iter() {
            match Decimal::parse(&row.amount) {
                Ok(_) => _ = expected.insert(*key, row.amount.clone()),
                Err(_) => unfit.push(*key),
            }
        }
        // What the destination last knew of a record that does not fit any more stays there, and the record is named.
        loaded.retain(|key, _| !unfit.contains(key));
        if self.crm.is_some() {
            // What others have changed since stays until it changes at the source.
            loaded.remove(&crm::SHARED);
            expected.remove(&crm::SHARED);
        }
        assert_eq!(loaded, expected, "the destination equals the source");
        assert_eq!(held, unfit, "exactly the records that do not fit are held");
        for run in self.embedded.runs(&self.sync, 1_000).await.unwrap() {
            assert!(run.has_ended(), "{run:?}");
            assert!(run.state != RunState::Complete || run.is_green(), "{run:?}");
        }
        self.check_deliveries().await;
    }

    /// Nothing was sent twice, and what is said of each delivery is true.
    async fn check_deliveries(&self) {
        let sent = self.bi.sent.lock().unwrap().iter().map(|(tag, copies)| (tag.clone(), copies.copies)).collect();
        let mut sent: BTreeMap<String, u32> = sent;
        let (tenant, integration) = (&self.sync.tenant, &self.sync.integration);
        for delivery in self.embedded.deliveries(tenant, integration, 1_000).await.unwrap() {
            let copies = sent.remove(&delivery.tag()).unwrap_or(0);
            match &delivery.state {
                DeliveryState::Delivered { .. } => assert_eq!(copies, 1, "{delivery:?}"),
                // Refused or failed on its way, or given up before it was sent.
                DeliveryState::Failed { .. } => assert!(copies <= 1, "{delivery:?}"),
                DeliveryState::Uncertain { .. } => assert!(copies <= 1, "{delivery:?}"),
                state => panic!("{} was forgotten: {state:?}", delivery.id),
            }
            let run = self.embedded.run(&delivery.runs["things"]).await.unwrap().unwrap();
            assert!(run.selection.moves_watermark(), "{run:?}");
        }
        assert!(sent.is_empty(), "sent without being written down: {sent:?}");
    }
}

async fn story(seed: u64, way: Way) {
    let world = World::new(seed, way);
    for _ in 0..STEPS {
        world.step().await;
    }
    world.chaos.calm();
    world.drain().await;
    // What crashed may still hold the lease; once it has run out, one plain run has to set everything right.
    world.clock.advance(Duration::from_secs(3_600));
    let state = world.embedded.sync(&world.sync).await.unwrap();
    assert!(state.lease.is_none_or(|lease| lease.until < world.clock.now()));
    let task = PollTask {
        sync: world.sync.clone(),
        run: RunId::new("last"),
        reason: Reason::Manual,
        selection: Selection::Changes,
        sequence: 0,
    };
    world.embedded.send(&Message::new(Task::Poll(task)), Duration::ZERO).await.unwrap();
    world.drain().await;
    let last = world.embedded.run(&RunId::new("last")).await.unwrap().unwrap();
    assert_eq!(last.state, RunState::Complete, "{last:?}");
    world.check().await;
    if let Some(crm) = &world.crm {
        assert_eq!(*crm.needless.lock().unwrap(), 0, "nothing is sent that stands there already");
        return;
    }
    assert!(last.proof.as_ref().is_some_and(|proof| proof.agrees), "{:?}", last.proof);
    assert_eq!(world.bi.sent.lock().unwrap()["run last"].copies, 1, "what completes is delivered once");
}

impl World {
    fn set(&self, key: i64, amount: &str) {
        self.erp.rows.lock().unwrap().insert(key, erp::Row { amount: amount.to_owned(), changed: self.clock.now() });
        self.clock.advance(Duration::from_secs(1));
    }

    async fn run(&self) {
        engine::stages::start(&self.context, &self.sync, Reason::Manual, Selection::Changes).await.unwrap();
    }

    /// Polls, and keeps what was sent to transform.
    async fn poll_and_keep(&self) -> Vec<Received> {
        for poll in self.embedded.receive(Stage::Poll, 10, Duration::from_secs(60)).await.unwrap() {
            self.handle(&poll, None).await;
        }
        self.embedded.receive(Stage::Transform, 10, Duration::from_secs(1_000_000)).await.unwrap()
    }
}

/// A value is read, changed back at the source and confirmed by a later run; only then does the first read arrive.
#[tokio::test]
async fn a_batch_that_comes_after_its_successor_changes_nothing() {
    for late in ["0.50", "not a number"] {
        let world = World::new(1, Way::Batches);
        world.chaos.calm();
        world.set(1, "1.50");
        world.run().await;
        world.drain().await;
        world.set(1, late);
        world.run().await;
        let kept = world.poll_and_keep().await;
        assert_eq!(kept.len(), 1);
        world.set(1, "1.50");
        world.clock.advance(Duration::from_secs(600));
        world.run().await;
        for _ in 0..3 {
            for stage in Stage::ALL {
                for received in world.embedded.receive(stage, 10, Duration::from_secs(60)).await.unwrap() {
                    world.handle(&received, None).await;
                }
            }
        }
        for received in kept {
            world.handle(&received, None).await;
        }
        world.drain().await;
        world.check().await;
    }
}

#[test]
fn whatever_goes_wrong_the_destination_equals_the_source_in_the_end() {
    // Crashes are panics on purpose; only the real ones are worth reading.
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.payload().is::<Crash>() {
            default(panic);
        }
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seeds = match std::env::var("ML_CONNECTOR_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..30,
    };
    for way in [Way::Batches, Way::Staged, Way::OneByOne] {
        for seed in seeds.clone() {
            let told = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(story(seed, way))));
            assert!(told.is_ok(), "seed {seed}, {way:?}: repeat it alone with ML_CONNECTOR_SEED={seed}");
        }
    }
}
