//! One slot as bytes. The layout is drawn in the module above. Pure.

use crate::engine::account::Counters;
use crate::reading::lines::LineState;

pub(super) const SLOT: usize = 256;

const FREE: u8 = 0;
const FILE: u8 = 1;
const FLOW: u8 = 2;

/// Names a pipeline's source on its way to a destination. What a position is kept under, beside the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct FlowKey(pub(crate) u128);

impl FlowKey {
    pub(crate) fn new(pipeline: &str, source: &str, destination: &str) -> Self {
        Self(xxhash_rust::xxh3::xxh3_128(
            format!("{pipeline}\0{source}\0{destination}").as_bytes(),
        ))
    }
}

/// Some bytes of a file by length and hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hashed {
    pub(crate) length: u32,
    pub(crate) hash: u128,
}

impl Hashed {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self {
            length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            hash: xxhash_rust::xxh3::xxh3_128(bytes),
        }
    }
}

/// How far one file is settled for one flow, and how to know the file again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FilePosition {
    pub(crate) flow: FlowKey,
    pub(crate) inode: u64,
    /// Nanoseconds since the Unix epoch; 0 where it isn't known.
    pub(crate) birth: i64,
    pub(crate) offset: u64,
    pub(crate) head: Hashed,
    pub(crate) tail: Hashed,
    pub(crate) state: LineState,
    /// When the byte at the offset was first seen, in nanoseconds; 0 when nothing was pending.
    pub(crate) pending_since: i64,
    /// Seconds since the Unix epoch.
    pub(crate) last_seen: i64,
}

/// The counters of one flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FlowCounters {
    pub(crate) flow: FlowKey,
    pub(crate) counters: Counters,
    /// Seconds since the Unix epoch.
    pub(crate) last_used: i64,
}

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Free,
    File(FilePosition),
    Flow(FlowCounters),
    /// Of a kind that this version reserves; kept as it is.
    Reserved,
}

/// A slot that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Never written.
    Blank,
    Broken,
    Good {
        sequence: u64,
        record: Record,
    },
}

pub(super) fn encode(sequence: u64, record: &Record) -> [u8; SLOT] {
    let mut slot = Writer([0; SLOT]);
    slot.put(8, &sequence.to_le_bytes());
    match record {
        Record::Free | Record::Reserved => slot.put(4, &[FREE]),
        Record::File(file) => slot.file(file),
        Record::Flow(flow) => slot.flow(flow),
    }
    let crc = crc32c::crc32c(&slot.0[4..]);
    slot.put(0, &crc.to_le_bytes());
    slot.0
}

pub(super) fn decode(slot: &[u8; SLOT]) -> Read {
    if slot.iter().all(|&byte| byte == 0) {
        return Read::Blank;
    }
    let reader = Reader(slot);
    if u32::from_le_bytes(reader.get(0)) != crc32c::crc32c(&slot[4..]) {
        return Read::Broken;
    }
    let record = match slot[4] {
        FREE => Record::Free,
        FILE => Record::File(reader.file()),
        FLOW => Record::Flow(reader.flow()),
        _ => Record::Reserved,
    };
    Read::Good {
        sequence: reader.u64(8),
        record,
    }
}

struct Writer([u8; SLOT]);

impl Writer {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn file(&mut self, file: &FilePosition) {
        let state = match file.state {
            LineState::Fresh => 0,
            LineState::RestOfPartial => 1,
            LineState::SkipRest => 2,
        };
        self.put(4, &[FILE, state]);
        self.put(16, &file.flow.0.to_le_bytes());
        self.put(32, &file.inode.to_le_bytes());
        self.put(40, &file.birth.to_le_bytes());
        self.put(48, &file.offset.to_le_bytes());
        self.put(56, &file.head.length.to_le_bytes());
        self.put(60, &file.tail.length.to_le_bytes());
        self.put(64, &file.head.hash.to_le_bytes());
        self.put(80, &file.tail.hash.to_le_bytes());
        self.put(96, &file.pending_since.to_le_bytes());
        self.put(104, &file.last_seen.to_le_bytes());
    }

    fn flow(&mut self, flow: &FlowCounters) {
        self.put(4, &[FLOW]);
        self.put(16, &flow.flow.0.to_le_bytes());
        for (index, number) in flow.counters.to_array().iter().enumerate() {
            self.put(32 + 8 * index, &number.to_le_bytes());
        }
        self.put(176, &flow.last_used.to_le_bytes());
    }
}

struct Reader<'a>(&'a [u8; SLOT]);

impl Reader<'_> {
    fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.0[at..at + N]);
        bytes
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.get(at))
    }

    fn i64(&self, at: usize) -> i64 {
        i64::from_le_bytes(self.get(at))
    }

    fn hashed(&self, length: usize, hash: usize) -> Hashed {
        Hashed {
            length: u32::from_le_bytes(self.get(length)),
            hash: u128::from_le_bytes(self.get(hash)),
        }
    }

    fn file(&self) -> FilePosition {
        FilePosition {
            flow: FlowKey(u128::from_le_bytes(self.get(16))),
            inode: self.u64(32),
            birth: self.i64(40),
            offset: self.u64(48),
            head: self.hashed(56, 64),
            tail: self.hashed(60, 80),
            state: match self.0[5] {
                1 => LineState::RestOfPartial,
                2 => LineState::SkipRest,
                _ => LineState::Fresh,
            },
            pending_since: self.i64(96),
            last_seen: self.i64(104),
        }
    }

    fn flow(&self) -> FlowCounters {
        let mut numbers = [0; Counters::FIELDS];
        for (index, number) in numbers.iter_mut().enumerate() {
            *number = self.u64(32 + 8 * index);
        }
        FlowCounters {
            flow: FlowKey(u128::from_le_bytes(self.get(16))),
            counters: Counters::from_array(numbers),
            last_used: self.i64(176),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let file = FilePosition {
            flow: FlowKey::new("p", "s", "d"),
            inode: 7,
            birth: -1,
            offset: u64::MAX,
            head: Hashed::of(b"head"),
            tail: Hashed::of(b"tail!"),
            state: LineState::SkipRest,
            pending_since: 12,
            last_seen: 13,
        };
        let mut numbers = [0; Counters::FIELDS];
        (1..).zip(&mut numbers).for_each(|(value, number)| *number = value);
        let flow = FlowCounters {
            flow: file.flow,
            counters: Counters::from_array(numbers),
            last_used: 14,
        };
        for record in [Record::File(file), Record::Flow(flow), Record::Free] {
            assert_eq!(decode(&encode(3, &record)), Read::Good { sequence: 3, record });
        }
        assert_eq!(decode(&[0; SLOT]), Read::Blank);
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_noticed(at in 0..SLOT, flip in 1..=255_u8) {
            let mut slot = encode(9, &Record::File(FilePosition { inode: 5, offset: 77, ..Default::default() }));
            slot[at] ^= flip;
            prop_assert_eq!(decode(&slot), Read::Broken);
        }
    }
}
