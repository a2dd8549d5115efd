//! Which numbers arrived, how often, and when.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};

use crate::lines::{END, NUMBER, WRITTEN};

/// What is expected.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Round {
    /// Numbers from zero up to this.
    pub lines: u64,
    /// Multiples of this must not arrive.
    #[serde(default)]
    pub absent: Option<u64>,
    /// Whether a record must also end with its number.
    #[serde(default)]
    pub whole: bool,
    /// Whether records say when they were written.
    #[serde(default)]
    pub timed: bool,
    /// What must not be in a record.
    #[serde(default)]
    pub secrets: Vec<String>,
}

impl Round {
    /// How many lines should arrive.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.lines - self.absent.map_or(0, |every| self.lines.div_ceil(every))
    }
}

/// What arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Different lines.
    pub lines: u64,
    /// Lines that had arrived before.
    pub duplicates: u64,
    /// Records without a number, cut ones, and ones that should have been left out.
    pub foreign: u64,
    /// Records with something that should have been redacted.
    pub leaks: u64,
    pub requests: u64,
    /// Bytes of requests, heads included, as they came.
    pub wire_bytes: u64,
    /// Of the first and of the last new line, in nanoseconds since 1970; zero before.
    pub first_at: u64,
    pub last_at: u64,
}

/// Counts for one round. Any number of threads may count at once.
#[derive(Debug)]
pub(super) struct Counter {
    round: Round,
    seen: Vec<AtomicU64>,
    lines: AtomicU64,
    duplicates: AtomicU64,
    foreign: AtomicU64,
    leaks: AtomicU64,
    requests: AtomicU64,
    wire_bytes: AtomicU64,
    first_at: AtomicU64,
    last_at: AtomicU64,
    written: Mutex<Vec<u64>>,
    number: Finder<'static>,
    end: Finder<'static>,
    written_mark: Finder<'static>,
    secrets: Vec<Finder<'static>>,
}

/// What one request added.
#[derive(Debug, Default)]
pub(super) struct Tally {
    lines: u64,
    duplicates: u64,
    foreign: u64,
    leaks: u64,
    written: Vec<u64>,
}

impl Counter {
    pub(super) fn new(round: Round) -> Self {
        let words = usize::try_from(round.lines.div_ceil(64)).unwrap_or_default();
        let finder = |text: &str| Finder::new(text).into_owned();
        Self {
            seen: (0..words).map(|_| AtomicU64::new(0)).collect(),
            lines: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
            foreign: AtomicU64::new(0),
            leaks: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            wire_bytes: AtomicU64::new(0),
            first_at: AtomicU64::new(0),
            last_at: AtomicU64::new(0),
            written: Mutex::new(Vec::new()),
            number: finder(NUMBER),
            end: finder(END),
            written_mark: finder(WRITTEN),
            secrets: round.secrets.iter().map(|secret| finder(secret)).collect(),
            round,
        }
    }

    /// A record, in whatever escaping it came.
    pub(super) fn record(&self, tally: &mut Tally, text: &[u8]) {
        let Some(number) = digits_after(&self.number, text) else {
            tally.foreign += 1;
            return;
        };
        let is_unwanted = self.round.absent.is_some_and(|every| number.is_multiple_of(every));
        let is_cut = self.round.whole && digits_after(&self.end, text) != Some(number);
        let word = usize::try_from(number / 64).ok().and_then(|index| self.seen.get(index));
        let (Some(word), false) = (word, number >= self.round.lines || is_unwanted || is_cut) else {
            tally.foreign += 1;
            return;
        };
        tally.leaks += u64::from(self.secrets.iter().any(|secret| secret.find(text).is_some()));
        let bit = 1 << (number % 64);
        let before = word.fetch_or(bit, Ordering::Relaxed);
        if before & bit == 0 {
            tally.lines += 1;
        } else {
            tally.duplicates += 1;
        }
        if self.round.timed {
            tally.written.extend(digits_after(&self.written_mark, text));
        }
    }

    /// Every record in a text of unknown structure.
    pub(super) fn scan(&self, tally: &mut Tally, text: &[u8]) {
        let mut starts = self.number.find_iter(text).peekable();
        while let Some(start) = starts.next() {
            let end = starts.peek().copied().unwrap_or(text.len());
            self.record(tally, &text[start..end]);
        }
    }

    /// Adds a request that is about to be answered.
    pub(super) fn add(&self, tally: &Tally, wire_bytes: u64) {
        let now = now();
        if tally.lines > 0 {
            let _ = self
                .first_at
                .compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
            self.last_at.store(now, Ordering::Relaxed);
        }
        if !tally.written.is_empty() {
            let latencies = tally.written.iter().map(|written| now.saturating_sub(*written));
            let mut all = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(latencies);
        }
        for (counter, more) in [
            (&self.duplicates, tally.duplicates),
            (&self.foreign, tally.foreign),
            (&self.leaks, tally.leaks),
            (&self.requests, 1),
            (&self.wire_bytes, wire_bytes),
            // The last one, since whoever waits looks at it.
            (&self.lines, tally.lines),
        ] {
            counter.fetch_add(more, Ordering::Release);
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        Counts {
            lines: load(&self.lines),
            duplicates: load(&self.duplicates),
            foreign: load(&self.foreign),
            leaks: load(&self.leaks),
            requests: load(&self.requests),
            wire_bytes: load(&self.wire_bytes),
            first_at: load(&self.first_at),
            last_at: load(&self.last_at),
        }
    }

    /// From being written to being answered, in nanoseconds.
    pub(super) fn latencies(&self) -> Vec<u64> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Nanoseconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn digits_after(mark: &Finder<'_>, text: &[u8]) -> Option<u64> {
    let rest = &text[mark.find(text)? + mark.needle().len()..];
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
    let number = digits.fold(0_u64, |number, digit| number.wrapping_mul(10) + u64::from(digit - b'0'));
    rest.first().is_some_and(u8::is_ascii_digit).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::Content;

    fn counted(round: Round, records: &[&str]) -> Counts {
        let counter = Counter::new(round);
        let mut tally = Tally::default();
        for record in records {
            counter.record(&mut tally, record.as_bytes());
        }
        counter.add(&tally, 7);
        counter.counts()
    }

    #[test]
    fn what_is_new_repeated_or_foreign_is_told_apart() {
        let round = Round {
            lines: 100,
            absent: Some(10),
            ..Round::default()
        };
        let counts = counted(
            round,
            &[
                "seq=0000000001 a",
                "seq=0000000001 a",
                "seq=0000000020",
                "seq=0000000100",
                "nothing",
                "seq=x",
                "seq=0000000099",
            ],
        );
        assert_eq!((counts.lines, counts.duplicates, counts.foreign), (2, 1, 4));
        assert_eq!((counts.requests, counts.wire_bytes), (1, 7));
    }

    #[test]
    fn a_cut_record_and_a_leaked_secret_are_seen() {
        let round = Round {
            lines: 10,
            whole: true,
            secrets: vec!["hush".into()],
            ..Round::default()
        };
        let counts = counted(round, &["seq=1 end=1", "seq=2 cut", "seq=3 end=4", "seq=4 hush end=4"]);
        assert_eq!((counts.lines, counts.foreign, counts.leaks), (2, 2, 1));
    }

    #[test]
    fn as_many_are_expected_as_arrive_when_all_is_well() {
        for absent in [None, Some(10), Some(7)] {
            let round = Round {
                lines: 1001,
                absent,
                ..Round::default()
            };
            let arrive = (0..1001)
                .filter(|number| absent.is_none_or(|every| number % every != 0))
                .count();
            assert_eq!(round.expected(), arrive as u64);
        }
    }

    #[test]
    fn records_are_found_in_a_text_of_any_structure() {
        let counter = Counter::new(Round {
            lines: 50,
            ..Round::default()
        });
        let mut text = String::new();
        (0..50).for_each(|number| Content::Json.write(&mut text, number));
        let mut tally = Tally::default();
        counter.scan(&mut tally, format!("{{\"values\":[{text:?}]}}").as_bytes());
        counter.add(&tally, 0);
        assert_eq!((counter.counts().lines, counter.counts().foreign), (50, 0));
    }
}
