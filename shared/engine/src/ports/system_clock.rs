//! The system's clock, and run ids from it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, PoisonError};

use super::{Clock, Ids};
use crate::model::id::RunId;
use chrono::{DateTime, SubsecRound, Utc};

/// Digits that sort as they count, without letters that are mistaken for each other.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Bits in the tail of a run id: eight digits.
const TAIL_BITS: u32 = 40;

/// The system's clock, cut to microseconds: what is written down reads back equal.
#[derive(Debug, Default)]
pub struct SystemClock {
    last: Mutex<(i64, u64)>,
}

impl SystemClock {
    /// The system's clock.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one clock that all others are told by")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }
}

impl Ids for SystemClock {
    fn run_id(&self) -> RunId {
        let now = self.now().timestamp();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = following(*last, now, random());
        run_id(*last)
    }
}

/// The second and tail after `last`. Within one second, or when the clock went back, the tail counts up by a random
/// step, so that ids sort in the order in which they were given.
fn following(last: (i64, u64), now: i64, random: u64) -> (i64, u64) {
    if now > last.0 {
        // The upper half of the tails is left for those that follow in the same second.
        return (now, random >> (64 - TAIL_BITS + 1));
    }
    let tail = last.1 + 1 + (random >> (64 - TAIL_BITS / 2));
    if tail >> TAIL_BITS == 0 { (last.0, tail) } else { (last.0 + 1, 0) }
}

fn run_id((second, tail): (i64, u64)) -> RunId {
    let time = DateTime::from_timestamp(second, 0).unwrap_or_default();
    let digits = (0..TAIL_BITS / 5).rev().map(|i| char::from(DIGITS[(tail >> (5 * i) & 31) as usize]));
    RunId::new(format!("{}-{}", time.format("%Y%m%dT%H%M%S"), digits.collect::<String>()))
}

/// Random enough for names, not for secrets: the standard library seeds every hasher from the system's randomness.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_sort_in_the_order_they_were_given() {
        let clock = SystemClock::new();
        let ids: Vec<RunId> = (0..5000).map(|_| clock.run_id()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_clock_that_goes_back_gives_no_smaller_id() {
        let first = following((0, 0), 1000, u64::MAX);
        let second = following(first, 900, 7);
        assert!(run_id(second) > run_id(first));
    }

    #[test]
    fn a_second_that_is_used_up_borrows_from_the_next() {
        assert_eq!(following((1000, (1 << TAIL_BITS) - 1), 1000, 0), (1001, 0));
    }

    #[test]
    fn a_run_id_reads_as_its_time() {
        assert_eq!(run_id((1_795_262_581, 33)).as_str(), "20261121T120301-00000011");
    }
}
