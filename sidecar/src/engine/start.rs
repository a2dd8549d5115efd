//! Where to begin in a file: at a saved position, where a copy was read to, at its beginning or its end.

use std::os::fd::AsFd;

use pipeline::source::StartAt;

use crate::positions::{Hashed, RecordId};
use crate::reading::lines::LineState;

use super::cursor::{Cursor, Position};
use super::files::{File, FileId, Files};
use super::lane::Lane;
use super::saved::{Candidate, Saved};
use super::source::{Source, SourceId};

/// A shorter beginning is too easily the same by chance.
pub(super) const LEAST_HEAD: usize = 64;

#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) position: Position,
    pub(super) record: Option<RecordId>,
    /// When the byte there was first seen by an earlier process.
    pub(super) pending_since: Option<i64>,
}

/// The first bytes of a file; what can't be read now is read with the lines.
pub(super) fn read_head(fd: impl AsFd, length: usize) -> Vec<u8> {
    let mut head = vec![0; length];
    let got = rustix::io::pread(fd, &mut head, 0).unwrap_or(0);
    head.truncate(got);
    head.shrink_to_fit();
    head
}

/// Where a lane begins in a file that it doesn't follow yet.
pub(super) fn find(lane: &Lane, source: &Source, file: &File, saved: &mut Saved) -> Option<Start> {
    let flow = lane.flows.get(&source.id)?;
    let hash = |offset, length| hash_at(file, offset, length);
    let candidate = Candidate {
        key: file.key,
        size: file.size,
        head: &file.head,
        hash: &hash,
    };
    if let Some((record, position)) = saved.claim(flow.key, &candidate) {
        return Some(Start {
            position: Position {
                offset: position.offset,
                state: position.state,
                tail: position.tail,
            },
            record: Some(record),
            pending_since: (position.pending_since > 0).then_some(position.pending_since),
        });
    }
    let position = copied(lane, source.id, file).unwrap_or_else(|| {
        let is_first_sight = saved.counters(flow.key).is_none();
        match source.config.start_at {
            Some(StartAt::End) if is_first_sight => end(file),
            _ => Position::default(),
        }
    });
    Some(Start {
        position,
        record: None,
        pending_since: None,
    })
}

/// The end of what is there. Unless a line ends there, what comes first is the rest of one.
fn end(file: &File) -> Position {
    let newline = Hashed::of(b"\n");
    let last = file.size.checked_sub(1).and_then(|last| hash_at(file, last, 1));
    let is_between = last.is_none_or(|last| last == newline);
    Position {
        offset: file.size,
        state: if is_between {
            LineState::Fresh
        } else {
            LineState::RestOfPartial
        },
        tail: Hashed::default(),
    }
}

/// Where reading stands in the file that this one is a copy of.
fn copied(lane: &Lane, source: SourceId, file: &File) -> Option<Position> {
    let is_copy = |(cursor, _): &(&Cursor, FileId)| {
        let known = cursor.recent();
        let from = cursor.read.checked_sub(known.len() as u64);
        let is_long_enough = known.len() >= LEAST_HEAD && cursor.read <= file.size;
        is_long_enough
            && from.and_then(|from| hash_at(file, from, u32::try_from(known.len()).ok()?)) == Some(Hashed::of(known))
    };
    // The same bytes at the same place, up to 4 KiB of them, right before the position.
    lane.reading(source).find(is_copy).map(|(cursor, _)| cursor.position())
}

/// The file begins like one that is being read, as far as it goes, and has less than was read of that.
pub(super) fn may_become_copy(lane: &Lane, source: SourceId, files: &Files, head: &[u8], size: u64) -> bool {
    lane.reading(source).any(|(cursor, id)| {
        // Asked of every pair of files when many are found at once: what costs least comes first.
        size < cursor.read && {
            let known = files.get(id).map_or(&[][..], |file| &file.head);
            let compared = known.len().min(head.len());
            known[..compared] == head[..compared]
        }
    })
}

fn hash_at(file: &File, offset: u64, length: u32) -> Option<Hashed> {
    let mut bytes = vec![0; length as usize];
    let got = rustix::io::pread(file.fd.as_ref()?, &mut bytes, offset).ok()?;
    (got == bytes.len()).then(|| Hashed::of(&bytes))
}
