//! One slot as bytes. The layout is drawn in the module above. Pure.

use super::bytes::{Reader, Writer};
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

/// Names one content of one file on one flow, as long as it has a position: over renames, copies and restarts. A file that
/// begins anew gets another, so what was meant for the former content is never taken for the new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct ContentKey(pub(super) u64);

impl ContentKey {
    /// Of a content that was first seen at `time`, where no other has the same flow, name and time.
    pub(crate) fn new(flow: FlowKey, name: u64, time: i64) -> Self {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&flow.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&name.to_le_bytes());
        bytes[24..].copy_from_slice(&time.to_le_bytes());
        Self(xxhash_rust::xxh3::xxh3_64(&bytes).max(1))
    }

    /// Positions of version 1 have none.
    pub(crate) fn or(self, other: impl FnOnce() -> Self) -> Self {
        if self.0 == 0 { other() } else { self }
    }
}

/// Tells which of a few paths it was that a file was first matched as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PathHash(u16);

impl PathHash {
    pub(crate) fn of(path: &str) -> Self {
        let hash = xxhash_rust::xxh3::xxh3_64(path.as_bytes());
        Self(u16::try_from(hash & 0xffff).unwrap_or(0).max(1))
    }

    /// Positions of version 1 have none.
    pub(crate) const fn is_known(self) -> bool {
        self.0 != 0
    }
}

/// Some bytes of a file by length and hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hashed {
    pub(crate) length: u32,
    /// As bytes, which need no alignment: several of them are kept of each file.
    pub(crate) hash: [u8; 16],
}

impl Hashed {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self {
            length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            hash: xxhash_rust::xxh3::xxh3_128(bytes).to_le_bytes(),
        }
    }
}

/// Bytes from `offset` to the next mark were first seen at `time`, in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) offset: u64,
    pub(crate) time: i64,
}

/// A position holds so many.
pub(crate) const SAVED_MARKS: usize = 8;

/// When the bytes behind a position were first seen. An empty one takes no memory, as most files have nothing behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SavedMarks {
    /// At most [`SAVED_MARKS`], in order of offset and time, which is never 0.
    pub(crate) list: Box<[Mark]>,
    /// Where the file ended then.
    pub(crate) end: u64,
}

/// How far one file is settled for one flow, and how to know the file again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FilePosition {
    pub(crate) flow: FlowKey,
    pub(crate) content: ContentKey,
    pub(crate) path: PathHash,
    pub(crate) inode: u64,
    /// Nanoseconds since the Unix epoch; 0 where it isn't known.
    pub(crate) birth: i64,
    pub(crate) offset: u64,
    pub(crate) head: Hashed,
    pub(crate) tail: Hashed,
    pub(crate) state: LineState,
    /// When the byte at the offset was first seen, in nanoseconds; 0 when nothing was pending.
    pub(crate) pending_since: i64,
    pub(crate) marks: SavedMarks,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Free,
    File(FilePosition),
    /// Boxed, as nearly all are of files.
    Flow(Box<FlowCounters>),
    /// Of a kind that this version reserves; kept as it is.
    Reserved,
}

/// A slot that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    let mut slot = Slot(Writer([0; SLOT]));
    slot.0.put(8, &sequence.to_le_bytes());
    match record {
        Record::Free | Record::Reserved => slot.0.put(4, &[FREE]),
        Record::File(file) => slot.file(file),
        Record::Flow(flow) => slot.flow(flow),
    }
    let crc = crc32c::crc32c(&slot.0.0[4..]);
    slot.0.put(0, &crc.to_le_bytes());
    slot.0.0
}

pub(super) fn decode(slot: &[u8; SLOT]) -> Read {
    if slot.iter().all(|&byte| byte == 0) {
        return Read::Blank;
    }
    let reader = Reader(slot);
    if reader.u32(0) != crc32c::crc32c(&slot[4..]) {
        return Read::Broken;
    }
    let record = match slot[4] {
        FREE => Record::Free,
        FILE => Record::File(file(reader, slot)),
        FLOW => Record::Flow(Box::new(flow(reader))),
        _ => Record::Reserved,
    };
    Read::Good {
        sequence: reader.u64(8),
        record,
    }
}

struct Slot(Writer<[u8; SLOT]>);

impl Slot {
    fn file(&mut self, file: &FilePosition) {
        let state = match file.state {
            LineState::Fresh => 0,
            LineState::RestOfPartial => 1,
            LineState::SkipRest => 2,
        };
        self.0.put(4, &[FILE, state]);
        self.0.put(6, &file.path.0.to_le_bytes());
        self.0.put(16, &file.flow.0.to_le_bytes());
        self.0.put(32, &file.inode.to_le_bytes());
        self.0.put(40, &file.birth.to_le_bytes());
        self.0.put(48, &file.offset.to_le_bytes());
        self.0.put(56, &file.head.length.to_le_bytes());
        self.0.put(60, &file.tail.length.to_le_bytes());
        self.0.put(64, &file.head.hash);
        self.0.put(80, &file.tail.hash);
        self.0.put(96, &file.pending_since.to_le_bytes());
        self.0.put(104, &file.last_seen.to_le_bytes());
        for (index, mark) in file.marks.list.iter().take(SAVED_MARKS).enumerate() {
            self.0.put(112 + 16 * index, &mark.offset.to_le_bytes());
            self.0.put(120 + 16 * index, &mark.time.to_le_bytes());
        }
        self.0.put(240, &file.content.0.to_le_bytes());
        self.0.put(248, &file.marks.end.to_le_bytes());
    }

    fn flow(&mut self, flow: &FlowCounters) {
        self.0.put(4, &[FLOW]);
        self.0.put(16, &flow.flow.0.to_le_bytes());
        for (index, number) in flow.counters.to_array().iter().enumerate() {
            self.0.put(32 + 8 * index, &number.to_le_bytes());
        }
        self.0.put(176, &flow.last_used.to_le_bytes());
    }
}

fn hashed(slot: Reader<'_>, length: usize, hash: usize) -> Hashed {
    Hashed {
        length: slot.u32(length),
        hash: slot.u128(hash).to_le_bytes(),
    }
}

fn file(slot: Reader<'_>, bytes: &[u8; SLOT]) -> FilePosition {
    FilePosition {
        flow: FlowKey(slot.u128(16)),
        content: ContentKey(slot.u64(240)),
        path: PathHash(u16::from_le_bytes([bytes[6], bytes[7]])),
        inode: slot.u64(32),
        birth: slot.i64(40),
        offset: slot.u64(48),
        head: hashed(slot, 56, 64),
        tail: hashed(slot, 60, 80),
        state: match bytes[5] {
            1 => LineState::RestOfPartial,
            2 => LineState::SkipRest,
            _ => LineState::Fresh,
        },
        pending_since: slot.i64(96),
        marks: marks(slot),
        last_seen: slot.i64(104),
    }
}

fn marks(slot: Reader<'_>) -> SavedMarks {
    let mark = |index: usize| Mark {
        offset: slot.u64(112 + 16 * index),
        time: slot.i64(120 + 16 * index),
    };
    SavedMarks {
        list: (0..SAVED_MARKS).map(mark).take_while(|mark| mark.time != 0).collect(),
        end: slot.u64(248),
    }
}

fn flow(slot: Reader<'_>) -> FlowCounters {
    let mut numbers = [0; Counters::FIELDS];
    for (index, number) in numbers.iter_mut().enumerate() {
        *number = slot.u64(32 + 8 * index);
    }
    FlowCounters {
        flow: FlowKey(slot.u128(16)),
        counters: Counters::from_array(numbers),
        last_used: slot.i64(176),
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
            content: ContentKey(6),
            path: PathHash::of("/a"),
            inode: 7,
            birth: -1,
            offset: u64::MAX,
            head: Hashed::of(b"head"),
            tail: Hashed::of(b"tail!"),
            state: LineState::SkipRest,
            pending_since: 12,
            marks: SavedMarks {
                list: (1..=8)
                    .map(|step| Mark {
                        offset: step << 40,
                        time: -i64::MAX + 1,
                    })
                    .collect(),
                end: u64::MAX,
            },
            last_seen: 13,
        };
        let mut numbers = [0; Counters::FIELDS];
        (1..).zip(&mut numbers).for_each(|(value, number)| *number = value);
        let flow = FlowCounters {
            flow: file.flow,
            counters: Counters::from_array(numbers),
            last_used: 14,
        };
        for record in [Record::File(file.clone()), Record::Flow(Box::new(flow)), Record::Free] {
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
