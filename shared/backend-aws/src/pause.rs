//! Pauses before something is tried again, and names that nobody else has.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(10);
const DOUBLINGS: u32 = 7;

/// Waits before try number `attempt + 1`: a random part of a time that doubles up to 1.28 s, so that those who got in each
/// other's way do not meet again.
pub(crate) async fn pause(attempt: u32) {
    let longest = FIRST * (1 << attempt.min(DOUBLINGS));
    let longest = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
    tokio::time::sleep(Duration::from_micros(1 + random() % longest)).await;
}

/// Random enough for names, not for secrets: the standard library seeds every hasher from the system's randomness.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A name that nobody else has.
pub(crate) fn unique_name() -> String {
    format!("{:016x}", random())
}
