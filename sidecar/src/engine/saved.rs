//! The engine's side of the positions: which saved position belongs to which file, and when changes are written.

mod intents;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::positions::{FilePosition, FlowCounters, FlowKey, Record, RecordId, Store};

use crate::reading::facts::FileKey;

use super::account::Counters;
use super::clock::Now;
use super::unclaimed::{Candidate, Unclaimed};

/// A killed process repeats at most what was acknowledged in this time, or this many bytes.
const WRITE_AFTER: Duration = Duration::from_millis(20);
const WRITE_BYTES: u64 = 1 << 20;
/// The node loses at most this much more.
const SYNC_AFTER: Duration = Duration::from_secs(1);
/// Positions of files and destinations that are gone are kept so long, so that a rollback resumes.
const KEEP_SECONDS: i64 = 24 * 3600;
/// So much time there is after a start to mend a configuration that was refused, before what it would have claimed goes.
const GRACE_SECONDS: i64 = 3600;
/// Positions of this process and of those before.
#[derive(Debug)]
pub(crate) struct Saved {
    store: Store,
    /// Of files that weren't found again yet.
    unclaimed: HashMap<FlowKey, Unclaimed>,
    /// When the files of a flow were first walked by this process, in nanoseconds since the Unix epoch. What was made later is
    /// no copy of what earlier processes read: the originals would have been found.
    walked: HashMap<FlowKey, i64>,
    counters: HashMap<FlowKey, KnownFlow>,
    /// Positions have to be written before an intent that builds upon them.
    ahead: bool,
    /// Since when something waits to be written.
    dirty_since: Option<Instant>,
    bytes: u64,
    synced_at: Instant,
    /// Seconds since the Unix epoch.
    started_at: i64,
    pub(crate) errors: u64,
}

#[derive(Clone, Copy, Debug)]
struct KnownFlow {
    record: RecordId,
    counters: Counters,
    /// Seconds since the Unix epoch.
    last_used: i64,
}

impl Saved {
    pub(crate) fn new(store: Store, now: Now) -> Self {
        let mut saved = Self {
            store,
            unclaimed: HashMap::new(),
            walked: HashMap::new(),
            counters: HashMap::new(),
            ahead: false,
            dirty_since: None,
            bytes: 0,
            synced_at: now.instant,
            started_at: now.seconds(),
            errors: 0,
        };
        let records: Vec<_> = saved.store.iter().map(|(id, record)| (id, record.clone())).collect();
        for (id, record) in records {
            match record {
                Record::File(file) => saved.unclaimed.entry(file.flow).or_default().insert(id, file),
                Record::Flow(flow) => {
                    let known = KnownFlow {
                        record: id,
                        counters: flow.counters,
                        last_used: flow.last_used,
                    };
                    saved.counters.insert(flow.flow, known);
                }
                Record::Free | Record::Reserved => {}
            }
        }
        if saved.store.torn() > 0 {
            tracing::error!(
                records = saved.store.torn(),
                "positions are damaged, their files begin anew"
            );
        }
        saved
    }

    /// A flow's files have to be found.
    pub(crate) fn begin_walk(&mut self, flow: FlowKey) {
        self.walked.remove(&flow);
    }

    /// A flow's files were all found.
    pub(crate) fn end_walk(&mut self, flow: FlowKey, now: Now) {
        self.walked.entry(flow).or_insert(now.wall);
    }

    /// What a flow had settled before this process; `None` for a new flow.
    pub(crate) fn counters(&self, flow: FlowKey) -> Option<Counters> {
        self.counters.get(&flow).map(|known| known.counters)
    }

    /// The position of a file that was read before, by whatever name: the same file by inode and head, or else a copy
    /// of it by head and tail.
    pub(crate) fn claim(&mut self, flow: FlowKey, file: &Candidate<'_>) -> Option<(RecordId, FilePosition)> {
        let walked_at = self.walked.get(&flow);
        let may_be_copy = walked_at.is_none_or(|at| file.key.birth <= *at);
        self.unclaimed.get_mut(&flow)?.claim(file, may_be_copy)
    }

    /// Whether a file with this inode had a position that nobody claimed yet.
    pub(crate) fn misses(&self, flow: FlowKey, inode: u64) -> bool {
        self.unclaimed.get(&flow).is_some_and(|flow| flow.has(inode))
    }

    /// The same with its time of birth.
    pub(crate) fn knows(&self, flow: FlowKey, key: FileKey) -> bool {
        self.unclaimed.get(&flow).is_some_and(|flow| flow.knows(key))
    }

    /// Whether there are positions that nobody claimed yet.
    pub(crate) fn owes(&self, flow: FlowKey) -> bool {
        self.unclaimed.get(&flow).is_some_and(|flow| !flow.is_empty())
    }

    /// Gives a position back, as one of a file that may come again.
    pub(crate) fn release(&mut self, record: RecordId, position: FilePosition) {
        // What it has to read is nobody's concern now, so it isn't missed either.
        let position = FilePosition {
            pending_since: 0,
            ..position
        };
        self.store.update(record, Record::File(position.clone()));
        let flow = self.unclaimed.entry(position.flow).or_default();
        flow.insert(record, position);
    }

    /// Takes over a new position; `settled` bytes were covered by it.
    pub(crate) fn put(&mut self, record: &mut Option<RecordId>, position: FilePosition, settled: u64, now: Now) {
        let known = record.and_then(|id| self.store.get(id));
        // An intent says nothing to a process that doesn't know its contents.
        self.ahead |= !matches!(known, Some(Record::File(known)) if known.content == position.content);
        let position = Record::File(position);
        match *record {
            Some(id) => self.store.update(id, position),
            None => *record = Some(self.store.insert(position)),
        }
        self.bytes += settled;
        self.dirty_since.get_or_insert(now.instant);
    }

    pub(crate) fn put_counters(&mut self, flow: FlowKey, counters: Counters, now: Now) {
        let last_used = now.seconds();
        let value = Record::Flow(Box::new(FlowCounters {
            flow,
            counters,
            last_used,
        }));
        let record = match self.counters.get(&flow) {
            Some(known) => {
                self.store.update(known.record, value);
                known.record
            }
            None => self.store.insert(value),
        };
        let known = KnownFlow {
            record,
            counters,
            last_used,
        };
        self.counters.insert(flow, known);
        self.dirty_since.get_or_insert(now.instant);
    }

    pub(crate) fn forget(&mut self, record: RecordId, now: Now) {
        self.store.remove(record);
        self.dirty_since.get_or_insert(now.instant);
    }

    /// Forgets what nobody came back for: positions of files that are gone, and what is kept of flows that no
    /// configuration names any more. Returns the flow of each file that had bytes to read when it was last seen.
    pub(crate) fn expire(&mut self, named: &HashSet<FlowKey>, now: Now) -> Vec<FlowKey> {
        if now.seconds() < self.started_at + GRACE_SECONDS {
            return Vec::new();
        }
        let oldest = now.seconds() - KEEP_SECONDS;
        let mut unread = Vec::new();
        for (flow, unclaimed) in &mut self.unclaimed {
            for (id, position) in unclaimed.expire(oldest) {
                self.store.remove(id);
                unread.extend((position.pending_since > 0).then_some(*flow));
            }
        }
        self.unclaimed.retain(|_, flow| !flow.is_empty());
        self.expire_counters(named, now);
        self.store.expire_intents(oldest.saturating_mul(1_000_000_000));
        unread
    }

    /// The time of a flow that is named is renewed now and then, so that it counts from when the name was taken away.
    fn expire_counters(&mut self, named: &HashSet<FlowKey>, now: Now) {
        let age = |flow: &FlowKey, saved: &Self| now.seconds() - saved.counters[flow].last_used;
        let old: Vec<FlowKey> = self
            .counters
            .keys()
            .copied()
            .filter(|flow| age(flow, self) > KEEP_SECONDS / 2)
            .collect();
        for flow in old {
            if named.contains(&flow) {
                let counters = self.counters[&flow].counters;
                self.put_counters(flow, counters, now);
            } else if age(&flow, self) > KEEP_SECONDS
                && let Some(known) = self.counters.remove(&flow)
            {
                self.store.remove(known.record);
            }
        }
    }

    /// Writes and syncs what is due.
    pub(crate) fn flush(&mut self, now: Now) {
        let write_due = self.write_at().is_some_and(|at| at <= now.instant) || self.bytes >= WRITE_BYTES;
        if write_due {
            self.write(now);
        }
        if self.store.needs_sync() && now.instant >= self.synced_at + SYNC_AFTER {
            self.sync(now);
        }
    }

    /// Writes and syncs everything.
    pub(crate) fn flush_all(&mut self, now: Now) {
        if self.store.is_dirty() {
            self.write(now);
        }
        if self.store.needs_sync() {
            self.sync(now);
        }
    }

    /// Whether a record is as the disk has it, also after the loss of power.
    pub(crate) fn is_on_disk(&self, record: RecordId) -> bool {
        self.store.is_on_disk(record)
    }

    /// When [`flush`](Self::flush) has something to do.
    pub(crate) fn next_flush(&self) -> Option<Instant> {
        let sync_at = self.store.needs_sync().then_some(self.synced_at + SYNC_AFTER);
        [self.write_at(), sync_at].into_iter().flatten().min()
    }

    fn write_at(&self) -> Option<Instant> {
        self.dirty_since.map(|since| since + WRITE_AFTER)
    }

    fn write(&mut self, now: Now) {
        (self.dirty_since, self.bytes, self.ahead) = (None, 0, false);
        if let Err(error) = self.store.write() {
            self.failed(&error);
            // Again, but not in a tight loop.
            self.dirty_since = Some(now.instant + SYNC_AFTER);
        }
    }

    fn sync(&mut self, now: Now) {
        self.synced_at = now.instant;
        if let Err(error) = self.store.sync() {
            self.failed(&error);
        }
    }

    fn failed(&mut self, error: &std::io::Error) {
        self.errors += 1;
        tracing::error!(%error, "positions can't be saved");
    }
}

#[cfg(test)]
mod tests;
