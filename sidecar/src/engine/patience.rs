//! How long a lane waits for another that is a window behind, before it leaves it behind. Pure.
//!
//! Destinations that are as fast as each other take their batches at moments that differ by chance. Without any patience
//! they would be apart after a short while, and read everything twice from then on. But a slow one must hold nobody
//! back, so patience is used up by waiting, and comes back slowly: a destination loses at most [`REFILL`]th of its time.

use std::time::{Duration, Instant};

/// The longest wait.
const MOST: Duration = Duration::from_millis(50);
/// One part in so many of the time comes back as patience.
const REFILL: u32 = 8;

#[derive(Debug, Default)]
pub(crate) struct Patience {
    used: Duration,
    /// When it was known to be used so far.
    known_at: Option<Instant>,
    waits_since: Option<Instant>,
}

impl Patience {
    /// Somebody is behind: whether to wait on.
    pub(crate) fn lasts(&mut self, now: Instant) -> bool {
        let since = *self.waits_since.get_or_insert(now);
        now < since + self.left(since)
    }

    /// Nobody is behind any more.
    pub(crate) fn rest(&mut self, now: Instant) {
        if let Some(since) = self.waits_since.take() {
            self.used = MOST.saturating_sub(self.left(since)) + now.saturating_duration_since(since);
            self.known_at = Some(now);
        }
    }

    /// When it is at its end.
    pub(crate) fn ends_at(&self) -> Option<Instant> {
        self.waits_since.map(|since| since + self.left(since))
    }

    fn left(&self, at: Instant) -> Duration {
        let regained = self.known_at.map(|known| at.saturating_duration_since(known) / REFILL);
        let used = self.used.saturating_sub(regained.unwrap_or_default());
        MOST.saturating_sub(used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_used_up_by_waiting_and_comes_back_slowly() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut patience = Patience::default();
        assert!(patience.lasts(at(0)) && patience.lasts(at(49)) && !patience.lasts(at(50)));
        patience.rest(at(50));
        assert!(!patience.lasts(at(50)), "there is none left");
        patience.rest(at(50));
        assert!(patience.lasts(at(50 + 80)) && patience.lasts(at(50 + 89)));
        assert!(
            !patience.lasts(at(50 + 90)),
            "a tenth of a second made up for ten milliseconds"
        );
        assert_eq!(patience.ends_at(), Some(at(140)));
        patience.rest(at(140));
        assert!(
            patience.lasts(at(10_000)) && !patience.lasts(at(10_050)),
            "never more than at first"
        );
    }

    #[test]
    fn who_is_never_behind_for_long_is_always_waited_for() {
        let (start, mut patience) = (Instant::now(), Patience::default());
        for round in 0..1000_u64 {
            let begin = start + Duration::from_millis(20 * round);
            assert!(
                patience.lasts(begin) && patience.lasts(begin + Duration::from_millis(2)),
                "{round}"
            );
            patience.rest(begin + Duration::from_millis(2));
        }
    }
}
