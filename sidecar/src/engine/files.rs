//! The files that are tailed, whichever sources and destinations they serve: one descriptor each.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::OwnedFd;
use std::time::Instant;

use crate::reading::facts::{Facts, FileKey};

use super::beginnings::{Beginnings, Noted};
use super::clock::Now;
use super::head::Head;
use super::marks::Marks;
use super::reclaim::Reclaimed;

/// Names a file as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FileId(u64);

impl FileId {
    pub(crate) const FIRST: Self = Self(0);
    const LAST: Self = Self(u64::MAX);
}

#[cfg(test)]
impl FileId {
    pub(crate) const fn numbered(number: u64) -> Self {
        Self(number)
    }
}

/// One tailed file.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) key: FileKey,
    fd: Option<OwnedFd>,
    /// As it was last seen.
    pub(crate) size: u64,
    pub(crate) allocated: u64,
    /// When it was last written to, by its own clock.
    modified: i64,
    /// No name leads to it any more.
    pub(crate) deleted: bool,
    pub(crate) marks: Marks,
    pub(crate) head: Head,
    /// Of the content before the present one.
    pub(crate) former_head: Option<Box<Head>>,
    noted: Noted,
    /// When it last grew, or was found.
    pub(crate) grew_at: Instant,
    /// Written to after a writer last closed it: somebody probably has it open.
    pub(crate) being_written: bool,
    /// Reading failed; shown in the report until it works again.
    pub(crate) error: Option<String>,
    /// Counts truncations, so that a cursor knows which content it belongs to.
    pub(crate) generation: u32,
    pub(crate) reclaimed: Reclaimed,
}

/// What a look at a file found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Same,
    /// It was written to, and is as long as before.
    Touched,
    Grew {
        by: u64,
    },
    /// It is shorter than before, or has another beginning: its content began anew.
    Replaced,
}

impl File {
    fn new(fd: OwnedFd, facts: &Facts, head: Head, now: Now) -> Self {
        let mut marks = Marks::default();
        // Bytes that were there before are as old as the file's last change.
        marks.grew_from(0, now.wall.min(facts.modified));
        Self {
            key: facts.id,
            fd: Some(fd),
            size: facts.size,
            allocated: facts.allocated,
            modified: facts.modified,
            deleted: false,
            marks,
            head,
            former_head: None,
            noted: Noted::default(),
            grew_at: now.instant,
            being_written: false,
            error: None,
            generation: 0,
            reclaimed: Reclaimed::default(),
        }
    }

    /// None while it is closed: it is delivered, or nobody wants it any more.
    pub(crate) const fn fd(&self) -> Option<&OwnedFd> {
        self.fd.as_ref()
    }

    /// It is the same file, and was neither written to nor cut since it was last seen.
    pub(crate) fn is_as(&self, facts: &Facts) -> bool {
        (self.key, self.size, self.modified) == (facts.id, facts.size, facts.modified)
    }

    /// Takes over what the kernel says now.
    pub(crate) fn observe(&mut self, facts: &Facts, now: Now) -> Seen {
        (self.allocated, self.deleted) = (facts.allocated, facts.links == 0);
        let before = std::mem::replace(&mut self.size, facts.size);
        let was_modified = std::mem::replace(&mut self.modified, facts.modified);
        if facts.size > before {
            self.marks.grew_from(before, now.wall);
            self.grew_at = now.instant;
            self.being_written = true;
            return Seen::Grew {
                by: facts.size - before,
            };
        }
        if facts.size < before {
            self.begin_anew(now);
            return Seen::Replaced;
        }
        if facts.modified == was_modified {
            Seen::Same
        } else {
            Seen::Touched
        }
    }

    /// The content was replaced.
    pub(crate) fn begin_anew(&mut self, now: Now) {
        self.generation += 1;
        self.grew_at = now.instant;
        self.former_head = Some(Box::new(std::mem::take(&mut self.head)));
        self.reclaimed.content_began_anew();
        self.marks.clear();
        self.marks.grew_from(0, now.wall);
    }

    /// How far whoever reads at `offset` finds text.
    pub(crate) fn text_end(&self, offset: u64) -> u64 {
        self.reclaimed.text_end(offset, self.size)
    }
}

/// All tailed files.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// Boxed, since a table of tens of thousands has as many free places again.
    by_id: HashMap<FileId, Box<File>>,
    /// Those that have a descriptor, which of many are few,
    open: BTreeSet<FileId>,
    /// and those of them that nothing has happened to for a while.
    quiet: BTreeSet<FileId>,
    /// With the file's inode: an ordered set takes less room than a table.
    by_inode: BTreeSet<(u64, FileId)>,
    beginnings: Beginnings,
    /// Those that no name leads to, and since when that is known.
    deleted: BTreeMap<FileId, Instant>,
    next: u64,
    next_slot: u64,
}

impl Files {
    pub(crate) fn find(&self, key: FileKey) -> Option<FileId> {
        let mut same = self
            .by_inode
            .range((key.inode, FileId::FIRST)..=(key.inode, FileId::LAST));
        same.rfind(|(_, id)| self.by_id.get(id).is_some_and(|file| file.key == key))
            .map(|(_, id)| *id)
    }

    pub(crate) fn insert(&mut self, fd: OwnedFd, facts: &Facts, head: Vec<u8>, now: Now) -> FileId {
        let id = FileId(self.next);
        self.next += 1;
        self.by_id
            .insert(id, Box::new(File::new(fd, facts, Head::of(head), now)));
        self.open.insert(id);
        self.by_inode.insert((facts.id.inode, id));
        self.note_beginning(id);
        id
    }

    /// A number for a file as one source reads it; rises.
    pub(crate) fn next_slot(&mut self) -> u64 {
        self.next_slot += 1;
        self.next_slot
    }

    /// More is known of the file's beginning, or it begins anew.
    pub(crate) fn note_beginning(&mut self, id: FileId) {
        if let Some(file) = self.by_id.get_mut(&id) {
            self.beginnings.note(id, &mut file.noted, file.head.start());
        }
    }

    /// The same for all files of which little was known.
    pub(crate) fn note_short_beginnings(&mut self) {
        for id in self.beginnings.short() {
            self.note_beginning(id);
        }
    }

    /// The files that may begin with these bytes.
    pub(crate) fn begin_like<'a>(&'a self, start: &[u8]) -> impl Iterator<Item = FileId> + use<'a> {
        let like = self.beginnings.like(start);
        let all = like.is_none().then(|| self.by_id.keys().copied());
        like.into_iter().flatten().chain(all.into_iter().flatten())
    }

    /// No name leads to it any more.
    pub(crate) fn note_deleted(&mut self, id: FileId, now: Now) {
        self.deleted.entry(id).or_insert(now.instant);
    }

    /// Those that no name leads to.
    pub(crate) fn deleted(&self) -> impl Iterator<Item = (FileId, &File)> {
        self.deleted.keys().filter_map(|id| Some((*id, self.get(*id)?)))
    }

    /// Since when no name is known to lead to it.
    pub(crate) fn deleted_at(&self, id: FileId) -> Option<Instant> {
        self.deleted.get(&id).copied()
    }

    pub(crate) fn get(&self, id: FileId) -> Option<&File> {
        self.by_id.get(&id).map(Box::as_ref)
    }

    pub(crate) fn get_mut(&mut self, id: FileId) -> Option<&mut File> {
        self.by_id.get_mut(&id).map(Box::as_mut)
    }

    /// A file that was closed has a descriptor again.
    pub(crate) fn open(&mut self, id: FileId, fd: OwnedFd) {
        if let Some(file) = self.by_id.get_mut(&id) {
            file.fd = Some(fd);
            self.open.insert(id);
        }
    }

    pub(crate) fn close(&mut self, id: FileId) {
        self.open.remove(&id);
        self.quiet.remove(&id);
        if let Some(file) = self.by_id.get_mut(&id) {
            file.fd = None;
        }
    }

    pub(crate) fn remove(&mut self, id: FileId) {
        self.open.remove(&id);
        self.quiet.remove(&id);
        self.deleted.remove(&id);
        if let Some(file) = self.by_id.remove(&id) {
            self.by_inode.remove(&(file.key.inode, id));
            self.beginnings.remove(id, file.noted);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (FileId, &File)> {
        self.by_id.iter().map(|(id, file)| (*id, file.as_ref()))
    }

    /// Those with a descriptor: only they can have news without an event.
    pub(crate) fn opened(&self) -> impl Iterator<Item = (FileId, &File)> {
        self.open.iter().filter_map(|id| Some((*id, self.get(*id)?)))
    }

    /// The same without those that are quiet.
    pub(crate) fn lively(&self) -> impl Iterator<Item = FileId> {
        self.open.difference(&self.quiet).copied()
    }

    pub(crate) fn count_lively(&self) -> usize {
        self.open.len() - self.quiet.len()
    }

    /// It is delivered, and nothing has happened to it for a while.
    pub(crate) fn calm(&mut self, id: FileId) {
        if self.open.contains(&id)
            && self.quiet.insert(id)
            && let Some(file) = self.by_id.get_mut(&id)
        {
            file.marks.rest();
        }
    }

    /// Something has.
    pub(crate) fn stir(&mut self, id: FileId) {
        self.quiet.remove(&id);
    }

    pub(crate) fn count_open(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}
