//! Numbered lines, each a function of its number alone: what is written twice is the same twice.
//!
//! Every record says `seq=` and ten digits, which survive every escaping and encoding. What else there is differs from
//! line to line as it does in life, so that compression has something to do.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::str::FromStr;

/// Bytes of a line of [`Content::Json`] and [`Content::Access`], the newline included.
pub const LINE_BYTES: usize = 209;
/// Stands before a record's number.
pub const NUMBER: &str = "seq=";
/// Stands before the number once more at the end of a record of several lines.
pub const END: &str = "end=";
/// Stands before the time of writing in nanoseconds since 1970.
pub const WRITTEN: &str = "at=";
/// One record of so many is of level debug.
pub const DEBUG_EVERY: u64 = 10;
/// What must not arrive where it is to be redacted.
pub const SECRETS: [&str; 3] = ["alice@example.com", "4111-1111-1111-1111", "token=c2VjcmV0"];

/// What kind of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Content {
    /// JSON objects with a time, a level, a message and more.
    Json,
    /// Text with three fields in front; three in ten have something to redact.
    Access,
    /// As `Access`, and one record in ten is a Java stack trace of 31 lines.
    Traces,
}

impl Content {
    /// The name on a command line and of a file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Access => "access",
            Self::Traces => "traces",
        }
    }

    /// Appends a record.
    pub fn write(self, out: &mut String, number: u64) {
        match self {
            Self::Json => json(out, number, None),
            Self::Access => access(out, number),
            Self::Traces if number % 10 == 5 => trace(out, number),
            Self::Traces => {
                access(out, number);
                mark_end(out, number);
            }
        }
    }

    /// Writes a file of so many records.
    pub fn write_file(self, path: &Path, records: u64) -> io::Result<()> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let mut record = String::new();
        for number in 0..records {
            record.clear();
            self.write(&mut record, number);
            file.write_all(record.as_bytes())?;
        }
        file.into_inner()?.sync_all()
    }

    /// How many records make so many bytes, about.
    #[must_use]
    pub fn records(self, bytes: u64) -> u64 {
        let mut sample = String::new();
        (0..100).for_each(|number| self.write(&mut sample, number));
        (bytes * 100 / sample.len() as u64).max(1)
    }
}

impl FromStr for Content {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::Json, Self::Access, Self::Traces]
            .into_iter()
            .find(|content| content.name() == name)
            .ok_or_else(|| format!("no lines are called {name:?}"))
    }
}

/// A JSON line that says when it was written.
pub fn written_at(out: &mut String, number: u64, nanoseconds: u64) {
    json(out, number, Some(nanoseconds));
}

fn json(out: &mut String, number: u64, written: Option<u64>) {
    let random = scramble(number);
    let start = out.len();
    out.push_str("{\"time\":\"");
    time(out, number);
    // Writing to a string can't fail.
    let _ = write!(
        out,
        "\",\"level\":\"{}\",\"logger\":\"shop.{}\",\"msg\":\"GET /items/{:04x} {NUMBER}{number:010} status=200 ms={}",
        level(number),
        logger(number),
        random & 0xffff,
        (random >> 16) & 0xff
    );
    if let Some(nanoseconds) = written {
        let _ = write!(out, " {WRITTEN}{nanoseconds}");
    }
    let _ = write!(
        out,
        "\",\"trace_id\":\"{random:016x}\",\"bytes\":{},\"agent\":\"",
        (random >> 24) & 0xffff
    );
    pad(out, start, "\"}\n");
}

fn access(out: &mut String, number: u64) {
    let random = scramble(number);
    let start = out.len();
    time(out, number);
    let _ = write!(
        out,
        " {} [http-{}] GET /items/{:04x} {NUMBER}{number:010} status=200 bytes={} trace={random:016x} user=",
        level(number).to_uppercase(),
        random & 15,
        random & 0xffff,
        (random >> 24) & 0xffff
    );
    match number % 10 {
        3 => out.push_str(SECRETS[0]),
        6 => out.push_str(SECRETS[1]),
        9 => out.push_str(SECRETS[2]),
        _ => out.push_str("nobody"),
    }
    out.push_str(" agent=");
    pad(out, start, "\n");
}

fn trace(out: &mut String, number: u64) {
    let trace = scramble(number);
    // Writing to a string can't fail.
    let _ = writeln!(
        out,
        "java.lang.IllegalStateException: no stock left {NUMBER}{number:010} trace={trace:016x}"
    );
    for frame in 0..19 {
        let _ = writeln!(
            out,
            "\tat com.example.shop.order.OrderService.step{frame}(OrderService.java:{})",
            100 + frame
        );
    }
    out.push_str("Caused by: java.io.IOException: connection reset\n");
    for frame in 0..8 {
        let _ = writeln!(
            out,
            "\tat com.example.shop.stock.Client.call{frame}(Client.java:{})",
            40 + frame
        );
    }
    let _ = writeln!(out, "\tat com.example.shop.Main.main(Main.java:{END}{number:010})");
    out.push_str("\t... 12 more\n");
}

/// Overwrites the end of a line, which stays as long as it is.
fn mark_end(out: &mut String, number: u64) {
    out.truncate(out.len() - END.len() - 12);
    let _ = writeln!(out, " {END}{number:010}");
}

fn logger(number: u64) -> &'static str {
    match number % 3 {
        0 => "cart",
        1 => "order",
        _ => "stock",
    }
}

fn level(number: u64) -> &'static str {
    match number % 100 {
        7 => "error",
        23 | 61 => "warn",
        _ if number.is_multiple_of(DEBUG_EVERY) => "debug",
        _ => "info",
    }
}

/// A thousand lines a second on the first of November.
fn time(out: &mut String, number: u64) {
    let (second, millisecond) = (number / 1000 % 86_400, number % 1000);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    let second = second % 60;
    let _ = write!(out, "2026-11-01T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z");
}

fn pad(out: &mut String, start: usize, end: &str) {
    const WORDS: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 Mobile Safari";
    let length = LINE_BYTES.saturating_sub(out.len() - start + end.len());
    out.extend(WORDS.chars().cycle().take(length));
    out.push_str(end);
}

/// `SplitMix64` (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
const fn scramble(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(content: Content, number: u64) -> String {
        let mut out = String::new();
        content.write(&mut out, number);
        out
    }

    #[test]
    fn lines_have_the_length_that_figures_are_quoted_for() {
        for number in [0, 3, 6, 7, 9, 23, 999, 12_345_678] {
            assert_eq!(record(Content::Json, number).len(), LINE_BYTES);
            assert_eq!(record(Content::Access, number).len(), LINE_BYTES);
            if number % 10 != 5 {
                assert_eq!(record(Content::Traces, number).len(), LINE_BYTES);
            }
        }
        let mut live = String::new();
        written_at(&mut live, 1, 1_764_504_000_123_456_789);
        assert_eq!(live.len(), LINE_BYTES);
        assert!(live.contains(" at=1764504000123456789\""));
    }

    #[test]
    fn json_lines_are_json() {
        for number in 0..200 {
            let value: serde_json::Value = serde_json::from_str(&record(Content::Json, number)).unwrap();
            let is_debug = value["level"] == "debug";
            assert_eq!(is_debug, number % DEBUG_EVERY == 0);
            assert!(
                value["msg"]
                    .as_str()
                    .unwrap()
                    .contains(&format!("{NUMBER}{number:010} "))
            );
        }
    }

    #[test]
    fn a_trace_is_31_lines_and_ends_with_the_number_of_its_beginning() {
        let trace = record(Content::Traces, 15);
        assert_eq!(trace.lines().count(), 31);
        assert!(
            trace.contains("seq=0000000015") && trace.contains("end=0000000015"),
            "{trace}"
        );
        assert_eq!(record(Content::Traces, 16).matches("0000000016").count(), 2);
    }

    #[test]
    fn three_in_ten_access_lines_have_something_to_redact() {
        let lines: String = (0..10).map(|number| record(Content::Access, number)).collect();
        for secret in SECRETS {
            assert_eq!(lines.matches(secret).count(), 1);
        }
    }
}
