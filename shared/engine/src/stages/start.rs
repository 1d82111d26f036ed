//! Starting runs: a poll task is all that starts work.

use std::time::Duration;

use crate::error::Result;
use crate::model::id::{RunId, SyncId};
use crate::model::message::{Message, PollTask, Reason, Task};
use crate::model::window::Selection;

use super::Context;

/// A run that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Its id: the run appears under it once its poll task is seen.
    pub run: RunId,
}

/// Asks for a run of `sync`.
///
/// # Errors
/// Stops when the sync is not configured; later when the queue cannot be reached.
pub async fn start(context: &Context, sync: &SyncId, reason: Reason, selection: Selection) -> Result<Started> {
    context.plans.plan(sync)?;
    let run = context.ids.run_id();
    send(context, sync, run.clone(), reason, selection).await?;
    Ok(Started { run })
}

pub(super) async fn send(
    context: &Context,
    sync: &SyncId,
    run: RunId,
    reason: Reason,
    selection: Selection,
) -> Result<()> {
    let task = PollTask { sync: sync.clone(), run, reason, selection, sequence: 0 };
    context.queue.send(&Message::new(Task::Poll(task)), Duration::ZERO).await
}

/// Asks for the run that a task asked for while another was reading.
pub(super) async fn send_again(context: &Context, sync: &SyncId) -> Result<()> {
    start(context, sync, Reason::Again, Selection::Changes).await.map(|_| ())
}
