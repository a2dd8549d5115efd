//! What happens to a piece of a file between reading it and having records of it.

use super::grouping::{GroupState, Grouping};
use super::{Memory, Program, Scratch, Tally};
use crate::batch::{Batch, Record};
use crate::reading::lines::Tail;

/// What turns lines into records; without a program they are records as they are.
#[derive(Debug)]
pub(crate) struct Processing<'a> {
    pub(crate) grouping: Option<&'a Grouping>,
    pub(crate) program: Option<&'a Program>,
    pub(crate) memory: &'a mut Memory,
    pub(crate) scratch: &'a mut Scratch,
}

impl Processing<'_> {
    /// How much of the raw bytes belongs to groups that are complete, as far as it can be told.
    pub(crate) fn whole_groups(&mut self, raw: &[u8], longest: usize, tail: Tail) -> usize {
        let Some(grouping) = self.grouping else {
            return raw.len();
        };
        let groups = grouping.scan(raw, longest, &mut self.scratch.starts);
        match (groups.state, tail) {
            (GroupState::Open, Tail::Wait) => groups.last,
            (GroupState::Complete, _) | (_, Tail::Ship) => raw.len(),
        }
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
