//! A lane: one destination of one pipeline, with a cursor of its own in every file of its sources.
//!
//! A slow or dead destination holds back only its lane. Lanes that are level could share one batch; that is an
//! optimisation of [`fill`](Lane::pump), nothing else would notice.

mod fill;
mod follow;
mod former;
mod settle;
mod succession;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::batch::Batch;
use crate::destination::Limits;
use crate::positions::{FilePosition, FlowKey, Hashed};
use crate::processing::{Memory, Scratch};
use crate::sending::{Health, LaneHandle, LaneId};

use super::account::{Account, Loss};
use super::clock::Now;
use super::cursor::{Cursor, CursorId, Position};
use super::files::{File, FileId, Files};
use super::open_batch::{OpenBatch, Share};
use super::saved::Saved;
use super::source::{Source, SourceId};
use crate::metrics::Amount;

pub(crate) use fill::{Recheck, Turn};
pub(crate) use follow::Fate;
use follow::estimate_records;
use former::Former;
pub(crate) use former::Remember;

/// How long a changed destination may finish what it has under way.
const FINISH: Duration = Duration::from_secs(5);

/// The sending side of a lane.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: LaneId,
    pub(crate) batches: mpsc::Sender<Batch>,
    /// Dropping it aborts the task.
    #[expect(dead_code, reason = "held for its drop")]
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
    pub(crate) head: &'a [u8],
    /// The last bytes that were read.
    pub(crate) recent: &'a [u8],
    /// Where they end; without the hash of them, which costs more than most questions.
    pub(crate) position: Position,
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
    memory: usize,
}

#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) destination: pipeline::Destination,
    pub(crate) health: Arc<Health>,
    pub(crate) flows: BTreeMap<SourceId, Flow>,
    limits: Limits,
    link: Link,
    successor: Option<Successor>,
    cursors: HashMap<CursorId, Cursor>,
    by_file: HashMap<(SourceId, FileId), CursorId>,
    /// Cursors with something to read, in turn.
    queue: VecDeque<CursorId>,
    /// Cursors whose file ends in the middle of a line.
    waiting: BTreeSet<CursorId>,
    /// Ended cursors that still have something under way; looking for them among all takes too long with many files.
    leaving: BTreeSet<CursorId>,
    /// Contents that were truncated a moment ago.
    formers: Vec<Former>,
    /// Cursors in copies that must not be saved yet.
    unsaved: BTreeSet<CursorId>,
    open: Option<OpenBatch>,
    in_flight: BTreeMap<u64, InFlight>,
    /// Buffers that came back.
    spare: Vec<Batch>,
    scratch: Scratch,
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
            waiting: BTreeSet::new(),
            leaving: BTreeSet::new(),
            formers: Vec::new(),
            unsaved: BTreeSet::new(),
            open: None,
            in_flight: BTreeMap::new(),
            spare: Vec::new(),
            scratch: Scratch::default(),
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
    pub(crate) fn open_flow(&mut self, pipeline: &str, source: &Source, saved: &Saved) {
        let key = FlowKey::new(pipeline, &source.config.name, &self.destination.name);
        self.flows.entry(source.id).or_insert_with(|| Flow {
            key,
            account: Account::resume(saved.counters(key).unwrap_or_default()),
            memory: Memory::default(),
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
            inode: file.key.inode,
            birth: file.key.birth,
            offset: settled.offset,
            head: file.head_hash(settled.offset),
            tail: settled.tail,
            state: settled.state,
            pending_since: pending.unwrap_or(0),
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

    /// What is known of the contents that the source's files have, or had a moment ago: to recognise a copy.
    pub(crate) fn reading<'a>(&'a self, source: SourceId, files: &'a Files) -> impl Iterator<Item = Known<'a>> {
        let live = self
            .cursors
            .iter()
            .filter(move |(_, cursor)| cursor.source == source && !cursor.ended);
        let live = live.map(|(id, cursor)| Known {
            cursor: *id,
            head: files.get(cursor.file).map_or(&[][..], |file| &file.head),
            recent: cursor.recent(),
            position: Position {
                offset: cursor.read,
                state: cursor.state,
                tail: Hashed::default(),
            },
        });
        let formers = self.formers.iter().filter(move |former| former.source == source);
        live.chain(formers.map(|former| Known {
            cursor: former.cursor,
            head: &former.head,
            recent: &former.recent,
            position: former.read_to,
        }))
    }

    /// Since when the oldest pending byte waits, in nanoseconds since the Unix epoch.
    pub(crate) fn oldest_pending(&self, source: SourceId, files: &Files) -> Option<i64> {
        let cursors = self
            .cursors
            .values()
            .filter(|cursor| cursor.source == source && !cursor.ended);
        cursors
            .filter_map(|cursor| {
                let file = files.get(cursor.file)?;
                let pending = cursor.settled.offset < file.size;
                pending.then(|| file.marks.time_of(cursor.settled.offset)).flatten()
            })
            .min()
    }

    pub(crate) fn pending_bytes(&self) -> u64 {
        self.flows.values().map(|flow| flow.account.pending()).sum()
    }

    /// Bytes held by batches and their requests.
    pub(crate) fn memory(&self) -> usize {
        let in_flight: usize = self.in_flight.values().map(|batch| batch.memory).sum();
        let open = self.open.as_ref().map_or(0, |open| self.cost(&open.batch));
        let spare: usize = self.spare.iter().map(Batch::memory).sum();
        in_flight + open + spare
    }

    /// What a batch costs until it is settled, its encoded request included.
    fn cost(&self, batch: &Batch) -> usize {
        batch.memory() + batch.text.len() * (self.limits.memory_per_byte - 1)
    }
}
