//! The queues: one table for all stages, ordered by the time from which a message is seen.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use engine::model::message::{Message, Stage};
use engine::ports::{Queue, Received};
use engine::{Error, Result};
use rusqlite::Connection;
use tokio::sync::Notify;

use crate::database::{Fault, all, execute, one};
use crate::{Embedded, WorkLock};

/// Wakes those who wait for a stage.
#[derive(Default)]
pub(crate) struct Wakes {
    poll: Notify,
    transform: Notify,
    load: Notify,
}

impl Wakes {
    fn of(&self, stage: Stage) -> &Notify {
        match stage {
            Stage::Poll => &self.poll,
            Stage::Transform => &self.transform,
            Stage::Load => &self.load,
        }
    }
}

/// A message that was put aside.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The stage that could not do it.
    pub stage: Stage,
    /// What it could not do, with its rows; `None` when it cannot even be read.
    pub message: Option<Message>,
    /// Why, in words.
    pub reason: String,
    /// When it was put aside.
    pub at: DateTime<Utc>,
    /// How often it had been handed out.
    pub receive_count: u32,
}

/// A message in the hands of a receiver. The count tells this hand-out from later ones: the receipt of a receiver that
/// was too slow does not touch a message that somebody else has by now.
#[derive(Debug, Clone, Copy)]
struct Receipt {
    id: i64,
    receives: u32,
}

impl Receipt {
    fn parse(text: &str) -> Result<Self> {
        text.split_once('-')
            .and_then(|(id, receives)| Some(Self { id: id.parse().ok()?, receives: receives.parse().ok()? }))
            .ok_or_else(|| Error::stop(format!("`{text}` is no receipt of this queue")))
    }

    fn text(self) -> String {
        format!("{}-{}", self.id, self.receives)
    }
}

#[async_trait]
impl Queue for Embedded {
    async fn send(&self, message: &Message, delay: Duration) -> Result<()> {
        let stage = message.task.stage();
        let due = later(self.inner.clock.now(), delay);
        let due = message.not_before.map_or(due, |not_before| due.max(not_before)).timestamp_micros();
        let message = message.clone();
        self.database().write(move |c| insert(c, stage, due, &message)).await?;
        self.inner.wakes.of(stage).notify_waiters();
        Ok(())
    }

    async fn receive(&self, stage: Stage, max: usize, visibility: Duration) -> Result<Vec<Received>> {
        let now = self.inner.clock.now();
        let hidden_until = later(now, visibility).timestamp_micros();
        self.database().write(move |c| take(c, stage, max, now.timestamp_micros(), hidden_until)).await
    }

    async fn delete(&self, stage: Stage, receipt: &str) -> Result<()> {
        let receipt = Receipt::parse(receipt)?;
        self.database()
            .write(move |c| {
                if remove(c, stage, receipt)? {
                    execute(c, "DELETE FROM payloads WHERE id = ?1", (receipt.id,))?;
                }
                Ok(())
            })
            .await
    }

    async fn dead_letter(&self, stage: Stage, received: &Received, reason: &str) -> Result<()> {
        let receipt = Receipt::parse(&received.receipt)?;
        let (at, reason) = (self.inner.clock.now().timestamp_micros(), reason.to_owned());
        self.database().write(move |c| put_aside(c, stage, receipt, at, &reason)).await
    }
}

impl Embedded {
    /// Makes every message visible that was handed out, and frees the permits that were taken: to be called first by the
    /// one who works, as whoever had them is gone. Returns how many messages there were.
    ///
    /// # Errors
    /// As every call to the store.
    pub async fn recover(&self, _lock: &WorkLock) -> Result<u64> {
        let now = self.inner.clock.now().timestamp_micros();
        let sql = "UPDATE messages SET visible_at = ?1 WHERE receives > 0 AND visible_at > ?1";
        let recover = move |c: &Connection| {
            execute(c, "DELETE FROM syncs WHERE owner GLOB 'connection:*' AND item GLOB 'permit/*'", ())?;
            execute(c, sql, (now,))
        };
        let recovered = self.database().write(recover).await?;
        self.wake_all();
        Ok(recovered as u64)
    }

    /// Wakes everybody who waits for a stage at this moment, so that they look around.
    pub fn wake_all(&self) {
        for stage in Stage::ALL {
            self.inner.wakes.of(stage).notify_waiters();
        }
    }

    /// How many messages a stage has, visible or not.
    ///
    /// # Errors
    /// As every call to the store.
    pub async fn pending(&self, stage: Stage) -> Result<u64> {
        let sql = "SELECT count(*) FROM messages WHERE stage = ?1";
        let count = self.database().read(move |c| one(c, sql, (stage.as_str(),), |r| r.get(0))).await?;
        Ok(count.unwrap_or_default())
    }

    /// When the next message of a stage is to be seen, which may be in the past; `None` when it has none.
    ///
    /// # Errors
    /// As every call to the store.
    pub async fn next_due(&self, stage: Stage) -> Result<Option<DateTime<Utc>>> {
        let sql = "SELECT min(visible_at) FROM messages WHERE stage = ?1";
        let due = self.database().read(move |c| one(c, sql, (stage.as_str(),), |r| r.get::<_, Option<i64>>(0))).await?;
        Ok(due.flatten().and_then(DateTime::from_timestamp_micros))
    }

    /// Waits until a stage has a message to be seen now, or is sent one, even a delayed one, or [`Embedded::wake_all`].
    /// It does not watch the clock: wake up at [`Embedded::next_due`] as well.
    ///
    /// # Errors
    /// As every call to the store.
    pub async fn wait(&self, stage: Stage) -> Result<()> {
        let sent = self.inner.wakes.of(stage).notified();
        let mut sent = std::pin::pin!(sent);
        // From here on nothing that is sent is missed, so that looking once is enough.
        sent.as_mut().enable();
        if self.next_due(stage).await?.is_some_and(|due| due <= self.inner.clock.now()) {
            return Ok(());
        }
        sent.await;
        Ok(())
    }

    /// The messages that were put aside, oldest first.
    ///
    /// # Errors
    /// As every call to the store.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>> {
        let sql = "SELECT stage, at, receives, reason, envelope, payload FROM dead_letters \
                   LEFT JOIN payloads USING (id) ORDER BY at, id";
        let rows = self.database().read(move |c| {
            all(c, sql, (), |r| {
                let (stage, at): (String, i64) = (r.get(0)?, r.get(1)?);
                let (receives, reason): (u32, String) = (r.get(2)?, r.get(3)?);
                let (envelope, payload): (String, Option<Vec<u8>>) = (r.get(4)?, r.get(5)?);
                Ok((stage, at, receives, reason, envelope, payload.unwrap_or_default()))
            })
        });
        let letters = rows.await?.into_iter().map(|(stage, at, receive_count, reason, envelope, payload)| {
            let unknown = || Error::stop(format!("a dead letter is of an unknown stage, `{stage}`"));
            let stage = Stage::ALL.into_iter().find(|known| known.as_str() == stage).ok_or_else(unknown)?;
            let at = DateTime::from_timestamp_micros(at).unwrap_or_default();
            Ok(DeadLetter { stage, message: opened(&envelope, payload).ok(), reason, at, receive_count })
        });
        letters.collect()
    }
}

fn later(now: DateTime<Utc>, delay: Duration) -> DateTime<Utc> {
    let delay = TimeDelta::from_std(delay).unwrap_or(TimeDelta::MAX);
    now.checked_add_signed(delay).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn insert(connection: &Connection, stage: Stage, due: i64, message: &Message) -> Result<(), Fault> {
    let envelope =
        serde_json::to_string(message).map_err(|e| Error::stop(format!("a message cannot be written down: {e}")))?;
    let sql = "INSERT INTO messages (stage, visible_at, receives, envelope) VALUES (?1, ?2, 0, ?3)";
    execute(connection, sql, (stage.as_str(), due, envelope))?;
    if !message.payload.is_empty() {
        let sql = "INSERT INTO payloads (id, payload) VALUES (?1, ?2)";
        execute(connection, sql, (connection.last_insert_rowid(), &message.payload))?;
    }
    Ok(())
}

fn take(
    connection: &Connection,
    stage: Stage,
    max: usize,
    now: i64,
    hidden_until: i64,
) -> Result<Vec<Received>, Fault> {
    let sql = "SELECT id, receives, envelope, payload FROM messages LEFT JOIN payloads USING (id) \
               WHERE stage = ?1 AND visible_at <= ?2 ORDER BY visible_at, id LIMIT ?3";
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let due = all(connection, sql, (stage.as_str(), now, max), |r| {
        let receipt = Receipt { id: r.get(0)?, receives: r.get::<_, u32>(1)? + 1 };
        Ok((receipt, r.get::<_, String>(2)?, r.get::<_, Option<Vec<u8>>>(3)?.unwrap_or_default()))
    })?;
    let mut taken = Vec::with_capacity(due.len());
    for (receipt, envelope, payload) in due {
        let sql = "UPDATE messages SET visible_at = ?2, receives = ?3 WHERE id = ?1";
        execute(connection, sql, (receipt.id, hidden_until, receipt.receives))?;
        match opened(&envelope, payload) {
            Ok(message) => {
                taken.push(Received { message, receipt: receipt.text(), receive_count: receipt.receives });
            }
            Err(error) => {
                tracing::error!(stage = stage.as_str(), %error, "a message is put aside");
                put_aside(connection, stage, receipt, now, &error.to_string())?;
            }
        }
    }
    Ok(taken)
}

fn opened(envelope: &str, payload: Vec<u8>) -> Result<Message> {
    let message: Message = serde_json::from_str(envelope)
        .map_err(|e| Error::stop(format!("a message cannot be read, another version wrote it: {e}")))?;
    Ok(Message { payload, ..message })
}

/// Takes a message off its stage, if it is still in the hands that this receipt was given to.
fn remove(connection: &Connection, stage: Stage, receipt: Receipt) -> Result<bool, Fault> {
    let sql = "DELETE FROM messages WHERE id = ?1 AND stage = ?2 AND receives = ?3";
    Ok(execute(connection, sql, (receipt.id, stage.as_str(), receipt.receives))? == 1)
}

fn put_aside(connection: &Connection, stage: Stage, receipt: Receipt, at: i64, reason: &str) -> Result<(), Fault> {
    let sql = "INSERT INTO dead_letters (id, stage, at, receives, reason, envelope) \
               SELECT id, stage, ?4, receives, ?5, envelope FROM messages \
               WHERE id = ?1 AND stage = ?2 AND receives = ?3";
    execute(connection, sql, (receipt.id, stage.as_str(), receipt.receives, at, reason))?;
    remove(connection, stage, receipt)?;
    Ok(())
}
