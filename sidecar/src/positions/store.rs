//! The file of positions. Records live in memory; changed ones are written when the engine says so.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, FlockOperation};

use super::slot::{self, Read, Record, SLOT};

const MAGIC: [u8; 8] = *b"LGSHPOS\0";
const VERSION: u32 = 1;
const HEADER: usize = 4096;
const RECORD: usize = 2 * SLOT;
/// As it stands in the header.
const SLOT_BYTES: u32 = 256;
const _: () = assert!(SLOT == SLOT_BYTES as usize, "the header tells the length of a slot");
/// The file grows by 64 KiB at a time.
const GROWTH: usize = 128;

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

#[derive(Clone, Copy, Debug)]
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
        match check_header(&file)? {
            Header::Good => {}
            Header::Blank => initialize(&file, directory)?,
            Header::Damaged => {
                let aside = set_aside(&path)?;
                tracing::error!(kept = %aside.display(), "the header of the positions is damaged, all files begin anew");
                file = options.open(&path)?;
                initialize(&file, directory)?;
            }
        }
        let mut store = Self::empty(file, Some(lock));
        store.read()?;
        Ok(store)
    }

    /// A store that ends with the process, for when there is no disk to be had.
    pub(crate) fn in_memory() -> io::Result<Self> {
        let file = rustix::fs::memfd_create("positions", rustix::fs::MemfdFlags::CLOEXEC)?;
        Ok(Self::empty(File::from(file), None))
    }

    fn empty(file: File, lock: Option<File>) -> Self {
        Self {
            file,
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

    pub(crate) fn remove(&mut self, id: RecordId) {
        self.update(id, Record::Free);
        self.free.push(id.0);
    }

    pub(crate) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
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
            let target = HEADER + RECORD * index as usize + SLOT * usize::from(1 - stored.durable);
            self.file
                .write_all_at(&slot::encode(sequence, &stored.record), target as u64)?;
            stored.sequence = sequence;
            self.dirty.remove(&index);
            self.written.insert(index);
        }
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
        let mut bytes = vec![0; self.places()? as usize * RECORD];
        self.file.read_exact_at(&mut bytes, HEADER as u64)?;
        for (index, slots) in (0..).zip(bytes.as_chunks::<RECORD>().0) {
            let (first, second) = slots.split_at(SLOT);
            let stored = match (read_slot(first), read_slot(second)) {
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
        Ok(())
    }

    /// How many records the file has room for.
    fn places(&self) -> io::Result<u32> {
        let length = usize::try_from(self.file.metadata()?.len()).unwrap_or(usize::MAX);
        Ok(u32::try_from(length.saturating_sub(HEADER) / RECORD).unwrap_or(u32::MAX))
    }

    /// Makes room for every record there is and some more, so that the next ones need no space.
    fn allocate(&self) -> io::Result<()> {
        let wanted = (HEADER + RECORD * self.records.len().next_multiple_of(GROWTH).max(GROWTH)) as u64;
        let length = self.file.metadata()?.len();
        if length < wanted {
            reserve(&self.file, length, wanted)?;
        }
        Ok(())
    }
}

fn read_slot(bytes: &[u8]) -> Read {
    bytes.try_into().map_or(Read::Broken, slot::decode)
}

fn newest(first: Read, second: Read) -> Stored {
    let stored = |read, durable| match read {
        Read::Good { sequence, record } => Some(Stored {
            record,
            sequence,
            durable,
        }),
        _ => None,
    };
    [stored(first, 0), stored(second, 1)]
        .into_iter()
        .flatten()
        .max_by_key(|stored| stored.sequence)
        .unwrap_or(BLANK)
}

enum Header {
    Blank,
    Good,
    Damaged,
}

fn check_header(file: &File) -> Result<Header, OpenError> {
    let mut header = [0; 36];
    match file.read_exact_at(&mut header, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Header::Blank),
        other => other?,
    }
    if header.iter().all(|&byte| byte == 0) {
        return Ok(Header::Blank);
    }
    let number = |at: usize| {
        header[at..at + 4]
            .iter()
            .rev()
            .fold(0, |sum, &byte| sum << 8 | u32::from(byte))
    };
    if header[..8] != MAGIC || number(32) != crc32c::crc32c(&header[..32]) {
        return Ok(Header::Damaged);
    }
    match number(8) {
        VERSION => Ok(Header::Good),
        other => Err(OpenError::NewerVersion(other)),
    }
}

/// Writes the header and makes file and name durable.
fn initialize(file: &File, directory: &Path) -> io::Result<()> {
    reserve(file, 0, (HEADER + RECORD * GROWTH) as u64)?;
    let mut header = [0; 36];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..16].copy_from_slice(&SLOT_BYTES.to_le_bytes());
    let crc = crc32c::crc32c(&header[..32]);
    header[32..].copy_from_slice(&crc.to_le_bytes());
    file.write_all_at(&header, 0)?;
    file.sync_all()?;
    File::open(directory)?.sync_all()
}

/// Allocates real blocks where the file system can.
fn reserve(file: &File, from: u64, to: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), from, to - from) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => file.set_len(to),
        Err(errno) => Err(errno.into()),
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
mod tests {
    use super::super::FilePosition;
    use super::*;

    fn position(inode: u64, offset: u64) -> Record {
        Record::File(FilePosition {
            inode,
            offset,
            ..Default::default()
        })
    }

    fn records(store: &Store) -> Vec<Record> {
        store
            .iter()
            .map(|(_, record)| *record)
            .filter(|record| *record != Record::Free)
            .collect()
    }

    /// A state directory with one record, written and synced at 1 and then written at 2.
    fn written() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let id = store.insert(position(1, 1));
        store.write().unwrap();
        store.sync().unwrap();
        store.update(id, position(1, 2));
        store.write().unwrap();
        dir
    }

    fn damage(dir: &Path, at: usize) {
        let file = OpenOptions::new().write(true).open(dir.join("positions")).unwrap();
        file.write_all_at(&[0xff; 9], at as u64).unwrap();
    }

    #[test]
    fn positions_survive_the_process() {
        let dir = written();
        assert_eq!(records(&Store::open(dir.path()).unwrap()), [position(1, 2)]);
    }

    #[test]
    fn a_torn_slot_falls_back_to_the_synced_one() {
        let dir = written();
        damage(dir.path(), HEADER + SLOT + 40);
        let store = Store::open(dir.path()).unwrap();
        assert_eq!((records(&store), store.torn()), (vec![position(1, 1)], 0));
    }

    #[test]
    fn two_torn_slots_begin_anew_and_are_counted() {
        let dir = written();
        damage(dir.path(), HEADER + 40);
        damage(dir.path(), HEADER + SLOT + 40);
        let store = Store::open(dir.path()).unwrap();
        assert_eq!((records(&store), store.torn()), (vec![], 1));
    }

    #[test]
    fn between_two_syncs_only_one_slot_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let id = store.insert(position(1, 1));
        store.write().unwrap();
        store.sync().unwrap();
        for offset in 2..5 {
            store.update(id, position(1, offset));
            store.write().unwrap();
        }
        drop(store);
        damage(dir.path(), HEADER + SLOT + 40);
        assert_eq!(records(&Store::open(dir.path()).unwrap()), [position(1, 1)]);
    }

    #[test]
    fn the_state_directory_has_one_owner() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Store::open(dir.path()).unwrap();
        assert!(matches!(Store::open(dir.path()), Err(OpenError::Locked)));
    }

    #[test]
    fn a_newer_version_is_left_untouched() {
        let dir = written();
        let path = dir.path().join("positions");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[8] = 9;
        let crc = crc32c::crc32c(&bytes[..32]);
        bytes[32..36].copy_from_slice(&crc.to_le_bytes());
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(Store::open(dir.path()), Err(OpenError::NewerVersion(9))));
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn a_damaged_header_is_set_aside() {
        let dir = written();
        damage(dir.path(), 0);
        assert_eq!(records(&Store::open(dir.path()).unwrap()), []);
        assert!(dir.path().join("positions.damaged").exists());
    }

    #[test]
    fn a_full_disk_stops_only_records_without_a_place() {
        let flags = rustix::fs::MemfdFlags::CLOEXEC | rustix::fs::MemfdFlags::ALLOW_SEALING;
        let mut store = Store::empty(File::from(rustix::fs::memfd_create("full", flags).unwrap()), None);
        let first = store.insert(position(1, 1));
        store.write().unwrap();
        rustix::fs::fcntl_add_seals(&store.file, rustix::fs::SealFlags::GROW).unwrap();
        (0..GROWTH as u64).for_each(|inode| _ = store.insert(position(inode, 0)));
        store.update(first, position(1, 2));
        assert!(store.write().is_err());
        let mut again = Store::empty(store.file, None);
        again.read().unwrap();
        assert_eq!(records(&again)[0], position(1, 2));
    }

    #[test]
    fn freed_records_are_used_again_and_space_is_there_before_it_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let before = std::fs::metadata(dir.path().join("positions")).unwrap().len();
        let id = store.insert(position(1, 1));
        store.remove(id);
        assert_eq!(store.insert(position(2, 2)), id);
        store.write().unwrap();
        assert_eq!(std::fs::metadata(dir.path().join("positions")).unwrap().len(), before);
        (0..GROWTH as u64).for_each(|inode| _ = store.insert(position(inode, 0)));
        store.write().unwrap();
        drop(store);
        assert_eq!(records(&Store::open(dir.path()).unwrap()).len(), GROWTH + 1);
    }
}
