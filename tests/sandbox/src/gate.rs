//! Holds calls until it is opened, so that a test can look at a call under way without waiting by the clock.

use std::sync::Arc;

use tokio::sync::watch;

/// A gate that calls stand before.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<(bool, usize)>>);

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new((false, 0))))
    }

    /// Lets all held calls go on, and later ones pass.
    pub fn open(&self) {
        self.0.send_modify(|state| state.0 = true);
    }

    /// Waits until `calls` calls have arrived at the gate.
    pub async fn reached_by(&self, calls: usize) {
        let mut state = self.0.subscribe();
        // The gate itself holds the sender, so this ends only when the calls are there.
        let _arrived = state.wait_for(|state| state.1 >= calls).await.is_ok();
    }

    pub(crate) async fn pass(&self) {
        let mut state = self.0.subscribe();
        self.0.send_modify(|state| state.1 += 1);
        let _opened = state.wait_for(|state| state.0).await.is_ok();
    }
}
