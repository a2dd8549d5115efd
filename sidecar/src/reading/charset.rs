//! The character encoding of a file: where its lines end, and what they say in UTF-8.
//!
//! Lines are found, cut and accounted for in the bytes of the file; only then each line is decoded on its own. So offsets
//! are those of the file in every encoding, and bytes that mean nothing never reach beyond their line. ISO-2022-JP, the
//! one encoding with shift states, begins each line in ASCII again, as RFC 1468 demands of its writers.
//!
//! A byte order mark at a file's beginning says more than the configuration, as the WHATWG Encoding Standard has it.
//! UTF-8 is looked at but not copied: where invalid bytes matter they are replaced when a request is encoded.

use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_8_INIT, UTF_16BE, UTF_16LE};
use memchr::{memchr_iter, memrchr_iter};

use crate::batch::{Record, narrow};

/// What a file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Charset(&'static Encoding);

/// How a line, or a part of one, ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Whole,
    /// It was cut somewhere: half a character at its end is left out.
    Cut,
}

/// Whether a text could be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Validity {
    Valid,
    /// Something was replaced, or will be.
    Invalid,
}

const NEWLINE: u8 = b'\n';
const RETURN: u8 = b'\r';
/// A carriage return and most of a character.
const LONGEST_BEGINNING: usize = 5;

impl Charset {
    pub(crate) const UTF8: Self = Self(&UTF_8_INIT);

    /// None when there is no encoding of this label.
    pub(crate) fn of_label(label: &str) -> Option<Self> {
        Encoding::for_label_no_replacement(label.as_bytes()).map(Self)
    }

    /// What a file with this beginning is written in, when the configuration says `self`.
    pub(crate) fn of_file(self, head: &[u8]) -> Self {
        Encoding::for_bom(head).map_or(self, |(encoding, _)| Self(encoding))
    }

    /// The length of the byte order mark at the beginning of a file, which is no text.
    pub(crate) fn mark(head: &[u8]) -> usize {
        Encoding::for_bom(head).map_or(0, |(_, length)| length)
    }

    pub(crate) fn is_utf8(self) -> bool {
        self.0 == UTF_8
    }

    /// By how much a text may grow when it is decoded.
    pub(crate) fn growth(self) -> usize {
        match (self.is_utf8(), self.unit()) {
            (true, _) => 1,
            (false, 1) => 3,
            (false, _) => 2,
        }
    }

    /// Bytes of a code unit, and so of a newline. In UTF-16 units stand at even offsets of the file; in all other encodings
    /// the byte of a newline is never part of another character.
    pub(crate) fn unit(self) -> usize {
        if self.0 == UTF_16LE || self.0 == UTF_16BE { 2 } else { 1 }
    }

    pub(crate) fn newline_bytes(self) -> &'static [u8] {
        match (self.unit(), self.0 == UTF_16LE) {
            (1, _) => b"\n",
            (_, true) => b"\n\0",
            (_, false) => b"\0\n",
        }
    }

    /// How many bytes come before the first whole unit from `offset` on.
    pub(crate) fn stray(self, offset: u64) -> usize {
        usize::from(self.unit() == 2 && !offset.is_multiple_of(2))
    }

    /// How many of `bytes`, which stand at `offset`, are whole units or come before the first.
    pub(crate) fn whole_units(self, bytes: &[u8], offset: u64) -> usize {
        let half = self.unit() == 2 && !(offset + bytes.len() as u64).is_multiple_of(2);
        bytes.len() - usize::from(half && !bytes.is_empty())
    }

    /// The length of the first line, without its newline.
    pub(crate) fn first_line(self, bytes: &[u8], offset: u64) -> Option<usize> {
        memchr_iter(NEWLINE, bytes).find_map(|at| self.newline(bytes, at, offset))
    }

    /// The length of all whole lines, newlines included.
    pub(crate) fn whole_lines(self, bytes: &[u8], offset: u64) -> usize {
        let last = memrchr_iter(NEWLINE, bytes).find_map(|at| self.newline(bytes, at, offset));
        last.map_or(0, |length| length + self.unit())
    }

    /// Where the newline begins that the byte at `at` belongs to; none where it belongs to another character.
    fn newline(self, bytes: &[u8], at: usize, offset: u64) -> Option<usize> {
        if self.unit() == 1 {
            return Some(at);
        }
        let is_first = (offset + at as u64).is_multiple_of(2);
        if self.0 == UTF_16LE {
            (is_first && bytes.get(at + 1) == Some(&0)).then_some(at)
        } else {
            let before = at.checked_sub(1)?;
            (!is_first && bytes[before] == 0).then_some(before)
        }
    }

    /// The length of a line without a carriage return at its end. One anywhere else is text.
    pub(crate) fn without_return(self, line: &[u8]) -> usize {
        let ends = match (self.unit(), self.0 == UTF_16LE) {
            (1, _) => line.ends_with(&[RETURN]),
            (_, true) => line.ends_with(&[RETURN, 0]),
            (_, false) => line.ends_with(&[0, RETURN]),
        };
        line.len() - if ends { self.unit() } else { 0 }
    }

    /// Where to cut a line that is longer than `max`. Half a character is left for [`decode`] to leave out, but not in
    /// UTF-8, which isn't decoded.
    pub(crate) fn cut(self, line: &[u8], max: usize) -> usize {
        let is_inside = |length: usize| line.get(length).is_some_and(|byte| byte & 0xC0 == 0x80);
        if !self.is_utf8() {
            return max - max % self.unit();
        }
        let shortest = max.saturating_sub(3);
        (shortest..=max).rev().find(|&length| !is_inside(length)).unwrap_or(max)
    }

    /// How many bytes at the end belong to something that isn't there as a whole: a character, or a carriage return and
    /// newline.
    pub(crate) fn unfinished(self, bytes: &[u8]) -> usize {
        let mut decoder = self.0.new_decoder_without_bom_handling();
        let mut out = vec![0; decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(0)];
        let _ = decoder.decode_to_utf8(bytes, &mut out, false);
        let (rest, _, _) = decoder.decode_to_utf8_without_replacement(&[], &mut out, true);
        let half = match rest {
            DecoderResult::Malformed(length, more) => usize::from(length + more).min(bytes.len()),
            _ => 0,
        };
        bytes.len() - self.without_return(&bytes[..bytes.len() - half])
    }

    /// Whether this is nothing but the beginning of something.
    pub(crate) fn is_unfinished(self, bytes: &[u8]) -> bool {
        (1..=LONGEST_BEGINNING).contains(&bytes.len()) && self.unfinished(bytes) == bytes.len()
    }

    /// Appends a line in UTF-8.
    fn decode_line(self, line: &[u8], ending: Ending, out: &mut Vec<u8>) -> Validity {
        let plain = if self.0.is_ascii_compatible() {
            Encoding::ascii_valid_up_to(line)
        } else {
            0
        };
        out.extend_from_slice(&line[..plain]);
        let line = &line[plain..];
        if line.is_empty() {
            return Validity::Valid;
        }
        let mut decoder = self.0.new_decoder_without_bom_handling();
        let start = out.len();
        out.resize(start + decoder.max_utf8_buffer_length(line.len()).unwrap_or(0), 0);
        let (_, _, written, replaced) = decoder.decode_to_utf8(line, &mut out[start..], ending == Ending::Whole);
        out.truncate(start + written);
        if replaced { Validity::Invalid } else { Validity::Valid }
    }
}

/// Turns the text of records, which begins at `from` and ends `text`, into UTF-8. Returns how many of them have bytes that
/// mean nothing in their encoding. `raw` is a buffer.
pub(crate) fn decode(
    charset: Charset,
    (text, from): (&mut Vec<u8>, usize),
    records: &mut [Record],
    raw: &mut Vec<u8>,
) -> u64 {
    if charset.is_utf8() {
        return invalid(&text[from..], from, records);
    }
    raw.clear();
    raw.extend_from_slice(&text[from..]);
    text.truncate(from);
    let mut invalid = 0;
    for record in records {
        let line = &raw[record.start as usize - from..record.end as usize - from];
        let ending = if record.marks.truncated {
            Ending::Cut
        } else {
            Ending::Whole
        };
        record.start = narrow(text.len());
        let validity = charset.decode_line(line, ending, text);
        record.end = narrow(text.len());
        text.push(NEWLINE);
        invalid += u64::from(validity == Validity::Invalid);
    }
    invalid
}

/// How many of the records aren't UTF-8.
fn invalid(text: &[u8], from: usize, records: &[Record]) -> u64 {
    // Nearly always, and many times faster than looking for characters.
    if text.is_ascii() || std::str::from_utf8(text).is_ok() {
        return 0;
    }
    let line = |record: &Record| &text[record.start as usize - from..record.end as usize - from];
    let invalid = records
        .iter()
        .filter(|record| std::str::from_utf8(line(record)).is_err());
    invalid.count() as u64
}

#[cfg(test)]
mod tests;
