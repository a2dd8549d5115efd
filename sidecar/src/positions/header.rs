//! The header of the file, and where records and intents stand behind it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::FallocateFlags;

use super::bytes::{Reader, Writer};
use super::disk::write_at;
use super::intent::INTENT;
use super::slot::SLOT;
use super::store::OpenError;

const MAGIC: [u8; 8] = *b"LGSHPOS\0";
pub(super) const VERSION: u32 = 2;
/// Without intents; read, and made into the present one.
const VERSION_BEFORE: u32 = 1;
const LENGTH: usize = 36;
pub(super) const HEADER: u64 = 4096;
pub(super) const RECORD: usize = 2 * SLOT;
/// As it stands in the header.
const SLOT_BYTES: u32 = 256;
const _: () = assert!(SLOT == SLOT_BYTES as usize, "the header tells the length of a slot");
/// The file grows by 64 KiB at a time.
pub(super) const GROWTH: usize = 128;
/// More than the windows of a pod's destinations come to, but for unusual settings.
const INTENTS: u64 = 128;
const RING: u64 = INTENTS * INTENT as u64;

/// Where things are. The ring of intents lies between two records, or before or behind all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    ring: u64,
    ring_length: u64,
}

impl Layout {
    /// Of a new file: the ring is first.
    pub(super) const NEW: Self = Self {
        ring: HEADER,
        ring_length: RING,
    };

    /// Without intents: on a disk that has no room for them.
    pub(super) const NO_RING: Self = Self {
        ring: HEADER,
        ring_length: 0,
    };

    pub(super) const fn record(self, index: usize) -> u64 {
        let plain = HEADER + (RECORD * index) as u64;
        if plain < self.ring {
            plain
        } else {
            plain + self.ring_length
        }
    }

    /// How many records a file of so many bytes has room for.
    pub(super) fn records(self, file: u64) -> u64 {
        let ring = file.min(self.ring + self.ring_length).saturating_sub(self.ring);
        file.saturating_sub(HEADER + ring) / RECORD as u64
    }

    pub(super) const fn has_ring(self) -> bool {
        self.ring_length > 0
    }

    pub(super) const fn intents(self) -> u64 {
        self.ring_length / INTENT as u64
    }

    pub(super) const fn intent(self, index: u64) -> u64 {
        self.ring + index * INTENT as u64
    }

    fn is_possible(self) -> bool {
        let before = self.ring.checked_sub(HEADER);
        let is_aligned = before.is_some_and(|before| before.is_multiple_of(RECORD as u64));
        is_aligned && self.ring_length.is_multiple_of(INTENT as u64) && self.ring_length <= 16 * RING
    }
}

pub(super) enum Header {
    Blank,
    Good(Layout),
    Damaged,
}

pub(super) fn read(file: &File) -> Result<Header, OpenError> {
    let mut header = [0; LENGTH];
    match file.read_exact_at(&mut header, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Header::Blank),
        other => other?,
    }
    if header.iter().all(|&byte| byte == 0) {
        return Ok(Header::Blank);
    }
    let reader = Reader(&header);
    if header[..8] != MAGIC || reader.u32(32) != crc32c::crc32c(&header[..32]) {
        return Ok(Header::Damaged);
    }
    let layout = Layout {
        ring: reader.u64(16),
        ring_length: reader.u64(24),
    };
    match reader.u32(8) {
        VERSION if layout.is_possible() => Ok(Header::Good(layout)),
        VERSION => Ok(Header::Damaged),
        VERSION_BEFORE => Ok(Header::Good(Layout::NO_RING)),
        other => Err(OpenError::NewerVersion(other)),
    }
}

/// Begins a file, and makes it and its name durable.
pub(super) fn initialize(file: &File, directory: &Path) -> io::Result<Layout> {
    let reserved = |layout: Layout| reserve(file, 0, layout.record(GROWTH)).map(|()| layout);
    let layout = reserved(Layout::NEW).or_else(|_| reserved(Layout::NO_RING))?;
    write(file, layout)?;
    file.sync_all()?;
    File::open(directory)?.sync_all()?;
    Ok(layout)
}

/// Gives a file that has none a ring: its records stay where they are, the ring goes behind them. Killed on the way, it
/// has none.
pub(super) fn convert(file: &File) -> io::Result<Layout> {
    let records = file.metadata()?.len().saturating_sub(HEADER) / RECORD as u64;
    let layout = Layout {
        ring: HEADER + records * RECORD as u64,
        ring_length: RING,
    };
    reserve(file, layout.ring, layout.ring + layout.ring_length)?;
    file.sync_all()?;
    write(file, layout)?;
    file.sync_all()?;
    Ok(layout)
}

fn write(file: &File, layout: Layout) -> io::Result<()> {
    let mut header = Writer([0_u8; LENGTH]);
    header.put(0, &MAGIC);
    header.put(8, &VERSION.to_le_bytes());
    header.put(12, &SLOT_BYTES.to_le_bytes());
    header.put(16, &layout.ring.to_le_bytes());
    header.put(24, &layout.ring_length.to_le_bytes());
    let crc = crc32c::crc32c(&header.0[..32]);
    header.put(32, &crc.to_le_bytes());
    write_at(file, &header.0, 0)
}

/// Allocates real blocks where the file system can.
pub(super) fn reserve(file: &File, from: u64, to: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), from, to - from) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => file.set_len(to),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_and_intents_never_overlap_wherever_the_ring_lies() {
        for before in [0, 3, 128] {
            let layout = Layout {
                ring: HEADER + before * RECORD as u64,
                ring_length: RING,
            };
            assert!(layout.is_possible());
            let ring = layout.ring..layout.ring + RING;
            let records: Vec<u64> = (0..300).map(|index| layout.record(index)).collect();
            assert!(
                records
                    .iter()
                    .all(|at| !ring.contains(at) && !ring.contains(&(at + RECORD as u64 - 1)))
            );
            assert!(records.is_sorted() && records[0] >= HEADER);
            assert_eq!(layout.records(layout.record(300)), 300, "{before}");
            assert_eq!(layout.records(0), 0);
        }
    }

    #[test]
    fn impossible_places_of_the_ring_are_refused() {
        let layout = |ring, ring_length| Layout { ring, ring_length }.is_possible();
        assert!(layout(HEADER, 0) && layout(HEADER, RING));
        assert!(
            !layout(0, RING) && !layout(HEADER + 1, RING) && !layout(HEADER, RING + 1) && !layout(HEADER, RING * 99)
        );
    }
}
