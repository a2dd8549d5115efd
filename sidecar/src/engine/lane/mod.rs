//! A lane: one destination of one pipeline, with a cursor of its own in every file of its sources.
//!
//! # Lockstep
//! Every lane has cursors, windows, accounts and positions of its own, whatever the others do, so a slow or dead
//! destination holds back only its lane. What lanes have in common is batches. One lane reads, splits, parses and
//! transforms; when its batch is complete, it is *offered* to the others, and each that stands exactly where the batch
//! begins takes it ([`offer`]), as if it had read it. That is the only rule: nobody joins or leaves a group, so nothing
//! can be lost, repeated or reordered by joining or leaving.
//!
//! ```text
//!                 +- lane 1: cursors, window, account -> Arc<Batch> -> times, requests, bodies of its own
//!  file -> batch -+
//!                 +- lane 2: cursors, window, account -> Arc<Batch> -> ...
//! ```
//! * *Reading.* A lane with nothing open, all of whose files with news stand where another's do, *follows* that one
//!   instead of reading. It doesn't wait for it: when it is due itself, it has the other's batch closed and takes it.
//! * *Falling behind.* What a lane that was level can't take yet is kept for it, at most a window of batches, and only as
//!   long as memory isn't short. Beyond that others wait for it for a few milliseconds (`patience`), so that chance doesn't
//!   part destinations that are as fast as each other. Then it has to read by itself: it is a laggard.
//! * *Catching up.* A laggard stops reading a file where another lane stands, closes its batch there, and is level. At
//!   the end of all files everybody is.
//! * *A content that goes* (truncated, replaced) is shared before it is given up, so that a lane loses nothing by
//!   having followed another.
//!
//! Lanes share when they belong to one pipeline, take the same sources, gather alike (`maxBytes`, `maxDelay`) and cut
//! lines at the same length: an S3 object of a minute is no batch for Loki. `inFlight`, labels, times, cuts of the
//! encoder, retries and what is given up are each lane's own. Rate limits remember the same after a shared batch, so all
//! that share it leave out the same records. A destination that is being replaced shares nothing until it has been.
//! Pipelines share nothing but the descriptors of files.
//!
//! The part between lanes is `lockstep`; how much memory each may use is `budget`.

mod backlog;
mod fill;
mod follow;
mod former;
mod hole;
mod intents;
#[cfg(test)]
mod killed;
mod offer;
mod replay;
mod settle;
mod succession;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::batch::{Batch, Parcel};
use crate::destination::Limits;
use crate::positions::{FilePosition, FlowKey, IntentId, LaneKey, PathHash};
use crate::processing::{Memory, Scratch};
use crate::sending::{Health, Holding, LaneHandle, LaneId};

use super::account::{Account, Loss};
use super::clock::Now;
use super::cursor::{Cursor, CursorId, Position};
use super::files::{File, FileId, Files};
use super::head::Head;
use super::open_batch::{OpenBatch, Share};
use super::saved::Saved;
use super::source::{Source, SourceId};
use crate::metrics::Amount;

pub(crate) use fill::{Filled, Pace, Recheck, Turn};
pub(crate) use follow::Fate;
use follow::estimate_records;
use former::Former;
pub(crate) use former::Remember;
pub(crate) use intents::Leaving;
pub(crate) use offer::Offer;
use replay::Replay;

/// How long a changed destination may finish what it has under way.
const FINISH: Duration = Duration::from_secs(5);

/// The sending side of a lane.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: LaneId,
    pub(crate) batches: mpsc::Sender<Parcel>,
    pub(crate) holding: Arc<Holding>,
    /// Dropping it aborts the task.
    pub(crate) handle: LaneHandle,
}

/// A destination that will take over.
#[derive(Debug)]
struct Successor {
    destination: pipeline::Destination,
    link: Link,
    /// When the old one's time is over.
    until: Instant,
}

/// What was read of a content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    pub(crate) cursor: CursorId,
    pub(crate) head: &'a Head,
    pub(crate) read_to: Position,
    /// When its file had it no more, or was seen to, in nanoseconds since the Unix epoch.
    pub(crate) left_at: i64,
}

/// One source on its way to this destination.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) key: FlowKey,
    pub(crate) account: Account,
    /// What the source's program remembers on this way.
    pub(crate) memory: Memory,
}

#[derive(Debug)]
struct InFlight {
    shares: Vec<Share>,
    intent: Option<IntentId>,
    /// What the batch takes; nothing where it is shared, for then it counts once for all.
    charge: usize,
    /// What its requests will take, see [`Limits::encoded`].
    encoded: usize,
}

#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) destination: pipeline::Destination,
    pub(crate) health: Arc<Health>,
    pub(crate) flows: BTreeMap<SourceId, Flow>,
    limits: Limits,
    link: Link,
    successor: Option<Successor>,
    /// Boxed, since a table of tens of thousands has as many free places again.
    cursors: HashMap<CursorId, Box<Cursor>>,
    by_file: HashMap<(SourceId, FileId), CursorId>,
    /// Cursors with something to read, in turn.
    queue: VecDeque<CursorId>,
    /// Cursors that stand where others do: they go on with the next batch.
    parked: Vec<CursorId>,
    /// Another lane is reading for this one.
    pub(crate) following: bool,
    /// Cursors whose file ends in the middle of a line.
    waiting: BTreeSet<CursorId>,
    /// Cursors of sources that were read as fast as they may be, and until when they rest.
    resting: Vec<(Instant, CursorId)>,
    /// Ended cursors that still have something under way; looking for them among all takes too long with many files.
    leaving: BTreeSet<CursorId>,
    /// Contents that were truncated a moment ago.
    formers: Vec<Former>,
    /// Originals with their copies. Here, since they are few and cursors many.
    copies: BTreeMap<CursorId, CursorId>,
    /// Cursors in copies that must not be saved yet.
    unsaved: BTreeSet<CursorId>,
    open: Option<OpenBatch>,
    in_flight: BTreeMap<u64, InFlight>,
    scratch: Scratch,
    replay: Replay,
    sequence: u64,
    next_cursor: u64,
    sent_at: Option<Instant>,
    read_in_turn: u64,
}

impl Lane {
    pub(crate) fn new(destination: pipeline::Destination, link: Link, health: Arc<Health>) -> Self {
        Self {
            limits: Limits::of(&destination),
            destination,
            health,
            flows: BTreeMap::new(),
            link,
            successor: None,
            cursors: HashMap::new(),
            by_file: HashMap::new(),
            queue: VecDeque::new(),
            parked: Vec::new(),
            following: false,
            waiting: BTreeSet::new(),
            resting: Vec::new(),
            leaving: BTreeSet::new(),
            formers: Vec::new(),
            copies: BTreeMap::new(),
            unsaved: BTreeSet::new(),
            open: None,
            in_flight: BTreeMap::new(),
            scratch: Scratch::default(),
            replay: Replay::default(),
            sequence: 0,
            next_cursor: 0,
            sent_at: None,
            read_in_turn: 0,
        }
    }

    pub(crate) const fn id(&self) -> LaneId {
        self.link.id
    }

    pub(crate) fn takes(&self, source: &str) -> bool {
        self.destination.sources.is_empty() || self.destination.sources.iter().any(|name| name == source)
    }

    /// Goes on with a source, or begins with it.
    pub(crate) fn open_flow(&mut self, pipeline: &str, source: &Source, saved: &mut Saved) {
        let key = FlowKey::new(pipeline, &source.config.name, &self.destination.name);
        self.replay.lane = LaneKey::new(pipeline, &self.destination.name);
        self.flows.entry(source.id).or_insert_with(|| {
            saved.begin_walk(key);
            Flow {
                key,
                account: Account::resume(saved.counters(key).unwrap_or_default()),
                memory: Memory::default(),
            }
        });
    }

    pub(crate) fn has(&self, source: SourceId, file: FileId) -> bool {
        self.by_file.contains_key(&(source, file))
    }

    /// What is saved of a cursor.
    fn saved_position(&self, id: CursorId, file: &File, now: Now) -> Option<FilePosition> {
        let cursor = self.cursors.get(&id)?;
        let flow = self.flows.get(&cursor.source)?;
        let settled = cursor.settled;
        let pending = if settled.offset < file.size {
            file.marks.time_of(settled.offset)
        } else {
            None
        };
        Some(FilePosition {
            flow: flow.key,
            content: cursor.content,
            path: PathHash::of(&cursor.origin.path),
            inode: file.key.inode,
            birth: file.key.birth,
            offset: settled.offset,
            head: file.head.hash(settled.offset),
            tail: settled.tail,
            state: settled.state,
            pending_since: pending.unwrap_or(0),
            marks: file.marks.behind(settled.offset, file.size),
            last_seen: now.seconds(),
        })
    }

    /// Everything known of the file is settled by every cursor here.
    pub(crate) fn is_settled(&self, file: FileId, size: u64) -> bool {
        let is_left = |id| {
            self.cursors
                .get(id)
                .is_none_or(|cursor| cursor.file != file || cursor.is_quiet())
        };
        self.settled_to(file).is_none_or(|offset| offset >= size) && self.leaving.iter().all(is_left)
    }

    /// The place up to which every cursor in the file's present content is settled.
    pub(crate) fn settled_to(&self, file: FileId) -> Option<u64> {
        self.cursors_of(file)
            .iter()
            .filter_map(|id| self.cursors.get(id))
            .map(|cursor| cursor.settled.offset)
            .min()
    }

    /// A file was closed: gives back what only reading on needs.
    pub(crate) fn rest(&mut self, file: FileId) {
        for id in self.cursors_of(file) {
            if let Some(cursor) = self.cursors.get_mut(&id) {
                cursor.rest();
            }
        }
    }

    /// What is known of a file's present content, which it has until then, unless its copy was found.
    pub(crate) fn known<'a>(
        &self,
        source: SourceId,
        (id, file): (FileId, &'a File),
        left_at: i64,
    ) -> Option<Known<'a>> {
        let cursor = self.by_file.get(&(source, id))?;
        let known = self.cursors.get(cursor).filter(|_| !self.copies.contains_key(cursor))?;
        Some(Known {
            cursor: *cursor,
            head: &file.head,
            read_to: known.known_position(),
            left_at,
        })
    }

    /// What is known of contents that the source's files had a moment ago, and whose copies weren't found yet.
    pub(crate) fn formers_of(&self, source: SourceId) -> impl Iterator<Item = Known<'_>> {
        let formers = self.formers.iter();
        let lacking = formers.filter(move |former| former.source == source && !former.has_copy);
        lacking.map(|former| Known {
            cursor: former.cursor,
            head: &former.head,
            read_to: former.read_to,
            left_at: former.left_at,
        })
    }

    /// Since when the oldest pending byte waits, in nanoseconds since the Unix epoch.
    pub(crate) fn oldest_pending(&self, source: SourceId, files: &Files) -> Option<i64> {
        // What isn't delivered is open.
        let pending = files.opened().filter_map(|(id, file)| {
            let cursor = self.cursors.get(self.by_file.get(&(source, id))?)?;
            let is_pending = cursor.settled.offset < file.size;
            is_pending.then(|| file.marks.time_of(cursor.settled.offset)).flatten()
        });
        pending.min()
    }

    pub(crate) fn pending_bytes(&self) -> u64 {
        self.flows.values().map(|flow| flow.account.pending()).sum()
    }

    /// Bytes held for this lane alone: batches, and what the sending task makes of them.
    pub(crate) fn held(&self) -> usize {
        self.batches() + self.link.holding.bytes()
    }

    /// The same for the budget: as if every batch had been encoded by now.
    pub(crate) fn reserved(&self) -> usize {
        let in_flight: usize = self.in_flight.values().map(|under_way| under_way.encoded).sum();
        let open = self.open.as_ref().map_or(0, |open| self.limits.encoded(&open.batch));
        self.batches() + (in_flight + open).max(self.link.holding.bytes())
    }

    fn batches(&self) -> usize {
        let in_flight: usize = self.in_flight.values().map(|under_way| under_way.charge).sum();
        in_flight + self.open.as_ref().map_or(0, |open| open.batch.memory())
    }

    /// Whether a batch that others have may be held too. Who holds nothing may, or would never go on.
    pub(crate) fn can_hold(&self, batch: &Batch, allowance: usize) -> bool {
        let holds_nothing = self.in_flight.is_empty() && self.is_free();
        holds_nothing || self.reserved() + self.limits.encoded(batch) <= allowance
    }

    /// Batches that may be under way.
    pub(crate) const fn window(&self) -> usize {
        self.limits.window
    }

    /// There may be something to read.
    pub(crate) fn has_news(&self) -> bool {
        !self.queue.is_empty()
    }

    /// As many requests are under way as may be.
    pub(crate) fn is_occupied(&self) -> bool {
        self.in_flight.len() >= self.limits.in_flight
    }

    pub(crate) fn is_busy(&self) -> bool {
        !(self.queue.is_empty() && self.in_flight.is_empty())
    }

    /// Whether it may read for others, and others for it: a destination that is being replaced begins anew.
    pub(crate) fn is_teamed(&self) -> bool {
        self.successor.is_none() && !self.replay.is_owed()
    }

    /// Whether the same batches suit both: of the same sources, of the same size, as often, with lines as long.
    pub(crate) fn is_alike(&self, other: &Self, sources: &[Source]) -> bool {
        let size = |lane: &Self| (lane.limits.max_bytes, lane.limits.max_delay);
        let taken = sources.iter().filter(|source| self.flows.contains_key(&source.id));
        let line = |lane: &Self, source: &Source| lane.limits.longest_line(&source.config);
        size(self) == size(other)
            && self.flows.keys().eq(other.flows.keys())
            && taken
                .into_iter()
                .all(|source| line(self, source) == line(other, source))
    }
}
