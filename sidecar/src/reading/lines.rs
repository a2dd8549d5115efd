//! Cutting bytes into lines, in place: what was read at the end of a batch's text becomes records of that text.
//!
//! The common case, lines that end in `\n` and are short enough, moves no byte and allocates nothing. A carriage return
//! before the newline is taken off, the rest of an over-long line is cut, and then what follows moves down. A carriage
//! return anywhere else is text. What the bytes mean is for [`charset`](super::charset) to say. Pure.

use memchr::memchr_iter;

use super::charset::Charset;
use crate::batch::{Clock, Marks, Record, narrow};

/// What the next byte of a file belongs to. It is kept with the position, so that a restart in the middle of a line
/// goes on as the process before would have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LineState {
    /// A new line.
    #[default]
    Fresh,
    /// A line whose beginning was shipped without waiting for its end; the rest is marked too.
    RestOfPartial,
    /// An over-long line; the rest of it is not shipped.
    SkipRest,
}

/// What to do with bytes after the last newline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Leave them in the file until their newline is there.
    Wait,
    /// Ship them as they are, marked as partial.
    Ship,
}

/// Nanoseconds from one record of a file to the next. The places in between are for other files: Loki drops a record that
/// equals another of its stream in time and text, and files that were seen at the same moment share their base time.
/// Small enough that no catch-up outruns the clock by much.
pub(crate) const TIME_STEP: i64 = 256;

/// Bytes of a file, and how to make lines of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passage {
    /// Offset in the file of the first of them.
    pub(crate) offset: u64,
    /// What it belongs to.
    pub(crate) state: LineState,
    pub(crate) charset: Charset,
    /// In bytes of the file.
    pub(crate) max_line: usize,
    pub(crate) tail: Tail,
}

/// A passage at the end of a batch's text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input {
    /// Where in the text it begins.
    pub(crate) from: usize,
    /// Index of the file in the batch.
    pub(crate) file: u32,
    /// Index of the file's last record in the batch, if it has one: skipped bytes are counted with it.
    pub(crate) previous: Option<usize>,
    /// The least time of the next record.
    pub(crate) time: i64,
    pub(crate) passage: Passage,
}

impl Input {
    /// A passage that is all there is.
    pub(crate) const fn alone(passage: Passage) -> Self {
        Self {
            from: 0,
            file: 0,
            previous: None,
            time: 0,
            passage,
        }
    }
}

/// What came of it. `consumed` bytes of the input are in records or skipped; the rest was taken off the text again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) consumed: usize,
    pub(crate) truncated: u64,
    pub(crate) state: LineState,
    /// The least time of the record after these.
    pub(crate) time: i64,
}

/// How much of `raw` [`split`] is to get: known beforehand, so that the end of it can be hashed before it moves.
pub(crate) fn consumable(raw: &[u8], passage: &Passage) -> usize {
    let Passage { offset, charset, .. } = *passage;
    let complete = charset.whole_lines(raw, offset);
    let whole = charset.whole_units(raw, offset);
    let skips = passage.state == LineState::SkipRest && complete == 0;
    let length = if skips || whole.saturating_sub(complete) > passage.max_line {
        whole
    } else if passage.tail == Tail::Ship {
        raw.len() - charset.unfinished(&raw[complete..])
    } else {
        complete
    };
    // What isn't there as a whole goes only when it has been waited for alone.
    if length == 0 && passage.tail == Tail::Ship {
        raw.len()
    } else {
        length
    }
}

/// Turns the raw bytes `text[input.from..]` into records, the texts of which are still in their encoding.
pub(crate) fn split(text: &mut Vec<u8>, records: &mut Vec<Record>, input: Input) -> Output {
    let mut splitter = Splitter {
        text,
        records,
        input,
        state: input.passage.state,
        read: input.from,
        write: input.from,
        lead: 0,
        previous: input.previous,
        time: input.time,
        truncated: 0,
    };
    splitter.skip_what_is_no_text();
    splitter.plain_lines();
    while splitter.step() {}
    splitter.text.truncate(splitter.write);
    Output {
        consumed: splitter.read - input.from,
        truncated: splitter.truncated,
        state: splitter.state,
        time: splitter.time,
    }
}

struct Splitter<'a> {
    text: &'a mut Vec<u8>,
    records: &'a mut Vec<Record>,
    input: Input,
    state: LineState,
    /// Next raw byte to look at.
    read: usize,
    /// Where the next line's text goes; at most `read`.
    write: usize,
    /// Skipped bytes that no record accounts for yet.
    lead: usize,
    previous: Option<usize>,
    time: i64,
    truncated: u64,
}

impl Splitter<'_> {
    /// A byte order mark, or the second half of a code unit, which only a change of the encoding leaves.
    fn skip_what_is_no_text(&mut self) {
        let Passage { offset, charset, .. } = self.input.passage;
        let mark = match offset {
            0 => Charset::mark(&self.text[self.read..]),
            _ => 0,
        };
        let length = mark + charset.stray(offset);
        if length > 0 {
            self.skip(length.min(self.text.len() - self.read));
        }
    }

    /// The fast path: stops at the first line that needs more than a look.
    fn plain_lines(&mut self) {
        let Passage { charset, max_line, .. } = self.input.passage;
        if self.state != LineState::Fresh || charset.unit() != 1 || self.write != self.read {
            return;
        }
        let first = self.records.len();
        let mut start = self.read;
        for newline in memchr_iter(b'\n', &self.text[self.read..]) {
            let end = self.input.from + newline;
            if end - start > max_line || (end > start && self.text[end - 1] == b'\r') {
                break;
            }
            self.records.push(Record {
                start: narrow(start),
                end: narrow(end),
                file: self.input.file,
                offset: self.offset_of(start),
                source_bytes: narrow(end + 1 - start),
                time: self.time,
                clock: Clock::Reading,
                first_field: 0,
                field_count: 0,
                severity: None,
                marks: Marks::default(),
            });
            self.time += TIME_STEP;
            start = end + 1;
        }
        if self.records.len() > first {
            self.previous = Some(self.records.len() - 1);
        }
        (self.read, self.write) = (start, start);
    }

    /// One line with all rules. False when no more can be made of the input.
    fn step(&mut self) -> bool {
        let rest = &self.text[self.read..];
        if rest.is_empty() {
            return false;
        }
        let charset = self.input.passage.charset;
        let newline = charset.first_line(rest, self.offset_of(self.read));
        let raw = newline.map_or(rest.len(), |length| length + charset.unit());
        match (self.state, newline) {
            (LineState::SkipRest, _) => {
                self.skip(raw);
                if newline.is_some() {
                    self.state = LineState::Fresh;
                }
            }
            (state, Some(length)) => {
                let length = self.without_return(length);
                self.state = LineState::Fresh;
                if state == LineState::RestOfPartial && length == 0 {
                    self.skip(raw);
                } else {
                    self.record(length, raw, state == LineState::RestOfPartial);
                }
            }
            (state, None) if raw > self.input.passage.max_line => {
                self.record(raw, raw, state == LineState::RestOfPartial);
                self.state = LineState::SkipRest;
            }
            (state, None) if self.input.passage.tail == Tail::Ship => {
                let length = self.without_return(raw);
                if state == LineState::RestOfPartial && length == 0 {
                    self.skip(raw);
                } else {
                    self.record(length, raw, true);
                }
                self.state = LineState::RestOfPartial;
            }
            (_, None) => return false,
        }
        newline.is_some()
    }

    fn without_return(&self, length: usize) -> usize {
        let line = &self.text[self.read..self.read + length];
        self.input.passage.charset.without_return(line)
    }

    fn offset_of(&self, at: usize) -> u64 {
        self.input.passage.offset + (at - self.input.from) as u64
    }

    /// Counts bytes with the line they belong to, or with the next one when that line is in an earlier batch.
    fn skip(&mut self, raw: usize) {
        match self.previous.and_then(|index| self.records.get_mut(index)) {
            Some(record) => record.source_bytes = record.source_bytes.saturating_add(narrow(raw)),
            None => self.lead += raw,
        }
        self.read += raw;
    }

    fn record(&mut self, length: usize, raw: usize, partial: bool) {
        let Passage { charset, max_line, .. } = self.input.passage;
        let truncated = length > max_line;
        let length = if truncated {
            charset.cut(&self.text[self.read..], max_line)
        } else {
            length
        };
        self.truncated += u64::from(truncated);
        if self.write != self.read {
            self.text.copy_within(self.read..self.read + length, self.write);
        }
        let end = self.write + length;
        match self.text.get_mut(end) {
            Some(byte) => *byte = b'\n',
            None => self.text.push(b'\n'),
        }
        self.records.push(Record {
            start: narrow(self.write),
            end: narrow(end),
            file: self.input.file,
            offset: self.offset_of(self.read),
            source_bytes: narrow(raw + self.lead),
            time: self.time,
            clock: Clock::Reading,
            first_field: 0,
            field_count: 0,
            severity: None,
            marks: Marks {
                truncated,
                partial,
                ..Marks::default()
            },
        });
        self.previous = Some(self.records.len() - 1);
        self.time += TIME_STEP;
        self.lead = 0;
        self.write = end + 1;
        self.read += raw;
    }
}

#[cfg(test)]
mod tests;
