//! The messages of a queue, one by one: what fails is named, and only that comes again.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use backend_aws::{DeadLetter, Record, received};
use chrono::{DateTime, Utc};
use engine::metrics::{self, Unit};
use engine::model::id::RunId;
use engine::model::message::{Message, Stage, Task};
use engine::ports::Received;
use engine::stages::{Disposition, abandon, handle};
use engine::{Error, Result};
use serde::{Deserialize, Serialize};
use tracing::{Instrument, error, info, info_span};

use super::Function;
use super::check::{CheckRequest, CheckedConnection};

/// What a stage function is invoked with: messages of its queue, or by hand a question.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Event {
    /// By hand: does everything that this stage reaches work from here?
    Check {
        /// For whom.
        check: CheckRequest,
    },
    /// Messages.
    Records(SqsEvent),
}

/// What a stage function answers.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// The messages that have to come again.
    Records(SqsBatchResponse),
    /// What was found.
    Checked {
        /// One per connection.
        connections: Vec<CheckedConnection>,
    },
}

/// A run that a schedule asks for bears the time of the schedule in its id, in the words of the scheduler. Ids sort by
/// time: so it is written as all others are.
fn sorted_by_time(mut received: Received) -> Received {
    let Task::Poll(task) = &mut received.message.task else { return received };
    let id = task.run.as_str();
    if let Some((time, rest)) = id.split_once("Z-")
        && let Ok(time) = chrono::NaiveDateTime::parse_from_str(time, "%Y-%m-%dT%H:%M:%S")
    {
        task.run = RunId::new(format!("{}-{rest}", time.format("%Y%m%dT%H%M%S")));
    }
    received
}

impl Function {
    /// A stage's work: the messages of its queue, or a check.
    ///
    /// # Errors
    /// Only a check fails as a whole, when its tenant is not known.
    pub async fn stage(self, stage: Stage, event: Event, deadline: DateTime<Utc>) -> Result<Answer> {
        match event {
            Event::Check { check } => Ok(Answer::Checked { connections: self.check(&check).await? }),
            Event::Records(event) => {
                let mut response = SqsBatchResponse::default();
                for record in event.records {
                    if let Err(failure) = self.record(stage, &record, deadline).await {
                        let message = record.message_id.unwrap_or_default();
                        error!(message, reason = %failure, "the message comes again");
                        response.add_failure(message);
                    }
                }
                Ok(Answer::Records(response))
            }
        }
    }

    async fn record(&self, stage: Stage, record: &SqsMessage, deadline: DateTime<Utc>) -> Result<()> {
        let ours = Record {
            message_id: record.message_id.as_deref().unwrap_or_default(),
            receipt_handle: record.receipt_handle.as_deref().unwrap_or_default(),
            body: record.body.as_deref().unwrap_or_default(),
            attributes: &record.attributes,
        };
        if self.is_dead_letter(record) {
            return self.dead_letter(record, &ours).await;
        }
        let received = match received(&ours) {
            Ok(received) => sorted_by_time(received),
            // It will never be one of ours: it is put aside, where people look, instead of coming again and again.
            Err(failure) => {
                error!(message = ours.message_id, reason = %failure, "put aside");
                return self.aws.put_aside(stage, &ours, &failure.to_string()).await;
            }
        };
        let (context, work) = (self.context.clone(), received);
        // A task of its own, so that a panic is this message's failure and not that of its siblings.
        let handled = tokio::spawn(async move { handle(&context, &work, Some(deadline)).await }).await;
        let disposition = handled.map_err(|panic| Error::later(format!("failed in an unforeseen way: {panic}")))??;
        if let Disposition::GivenUp(why) = disposition {
            info!(why, "given up; its run says so");
        }
        Ok(())
    }

    /// What was put aside ends its run, so that nobody waits for it. What cannot be read stays where it is.
    async fn dead_letter(&self, record: &SqsMessage, ours: &Record<'_>) -> Result<()> {
        let told = |name: &str| record.message_attributes.get(name).and_then(|told| told.string_value.clone());
        let letter = DeadLetter::of(ours, told);
        // What cannot even be read by the stage it was for counts as poll's: there is an alarm for each stage.
        let stage = letter.stage.or(letter.message.as_ref().map(|message| message.task.stage())).unwrap_or(Stage::Poll);
        let span = match &letter.message {
            Some(Message { task, .. }) => {
                let (sync, run) = (task.sync(), task.run());
                info_span!("dead letter", stage = stage.as_str(), %sync, tenant = %sync.tenant, %run)
            }
            None => info_span!("dead letter", stage = stage.as_str()),
        };
        span.in_scope(|| metrics::emit("DeadLetters", 1, Unit::Count));
        let Some(message) = letter.message else {
            return Err(Error::stop(format!("message {} is none of ours: {}", ours.message_id, letter.reason)));
        };
        let received =
            sorted_by_time(Received { message, receipt: letter.receipt, receive_count: letter.receive_count });
        abandon(&self.context, &received, &letter.reason).instrument(span).await
    }

    fn is_dead_letter(&self, record: &SqsMessage) -> bool {
        let queue = self.aws.settings().queues.dead_letters.rsplit('/').next().unwrap_or_default();
        record.event_source_arn.as_deref().is_some_and(|arn| arn.rsplit(':').next() == Some(queue))
    }
}

#[cfg(test)]
mod tests {
    use engine::model::message::{PollTask, Reason};
    use engine::model::window::Selection;

    use super::*;

    fn asked_for(run: &str) -> RunId {
        let task = PollTask {
            sync: "acme/jde-looker/suppliers".parse().unwrap(),
            run: RunId::new(run),
            reason: Reason::Schedule,
            selection: Selection::Changes,
            sequence: 0,
        };
        let message = Message::new(Task::Poll(task));
        sorted_by_time(Received { message, receipt: String::new(), receive_count: 1 }).message.task.run().clone()
    }

    #[test]
    fn a_run_of_a_schedule_sorts_among_the_others() {
        let scheduled = asked_for("2026-11-21T06:00:00Z-1f2e3d4c5b6a7988");
        assert_eq!(scheduled.as_str(), "20261121T060000-1f2e3d4c5b6a7988");
        let by_hand = "20261121T055959-00000011";
        assert_eq!(asked_for(by_hand).as_str(), by_hand);
        assert!(RunId::new(by_hand) < scheduled);
    }
}
