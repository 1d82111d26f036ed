//! What travels through the queues: a small envelope in JSON and, for rows, a compressed payload beside it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::audit::Counts;
use super::batch::Version;
use super::id::{BatchId, DeliveryId, RunId, SyncId};
use super::window::Selection;

/// The stages, each with its queue. Closing tasks travel on the load queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Reads the source.
    Poll,
    /// Maps rows.
    Transform,
    /// Writes the destination and closes runs.
    Load,
}

impl Stage {
    /// All stages, in the order of a record's way.
    pub const ALL: [Self; 3] = [Self::Poll, Self::Transform, Self::Load];

    /// The stage's verb.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Transform => "transform",
            Self::Load => "load",
        }
    }
}

/// Why a run was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its schedule.
    Schedule,
    /// A person.
    Manual,
    /// A person, reading a past window again.
    Backfill,
    /// A person, replaying archived rows.
    Replay,
    /// What its records waited for is there.
    WakeUp,
    /// A task that came while another run was reading.
    Again,
}

impl Reason {
    /// Whether somebody decided to start it just now, and so knows why the sync may have rested.
    pub fn is_a_person(self) -> bool {
        matches!(self, Self::Manual | Self::Backfill | Self::Replay)
    }
}

/// Starts or continues a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PollTask {
    /// Of which sync.
    pub sync: SyncId,
    /// The run's id, chosen by the sender: a task that comes twice is one run.
    pub run: RunId,
    /// Why.
    pub reason: Reason,
    /// What to read.
    #[serde(default)]
    pub selection: Selection,
    /// 0 starts the run, n is its n-th continuation.
    #[serde(default)]
    pub sequence: u32,
}

/// A batch on its way. The payload beside the envelope holds its rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchTask {
    /// Of which sync.
    pub sync: SyncId,
    /// Which batch.
    pub batch: BatchId,
    /// Which part of it, when it was split.
    #[serde(default)]
    pub part: u32,
    /// The version of its records.
    pub version: Version,
    /// The version of the mapping.
    pub mapping: u32,
    /// See [`super::batch::MappedBatch::touch`].
    #[serde(default)]
    pub touch: bool,
    /// What the stages before have already decided about its records.
    #[serde(default)]
    pub counts: Counts,
}

/// The work of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum Task {
    /// For the poll stage.
    Poll(PollTask),
    /// For the transform stage: source rows.
    Transform(BatchTask),
    /// For the load stage: mapped rows.
    Load(BatchTask),
    /// For the load stage: every batch of the run is done.
    Close {
        /// Of which sync.
        sync: SyncId,
        /// Which run.
        run: RunId,
    },
    /// For the load stage: the run has moved its watermark; whoever reads its table is told.
    Tell {
        /// Of which sync.
        sync: SyncId,
        /// Which run.
        run: RunId,
    },
    /// For the load stage: a delivery goes one step further.
    Deliver {
        /// The sync whose run set it off.
        sync: SyncId,
        /// That run.
        run: RunId,
        /// Which delivery.
        delivery: DeliveryId,
    },
}

impl Task {
    /// The stage that does it.
    pub fn stage(&self) -> Stage {
        match self {
            Self::Poll(_) => Stage::Poll,
            Self::Transform(_) => Stage::Transform,
            Self::Load(_) | Self::Close { .. } | Self::Tell { .. } | Self::Deliver { .. } => Stage::Load,
        }
    }

    /// Whose work it is.
    pub fn sync(&self) -> &SyncId {
        match self {
            Self::Poll(task) => &task.sync,
            Self::Transform(task) | Self::Load(task) => &task.sync,
            Self::Close { sync, .. } | Self::Tell { sync, .. } | Self::Deliver { sync, .. } => sync,
        }
    }

    /// The batch it is about, where it is about one.
    pub fn batch(&self) -> Option<&BatchId> {
        match self {
            Self::Transform(task) | Self::Load(task) => Some(&task.batch),
            _ => None,
        }
    }

    /// The run it belongs to.
    pub fn run(&self) -> &RunId {
        match self {
            Self::Poll(task) => &task.run,
            Self::Transform(task) | Self::Load(task) => &task.batch.run,
            Self::Close { run, .. } | Self::Tell { run, .. } | Self::Deliver { run, .. } => run,
        }
    }
}

/// An envelope. Work that must wait travels in a new message with its own attempt count, so that waiting never uses
/// up a queue's receive count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Version of the envelope.
    pub v: u8,
    /// What to do.
    #[serde(flatten)]
    pub task: Task,
    /// How often it was tried and put back before.
    #[serde(default)]
    pub attempt: u32,
    /// What it came from, the same for everything that one message set off: for logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Not before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<DateTime<Utc>>,
    /// The rows, a compressed block. Empty for tasks without rows.
    #[serde(skip)]
    pub payload: Vec<u8>,
}

impl Message {
    /// A first attempt.
    pub fn new(task: Task) -> Self {
        Self { v: 1, task, attempt: 0, trace: None, not_before: None, payload: Vec::new() }
    }

    /// A first attempt with rows.
    pub fn with_rows(task: Task, payload: Vec<u8>) -> Self {
        Self { payload, ..Self::new(task) }
    }
}
