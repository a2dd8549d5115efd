//! The window of one file towards one destination: what was handed over and isn't settled. Settlements come in any
//! order; the position moves only over the contiguous settled prefix. Pure.

use std::collections::VecDeque;

/// `T` is what the position becomes when everything up to an entry is settled.
#[derive(Debug)]
pub(crate) struct Window<T> {
    entries: VecDeque<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    sequence: u64,
    settled: bool,
    position: T,
}

impl<T> Default for Window<T> {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
        }
    }
}

impl<T> Window<T> {
    /// A batch leaves; sequences rise.
    pub(crate) fn push(&mut self, sequence: u64, position: T) {
        self.entries.push_back(Entry {
            sequence,
            settled: false,
            position,
        });
    }

    /// A batch came back. The new position, if the prefix grew.
    pub(crate) fn settle(&mut self, sequence: u64) -> Option<T> {
        let index = self
            .entries
            .binary_search_by_key(&sequence, |entry| entry.sequence)
            .ok()?;
        self.entries[index].settled = true;
        let mut position = None;
        while self.entries.front().is_some_and(|entry| entry.settled) {
            position = self.entries.pop_front().map(|entry| entry.position);
        }
        position
    }

    /// Forgets what is under way; it will be read again from the settled position.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_position_is_the_end_of_the_settled_prefix(order in Just((1..=12_u64).collect::<Vec<_>>()).prop_shuffle()) {
            let mut window = Window::default();
            (1..=12_u64).for_each(|sequence| window.push(sequence, sequence));
            let (mut settled, mut position) = (std::collections::BTreeSet::new(), 0);
            for sequence in order {
                settled.insert(sequence);
                position = window.settle(sequence).unwrap_or(position);
                let prefix = (1..=12).take_while(|sequence| settled.contains(sequence)).count() as u64;
                prop_assert_eq!(position, prefix);
            }
            prop_assert!(window.is_empty());
        }
    }

    #[test]
    fn a_settlement_of_an_aborted_batch_moves_nothing() {
        let mut window = Window::default();
        window.push(1, 10);
        window.clear();
        window.push(2, 10);
        assert_eq!(window.settle(1), None);
        assert_eq!(window.settle(2), Some(10));
    }
}
