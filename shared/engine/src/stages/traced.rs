//! A queue whose messages carry what they came from.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::model::message::{Message, Stage};
use crate::ports::{Queue, Received};

pub(super) struct Traced {
    pub(super) queue: Arc<dyn Queue>,
    pub(super) trace: String,
}

#[async_trait]
impl Queue for Traced {
    async fn send(&self, message: &Message, delay: Duration) -> Result<()> {
        if message.trace.is_some() {
            return self.queue.send(message, delay).await;
        }
        self.queue.send(&Message { trace: Some(self.trace.clone()), ..message.clone() }, delay).await
    }

    async fn receive(&self, stage: Stage, max: usize, visibility: Duration) -> Result<Vec<Received>> {
        self.queue.receive(stage, max, visibility).await
    }

    async fn delete(&self, stage: Stage, receipt: &str) -> Result<()> {
        self.queue.delete(stage, receipt).await
    }

    async fn dead_letter(&self, stage: Stage, received: &Received, reason: &str) -> Result<()> {
        self.queue.dead_letter(stage, received, reason).await
    }
}
