//! Progress bars: how far the runs of a command have come, on stderr, only where somebody watches.

use std::sync::Arc;
use std::time::Duration;

use engine::model::id::SyncId;
use engine::ports::Store;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::output::Output;
use crate::rows::state_word;
use crate::words::number;

/// How often a bar looks how far its run has come.
pub const LOOK: Duration = Duration::from_millis(150);

/// The same where each look is a call to a service that is paid for.
pub const LOOK_AFAR: Duration = Duration::from_secs(1);

/// The bar of one sync's turn. Without a terminal it does nothing.
pub struct Progress {
    watching: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Shows a bar for the runs of `sync` that begin from now on.
    pub fn start(output: &Output, store: &Arc<dyn Store>, sync: &SyncId, look: Duration) -> Self {
        let Some(bars) = output.bars() else {
            return Self { watching: None };
        };
        let bar = bars.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix:24} {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(sync.stream.clone());
        bar.enable_steady_tick(LOOK);
        let (end, ended) = oneshot::channel();
        let watching = tokio::spawn(watch(bar, Arc::clone(store), sync.clone(), look, ended));
        Self { watching: Some((end, watching)) }
    }

    /// Takes the last look and leaves the bar standing as it is.
    pub async fn end(self) {
        let Some((end, watching)) = self.watching else { return };
        // A watcher that is gone already has nothing left to show.
        let _gone = end.send(()).is_err();
        let _panicked = watching.await.is_err();
    }
}

async fn watch(
    bar: ProgressBar,
    store: Arc<dyn Store>,
    sync: SyncId,
    look: Duration,
    mut ended: oneshot::Receiver<()>,
) {
    let known = newest(&store, &sync).await.map(|(run, _)| run);
    loop {
        let over = tokio::time::timeout(look, &mut ended).await.is_ok();
        if let Some((run, message)) = newest(&store, &sync).await
            && Some(run) != known
        {
            bar.set_message(message);
        }
        if over {
            bar.finish();
            return;
        }
    }
}

/// The newest run of a sync, and how far it has come.
async fn newest(store: &Arc<dyn Store>, sync: &SyncId) -> Option<(String, String)> {
    // A bar that misses a look shows it with the next one.
    let run = store.runs(sync, 1).await.ok()?.pop()?;
    let batches = match run.expected {
        Some(expected) if expected > run.done => format!(", {} of {expected} batches", run.done),
        _ => String::new(),
    };
    let message = format!("{:>11} rows  {}{batches}", number(run.counts.polled), state_word(&run));
    Some((run.id.to_string(), message))
}
