//! How much of what one destination takes at once: the defaults of its type, with the user's settings over them.
//!
//! This is the one place of these defaults (`delivery.md` section 6).

use std::time::Duration;

use pipeline::destination::Kind;

use crate::batch::Batch;

/// Bounds on what the reader hands over and the lane sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Log text of one batch, in bytes.
    pub max_bytes: usize,
    /// Longest time that a record waits for others.
    pub max_delay: Duration,
    /// Requests under way at once.
    pub in_flight: usize,
    /// Batches handed over and not settled: one more than `in_flight`, so that the next is at hand when an answer
    /// comes, and so that a refused batch can be judged by the fate of another.
    pub window: usize,
    /// A longer line is cut by the encoder and marked. Lines of settled batches longer than this were truncated.
    pub max_record_bytes: usize,
    /// What a byte of log text costs while a batch is held: itself, and what becomes of it in the encoded request.
    pub memory_per_byte: usize,
    written: Written,
}

/// How much is written of a record beside its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Text,
    /// Time and length.
    Entry,
    /// A JSON object, with all that is known of the file.
    Object,
}

const MAX_BYTES: usize = 1 << 20;
/// With less than that nothing but the shortest lines would fit.
const LEAST_BYTES: usize = 16 << 10;
/// Bytes that are written of an entry, or of an object, beside its text and what is known of its file.
const ENTRY: usize = 24;
const OBJECT: usize = 128;
const MAX_DELAY: Duration = Duration::from_millis(200);
/// Loki's `max_line_size`; JSON line receivers are in the same range.
const MAX_RECORD_BYTES: usize = 256 << 10;

impl Limits {
    pub fn of(destination: &pipeline::Destination) -> Self {
        let kind = destination.kind();
        let in_flight = match kind {
            // Order is promised where one request is under way at a time.
            Some(Kind::Stdout(_) | Kind::Http(_) | Kind::File(_) | Kind::Syslog(_) | Kind::Splunk(_)) => 1,
            _ => 4,
        };
        let in_flight = destination
            .batch
            .in_flight
            .map_or(in_flight, |wanted| wanted.clamp(1, 64) as usize);
        let max_bytes = destination
            .batch
            .max_bytes
            .map_or(MAX_BYTES, |size| usize::try_from(size.as_bytes()).unwrap_or(usize::MAX))
            .max(LEAST_BYTES);
        let written = match kind {
            Some(Kind::Http(_)) => Written::Object,
            Some(Kind::Stdout(_) | Kind::File(_)) => Written::Text,
            _ => Written::Entry,
        };
        Self {
            written,
            max_bytes,
            max_delay: destination
                .batch
                .max_delay
                .map_or(MAX_DELAY, pipeline::Duration::to_std),
            in_flight,
            window: in_flight + 1,
            max_record_bytes: match kind {
                Some(Kind::Stdout(_) | Kind::File(_)) => usize::MAX,
                _ => MAX_RECORD_BYTES,
            },
            memory_per_byte: match kind {
                // Each line is written again with its attributes and resource.
                Some(Kind::Http(_)) => 3,
                _ => 2,
            },
        }
    }

    /// Longer lines of the source are cut when they are read.
    pub(crate) fn longest_line(&self, source: &pipeline::Source) -> usize {
        let longest = usize::try_from(source.max_line_bytes.as_bytes()).unwrap_or(usize::MAX);
        longest.min(self.max_record_bytes).min(self.max_bytes)
    }

    /// What becomes of a batch in its requests, in bytes: an estimate, which short lines and long attributes raise.
    pub(crate) fn encoded(&self, batch: &Batch) -> usize {
        let beside = match (self.written, batch.files.first()) {
            (Written::Text, _) | (_, None) => 0,
            (Written::Entry, _) => ENTRY,
            (Written::Object, Some(file)) => OBJECT + file.origin.size(),
        };
        batch.text.len() * (self.memory_per_byte - 1) + batch.records.len() * beside
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::destination::{Batch, Loki, Stdout};

    #[test]
    fn short_lines_cost_what_is_written_beside_them() {
        let http = pipeline::Destination {
            http: Some(pipeline::destination::Http {
                url: "http://x".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let lines = [&b"short"[..]; 100];
        let batch = crate::destination::samples::batch(&lines);
        let (mut encoder, _) = crate::destination::build(&http, &Limits::of(&http)).unwrap();
        let all = crate::destination::samples::all(&batch);
        let body = encoder
            .encode((&batch, &crate::batch::Times::default()), &all, None)
            .unwrap();
        let estimate = Limits::of(&http).encoded(&batch);
        assert!(
            (body.len()..2 * body.len()).contains(&estimate),
            "{estimate} for {}",
            body.len()
        );
    }

    #[test]
    fn types_have_their_own_defaults_and_settings_win() {
        let stdout = pipeline::Destination {
            stdout: Some(Stdout::default()),
            ..Default::default()
        };
        assert_eq!((Limits::of(&stdout).in_flight, Limits::of(&stdout).window), (1, 2));
        let mut loki = pipeline::Destination {
            loki: Some(Loki::default()),
            ..Default::default()
        };
        assert_eq!(
            (Limits::of(&loki).in_flight, Limits::of(&loki).max_record_bytes),
            (4, 262_144)
        );
        loki.batch = Batch {
            max_bytes: Some(pipeline::ByteSize::from_kib(64)),
            in_flight: Some(9),
            ..Default::default()
        };
        assert_eq!((Limits::of(&loki).max_bytes, Limits::of(&loki).in_flight), (65_536, 9));
        loki.batch.max_bytes = Some(pipeline::ByteSize::from_kib(0));
        assert_eq!(Limits::of(&loki).max_bytes, 16_384, "room for a line");
    }
}
