//! Filling batches and handing them over.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use rustix::io::Errno;

use crate::batch::{Batch, Parcel, Settled};
use crate::processing::{Permit, Processing};

use super::super::cursor::NextLine;
use super::super::open_batch::{Allowance, Progress, QUANTUM};
use super::offer::Offer;
use super::{Cursor, CursorId, FileId, Files, InFlight, Lane, Leaving, Now, OpenBatch, Saved, Source};
use crate::engine::budget::Ledger;
use crate::engine::running::{Running, Shared};
use crate::positions::Outcome;
use crate::reading::lines::LineState;

/// A batch with less room than this is full.
const LEAST_ROOM: usize = 1 << 10;
/// So much is read in one turn, then everything else has its turn: where nearly all records are left out no full window
/// ends the reading.
const MOST_OF_A_TURN: u64 = 32 << 20;
/// So much is read for each record that may be read, where a rate bounds them, and at least so much at once.
const LIKELY_LINE: usize = 512;
const LEAST_QUANTUM: usize = 4 << 10;
/// Batches of a destination are never smaller than this, whatever the budget.
const LEAST_BATCH: usize = 64 << 10;

/// What a lane works with in one turn of the engine.
pub(crate) struct Turn<'a> {
    pub(crate) files: &'a mut Files,
    pub(crate) saved: &'a mut Saved,
    pub(crate) now: Now,
    pub(crate) ledger: &'a mut Ledger,
    /// Whose turn it is, by its place in the ledger.
    pub(crate) pipeline: usize,
    /// How much the lane that reads may hold, see `budget`.
    pub(crate) memory: usize,
    /// Let everything leave at once: the process is to end.
    pub(crate) flush: bool,
    pub(crate) pace: Pace,
    /// Files that aren't what they were thought to be.
    pub(crate) rechecks: Vec<(FileId, Recheck)>,
}

/// Whether reading keeps to the rates of `rateLimit.onExceed: Wait`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    Kept,
    /// The process is to end: what isn't read now may be lost with the pod.
    Lifted,
}

/// Why a file has to be looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Recheck {
    /// It has fewer bytes than were known.
    Short,
    /// A part of it was given back to the volume.
    Reclaimed,
    /// Its content is another.
    Rewritten,
    /// There is nothing where lines were expected.
    Hole,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    /// Nothing more to read.
    Drained,
    /// The batch is to leave before more is read.
    Full,
    /// There is more, for the next turn.
    Paused,
}

impl<'a> Turn<'a> {
    pub(crate) fn new((files, saved, now): (&'a mut Files, &'a mut Saved, Now), ledger: &'a mut Ledger) -> Self {
        Self {
            files,
            saved,
            now,
            ledger,
            pipeline: 0,
            memory: 0,
            flush: false,
            pace: Pace::Kept,
            rechecks: Vec::new(),
        }
    }

    /// Takes down what the pipeline's lane at `index` holds, and what all of its lanes do.
    pub(crate) fn account(&mut self, index: usize, running: &Running) {
        let holds = running.lanes.get(index).map_or(0, Lane::reserved);
        let common = running.stock.held();
        self.ledger.set((self.pipeline, index), holds, common);
    }

    pub(crate) fn allowance(&self, index: usize) -> usize {
        self.ledger.allowance((self.pipeline, index))
    }

    pub(crate) fn shared(&mut self) -> Shared<'_> {
        (&*self.files, &mut *self.saved, self.now)
    }
}

impl Lane {
    pub(crate) fn begin_turn(&mut self, turn: &Turn<'_>, sources: &[Source]) {
        self.ship_unterminated(turn, sources);
        self.end_rests(turn);
        self.read_in_turn = 0;
        self.following = false;
    }

    /// Whether another batch may be handed over.
    pub(crate) fn has_room(&self) -> bool {
        self.successor.is_none() && self.in_flight.len() < self.limits.window
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
        let rests = self.resting.iter().map(|(until, _)| *until);
        let batch = batch.into_iter().chain(paused).chain(rests);
        batch.into_iter().chain(lines).chain(successor).min()
    }

    /// After a pause the first batch leaves at once; then each gathers for `maxDelay`.
    pub(crate) fn is_due(&self, now: Instant, flush: bool) -> bool {
        let waited = self.sent_at.is_none_or(|sent| now >= sent + self.limits.max_delay);
        self.can_leave() && (waited || flush)
    }

    fn can_leave(&self) -> bool {
        self.successor.is_none() && self.in_flight.len() < self.limits.in_flight && (self.following || !self.is_free())
    }

    /// Reads what there is, as far as batch and memory allow.
    pub(crate) fn fill(
        &mut self,
        turn: &mut Turn<'_>,
        sources: &mut [Source],
        (team, spare): (&[&Self], &mut Vec<Batch>),
    ) -> Filled {
        let max_bytes = self.max_bytes(turn.memory);
        loop {
            let Some(&id) = self.queue.front() else {
                return if self.parked.is_empty() {
                    Filled::Drained
                } else {
                    Filled::Full
                };
            };
            if self.read_in_turn >= MOST_OF_A_TURN {
                return Filled::Paused;
            }
            let used = self.open.as_ref().map_or(0, |open| open.batch.text.len());
            let open = self.open.as_ref().filter(|open| !open.is_empty());
            let is_large = open.is_some_and(|open| self.is_large(&open.batch, max_bytes) || open.is_split_up());
            let no_memory = self.lacks_memory(turn.memory) && used + self.in_flight.len() > 0;
            if used + LEAST_ROOM > max_bytes || is_large || no_memory {
                return Filled::Full;
            }
            if self.open.is_none() {
                // Those of a destination with larger batches would make this one's seem full.
                let fitting = spare.iter().position(|buffers| !self.is_large(buffers, max_bytes));
                let buffers = fitting.map(|at| spare.swap_remove(at));
                self.open = Some(OpenBatch::new(buffers.unwrap_or_default()));
            }
            self.queue.pop_front();
            if let Filled::Full = self.read(id, max_bytes - used, turn, sources, team) {
                self.queue.push_front(id);
                return Filled::Full;
            }
        }
    }

    /// Whether there is none for the next piece.
    pub(crate) fn lacks_memory(&self, allowance: usize) -> bool {
        let front = self.queue.front().and_then(|id| self.cursors.get(id));
        let is_long = front.is_some_and(|cursor| cursor.next_line == NextLine::Long);
        let piece = if is_long {
            self.limits.max_bytes
        } else {
            QUANTUM.min(self.max_bytes(allowance))
        };
        self.reserved() + piece * self.limits.memory_per_byte > allowance
    }

    /// Records cost more than their text where that is short.
    fn is_large(&self, batch: &Batch, max_bytes: usize) -> bool {
        batch.memory() > 3 * max_bytes + QUANTUM || self.limits.encoded(batch) > 4 * max_bytes + QUANTUM
    }

    /// So that a whole window fits into the memory there is.
    pub(super) fn max_bytes(&self, memory: usize) -> usize {
        let share = memory / (self.limits.window + 1) / self.limits.memory_per_byte;
        self.limits.max_bytes.min(share.max(LEAST_BATCH))
    }

    /// Reads one quantum of one file.
    fn read(
        &mut self,
        id: CursorId,
        room: usize,
        turn: &mut Turn<'_>,
        sources: &mut [Source],
        team: &[&Self],
    ) -> Filled {
        let until = self.until(id, team);
        let Some(cursor) = self.cursors.get_mut(&id) else {
            return Filled::Drained;
        };
        let file_id = cursor.file;
        let source = sources.iter_mut().find(|source| source.id == cursor.source);
        let (Some(file), Some(source), false) = (turn.files.get_mut(file_id), source, cursor.ended) else {
            cursor.queued = false;
            return Filled::Drained;
        };
        let Some(flow) = self.flows.get_mut(&cursor.source) else {
            return Filled::Drained;
        };
        let program = source.program.as_deref().filter(|_| turn.pace == Pace::Kept);
        let permit = program.map(|program| program.permit(&mut flow.memory, turn.now.instant));
        let most = match permit {
            Some(Permit::Nothing { until }) => {
                self.resting.push((until, id));
                return Filled::Drained;
            }
            Some(Permit::Records(most)) => most,
            Some(Permit::Everything) | None => usize::MAX,
        };
        let quantum = QUANTUM.min(most.saturating_mul(LIKELY_LINE).max(LEAST_QUANTUM));
        let open = self.open.get_or_insert_with(|| OpenBatch::new(Batch::default()));
        let max_line = self.limits.longest_line(&source.config).min(turn.ledger.longest_line());
        let mut processing = Processing {
            charset: source.charset,
            most,
            grouping: source.grouping.as_deref(),
            program: source.program.as_deref(),
            memory: &mut flow.memory,
            scratch: &mut self.scratch,
        };
        let allowance = Allowance {
            room,
            max_line,
            until,
            quantum,
        };
        let outcome = guarded(open, cursor, |open, cursor| {
            open.read(id, cursor, file, allowance, &mut processing)
        });
        self.waiting.remove(&id);
        cursor.queued = false;
        match outcome {
            Ok(Progress::Full) => {
                cursor.queued = true;
                return Filled::Full;
            }
            Ok(Progress::Read { piece, more }) => {
                file.error = None;
                // Where a rate allows few records, most of what was read will be read again.
                let read = if most == usize::MAX { 0 } else { quantum as u64 };
                self.read_in_turn += piece.bytes.max(read);
                source.count(file_id, cursor.generation, (piece, cursor.read), turn.now.wall);
                if until == Some(cursor.read) {
                    cursor.queued = true;
                    self.parked.push(id);
                } else if more {
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
            Ok(Progress::Reclaimed) => turn.rechecks.push((file_id, Recheck::Reclaimed)),
            Ok(Progress::Rewritten) => turn.rechecks.push((file_id, Recheck::Rewritten)),
            Ok(Progress::Hole) => turn.rechecks.push((file_id, Recheck::Hole)),
            Err(error) => file.error = Some(error),
        }
        Filled::Drained
    }

    /// Sources that were read as fast as they may be are read on when their time has come.
    fn end_rests(&mut self, turn: &Turn<'_>) {
        let is_over = |(until, _): &(Instant, CursorId)| *until <= turn.now.instant || turn.pace == Pace::Lifted;
        let (over, rest): (Vec<_>, _) = std::mem::take(&mut self.resting).into_iter().partition(is_over);
        self.resting = rest;
        self.queue.extend(over.into_iter().map(|(_, id)| id));
    }

    /// Lines without an end leave when nothing came after them for long enough.
    fn ship_unterminated(&mut self, turn: &Turn<'_>, sources: &[Source]) {
        let due: Vec<_> = self
            .waiting
            .iter()
            .copied()
            .filter(|id| {
                let at = self.ships_at(*id, sources, turn.files);
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
        let unterminated = unterminated_after.max(flush_after.unwrap_or_default());
        let wait = match (cursor.next_line, flush_after) {
            (NextLine::OpenGroup { .. }, Some(flush_after)) => flush_after,
            // It was left when what stands before it was shipped, which is not the time to give it up.
            (NextLine::Unfinished { .. }, _) => unterminated * 2,
            _ => unterminated,
        };
        Some(file.grew_at + wait)
    }

    /// The place in the file nearest before which another lane stands: who stops there can be given what comes next.
    fn until(&self, id: CursorId, team: &[&Self]) -> Option<u64> {
        let cursor = self.cursors.get(&id)?;
        let place = |lane: &&Self| {
            let id = lane.by_file.get(&(cursor.source, cursor.file))?;
            let other = lane.cursors.get(id)?;
            let place = other.handed();
            let is_ahead = other.generation == cursor.generation && place.offset > cursor.read;
            (is_ahead && place.state == LineState::Fresh).then_some(place.offset)
        };
        team.iter().filter_map(place).min()
    }

    /// Takes the open batch off, complete, to be handed over at once.
    pub(crate) fn close(&mut self) -> Option<Leaving> {
        let open = self.open.take().filter(|open| !open.is_empty())?;
        self.queue.extend(self.parked.drain(..));
        Some(Leaving::new(open))
    }

    /// Takes a batch that another lane has read.
    pub(crate) fn take(&mut self, offer: &Offer, shared: Shared<'_>) -> Option<Batch> {
        let leaving = self.advance(offer);
        self.hand_over(leaving, 0, shared)
    }

    /// Gives a batch to the sending task; this lane is charged so much for holding it. Returns buffers that are free.
    pub(crate) fn hand_over(
        &mut self,
        leaving: Leaving,
        charge: usize,
        (files, saved, now): Shared<'_>,
    ) -> Option<Batch> {
        let (sequence, intent, outcome) = self.intend(&leaving, (files, &mut *saved, now));
        let Leaving { batch, shares, .. } = leaving;
        for share in &shares {
            if let Some(cursor) = self.cursors.get_mut(&share.cursor) {
                cursor.window.push(sequence, share.position);
                // Not a moment before: what is neither open nor under way is taken for settled.
                cursor.in_open = false;
            }
        }
        let under_way = InFlight {
            shares,
            intent,
            charge,
            encoded: self.limits.encoded(&batch),
        };
        self.in_flight.insert(sequence, under_way);
        self.sent_at = Some(now.instant);
        // Only bytes that belong to no record, such as the rest of a cut line, or what was stored before.
        if batch.records.is_empty() || outcome == Outcome::Stored {
            let nothing = Settled {
                sequence,
                batch,
                dropped: Vec::new(),
            };
            return self.settle(nothing, files, saved, now);
        }
        if self.link.batches.try_send(Parcel { sequence, batch }).is_err() {
            // The task is gone; the engine notices and starts it again from the settled positions.
            tracing::error!(destination = %self.destination.name, "the sending task has ended");
        }
        None
    }
}

/// A defect that one file's content brings out must not end the process.
pub(super) fn guarded<T>(
    open: &mut OpenBatch,
    cursor: &mut Cursor,
    read: impl FnOnce(&mut OpenBatch, &mut Cursor) -> Result<T, Errno>,
) -> Result<T, String> {
    let lengths = (open.batch.text.len(), open.batch.records.len(), open.batch.fields.len());
    let outcome = catch_unwind(AssertUnwindSafe(|| read(open, cursor)));
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
