//! A lane: one destination of one pipeline, with a cursor of its own in every file of its sources.
//!
//! A slow or dead destination holds back only its lane. Lanes that are level could share one batch; that is an
//! optimisation of [`fill`](Lane::pump), nothing else would notice.

mod fill;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::batch::{Batch, Record};
use crate::destination::Limits;
use crate::metrics::Amount;
use crate::positions::{FilePosition, FlowKey, RecordId};
use crate::sending::{Health, LaneHandle, LaneId};

use super::account::{Account, Loss};
use super::clock::Now;
use super::cursor::{Cursor, CursorId, Position};
use super::files::{File, FileId, Files};
use super::open_batch::{OpenBatch, Share};
use super::saved::Saved;
use super::source::{Source, SourceId};

pub(crate) use fill::{Recheck, Turn};

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

/// One source on its way to this destination.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) key: FlowKey,
    pub(crate) account: Account,
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
    open: Option<OpenBatch>,
    in_flight: BTreeMap<u64, InFlight>,
    /// Buffers that came back.
    spare: Vec<(Vec<u8>, Vec<Record>)>,
    sequence: u64,
    next_cursor: u64,
    sent_at: Option<Instant>,
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
            open: None,
            in_flight: BTreeMap::new(),
            spare: Vec::new(),
            sequence: 0,
            next_cursor: 0,
            sent_at: None,
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
        });
    }

    pub(crate) fn has(&self, source: SourceId, file: FileId) -> bool {
        self.by_file.contains_key(&(source, file))
    }

    /// Begins to follow a file at `start`.
    pub(crate) fn attach(
        &mut self,
        source: &Source,
        (id, file): (FileId, &File),
        start: Position,
        record: Option<RecordId>,
    ) {
        let (Some(tail), Some(flow)) = (source.tails.get(&id), self.flows.get_mut(&source.id)) else {
            return;
        };
        flow.account.discover(file.size.saturating_sub(start.offset));
        let mut cursor = Cursor::new(source.id, id, file.generation, Arc::clone(&tail.origin), start);
        cursor.record = record;
        self.insert(cursor);
    }

    fn insert(&mut self, cursor: Cursor) {
        let id = CursorId(self.next_cursor);
        self.next_cursor += 1;
        self.by_file.insert((cursor.source, cursor.file), id);
        self.cursors.insert(id, cursor);
        self.enqueue(id);
    }

    fn enqueue(&mut self, id: CursorId) {
        if let Some(cursor) = self.cursors.get_mut(&id)
            && !std::mem::replace(&mut cursor.queued, true)
        {
            self.queue.push_back(id);
        }
    }

    /// The cursors of all sources in a file's present content.
    fn cursors_of(&self, file: FileId) -> Vec<CursorId> {
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

    /// A file's content began anew: what wasn't read of the `before` bytes of the old one is lost.
    pub(crate) fn began_anew(&mut self, id: FileId, file: &File, before: u64) {
        for cursor in self.cursors_of(id) {
            let Some(old) = self.end(cursor, before, Fate::Vanished) else {
                continue;
            };
            if let Some(flow) = self.flows.get_mut(&old.source) {
                flow.account.discover(file.size);
            }
            let mut next = Cursor::new(old.source, id, file.generation, old.origin, Position::default());
            next.record = old.record;
            next.next_time = old.next_time;
            self.insert(next);
        }
    }

    /// A hole up to `to` is no content.
    pub(crate) fn skip_hole(&mut self, file: FileId, to: u64) {
        for id in self.cursors_of(file) {
            let Some(cursor) = self.cursors.get_mut(&id) else {
                continue;
            };
            if cursor.read < to && cursor.is_quiet() {
                if let Some(flow) = self.flows.get_mut(&cursor.source) {
                    flow.account.withdraw(to - cursor.read);
                }
                cursor.read = to;
                cursor.settled.offset = to;
                cursor.rest();
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
        };
        let unread = size.saturating_sub(cursor.read);
        cursor.ended = true;
        if cursor.is_quiet() {
            self.cursors.remove(&id);
        }
        self.waiting.remove(&id);
        if let Some(flow) = self.flows.get_mut(&ended.source).filter(|_| unread > 0) {
            match fate {
                Fate::Withdrawn => flow.account.withdraw(unread),
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
        self.cursors
            .values()
            .filter(|cursor| cursor.file == file)
            .all(|cursor| {
                if cursor.ended {
                    cursor.is_quiet()
                } else {
                    cursor.settled.offset >= size
                }
            })
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

    /// Where the source's foremost reading stands, and the bytes before it: to recognise a copy.
    pub(crate) fn reading(&self, source: SourceId) -> impl Iterator<Item = (&Cursor, FileId)> {
        let cursors = self
            .cursors
            .values()
            .filter(move |cursor| cursor.source == source && !cursor.ended);
        cursors.map(|cursor| (cursor, cursor.file))
    }

    /// Another destination of the same name takes over once this one's requests are finished, or their time is.
    pub(crate) fn succeed(&mut self, destination: pipeline::Destination, link: Link, now: Now) {
        let until = now.instant + FINISH;
        self.successor = Some(Successor {
            destination,
            link,
            until,
        });
    }

    /// Whether requests to `destination` are those of this lane, or of the one that will take over.
    pub(crate) fn sends_as(&self, destination: &pipeline::Destination) -> bool {
        let mine = self
            .successor
            .as_ref()
            .map_or(&self.destination, |next| &next.destination);
        let mut other = destination.clone();
        other.sources.clone_from(&mine.sources);
        *mine == other
    }

    pub(crate) fn set_origin(&mut self, source: SourceId, file: FileId, origin: &Arc<crate::batch::Origin>) {
        let cursor = self
            .by_file
            .get(&(source, file))
            .and_then(|id| self.cursors.get_mut(id));
        if let Some(cursor) = cursor {
            cursor.origin = Arc::clone(origin);
        }
    }

    /// Settings that concern only this side: no request is touched.
    pub(crate) fn set_destination(&mut self, destination: pipeline::Destination) {
        match &mut self.successor {
            Some(next) => next.destination = destination,
            None => self.destination = destination,
        }
    }

    /// Replaces the link when its time has come. What was under way then is read again.
    pub(crate) fn relink(&mut self, now: Now) {
        let due = |next: &Successor| self.in_flight.is_empty() || now.instant >= next.until;
        if let Some(next) = self.successor.take_if(|next| due(next)) {
            self.limits = Limits::of(&next.destination);
            self.destination = next.destination;
            self.replace_link(next.link);
        }
    }

    /// The task ended although nobody ended it.
    pub(crate) fn is_dead(&self) -> bool {
        self.link.batches.is_closed()
    }

    pub(crate) fn replace_link(&mut self, link: Link) {
        self.link = link;
        self.in_flight.clear();
        self.open = None;
        self.queue.clear();
        self.waiting.clear();
        self.lose_ended();
        let mut ids: Vec<_> = self.cursors.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            if let Some(cursor) = self.cursors.get_mut(&id) {
                cursor.rewind();
                cursor.queued = false;
            }
            self.enqueue(id);
        }
    }

    /// What ended cursors had under way can't be read again.
    fn lose_ended(&mut self) {
        let flows = &mut self.flows;
        self.cursors.retain(|_, cursor| {
            if let (true, Some(flow)) = (cursor.ended, flows.get_mut(&cursor.source)) {
                let bytes = cursor.read - cursor.settled.offset;
                let records = estimate_records(&flow.account, bytes);
                flow.account.lose(Loss::Vanished, Amount { records, bytes });
            }
            !cursor.ended
        });
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

    /// Bytes held by batches.
    pub(crate) fn memory(&self) -> usize {
        let in_flight: usize = self.in_flight.values().map(|batch| batch.memory).sum();
        let open = self.open.as_ref().map_or(0, |open| open.batch.memory());
        let spare: usize = self
            .spare
            .iter()
            .map(|(text, records)| text.capacity() + records.capacity() * size_of::<Record>())
            .sum();
        in_flight + open + spare
    }
}

/// What becomes of bytes that nobody will read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// They are gone.
    Vanished,
    /// They are nothing to this lane any more.
    Withdrawn,
}

struct Ended {
    source: SourceId,
    origin: Arc<crate::batch::Origin>,
    record: Option<RecordId>,
    next_time: i64,
}

/// By the mean length of the records so far; at least one.
fn estimate_records(account: &Account, bytes: u64) -> u64 {
    let Amount { records, bytes: known } = account.counters.acknowledged;
    if bytes == 0 {
        return 0;
    }
    let mean = known.checked_div(records).unwrap_or(200).max(1);
    (bytes / mean).max(1)
}
