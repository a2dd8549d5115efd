//! One destination's place in one file.

use std::sync::Arc;
use std::time::Instant;

use crate::batch::Origin;
use crate::positions::{ContentKey, Hashed, RecordId};
use crate::reading::lines::LineState;

use super::account::Counters;
use super::files::FileId;
use super::source::SourceId;
use super::window::Window;

/// The part before a position by which a copy or a rewritten file is recognised.
pub(crate) const TAIL: usize = 4 << 10;

/// So much of a hole is remembered as what stands before a place: too little for a copy of the file to be known by it.
const HOLE: usize = 32;

/// Names a cursor as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct CursorId(pub(crate) u64);

/// A place between two lines, or inside one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) offset: u64,
    pub(crate) state: LineState,
    /// Of the bytes before it.
    pub(crate) tail: Hashed,
}

#[derive(Debug)]
pub(crate) struct Cursor {
    pub(crate) source: SourceId,
    pub(crate) file: FileId,
    /// Of the file's content.
    pub(crate) generation: u32,
    /// Names the content also to later processes; see `positions`.
    pub(crate) content: ContentKey,
    /// The content as it is named on the disk.
    pub(crate) saved_content: ContentKey,
    pub(crate) origin: Arc<Origin>,
    /// Where to read on.
    pub(crate) read: u64,
    pub(crate) state: LineState,
    /// Everything before it is settled.
    pub(crate) settled: Position,
    pub(crate) window: Window<Position, Counters>,
    /// The last bytes before `read`, at most [`TAIL`].
    recent: Vec<u8>,
    /// The least time of the next record.
    pub(crate) next_time: i64,
    /// Tells its times from those of other files, the same for all destinations.
    pub(crate) slot: u64,
    pub(crate) record: Option<RecordId>,
    pub(crate) saved_at: Option<Instant>,
    /// It began in a copy, where this cursor had read to in the original: nothing is saved before that is settled.
    pub(crate) after: Option<(CursorId, u64)>,
    /// In the lane's queue.
    pub(crate) queued: bool,
    /// The content is gone: what is under way may settle, nothing more is read.
    pub(crate) ended: bool,
    /// Part of the open batch.
    pub(crate) in_open: bool,
    pub(crate) next_line: NextLine,
}

/// What is known about the line at a cursor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum NextLine {
    #[default]
    Unknown,
    /// It is longer than a quantum: it has to be read in one go.
    Long,
    /// It had no end when the file had this size.
    Unterminated { size: u64 },
    /// Nothing but the beginning of a character, or of its end, was there when the file had this size.
    Unfinished { size: u64 },
    /// It belongs to a group that might have gone on when the file had this size.
    OpenGroup { size: u64 },
    /// It has waited long enough for its end.
    Overdue,
    /// It goes on, if at all, behind a hole.
    Reclaimed,
}

impl Cursor {
    pub(crate) fn new(source: SourceId, file: FileId, generation: u32, origin: Arc<Origin>, start: Position) -> Self {
        Self {
            source,
            file,
            generation,
            content: ContentKey::default(),
            saved_content: ContentKey::default(),
            origin,
            read: start.offset,
            state: start.state,
            settled: start,
            window: Window::default(),
            recent: Vec::new(),
            next_time: 0,
            slot: 0,
            record: None,
            saved_at: None,
            after: None,
            queued: false,
            ended: false,
            in_open: false,
            next_line: NextLine::Unknown,
        }
    }

    /// The place up to which everything was read.
    pub(crate) fn position(&self) -> Position {
        Position {
            offset: self.read,
            state: self.state,
            tail: Hashed::of(&self.recent),
        }
    }

    /// The place up to which everything was handed over.
    pub(crate) fn handed(&self) -> &Position {
        self.window.last().unwrap_or(&self.settled)
    }

    /// Another lane has read on from here: `bytes` up to `end`, of which `recent` are the last.
    pub(crate) fn advance(&mut self, end: Position, (recent, bytes): (&[u8], u64), next_time: i64) {
        (self.read, self.state, self.next_time) = (end.offset, end.state, next_time);
        self.next_line = NextLine::Unknown;
        if (recent.len() as u64) < bytes.min(TAIL as u64) {
            self.recent.clear();
        }
        self.remember(recent);
    }

    /// What is remembered of the last `bytes`.
    pub(crate) fn recent_of(&self, bytes: u64) -> &[u8] {
        let length = usize::try_from(bytes).unwrap_or(usize::MAX).min(self.recent.len());
        &self.recent[self.recent.len() - length..]
    }

    /// The same, with what is saved of the bytes before it where they were forgotten.
    pub(crate) fn known_position(&self) -> Position {
        if self.recent.is_empty() && self.read == self.settled.offset {
            return self.settled;
        }
        self.position()
    }

    /// Remembers the end of what was just read.
    pub(crate) fn remember(&mut self, bytes: &[u8]) {
        if bytes.len() >= TAIL {
            self.recent.clear();
            self.recent.extend_from_slice(&bytes[bytes.len() - TAIL..]);
            return;
        }
        let excess = (self.recent.len() + bytes.len()).saturating_sub(TAIL);
        self.recent.drain(..excess);
        self.recent.extend_from_slice(bytes);
    }

    pub(crate) fn recent(&self) -> &[u8] {
        &self.recent
    }

    /// Goes on elsewhere: what is between isn't there any more. Nothing may be under way.
    pub(crate) fn pass_to(&mut self, position: Position) {
        (self.read, self.state, self.settled) = (position.offset, position.state, position);
        self.next_line = NextLine::Unknown;
        self.rest();
    }

    /// Goes on behind a hole, which is no content. What stands before a place tells whether a file is still the same, also
    /// where that is nothing.
    pub(crate) fn skip_hole(&mut self, to: u64) {
        self.recent = vec![0; usize::try_from(to).map_or(HOLE, |to| to.min(HOLE))];
        self.read = to;
        self.settled = Position {
            offset: to,
            state: LineState::Fresh,
            tail: Hashed::of(&self.recent),
        };
    }

    /// Whether nothing but a hole is before it: then the hole may have become larger since.
    pub(crate) fn follows_hole(&self) -> bool {
        let tail = self.settled.tail;
        let zeros = [0; HOLE];
        match self.recent.as_slice() {
            _ if self.read == 0 => true,
            [] => self.read == self.settled.offset && zeros.get(..tail.length as usize).map(Hashed::of) == Some(tail),
            recent => recent.iter().all(|byte| *byte == 0),
        }
    }

    /// Gives the memory back; the next position's tail covers only what is read from now on.
    pub(crate) fn rest(&mut self) {
        self.recent = Vec::new();
        self.window.rest();
    }

    /// What is under way comes back never: read it again.
    pub(crate) fn rewind(&mut self) {
        self.window.clear();
        self.read = self.settled.offset;
        self.state = self.settled.state;
        self.recent.clear();
        self.in_open = false;
        self.next_line = NextLine::Unknown;
    }

    /// Nothing of it is under way or waits to leave.
    pub(crate) fn is_quiet(&self) -> bool {
        self.window.is_empty() && !self.in_open
    }
}
