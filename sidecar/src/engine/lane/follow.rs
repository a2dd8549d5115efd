//! Following files: beginning, growth, a new content, the end.

use std::sync::Arc;

use crate::batch::Origin;
use crate::metrics::Amount;
use crate::positions::{FilePosition, RecordId};

use super::super::account::{Account, Loss};
use super::super::content::{end_of_hole, is_continued};
use super::super::start::Start;
use super::{Cursor, CursorId, File, FileId, FlowKey, Former, Lane, Now, Position, Saved, Source, SourceId};

/// What becomes of bytes that nobody will read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// They are gone.
    Vanished,
    /// They are nothing to this lane any more.
    Withdrawn,
    /// It isn't known yet.
    Open,
}

struct Ended {
    source: SourceId,
    origin: Arc<Origin>,
    record: Option<RecordId>,
    next_time: i64,
    slot: u64,
}

/// By the mean length of the records so far; at least one.
pub(super) fn estimate_records(account: &Account, bytes: u64) -> u64 {
    let Amount { records, bytes: known } = account.counters.acknowledged;
    if bytes == 0 {
        return 0;
    }
    let mean = known.checked_div(records).unwrap_or(200).max(1);
    (bytes / mean).max(1)
}

impl Lane {
    /// Begins to follow a file at `start`.
    pub(crate) fn attach(&mut self, source: &Source, (id, file): (FileId, &File), start: &Start) {
        let (Some(tail), Some(flow)) = (source.tails.get(&id), self.flows.get_mut(&source.id)) else {
            return;
        };
        flow.account.discover(file.size.saturating_sub(start.position.offset));
        let mut cursor = Cursor::new(source.id, id, file.generation, Arc::clone(&tail.origin), start.position);
        (cursor.record, cursor.slot) = (start.record, tail.slot);
        (cursor.content, cursor.saved_content) = (start.content, start.content);
        cursor.after = start.copy_of.map(|original| (original, start.position.offset));
        let id = self.insert(cursor);
        if let Some(original) = start.copy_of {
            self.unsaved.insert(id);
            self.found_copy((original, id), file.size.saturating_sub(start.position.offset));
        }
    }

    fn insert(&mut self, mut cursor: Cursor) -> CursorId {
        let id = CursorId(self.next_cursor);
        self.next_cursor += 1;
        cursor.content = cursor.content.or(|| self.new_content(&cursor, id));
        self.by_file.insert((cursor.source, cursor.file), id);
        self.cursors.insert(id, Box::new(cursor));
        self.enqueue(id);
        id
    }

    pub(super) fn enqueue(&mut self, id: CursorId) {
        if let Some(cursor) = self.cursors.get_mut(&id)
            && !std::mem::replace(&mut cursor.queued, true)
        {
            self.queue.push_back(id);
        }
    }

    /// The cursors of all sources in a file's present content.
    pub(super) fn cursors_of(&self, file: FileId) -> Vec<CursorId> {
        let sources = self.flows.keys();
        sources
            .filter_map(|source| self.by_file.get(&(*source, file)).copied())
            .collect()
    }

    /// A file has `by` more bytes; 0 when it is only worth another look.
    pub(crate) fn grew(&mut self, file: FileId, by: u64) {
        for id in self.cursors_of(file) {
            let flow = self
                .cursors
                .get(&id)
                .and_then(|cursor| self.flows.get_mut(&cursor.source));
            if let Some(flow) = flow {
                flow.account.discover(by);
            }
            self.enqueue(id);
        }
    }

    /// What was read of a file isn't there any more, although the file isn't shorter.
    pub(crate) fn is_rewritten(&self, (id, file): (FileId, &File)) -> bool {
        let mut cursors = self.cursors_of(id).into_iter().filter_map(|id| self.cursors.get(&id));
        // What can't be read now is looked at again when it can.
        cursors.any(|cursor| matches!(is_continued(cursor, file), Ok(false)))
    }

    /// A file's content began anew: what wasn't read of the `before` bytes of the old one is lost.
    pub(crate) fn began_anew(&mut self, id: FileId, file: &File, (before, now): (u64, Now)) {
        for cursor in self.cursors_of(id) {
            let known = self.cursors.get(&cursor);
            let former = known.and_then(|known| Former::of(cursor, known, file, (before, now)));
            let fate = former.as_ref().map_or(Fate::Vanished, |_| Fate::Open);
            let keeps_position = former.as_ref().is_some_and(Former::keeps_position);
            self.formers.extend(former);
            let Some(old) = self.end(cursor, before, fate) else {
                continue;
            };
            if let Some(flow) = self.flows.get_mut(&old.source) {
                flow.account.discover(file.size);
            }
            let mut next = Cursor::new(old.source, id, file.generation, old.origin, Position::default());
            // The saved position of the former content is what a copy is known by after a restart.
            next.record = old.record.filter(|_| !keeps_position);
            (next.next_time, next.slot) = (old.next_time, old.slot);
            self.insert(next);
        }
    }

    /// A hole is no content.
    pub(crate) fn skip_hole(&mut self, (id, file): (FileId, &File)) {
        for id in self.cursors_of(id) {
            let cursor = self.cursors.get_mut(&id);
            let Some(cursor) = cursor.filter(|cursor| cursor.is_quiet() && cursor.follows_hole()) else {
                continue;
            };
            let Some(end) = end_of_hole(file, cursor.read) else {
                continue;
            };
            // What isn't known of the file's size yet isn't discovered.
            let to = end.min(file.size);
            if to <= cursor.read {
                continue;
            }
            if let Some(flow) = self.flows.get_mut(&cursor.source) {
                flow.account.withdraw(to - cursor.read);
            }
            cursor.skip_hole(to);
            self.enqueue(id);
        }
    }

    /// Files of these flows had bytes to read, and never came back. How many is known of none of them.
    pub(crate) fn lost_sight(&mut self, of: &[FlowKey], saved: &mut Saved, now: Now) {
        for flow in self.flows.values_mut() {
            let records = of.iter().filter(|key| **key == flow.key).count() as u64;
            if records > 0 {
                flow.account.lose(Loss::Vanished, Amount { records, bytes: 0 });
                saved.put_counters(flow.key, flow.account.counters, now);
                tracing::error!(destination = %self.destination.name, files = records,
                    "files that were not read to their end have been gone for a day");
            }
        }
    }

    /// Stops following a file of `size` bytes. The position is handed back.
    pub(crate) fn detach(
        &mut self,
        source: SourceId,
        (id, file): (FileId, &File),
        fate: Fate,
        now: Now,
    ) -> Option<(RecordId, FilePosition)> {
        let cursor = self.by_file.remove(&(source, id))?;
        let position = self.saved_position(cursor, file, now);
        let is_in_copy = fate == Fate::Vanished && self.leave_to_copy(cursor, file.size);
        let fate = if is_in_copy { Fate::Withdrawn } else { fate };
        let ended = self.end(cursor, file.size, fate)?;
        Some((ended.record?, position?))
    }

    /// Marks a cursor as ended; what it has under way still settles.
    fn end(&mut self, id: CursorId, size: u64, fate: Fate) -> Option<Ended> {
        let cursor = self.cursors.get_mut(&id)?;
        let ended = Ended {
            source: cursor.source,
            origin: Arc::clone(&cursor.origin),
            record: cursor.record.take(),
            next_time: cursor.next_time,
            slot: cursor.slot,
        };
        let unread = size.saturating_sub(cursor.read);
        cursor.ended = true;
        if cursor.is_quiet() {
            self.cursors.remove(&id);
        } else {
            self.leaving.insert(id);
        }
        self.waiting.remove(&id);
        if let Some(flow) = self.flows.get_mut(&ended.source).filter(|_| unread > 0) {
            match fate {
                Fate::Withdrawn => flow.account.withdraw(unread),
                Fate::Open => {}
                Fate::Vanished => {
                    let records = estimate_records(&flow.account, unread);
                    flow.account.lose(Loss::Vanished, Amount { records, bytes: unread });
                    tracing::warn!(destination = %self.destination.name, path = %ended.origin.path, bytes = unread,
                        "bytes were gone before they could be read");
                }
            }
        }
        Some(ended)
    }
}
