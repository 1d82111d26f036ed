//! The queues: one SQS standard queue per stage, and one for what was put aside.
//!
//! A message is JSON: the envelope, and the rows as `rows` in base64 of their compressed block, at most 1 MiB in all. Its
//! group is the tenant, which makes the queue a fair one: a tenant with many messages does not keep the others waiting.
//!
//! In a function messages come by event and not by [`Queue::receive`]: [`received`] reads a record of such an event.
//!
//! A call costs one request per 64 KB begun: a batch of 300 KB of rows seven when it is sent and seven when it is received;
//! deleting costs one.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::types::{
    Message as SqsMessage, MessageAttributeValue, MessageSystemAttributeName as System, QueueAttributeName,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use engine::model::message::{Message, Stage};
use engine::ports::{Queue, Received};
use engine::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::Aws;
use crate::failure::failed;

/// What SQS takes is 1 MiB, attributes included. Room is left for those of a message that is put aside.
const BODY_BYTES: usize = (1 << 20) - (8 << 10);

/// The longest delay that SQS knows. Work that waits longer comes earlier, and the engine puts it back once more.
const LONGEST_DELAY: Duration = Duration::from_secs(900);

/// The longest time for which SQS hides a message.
const LONGEST_VISIBILITY: Duration = Duration::from_secs(12 * 3600);

/// SQS hands out no more at once.
const RECEIVED_AT_ONCE: usize = 10;

/// Long enough that all servers of a queue are asked, and not only some, whose answer may be empty.
const WAIT_SECONDS: i32 = 1;

/// What a queue tells of how many messages it has: those that can be taken, are in somebody's hands, wait for their time.
const NUMBERS: [QueueAttributeName; 3] = [
    QueueAttributeName::ApproximateNumberOfMessages,
    QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    QueueAttributeName::ApproximateNumberOfMessagesDelayed,
];

/// How much of a reason travels with a message that is put aside.
const REASON_BYTES: usize = 2048;

/// A group is named by up to so many characters.
const GROUP_CHARACTERS: usize = 128;

const RECEIVES: &str = "ApproximateReceiveCount";
const SENT: &str = "SentTimestamp";

/// What travels: the fields of the envelope, and the rows among them.
#[derive(Serialize, Deserialize)]
struct Envelope<M> {
    #[serde(flatten)]
    message: M,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    rows: String,
}

/// The text of a message as it lies in a queue.
///
/// # Errors
/// Stops when it is longer than a queue takes.
pub fn body(message: &Message) -> Result<String> {
    let envelope = Envelope { message, rows: BASE64.encode(&message.payload) };
    let text = serde_json::to_string(&envelope)
        .map_err(|e| Error::stop(format!("a message cannot be written down: {e}")))?
        // The only characters that JSON leaves as they are and SQS does not take.
        .replace('\u{FFFE}', "\\ufffe")
        .replace('\u{FFFF}', "\\uffff");
    if text.len() > BODY_BYTES {
        let (sync, rows, limit) = (message.task.sync(), message.payload.len(), BODY_BYTES);
        return Err(Error::stop(format!(
            "a {} message of {sync} has {} bytes, {rows} of them rows before base64; a queue takes {limit}: lower \
             `message_bytes`, so that greater rows stay in the archive",
            message.task.stage().as_str(),
            text.len(),
        )));
    }
    Ok(text)
}

/// A message as SQS hands it to a function, in an event.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// By which SQS knows it, and by which a function names what it could not do.
    pub message_id: &'a str,
    /// By which it is deleted.
    pub receipt_handle: &'a str,
    /// Its text.
    pub body: &'a str,
    /// `attributes` of the event: what SQS says of it, such as how often it was handed out.
    pub attributes: &'a HashMap<String, String>,
}

/// Reads a message that came by event. Its receipt is good for [`Queue::delete`] and [`Queue::dead_letter`].
///
/// # Errors
/// Stops when it is no message of this program, and names its id: it will never be one, so put it aside with
/// [`Aws::put_aside`].
pub fn received(record: &Record<'_>) -> Result<Received> {
    let envelope: Envelope<Message> = serde_json::from_str(record.body).map_err(|e| unreadable(record, &e))?;
    let payload = BASE64.decode(&envelope.rows).map_err(|e| unreadable(record, &e))?;
    Ok(Received {
        message: Message { payload, ..envelope.message },
        receipt: Receipt::of(record).text(),
        receive_count: receives(record.attributes),
    })
}

fn unreadable(record: &Record<'_>, error: &dyn std::fmt::Display) -> Error {
    let id = record.message_id;
    Error::stop(format!("message {id} cannot be read, another version or somebody else sent it: {error}"))
}

fn receives(attributes: &HashMap<String, String>) -> u32 {
    attributes.get(RECEIVES).and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// A message in the hands of a receiver: its handle, and what is told of it when it is put aside.
struct Receipt<'a> {
    message_id: &'a str,
    sent: &'a str,
    handle: &'a str,
}

impl<'a> Receipt<'a> {
    fn of(record: &Record<'a>) -> Self {
        let sent = record.attributes.get(SENT).map_or("", String::as_str);
        Self { message_id: record.message_id, sent, handle: record.receipt_handle }
    }

    /// A text that is no receipt of ours is the handle itself.
    fn parse(text: &'a str) -> Self {
        let mut parts = text.splitn(3, ' ');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(message_id), Some(sent), Some(handle)) => Self { message_id, sent, handle },
            _ => Self { message_id: "", sent: "", handle: text },
        }
    }

    fn text(&self) -> String {
        format!("{} {} {}", self.message_id, self.sent, self.handle)
    }
}

/// A message that was put aside, by this program or by SQS itself.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The stage that could not do it; `None` when it cannot be told.
    pub stage: Option<Stage>,
    /// What it could not do, with its rows; `None` when it cannot even be read.
    pub message: Option<Message>,
    /// Why, in words.
    pub reason: String,
    /// By which SQS knew it in the queue of its stage; empty when SQS moved it.
    pub message_id: String,
    /// When it had been sent to its stage.
    pub sent_at: Option<DateTime<Utc>>,
    /// How often it had been handed out.
    pub receive_count: u32,
    /// By which it is deleted: [`Aws::delete_dead_letter`].
    pub receipt: String,
}

impl DeadLetter {
    /// Reads a record of an event of the dead-letter queue. `told` are the values of the record's message attributes.
    pub fn of(record: &Record<'_>, told: impl Fn(&str) -> Option<String>) -> Self {
        let message = received(record).ok().map(|received| received.message);
        let stage = told("stage").and_then(|told| Stage::ALL.into_iter().find(|stage| stage.as_str() == told));
        let sent = told("sent_at").or_else(|| record.attributes.get(SENT).cloned());
        Self {
            stage: stage.or_else(|| message.as_ref().map(|message| message.task.stage())),
            message,
            reason: told("reason").unwrap_or_else(|| {
                "it was handed out again and again and never done: whoever had it crashed or ran out of time".to_owned()
            }),
            message_id: told("message_id").unwrap_or_default(),
            sent_at: sent.and_then(|sent| DateTime::from_timestamp_millis(sent.parse().ok()?)),
            receive_count: told("receives").and_then(|count| count.parse().ok()).unwrap_or(receives(record.attributes)),
            receipt: Receipt::of(record).text(),
        }
    }
}

#[async_trait]
impl Queue for Aws {
    async fn send(&self, message: &Message, delay: Duration) -> Result<()> {
        let (stage, queue) = (message.task.stage(), self.queue_of(message.task.stage()));
        let sent = self
            .inner
            .sqs
            .send_message()
            .queue_url(queue)
            .message_body(body(message)?)
            .message_group_id(group(message))
            .delay_seconds(seconds(delay.min(LONGEST_DELAY)))
            .send();
        sent.await.map_err(|e| failed("sqs:SendMessage", &named(stage), &e))?;
        Ok(())
    }

    async fn receive(&self, stage: Stage, max: usize, visibility: Duration) -> Result<Vec<Received>> {
        let mut all = Vec::new();
        for message in self.take(self.queue_of(stage), &named(stage), max, visibility).await? {
            let attributes = attributes(&message);
            let record = record(&message, &attributes);
            match received(&record) {
                Ok(received) => all.push(received),
                Err(error) => {
                    tracing::error!(stage = stage.as_str(), %error, "a message is put aside");
                    self.put_aside(stage, &record, &error.to_string()).await?;
                }
            }
        }
        Ok(all)
    }

    async fn delete(&self, stage: Stage, receipt: &str) -> Result<()> {
        self.remove(self.queue_of(stage), &named(stage), receipt).await
    }

    async fn dead_letter(&self, stage: Stage, received: &Received, reason: &str) -> Result<()> {
        let receipt = Receipt::parse(&received.receipt);
        let group = group(&received.message);
        self.bury(stage, &receipt, (body(&received.message)?, group), received.receive_count, reason).await?;
        self.delete(stage, &received.receipt).await
    }
}

impl Aws {
    /// Puts a message aside that cannot be read, as it is: it must neither be lost nor come again and again.
    ///
    /// # Errors
    /// As [`Queue::dead_letter`].
    pub async fn put_aside(&self, stage: Stage, record: &Record<'_>, reason: &str) -> Result<()> {
        let receipt = Receipt::of(record);
        let message = (record.body.to_owned(), "unreadable".to_owned());
        self.bury(stage, &receipt, message, receives(record.attributes), reason).await?;
        self.delete(stage, &receipt.text()).await
    }

    /// How many messages a stage has, those in somebody's hands and those that wait for their time included. SQS tells
    /// their number only roughly.
    ///
    /// # Errors
    /// As [`Queue::send`].
    pub async fn pending(&self, stage: Stage) -> Result<u64> {
        let asked = self.inner.sqs.get_queue_attributes().queue_url(self.queue_of(stage));
        let asked = asked.set_attribute_names(Some(NUMBERS.to_vec())).send().await;
        let told = asked.map_err(|e| failed("sqs:GetQueueAttributes", &named(stage), &e))?;
        let numbers = told.attributes().into_iter().flatten().filter(|(name, _)| NUMBERS.contains(name));
        Ok(numbers.filter_map(|(_, number)| number.parse::<u64>().ok()).sum())
    }

    /// Takes up to ten messages that were put aside and hides them for `visibility`.
    ///
    /// # Errors
    /// As [`Queue::receive`].
    pub async fn dead_letters(&self, visibility: Duration) -> Result<Vec<DeadLetter>> {
        let queue = &self.inner.settings.queues.dead_letters;
        let messages = self.take(queue, DEAD_LETTERS, RECEIVED_AT_ONCE, visibility).await?;
        let letters = messages.iter().map(|message| {
            let attributes = attributes(message);
            let told = |name: &str| message.message_attributes.as_ref()?.get(name)?.string_value.clone();
            DeadLetter::of(&record(message, &attributes), told)
        });
        Ok(letters.collect())
    }

    /// Deletes a message that was put aside. Deleting twice is no error.
    ///
    /// # Errors
    /// As [`Queue::delete`].
    pub async fn delete_dead_letter(&self, receipt: &str) -> Result<()> {
        self.remove(&self.inner.settings.queues.dead_letters, DEAD_LETTERS, receipt).await
    }

    fn queue_of(&self, stage: Stage) -> &str {
        let queues = &self.inner.settings.queues;
        match stage {
            Stage::Poll => &queues.poll,
            Stage::Transform => &queues.transform,
            Stage::Load => &queues.load,
        }
    }

    async fn take(&self, queue: &str, name: &str, max: usize, visibility: Duration) -> Result<Vec<SqsMessage>> {
        let max = i32::try_from(max.clamp(1, RECEIVED_AT_ONCE)).unwrap_or(1);
        let taken = self
            .inner
            .sqs
            .receive_message()
            .queue_url(queue)
            .max_number_of_messages(max)
            .visibility_timeout(seconds(visibility.min(LONGEST_VISIBILITY)))
            .wait_time_seconds(WAIT_SECONDS)
            .message_system_attribute_names(System::ApproximateReceiveCount)
            .message_system_attribute_names(System::SentTimestamp)
            .message_attribute_names("All")
            .send();
        let taken = taken.await.map_err(|e| failed("sqs:ReceiveMessage", name, &e))?;
        Ok(taken.messages.unwrap_or_default())
    }

    async fn remove(&self, queue: &str, name: &str, receipt: &str) -> Result<()> {
        let handle = Receipt::parse(receipt).handle;
        match self.inner.sqs.delete_message().queue_url(queue).receipt_handle(handle).send().await {
            Ok(_) => Ok(()),
            // The receipt of a receiver that was too slow: somebody else has the message by now.
            Err(e) if e.as_service_error().is_some_and(|refusal| refusal.is_receipt_handle_is_invalid()) => Ok(()),
            Err(e) => Err(failed("sqs:DeleteMessage", name, &e)),
        }
    }

    async fn bury(
        &self,
        stage: Stage,
        receipt: &Receipt<'_>,
        (body, group): (String, String),
        receives: u32,
        reason: &str,
    ) -> Result<()> {
        let mut request = self
            .inner
            .sqs
            .send_message()
            .queue_url(&self.inner.settings.queues.dead_letters)
            .message_body(body)
            .message_group_id(group);
        let receives = receives.to_string();
        let told = [
            ("stage", stage.as_str()),
            ("reason", &sendable(reason)),
            ("message_id", receipt.message_id),
            ("sent_at", receipt.sent),
            ("receives", &receives),
        ];
        // SQS takes no empty values.
        for (name, value) in told.into_iter().filter(|(_, value)| !value.is_empty()) {
            request = request.message_attributes(name, attribute(value)?);
        }
        request.send().await.map_err(|e| failed("sqs:SendMessage", DEAD_LETTERS, &e))?;
        Ok(())
    }
}

const DEAD_LETTERS: &str = "the dead-letter queue";

fn named(stage: Stage) -> String {
    format!("the {} queue", stage.as_str())
}

/// The tenant, in the letters that SQS takes for the name of a group.
fn group(message: &Message) -> String {
    let tenant = message.task.sync().tenant.as_str();
    let group = tenant.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).take(GROUP_CHARACTERS);
    Some(group.collect::<String>()).filter(|group| !group.is_empty()).unwrap_or_else(|| "_".to_owned())
}

/// Whole seconds, rounded up.
fn seconds(time: Duration) -> i32 {
    i32::try_from(time.as_millis().div_ceil(1000)).unwrap_or(i32::MAX)
}

/// A reason without what SQS does not take, and not too long.
fn sendable(reason: &str) -> String {
    let is_taken = |c: char| match c {
        '\t' | '\n' | '\r' => true,
        '\u{FFFE}' | '\u{FFFF}' => false,
        c => !c.is_control(),
    };
    let mut text: String = reason.chars().map(|c| if is_taken(c) { c } else { '?' }).collect();
    if text.len() > REASON_BYTES {
        let end = (0..=REASON_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

fn attribute(value: &str) -> Result<MessageAttributeValue> {
    let attribute = MessageAttributeValue::builder().data_type("String").string_value(value).build();
    attribute.map_err(|e| Error::stop(format!("a request cannot be built: {e}")))
}

fn attributes(message: &SqsMessage) -> HashMap<String, String> {
    let attributes = message.attributes.iter().flatten();
    attributes.map(|(name, value)| (name.as_str().to_owned(), value.clone())).collect()
}

fn record<'a>(message: &'a SqsMessage, attributes: &'a HashMap<String, String>) -> Record<'a> {
    Record {
        message_id: message.message_id().unwrap_or_default(),
        receipt_handle: message.receipt_handle().unwrap_or_default(),
        body: message.body().unwrap_or_default(),
        attributes,
    }
}
