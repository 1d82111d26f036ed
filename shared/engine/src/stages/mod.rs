//! The way of one record: poll, transform, load, and the closing of its run.
//!
//! [`handle`] does the work of one message and says what becomes of the message. It is all that a Lambda function or the
//! local driver calls. Every stage may be interrupted at any point and repeated from its message.

mod apply;
mod check;
mod close;
mod deliver;
mod handle;
mod load;
mod one_by_one;
mod poll;
mod preview;
mod proof;
mod reconcile;
mod replay;
mod request;
mod session;
mod start;
mod tell;
mod traced;
mod transform;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::plan::Plans;
use crate::ports::{Clock, Connectors, Ids, Queue, Store};

pub use check::check;
pub use deliver::{overdue_of as overdue_deliveries, replay as replay_delivery};
pub use handle::{Disposition, abandon, handle};
pub use preview::{Previewed, preview};
pub use reconcile::{ReconcileOptions, Repair, reconcile, repair, review};
pub use request::{replay, selections, sync_named};
pub use start::{Started, start};

/// Everything the stages need from the world. Built once per process.
#[derive(Clone)]
pub struct Context {
    /// The queues between the stages.
    pub queue: Arc<dyn Queue>,
    /// What is remembered.
    pub store: Arc<dyn Store>,
    /// Sources and destinations.
    pub connectors: Arc<dyn Connectors>,
    /// The configured syncs.
    pub plans: Arc<dyn Plans>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub ids: Arc<dyn Ids>,
    /// How much at once.
    pub limits: Limits,
}

/// How much travels at once, and how long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A batch is cut when its rows have this many bytes before compression; about an eighth travels.
    pub batch_bytes: usize,
    /// A batch is cut at this many rows.
    pub batch_rows: usize,
    /// Payloads up to this size travel in the message; greater ones are read from the archive.
    pub message_bytes: usize,
    /// How long a run holds its sync without progress: more than twice the longest visibility time-out.
    pub lease: Duration,
    /// How often work is put back before it is given up.
    pub attempts: u32,
    /// The first delay of work that is put back; it doubles with every attempt.
    pub backoff: Duration,
    /// The longest delay of work that is put back: what a queue allows.
    pub longest_delay: Duration,
    /// How long the outcome of a delivery is looked for before a person has to decide.
    pub deliveries_settle: Duration,
    /// A poll with less time than this left sends itself a continuation.
    pub reserve: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_bytes: 2 << 20,
            batch_rows: 4_000,
            message_bytes: 600 << 10,
            lease: Duration::from_secs(1_800),
            attempts: 8,
            backoff: Duration::from_secs(1),
            longest_delay: Duration::from_secs(900),
            deliveries_settle: Duration::from_secs(900),
            reserve: Duration::from_secs(30),
        }
    }
}

impl Context {
    /// This context, whose messages carry `trace`.
    fn traced(&self, trace: String) -> Self {
        let queue = Arc::new(traced::Traced { queue: Arc::clone(&self.queue), trace });
        Self { queue, ..self.clone() }
    }

    fn lease_until(&self) -> DateTime<Utc> {
        self.clock.now() + self.limits.lease
    }
}
