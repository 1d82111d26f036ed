//! Where a read stands: whose turn it is, in which slice of the window, behind which key.
//!
//! Invariant: the slices of a window touch and leave nothing out, and a record that changes while it is read moves only
//! into a later one. A slice's ends are kept with the position, so that a read that goes on later goes on with them.

use chrono::{DateTime, Utc};
use engine::model::window::Window;
use serde::{Deserialize, Serialize};

use super::background::Pending;
use super::dates;
use super::query::Plan;
use crate::key_range::At;

/// The position that the engine keeps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Which SetID and values of the filter.
    #[serde(default)]
    pub(super) turn: usize,
    /// Where the slice begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<DateTime<Utc>>,
    /// Where it ends; open when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<DateTime<Utc>>,
    /// Where the last page ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<At>,
    /// Pages of this slice so far.
    #[serde(default)]
    pub(super) pages: u32,
    /// Rows of this slice so far.
    #[serde(default)]
    pub(super) rows: u64,
    /// What an operation gave for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<String>,
    /// The query that runs in the background.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pending: Option<Pending>,
}

impl Place {
    /// Where a window begins.
    pub(super) fn first(plan: &Plan<'_>, window: Window, now: DateTime<Utc>) -> Self {
        Self::of_turn(plan, window, now, 0)
    }

    fn of_turn(plan: &Plan<'_>, window: Window, now: DateTime<Utc>, turn: usize) -> Self {
        if plan.fineness.is_none() {
            return Self { turn, ..Self::default() };
        }
        let zone = plan.settings.zone;
        let from = window.from.or_else(|| plan.settings.history_from.map(|day| dates::start_of(zone, day)));
        let to = end(plan, from, window, now);
        Self { turn, from, to, ..Self::default() }
    }

    /// The slice after this one; nothing after the last.
    pub(super) fn next_slice(&self, plan: &Plan<'_>, window: Window, now: DateTime<Utc>) -> Option<Self> {
        if let Some(from) = self.to.filter(|to| window.to.is_none_or(|end| *to < end)) {
            let to = end(plan, Some(from), window, now);
            return Some(Self { turn: self.turn, from: Some(from), to, ..Self::default() });
        }
        let turn = self.turn + 1;
        (turn < plan.turns.len()).then(|| Self::of_turn(plan, window, now, turn))
    }
}

/// Where a slice that begins here ends.
fn end(plan: &Plan<'_>, from: Option<DateTime<Utc>>, window: Window, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let Some(from) = from.filter(|_| plan.has_end && plan.slice_days > 0) else {
        return window.to;
    };
    let end = dates::days_later(plan.settings.zone, from, plan.slice_days)?;
    match window.to {
        Some(to) => Some(end.min(to)),
        // The last slice stays open: what changes while it is read belongs to it.
        None => Some(end).filter(|end| *end < now),
    }
}
