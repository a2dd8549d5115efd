//! How long to wait after failures: doubling per key, bounded, with jitter, forgotten after a success.
//!
//! Pure: the randomness comes in as an argument.

use std::collections::BTreeMap;
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(120);

/// Failures in a row, for each key that has any.
#[derive(Debug)]
pub(crate) struct Backoff<K> {
    failures: BTreeMap<K, u32>,
}

impl<K> Default for Backoff<K> {
    fn default() -> Self {
        Self {
            failures: BTreeMap::new(),
        }
    }
}

impl<K: Ord> Backoff<K> {
    /// Counts a failure. `random` is from 0 to 1 and shortens the wait by up to a half, so that keys that failed
    /// together don't come back together.
    pub(crate) fn failed(&mut self, key: K, random: f64) -> Duration {
        let failures = self.failures.entry(key).or_insert(0);
        let wait = LONGEST.min(FIRST.saturating_mul(2_u32.saturating_pow(*failures)));
        *failures = failures.saturating_add(1);
        wait.mul_f64(1.0 - random.clamp(0.0, 1.0) / 2.0)
    }

    pub(crate) fn succeeded(&mut self, key: &K) {
        self.failures.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_start_over_after_a_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..12).map(|_| backoff.failed("a", 0.0).as_millis()).collect();
        assert_eq!(waits[..4], [200, 400, 800, 1600]);
        assert_eq!(waits[10..], [120_000, 120_000]);
        assert_eq!(backoff.failed("b", 0.0), FIRST);
        backoff.succeeded(&"a");
        assert_eq!(backoff.failed("a", 1.0), FIRST / 2);
    }
}
