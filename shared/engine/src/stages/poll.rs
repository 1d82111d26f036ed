//! Poll: take the sync's lease, work out the window, read pages, archive each batch, send it on.
//!
//! Archiving is the commit: a batch is archived, if it is not there yet and the run still holds the lease, together with
//! the position after it; only archived bytes are ever sent. A poll that was interrupted sends the last archived batch
//! again and goes on behind it.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveTime, TimeZone, Utc};
use serde::{Deserialize, Serialize};
use tracing::{debug, info};

use super::handle::internal;
use super::session::{BUSY, Session};
use super::{Context, replay, start};
use crate::error::{Error, Result};
use crate::model::audit::{Counts, Held, HeldWhy};
use crate::model::batch::{Archived, Version};
use crate::model::id::{BatchId, RecordKey, SyncId};
use crate::model::message::{BatchTask, Message, PollTask, Task};
use crate::model::rows::RowsWriter;
use crate::model::run::{Run, RunState};
use crate::model::sync::{Begin, End, SyncState};
use crate::model::window::{Granularity, Position, Selection, Window};
use crate::plan::SyncPlan;
use crate::ports::{ArchivePut, Page, ReadRequest, Source, What};

/// The row number of a held record that is in no archived batch.
pub(super) const NO_ROW: u32 = u32::MAX;

/// How many keys are read at once when the source has no opinion.
const KEYS_AT_ONCE: usize = 50;

pub(super) async fn poll(context: &Context, task: &PollTask, deadline: Option<DateTime<Utc>>) -> Result<()> {
    let plan = context.plans.plan(&task.sync)?;
    if let Some(run) = context.store.run(&task.run).await?
        && run.state != RunState::Polling
    {
        // The task came again after its work was done; what was to follow may have been lost with the sender.
        release_if_given_up(context, &run).await?;
        return send_close_if_due(context, &run).await;
    }
    let Some(begun) = begin(context, task, &plan).await? else { return Ok(()) };
    let result = if let Selection::Replay(what) = &task.selection {
        let run = known_run(context, task, &begun, None, None).await?;
        replay::poll(context, &run, what).await
    } else {
        poll_source(context, task, &plan, &begun, deadline).await
    };
    match result? {
        Polled::All(batches) => {
            let run = context.store.update_run(&task.run, &mut |run| run.polled(batches)).await?;
            let run = run.ok_or_else(|| internal(format!("run {} is not known", task.run)))?;
            info!(sync = %task.sync, run = %task.run, batches, "polled");
            send_close_if_due(context, &run).await
        }
        Polled::Part => {
            let sequence = task.sequence + 1;
            context.queue.send(&Message::new(Task::Poll(PollTask { sequence, ..task.clone() })), Duration::ZERO).await
        }
        Polled::Lost => {
            debug!(sync = %task.sync, run = %task.run, "another poll has taken over");
            abandon_if_overtaken(context, task).await
        }
        // As with a busy sync, waiting for a session is no failure and uses up no attempt.
        Polled::NoSession => context.queue.send(&Message::new(Task::Poll(task.clone())), BUSY).await,
    }
}

/// How far a poll came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Polled {
    /// The last page is read; the run has so many batches.
    All(u32),
    /// Time ran short: a continuation goes on.
    Part,
    /// Somebody else polls this run, or it lost its lease.
    Lost,
    /// All sessions of the connection are in use.
    NoSession,
}

/// A run that was given up holds its sync no longer, also when whoever gave it up died before saying so.
pub(super) async fn release_if_given_up(context: &Context, run: &Run) -> Result<()> {
    if !run.has_ended() || run.state == RunState::Complete || !context.store.sync(&run.sync).await?.is_held_by(&run.id)
    {
        return Ok(());
    }
    let finish = &mut |state: &mut SyncState| _ = state.finish(&run.id, End::NotComplete);
    if context.store.update_sync(&run.sync, finish).await?.owes_a_run() {
        start::send_again(context, &run.sync).await?;
    }
    Ok(())
}

/// Sends the close task of a run whose batches are all done.
pub(super) async fn send_close_if_due(context: &Context, run: &Run) -> Result<()> {
    if run.can_close() {
        let task = Task::Close { sync: run.sync.clone(), run: run.id.clone() };
        context.queue.send(&Message::new(task), Duration::ZERO).await?;
    }
    Ok(())
}

/// What taking the lease gave.
struct Begun {
    sync: SyncId,
    state: SyncState,
    mapping: u32,
    touch: bool,
}

/// Takes the lease; `None` when there is nothing to do for this task now.
async fn begin(context: &Context, task: &PollTask, plan: &SyncPlan) -> Result<Option<Begun>> {
    let (now, until) = (context.clock.now(), context.lease_until());
    // Until the state is read nothing is decided; a stale continuation is what does nothing.
    let mut begin = None;
    let mut mapping = 0;
    let state = context
        .store
        .update_sync(&task.sync, &mut |state| {
            if task.sequence > 0 && !state.is_held_by(&task.run) {
                begin = None;
                return;
            }
            if task.reason.is_a_person() {
                state.paused = None;
            } else if let Some(why) = &state.paused {
                info!(sync = %task.sync, run = %task.run, reason = why, "the sync rests until a person starts it");
                begin = None;
                return;
            }
            let now = state.tick(now);
            mapping = state.mapping_number(plan.mapping.hash());
            let outcome = state.begin(&task.run, now, until);
            if matches!(outcome, Begin::Busy { .. }) && task.selection == Selection::Changes {
                state.again = true;
            }
            begin = Some(outcome);
        })
        .await?;
    match begin {
        None => {
            abandon_if_overtaken(context, task).await?;
            Ok(None)
        }
        Some(Begin::Busy { by }) => {
            if let Some(run) = context.store.run(&by).await? {
                send_close_if_due(context, &run).await?;
            }
            if task.selection == Selection::Changes {
                info!(sync = %task.sync, run = %task.run, %by, "another run is reading; it will be followed by one more");
                return Ok(None);
            }
            // A busy sync is no failure: the task asks again later, however long that takes.
            let message = Message::new(Task::Poll(task.clone()));
            context.queue.send(&message, BUSY).await?;
            Ok(None)
        }
        // Whether it was to touch is not known when it died before it was written down: then it does.
        Some(Begin::Resumed) => overtake(context, Begun { sync: task.sync.clone(), state, mapping, touch: true }).await,
        Some(Begin::Started { touch, .. }) => {
            overtake(context, Begun { sync: task.sync.clone(), state, mapping, touch }).await
        }
    }
}

/// Runs whose lease ran out never end by themselves.
async fn overtake(context: &Context, begun: Begun) -> Result<Option<Begun>> {
    let overtaken = &begun.state.overtaken;
    if let Some(last) = overtaken.last() {
        let now = context.clock.now();
        for run in overtaken {
            context.store.update_run(run, &mut |run| run.abandon(now)).await?;
        }
        let done = |state: &mut SyncState| {
            if let Some(at) = state.overtaken.iter().position(|run| run == last) {
                state.overtaken.drain(..=at);
            }
        };
        context.store.update_sync(&begun.sync, &mut { done }).await?;
    }
    Ok(Some(begun))
}

/// A poll that finds its run overtaken marks it so: whoever overtook it may have done so before the run was written down.
async fn abandon_if_overtaken(context: &Context, task: &PollTask) -> Result<()> {
    if !context.store.sync(&task.sync).await?.is_held_by(&task.run) {
        let now = context.clock.now();
        context.store.update_run(&task.run, &mut |run| run.abandon(now)).await?;
    }
    Ok(())
}

async fn poll_source(
    context: &Context,
    task: &PollTask,
    plan: &SyncPlan,
    begun: &Begun,
    deadline: Option<DateTime<Utc>>,
) -> Result<Polled> {
    let session = Session::open(context, &task.sync.tenant, &plan.source, task.run.as_str()).await?;
    let polled = async {
        let capabilities = session.source.capabilities(&plan.stream);
        if !session.has_permit(context, capabilities.sessions).await? {
            return Ok(Polled::NoSession);
        }
        // Without a cursor every run reads everything, so it also finds what is gone, where the source can be asked how much
        // there is.
        let everything = PollTask { selection: Selection::Full { accept_deletes: false }, ..task.clone() };
        let is_sweep = task.selection == Selection::Changes
            && capabilities.granularity == Granularity::None
            && capabilities.counts
            && !plan.reverse;
        let task = if is_sweep { &everything } else { task };
        let run = match context.store.run(&task.run).await? {
            Some(run) if run.sequence <= task.sequence => run,
            Some(_) => return Ok(Polled::Lost),
            None => {
                let now = match session.source.now(&plan.stream).await? {
                    // A source whose clock is ahead stamps with it; one that is behind must not be overtaken.
                    Some(theirs) => theirs,
                    None => context.clock.now(),
                };
                let window = window(&task.selection, &begun.state, plan, capabilities.granularity);
                let lag = chrono::Duration::from_std(plan.safety_lag).unwrap_or(chrono::Duration::MAX);
                let up_to = now.checked_sub_signed(lag).unwrap_or(now);
                known_run(context, task, begun, Some(window), Some(up_to)).await?
            }
        };
        if run.sequence < task.sequence {
            context.store.update_run(&run.id, &mut |run| run.sequence = run.sequence.max(task.sequence)).await?;
        }
        let reading = Reading { context, plan, run: &run, source: session.source.as_ref(), selection: &task.selection };
        let keys_at_once = capabilities.keys_per_read.unwrap_or(KEYS_AT_ONCE);
        if matches!(task.selection, Selection::Keys(_)) && capabilities.keys_per_read.is_none() {
            return Err(Error::stop(format!(
                "{} cannot be read by key: run it with --from and --to instead",
                plan.stream.name
            )));
        }
        reading.read_all(keys_at_once, deadline).await
    }
    .await;
    session.close(context, &polled).await;
    polled
}

/// The run of a task, created when it is new.
async fn known_run(
    context: &Context,
    task: &PollTask,
    begun: &Begun,
    window: Option<Window>,
    complete_up_to: Option<DateTime<Utc>>,
) -> Result<Run> {
    if let Some(run) = context.store.run(&task.run).await? {
        return Ok(run);
    }
    let run = Run {
        epoch: begun.state.epoch,
        window: window.unwrap_or_default(),
        complete_up_to,
        mapping: begun.mapping,
        // A full read gives its version to all it finds, so that what has an older one is gone.
        touch: begun.touch || matches!(task.selection, Selection::Full { .. }),
        ..unread_run(context, task).await?
    };
    context.store.create_run(&run).await?;
    Ok(run)
}

/// A run of which nothing is known but its task.
pub(super) async fn unread_run(context: &Context, task: &PollTask) -> Result<Run> {
    Ok(Run {
        id: task.run.clone(),
        sync: task.sync.clone(),
        epoch: context.store.sync(&task.sync).await?.epoch,
        reason: task.reason,
        selection: task.selection.clone(),
        window: Window::default(),
        complete_up_to: None,
        started_at: context.clock.now(),
        ended_at: None,
        sequence: task.sequence,
        expected: None,
        done: 0,
        counts: Counts::default(),
        mapping: 0,
        touch: false,
        state: RunState::Polling,
        swept: 0,
        progress: None,
        settled_pages: 0,
        notes: Vec::new(),
        proof: None,
        warnings: Vec::new(),
    })
}

/// The change times a run asks for. The lookback widens the query, never the mark.
pub(super) fn window(selection: &Selection, state: &SyncState, plan: &SyncPlan, granularity: Granularity) -> Window {
    let start_of = |date: chrono::NaiveDate| {
        let local = date.and_time(NaiveTime::MIN);
        // A midnight that the zone skips begins the day an hour later; asking an hour early reads a little more.
        plan.zone
            .from_local_datetime(&local)
            .earliest()
            .map_or_else(|| Utc.from_utc_datetime(&(local - chrono::Duration::hours(14))), |t| t.with_timezone(&Utc))
    };
    match selection {
        Selection::Changes if granularity != Granularity::None => {
            let from = state.watermark.map(|mark| {
                let lookback = Days::new(u64::from(plan.lookback_days));
                match granularity {
                    Granularity::Day => {
                        let day = mark.with_timezone(&plan.zone).date_naive();
                        start_of(day.checked_sub_days(lookback).unwrap_or(day))
                    }
                    _ => mark.checked_sub_days(lookback).unwrap_or(mark),
                }
            });
            Window { from, to: None }
        }
        Selection::Dates { from, to } => Window {
            from: Some(start_of(*from)),
            to: to.and_then(|to| to.checked_add_days(Days::new(1))).map(start_of),
        },
        Selection::Changes | Selection::Full { .. } | Selection::Keys(_) | Selection::Replay(_) => Window::default(),
    }
}

/// The engine's position: which chunk of keys, and the source's own position in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct At {
    #[serde(default)]
    chunk: usize,
    #[serde(default)]
    source: Option<Position>,
}

impl At {
    fn from_position(position: &Position) -> Result<Self> {
        serde_json::from_value(position.0.clone())
            .map_err(|e| internal(format!("an archived position cannot be read ({e}): start the run again")))
    }

    fn to_position(&self) -> Result<Position> {
        serde_json::to_value(self).map(Position).map_err(|e| internal(format!("a position cannot be written: {e}")))
    }
}

/// Reads the pages of one run.
struct Reading<'a> {
    context: &'a Context,
    plan: &'a SyncPlan,
    run: &'a Run,
    source: &'a dyn Source,
    selection: &'a Selection,
}

impl Reading<'_> {
    async fn read_all(&self, keys_at_once: usize, deadline: Option<DateTime<Utc>>) -> Result<Polled> {
        let chunks = self.key_chunks(keys_at_once)?;
        let (mut seq, mut at) = match self.context.store.last_archived(&self.run.id).await? {
            None => (0, At::default()),
            Some(last) => {
                let (seq, next) = (last.id.seq + 1, last.next.clone());
                send_transform(self.context, self.run, last).await?;
                match next {
                    None => return Ok(Polled::All(seq)),
                    Some(position) => (seq, At::from_position(&position)?),
                }
            }
        };
        let mut rows = RowsWriter::new(&self.plan.stream.columns);
        loop {
            if deadline.is_some_and(|end| self.context.clock.now() + self.context.limits.reserve > end) {
                return Ok(Polled::Part);
            }
            rows.clear();
            let mut too_big = Vec::new();
            let next = self.read_batch(&chunks, at, &mut rows, &mut too_big, deadline).await?;
            if rows.is_empty() && too_big.is_empty() && next.is_none() {
                return Ok(Polled::All(seq));
            }
            let id = BatchId { run: self.run.id.clone(), seq };
            let version = Version::new(self.run.epoch, seq);
            self.hold_too_big(&id, version, &too_big).await?;
            let batch = Archived {
                id,
                sync: self.run.sync.clone(),
                version,
                replays: None,
                rows: u32::try_from(rows.len()).unwrap_or(u32::MAX),
                too_big: u32::try_from(too_big.len()).unwrap_or(u32::MAX),
                next: next.as_ref().map(At::to_position).transpose()?,
                at: self.context.clock.now(),
                payload: rows.compress()?,
            };
            match self.context.store.archive(&batch, self.context.lease_until()).await? {
                ArchivePut::Stored => send_transform(self.context, self.run, batch).await?,
                ArchivePut::Exists | ArchivePut::Fenced => return Ok(Polled::Lost),
            }
            seq += 1;
            match next {
                None => return Ok(Polled::All(seq)),
                Some(position) => at = position,
            }
        }
    }

    /// Reads pages until a batch is full, the pages end, or time runs short. Returns where to go on.
    async fn read_batch(
        &self,
        chunks: &[Vec<Vec<String>>],
        mut at: At,
        rows: &mut RowsWriter,
        too_big: &mut Vec<crate::ports::TooBig>,
        deadline: Option<DateTime<Utc>>,
    ) -> Result<Option<At>> {
        loop {
            let what = match self.selection {
                Selection::Keys(_) => match chunks.get(at.chunk) {
                    Some(keys) => What::Keys(keys),
                    None => return Ok(None),
                },
                _ => What::Window(self.run.window),
            };
            let request = ReadRequest { stream: &self.plan.stream, what, after: at.source.as_ref() };
            let Page { next, too_big: left_out } = self.source.read(request, rows).await?;
            too_big.extend(left_out);
            if next.is_some() && next == at.source {
                return Err(Error::later(format!(
                    "{} gave the same position twice: its pages do not advance",
                    self.plan.stream.object
                )));
            }
            at = match (next, what) {
                (Some(next), _) => At { source: Some(next), ..at },
                (None, What::Keys(_)) if at.chunk + 1 < chunks.len() => At { chunk: at.chunk + 1, source: None },
                (None, _) => return Ok(None),
            };
            let limits = &self.context.limits;
            let short = deadline.is_some_and(|end| self.context.clock.now() + limits.reserve > end);
            if rows.size() >= limits.batch_bytes || rows.len() >= limits.batch_rows || short {
                return Ok(Some(at));
            }
        }
    }

    fn key_chunks(&self, keys_at_once: usize) -> Result<Vec<Vec<Vec<String>>>> {
        let Selection::Keys(keys) = self.selection else { return Ok(Vec::new()) };
        let keys: Vec<_> = keys.iter().map(|key| self.plan.mapping.source_key(key)).collect::<Result<_>>()?;
        Ok(keys.chunks(keys_at_once.max(1)).map(<[_]>::to_vec).collect())
    }

    async fn hold_too_big(&self, id: &BatchId, version: Version, too_big: &[crate::ports::TooBig]) -> Result<()> {
        if too_big.is_empty() {
            return Ok(());
        }
        let held: Vec<_> = too_big
            .iter()
            .map(|record| Held {
                sync: self.run.sync.clone(),
                key: RecordKey::join(record.key.iter().map(|part| part.trim())),
                why: HeldWhy::Rejected,
                field: None,
                value: None,
                reason: format!(
                    "the record has {} bytes, more than can be carried: leave its largest columns out of the mapping",
                    record.bytes
                ),
                batch: id.clone(),
                row: NO_ROW,
                version: version.0,
                since: self.context.clock.now(),
            })
            .collect();
        self.context.store.hold(&held).await
    }
}

/// Sends an archived batch to transform.
pub(super) async fn send_transform(context: &Context, run: &Run, batch: Archived) -> Result<()> {
    let too_big = u64::from(batch.too_big);
    let task = BatchTask {
        sync: batch.sync,
        batch: batch.id,
        part: 0,
        version: batch.version,
        mapping: run.mapping,
        touch: run.touch,
        counts: Counts { polled: too_big, rejected: too_big, ..Counts::default() },
    };
    let payload = if batch.payload.len() <= context.limits.message_bytes { batch.payload } else { Vec::new() };
    context.queue.send(&Message::with_rows(Task::Transform(task), payload), Duration::ZERO).await
}
