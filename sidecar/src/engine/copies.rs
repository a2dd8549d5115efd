//! Which new files are copies of known ones, as `copytruncate` makes them: they are read on where the known one was read to.
//!
//! Applications begin many a file alike, so what two files have in common makes neither a copy. Only a content that *left*
//! its file has copies: the file was truncated or filled anew, or was deleted after the copy was made. A file that begins
//! like another one is held back (`suspects`) until the other one was looked at, and while it has nothing that the other
//! one hasn't. If the other one just stays as it is, there are two files, and both are read. A mistake here costs lines that
//! come twice, never lines.

use rustix::fd::OwnedFd;

use crate::reading::facts::{Facts, FileKey};

use super::Engine;
use super::clock::Now;
use super::content::hash_at;
use super::cursor::{CursorId, Position};
use super::discover::At;
use super::files::{File, FileId, Files};
use super::head::LEAST_HEAD;
use super::lane::{Known, Lane};
use super::source::{Source, SourceId};

/// Of the files that begin like a new one, so many are looked at: there may be tens of thousands.
const MOST: usize = 100;

impl Engine {
    /// Whether a file begins like one that is known, as far as it goes. Asked for every new file, so nothing is looked at.
    pub(super) fn begins_alike(&self, at: At, head: &[u8], size: u64) -> bool {
        alike(&self.running[at.running].sources[at.source], &self.files, head)
            .next()
            .is_some()
            || self.is_behind_former(at, head, size)
    }

    /// The file has nothing that another one hasn't, or had a moment ago: perhaps it is being copied, or was, and the other
    /// one will be truncated.
    pub(super) fn may_become_copy(&mut self, at: At, (head, size): (&[u8], u64), now: Now) -> bool {
        let source = &self.running[at.running].sources[at.source];
        let originals: Vec<FileId> = alike(source, &self.files, head).take(MOST).collect();
        let is_held = originals.into_iter().any(|id| {
            self.open_again(at, id);
            self.look_at_file(id, now);
            let file = self.files.get(id).filter(|file| !file.deleted);
            file.is_some_and(|file| size <= file.size && file.head.is_like(head))
        });
        is_held || self.is_behind_former(at, head, size)
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

/// What is known of the content that this file has a copy of: where it was read to.
pub(super) fn copied(
    lane: &Lane,
    (source, file, head): (SourceId, &File, &[u8]),
    files: &Files,
) -> Option<(Position, CursorId)> {
    // The same bytes at the same place, up to 4 KiB of them, right before the position.
    let has_tail = |position: &Position| {
        let length = position.tail.length;
        let from = position.offset.checked_sub(length.into());
        length as usize >= LEAST_HEAD && from.and_then(|from| hash_at(file, from, length)) == Some(position.tail)
    };
    let is_copy = |known: &Known<'_>| {
        // Where nothing was read before it was truncated, there is only its beginning to tell it by.
        let is_unread = known.is_former && known.read_to.offset == 0 && known.head.is_like(head);
        known.read_to.offset <= file.size && (is_unread || has_tail(&known.read_to))
    };
    let formers = lane.formers_of(source);
    let deleted = files
        .deleted()
        .filter(|(_, original)| was_deleted_after(original, file));
    let deleted = deleted.filter_map(|(id, original)| lane.known(source, id, original));
    let mut known = formers.chain(deleted);
    known.find(is_copy).map(|known| (known.read_to, known.cursor))
}

/// A file that is made after another one was deleted is no copy of that. Where the file system doesn't say when it was made,
/// it is taken for none.
fn was_deleted_after(original: &File, copy: &File) -> bool {
    let facts = original.fd().and_then(|fd| Facts::of(fd).ok());
    copy.key.birth > 0 && facts.is_some_and(|facts| copy.key.birth < facts.changed)
}
