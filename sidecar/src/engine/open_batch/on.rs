//! Reading on from where a cursor stands: as much as there is, as the batch has room for, and as is safe to take.

use rustix::io::Errno;

use super::{OpenBatch, Piece, Taking, append, charset_of};
use crate::engine::content::{end_of_hole, is_continued, is_cut};
use crate::engine::cursor::{Cursor, CursorId, NextLine};
use crate::engine::files::File;
use crate::processing::Processing;
use crate::reading::lines::{Passage, TIME_STEP, Tail};

/// How much of one file is read before another gets its turn.
pub(crate) const QUANTUM: usize = 256 << 10;

/// Times of records may be off by so much where a backlog is read.
const TIME_SLACK: i64 = 1_000_000_000;

/// What may be read in one go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// Text, in UTF-8, that still fits into the batch.
    pub(crate) room: usize,
    pub(crate) max_line: usize,
    /// Where to stop: a line and a group begin there.
    pub(crate) until: Option<u64>,
    /// Of the file, at once, unless a line is longer.
    pub(crate) quantum: usize,
}

/// What one reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Lines were taken; there is more if `more`.
    Read { piece: Piece, more: bool },
    /// Nothing to take until the file grows.
    Waits,
    /// The next line doesn't fit: send this batch first.
    Full,
    /// There is less in the file than was known.
    Short,
    /// What comes next was given back to the volume.
    Reclaimed,
    /// The bytes before the cursor aren't those that were read: the file was rewritten.
    Rewritten,
    /// Nothing stands at the cursor, as before it: the file was truncated again by a writer that doesn't append.
    Hole,
}

impl OpenBatch {
    /// Reads one quantum of `cursor`'s file into the batch.
    pub(crate) fn read(
        &mut self,
        id: CursorId,
        cursor: &mut Cursor,
        file: &mut File,
        allowance: Allowance,
        processing: &mut Processing<'_>,
    ) -> Result<Progress, Errno> {
        let growth = processing.charset.of_file(file.head.start()).growth();
        let allowance = Allowance {
            room: allowance.room / growth,
            ..allowance
        };
        self.read_raw(id, cursor, file, allowance, processing)
    }

    /// `allowance` is for the bytes of the file.
    fn read_raw(
        &mut self,
        id: CursorId,
        cursor: &mut Cursor,
        file: &mut File,
        allowance: Allowance,
        processing: &mut Processing<'_>,
    ) -> Result<Progress, Errno> {
        let (size, end) = (file.size, file.text_end(cursor.read));
        let available = end.saturating_sub(cursor.read);
        let waits = [
            NextLine::Unterminated { size },
            NextLine::Unfinished { size },
            NextLine::OpenGroup { size },
        ];
        if available == 0 && end < size {
            cursor.next_line = NextLine::Reclaimed;
            return Ok(Progress::Reclaimed);
        }
        if available == 0 || waits.contains(&cursor.next_line) {
            return Ok(Progress::Waits);
        }
        let Some(wanted) = wanted(cursor, file, allowance, self.batch.text.is_empty()) else {
            return Ok(Progress::Full);
        };
        let from = self.batch.text.len();
        let got = append(&mut self.batch.text, file, cursor.read, wanted)?;
        // Asked after reading: whatever happens from now on, this was read from the content that is known.
        if !is_continued(cursor, file)? {
            self.batch.text.truncate(from);
            return Ok(Progress::Rewritten);
        }
        if got == 0 || is_cut(cursor, file)? {
            self.batch.text.truncate(from);
            return Ok(Progress::Short);
        }
        if self.batch.text[from] == 0 && cursor.follows_hole() && end_of_hole(file, cursor.read).is_some() {
            self.batch.text.truncate(from);
            return Ok(Progress::Hole);
        }
        let reached_end = cursor.read + got as u64 >= end;
        let is_overdue = cursor.next_line == NextLine::Overdue;
        let ends_with_line = self.batch.text.last() == Some(&b'\n');
        let is_until = ends_with_line && allowance.until == Some(cursor.read + got as u64);
        let tail = if is_overdue && reached_end && end == size || is_until {
            Tail::Ship
        } else {
            Tail::Wait
        };
        let raw = &self.batch.text[from..];
        let charset = charset_of(cursor, file, raw, processing);
        let passage = Passage {
            offset: cursor.read,
            state: cursor.state,
            charset,
            max_line: allowance.max_line,
            tail,
        };
        let waits = if charset.whole_lines(raw, cursor.read) == raw.len() {
            NextLine::OpenGroup { size }
        } else if charset.is_unfinished(raw) {
            NextLine::Unfinished { size }
        } else {
            NextLine::Unterminated { size }
        };
        let taking = Taking {
            from,
            passage,
            time: first_time(cursor, file),
        };
        let progress = self.take(id, cursor, file, taking, processing);
        if let Some(progress) = progress {
            return Ok(progress);
        }
        if reached_end && end < size {
            cursor.next_line = NextLine::Reclaimed;
            return Ok(Progress::Reclaimed);
        }
        if reached_end {
            cursor.next_line = waits;
            return Ok(Progress::Waits);
        }
        if got < wanted {
            // It was truncated since it was looked at; asking for more of it would never end.
            return Ok(Progress::Short);
        }
        let is_bounded = wanted == allowance.room || allowance.until == Some(cursor.read + got as u64);
        if is_bounded && !self.is_empty() {
            return Ok(Progress::Full);
        }
        cursor.next_line = NextLine::Long;
        self.read_raw(id, cursor, file, allowance, processing)
    }
}

/// The time of the next record.
fn first_time(cursor: &Cursor, file: &File) -> i64 {
    let seen = file.marks.time_of(cursor.read).unwrap_or(0);
    own_time(cursor.slot, cursor.next_time.max(seen))
}

/// The first moment from `least` on that no other file uses.
fn own_time(slot: u64, least: i64) -> i64 {
    let place = i64::try_from(slot).unwrap_or(0) % TIME_STEP;
    least.saturating_add((place - least).rem_euclid(TIME_STEP))
}

/// How many bytes to read; `None` when the batch has to leave first.
fn wanted(cursor: &Cursor, file: &File, allowance: Allowance, is_empty: bool) -> Option<usize> {
    let available = usize::try_from(file.text_end(cursor.read) - cursor.read).unwrap_or(usize::MAX);
    if matches!(cursor.next_line, NextLine::Long | NextLine::Overdue) {
        // More than a line may have, and its end, in any encoding.
        let line = allowance.max_line + 4;
        return (is_empty || line <= allowance.room).then_some(available.min(line.max(QUANTUM)));
    }
    let until = allowance.until.map(|until| until.saturating_sub(cursor.read));
    let until = until.and_then(|until| usize::try_from(until).ok());
    let span = file
        .marks
        .span_of(cursor.read, TIME_SLACK)
        .and_then(|span| usize::try_from(span).ok());
    let wanted = allowance
        .quantum
        .min(allowance.room)
        .min(until.unwrap_or(usize::MAX))
        .min(span.unwrap_or(usize::MAX))
        .min(available);
    (wanted > 0).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_were_seen_at_the_same_moment_never_share_a_time() {
        let seen_at = 1_700_000_000_123_456_789;
        let times = |id| (0..3).map(move |record| own_time(id, seen_at) + record * TIME_STEP);
        let all: std::collections::BTreeSet<i64> = (0..256).flat_map(times).collect();
        assert_eq!(all.len(), 3 * 256);
        assert!(all.iter().all(|time| *time >= seen_at));
        assert_eq!(own_time(5, own_time(5, seen_at)), own_time(5, seen_at));
    }
}
