//! The promises of [`Queue`].

use std::time::Duration;

use engine::model::audit::Counts;
use engine::model::batch::Version;
use engine::model::message::{BatchTask, Message, PollTask, Reason, Stage, Task};
use engine::model::window::Selection;
use engine::ports::{Queue, Received};
use engine::stages::Limits;

use crate::Kept;
use crate::sample::{batch_id, noise, run_id, sync};

const NOW: Duration = Duration::ZERO;

/// For how long the checks hide and delay messages. A clock that is made to pass can take any time; where time passes by
/// itself, little is enough, as long as a check is over sooner.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// For how long a message is hidden that was handed out.
    pub visibility: Duration,
    /// How late a delayed message comes.
    pub delay: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { visibility: Duration::from_secs(20), delay: Duration::from_secs(10) }
    }
}

impl Pace {
    /// Until a message is seen again that was handed out.
    fn longer(self) -> Duration {
        self.visibility + Duration::from_secs(1)
    }
}

/// Holds a queue to all its promises. `make` gives a queue with nothing in it; `pass` lets so much of its time pass.
pub async fn queue_battery<Q: Queue>(make: impl AsyncFn() -> Q, pass: impl AsyncFn(Duration)) {
    queue_battery_at(Pace::default(), make, pass).await;
}

/// [`queue_battery`] at another pace.
pub async fn queue_battery_at<Q: Queue>(pace: Pace, make: impl AsyncFn() -> Q, pass: impl AsyncFn(Duration)) {
    message_arrives_whole_at_its_stage(&make().await, pace).await;
    big_payload_is_carried(&make().await, pace).await;
    no_more_are_received_than_asked_for(&make().await, pace).await;
    received_message_is_hidden_and_comes_again(&make().await, pace, &pass).await;
    deleted_message_does_not_come_again(&make().await, pace, &pass).await;
    stale_receipt_deletes_nothing(&make().await, pace, &pass).await;
    delayed_message_comes_late(&make().await, pace, &pass).await;
    dead_letter_leaves_its_stage(&make().await, pace, &pass).await;
}

fn batch_task(seq: u32) -> BatchTask {
    BatchTask {
        sync: sync("queue"),
        batch: batch_id("queue", 1, seq),
        part: 2,
        version: Version::new(3, seq),
        mapping: 4,
        touch: true,
        counts: Counts { polled: 5, filtered: 5, ..Counts::default() },
    }
}

fn transform(seq: u32) -> Message {
    Message::with_rows(Task::Transform(batch_task(seq)), noise(1000))
}

async fn send(queue: &impl Queue, message: &Message, delay: Duration) {
    queue.send(message, delay).await.kept("a message can be sent");
}

async fn receive(queue: &impl Queue, pace: Pace, stage: Stage) -> Vec<Received> {
    queue.receive(stage, 10, pace.visibility).await.kept("messages can be received")
}

/// Queues need not hand out all they have in one answer.
async fn receive_all(queue: &impl Queue, pace: Pace, stage: Stage, count: usize) -> Vec<Received> {
    let mut all = Vec::new();
    for _ in 0..50 {
        if all.len() >= count {
            break;
        }
        all.extend(receive(queue, pace, stage).await);
    }
    assert_eq!(all.len(), count, "every message that was sent is received");
    all
}

async fn receive_one(queue: &impl Queue, pace: Pace, stage: Stage) -> Received {
    receive_all(queue, pace, stage, 1).await.pop().kept("a message that was sent is received")
}

async fn message_arrives_whole_at_its_stage(queue: &impl Queue, pace: Pace) {
    let poll = Task::Poll(PollTask {
        sync: sync("queue"),
        run: run_id("queue", 1),
        reason: Reason::Schedule,
        selection: Selection::Full { accept_deletes: true },
        sequence: 7,
    });
    let mut retried = Message::with_rows(Task::Load(batch_task(1)), noise(50));
    retried.attempt = 3;
    let close = Task::Close { sync: sync("queue"), run: run_id("queue", 1) };
    let sent = [Message::new(poll), transform(0), retried, Message::new(close)];
    for message in &sent {
        send(queue, message, NOW).await;
    }
    for (stage, count) in [(Stage::Poll, 1), (Stage::Transform, 1), (Stage::Load, 2)] {
        for received in receive_all(queue, pace, stage, count).await {
            assert!(sent.contains(&received.message), "a message arrives as it was sent: {:?}", received.message.task);
            assert_eq!(received.message.task.stage(), stage, "a message arrives at the stage of its task");
            assert_eq!(received.receive_count, 1, "the first time a message is handed out counts as one");
        }
    }
}

async fn big_payload_is_carried(queue: &impl Queue, pace: Pace) {
    let message = Message::with_rows(Task::Load(batch_task(0)), noise(Limits::default().message_bytes));
    send(queue, &message, NOW).await;
    let received = receive_one(queue, pace, Stage::Load).await;
    assert!(received.message == message, "the greatest payload that the engine sends arrives with every byte");
}

async fn no_more_are_received_than_asked_for(queue: &impl Queue, pace: Pace) {
    for seq in 0..3 {
        send(queue, &transform(seq), NOW).await;
    }
    let two = queue.receive(Stage::Transform, 2, pace.visibility).await.kept("messages can be received");
    assert!(two.len() <= 2, "no more messages are handed out than were asked for");
    receive_all(queue, pace, Stage::Transform, 3 - two.len()).await;
}

async fn received_message_is_hidden_and_comes_again(queue: &impl Queue, pace: Pace, pass: &impl AsyncFn(Duration)) {
    send(queue, &transform(0), NOW).await;
    let first = receive_one(queue, pace, Stage::Transform).await;
    assert!(receive(queue, pace, Stage::Transform).await.is_empty(), "a message that was handed out is hidden");
    pass(pace.longer()).await;
    let second = receive_one(queue, pace, Stage::Transform).await;
    assert_eq!(second.message, first.message, "a message that was not deleted comes again when its visibility ends");
    assert_eq!(second.receive_count, 2, "handing out is counted");
}

async fn deleted_message_does_not_come_again(queue: &impl Queue, pace: Pace, pass: &impl AsyncFn(Duration)) {
    send(queue, &transform(0), NOW).await;
    let received = receive_one(queue, pace, Stage::Transform).await;
    for _ in 0..2 {
        queue.delete(Stage::Transform, &received.receipt).await.kept("a message can be deleted, also twice");
    }
    pass(pace.longer()).await;
    assert!(receive(queue, pace, Stage::Transform).await.is_empty(), "a deleted message does not come again");
}

async fn stale_receipt_deletes_nothing(queue: &impl Queue, pace: Pace, pass: &impl AsyncFn(Duration)) {
    send(queue, &transform(0), NOW).await;
    let slow = receive_one(queue, pace, Stage::Transform).await;
    pass(pace.longer()).await;
    receive_one(queue, pace, Stage::Transform).await;
    queue.delete(Stage::Transform, &slow.receipt).await.kept("deleting by a stale receipt is no error");
    pass(pace.longer()).await;
    let again = receive_one(queue, pace, Stage::Transform).await;
    queue.delete(Stage::Transform, &again.receipt).await.kept("a message can be deleted");
}

async fn delayed_message_comes_late(queue: &impl Queue, pace: Pace, pass: &impl AsyncFn(Duration)) {
    send(queue, &transform(0), pace.delay).await;
    assert!(receive(queue, pace, Stage::Transform).await.is_empty(), "a delayed message is not seen before its time");
    pass(pace.delay + Duration::from_secs(1)).await;
    let received = receive_one(queue, pace, Stage::Transform).await;
    assert_eq!(received.receive_count, 1, "waiting does not use up the receive count");
}

async fn dead_letter_leaves_its_stage(queue: &impl Queue, pace: Pace, pass: &impl AsyncFn(Duration)) {
    send(queue, &transform(0), NOW).await;
    send(queue, &transform(1), NOW).await;
    let mut both = receive_all(queue, pace, Stage::Transform, 2).await;
    let dead = both.pop().kept("two were received");
    for _ in 0..2 {
        let put_aside = queue.dead_letter(Stage::Transform, &dead, "it panicked").await;
        put_aside.kept("a message can be put aside, also twice");
    }
    pass(pace.longer()).await;
    let left = receive_one(queue, pace, Stage::Transform).await;
    assert!(left.message != dead.message, "a message that was put aside leaves its stage, and no other does");
}
