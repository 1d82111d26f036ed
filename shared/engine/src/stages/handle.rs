//! Does the work of one message and decides what becomes of the message.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tracing::{Instrument, Span, error, info, info_span};

use super::{Context, close, deliver, load, poll, tell, transform};
use crate::error::{Error, Kind, Result};
use crate::metrics::{self, Unit};
use crate::model::id::SyncId;
use crate::model::message::{Message, Task};
use crate::model::run::Run;
use crate::ports::Received;

/// What became of a message. In every case it has to be deleted from its queue; what must go on travels in a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// Its work is done.
    Done,
    /// It was put back, to be done after this delay.
    Later(Duration),
    /// It was given up; its run says why.
    GivenUp(String),
}

/// Does the work of `received`. With `deadline` a poll stops in time and sends itself a continuation.
///
/// # Errors
/// When not even the decision about the message could be stored: leave the message in its queue, it will be seen again.
pub async fn handle(context: &Context, received: &Received, deadline: Option<DateTime<Utc>>) -> Result<Disposition> {
    let message = &received.message;
    if let Some(wait) = message.not_before.and_then(|at| (at - context.clock.now()).to_std().ok())
        && !wait.is_zero()
    {
        let delay = wait.min(context.limits.longest_delay);
        context.queue.send(message, delay).await?;
        return Ok(Disposition::Later(delay));
    }
    let trace = message.trace.clone().unwrap_or_else(|| message.task.run().to_string());
    let span = span(message, &trace);
    let context = &context.traced(trace);
    decide(context, received, deadline).instrument(span).await
}

/// What every line that is logged meanwhile carries.
fn span(message: &Message, trace: &str) -> Span {
    let (sync, batch) = (message.task.sync(), message.task.batch().map(|batch| batch.seq));
    info_span!(
        "work",
        stage = message.task.stage().as_str(),
        tenant = %sync.tenant,
        integration = %sync.integration,
        %sync,
        run = %message.task.run(),
        batch,
        trace,
    )
}

async fn decide(context: &Context, received: &Received, deadline: Option<DateTime<Utc>>) -> Result<Disposition> {
    let (message, began) = (&received.message, context.clock.now());
    let worked = work(context, message, deadline).await;
    let took = (context.clock.now() - began).num_milliseconds();
    metrics::emit("StageMilliseconds", u64::try_from(took).unwrap_or(0), Unit::Milliseconds);
    let failure = match worked {
        Ok(()) => return Ok(Disposition::Done),
        Err(failure) => failure,
    };
    match failure.kind() {
        // A repetition is how the engine looks before it tries again: every write is safe to repeat.
        Kind::Later { after: None } | Kind::Unknown => put_back(context, received, &failure, None).await,
        Kind::Later { after } => put_back(context, received, &failure, after).await,
        // What was refused or missing was kept for a while, and somebody has set another one meanwhile.
        Kind::Stop if failure.awaits_secret() && has_new_secrets(context, message).await => {
            put_back(context, received, &failure, None).await
        }
        Kind::Reject | Kind::Stop => {
            let why = failure.to_string();
            give_up(context, received, &why).await?;
            if moves_records(&message.task) && !goes_on_with_a_secret(context, &message.task, &failure).await {
                pause(context, received, &why).await?;
            }
            Ok(Disposition::GivenUp(why))
        }
    }
}

async fn has_new_secrets(context: &Context, message: &Message) -> bool {
    let looked = context.connectors.has_new_secrets(&message.task.sync().tenant).await;
    looked
        .inspect_err(|failure| error!(reason = %failure, "it is not known whether there is a new secret"))
        .unwrap_or(false)
}

/// Whether the work is the way of records itself: what comes after it never stops the next run.
fn moves_records(task: &Task) -> bool {
    !matches!(task, Task::Tell { .. } | Task::Deliver { .. })
}

/// Whether a sync goes on by itself once the right secret is set, because nobody logs in before that. What a destination
/// has refused is remembered nowhere: there a person looks.
async fn goes_on_with_a_secret(context: &Context, task: &Task, failure: &Error) -> bool {
    match task {
        _ if !failure.awaits_secret() => false,
        _ if !failure.is_refused_credentials() => true,
        Task::Poll(task) => is_stopped(context, &task.sync).await.unwrap_or(false),
        _ => false,
    }
}

/// Whether it is remembered that the source's secret was refused. Were it not, the next run would log in with it again.
async fn is_stopped(context: &Context, sync: &SyncId) -> Result<bool> {
    let source = context.plans.plan(sync)?.source.clone();
    let fingerprint = context.connectors.secret_fingerprint(&sync.tenant, &source).await?;
    Ok(context.store.connection_stopped(&sync.tenant, &source, &fingerprint).await?.is_some())
}

/// Repeating would fail the same way: the sync rests until a person starts it again.
async fn pause(context: &Context, received: &Received, why: &str) -> Result<()> {
    let sync = received.message.task.sync();
    context.store.update_sync(sync, &mut |state| state.paused = Some(why.to_owned())).await?;
    Ok(())
}

/// Puts work back as a new message with its own attempt count, or gives it up after the last attempt.
async fn put_back(
    context: &Context,
    received: &Received,
    failure: &Error,
    after: Option<Duration>,
) -> Result<Disposition> {
    let message = &received.message;
    let (sync, run) = (message.task.sync(), message.task.run());
    let attempt = message.attempt + 1;
    if attempt >= context.limits.attempts {
        let why = format!("{failure} (given up after {attempt} attempts)");
        give_up(context, received, &why).await?;
        return Ok(Disposition::GivenUp(why));
    }
    let delay = after.unwrap_or_else(|| backoff(context, message.attempt));
    let not_before = (delay > context.limits.longest_delay).then(|| context.clock.now() + delay);
    let delay = delay.min(context.limits.longest_delay);
    info!(%sync, %run, attempt, seconds = delay.as_secs(), reason = %failure, "put back");
    let again = Message { attempt, not_before, ..message.clone() };
    context.queue.send(&again, delay).await?;
    Ok(Disposition::Later(delay))
}

async fn work(context: &Context, message: &Message, deadline: Option<DateTime<Utc>>) -> Result<()> {
    match &message.task {
        Task::Poll(task) => poll::poll(context, task, deadline).await,
        Task::Transform(task) => transform::transform(context, task, &message.payload).await,
        Task::Load(task) => load::load(context, task, &message.payload, deadline).await,
        Task::Close { sync, run } => close::close(context, sync, run, deadline).await,
        Task::Tell { sync, run } => tell::tell(context, sync, run).await,
        Task::Deliver { sync, delivery, .. } => deliver::deliver(context, sync, delivery).await,
    }
}

fn backoff(context: &Context, attempt: u32) -> Duration {
    context.limits.backoff.saturating_mul(1 << attempt.min(10)).min(context.limits.longest_delay)
}

/// Ends the run of a message that cannot be done: its watermark stays, its lease is released, a person is told. What
/// was archived can be replayed.
async fn give_up(context: &Context, received: &Received, why: &str) -> Result<()> {
    let task = &received.message.task;
    let (sync, run) = (task.sync(), task.run());
    error!(%sync, %run, stage = task.stage().as_str(), reason = why, "given up");
    // In this order, a process that dies in between finds the message again.
    end_run(context, task, why).await?;
    context.queue.dead_letter(task.stage(), received, why).await
}

/// Ends the run of a message whose work panicked, so that it is not forgotten.
///
/// # Errors
/// Later when the store cannot be reached.
pub async fn abandon(context: &Context, received: &Received, why: &str) -> Result<()> {
    end_run(context, &received.message.task, why).await
}

/// Marks the run of a task as ended without completion.
async fn end_run(context: &Context, task: &Task, why: &str) -> Result<()> {
    if !moves_records(task) {
        return deliver::given_up(context, task, why).await;
    }
    let now = context.clock.now();
    let end = &mut |run: &mut Run| match task {
        Task::Poll(_) => run.fail(why, now),
        _ => run.incomplete(why, now),
    };
    let ended = match (context.store.update_run(task.run(), end).await?, task) {
        (Some(run), _) => run,
        (None, Task::Poll(task)) => {
            // It failed before anything was read. It is written down all the same, for whoever looks for it.
            let mut failed = poll::unread_run(context, task).await?;
            failed.fail(why, now);
            context.store.create_run(&failed).await?;
            failed
        }
        (None, _) => return Ok(()),
    };
    poll::release_if_given_up(context, &ended).await
}

/// A refusal that no repetition can mend, unless it says otherwise itself.
pub(super) fn internal(message: impl Into<String>) -> Error {
    Error::stop(message)
}
