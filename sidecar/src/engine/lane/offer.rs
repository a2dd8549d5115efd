//! A batch that one lane made and that others of its pipeline may take, instead of reading the same bytes again.
//!
//! A lane may take it where it stands exactly where the batch begins: in every file of it, in the same content, at the
//! same byte in the same state, and at no later time. Then taking it comes to the same as having read it. Nothing else is
//! asked, so it doesn't matter how a lane came to stand there, and a lane that may not take it simply reads by itself.

use std::sync::Arc;

use crate::batch::{Batch, FileRange};
use crate::metrics::Amount;
use crate::processing::Memory;
use crate::reading::lines::LineState;
use crate::sending::LaneId;

use super::super::cursor::{Cursor, Position};
use super::super::open_batch::Share;
use super::super::stretches::Stretches;
use super::{CursorId, FileId, Flow, Lane, Leaving, OpenBatch, SourceId};

#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) batch: Arc<Batch>,
    stretches: Arc<Stretches>,
    /// One per entry of [`Batch::files`].
    pub(super) parts: Vec<Part>,
    /// What the programs remember after it.
    pub(super) memories: Vec<(SourceId, Memory)>,
    /// Lanes that stand before it, and have no room for it yet.
    pub(crate) owed: Vec<LaneId>,
}

/// A cursor's part of the batch, in words that every lane understands.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) place: Place,
    pub(super) records: u64,
    pub(super) filtered: [Amount; 3],
    pub(super) end: Position,
    /// The last bytes of what was read, as many as a cursor remembers.
    pub(super) recent: Vec<u8>,
    pub(super) next_time: i64,
}

/// Where a part begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) source: SourceId,
    pub(super) file: FileId,
    generation: u32,
    offset: u64,
    state: LineState,
    /// Of its first record.
    time: i64,
}

impl Place {
    fn of(cursor: &Cursor, share: &Share, offset: u64) -> Self {
        Self {
            source: cursor.source,
            file: cursor.file,
            generation: cursor.generation,
            offset,
            state: share.begin,
            time: share.first_time,
        }
    }

    fn is_of(&self, cursor: &Cursor) -> bool {
        let stands = (cursor.generation, cursor.read, cursor.state) == (self.generation, self.offset, self.state);
        stands && !cursor.in_open && !cursor.ended && cursor.next_time <= self.time
    }
}

impl Lane {
    /// Whether this lane may take what begins at these places.
    fn stands_at(&self, mut places: impl Iterator<Item = Place>) -> bool {
        places.all(|place| {
            let id = self.by_file.get(&(place.source, place.file));
            let cursor = id.and_then(|id| self.cursors.get(id));
            cursor.is_some_and(|cursor| place.is_of(cursor))
        })
    }

    /// What is open here leaves first: it may hold the end of a content of which the offer has the successor.
    pub(crate) fn may_take(&self, offer: &Offer) -> bool {
        self.is_free() && self.stands_at(offer.parts.iter().map(|part| part.place))
    }

    /// Whether another lane is reading what this one would read next: all of it, so that nothing waits here that isn't
    /// read there.
    pub(crate) fn follows(&self, other: &Self) -> bool {
        let Some(open) = other.open.as_ref().filter(|open| !open.is_empty()) else {
            return false;
        };
        let is_level = |id: &CursorId| {
            let cursor = self.cursors.get(id)?;
            let other = other
                .by_file
                .get(&(cursor.source, cursor.file))
                .and_then(|id| other.cursors.get(id))?;
            Some(cursor.ended || (other.generation == cursor.generation && other.handed().offset == cursor.read))
        };
        self.is_free()
            && self.stands_at(other.places(open))
            && self.queue.iter().all(|id| is_level(id).unwrap_or(false))
    }

    /// Whether this lane stands where the open batch of another begins.
    pub(crate) fn stands_before(&self, other: &Self) -> bool {
        let open = other.open.as_ref().filter(|open| !open.is_empty());
        self.is_free() && open.is_some_and(|open| self.stands_at(other.places(open)))
    }

    fn places<'a>(&'a self, open: &'a OpenBatch) -> impl Iterator<Item = Place> + 'a {
        let parts = open.shares.iter().zip(&open.batch.files);
        parts.filter_map(|(share, file)| {
            let cursor = self.cursors.get(&share.cursor)?;
            Some(Place::of(cursor, share, file.bytes.start))
        })
    }

    /// Nothing was read that hasn't left.
    pub(crate) fn is_free(&self) -> bool {
        self.open.as_ref().is_none_or(OpenBatch::is_empty)
    }

    /// What others need to know of a batch that is about to leave.
    pub(crate) fn offer(&self, leaving: &Leaving) -> Option<Offer> {
        let (batch, shares) = (&leaving.batch, &leaving.shares);
        let part = |(share, file): (&Share, &FileRange)| {
            let cursor = self.cursors.get(&share.cursor)?;
            Some(Part {
                place: Place::of(cursor, share, file.bytes.start),
                records: share.records,
                filtered: share.filtered,
                end: share.position,
                recent: cursor.recent_of(file.bytes.end - file.bytes.start).to_vec(),
                next_time: cursor.next_time,
            })
        };
        let parts: Vec<Part> = shares.iter().zip(&batch.files).map(part).collect::<Option<_>>()?;
        let memory = |(source, flow): (&SourceId, &Flow)| (*source, flow.memory.clone());
        let is_part = |source: &SourceId| parts.iter().any(|part| part.place.source == *source);
        let flows = self
            .flows
            .iter()
            .filter(|(source, flow)| !flow.memory.is_empty() && is_part(source));
        Some(Offer {
            memories: flows.map(memory).collect(),
            batch: Arc::clone(batch),
            stretches: Arc::clone(&leaving.stretches),
            parts,
            owed: Vec::new(),
        })
    }

    /// Takes what it may take: as if this lane had read it.
    pub(super) fn advance(&mut self, offer: &Offer) -> Leaving {
        for (source, memory) in &offer.memories {
            if let Some(flow) = self.flows.get_mut(source) {
                flow.memory.clone_from(memory);
            }
        }
        let mut shares = Vec::with_capacity(offer.parts.len());
        for (part, file) in offer.parts.iter().zip(&offer.batch.files) {
            let Some(&id) = self.by_file.get(&(part.place.source, part.place.file)) else {
                continue;
            };
            if let Some(cursor) = self.cursors.get_mut(&id) {
                cursor.advance(
                    part.end,
                    (&part.recent, file.bytes.end - file.bytes.start),
                    part.next_time,
                );
            }
            // What comes after it may be the beginning of a line.
            self.waiting.remove(&id);
            self.enqueue(id);
            let mut share = Share::new(id, (part.place.state, part.place.time), part.end);
            (share.records, share.filtered) = (part.records, part.filtered);
            shares.push(share);
        }
        Leaving {
            batch: Arc::clone(&offer.batch),
            shares,
            stretches: Arc::clone(&offer.stretches),
            again: None,
        }
    }
}

impl Offer {
    /// What it takes beside the batch.
    pub(crate) fn memory(&self) -> usize {
        let recent: usize = self.parts.iter().map(|part| part.recent.capacity()).sum();
        recent + self.parts.capacity() * size_of::<Part>()
    }
}
