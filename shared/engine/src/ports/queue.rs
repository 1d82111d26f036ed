//! The queues between the stages.

use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::model::message::{Message, Stage};

/// A message that was handed out and is invisible to others until its visibility ends.
#[derive(Debug, Clone)]
pub struct Received {
    /// What to do.
    pub message: Message,
    /// By which it is deleted.
    pub receipt: String,
    /// How often it was handed out, this time included.
    pub receive_count: u32,
}

/// At-least-once queues, one per stage, without order. What is sent is durable when `send` returns.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Sends a message to the stage of its task, to be seen after `delay`.
    ///
    /// # Errors
    /// Later when the queue cannot be reached.
    async fn send(&self, message: &Message, delay: Duration) -> Result<()>;

    /// Takes up to `max` messages of a stage and hides them for `visibility`.
    ///
    /// # Errors
    /// Later when the queue cannot be reached.
    async fn receive(&self, stage: Stage, max: usize, visibility: Duration) -> Result<Vec<Received>>;

    /// Deletes a message that is done. Deleting twice is no error.
    ///
    /// # Errors
    /// Later when the queue cannot be reached.
    async fn delete(&self, stage: Stage, receipt: &str) -> Result<()>;

    /// Puts a message that failed too often aside, with the reason, and takes it off its stage.
    ///
    /// # Errors
    /// Later when the queue cannot be reached.
    async fn dead_letter(&self, stage: Stage, received: &Received, reason: &str) -> Result<()>;
}
