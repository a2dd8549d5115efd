//! The accounting of one source towards one destination, in source bytes. Pure.
//!
//! At every moment `discovered = acknowledged + filtered + dropped + pending`. Discovered bytes are counted when a file
//! is seen to have them, the others when they are settled, so pending is what is between, whether read or not.

use crate::batch::DropCause;
use crate::metrics::Amount;

/// Why bytes were left out, by the index of [`Counters::dropped`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    Dropped(DropCause),
    /// Gone before they could be read.
    Vanished,
}

impl Loss {
    const fn index(self) -> usize {
        match self {
            Self::Dropped(DropCause::Rejected) => 0,
            Self::Dropped(DropCause::Unconfirmed) => 1,
            Self::Dropped(DropCause::TooLarge) => 2,
            Self::Dropped(DropCause::GaveUp) => 3,
            Self::Vanished => 4,
        }
    }
}

/// What came of the bytes that are settled; survives restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) acknowledged: Amount,
    /// Filtered, sampled, rate-limited.
    pub(crate) filtered: [Amount; 3],
    /// Rejected, unconfirmed, too large, gave up, vanished.
    pub(crate) dropped: [Amount; 5],
}

/// Names of [`Counters::filtered`] as metric labels.
pub(crate) const FILTERED: [&str; 3] = ["filtered", "sampled", "rateLimited"];
/// Names of [`Counters::dropped`] as metric labels.
pub(crate) const DROPPED: [&str; 5] = ["rejected", "unconfirmed", "tooLarge", "gaveUp", "vanished"];

impl Counters {
    pub(crate) const FIELDS: usize = 18;

    /// Records and bytes of each amount, in the order of the fields.
    pub(crate) fn to_array(self) -> [u64; Self::FIELDS] {
        let mut numbers = [0; Self::FIELDS];
        let amounts = [self.acknowledged].into_iter().chain(self.filtered).chain(self.dropped);
        for (pair, amount) in numbers.as_chunks_mut::<2>().0.iter_mut().zip(amounts) {
            *pair = [amount.records, amount.bytes];
        }
        numbers
    }

    pub(crate) fn from_array(numbers: [u64; Self::FIELDS]) -> Self {
        let amount = |index: usize| Amount {
            records: numbers[2 * index],
            bytes: numbers[2 * index + 1],
        };
        Self {
            acknowledged: amount(0),
            filtered: std::array::from_fn(|index| amount(1 + index)),
            dropped: std::array::from_fn(|index| amount(4 + index)),
        }
    }

    pub(crate) fn lose(&mut self, loss: Loss, amount: Amount) {
        add(&mut self.dropped[loss.index()], amount);
    }

    fn add(&mut self, other: &Self) {
        add(&mut self.acknowledged, other.acknowledged);
        let pairs = self.filtered.iter_mut().zip(other.filtered);
        for (total, amount) in pairs.chain(self.dropped.iter_mut().zip(other.dropped)) {
            add(total, amount);
        }
    }

    pub(crate) fn filtered_bytes(&self) -> u64 {
        self.filtered.iter().map(|amount| amount.bytes).sum()
    }

    pub(crate) fn dropped_bytes(&self) -> u64 {
        self.dropped.iter().map(|amount| amount.bytes).sum()
    }

    fn settled_bytes(&self) -> u64 {
        self.acknowledged.bytes + self.filtered_bytes() + self.dropped_bytes()
    }
}

/// One source on its way to one destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    discovered: u64,
    pub(crate) counters: Counters,
}

impl Account {
    /// Goes on where an earlier process was: what it had settled was discovered too.
    pub(crate) fn resume(counters: Counters) -> Self {
        Self {
            discovered: counters.settled_bytes(),
            counters,
        }
    }

    /// Bytes are there to be read.
    pub(crate) fn discover(&mut self, bytes: u64) {
        self.discovered += bytes;
    }

    /// Bytes are no concern of this flow any more although they are there: the source was changed.
    pub(crate) fn withdraw(&mut self, bytes: u64) {
        self.discovered = self.discovered.saturating_sub(bytes);
    }

    /// The position moved over bytes that came to this.
    pub(crate) fn settle(&mut self, outcome: &Counters) {
        self.counters.add(outcome);
    }

    pub(crate) fn lose(&mut self, loss: Loss, amount: Amount) {
        self.counters.lose(loss, amount);
    }

    pub(crate) const fn discovered(&self) -> u64 {
        self.discovered
    }

    pub(crate) fn pending(&self) -> u64 {
        self.discovered.saturating_sub(self.counters.settled_bytes())
    }
}

fn add(total: &mut Amount, amount: Amount) {
    total.records += amount.records;
    total.bytes += amount.bytes;
}
