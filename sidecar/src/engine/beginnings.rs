//! Which of the tailed files begin alike. Asked for every new file, which may be a copy of a known one, so it mustn't cost
//! a look at all of them. Pure.

use std::collections::BTreeSet;

use super::files::FileId;
use super::head::LEAST_HEAD;

/// The files by their first [`LEAST_HEAD`] bytes.
#[derive(Debug, Default)]
pub(super) struct Beginnings {
    by_hash: BTreeSet<(u64, FileId)>,
    /// Those of which less was known when they were noted last: they may begin like any other.
    short: BTreeSet<FileId>,
}

/// Where a file is noted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Noted {
    #[default]
    Nowhere,
    AsShort,
    Under(u64),
}

impl Beginnings {
    /// Notes what is known of a file's beginning now.
    pub(super) fn note(&mut self, id: FileId, noted: &mut Noted, start: &[u8]) {
        let now = key(start).map_or(Noted::AsShort, Noted::Under);
        if *noted != now {
            self.remove(id, *noted);
            match now {
                Noted::Under(hash) => _ = self.by_hash.insert((hash, id)),
                _ => _ = self.short.insert(id),
            }
            *noted = now;
        }
    }

    pub(super) fn remove(&mut self, id: FileId, noted: Noted) {
        match noted {
            Noted::Nowhere => {}
            Noted::AsShort => _ = self.short.remove(&id),
            Noted::Under(hash) => _ = self.by_hash.remove(&(hash, id)),
        }
    }

    /// Files that may begin like this; `None` where too little is known to leave any out.
    pub(super) fn like<'a>(&'a self, start: &[u8]) -> Option<impl Iterator<Item = FileId> + use<'a>> {
        let hash = key(start)?;
        let same = self
            .by_hash
            .range((hash, FileId::FIRST)..)
            .map_while(move |(known, id)| (*known == hash).then_some(*id));
        Some(same.chain(self.short.iter().copied()))
    }

    /// Files that may have become longer than they were noted.
    pub(super) fn short(&self) -> Vec<FileId> {
        self.short.iter().copied().collect()
    }
}

fn key(start: &[u8]) -> Option<u64> {
    start.get(..LEAST_HEAD).map(xxhash_rust::xxh3::xxh3_64)
}
