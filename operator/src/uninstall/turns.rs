//! Which Deployment may be restarted now: only so many at once, and a pause between one and the next. Pure; the time
//! comes in as an argument.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::stage::Stage;
use crate::observe::TargetKey;

/// How often a Deployment asks again.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// For how long one Deployment may hold up others. It may never get ready, and that is nobody's fault here.
const PATIENCE: Duration = Duration::from_secs(120);

/// The order of restarts.
#[derive(Debug)]
pub(super) struct Turns {
    concurrency: usize,
    pause: Duration,
    /// When each Deployment had its turn.
    begun: BTreeMap<TargetKey, Instant>,
    /// Those that are restarting, as far as is known.
    under_way: BTreeMap<TargetKey, Instant>,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Now,
    Later(Duration),
}

impl Turns {
    pub(super) fn new(concurrency: u16, pause: Duration) -> Self {
        Self {
            concurrency: usize::from(concurrency.max(1)),
            pause,
            begun: BTreeMap::new(),
            under_way: BTreeMap::new(),
        }
    }

    /// Whether a Deployment may be worked on. What restarts nothing always may.
    pub(super) fn ask(&mut self, target: &TargetKey, stage: Option<&Stage>, now: Instant) -> Turn {
        match stage {
            Some(Stage::Carries) => self.restart(target, now),
            Some(Stage::Restarting { .. }) => Turn::Now,
            Some(Stage::Tidying | Stage::Kept | Stage::Clean) | None => {
                self.under_way.remove(target);
                Turn::Now
            }
        }
    }

    fn restart(&mut self, target: &TargetKey, now: Instant) -> Turn {
        if self.begun.contains_key(target) {
            return Turn::Now;
        }
        self.under_way.retain(|_, since| now.duration_since(*since) < PATIENCE);
        let last = self.begun.values().max();
        let rest = last.map_or(Duration::ZERO, |last| {
            (*last + self.pause).saturating_duration_since(now)
        });
        if self.under_way.len() >= self.concurrency || !rest.is_zero() {
            return Turn::Later(rest.max(ASK_AGAIN));
        }
        self.begun.insert(target.clone(), now);
        self.under_way.insert(target.clone(), now);
        Turn::Now
    }

    /// Those that had their turn.
    pub(super) fn begun(&self) -> impl Iterator<Item = &TargetKey> {
        self.begun.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str) -> TargetKey {
        TargetKey::new("shop", name)
    }

    #[test]
    fn only_so_many_restart_at_once_and_one_after_the_other() {
        let pause = Duration::from_secs(1);
        let mut turns = Turns::new(2, pause);
        let mut now = Instant::now();
        let carries = |turns: &mut Turns, name: &str, now| turns.ask(&target(name), Some(&Stage::Carries), now);
        assert_eq!(carries(&mut turns, "a", now), Turn::Now);
        assert_eq!(carries(&mut turns, "b", now), Turn::Later(pause));
        now += pause;
        assert_eq!(carries(&mut turns, "b", now), Turn::Now);
        now += pause;
        assert_eq!(
            carries(&mut turns, "c", now),
            Turn::Later(ASK_AGAIN),
            "two are restarting"
        );
        assert_eq!(
            carries(&mut turns, "b", now),
            Turn::Now,
            "it was refused and tries again"
        );
        assert_eq!(
            turns.ask(&target("a"), Some(&Stage::Restarting { pods: 1 }), now),
            Turn::Now
        );
        assert_eq!(carries(&mut turns, "c", now), Turn::Later(ASK_AGAIN));
        assert_eq!(turns.ask(&target("a"), Some(&Stage::Clean), now), Turn::Now);
        assert_eq!(carries(&mut turns, "c", now), Turn::Now);
        assert_eq!(turns.begun().count(), 3);
    }

    #[test]
    fn one_that_never_gets_ready_does_not_hold_up_the_others_for_ever() {
        let mut turns = Turns::new(1, Duration::ZERO);
        let now = Instant::now();
        assert_eq!(turns.ask(&target("a"), Some(&Stage::Carries), now), Turn::Now);
        assert_eq!(
            turns.ask(&target("b"), Some(&Stage::Carries), now),
            Turn::Later(ASK_AGAIN)
        );
        assert_eq!(
            turns.ask(&target("b"), Some(&Stage::Carries), now + PATIENCE),
            Turn::Now
        );
    }

    #[test]
    fn what_restarts_nothing_waits_for_nobody() {
        let mut turns = Turns::new(1, Duration::from_secs(60));
        let now = Instant::now();
        assert_eq!(turns.ask(&target("a"), Some(&Stage::Carries), now), Turn::Now);
        for stage in [Some(&Stage::Tidying), Some(&Stage::Kept), Some(&Stage::Clean), None] {
            assert_eq!(turns.ask(&target("b"), stage, now), Turn::Now);
        }
    }
}
