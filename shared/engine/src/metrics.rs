//! Figures for whoever watches. The engine and the connectors only emit events of one target; a program turns them into
//! metrics of its surroundings, or leaves them.
//!
//! The event carries `metric`, `value` and `unit`. What it belongs to (integration, stage, sync, run) are fields of the
//! span in which [`crate::stages::handle`] works.

/// The target of these events.
pub const TARGET: &str = "metrics";

/// Units in the words of CloudWatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// How many.
    Count,
    /// How long, in thousandths of a second.
    Milliseconds,
    /// How long, in seconds.
    Seconds,
}

impl Unit {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Seconds => "Seconds",
        }
    }
}

/// Emits one figure. Names are in the style of CloudWatch: `RecordsInserted`.
pub fn emit(metric: &'static str, value: u64, unit: Unit) {
    tracing::event!(target: TARGET, tracing::Level::INFO, metric, value, unit = unit.as_str());
}
