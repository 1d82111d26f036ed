//! Deliveries: each goes once per cycle, is written down before it is sent, and is followed until its outcome is known.
//!
//! A consumer has no key by which it tells a repeated request from a new one. So nothing is ever sent again by itself
//! once it may have been accepted: it is looked for under its name, and what cannot be found waits for a person.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tracing::info;

use super::session::{BUSY, Conversation};
use super::{Context, tell};
use crate::error::{Error, Kind, Result};
use crate::model::delivery::{Cycle, Delivery, DeliveryState};
use crate::model::id::{DeliveryId, IntegrationId, RunId, SyncId, TenantId};
use crate::model::message::{Message, Task};
use crate::model::run::Run;
use crate::plan::{ConsumerPlan, DeliveryPlan};
use crate::ports::Progress;

/// A delivery whose outcome is not known yet is looked at this long after it was requested, then after half of the time
/// that has passed since.
const FIRST_LOOK: Duration = Duration::from_millis(500);

/// The longest time between two looks.
const LONGEST_LOOK: Duration = Duration::from_secs(60);

/// A run completed and agrees: the deliveries that waited only for it go.
pub(super) async fn completed(context: &Context, told: &ConsumerPlan, run: &Run) -> Result<()> {
    let (sync, now) = (&run.sync, context.clock.now());
    for plan in told.deliveries.iter().filter(|plan| plan.after.contains(&sync.stream)) {
        let complete = &mut |cycle: &mut Cycle| cycle.completed(&plan.name, &plan.after, &sync.stream, &run.id, now);
        let cycle = context.store.update_cycle(&sync.tenant, &sync.integration, &plan.name, complete).await?;
        // Looked at again by every repetition: whoever moved the cycle on may have died before the delivery was planned.
        if cycle.last.as_ref().is_some_and(|last| last.run() == run.id.as_str()) {
            plan_delivery(context, plan, sync, &cycle).await?;
        }
    }
    Ok(())
}

/// A run does not agree, or the consumer shows something else: what its sync completed before sets nothing off any more.
pub(super) async fn not_complete(context: &Context, told: &ConsumerPlan, run: &Run) -> Result<()> {
    let sync = &run.sync;
    for plan in told.deliveries.iter().filter(|plan| plan.after.contains(&sync.stream)) {
        let wait = &mut |cycle: &mut Cycle| cycle.not_complete(&sync.stream);
        context.store.update_cycle(&sync.tenant, &sync.integration, &plan.name, wait).await?;
    }
    Ok(())
}

/// Deliveries whose deadline has passed go without the syncs that are late, or wait for a person.
///
/// # Errors
/// As the store and the queue.
pub(super) async fn overdue(context: &Context, told: &ConsumerPlan, sync: &SyncId) -> Result<()> {
    for plan in &told.deliveries {
        let before = context.clock.now() - plan.deadline;
        let mut went = false;
        let go = &mut |cycle: &mut Cycle| {
            went = cycle.is_overdue(before);
            cycle.overdue(&plan.name, before);
        };
        let cycle = context.store.update_cycle(&sync.tenant, &sync.integration, &plan.name, go).await?;
        if went {
            plan_delivery(context, plan, sync, &cycle).await?;
        }
    }
    Ok(())
}

/// As [`overdue`], for an integration.
///
/// # Errors
/// As [`overdue`]; stops when the integration is not configured.
pub async fn overdue_of(context: &Context, tenant: &TenantId, integration: &IntegrationId) -> Result<()> {
    let (Some(told), Some(sync)) =
        (context.plans.consumer(tenant, integration)?, context.plans.syncs(tenant, integration)?.into_iter().next())
    else {
        return Ok(());
    };
    overdue(context, &told, &sync).await
}

/// Writes down the delivery that a cycle set off, and sends its task.
async fn plan_delivery(context: &Context, plan: &DeliveryPlan, sync: &SyncId, cycle: &Cycle) -> Result<()> {
    let Some(id) = cycle.last.clone() else { return Ok(()) };
    let late: Vec<String> = plan.after.iter().filter(|name| !cycle.set_off_by.contains_key(*name)).cloned().collect();
    let mut delivery = Delivery {
        id: id.clone(),
        tenant: sync.tenant.clone(),
        integration: sync.integration.clone(),
        name: plan.name.clone(),
        what: plan.what.clone(),
        runs: cycle.set_off_by.clone(),
        late,
        planned_at: context.clock.now(),
        attempts: 0,
        ended_at: None,
        state: DeliveryState::Planned,
    };
    if !delivery.late.is_empty() && !plan.without_late {
        let late = delivery.late.join(", ");
        let why = format!("held: {late} was not complete by the deadline; to send it all the same, replay it");
        delivery.fail(&why, delivery.planned_at);
    }
    context.store.create_delivery(&delivery).await?;
    if delivery.has_ended() { Ok(()) } else { send(context, sync, &delivery, Duration::ZERO).await }
}

async fn send(context: &Context, sync: &SyncId, delivery: &Delivery, delay: Duration) -> Result<()> {
    let run = RunId::new(delivery.id.run());
    let task = Task::Deliver { sync: sync.clone(), run, delivery: delivery.id.clone() };
    context.queue.send(&Message::new(task), delay.min(context.limits.longest_delay)).await
}

/// Sends a delivery again that failed, and looks once more for one of which nobody knows whether it arrived. With
/// `may_arrive_twice` that one is sent again too, and one that was delivered.
///
/// # Errors
/// Stops when it is not known, is under way, or was delivered.
pub async fn replay(context: &Context, id: &DeliveryId, may_arrive_twice: bool) -> Result<Delivery> {
    let mut again = false;
    let replay = &mut |delivery: &mut Delivery| again = delivery.replay(may_arrive_twice);
    let Some(delivery) = context.store.update_delivery(id, replay).await? else {
        return Err(Error::stop(format!("delivery `{id}` is not known: `status` lists the newest")));
    };
    if !again {
        return Err(Error::stop(match &delivery.state {
            DeliveryState::Delivered { detail, .. } => {
                format!("{id} was delivered ({detail}): to send it a second time say --may-arrive-twice")
            }
            _ => format!("{id} is under way: `run` goes on with it"),
        }));
    }
    let Some(stream) = delivery.runs.keys().next() else {
        return Err(Error::stop(format!("delivery `{id}` names no run")));
    };
    let sync =
        SyncId { tenant: delivery.tenant.clone(), integration: delivery.integration.clone(), stream: stream.clone() };
    send(context, &sync, &delivery, Duration::ZERO).await?;
    Ok(delivery)
}

/// One step of a delivery.
pub(super) async fn deliver(context: &Context, sync: &SyncId, id: &DeliveryId) -> Result<()> {
    let Some(told) = context.plans.consumer(&sync.tenant, &sync.integration)? else { return Ok(()) };
    let Some(delivery) = context.store.delivery(id).await?.filter(|delivery| !delivery.has_ended()) else {
        return Ok(());
    };
    let conversation = Conversation::open(context, &sync.tenant, &told.connection, id.as_str()).await?;
    let stepped = async {
        if !conversation.is_the_only_delivery(context).await? {
            // As with a busy source, waiting for one's turn is no failure and uses up no attempt.
            send(context, sync, &delivery, BUSY).await?;
            return Ok(None);
        }
        let step = Step { context, conversation: &conversation, delivery: &delivery };
        Ok(Some(match &delivery.state {
            DeliveryState::Requested { at } => step.look(*at).await?,
            DeliveryState::Accepted { at, reference } => step.follow(*at, reference).await?,
            _ => step.request().await?,
        }))
    }
    .await;
    if matches!(&stepped, Ok(Some(Next::Ended)) | Err(_)) {
        conversation.let_the_next_go(context).await;
    }
    conversation.close(context, &stepped).await;
    match stepped? {
        Some(Next::Look(delay)) => send(context, sync, &delivery, delay).await,
        Some(Next::Ended) | None => Ok(()),
    }
}

/// What comes after a step.
enum Next {
    /// Nothing.
    Ended,
    /// Another look, after so long.
    Look(Duration),
}

struct Step<'a> {
    context: &'a Context,
    conversation: &'a Conversation,
    delivery: &'a Delivery,
}

impl Step<'_> {
    /// Sends it off. What happens to the reply is the next step's: it only knows what is written down.
    async fn request(&self) -> Result<Next> {
        let now = self.context.clock.now();
        let consumer = self.conversation.consumer.as_ref();
        // Before that, a report could be made of what was cached just before the load.
        let planned = (now - self.delivery.planned_at).to_std().unwrap_or_default();
        if let Some(rest) = consumer.tells_times_apart_after().checked_sub(planned).filter(|rest| !rest.is_zero()) {
            return Ok(Next::Look(rest));
        }
        consumer.refresh().await?;
        let mut mine = false;
        let written = self.change(&mut |delivery| mine = delivery.request(now)).await?;
        let Some(written) = written.filter(|_| mine) else { return Ok(Next::Ended) };
        let sent = consumer.deliver(&written.what, &written.tag()).await;
        match sent {
            Ok(reference) => {
                info!(delivery = %written.id, reference, "accepted");
                self.change(&mut |delivery| delivery.accept(&reference)).await?;
                Ok(Next::Look(FIRST_LOOK))
            }
            Err(failure) => match failure.kind() {
                Kind::Later { .. } => {
                    self.change(&mut Delivery::not_sent).await?;
                    Err(failure)
                }
                Kind::Unknown => {
                    info!(delivery = %written.id, reason = %failure, "it may have been sent; it is looked for");
                    Ok(Next::Look(FIRST_LOOK))
                }
                Kind::Reject | Kind::Stop => self.fail(&failure.to_string()).await.map(|()| Next::Ended),
            },
        }
    }

    /// Looks for one that may have been sent.
    async fn look(&self, at: DateTime<Utc>) -> Result<Next> {
        let (what, tag) = (&self.delivery.what, self.delivery.tag());
        let Some(sent) = self.conversation.consumer.find(what, &tag, at).await? else {
            return self.later(at, "the reply was lost, and it is not found by its name").await;
        };
        self.change(&mut |delivery| delivery.accept(&sent.reference)).await?;
        self.settle(at, &sent.reference, sent.progress).await
    }

    /// Asks how far one has come that was accepted.
    async fn follow(&self, at: DateTime<Utc>, reference: &str) -> Result<Next> {
        let progress = self.conversation.consumer.progress(&self.delivery.what, reference, at).await?;
        self.settle(at, reference, progress).await
    }

    async fn settle(&self, at: DateTime<Utc>, reference: &str, progress: Progress) -> Result<Next> {
        let now = self.context.clock.now();
        match progress {
            Progress::Delivered(detail) => {
                self.change(&mut |delivery| delivery.deliver(reference, &detail, now)).await?;
                Ok(Next::Ended)
            }
            Progress::Failed(why) => self.fail(&why).await.map(|()| Next::Ended),
            Progress::Pending => self.later(at, "it was accepted, and no outcome is shown").await,
        }
    }

    /// Another look, or the end of looking.
    async fn later(&self, at: DateTime<Utc>, why: &str) -> Result<Next> {
        let now = self.context.clock.now();
        let passed = (now - at).to_std().unwrap_or_default();
        if passed < self.context.limits.deliveries_settle {
            return Ok(Next::Look((passed / 2).clamp(FIRST_LOOK, LONGEST_LOOK)));
        }
        let why = format!("{why} after {} s", passed.as_secs());
        self.change(&mut |delivery| delivery.give_up(&why, now)).await?;
        Ok(Next::Ended)
    }

    async fn fail(&self, why: &str) -> Result<()> {
        let now = self.context.clock.now();
        self.change(&mut |delivery| delivery.fail(why, now)).await.map(|_| ())
    }

    async fn change(&self, change: &mut (dyn FnMut(&mut Delivery) + Send)) -> Result<Option<Delivery>> {
        self.context.store.update_delivery(&self.delivery.id, change).await
    }
}

/// The work of telling or delivering was given up. It never touches the run or its sync: the records are loaded.
pub(super) async fn given_up(context: &Context, task: &Task, why: &str) -> Result<()> {
    let now = context.clock.now();
    match task {
        Task::Deliver { delivery, .. } => {
            let end = &mut |delivery: &mut Delivery| match delivery.state {
                DeliveryState::Planned => delivery.fail(why, now),
                _ => delivery.give_up(why, now),
            };
            context.store.update_delivery(delivery, end).await.map(|_| ())
        }
        _ => {
            // Whoever could not be told does not see what was loaded: what completed before sets nothing off either.
            let sync = task.sync();
            let told = context.plans.consumer(&sync.tenant, &sync.integration)?;
            if let (Some(told), Some(run)) = (told, context.store.run(task.run()).await?) {
                not_complete(context, &told, &run).await?;
            }
            tell::warn(context, task.run(), why).await
        }
    }
}
