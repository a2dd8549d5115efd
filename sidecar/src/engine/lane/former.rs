//! Contents that files had before they were truncated.
//!
//! `copytruncate` copies a log and then truncates it; which of the two is noticed first is chance. So what was read of a
//! truncated content is remembered for a short while: a file that is its copy is read on where it was read to. Only what
//! nobody had a copy of has vanished.
//!
//! What was read of the original may still be under way when the copy is found. Until it is settled, or vanished, nothing
//! is saved of the copy: a new process then finds the copy by the original's position, and reads that part again.

use std::time::{Duration, Instant};

use crate::positions::RecordId;

use super::super::cursor::CursorId;
use super::follow::estimate_records;
use super::{Amount, Cursor, File, Files, Lane, Loss, Now, Position, Saved, SourceId};
use crate::engine::head::{Head, LEAST_HEAD};

/// A copy is there before the original is truncated, and is found within a moment.
const REMEMBERED: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(crate) struct Former {
    /// What of it is under way.
    pub(super) cursor: CursorId,
    pub(super) source: SourceId,
    pub(super) head: Head,
    pub(super) read_to: Position,
    /// When it was noticed that the file had it no more, in nanoseconds since the Unix epoch.
    pub(super) left_at: i64,
    /// A content has one, so that what only looks like it isn't taken for another.
    pub(super) has_copy: bool,
    /// Bytes that nobody has read; pending until it is known whether there is a copy.
    pub(super) unread: u64,
    record: Option<RecordId>,
    until: Instant,
}

impl Former {
    /// What a cursor knows of the content that its file had, with `size` bytes; none where a copy couldn't be told.
    pub(super) fn of(id: CursorId, cursor: &Cursor, file: &File, (size, now): (u64, Now)) -> Option<Self> {
        let read_to = cursor.known_position();
        let head = file.former_head.as_deref().cloned().unwrap_or_default();
        // Where little is known of what was read last, the beginning has to do.
        let is_telling = match read_to.tail.length as usize {
            0 => read_to.offset == 0 && head.is_telling(),
            length => length >= LEAST_HEAD || head.is_telling(),
        };
        is_telling.then(|| Self {
            cursor: id,
            source: cursor.source,
            head,
            read_to,
            left_at: now.wall,
            has_copy: false,
            unread: size.saturating_sub(cursor.read),
            // A position at the beginning tells nothing by which a copy could be known, and is in the way of the next.
            record: cursor.record.filter(|_| cursor.settled.offset > 0),
            until: now.instant + REMEMBERED,
        })
    }
}

impl Former {
    /// The saved position is that of the former content as long as it is remembered.
    pub(super) const fn keeps_position(&self) -> bool {
        self.record.is_some()
    }
}

impl Lane {
    /// A copy goes on where a former content was read to, with `more` bytes: what is unread of that content is the copy's, as
    /// far as the copy goes.
    pub(super) fn found_copy(&mut self, (of, copy): (CursorId, CursorId), more: u64) {
        self.copies.insert(of, copy);
        let Some(former) = self.formers.iter_mut().find(|former| former.cursor == of) else {
            return;
        };
        former.has_copy = true;
        let found = former.unread.min(more);
        former.unread -= found;
        if let Some(flow) = self.flows.get_mut(&former.source) {
            flow.account.withdraw(found);
        }
    }

    /// A deleted file is let go of, and its copy, which begins at its end, wasn't read yet: it is read from where this one was
    /// read to. False where that isn't so.
    pub(super) fn leave_to_copy(&mut self, id: CursorId, size: u64) -> bool {
        let original = self.cursors.get(&id);
        let (Some(copy), Some(read_to)) = (self.copies.get(&id), original.map(|known| known.known_position())) else {
            return false;
        };
        let copy = self.cursors.get_mut(copy);
        let Some(copy) = copy.filter(|copy| copy.after == Some((id, size)) && copy.read == size && copy.is_quiet())
        else {
            return false;
        };
        copy.after = Some((id, read_to.offset));
        copy.pass_to(read_to);
        if let Some(flow) = self.flows.get_mut(&copy.source) {
            flow.account.discover(size - read_to.offset);
        }
        true
    }

    /// Forgets contents whose time is over, and saves the copies of those that are settled.
    pub(crate) fn forget_formers(&mut self, files: &Files, saved: &mut Saved, (now, all): (Now, Remember)) {
        let waiting: Vec<CursorId> = self.unsaved.iter().copied().collect();
        for id in waiting {
            self.save(id, 0, files, saved, now);
        }
        self.copies.retain(|original, _| self.cursors.contains_key(original));
        let needed = self.needed();
        let is_over = |former: &Former| former.until <= now.instant && !needed.contains(&former.cursor);
        let (mut over, mut kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.formers).into_iter().partition(is_over);
        let hopeless = match all {
            Remember::WhatIsRead => kept.as_mut_slice(),
            Remember::AsUsual => &mut [],
        };
        for former in over.iter_mut().chain(hopeless) {
            self.give_up_unread(former);
        }
        self.formers = kept;
        for record in over.iter().filter_map(|former| former.record) {
            saved.forget(record, now);
        }
    }

    /// The originals of copies that must not be saved yet.
    fn needed(&self) -> Vec<CursorId> {
        let unsaved = self.unsaved.iter().filter_map(|id| self.cursors.get(id)?.after);
        unsaved.map(|(original, _)| original).collect()
    }

    fn give_up_unread(&mut self, former: &mut Former) {
        let bytes = std::mem::take(&mut former.unread);
        let Some(flow) = self.flows.get_mut(&former.source).filter(|_| bytes > 0) else {
            return;
        };
        let records = estimate_records(&flow.account, bytes);
        flow.account.lose(Loss::Vanished, Amount { records, bytes });
        tracing::warn!(destination = %self.destination.name, bytes, "bytes were gone before they could be read");
    }

    /// When there is something to forget. What is needed longer waits for a settlement, and no time comes for that.
    pub(super) fn next_forgetting(&self) -> Option<Instant> {
        if self.formers.is_empty() {
            return None;
        }
        let needed = self.needed();
        let formers = self.formers.iter().filter(|former| !needed.contains(&former.cursor));
        formers.map(|former| former.until).min()
    }
}

/// What is to be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remember {
    AsUsual,
    /// The process is to end, and doesn't wait for copies that may never be found. One that is found all the same isn't read
    /// from its beginning.
    WhatIsRead,
}
