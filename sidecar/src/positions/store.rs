//! The file of positions. Records live in memory; changed ones are written when the engine says so.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::disk::write_at;
use super::header::{self, GROWTH, Header, Layout, RECORD, VERSION};
use super::intent::{Intent, LaneKey, Outcome};
use super::ring::{IntentId, Ring};
use super::slot::{self, Read, Record, SLOT};

/// Why there are no positions to work with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("another process holds the lock on the state directory")]
    Locked,
    #[error("the positions are of version {0}, this sidecar understands version {VERSION} and leaves them untouched")]
    NewerVersion(u32),
    #[error("the state directory can't be used")]
    Io(#[from] io::Error),
}

/// Names a record as long as the store is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RecordId(u32);

#[derive(Clone, Debug)]
struct Stored {
    record: Record,
    sequence: u64,
    /// The slot that is known to be on the disk; the other one may be overwritten.
    durable: u8,
}

const BLANK: Stored = Stored {
    record: Record::Free,
    sequence: 0,
    durable: 1,
};

/// All records, and the file behind them.
#[derive(Debug)]
pub(crate) struct Store {
    file: File,
    layout: Layout,
    ring: Ring,
    /// Dropped, and so unlocked, after everything else. A store in memory has none.
    _lock: Option<File>,
    records: Vec<Stored>,
    free: Vec<u32>,
    dirty: BTreeSet<u32>,
    written: BTreeSet<u32>,
    torn: usize,
}

impl Store {
    /// Opens or creates the positions of a state directory, and locks it.
    pub(crate) fn open(directory: &Path) -> Result<Self, OpenError> {
        std::fs::create_dir_all(directory)?;
        let lock = lock(directory)?;
        let path = directory.join("positions");
        let options = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .clone();
        let mut file = options.open(&path)?;
        let layout = match header::read(&file)? {
            Header::Good(layout) if layout.has_ring() => layout,
            Header::Good(layout) => header::convert(&file).unwrap_or_else(|error| {
                tracing::warn!(%error, "no room to write down what is sent, batches are retried as they come");
                layout
            }),
            Header::Blank => header::initialize(&file, directory)?,
            Header::Damaged => {
                let aside = set_aside(&path)?;
                tracing::error!(kept = %aside.display(), "the header of the positions is damaged, all files begin anew");
                file = options.open(&path)?;
                header::initialize(&file, directory)?
            }
        };
        let mut store = Self::empty(file, layout, Some(lock));
        store.read()?;
        Ok(store)
    }

    /// A store that ends with the process, for when there is no disk to be had.
    pub(crate) fn in_memory() -> io::Result<Self> {
        let file = rustix::fs::memfd_create("positions", rustix::fs::MemfdFlags::CLOEXEC)?;
        Ok(Self::empty(File::from(file), Layout::NEW, None))
    }

    fn empty(file: File, layout: Layout, lock: Option<File>) -> Self {
        Self {
            file,
            layout,
            ring: Ring::new(layout),
            _lock: lock,
            records: Vec::new(),
            free: Vec::new(),
            dirty: BTreeSet::new(),
            written: BTreeSet::new(),
            torn: 0,
        }
    }

    /// Records whose slots were both broken when the store was opened.
    pub(crate) const fn torn(&self) -> usize {
        self.torn
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (RecordId, &Record)> {
        (0..)
            .map(RecordId)
            .zip(self.records.iter().map(|stored| &stored.record))
    }

    pub(crate) fn insert(&mut self, record: Record) -> RecordId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.records.push(BLANK);
            u32::try_from(self.records.len() - 1).unwrap_or(u32::MAX)
        });
        self.update(RecordId(index), record);
        RecordId(index)
    }

    pub(crate) fn update(&mut self, id: RecordId, record: Record) {
        if let Some(stored) = self.records.get_mut(id.0 as usize) {
            stored.record = record;
            self.dirty.insert(id.0);
        }
    }

    pub(crate) fn get(&self, id: RecordId) -> Option<&Record> {
        self.records.get(id.0 as usize).map(|stored| &stored.record)
    }

    pub(crate) fn remove(&mut self, id: RecordId) {
        self.update(id, Record::Free);
        self.free.push(id.0);
    }

    /// Writes down what a batch is made of; `None` where there is no room for it.
    pub(crate) fn insert_intent(&mut self, intent: &Intent) -> io::Result<Option<IntentId>> {
        self.ring.insert(&self.file, intent)
    }

    pub(crate) fn has_room_for_an_intent(&self) -> bool {
        self.ring.has_free_room()
    }

    /// The batch of an intent is settled.
    pub(crate) fn settle_intent(&mut self, id: IntentId, outcome: Outcome) -> io::Result<()> {
        self.ring.settle(&self.file, id, outcome)
    }

    /// All of a lane below this sequence is settled.
    pub(crate) fn cover_intents(&mut self, lane: LaneKey, sequence: u64) {
        self.ring.cover(lane, sequence);
    }

    /// What a lane has to send again, in order.
    pub(crate) fn take_intents(&mut self, lane: LaneKey) -> io::Result<Vec<(IntentId, Intent)>> {
        self.ring.take(&self.file, lane)
    }

    /// A lane is gone; it may come back.
    pub(crate) fn leave_intents(&mut self, lane: LaneKey) {
        self.ring.leave(lane);
    }

    /// Forgets those that nobody came back for since a time, in nanoseconds.
    pub(crate) fn expire_intents(&mut self, oldest: i64) {
        self.ring.expire(oldest);
    }

    pub(crate) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    pub(crate) fn is_on_disk(&self, id: RecordId) -> bool {
        !self.dirty.contains(&id.0) && !self.written.contains(&id.0)
    }

    pub(crate) fn needs_sync(&self) -> bool {
        !self.written.is_empty()
    }

    /// Hands changed records to the kernel: they survive the process, and after [`sync`](Self::sync) the node.
    /// What couldn't be written is tried again the next time.
    pub(crate) fn write(&mut self) -> io::Result<()> {
        let room = self.allocate();
        let places = self.places()?;
        while let Some(index) = self.dirty.range(..places).next().copied() {
            let stored = &mut self.records[index as usize];
            let sequence = stored.sequence + 1;
            let target = self.layout.record(index as usize) + (SLOT * usize::from(1 - stored.durable)) as u64;
            write_at(&self.file, &slot::encode(sequence, &stored.record), target)?;
            stored.sequence = sequence;
            self.dirty.remove(&index);
            self.written.insert(index);
        }
        self.ring.positions_written();
        // A full disk holds back only what has no place in the file yet.
        room
    }

    /// Puts on the disk what was written.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        rustix::fs::fdatasync(&self.file)?;
        for index in std::mem::take(&mut self.written) {
            let stored = &mut self.records[index as usize];
            stored.durable = 1 - stored.durable;
        }
        Ok(())
    }

    fn read(&mut self) -> io::Result<()> {
        let records = self.read_records()?;
        for (index, slots) in (0..).zip(records.as_chunks::<RECORD>().0) {
            let (first, second) = slots.split_at(SLOT);
            let (first, second) = (read_slot(first), read_slot(second));
            if matches!((&first, &second), (Read::Good { .. }, Read::Good { .. })) {
                self.written.insert(index);
            }
            let stored = match (first, second) {
                (Read::Broken, Read::Broken | Read::Blank) | (Read::Blank, Read::Broken) => {
                    self.torn += 1;
                    BLANK
                }
                (first, second) => newest(first, second),
            };
            if stored.record == Record::Free {
                self.free.push(index);
            }
            self.records.push(stored);
        }
        self.free.reverse();
        self.ring.read(&self.file)
    }

    fn read_records(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.places()? as usize * RECORD];
        // The ring may lie between them.
        let mut from = 0;
        while from < bytes.len() {
            let first = self.layout.record(from / RECORD);
            let count = (from / RECORD..bytes.len() / RECORD)
                .take_while(|index| self.layout.record(*index) == first + (index * RECORD - from) as u64)
                .count();
            self.file
                .read_exact_at(&mut bytes[from..from + count * RECORD], first)?;
            from += count * RECORD;
        }
        Ok(bytes)
    }

    /// How many records the file has room for.
    fn places(&self) -> io::Result<u32> {
        let places = self.layout.records(self.file.metadata()?.len());
        Ok(u32::try_from(places).unwrap_or(u32::MAX))
    }

    /// Makes room for every record there is and some more, so that the next ones need no space.
    fn allocate(&self) -> io::Result<()> {
        let wanted = self
            .layout
            .record(self.records.len().next_multiple_of(GROWTH).max(GROWTH));
        let length = self.file.metadata()?.len();
        if length < wanted {
            header::reserve(&self.file, length, wanted)?;
        }
        Ok(())
    }
}

fn read_slot(bytes: &[u8]) -> Read {
    bytes.try_into().map_or(Read::Broken, slot::decode)
}

/// Whether the newer slot had been synced isn't known, so the older one isn't overwritten before the next sync.
fn newest(first: Read, second: Read) -> Stored {
    let stored = |read, durable| match read {
        Read::Good { sequence, record } => Some(Stored {
            record,
            sequence,
            durable,
        }),
        _ => None,
    };
    match (stored(first, 1), stored(second, 0)) {
        (Some(first), Some(second)) if first.sequence > second.sequence => first,
        (Some(_), Some(second)) => second,
        (Some(only), None) | (None, Some(only)) => Stored {
            durable: 1 - only.durable,
            ..only
        },
        (None, None) => BLANK,
    }
}

fn lock(directory: &Path) -> Result<File, OpenError> {
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(directory.join("lock"))?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::Locked),
        Err(errno) => Err(OpenError::Io(errno.into())),
    }
}

fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = path.with_extension("damaged");
    std::fs::rename(path, &aside)?;
    Ok(aside)
}

#[cfg(test)]
mod tests;
