//! One budget for everything in the process that holds log bytes: open batches, batches under way and what becomes of
//! them on the way, buffers that wait to be used again, answers. Pure.
//!
//! It is one pool, so a lane that is busy may use what others don't need. Each lane is guaranteed a part that nobody else
//! takes, used or not; so however much dead destinations hold, none is starved. A lane that holds nothing may always read
//! one piece, or it could never go on: that, and what an encoded request takes beyond its estimate, is all that may be
//! held above the budget. When it is full reading stops, and nothing is dropped.

use pipeline::ByteSize;

/// The budget is half the container's limit, at least this.
const LEAST: u64 = 8 << 20;
/// Where no limit is known: half of the limit that containers get by default.
const DEFAULT: u64 = 32 << 20;
/// One part in so many of the budget is guaranteed, the rest is for whoever needs it.
const GUARANTEED_PART: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) total: usize,
    /// What each lane can be sure of.
    guaranteed: usize,
}

impl Budget {
    pub(crate) fn new(limit: Option<ByteSize>, lanes: usize) -> Self {
        let total = limit.map_or(DEFAULT, |limit| (limit.as_bytes() / 2).max(LEAST));
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        Self {
            total,
            guaranteed: total / GUARANTEED_PART / lanes.max(1),
        }
    }

    /// No line is longer, so that even many lanes can each hold one.
    pub(crate) fn longest_line(&self) -> usize {
        (self.total / 8).max(64 << 10)
    }

    /// How much a lane may hold where each of the others holds so much, and nobody in particular holds `common`.
    pub(crate) fn allowance(&self, others: impl IntoIterator<Item = usize>, common: usize) -> usize {
        let taken: usize = others.into_iter().map(|held| held.max(self.guaranteed)).sum();
        self.total.saturating_sub(taken + common).max(self.guaranteed)
    }
}

/// Who holds how much in one turn of the engine.
#[derive(Debug)]
pub(crate) struct Ledger {
    budget: Budget,
    /// Of each pipeline: what its lanes hold, and what they have in common.
    pipelines: Vec<(Vec<usize>, usize)>,
}

impl Ledger {
    pub(crate) fn new(budget: Budget, pipelines: Vec<(Vec<usize>, usize)>) -> Self {
        Self { budget, pipelines }
    }

    pub(crate) fn set(&mut self, (pipeline, lane): (usize, usize), holds: usize, common: usize) {
        if let Some((lanes, known)) = self.pipelines.get_mut(pipeline) {
            *known = common;
            lanes.get_mut(lane).into_iter().for_each(|known| *known = holds);
        }
    }

    /// How much a lane may hold.
    pub(crate) fn allowance(&self, (pipeline, lane): (usize, usize)) -> usize {
        let all = self.pipelines.iter().enumerate().flat_map(|(at, (lanes, _))| {
            let places = lanes.iter().enumerate();
            places.map(move |(index, held)| ((at, index), *held))
        });
        let others = all
            .filter(|(place, _)| *place != (pipeline, lane))
            .map(|(_, held)| held);
        self.budget
            .allowance(others, self.pipelines.iter().map(|(_, common)| common).sum())
    }

    pub(crate) fn longest_line(&self) -> usize {
        self.budget.longest_line()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: usize = 1 << 20;

    fn budget(mib: u64, lanes: usize) -> Budget {
        Budget::new(Some(ByteSize::from_mib(2 * mib)), lanes)
    }

    #[test]
    fn the_budget_is_half_the_limit_and_at_least_eight_mebibytes() {
        assert_eq!(budget(64, 1).total, 64 * MIB);
        assert_eq!(budget(1, 1).total, 8 * MIB);
        assert_eq!(Budget::new(None, 0).total, 32 * MIB);
    }

    #[test]
    fn a_lane_may_use_what_idle_ones_are_not_guaranteed() {
        assert_eq!(budget(32, 1).allowance([], 0), 32 * MIB);
        assert_eq!(budget(32, 2).allowance([0], 0), 28 * MIB);
        assert_eq!(budget(32, 4).allowance([0, 0, 10 * MIB], 2 * MIB), 16 * MIB);
    }

    #[test]
    fn no_lane_is_starved() {
        assert_eq!(budget(32, 4).allowance([20 * MIB, 10 * MIB, 2 * MIB], 0), 2 * MIB);
    }

    proptest! {
        /// Whatever the lanes want, in whatever order: together they never hold more than the budget, and each gets what
        /// it is guaranteed.
        #[test]
        fn greedy_lanes_keep_within_the_budget(wanted in proptest::collection::vec((0..6_usize, 0..40_usize), 1..60)) {
            let budget = budget(32, 6);
            let mut held = [0; 6];
            for (lane, wanted) in wanted {
                let others = (0..6).filter(|other| *other != lane).map(|other| held[other]);
                let allowance = budget.allowance(others, 0);
                prop_assert!(allowance >= budget.guaranteed);
                held[lane] = (wanted * MIB).min(allowance);
                prop_assert!(held.iter().sum::<usize>() <= budget.total);
            }
        }
    }
}
