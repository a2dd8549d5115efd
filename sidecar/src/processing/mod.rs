//! From lines to records: parsing and transforms, between reading and sending.
//!
//! A *program* is what a source's format and its pipeline's transforms come to; compiled once, it is shared. What it
//! does depends on the line, where the line stands and the record's time, never on when it is done: reading a range
//! again gives the same records (a rate limit apart, which counts what it sees). A line that can't be parsed is shipped as it is and marked. A record that is left out
//! is counted as filtered, by reason, with its source bytes. Where a rate limit waits, it's reading that does
//! ([`Program::permit`]): no record that was read is ever held back.
//!
//! The common source, plain text without transforms, has no program and pays nothing.

mod draft;
mod format;
pub(crate) mod grouping;
mod stage;
mod transform;

use std::sync::Arc;
use std::time::Instant;

use pipeline::pattern::PatternError;
use pipeline::transform::Severity;
use pipeline::{Source, Transform};
use regex::bytes::Regex;

use self::draft::{Buffers, Draft, Text};
use self::format::Format;
pub(crate) use self::stage::Processing;
use self::transform::{Bucket, Fate, Pace, Shared, Step, Tokens};
use crate::batch::{Batch, Clock, Field, Origin, Record, Span, narrow};
use crate::metrics::Amount;

/// Settings that validation should have refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessingError {
    #[error(transparent)]
    Pattern(PatternError),
    #[error("format.regex.pattern is missing")]
    NoPattern,
    #[error("there is no time zone {0:?}")]
    TimeZone(String),
    #[error("when: a test of {0:?} is missing")]
    NoTest(String),
}

/// What happens to the lines of a source.
#[derive(Debug)]
pub(crate) struct Program {
    format: Format,
    steps: Vec<Step>,
    buckets: usize,
    paces: Vec<Pace>,
    /// Texts of the configuration that records may show.
    known: Vec<u8>,
}

/// How much may be read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permit {
    Everything,
    /// So many records, at least one.
    Records(usize),
    Nothing {
        until: Instant,
    },
}

/// What a program remembers from record to record on the way to one destination.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    buckets: Vec<Bucket>,
    /// Filled by the clock.
    paces: Vec<Tokens>,
    /// When they were first.
    since: Option<Instant>,
}

impl Memory {
    pub(crate) fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }
}

/// Buffers that are kept between quanta.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Bytes of a file in its encoding.
    raw: Vec<u8>,
    text: Vec<u8>,
    records: Vec<Record>,
    buffers: Buffers,
    /// Where groups of lines begin in what was read last.
    starts: Vec<usize>,
}

/// What came of lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Records that were left out, in the order of `transform::Filter`.
    pub(crate) filtered: [Amount; 3],
    pub(crate) unparsed: u64,
}

/// Where a line stands.
#[derive(Clone, Copy, Debug)]
struct Site<'a> {
    origin: &'a Origin,
    offset: u64,
    /// Nanoseconds since the Unix epoch.
    read_at: i64,
}

impl Program {
    /// None where lines are shipped as they are.
    pub(crate) fn new(source: &Source, transforms: &[Transform]) -> Result<Option<Self>, ProcessingError> {
        let mut shared = Shared::default();
        let format = Format::new(&source.format, &mut shared.known)?;
        let steps = transforms
            .iter()
            .filter_map(|transform| transform::step(transform, &mut shared).transpose())
            .collect::<Result<Vec<_>, _>>()?;
        let Shared { known, buckets, paces } = shared;
        let does_something = !(format.is_plain() && steps.is_empty());
        Ok(does_something.then_some(Self {
            format,
            steps,
            buckets,
            paces,
            known,
        }))
    }

    /// How many records may be read on the way that `memory` belongs to, without one above a rate.
    pub(crate) fn permit(&self, memory: &mut Memory, now: Instant) -> Permit {
        if self.paces.is_empty() {
            return Permit::Everything;
        }
        memory.paces.resize(self.paces.len(), Tokens::default());
        let since = *memory.since.get_or_insert(now);
        let time = i64::try_from((now - since).as_nanos()).unwrap_or(i64::MAX);
        let paces = self.paces.iter().zip(&mut memory.paces);
        let ready = paces.map(|(pace, tokens)| pace.ready(tokens, time)).min().unwrap_or(0);
        if ready > 0 {
            return Permit::Records(usize::try_from(ready).unwrap_or(usize::MAX));
        }
        let paces = self.paces.iter().zip(&memory.paces);
        let pause = paces.map(|(pace, tokens)| pace.pause(tokens)).max();
        Permit::Nothing {
            until: now + pause.unwrap_or_default(),
        }
    }

    /// Turns the lines from `first` on, whose text begins at `from` and ends the batch's, into records.
    pub(crate) fn run(
        &self,
        batch: &mut Batch,
        (from, first): (usize, usize),
        memory: &mut Memory,
        scratch: &mut Scratch,
    ) -> Tally {
        memory.buckets.resize(self.buckets, Bucket::default());
        let Scratch {
            text, records, buffers, ..
        } = scratch;
        text.clear();
        text.extend_from_slice(&batch.text[from..]);
        batch.text.truncate(from);
        records.clear();
        records.extend(batch.records.drain(first..));
        let mut tally = Tally::default();
        let Some(mut file) = records.first().map(|record| record.file) else {
            return tally;
        };
        let mut origin = Arc::clone(&batch.files[file as usize].origin);
        for record in records.iter() {
            let line = &text[record.start as usize - from..record.end as usize - from];
            if record.file != file {
                file = record.file;
                origin = Arc::clone(&batch.files[file as usize].origin);
            }
            let site = Site {
                origin: &origin,
                offset: record.offset,
                read_at: record.time,
            };
            let mut draft = Draft::new(line, &self.known, buffers);
            self.format.parse(&mut draft, record.time);
            tally.unparsed += u64::from(draft.unparsed);
            match self.transform(&mut draft, &site, memory) {
                Fate::Stays => {
                    self.format.body(&mut draft);
                    emit(batch, record, &draft);
                }
                Fate::Goes(filter) => {
                    let amount = &mut tally.filtered[filter as usize];
                    amount.records += 1;
                    amount.bytes += u64::from(record.source_bytes);
                }
            }
        }
        tally
    }

    fn transform<'a>(&'a self, draft: &mut Draft<'a>, site: &Site<'_>, memory: &mut Memory) -> Fate {
        for step in &self.steps {
            let fate = step.apply(draft, &self.format, site, memory);
            if fate != Fate::Stays {
                return fate;
            }
        }
        Fate::Stays
    }
}

/// Appends a record: its body, a newline, and the names and values that don't stand in the body.
fn emit(batch: &mut Batch, record: &Record, draft: &Draft<'_>) {
    let start = batch.text.len();
    let body = draft.body_text();
    batch.text.extend_from_slice(draft.get(body));
    let end = batch.text.len();
    batch.text.push(b'\n');
    let first_field = batch.fields.len();
    // More fields than that are no log record.
    for field in draft.fields().iter().take(usize::from(u16::MAX)) {
        let mut place = |text: Text| part(batch, draft, (body, start), text);
        let (name, value) = (place(field.name), place(field.value));
        batch.fields.push(Field {
            name,
            value,
            kind: field.kind,
        });
    }
    let mut marks = record.marks;
    marks.unparsed |= draft.unparsed;
    batch.records.push(Record {
        start: narrow(start),
        end: narrow(end),
        time: draft.time.unwrap_or(record.time),
        clock: if draft.time.is_some() {
            Clock::Line
        } else {
            Clock::Reading
        },
        first_field: narrow(first_field),
        field_count: u16::try_from(batch.fields.len() - first_field).unwrap_or(u16::MAX),
        severity: draft.severity,
        marks,
        ..*record
    });
}

/// Where a text stands in the batch; it is appended when it isn't part of the body.
fn part(batch: &mut Batch, draft: &Draft<'_>, (body, at): (Text, usize), text: Text) -> Span {
    let inside = text.place == body.place && body.start <= text.start && text.end <= body.end;
    let start = if inside {
        at + (text.start - body.start) as usize
    } else {
        let start = batch.text.len();
        batch.text.extend_from_slice(draft.get(text));
        start
    };
    Span {
        start: narrow(start),
        end: narrow(start) + (text.end - text.start),
    }
}

/// The short names of OpenTelemetry's severities.
pub(crate) const fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Trace => "TRACE",
        Severity::Debug => "DEBUG",
        Severity::Info => "INFO",
        Severity::Warn => "WARN",
        Severity::Error => "ERROR",
        Severity::Fatal => "FATAL",
    }
}

/// A pattern of the configuration. Matching takes linear time; what a pattern may take in memory is bounded.
fn compile(pattern: &str) -> Result<Regex, ProcessingError> {
    pipeline::pattern::compile(pattern).map_err(ProcessingError::Pattern)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
