//! Lines that belong together: stack traces, entries that a pattern begins or ends, lines that a container runtime cut.
//!
//! A group is found in the raw bytes of a file and held as an offset: until it is complete its bytes stay unread in the
//! file, so it is whole after a reload, a restart or a pause, whatever arrived of it before. It ends with the line before
//! the next beginning, when nothing came for a while, or when it would grow longer than a line may be.

mod trace;

use pipeline::Source;
use pipeline::source::{FormatType, MultilinePreset};
use regex::bytes::Regex;

use self::trace::Trace;
use super::format::cri;
use super::{ProcessingError, compile};

/// How lines of a source belong together.
#[derive(Debug)]
pub(crate) struct Grouping(Rule);

#[derive(Debug)]
enum Rule {
    Trace(MultilinePreset),
    /// A line that matches begins a record.
    Start(Regex),
    /// A line that matches ends a record.
    End(Regex),
    /// From one to the other; what stands between such groups belongs to nothing.
    Between(Regex, Regex),
    /// What a container runtime cut.
    Cri,
}

/// What stands in a piece of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Groups {
    /// Where the last group begins.
    pub(crate) last: usize,
    pub(crate) state: GroupState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupState {
    /// The next line may belong to it.
    Open,
    Complete,
}

impl Grouping {
    /// None where each line is a record.
    pub(crate) fn new(source: &Source) -> Result<Option<Self>, ProcessingError> {
        let Some(multiline) = &source.multiline else {
            let is_cri = source.format.kind == FormatType::Cri;
            return Ok(is_cri.then_some(Self(Rule::Cri)));
        };
        let pattern = |pattern: &Option<String>| pattern.as_deref().map(compile).transpose();
        let rule = match (pattern(&multiline.start_pattern)?, pattern(&multiline.end_pattern)?) {
            (Some(start), Some(end)) => Some(Rule::Between(start, end)),
            (Some(start), None) => Some(Rule::Start(start)),
            (None, Some(end)) => Some(Rule::End(end)),
            (None, None) => multiline.preset.map(Rule::Trace),
        };
        Ok(rule.map(Self))
    }

    /// Finds where groups begin in whole lines, the last of which may lack its end. Each comes with the place after it;
    /// `starts` gets the places of all beginnings, the first line always is one. No group gets longer than `longest`,
    /// unless a single line is.
    pub(crate) fn scan<'a>(
        &self,
        lines: impl Iterator<Item = (usize, &'a [u8])>,
        longest: usize,
        starts: &mut Vec<usize>,
    ) -> Groups {
        starts.clear();
        let mut reading = Reading::new();
        let (mut line_start, mut last) = (0, 0);
        for (line_end, line) in lines {
            let joins = self.0.joins(line, &mut reading);
            if line_start == 0 || !joins || line_end - last > longest {
                starts.push(line_start);
                last = line_start;
            }
            line_start = line_end;
        }
        let state = if reading.complete {
            GroupState::Complete
        } else {
            GroupState::Open
        };
        Groups { last, state }
    }
}

/// What is remembered from line to line.
#[derive(Debug)]
struct Reading {
    /// The line before ends its group for sure.
    complete: bool,
    /// The line before is inside of a group that has a beginning of its own.
    inside: bool,
    trace: Trace,
}

impl Reading {
    const fn new() -> Self {
        Self {
            complete: false,
            inside: false,
            trace: Trace::Outside,
        }
    }
}

impl Rule {
    /// Whether a line belongs to the one before.
    fn joins(&self, line: &[u8], before: &mut Reading) -> bool {
        match self {
            Self::Trace(preset) => before.trace.joins(*preset, line),
            Self::Start(start) => !start.is_match(line),
            Self::End(end) => {
                let joins = !before.complete;
                before.complete = end.is_match(line);
                joins
            }
            Self::Between(start, end) => {
                let begins = start.is_match(line);
                let joins = before.inside && !begins;
                before.inside = (begins || before.inside) && !end.is_match(line);
                before.complete = !before.inside;
                joins
            }
            Self::Cri => {
                let joins = before.inside;
                before.inside = cri::goes_on(line);
                before.complete = !before.inside;
                joins
            }
        }
    }
}

/// Where each line ends in `raw`, and its text. The first `mark` bytes are none.
pub(super) fn lines_of(raw: &[u8], mark: usize) -> impl Iterator<Item = (usize, &[u8])> {
    let mut start = mark;
    let ends = memchr::memchr_iter(b'\n', raw).map(|newline| newline + 1);
    ends.chain([raw.len()]).filter_map(move |end| {
        let line = raw.get(start..end).filter(|line| !line.is_empty())?;
        start = end;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        Some((end, line.strip_suffix(b"\r").unwrap_or(line)))
    })
}

#[cfg(test)]
pub(super) mod tests;
