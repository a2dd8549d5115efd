//! What was written, where, and what became of it: the writers' side of the account. And when what was in whose way.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// One file's content from its beginning to its end. A truncated file begins another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GenerationId {
    pub(crate) writer: usize,
    pub(crate) number: u32,
}

/// Lines of a generation are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LineId {
    pub(crate) generation: GenerationId,
    pub(crate) line: u32,
}

/// What is known of a generation.
#[derive(Clone, Debug)]
pub(crate) struct Generation {
    /// Since when it stands where it is: in its file, or in the copy that was made of it.
    pub(crate) findable: Instant,
    pub(crate) lines: Vec<Written>,
    pub(crate) destroyed: Option<(Instant, Destruction)>,
}

/// A line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    /// With its end.
    pub(crate) bytes: u64,
    /// Since when the whole of it stands in the file.
    pub(crate) stands: Option<Instant>,
}

/// How the content of a file came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destruction {
    /// Its name is gone: who has it open can still read it.
    Deleted,
    /// Nobody can read it any more.
    Truncated,
}

/// A while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

/// While the sidecar wasn't there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Absence {
    pub(crate) why: Why,
    pub(crate) span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Killed,
    /// Asked to end, and another was started: with what was under way, or with all of it delivered.
    Ended(Drained),
    Stopped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drained {
    Completely,
    InPart,
}

#[derive(Debug, Default)]
pub(crate) struct Journal {
    generations: Mutex<BTreeMap<GenerationId, Generation>>,
    absences: Mutex<Vec<Absence>>,
    /// Faults of destinations.
    faults: Mutex<Vec<(usize, Span)>>,
}

impl Journal {
    pub(crate) fn begin(&self, id: GenerationId) {
        let generation = Generation {
            findable: Instant::now(),
            lines: Vec::new(),
            destroyed: None,
        };
        lock(&self.generations).insert(id, generation);
    }

    /// Called before the next line of a generation reaches the file.
    pub(crate) fn writes(&self, id: GenerationId, bytes: u64) {
        if let Some(generation) = lock(&self.generations).get_mut(&id) {
            generation.lines.push(Written { bytes, stands: None });
        }
    }

    /// All lines of a generation stand in the file, but the last `unfinished` ones.
    pub(crate) fn wrote(&self, id: GenerationId, unfinished: usize) {
        let now = Instant::now();
        if let Some(generation) = lock(&self.generations).get_mut(&id) {
            let late = generation.lines.iter_mut().rev().skip(unfinished);
            late.take_while(|line| line.stands.is_none())
                .for_each(|line| line.stands = Some(now));
        }
    }

    /// From now on the content stands in another file.
    pub(crate) fn copied(&self, id: GenerationId) {
        if let Some(generation) = lock(&self.generations).get_mut(&id) {
            generation.findable = Instant::now();
        }
    }

    /// Called before it happens: what arrives later may have been read just before.
    pub(crate) fn destroying(&self, id: GenerationId, how: Destruction) {
        if let Some(generation) = lock(&self.generations).get_mut(&id) {
            generation.destroyed = Some((Instant::now(), how));
        }
    }

    pub(crate) fn absent(&self, absence: Absence) {
        lock(&self.absences).push(absence);
    }

    pub(crate) fn fails(&self, destination: usize, span: Span) {
        lock(&self.faults).push((destination, span));
    }

    pub(crate) fn generations(&self) -> BTreeMap<GenerationId, Generation> {
        lock(&self.generations).clone()
    }

    pub(crate) fn absences(&self) -> Vec<Absence> {
        lock(&self.absences).clone()
    }

    pub(crate) fn faults_of(&self, destination: usize) -> Vec<Span> {
        let faults = lock(&self.faults);
        let of_it = faults.iter().filter(|(of, _)| *of == destination);
        of_it.map(|(_, span)| *span).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
