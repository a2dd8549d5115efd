//! The batch that is being filled: reading from files straight into its text.

use std::sync::Arc;

use rustix::io::Errno;

use crate::batch::{Batch, FileRange};
use crate::metrics::Amount;
use crate::processing::{Processing, Tally};
use crate::reading::charset::Charset;
use crate::reading::lines::{self, Input, LineState, Passage, TIME_STEP, Tail};

use super::content::{end_of_hole, is_continued};
use super::cursor::{Cursor, CursorId, NextLine, Position};
use super::files::File;
use super::stretches::{self, Lines, Stretches, Taken};
use crate::positions::Stretch;

/// How much of one file is read before another gets its turn.
pub(crate) const QUANTUM: usize = 256 << 10;

/// Times of records may be off by so much where a backlog is read.
const TIME_SLACK: i64 = 1_000_000_000;

/// A batch and whose bytes are in it.
#[derive(Debug)]
pub(crate) struct OpenBatch {
    pub(crate) batch: Batch,
    /// One per entry of [`Batch::files`].
    pub(crate) shares: Vec<Share>,
    pub(crate) stretches: Stretches,
}

/// One cursor's part of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub(crate) cursor: CursorId,
    pub(crate) records: u64,
    /// Those of the records that were left out, by reason: filtered, sampled, rate-limited.
    pub(crate) filtered: [Amount; 3],
    last_record: Option<usize>,
    /// What its first byte belongs to.
    pub(crate) begin: LineState,
    /// Of its first record.
    pub(crate) first_time: i64,
    /// Where the cursor is when this is settled.
    pub(crate) position: Position,
}

impl Share {
    /// One without records.
    pub(crate) fn new(cursor: CursorId, (begin, first_time): (LineState, i64), position: Position) -> Self {
        Self {
            cursor,
            records: 0,
            filtered: <[Amount; 3]>::default(),
            last_record: None,
            begin,
            first_time,
            position,
        }
    }
}

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

/// Raw bytes at the end of the text, and what is to be made of them.
#[derive(Clone, Copy, Debug)]
struct Taking {
    /// Where in the text they begin.
    from: usize,
    passage: Passage,
    /// Of the first record.
    time: i64,
}

/// Lines that were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    pub(crate) truncated: u64,
    pub(crate) unparsed: u64,
    /// Lines with bytes that mean nothing in their encoding.
    pub(crate) undecodable: u64,
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
    /// `buffers` is a batch that came back.
    pub(crate) fn new(mut buffers: Batch) -> Self {
        buffers.text.clear();
        buffers.records.clear();
        buffers.fields.clear();
        buffers.files.clear();
        Self {
            batch: buffers,
            shares: Vec::new(),
            stretches: Stretches::default(),
        }
    }

    /// It is made of as many stretches as can be written down.
    pub(crate) fn is_split_up(&self) -> bool {
        self.stretches.is_full()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.shares.is_empty()
    }

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
        if got == 0 {
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

    /// Reads again what was part of a batch before. `None` where other bytes stand there now, or none.
    pub(crate) fn read_again(
        &mut self,
        id: CursorId,
        cursor: &mut Cursor,
        file: &mut File,
        (stretch, max_line): (&Stretch, usize),
        processing: &mut Processing<'_>,
    ) -> Result<Option<Piece>, Errno> {
        let from = self.batch.text.len();
        let wanted = stretch.length as usize;
        let got = append(&mut self.batch.text, file, cursor.read, wanted)?;
        let is_same = got == wanted
            && stretches::check(&self.batch.text[from..], stretch.length) == stretch.check
            && is_continued(cursor, file)?;
        if !is_same {
            self.batch.text.truncate(from);
            return Ok(None);
        }
        // What was taken then is taken now, also a line without its end.
        let raw = &self.batch.text[from..];
        let passage = Passage {
            offset: cursor.read,
            state: cursor.state,
            charset: charset_of(cursor, file, raw, processing),
            max_line,
            tail: Tail::Ship,
        };
        let taking = Taking {
            from,
            passage,
            time: stretch.time,
        };
        Ok(match self.take(id, cursor, file, taking, processing) {
            Some(Progress::Read { piece, .. }) => Some(piece),
            _ => None,
        })
    }

    /// Makes lines of the raw bytes at the end of the text. `None` when there is no complete one.
    fn take(
        &mut self,
        id: CursorId,
        cursor: &mut Cursor,
        file: &mut File,
        taking: Taking,
        processing: &mut Processing<'_>,
    ) -> Option<Progress> {
        let Taking { from, passage, time } = taking;
        let raw = &self.batch.text[from..];
        let consumed = lines::consumable(raw, &passage);
        let consumed = processing.whole_groups(&raw[..consumed], &passage);
        let consumed = processing.permitted(&raw[..consumed], &passage);
        file.head.push(cursor.read, &raw[..consumed]);
        cursor.remember(&raw[..consumed]);
        if consumed == 0 {
            self.batch.text.truncate(from);
            return None;
        }
        self.batch.text.truncate(from + consumed);
        let share = self.share(id, cursor, time);
        let before = self.batch.records.len();
        let input = Input {
            from,
            file: u32::try_from(share).unwrap_or(u32::MAX),
            previous: self.shares[share].last_record,
            time,
            passage,
        };
        let output = lines::split(&mut self.batch.text, &mut self.batch.records, input);
        let undecodable = processing.decode(&mut self.batch, (from, before), passage.charset);
        processing.group(&mut self.batch.records, before, cursor.read);
        let records = (self.batch.records.len() - before) as u64;
        let tally = processing.run(&mut self.batch, (from, before));
        let taken = Taken {
            share,
            start: cursor.read,
            length: output.consumed,
            times: (time, output.time),
            tail: passage.tail,
            lines: processing.grouping.map_or(Lines::Single, |_| Lines::Grouped),
        };
        self.stretches.took(taken, cursor.recent());
        cursor.read += output.consumed as u64;
        cursor.state = output.state;
        cursor.next_time = output.time;
        cursor.next_line = NextLine::Unknown;
        self.account(share, cursor, records, &tally);
        Some(Progress::Read {
            piece: Piece {
                bytes: output.consumed as u64,
                records,
                truncated: output.truncated,
                unparsed: tally.unparsed,
                undecodable,
            },
            more: cursor.read < file.size,
        })
    }

    /// The index of the cursor's share, which begins at its place.
    fn share(&mut self, id: CursorId, cursor: &mut Cursor, time: i64) -> usize {
        // A cursor's share is most often the last; there are as many as files with news.
        if let Some(index) = self.shares.iter().rposition(|share| share.cursor == id) {
            return index;
        }
        cursor.in_open = true;
        self.batch.files.push(FileRange {
            origin: Arc::clone(&cursor.origin),
            bytes: cursor.read..cursor.read,
        });
        self.shares
            .push(Share::new(id, (cursor.state, time), cursor.position()));
        self.shares.len() - 1
    }

    fn account(&mut self, index: usize, cursor: &Cursor, records: u64, tally: &Tally) {
        self.batch.files[index].bytes.end = cursor.read;
        let share = &mut self.shares[index];
        share.records += records;
        for (total, amount) in share.filtered.iter_mut().zip(tally.filtered) {
            total.records += amount.records;
            total.bytes += amount.bytes;
        }
        let last = self.batch.records.last();
        if last.is_some_and(|record| record.file as usize == index) {
            share.last_record = self.batch.records.len().checked_sub(1);
        }
        share.position = cursor.position();
    }
}

/// The encoding of what was read at the cursor; a file's first bytes may name it.
fn charset_of(cursor: &Cursor, file: &File, raw: &[u8], processing: &Processing<'_>) -> Charset {
    let start = if cursor.read == 0 { raw } else { file.head.start() };
    processing.charset.of_file(start)
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

fn append(text: &mut Vec<u8>, file: &File, offset: u64, wanted: usize) -> Result<usize, Errno> {
    let from = text.len();
    text.reserve_exact(wanted + 1);
    text.resize(from + wanted, 0);
    let outcome = match file.fd() {
        Some(fd) => rustix::io::retry_on_intr(|| rustix::io::pread(fd, &mut text[from..], offset)),
        None => Err(Errno::BADF),
    };
    text.truncate(from + outcome.unwrap_or(0));
    outcome
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
