//! Runs the stages in one process over the embedded backend, several batches in flight, until the queues are empty.
//!
//! The driver decides nothing about records: it hands messages to [`engine::stages::handle`], the very function that the
//! Lambda functions call, and deletes them when that has decided.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use backend_embedded::Embedded;
use engine::model::message::Stage;
use engine::ports::Queue;
use engine::stages::{Context, Disposition, handle};
use engine::{Error, Result};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How long a message stays hidden while it is worked on. Nobody else works here, and what a killed process held is made
/// visible again when the next one starts; so this only has to be longer than any work.
const VISIBILITY: Duration = Duration::from_secs(3_600);

/// How long an idle worker sleeps at most before it looks whether the others are idle too.
const IDLE: Duration = Duration::from_millis(250);

/// How many batches are worked on at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lanes {
    /// Polls at once.
    pub poll: usize,
    /// Batches in transform at once.
    pub transform: usize,
    /// Batches in load at once.
    pub load: usize,
}

impl Default for Lanes {
    fn default() -> Self {
        Self { poll: 1, transform: 1, load: 2 }
    }
}

impl Lanes {
    fn of(self, stage: Stage) -> usize {
        match stage {
            Stage::Poll => self.poll,
            Stage::Transform => self.transform,
            Stage::Load => self.load,
        }
    }
}

/// Works until no message is left, also none that waits for its time.
///
/// # Errors
/// When the embedded store fails. Messages whose work failed are not errors here: their runs say what happened.
pub async fn drain(context: &Context, embedded: &Arc<Embedded>, lanes: Lanes) -> Result<()> {
    let shared = Arc::new(Shared::default());
    let mut workers = JoinSet::new();
    for stage in Stage::ALL {
        for _ in 0..lanes.of(stage) {
            let worker =
                Worker { context: context.clone(), embedded: Arc::clone(embedded), shared: Arc::clone(&shared), stage };
            workers.spawn(worker.run());
        }
    }
    let mut first_failure = None;
    while let Some(ended) = workers.join_next().await {
        let result = ended.unwrap_or_else(|panic| Err(Error::stop(format!("a worker ended unexpectedly: {panic}"))));
        if let Err(failure) = result {
            // The others stop at once: what they had in hand is still in the queue.
            workers.abort_all();
            first_failure.get_or_insert(failure);
        }
    }
    first_failure.map_or(Ok(()), Err)
}

/// What the workers know of each other.
#[derive(Default)]
struct Shared {
    /// Workers that have a message in hand, or look for one.
    busy: AtomicUsize,
    /// Messages that were done.
    done: AtomicUsize,
    /// Set when the queues are empty and nobody works.
    ended: watch::Sender<bool>,
}

struct Worker {
    context: Context,
    embedded: Arc<Embedded>,
    shared: Arc<Shared>,
    stage: Stage,
}

impl Worker {
    async fn run(self) -> Result<()> {
        let mut ended = self.shared.ended.subscribe();
        while !*ended.borrow() {
            self.shared.busy.fetch_add(1, Ordering::SeqCst);
            let worked = self.work().await;
            self.shared.done.fetch_add(usize::from(matches!(worked, Ok(true))), Ordering::SeqCst);
            self.shared.busy.fetch_sub(1, Ordering::SeqCst);
            if worked? {
                continue;
            }
            if self.all_idle().await? {
                self.shared.ended.send_replace(true);
                return Ok(());
            }
            tokio::select! {
                waited = self.embedded.wait(self.stage) => waited?,
                _ = ended.changed() => {}
                // Messages that wait for their time come without a call.
                () = tokio::time::sleep(IDLE) => {}
            }
        }
        Ok(())
    }

    /// Takes one message and does it. Says whether there was one.
    async fn work(&self) -> Result<bool> {
        let mut messages = self.embedded.receive(self.stage, 1, VISIBILITY).await?;
        let Some(received) = messages.pop().map(Arc::new) else {
            return Ok(false);
        };
        let context = self.context.clone();
        let task = Arc::clone(&received);
        // A task of its own, so that a panic is this message's failure and not the end of the process.
        let mut handled = EndsWithWorker(tokio::spawn(async move { handle(&context, &task, None).await }));
        match (&mut handled.0).await {
            Ok(disposition) => {
                if let Disposition::Later(delay) = disposition? {
                    tracing::debug!(stage = self.stage.as_str(), seconds = delay.as_secs(), "put back");
                }
            }
            Err(panic) => {
                let why = format!("{} failed in an unforeseen way ({panic}): please report it", self.stage.as_str());
                engine::stages::abandon(&self.context, &received, &why).await?;
                self.embedded.dead_letter(self.stage, &received, &why).await?;
                return Ok(true);
            }
        }
        self.embedded.delete(self.stage, &received.receipt).await?;
        Ok(true)
    }

    /// Whether no message is left and nobody works. The queues are counted one after the other, so it only holds when
    /// no message was done meanwhile: one that was could have sent another to a queue that had been counted.
    async fn all_idle(&self) -> Result<bool> {
        let done = self.shared.done.load(Ordering::SeqCst);
        for stage in Stage::ALL {
            if self.embedded.pending(stage).await? > 0 {
                return Ok(false);
            }
        }
        let nobody_works = self.shared.busy.load(Ordering::SeqCst) == 0;
        Ok(nobody_works && self.shared.done.load(Ordering::SeqCst) == done)
    }
}

/// Work that stops when its worker is stopped.
struct EndsWithWorker<T>(JoinHandle<T>);

impl<T> Drop for EndsWithWorker<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
