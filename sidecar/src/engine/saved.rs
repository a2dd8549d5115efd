//! The engine's side of the positions: which saved position belongs to which file, and when changes are written.

mod intents;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::positions::{FilePosition, FlowCounters, FlowKey, Hashed, Record, RecordId, Store};
use crate::reading::facts::FileKey;

use super::account::Counters;
use super::clock::Now;

/// A killed process repeats at most what was acknowledged in this time, or this many bytes.
const WRITE_AFTER: Duration = Duration::from_millis(20);
const WRITE_BYTES: u64 = 1 << 20;
/// The node loses at most this much more.
const SYNC_AFTER: Duration = Duration::from_secs(1);
/// Positions of files and destinations that are gone are kept so long, so that a rollback resumes.
const KEEP_SECONDS: i64 = 24 * 3600;
/// So much time there is after a start to mend a configuration that was refused, before what it would have claimed goes.
const GRACE_SECONDS: i64 = 3600;
/// A file with fewer known bytes is too easily mistaken for another.
const LEAST_HEAD: u32 = 64;

/// Positions of this process and of those before.
#[derive(Debug)]
pub(crate) struct Saved {
    store: Store,
    /// Of files that weren't found again yet.
    unclaimed: HashMap<FlowKey, Vec<(RecordId, FilePosition)>>,
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

/// A file that may have a position, with a look into its content.
pub(crate) struct Candidate<'a> {
    pub(crate) key: FileKey,
    pub(crate) size: u64,
    pub(crate) head: &'a [u8],
    /// Hashes bytes of the file by offset and length.
    pub(crate) hash: &'a dyn Fn(u64, u32) -> Option<Hashed>,
}

impl Saved {
    pub(crate) fn new(store: Store, now: Now) -> Self {
        let mut saved = Self {
            store,
            unclaimed: HashMap::new(),
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
                Record::File(file) => saved.unclaimed.entry(file.flow).or_default().push((id, file)),
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

    /// What a flow had settled before this process; `None` for a new flow.
    pub(crate) fn counters(&self, flow: FlowKey) -> Option<Counters> {
        self.counters.get(&flow).map(|known| known.counters)
    }

    /// The position of a file that was read before, by whatever name: the same file by inode and head, or else a copy
    /// of it by head and tail.
    pub(crate) fn claim(&mut self, flow: FlowKey, file: &Candidate<'_>) -> Option<(RecordId, FilePosition)> {
        let list = self.unclaimed.get_mut(&flow)?;
        let index = list
            .iter()
            .position(|(_, saved)| is_same(saved, file))
            .or_else(|| list.iter().position(|(_, saved)| is_copy(saved, file)))?;
        Some(list.swap_remove(index))
    }

    /// Whether a file with this inode had a position that nobody claimed yet.
    pub(crate) fn misses(&self, flow: FlowKey, inode: u64) -> bool {
        self.unclaimed
            .get(&flow)
            .is_some_and(|list| list.iter().any(|(_, saved)| saved.inode == inode))
    }

    /// Whether there are positions that nobody claimed yet.
    pub(crate) fn owes(&self, flow: FlowKey) -> bool {
        self.unclaimed.get(&flow).is_some_and(|list| !list.is_empty())
    }

    /// Gives a position back, as one of a file that may come again.
    pub(crate) fn release(&mut self, record: RecordId, position: FilePosition) {
        // What it has to read is nobody's concern now, so it isn't missed either.
        let position = FilePosition {
            pending_since: 0,
            ..position
        };
        self.store.update(record, Record::File(position.clone()));
        self.unclaimed
            .entry(position.flow)
            .or_default()
            .push((record, position));
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
        let value = Record::Flow(FlowCounters {
            flow,
            counters,
            last_used,
        });
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
        for (flow, list) in &mut self.unclaimed {
            for (id, position) in list.extract_if(.., |(_, position)| position.last_seen < oldest) {
                self.store.remove(id);
                unread.extend((position.pending_since > 0).then_some(*flow));
            }
        }
        self.unclaimed.retain(|_, list| !list.is_empty());
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

fn is_same(saved: &FilePosition, file: &Candidate<'_>) -> bool {
    let same_birth = saved.birth == file.key.birth || saved.birth == 0 || file.key.birth == 0;
    saved.inode == file.key.inode
        && same_birth
        && saved.offset <= file.size
        && has_head(saved, file)
        && tail_of(saved, file).is_none_or(|tail| tail == saved.tail)
}

/// What stands where the position's last bytes stood; `None` where none are known or can be read.
fn tail_of(saved: &FilePosition, file: &Candidate<'_>) -> Option<Hashed> {
    let length = Some(saved.tail.length).filter(|&length| length > 0)?;
    (file.hash)(saved.offset.checked_sub(length.into())?, length)
}

/// Also a file that was moved to another file system, or restored.
fn is_copy(saved: &FilePosition, file: &Candidate<'_>) -> bool {
    let tail = saved.tail;
    saved.head.length >= LEAST_HEAD
        && tail.length > 0
        && saved.offset <= file.size
        && has_head(saved, file)
        && tail_of(saved, file) == Some(tail)
}

fn has_head(saved: &FilePosition, file: &Candidate<'_>) -> bool {
    let length = saved.head.length as usize;
    length <= file.head.len() && Hashed::of(&file.head[..length]) == saved.head
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: &[u8] = &[b'x'; 200];

    fn saved(inode: u64, offset: u64, content: &[u8]) -> FilePosition {
        let offset_bytes = usize::try_from(offset).unwrap();
        FilePosition {
            flow: FlowKey(1),
            inode,
            birth: 5,
            offset,
            head: Hashed::of(&content[..offset_bytes.min(100)]),
            tail: Hashed::of(&content[offset_bytes.saturating_sub(10)..offset_bytes]),
            ..Default::default()
        }
    }

    fn claim(position: FilePosition, inode: u64, birth: i64, content: &[u8]) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        store.insert(Record::File(position));
        let hash = |from, length| {
            let from = usize::try_from(from).ok()?;
            Some(Hashed::of(content.get(from..from + length as usize)?))
        };
        let candidate = Candidate {
            key: FileKey {
                device: 1,
                inode,
                birth,
            },
            size: content.len() as u64,
            head: content,
            hash: &hash,
        };
        Saved::new(store, Now::read()).claim(FlowKey(1), &candidate).is_some()
    }

    #[test]
    fn a_file_is_known_again_by_inode_birth_and_head() {
        assert!(claim(saved(7, 150, CONTENT), 7, 5, CONTENT));
        assert!(
            claim(saved(7, 150, CONTENT), 7, 0, CONTENT),
            "where no birth time is known"
        );
    }

    #[test]
    fn a_file_that_never_came_back_is_told_if_it_had_something_to_read() {
        let start = Now::read();
        let now = at(start, 24);
        let last_seen = start.seconds();
        let mut store = Store::in_memory().unwrap();
        for (flow, last_seen, pending_since) in [(1, last_seen - 1, 5), (2, last_seen - 1, 0), (3, last_seen + 60, 5)] {
            store.insert(Record::File(FilePosition {
                flow: FlowKey(flow),
                last_seen,
                pending_since,
                ..saved(7, 150, CONTENT)
            }));
        }
        let mut saved = Saved::new(store, start);
        assert_eq!(saved.expire(&HashSet::new(), now), [FlowKey(1)]);
        assert_eq!(saved.expire(&HashSet::new(), now), []);
        assert!(saved.owes(FlowKey(3)) && !saved.owes(FlowKey(2)));
    }

    #[test]
    fn a_used_again_inode_is_another_file() {
        assert!(!claim(saved(7, 150, CONTENT), 7, 5, &[b'y'; 200]));
        assert!(!claim(saved(7, 20, CONTENT), 7, 6, CONTENT), "too short to be a copy");
        let mut other = CONTENT.to_vec();
        other[145] = b'y';
        assert!(
            !claim(saved(7, 150, CONTENT), 7, 5, &other),
            "rewritten with the same head, as by a banner"
        );
        assert!(
            !claim(saved(7, 150, CONTENT), 7, 5, &CONTENT[..120]),
            "shorter than what was read"
        );
    }

    fn at(start: Now, hours: u64) -> Now {
        let seconds = hours * 3600 + 1;
        Now {
            instant: start.instant + Duration::from_secs(seconds),
            wall: start.wall + i64::try_from(seconds).unwrap() * 1_000_000_000,
        }
    }

    /// What is left of a position and of counters that a process finds at its start, last used so many hours before.
    fn left_after(hours: u64, before: i64, is_named: bool) -> (usize, bool) {
        let (flow, start) = (FlowKey(1), Now::read());
        let mut store = Store::in_memory().unwrap();
        let last_used = start.seconds() - before * 3600;
        store.insert(Record::File(FilePosition {
            last_seen: last_used,
            ..saved(7, 150, CONTENT)
        }));
        store.insert(Record::Flow(FlowCounters {
            flow,
            counters: Counters::default(),
            last_used,
        }));
        let mut saved = Saved::new(store, start);
        let named = if is_named { [flow].into() } else { HashSet::new() };
        (0..=hours).for_each(|hour| drop(saved.expire(&named, at(start, hour))));
        let positions = saved
            .store
            .iter()
            .filter(|(_, record)| matches!(record, Record::File(_)));
        (positions.count(), saved.counters(flow).is_some())
    }

    #[test]
    fn what_a_configuration_does_not_name_any_more_is_kept_for_a_day() {
        assert_eq!(left_after(23, 0, false), (1, true));
        assert_eq!(left_after(24, 0, false), (0, false));
        assert_eq!(left_after(3, 22, false), (0, false), "by an earlier process");
        assert_eq!(
            left_after(0, 90, false),
            (1, true),
            "a configuration that was refused may be mended"
        );
        assert_eq!(left_after(1, 90, false), (0, false));
        assert_eq!(left_after(100, 0, true), (0, true), "only the file is gone");
    }

    #[test]
    fn the_day_of_a_flow_that_was_idle_begins_when_its_name_is_taken_away() {
        let (flow, start) = (FlowKey(1), Now::read());
        let mut saved = Saved::new(Store::in_memory().unwrap(), start);
        saved.put_counters(flow, Counters::default(), start);
        let named = HashSet::from([flow]);
        (0..=50).for_each(|hour| drop(saved.expire(&named, at(start, hour))));
        (51..62).for_each(|hour| drop(saved.expire(&HashSet::new(), at(start, hour))));
        assert!(saved.counters(flow).is_some());
        saved.expire(&HashSet::new(), at(start, 76));
        assert!(saved.counters(flow).is_none());
    }

    #[test]
    fn a_copy_is_known_by_head_and_tail() {
        assert!(claim(saved(7, 150, CONTENT), 8, 9, CONTENT));
        let mut other = CONTENT.to_vec();
        other[145] = b'y';
        assert!(!claim(saved(7, 150, CONTENT), 8, 9, &other));
    }
}
