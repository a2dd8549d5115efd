//! What arrived at a destination: how often each line did, in which order, and by which requests.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use super::body::Record;
use crate::journal::{GenerationId, LineId};
use crate::line;

#[derive(Clone, Debug, Default)]
pub(crate) struct Arrived {
    lines: HashMap<GenerationId, Vec<u32>>,
    /// By generation, the lines in the order in which they came first, with their times.
    pub(crate) order: BTreeMap<GenerationId, Vec<(u32, i64)>>,
    /// That were stored, in order.
    pub(crate) requests: Vec<Request>,
    /// Parts of lines that were shipped before their end was there, by where they begin.
    parts: BTreeSet<(u64, String)>,
    /// Texts that no writer wrote.
    pub(crate) foreign: Vec<String>,
}

/// One that was stored.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) at: Instant,
    /// Whole lines in it.
    pub(crate) lines: Vec<LineId>,
    /// Whether the client learnt of it.
    pub(crate) answered: bool,
}

impl Arrived {
    /// How often a line arrived.
    pub(crate) fn count(&self, id: LineId) -> u32 {
        let counts = self.lines.get(&id.generation);
        counts
            .and_then(|counts| counts.get(id.line as usize))
            .copied()
            .unwrap_or(0)
    }

    /// Every line that arrived, and how often.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (LineId, u32)> {
        self.lines.iter().flat_map(|(generation, counts)| {
            let generation = *generation;
            let lines = (0..).zip(counts);
            lines.map(move |(line, count)| (LineId { generation, line }, *count))
        })
    }

    pub(super) fn store(&mut self, records: Vec<Record>) -> usize {
        let mut lines = Vec::new();
        for record in records {
            if let Some(id) = line::read(&record.text) {
                self.add(id, record.time);
                lines.push(id);
            } else if record.is_part {
                self.parts.insert((record.offset, record.text));
            } else {
                self.foreign.push(record.text);
            }
        }
        self.requests.push(Request {
            at: Instant::now(),
            lines,
            answered: true,
        });
        self.requests.len() - 1
    }

    fn add(&mut self, id: LineId, time: i64) {
        let counts = self.lines.entry(id.generation).or_default();
        let index = id.line as usize;
        if counts.len() <= index {
            counts.resize(index + 1, 0);
        }
        counts[index] += 1;
        if counts[index] == 1 {
            self.order.entry(id.generation).or_default().push((id.line, time));
        }
    }

    /// Counts lines that arrived in parts only. What is no part of any is foreign. Parts of two files may stand at places that
    /// fit, and make a line that nobody wrote.
    pub(crate) fn join_parts(&mut self, was_written: impl Fn(LineId) -> bool) {
        let parts: Vec<(u64, String)> = std::mem::take(&mut self.parts).into_iter().collect();
        let mut joined = vec![false; parts.len()];
        for (at, first) in parts.iter().enumerate() {
            for (next, rest) in parts.iter().enumerate() {
                let joint = follows(first, rest).then(|| line::join(&first.1, &rest.1)).flatten();
                if let Some(id) = joint.filter(|id| was_written(*id)) {
                    (joined[at], joined[next]) = (true, true);
                    if self.count(id) == 0 {
                        self.add(id, 0);
                        // Its time and place in the order are those of two records.
                        self.order.entry(id.generation).or_default().pop();
                    }
                }
            }
        }
        let left = parts.into_iter().zip(joined).filter(|(_, joined)| !joined);
        // A part whose rest vanished, or arrived within a whole line, is ours, too.
        let foreign = left.filter(|((_, text), _)| !text.chars().all(line::may_contain));
        self.foreign.extend(foreign.map(|((_, text), _)| text));
    }
}

/// A part of a character, shipped by itself when its rest didn't come.
const MOST_OF_A_CHARACTER: u64 = 3;

/// Where characters were replaced or a return was taken off, the bytes aren't known exactly.
fn follows((at, first): &(u64, String), (offset, _): &(u64, String)) -> bool {
    let end = at + first.len() as u64;
    let may_be_shorter = first.contains(char::REPLACEMENT_CHARACTER);
    (end..=end + MOST_OF_A_CHARACTER).contains(offset) || may_be_shorter && (at + 1..end).contains(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_two_files_make_no_line() {
        let part = |offset: u64, text: &str| Record {
            text: text.to_owned(),
            offset,
            is_part: true,
            time: 0,
        };
        let mut arrived = Arrived::default();
        let parts = [("w0 10", "2 7 a1 x"), ("w0 ", "17 118 a1 x")];
        arrived.store(vec![
            part(10, parts[0].0),
            part(15, parts[0].1),
            part(12, parts[1].0),
            part(15, parts[1].1),
        ]);
        arrived.join_parts(|id| [17, 102].contains(&id.generation.number));
        let lines = arrived.counts().filter(|(_, count)| *count > 0).count();
        assert_eq!((lines, arrived.foreign), (2, vec![]));
    }
}
