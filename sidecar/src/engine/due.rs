//! When the reader does what nobody asks it for.

use std::time::{Duration, Instant};

use super::RESCAN;

/// How often is looked, although nothing was heard, at what nothing has happened to for a while.
pub(super) const ROUND: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Due {
    began: Instant,
    pub(super) events: Instant,
    pub(super) sweep: Instant,
    /// A sweep over quiet files too.
    pub(super) quiet: Instant,
    pub(super) rescan: Instant,
    pub(super) config: Instant,
    pub(super) state: Instant,
    pub(super) publish: Instant,
    /// Not before, whatever happens.
    pub(super) publish_earliest: Instant,
}

impl Due {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            events: now,
            sweep: now,
            quiet: now,
            rescan: now + RESCAN,
            config: now,
            state: now,
            publish: now,
            publish_earliest: now,
        }
    }

    /// The first round after `time`. What can wait is done in rounds, everything at once: to wake up costs more than to look.
    pub(super) fn round_after(&self, time: Instant) -> Instant {
        let rounds = time.saturating_duration_since(self.began).as_nanos() / ROUND.as_nanos();
        self.began + ROUND * u32::try_from(rounds + 1).unwrap_or(u32::MAX)
    }

    /// When everything is walked again.
    pub(super) fn usual_rescan(&self, now: Instant) -> Instant {
        self.round_after(now + RESCAN.saturating_sub(ROUND))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_waits_for_the_next_round_meets_there() {
        let began = Instant::now();
        let due = Due::new(began);
        let at = |seconds| began + Duration::from_secs_f64(seconds);
        for (time, round) in [(0.0, 5.0), (0.1, 5.0), (4.9, 5.0), (5.0, 10.0), (5.001, 10.0)] {
            assert_eq!(due.round_after(at(time)), at(round), "{time}");
        }
        assert_eq!(due.usual_rescan(at(5.001)), at(25.0));
    }
}
