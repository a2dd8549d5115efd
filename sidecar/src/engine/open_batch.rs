//! The batch that is being filled: reading from files straight into its text. How much is read is decided by `on`.

mod again;
mod on;

use std::sync::Arc;

use rustix::io::Errno;

use crate::batch::{Batch, FileRange};
use crate::metrics::Amount;
use crate::processing::{Processing, Tally};
use crate::reading::charset::Charset;
use crate::reading::lines::{self, Input, LineState, Passage};

use super::cursor::{Cursor, CursorId, NextLine, Position};
use super::files::File;
use super::stretches::{Lines, Stretches, Taken};

pub(crate) use on::{Allowance, Progress, QUANTUM};

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
