//! A small seeded generator (SplitMix64), so that seeded data is the same on every machine and in every release.
//!
//! Invariant: the sequence for a seed never changes; golden files and benchmarks rest on it. Not for secrets.

/// A deterministic sequence of numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts the sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// An independent sequence for one purpose, so that drawing more in one place does not shift another.
    pub fn fork(&self, purpose: &str) -> Self {
        let mut seed = self.0 ^ 0xcbf2_9ce4_8422_2325;
        for byte in purpose.bytes() {
            seed = (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let mut forked = Self(seed);
        forked.next();
        forked
    }

    /// The next 64 bits.
    #[expect(clippy::should_implement_trait, reason = "an endless sequence has no use for Option")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, not including, `bound` (0 for a bound of 0).
    pub fn below(&mut self, bound: usize) -> usize {
        let wide = u128::from(self.next()) * bound as u128;
        (wide >> 64) as usize
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = usize::try_from(high.saturating_sub(low)).unwrap_or(0).saturating_add(1);
        low + self.below(width) as i64
    }

    /// True `per_mille` times in a thousand.
    pub fn chance(&mut self, per_mille: usize) -> bool {
        self.below(1000) < per_mille
    }

    /// One of the items; `None` when there is none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// An index below `count`, skewed so that small ones come up far more often: a few suppliers send most invoices.
    pub fn skewed(&mut self, count: usize) -> usize {
        // The cube of a uniform draw: the first tenth of the range gets nearly half of the draws.
        let unit = self.below(1 << 20) as u128;
        ((unit * unit * unit * count as u128) >> 60) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_of_a_seed_is_fixed() {
        let mut random = Random::new(0);
        assert_eq!(random.next(), 0xe220_a839_7b1d_cdaf, "first value of SplitMix64 for seed 0");
        assert_eq!(random.next(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn draws_stay_in_their_range_and_skew_to_the_front() {
        let mut random = Random::new(7).fork("test");
        let mut front = 0;
        for _ in 0..10_000 {
            assert!((-3..=3).contains(&random.between(-3, 3)));
            let index = random.skewed(1000);
            assert!(index < 1000);
            front += usize::from(index < 100);
        }
        assert!((4000..5500).contains(&front), "{front}");
        assert_eq!(random.below(0), 0);
        assert_eq!(random.pick::<u8>(&[]), None);
    }
}
