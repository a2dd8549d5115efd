//! What happens to a piece of a file between reading it and having records of it.

use super::grouping::{GroupState, Grouping, lines_of};
use super::{Memory, Program, Scratch, Tally};
use crate::batch::{Batch, Record};
use crate::reading::charset::{self, Charset};
use crate::reading::lines::{self, Input, LineState, Passage, Tail};

/// What turns lines into records; without a program they are records as they are.
#[derive(Debug)]
pub(crate) struct Processing<'a> {
    /// What the source's files are in, unless they say otherwise.
    pub(crate) charset: Charset,
    /// No more records than that are made of one piece.
    pub(crate) most: usize,
    pub(crate) grouping: Option<&'a Grouping>,
    pub(crate) program: Option<&'a Program>,
    pub(crate) memory: &'a mut Memory,
    pub(crate) scratch: &'a mut Scratch,
}

impl Processing<'_> {
    /// How much of the raw bytes belongs to groups that are complete, as far as it can be told.
    pub(crate) fn whole_groups(&mut self, raw: &[u8], passage: &Passage) -> usize {
        let Some(grouping) = self.grouping else {
            return raw.len();
        };
        let Scratch {
            raw: buffer,
            text,
            records,
            starts,
            ..
        } = &mut *self.scratch;
        if passage.state == LineState::SkipRest {
            // It belongs to no group. What comes after it is looked at when it is out of the way.
            starts.clear();
            let rest = passage.charset.first_line(raw, passage.offset);
            return rest.map_or(raw.len(), |length| length + passage.charset.unit());
        }
        let groups = if passage.charset.is_utf8() {
            let mark = if passage.offset == 0 { Charset::mark(raw) } else { 0 };
            grouping.scan(lines_of(raw, mark), passage.max_line, starts)
        } else {
            text.clear();
            text.extend_from_slice(raw);
            records.clear();
            lines::split(text, records, Input::alone(*passage));
            charset::decode(passage.charset, (&mut *text, 0), records, buffer);
            let ends = records.iter().skip(1).map(|record| record.offset - passage.offset);
            let ends = ends.chain([raw.len() as u64]);
            let lines = records.iter().zip(ends).map(|(record, end)| {
                let line = &text[record.start as usize..record.end as usize];
                (usize::try_from(end).unwrap_or(usize::MAX), line)
            });
            grouping.scan(lines, passage.max_line, starts)
        };
        // A line that is too long by itself gets no company, and waiting for its end would take no end.
        let is_too_long = raw.len() - groups.last > passage.max_line;
        match (groups.state, passage.tail) {
            (GroupState::Open, Tail::Wait) if !is_too_long => groups.last,
            _ => raw.len(),
        }
    }

    /// How much of the raw bytes, which [`whole_groups`](Self::whole_groups) has seen, makes no more records than it may.
    pub(crate) fn permitted(&self, raw: &[u8], passage: &Passage) -> usize {
        if self.most == usize::MAX {
            return raw.len();
        }
        if self.grouping.is_some() {
            let start = self.scratch.starts.get(self.most);
            return start.map_or(raw.len(), |start| raw.len().min(*start));
        }
        let mut end = 0;
        for _ in 0..self.most {
            let offset = passage.offset + end as u64;
            match passage.charset.first_line(&raw[end..], offset) {
                Some(length) => end += length + passage.charset.unit(),
                None => return raw.len(),
            }
        }
        end
    }

    /// Makes UTF-8 of the lines from `first` on, whose text begins at `from`. Returns how many of them have bytes that mean
    /// nothing.
    pub(crate) fn decode(&mut self, batch: &mut Batch, (from, first): (usize, usize), charset: Charset) -> u64 {
        let Batch { text, records, .. } = batch;
        charset::decode(charset, (text, from), &mut records[first..], &mut self.scratch.raw)
    }

    /// Makes one record of the lines of each group, which were read at `offset`. Their texts stand one after the other.
    pub(crate) fn group(&mut self, records: &mut Vec<Record>, first: usize, offset: u64) {
        if self.grouping.is_none() {
            return;
        }
        // Lines and beginnings stand in the same order.
        let mut starts = self.scratch.starts.iter().copied().peekable();
        let mut kept = first;
        for index in first..records.len() {
            let record = records[index];
            let start = usize::try_from(record.offset - offset).unwrap_or(usize::MAX);
            while starts.next_if(|begin| *begin < start).is_some() {}
            if index == first || starts.peek() == Some(&start) {
                records[kept] = record;
                kept += 1;
            } else {
                let group = &mut records[kept - 1];
                group.end = record.end;
                group.source_bytes = group.source_bytes.saturating_add(record.source_bytes);
                group.marks.truncated |= record.marks.truncated;
                group.marks.partial |= record.marks.partial;
            }
        }
        records.truncate(kept);
    }

    pub(crate) fn run(&mut self, batch: &mut Batch, from: (usize, usize)) -> Tally {
        let program = self
            .program
            .map(|program| program.run(batch, from, self.memory, self.scratch));
        program.unwrap_or_default()
    }
}
