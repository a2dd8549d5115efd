//! Which new files are copies of known ones, as `copytruncate` makes them: they are read on where the known one was read to.
//!
//! Applications begin many a file alike, so what two files have in common makes neither a copy. Only a content that *left*
//! its file has one: the file was truncated or filled anew, or was deleted, and the copy was there before. A file that begins
//! like another one is held back (`suspects`) until the other one was looked at, and while it has nothing that the other
//! one hasn't. If the other one just stays as it is, there are two files, and both are read.

use rustix::fd::OwnedFd;

use crate::reading::facts::{Facts, FileKey};

use super::Engine;
use super::clock::Now;
use super::cursor::{CursorId, Position};
use super::discover::At;
use super::files::{File, FileId, Files};
use super::head::LEAST_HEAD;
use super::lane::{Known, Lane};
use super::source::Source;
use super::start;
use super::unclaimed::Candidate;

/// Of the files that begin like a new one, so many are thought of: there may be tens of thousands.
const MOST: usize = 1_000;
/// And so many of them are looked at.
const MOST_LOOKS: usize = 100;

/// How many of the files that begin like a new one are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Until one is found that has all of it.
    UntilFound,
    /// All: what becomes of the new one is decided now.
    AtAll,
}

impl Engine {
    /// Whether a file begins like one that is known, as far as it goes. Asked for every new file, so nothing is looked at.
    pub(super) fn begins_alike(&self, at: At, head: &[u8], size: u64) -> bool {
        let source = &self.running[at.running].sources[at.source];
        alike(source, &self.files, head).next().is_some() || self.is_behind_former(at, head, size)
    }

    /// The file has nothing that another one hasn't, or had a moment ago: perhaps it is being copied, or was, and the other
    /// one will be truncated.
    pub(super) fn may_become_copy(&mut self, at: At, (head, size): (&[u8], u64), look: Look, now: Now) -> bool {
        let mut is_held = false;
        for id in self.originals(at, head, size) {
            self.open_again(at, id);
            self.look_at_file(id, now);
            let file = self.files.get(id).filter(|file| !file.deleted);
            is_held |= file.is_some_and(|file| size <= file.size && file.head.is_like(head));
            if is_held && look == Look::UntilFound {
                break;
            }
        }
        is_held || self.is_behind_former(at, head, size)
    }

    /// Files that the new one may be a copy of, the likely ones first.
    fn originals(&self, at: At, head: &[u8], size: u64) -> Vec<FileId> {
        let source = &self.running[at.running].sources[at.source];
        let is_as_long = |id: &FileId| self.files.get(*id).is_some_and(|file| file.size >= size);
        let (likely, others): (Vec<_>, Vec<_>) = alike(source, &self.files, head).take(MOST).partition(is_as_long);
        likely.into_iter().chain(others).take(MOST_LOOKS).collect()
    }

    /// It has less than was read of a content that left its file.
    fn is_behind_former(&self, at: At, head: &[u8], size: u64) -> bool {
        let running = &self.running[at.running];
        let source = running.sources[at.source].id;
        let mut formers = running.lanes.iter().flat_map(|lane| lane.formers_of(source));
        formers.any(|former| size < former.read_to.offset && former.head.is_like(head))
    }

    /// A file that was closed because nothing happened to it, to see whether that is still so.
    fn open_again(&mut self, at: At, id: FileId) {
        let closed = self.files.get(id).filter(|file| file.fd().is_none());
        if let Some(key) = closed.map(|file| file.key)
            && self.has_descriptor()
            && let Some(fd) = open(&mut self.running[at.running].sources[at.source], id, key)
        {
            self.files.open(id, fd);
        }
    }
}

fn open(source: &mut Source, id: FileId, key: FileKey) -> Option<OwnedFd> {
    let (volume, path) = &source.tails.get(&id)?.place;
    let opened = source.walk.volumes.get_mut(*volume)?.open_file(path).ok()?;
    (opened.facts.id == key).then_some(opened.fd)
}

fn alike<'a>(source: &'a Source, files: &'a Files, head: &'a [u8]) -> impl Iterator<Item = FileId> + 'a {
    files.begin_like(head).filter(move |id| {
        let file = files.get(*id).filter(|_| source.tails.contains_key(id));
        file.is_some_and(|file| file.head.is_like(head))
    })
}

/// Where a file is read on that is the copy of a known content, and which.
pub(super) fn copied(
    lane: &Lane,
    source: &Source,
    copy: &Candidate<'_>,
    files: &Files,
) -> Option<(Position, CursorId)> {
    let formers = lane.formers_of(source.id).filter(|former| {
        // What was made later is no copy. Where the file system doesn't say when that was (0), there was hardly time for it.
        copy.key.birth <= former.left_at
    });
    let deleted = files.deleted().filter(|(_, original)| {
        // An application that deletes its file and begins anew is not rare, so there has to be a time.
        copy.key.birth > 0 && original.head.is_like(copy.head)
    });
    let deleted = deleted.filter_map(|(id, original)| of_deleted(lane, source, (id, original)));
    let mut known = formers.chain(deleted.filter(|known| copy.key.birth < known.left_at));
    known
        .find(|known| is_copy(known, copy))
        .map(|known| (known.read_to, known.cursor))
}

/// What is read of a deleted file is read to its end there, so its copy begins at that.
fn of_deleted<'a>(lane: &Lane, source: &Source, (id, file): (FileId, &'a File)) -> Option<Known<'a>> {
    let left_at = Facts::of(file.fd()?).ok()?.changed;
    let known = lane.known(source.id, (id, file), left_at)?;
    let read_to = if known.read_to.offset < file.size {
        start::end(file, source.charset.of_file(file.head.start()))
    } else {
        known.read_to
    };
    Some(Known { read_to, ..known })
}

fn is_copy(known: &Known<'_>, copy: &Candidate<'_>) -> bool {
    let Position { offset, tail, .. } = known.read_to;
    if offset > copy.size {
        return false;
    }
    // The same bytes at the same place, up to 4 KiB of them, right before the position.
    let has_tail = || {
        let from = offset.checked_sub(tail.length.into());
        from.and_then(|from| (copy.hash)(from, tail.length)) == Some(tail)
    };
    if tail.length as usize >= LEAST_HEAD {
        return has_tail();
    }
    // Nothing was read of it, or hardly anything since it was opened, so there is its beginning to tell it by.
    let begins_so = known.head.is_telling() && copy.head.len() >= LEAST_HEAD && known.head.is_like(copy.head);
    begins_so && (offset == 0 || tail.length > 0 && has_tail())
}
