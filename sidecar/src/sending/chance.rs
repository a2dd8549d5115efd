//! Numbers for jitter. They need to differ between processes and calls, and nothing else, so there is no crate for it.

use std::hash::{BuildHasher, RandomState};

/// A sequence of numbers between 0 and 1: splitmix64, seeded by the system's randomness.
#[derive(Debug)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new() -> Self {
        Self(RandomState::new().hash_one(0))
    }

    pub(super) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from((mixed >> 32) as u32) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_spread_over_the_whole_range() {
        let mut chance = Chance::new();
        let numbers: Vec<f64> = (0..10_000).map(|_| chance.next()).collect();
        for tenth in 0..10 {
            let bounds = f64::from(tenth) / 10.0..f64::from(tenth + 1) / 10.0;
            let count = numbers.iter().filter(|number| bounds.contains(*number)).count();
            assert!((700..1300).contains(&count), "{count} in {bounds:?}");
        }
    }
}
