//! Filling batches and handing them over.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::batch::Settled;
use crate::processing::Processing;

use super::super::cursor::NextLine;
use super::super::open_batch::{Allowance, Progress, QUANTUM};
use super::{Cursor, CursorId, File, FileId, Files, InFlight, Lane, Now, OpenBatch, Saved, Source};

/// A batch with less room than this is full.
const LEAST_ROOM: usize = 1 << 10;
/// So much is read in one turn, then everything else has its turn: where nearly all records are left out no full window
/// ends the reading.
const MOST_OF_A_TURN: u64 = 32 << 20;
/// Batches of a destination are never smaller than this, whatever the budget.
const LEAST_BATCH: usize = 64 << 10;

/// What a lane works with in one turn of the engine.
pub(crate) struct Turn<'a> {
    pub(crate) files: &'a mut Files,
    pub(crate) sources: &'a mut [Source],
    pub(crate) saved: &'a mut Saved,
    pub(crate) now: Now,
    /// This lane's part of the memory budget.
    pub(crate) memory: usize,
    /// Let everything leave at once: the process is to end.
    pub(crate) flush: bool,
    /// Files that aren't what they were thought to be.
    pub(crate) rechecks: Vec<(FileId, Recheck)>,
}

/// Why a file has to be looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Recheck {
    /// It has fewer bytes than were known.
    Short,
    /// Its content is another.
    Rewritten,
}

enum Filled {
    /// Nothing more to read.
    Drained,
    /// The batch is to leave before more is read.
    Full,
    /// There is more, for the next turn.
    Paused,
}

impl Lane {
    /// Reads what there is and hands over what is full or due, as far as window and memory allow.
    pub(crate) fn pump(&mut self, turn: &mut Turn<'_>) {
        self.ship_unterminated(turn);
        self.read_in_turn = 0;
        while self.successor.is_none() && self.in_flight.len() < self.limits.window {
            match self.fill(turn) {
                Filled::Full if self.open.is_some() => self.send(turn),
                _ => break,
            }
        }
        if self.is_due(turn.now.instant, turn.flush) {
            self.send(turn);
        }
        if self.queue.is_empty() && self.in_flight.is_empty() {
            self.spare.clear();
        }
    }

    /// When the lane has something to do without being told.
    pub(crate) fn next_wake(&self, sources: &[Source], files: &Files) -> Option<Instant> {
        let batch = self
            .can_leave()
            .then(|| self.sent_at.map(|sent| sent + self.limits.max_delay))
            .flatten();
        let lines = self.waiting.iter().filter_map(|id| self.ships_at(*id, sources, files));
        let successor = self.successor.as_ref().map(|next| next.until);
        let successor = successor.into_iter().chain(self.next_forgetting());
        let paused = (self.read_in_turn >= MOST_OF_A_TURN).then(Instant::now);
        let batch = batch.into_iter().chain(paused);
        batch.into_iter().chain(lines).chain(successor).min()
    }

    /// After a pause the first batch leaves at once; then each gathers for `maxDelay`.
    fn is_due(&self, now: Instant, flush: bool) -> bool {
        let waited = self.sent_at.is_none_or(|sent| now >= sent + self.limits.max_delay);
        self.can_leave() && (waited || flush)
    }

    fn can_leave(&self) -> bool {
        self.successor.is_none()
            && self.in_flight.len() < self.limits.in_flight
            && self.open.as_ref().is_some_and(|open| !open.is_empty())
    }

    fn fill(&mut self, turn: &mut Turn<'_>) -> Filled {
        let max_bytes = self.max_bytes(turn.memory);
        loop {
            let Some(&id) = self.queue.front() else {
                return Filled::Drained;
            };
            if self.read_in_turn >= MOST_OF_A_TURN {
                return Filled::Paused;
            }
            let used = self.open.as_ref().map_or(0, |open| open.batch.text.len());
            let is_large = self
                .open
                .as_ref()
                .is_some_and(|open| open.batch.memory() > 3 * max_bytes + QUANTUM);
            let next = QUANTUM.min(max_bytes) * self.limits.memory_per_byte;
            let no_memory = self.memory() + next > turn.memory && used + self.in_flight.len() > 0;
            if used + LEAST_ROOM > max_bytes || is_large || no_memory {
                return Filled::Full;
            }
            self.queue.pop_front();
            if let Filled::Full = self.read(id, max_bytes - used, max_bytes, turn) {
                self.queue.push_front(id);
                return Filled::Full;
            }
        }
    }

    /// So that a whole window fits into the memory there is.
    fn max_bytes(&self, memory: usize) -> usize {
        let share = memory / (self.limits.window + 1) / self.limits.memory_per_byte;
        self.limits.max_bytes.min(share.max(LEAST_BATCH))
    }

    /// Reads one quantum of one file.
    fn read(&mut self, id: CursorId, room: usize, max_bytes: usize, turn: &mut Turn<'_>) -> Filled {
        let Some(cursor) = self.cursors.get_mut(&id) else {
            return Filled::Drained;
        };
        let file_id = cursor.file;
        let source = turn.sources.iter_mut().find(|source| source.id == cursor.source);
        let (Some(file), Some(source), false) = (turn.files.get_mut(file_id), source, cursor.ended) else {
            cursor.queued = false;
            return Filled::Drained;
        };
        let open = self.open.get_or_insert_with(|| {
            self.sequence += 1;
            OpenBatch::new(self.sequence, self.spare.pop().unwrap_or_default())
        });
        let longest = usize::try_from(source.config.max_line_bytes.as_bytes()).unwrap_or(usize::MAX);
        let max_line = longest.min(self.limits.max_record_bytes).min(max_bytes);
        let Some(flow) = self.flows.get_mut(&cursor.source) else {
            return Filled::Drained;
        };
        let mut processing = Processing {
            grouping: source.grouping.as_deref(),
            program: source.program.as_deref(),
            memory: &mut flow.memory,
            scratch: &mut self.scratch,
        };
        let outcome = read_guarded(open, (id, cursor), file, Allowance { room, max_line }, &mut processing);
        self.waiting.remove(&id);
        cursor.queued = false;
        match outcome {
            Ok(Progress::Full) => {
                cursor.queued = true;
                return Filled::Full;
            }
            Ok(Progress::Read { piece, more }) => {
                file.error = None;
                self.read_in_turn += piece.bytes;
                source.count(file_id, cursor.generation, (piece, cursor.read), turn.now.wall);
                if more {
                    cursor.queued = true;
                    self.queue.push_back(id);
                }
            }
            Ok(Progress::Waits) => {
                file.error = None;
                if cursor.read < file.size {
                    self.waiting.insert(id);
                }
            }
            Ok(Progress::Short) => turn.rechecks.push((file_id, Recheck::Short)),
            Ok(Progress::Rewritten) => turn.rechecks.push((file_id, Recheck::Rewritten)),
            Err(error) => file.error = Some(error),
        }
        Filled::Drained
    }

    /// Lines without an end leave when nothing came after them for long enough.
    fn ship_unterminated(&mut self, turn: &Turn<'_>) {
        let due: Vec<_> = self
            .waiting
            .iter()
            .copied()
            .filter(|id| {
                let at = self.ships_at(*id, turn.sources, turn.files);
                turn.flush || at.is_some_and(|at| at <= turn.now.instant)
            })
            .collect();
        for id in due {
            self.waiting.remove(&id);
            if let Some(cursor) = self.cursors.get_mut(&id) {
                cursor.next_line = NextLine::Overdue;
            }
            self.enqueue(id);
        }
    }

    fn ships_at(&self, id: CursorId, sources: &[Source], files: &Files) -> Option<Instant> {
        let cursor = self.cursors.get(&id)?;
        let source = sources.iter().find(|source| source.id == cursor.source)?;
        let file = files.get(cursor.file)?;
        let flush_after = source
            .config
            .multiline
            .as_ref()
            .map(|multiline| multiline.flush_after.to_std());
        let unterminated_after = source.config.unterminated_after.to_std();
        let wait = match (cursor.next_line, flush_after) {
            (NextLine::OpenGroup { .. }, Some(flush_after)) => flush_after,
            _ => unterminated_after.max(flush_after.unwrap_or_default()),
        };
        Some(file.grew_at + wait)
    }

    fn send(&mut self, turn: &mut Turn<'_>) {
        let Some(open) = self.open.take() else {
            return;
        };
        let sequence = open.batch.sequence;
        for share in &open.shares {
            if let Some(cursor) = self.cursors.get_mut(&share.cursor) {
                cursor.in_open = false;
                cursor.window.push(sequence, share.position);
            }
        }
        let OpenBatch { batch, shares, .. } = open;
        let memory = self.cost(&batch);
        self.in_flight.insert(sequence, InFlight { shares, memory });
        self.sent_at = Some(turn.now.instant);
        if batch.records.is_empty() {
            // Only bytes that belong to no record, such as the rest of a cut line: nothing to send.
            let nothing = Settled {
                batch,
                dropped: Vec::new(),
            };
            self.settle(nothing, turn.files, turn.saved, turn.now);
        } else if self.link.batches.try_send(batch).is_err() {
            // The task is gone; the engine notices and starts it again from the settled positions.
            tracing::error!(destination = %self.destination.name, "the sending task has ended");
        }
    }
}

/// A defect that one file's content brings out must not end the process.
fn read_guarded(
    open: &mut OpenBatch,
    (id, cursor): (CursorId, &mut Cursor),
    file: &mut File,
    allowance: Allowance,
    processing: &mut Processing<'_>,
) -> Result<Progress, String> {
    let lengths = (open.batch.text.len(), open.batch.records.len(), open.batch.fields.len());
    let outcome = catch_unwind(AssertUnwindSafe(|| open.read(id, cursor, file, allowance, processing)));
    outcome.map_or_else(
        |_| {
            open.batch.text.truncate(lengths.0);
            open.batch.records.truncate(lengths.1);
            open.batch.fields.truncate(lengths.2);
            tracing::error!(path = %cursor.origin.path, offset = cursor.read, "a defect: reading panicked");
            Err("reading it failed by a defect of the sidecar".to_owned())
        },
        |read| read.map_err(|errno| errno.to_string()),
    )
}
