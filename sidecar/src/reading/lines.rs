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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARTIAL: Marks = Marks {
        truncated: false,
        partial: true,
        unparsed: false,
    };
    const TRUNCATED: Marks = Marks {
        truncated: true,
        partial: false,
        unparsed: false,
    };

    fn input(max_line: usize, tail: Tail) -> Input {
        Input {
            from: 0,
            file: 0,
            previous: None,
            time: 5,
            passage: Passage {
                offset: 100,
                state: LineState::Fresh,
                charset: Charset::UTF8,
                max_line,
                tail,
            },
        }
    }

    type Lines = Vec<(String, u32, Marks)>;

    fn lines(raw: &[u8], state: LineState, mut input: Input) -> (Lines, Output) {
        let (mut text, mut records) = (raw.to_vec(), Vec::new());
        input.passage.state = state;
        let output = split(&mut text, &mut records, input);
        let lines = records
            .iter()
            .map(|record| {
                let line = &text[record.start as usize..record.end as usize];
                assert_eq!(text[record.end as usize], b'\n');
                (
                    String::from_utf8_lossy(line).into_owned(),
                    record.source_bytes,
                    record.marks,
                )
            })
            .collect();
        (lines, output)
    }

    #[test]
    fn lines_are_cut_and_the_rest_is_left() {
        let (lines, output) = lines(b"ab\n\nc\r\nrest", LineState::Fresh, input(10, Tail::Wait));
        let plain = Marks::default();
        assert_eq!(
            lines,
            [
                ("ab".into(), 3, plain),
                (String::new(), 1, plain),
                ("c".into(), 3, plain)
            ]
        );
        assert_eq!((output.consumed, output.time), (7, 5 + 3 * TIME_STEP));
    }

    #[test]
    fn an_over_long_line_is_cut_marked_and_counted_once() {
        let (found, output) = lines(b"abcdefg\nx\n", LineState::Fresh, input(4, Tail::Wait));
        assert_eq!(
            found,
            [("abcd".into(), 8, TRUNCATED), ("x".into(), 2, Marks::default())]
        );
        assert_eq!((output.truncated, output.state), (1, LineState::Fresh));

        let (found, output) = lines(b"abcdefg", LineState::Fresh, input(4, Tail::Wait));
        assert_eq!(found, [("abcd".into(), 7, TRUNCATED)]);
        assert_eq!((output.consumed, output.state), (7, LineState::SkipRest));
        let (found, output) = lines(b"hij\nnext\n", output.state, input(4, Tail::Wait));
        assert_eq!(found, [("next".into(), 9, Marks::default())]);
        assert_eq!(output.state, LineState::Fresh);
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        let (found, _) = lines("abcé\n".as_bytes(), LineState::Fresh, input(4, Tail::Wait));
        assert_eq!(found, [("abc".into(), 6, TRUNCATED)]);
    }

    #[test]
    fn both_parts_of_an_unterminated_line_are_marked() {
        let (found, output) = lines(b"a\nhalf", LineState::Fresh, input(10, Tail::Ship));
        assert_eq!(found, [("a".into(), 2, Marks::default()), ("half".into(), 4, PARTIAL)]);
        assert_eq!(output.state, LineState::RestOfPartial);
        let (found, output) = lines(b" rest\nb\n", output.state, input(10, Tail::Wait));
        assert_eq!(found, [(" rest".into(), 6, PARTIAL), ("b".into(), 2, Marks::default())]);
        assert_eq!(output.state, LineState::Fresh);
    }

    #[test]
    fn a_newline_alone_completes_a_partial_line_without_a_record() {
        let (found, output) = lines(b"\nb\n", LineState::RestOfPartial, input(10, Tail::Wait));
        assert_eq!(found, [("b".into(), 3, Marks::default())]);
        assert_eq!(output.consumed, 3);
    }

    proptest! {
        /// However the bytes come in pieces, the same text comes out and every consumed byte is accounted for.
        #[test]
        fn pieces_make_no_difference(
            raw in proptest::collection::vec(prop_oneof![3 => Just(b'\n'), 1 => Just(b'\r'), 8 => Just(b'x')], 0..200),
            piece in 1..40_usize,
        ) {
            let max_line = 6;
            let (mut whole_text, mut whole) = (raw.clone(), Vec::new());
            split(&mut whole_text, &mut whole, input(max_line, Tail::Wait));

            let (mut text, mut records, mut state, mut position) = (Vec::new(), Vec::new(), LineState::Fresh, 0);
            let mut end = 0;
            while end < raw.len() {
                end = (end + piece).min(raw.len());
                let from = text.len();
                text.extend_from_slice(&raw[position..end]);
                let previous = records.len().checked_sub(1);
                let whole = input(max_line, Tail::Wait);
                let passage = Passage { offset: position as u64, state, ..whole.passage };
                let expected = consumable(&text[from..], &passage);
                let output = split(&mut text, &mut records, Input { from, previous, passage, ..whole });
                prop_assert_eq!(output.consumed, expected);
                (position, state) = (position + output.consumed, output.state);
            }
            let sum: usize = records.iter().map(|record: &Record| record.source_bytes as usize).sum();
            prop_assert_eq!(sum, position);
            // A cut line's text may differ when a carriage return stands exactly at the cut; its length can't.
            prop_assert_eq!(records.len(), whole.len());
            prop_assert_eq!(text.len(), whole_text.len());
        }
    }
}
