//! The window of one file towards one destination: what was handed over and isn't settled. Settlements come in any
//! order; the position moves only over the contiguous settled prefix. Pure.

use std::collections::VecDeque;

/// `P` is what the position becomes when everything up to an entry is settled, `O` what came of the entry.
///
/// The outcome counts only once the position has moved past it: what has to be read again isn't counted twice.
#[derive(Debug)]
pub(crate) struct Window<P, O> {
    entries: VecDeque<Entry<P, O>>,
}

#[derive(Debug)]
struct Entry<P, O> {
    sequence: u64,
    position: P,
    outcome: Option<O>,
}

impl<P, O> Default for Window<P, O> {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
        }
    }
}

impl<P, O> Window<P, O> {
    /// A batch leaves; sequences rise.
    pub(crate) fn push(&mut self, sequence: u64, position: P) {
        self.entries.push_back(Entry {
            sequence,
            position,
            outcome: None,
        });
    }

    /// A batch came back. Gives every entry that the position moves over by it, in order.
    pub(crate) fn settle(&mut self, sequence: u64, outcome: O) -> impl Iterator<Item = (P, O)> + '_ {
        let index = self.entries.binary_search_by_key(&sequence, |entry| entry.sequence);
        if let Some(entry) = index.ok().and_then(|index| self.entries.get_mut(index)) {
            entry.outcome = Some(outcome);
        }
        std::iter::from_fn(|| {
            self.entries.front()?.outcome.as_ref()?;
            let entry = self.entries.pop_front()?;
            Some((entry.position, entry.outcome?))
        })
    }

    /// What the position becomes when all is settled; `None` where nothing is under way.
    pub(crate) fn last(&self) -> Option<&P> {
        self.entries.back().map(|entry| &entry.position)
    }

    /// Forgets what is under way; it will be read again from the settled position.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Gives the memory back that an empty one has.
    pub(crate) fn rest(&mut self) {
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Push,
        /// Also what was never pushed, what came back before, and what was forgotten.
        Settle(u64),
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![8 => Just(Step::Push), 10 => any::<u64>().prop_map(Step::Settle), 1 => Just(Step::Clear)]
    }

    proptest! {
        #[test]
        fn outcomes_count_once_and_in_order_and_only_below_the_position(
            steps in proptest::collection::vec(step(), 0..200),
        ) {
            let mut window = Window::<u64, u64>::default();
            let mut under_way: Vec<(u64, bool)> = Vec::new();
            let (mut last, mut position) = (0, 0);
            for step in steps {
                match step {
                    Step::Push => {
                        last += 1;
                        window.push(last, last);
                        under_way.push((last, false));
                    }
                    Step::Settle(sequence) => {
                        let sequence = sequence % (last + 2);
                        under_way.iter_mut().filter(|known| known.0 == sequence).for_each(|known| known.1 = true);
                        let passed: Vec<_> = window.settle(sequence, sequence).collect();
                        let prefix = under_way.iter().take_while(|known| known.1).count();
                        let expected: Vec<_> = under_way.drain(..prefix).map(|(known, _)| (known, known)).collect();
                        prop_assert_eq!(&passed, &expected);
                        let end = passed.last().map_or(position, |(end, _)| *end);
                        prop_assert!(end >= position);
                        position = end;
                    }
                    Step::Clear => {
                        window.clear();
                        under_way.clear();
                    }
                }
                prop_assert_eq!(window.is_empty(), under_way.is_empty());
            }
        }

        #[test]
        fn the_position_is_the_end_of_the_settled_prefix(order in Just((1..=12_u64).collect::<Vec<_>>()).prop_shuffle()) {
            let mut window = Window::<u64, ()>::default();
            (1..=12_u64).for_each(|sequence| window.push(sequence, sequence));
            let (mut settled, mut position) = (std::collections::BTreeSet::new(), 0);
            for sequence in order {
                settled.insert(sequence);
                position = window.settle(sequence, ()).last().map_or(position, |(position, ())| position);
                let prefix = (1..=12).take_while(|sequence| settled.contains(sequence)).count() as u64;
                prop_assert_eq!(position, prefix);
            }
            prop_assert!(window.is_empty());
        }
    }

    #[test]
    fn a_settlement_of_an_aborted_batch_moves_nothing() {
        let mut window = Window::<u64, ()>::default();
        window.push(1, 10);
        window.clear();
        window.push(2, 10);
        assert_eq!(window.settle(1, ()).last(), None);
        assert_eq!(window.settle(2, ()).last(), Some((10, ())));
    }
}
