//! The ring of intents: which room holds what, and which is free to be used again.
//!
//! An intent is kept until its batch is settled, all before it of the same lane are, and a position that says so is
//! written. So a killed process leaves, for every byte that it sent and that no position covers, the batch it was in.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::disk::write_at;
use super::header::Layout;
use super::intent::{self, INTENT, Intent, LaneKey, Outcome, SETTLED_AT};

/// So much of an intent is read at first; most are not longer.
const FIRST_READ: usize = 512;

/// Names an intent as long as the store is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IntentId(u16);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Free,
    /// Its lane isn't there, or not yet.
    Waits,
    UnderWay,
    Settled,
    /// Settled with all before it: free as soon as the positions are written.
    Covered,
}

#[derive(Clone, Copy, Debug)]
struct Room {
    is: Use,
    lane: LaneKey,
    sequence: u64,
    formed_at: i64,
}

#[derive(Debug)]
pub(super) struct Ring {
    layout: Layout,
    rooms: Vec<Room>,
}

impl Ring {
    pub(super) fn new(layout: Layout) -> Self {
        let room = Room {
            is: Use::Free,
            lane: LaneKey::default(),
            sequence: 0,
            formed_at: 0,
        };
        let intents = usize::try_from(layout.intents()).unwrap_or(0);
        Self {
            layout,
            rooms: vec![room; intents.min(usize::from(u16::MAX))],
        }
    }

    /// Finds what an earlier process left.
    pub(super) fn read(&mut self, file: &File) -> io::Result<()> {
        for index in 0..self.rooms.len() {
            if let Some(intent) = self.get(file, index)? {
                self.put(index, &intent, Use::Waits);
            }
        }
        Ok(())
    }

    /// Writes an intent down. `None` where there is no room.
    pub(super) fn insert(&mut self, file: &File, intent: &Intent) -> io::Result<Option<IntentId>> {
        let Some(index) = self.room() else {
            return Ok(None);
        };
        // Whatever stands there when the writing fails, it isn't the former intent for sure.
        self.rooms[index].is = Use::Free;
        write_at(file, &intent::encode(intent), self.place(index))?;
        self.put(index, intent, Use::UnderWay);
        Ok(u16::try_from(index).ok().map(IntentId))
    }

    /// Where the next intent goes: the first free room, so that few are ever touched, else that of the oldest intent
    /// that nobody came back for.
    fn room(&self) -> Option<usize> {
        let free = self.rooms.iter().position(|room| room.is == Use::Free);
        free.or_else(|| {
            let waiting = self.rooms.iter().enumerate().filter(|(_, room)| room.is == Use::Waits);
            waiting.min_by_key(|(_, room)| room.formed_at).map(|(index, _)| index)
        })
    }

    pub(super) fn has_free_room(&self) -> bool {
        self.rooms.iter().any(|room| room.is == Use::Free)
    }

    /// The batch of an intent is settled, or nothing of it has to be sent.
    pub(super) fn settle(&mut self, file: &File, id: IntentId, outcome: Outcome) -> io::Result<()> {
        let index = usize::from(id.0);
        let Some(room) = self.rooms.get_mut(index) else {
            return Ok(());
        };
        room.is = Use::Settled;
        let sequence = room.sequence.to_le_bytes();
        match outcome {
            Outcome::Open => Ok(()),
            Outcome::Stored => write_at(file, &sequence, self.place(index) + SETTLED_AT as u64),
        }
    }

    /// Everything of a lane below `sequence` is settled.
    pub(super) fn cover(&mut self, lane: LaneKey, sequence: u64) {
        let rooms = self.rooms.iter_mut().filter(|room| room.lane == lane);
        for room in rooms.filter(|room| room.is == Use::Settled && room.sequence < sequence) {
            room.is = Use::Covered;
        }
    }

    pub(super) fn positions_written(&mut self) {
        for room in self.rooms.iter_mut().filter(|room| room.is == Use::Covered) {
            room.is = Use::Free;
        }
    }

    /// The intents of a lane that has to send again what isn't settled, in order.
    pub(super) fn take(&mut self, file: &File, lane: LaneKey) -> io::Result<Vec<(IntentId, Intent)>> {
        let mut intents = Vec::new();
        for index in 0..self.rooms.len() {
            let room = self.rooms[index];
            // What is settled by positions that are about to be written isn't sent again.
            if room.lane != lane || matches!(room.is, Use::Free | Use::Covered) {
                continue;
            }
            let intent = self.get(file, index)?.filter(|intent| intent.sequence == room.sequence);
            match (intent, u16::try_from(index)) {
                (Some(intent), Ok(id)) => {
                    self.rooms[index].is = Use::UnderWay;
                    intents.push((IntentId(id), intent));
                }
                _ => self.rooms[index].is = Use::Free,
            }
        }
        intents.sort_unstable_by_key(|(_, intent)| intent.sequence);
        Ok(intents)
    }

    /// A lane is gone; it may come back.
    pub(super) fn leave(&mut self, lane: LaneKey) {
        for room in self.rooms.iter_mut().filter(|room| room.lane == lane) {
            if room.is != Use::Free {
                room.is = Use::Waits;
            }
        }
    }

    /// Forgets what nobody came back for since a time.
    pub(super) fn expire(&mut self, oldest: i64) {
        for room in self.rooms.iter_mut().filter(|room| room.is == Use::Waits) {
            if room.formed_at < oldest {
                room.is = Use::Free;
            }
        }
    }

    fn put(&mut self, index: usize, intent: &Intent, is: Use) {
        self.rooms[index] = Room {
            is,
            lane: intent.lane,
            sequence: intent.sequence,
            formed_at: intent.formed_at,
        };
    }

    /// What stands in a room, if it is a whole intent.
    fn get(&self, file: &File, index: usize) -> io::Result<Option<Intent>> {
        let mut bytes = vec![0; FIRST_READ];
        let length = read_at(file, &mut bytes, self.place(index))?;
        bytes.truncate(length);
        if intent::needs(&bytes) > FIRST_READ {
            bytes.resize(INTENT, 0);
            let length = read_at(file, &mut bytes, self.place(index))?;
            bytes.truncate(length);
        }
        Ok(intent::decode(&bytes))
    }

    const fn place(&self, index: usize) -> u64 {
        self.layout.intent(index as u64)
    }
}

/// As much as there is: a file may be shorter than the ring.
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    let mut length = 0;
    while length < bytes.len() {
        match file.read_at(&mut bytes[length..], at + length as u64) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
