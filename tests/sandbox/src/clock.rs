//! One settable clock for every simulator.
//!
//! Invariant: simulators never ask the machine for the time, they ask this clock, so a test can stand still, jump past
//! a time-out or live in another year.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// A clock that is shared by cloning: all clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Mutex<Mode>>);

#[derive(Clone, Copy, Debug)]
enum Mode {
    /// Stands still until it is moved.
    Fixed(DateTime<Utc>),
    /// Runs with the machine, shifted.
    Running(TimeDelta),
}

impl Clock {
    /// Runs with the machine's clock.
    pub fn system() -> Self {
        Self::offset(TimeDelta::zero())
    }

    /// Runs with the machine's clock, shifted by `by`.
    pub fn offset(by: TimeDelta) -> Self {
        Self(Arc::new(Mutex::new(Mode::Running(by))))
    }

    /// Stands still at `at` until it is set or advanced.
    pub fn fixed(at: DateTime<Utc>) -> Self {
        Self(Arc::new(Mutex::new(Mode::Fixed(at))))
    }

    /// The time it shows.
    pub fn now(&self) -> DateTime<Utc> {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Mode::Fixed(at) => at,
            Mode::Running(by) => machine_now() + by,
        }
    }

    /// Makes it show `at`: a fixed clock stands there, a running one runs on from there.
    pub fn set(&self, at: DateTime<Utc>) {
        let mut mode = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *mode = match *mode {
            Mode::Fixed(_) => Mode::Fixed(at),
            Mode::Running(_) => Mode::Running(at - machine_now()),
        };
    }

    /// Moves it by `by`, which may be negative.
    pub fn advance(&self, by: TimeDelta) {
        let mut mode = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *mode = match *mode {
            Mode::Fixed(at) => Mode::Fixed(at + by),
            Mode::Running(already) => Mode::Running(already + by),
        };
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place of this crate where the machine's clock is read")]
fn machine_now() -> DateTime<Utc> {
    Utc::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_moves_only_when_told_and_for_every_clone() {
        let start = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let clock = Clock::fixed(start);
        let other = clock.clone();
        assert_eq!(other.now(), start);
        clock.advance(TimeDelta::seconds(61));
        assert_eq!(other.now(), start + TimeDelta::seconds(61));
        other.set(start);
        assert_eq!(clock.now(), start);
    }

    #[test]
    fn a_running_clock_runs_on_from_where_it_was_set() {
        let clock = Clock::system();
        let past = DateTime::from_timestamp(1_000_000_000, 0).unwrap();
        clock.set(past);
        let shown = clock.now();
        assert!(shown >= past && shown < past + TimeDelta::minutes(5), "{shown}");
    }
}
