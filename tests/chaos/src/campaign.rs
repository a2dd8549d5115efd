//! Many scenarios, several at once, and what they sum up to.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::Verdict;

/// Which scenarios to run.
#[derive(Clone, Copy, Debug)]
pub struct Campaign {
    /// The first seed.
    pub from: u64,
    pub seeds: u64,
    pub at_once: u16,
}

/// What came of all of them.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    pub seeds: u64,
    /// How often what was done.
    pub disturbances: BTreeMap<String, u64>,
    pub lines: u64,
    pub missing: u64,
    pub vanished: u64,
    pub duplicates: u64,
    /// The seeds in which something was wrong.
    pub bad: Vec<u64>,
}

impl Campaign {
    /// Few seeds that hold everything there is.
    #[must_use]
    pub const fn fixed() -> Self {
        Self {
            from: 2,
            seeds: 24,
            at_once: 8,
        }
    }

    /// Runs them with a program of the sidecar; `tell` is given each verdict as it comes.
    ///
    /// # Panics
    /// Where the machine doesn't allow what a scenario needs.
    #[must_use]
    pub fn run(self, program: &Path, tell: impl Fn(&Verdict) + Sync) -> Sum {
        let next = AtomicU64::new(self.from);
        let sum = Mutex::new(Sum::default());
        std::thread::scope(|scope| {
            for _ in 0..self.at_once.max(1) {
                scope.spawn(|| {
                    while let Some(seed) = self.take(&next) {
                        let verdict = crate::run(seed, program);
                        tell(&verdict);
                        sum.lock().unwrap_or_else(PoisonError::into_inner).add(&verdict);
                    }
                });
            }
        });
        let mut sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
        sum.bad.sort_unstable();
        sum
    }

    fn take(self, next: &AtomicU64) -> Option<u64> {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        (seed < self.from + self.seeds).then_some(seed)
    }
}

impl Sum {
    fn add(&mut self, verdict: &Verdict) {
        self.seeds += 1;
        for disturbance in &verdict.disturbances {
            *self.disturbances.entry(disturbance.clone()).or_default() += 1;
        }
        self.lines += verdict.lines;
        self.missing += verdict.missing;
        self.vanished += verdict.vanished;
        self.duplicates += verdict.duplicates;
        if !verdict.is_good() {
            self.bad.push(verdict.seed);
        }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seeds,
            disturbances,
            lines,
            missing,
            vanished,
            duplicates,
            bad,
        } = self;
        let disturbances: Vec<_> = disturbances
            .iter()
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        write!(
            f,
            "{seeds} seeds ({}): {lines} lines, {missing} missing, {vanished} vanished, {duplicates} twice, \
             {} bad {bad:?}",
            disturbances.join(", "),
            bad.len()
        )
    }
}
