//! What was written, where, and what became of it: the writers' side of the account.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// One file's content from its beginning to its end. A truncated file begins another.
#[derive(Clone, Debug)]
pub(crate) struct Generation {
    pub(crate) began: Instant,
    /// How many lines stand in it; they are numbered from 0.
    pub(crate) lines: u32,
    pub(crate) destroyed: Option<(Instant, Destruction)>,
}

/// How the content of a file came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destruction {
    /// Its name is gone: who has it open can still read it.
    Deleted,
    /// Nobody can read it any more.
    Truncated,
}

/// Writer and number of a generation.
pub(crate) type GenerationId = (usize, u32);

#[derive(Debug, Default)]
pub(crate) struct Journal {
    generations: Mutex<BTreeMap<GenerationId, Generation>>,
    disturbances: Mutex<Vec<Instant>>,
}

impl Journal {
    pub(crate) fn begin(&self, id: GenerationId) {
        let generation = Generation {
            began: Instant::now(),
            lines: 0,
            destroyed: None,
        };
        lock(&self.generations).insert(id, generation);
    }

    pub(crate) fn wrote(&self, id: GenerationId) {
        if let Some(generation) = lock(&self.generations).get_mut(&id) {
            generation.lines += 1;
        }
    }

    /// Called before it happens: what arrives later may have been read just before.
    pub(crate) fn destroying(&self, id: GenerationId, how: Destruction) {
        if let Some(generation) = lock(&self.generations).get_mut(&id) {
            generation.destroyed = Some((Instant::now(), how));
        }
    }

    /// The sidecar is about not to run for a while.
    pub(crate) fn disturbed(&self) {
        lock(&self.disturbances).push(Instant::now());
    }

    pub(crate) fn generations(&self) -> BTreeMap<GenerationId, Generation> {
        lock(&self.generations).clone()
    }

    pub(crate) fn disturbances(&self) -> Vec<Instant> {
        lock(&self.disturbances).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
