//! One JSON object a line: flat keys, OpenTelemetry names (`api.md`).
//!
//! ```text
//! {"timestamp":"2026-11-01T00:00:00.000000001Z","body":"GET / 200","log.file.offset":0,"log.file.path":...}
//! ```
//! Written straight into one buffer. What is the same for all records of a file is written once and copied.

use jiff::Timestamp;

use super::attributes::{FILE_NAME, FILE_OFFSET, FILE_PATH, PARTIAL, SEVERITY, TRUNCATED, UNPARSED};
use super::text::{Line, Lines};
use crate::batch::{Batch, Field, FieldKind, Origin, Record};
use crate::processing::severity_name;

const TIMESTAMP: &str = "timestamp";
const BODY: &str = "body";

/// Appends the records with these indexes, a line each.
pub(super) fn encode(out: &mut Vec<u8>, batch: &Batch, records: &[u32], max_record_bytes: usize) {
    let lines = Lines::new(batch, records.len(), max_record_bytes);
    let files: Vec<Vec<u8>> = batch.files.iter().map(|file| file_members(&file.origin)).collect();
    let names: Vec<Vec<&str>> = batch.files.iter().map(|file| file_names(&file.origin)).collect();
    let mut clock = Clock::default();
    let mut offset_key = Vec::new();
    write_key(&mut offset_key, FILE_OFFSET);
    out.reserve(estimate(batch, records, &files));
    for record in records.iter().map(|index| &batch.records[*index as usize]) {
        write_record(out, record, &lines.get(record), (&mut clock, &offset_key));
        write_fields(out, batch.fields(record), &lines, &names[record.file as usize]);
        out.extend_from_slice(&files[record.file as usize]);
    }
}

/// Enough for lines that are JSON themselves, with many quotes to escape; the buffer grows where there are more.
fn estimate(batch: &Batch, records: &[u32], files: &[Vec<u8>]) -> usize {
    let members = files.iter().map(Vec::len).max().unwrap_or(0);
    batch.text.len() * records.len() / batch.records.len().max(1) * 5 / 4 + records.len() * (members + 96)
}

fn write_record(out: &mut Vec<u8>, record: &Record, line: &Line<'_>, (clock, offset_key): (&mut Clock, &[u8])) {
    out.extend_from_slice(b"{\"timestamp\":\"");
    clock.write(out, record.time);
    out.push(b'"');
    if let Some(severity) = record.severity {
        write_key(out, SEVERITY);
        write_string(out, severity_name(severity));
    }
    out.extend_from_slice(b",\"body\":");
    write_string(out, &line.text);
    out.extend_from_slice(offset_key);
    write_digits(out, record.offset, 1);
    let marks = [
        (PARTIAL, record.marks.partial),
        (TRUNCATED, line.truncated),
        (UNPARSED, record.marks.unparsed),
    ];
    for (mark, set) in marks {
        if set {
            write_key(out, mark);
            out.extend_from_slice(b"true");
        }
    }
}

/// What the record says about itself, under its own names; `_parsed` stands after a name that is taken.
fn write_fields(out: &mut Vec<u8>, fields: &[Field], lines: &Lines<'_>, taken: &[&str]) {
    const OWN: [&str; 7] = [TIMESTAMP, SEVERITY, BODY, FILE_OFFSET, PARTIAL, TRUNCATED, UNPARSED];
    for field in fields {
        let name = lines.part(field.name);
        if OWN.iter().chain(taken).any(|own| *own == name) {
            write_key(out, &format!("{name}_parsed"));
        } else {
            write_key(out, &name);
        }
        let value = lines.part(field.value);
        match field.kind {
            FieldKind::Text => write_string(out, &value),
            FieldKind::Json => out.extend_from_slice(value.as_bytes()),
        }
    }
}

fn file_names(origin: &Origin) -> Vec<&str> {
    let resource = origin.resource.iter().map(|(name, _)| name.as_str());
    [FILE_PATH, FILE_NAME].into_iter().chain(resource).collect()
}

/// The members that all records of a file share, and the end of the line.
fn file_members(origin: &Origin) -> Vec<u8> {
    let mut out = Vec::new();
    let own = [(FILE_PATH, origin.path.as_str()), (FILE_NAME, origin.name())];
    let resource = origin
        .resource
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in own.into_iter().chain(resource) {
        write_key(&mut out, name);
        write_string(&mut out, value);
    }
    out.extend_from_slice(b"}\n");
    out
}

fn write_key(out: &mut Vec<u8>, name: &str) {
    out.push(b',');
    write_string(out, name);
    out.push(b':');
}

/// RFC 8259 section 7: quotes, backslashes and control characters are escaped. Eight bytes at a time are written and, where
/// one of them has to be escaped, taken back from there on: a line that is JSON itself has a quote in most of them.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    out.reserve(rest.len() + 16);
    out.push(b'"');
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        out.extend_from_slice(word);
        let special = specials(u64::from_le_bytes(*word));
        if special == 0 {
            rest = after;
        } else {
            let position = (special.trailing_zeros() / 8) as usize;
            out.truncate(out.len() - 8 + position);
            write_escape(out, word[position]);
            rest = &rest[position + 1..];
        }
    }
    for byte in rest {
        if needs_escape(*byte) {
            write_escape(out, *byte);
        } else {
            out.push(*byte);
        }
    }
    out.push(b'"');
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    if matches!(byte, b'"' | b'\\') {
        out.extend_from_slice(&[b'\\', byte]);
    } else {
        write_control(out, byte);
    }
}

#[cold]
fn write_control(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The first byte that can't stand in a JSON string as it is: a quote, a backslash or a control character. Eight bytes at
/// a time, since most strings have few of them.
pub(crate) fn next_special(text: &[u8]) -> Option<usize> {
    let (words, tail) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let special = specials(u64::from_le_bytes(*word));
        if special != 0 {
            return Some(index * 8 + (special.trailing_zeros() / 8) as usize);
        }
    }
    let position = tail.iter().position(|byte| needs_escape(*byte));
    position.map(|position| words.len() * 8 + position)
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// The bit tricks "has a byte less than n" and "has a zero byte": the lowest bit that is set is that of the first such
/// byte. Those above it may be set for no reason, since subtracting borrows upwards.
fn specials(word: u64) -> u64 {
    let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word & HIGHS;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    below(word, 0x20) | equal(b'"') | equal(b'\\')
}

/// Decimal digits, with leading zeros up to `width`.
fn write_digits(out: &mut Vec<u8>, mut number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while number > 0 || digits.len() - start < width {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits[start..]);
}

/// RFC 3339 in UTC with nanoseconds. The calendar is asked once a second of log time.
#[derive(Default)]
struct Clock {
    second: Option<i64>,
    text: String,
}

impl Clock {
    fn write(&mut self, out: &mut Vec<u8>, nanoseconds: i64) {
        let (second, fraction) = (
            nanoseconds.div_euclid(1_000_000_000),
            nanoseconds.rem_euclid(1_000_000_000),
        );
        if self.second != Some(second) {
            // All seconds of an i64 of nanoseconds lie within the calendar.
            let timestamp = Timestamp::from_second(second).unwrap_or_default();
            self.text = timestamp.strftime("%Y-%m-%dT%H:%M:%S.").to_string();
            self.second = Some(second);
        }
        out.extend_from_slice(self.text.as_bytes());
        write_digits(out, fraction.unsigned_abs(), 9);
        out.push(b'Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::samples;

    fn encoded(batch: &Batch, records: &[u32], max_record_bytes: usize) -> Vec<u8> {
        let mut out = Vec::new();
        encode(&mut out, batch, records, max_record_bytes);
        out
    }

    fn line(batch: &Batch) -> serde_json::Value {
        let text = encoded(batch, &samples::all(batch), 16);
        serde_json::from_slice(&text).unwrap()
    }

    #[test]
    fn a_line_has_the_keys_of_the_contract_in_order() {
        let mut batch = samples::batch(&[b"first", b"second"]);
        batch.records[1].marks.partial = true;
        let text = String::from_utf8(encoded(&batch, &[1], 100)).unwrap();
        let expected = concat!(
            r#"{"timestamp":"2026-11-01T00:00:00.000000001Z","body":"second","log.file.offset":6,"log.partial":true,"#,
            r#""log.file.path":"/var/log/access.log","log.file.name":"access.log","#,
            r#""k8s.pod.name":"server-0","service.name":"server"}"#,
            "\n"
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn a_cut_line_is_marked() {
        let value = line(&samples::batch(&[b"0123456789abcdefXYZ"]));
        assert_eq!(
            (&value["body"], &value["log.truncated"]),
            (&"0123456789abcdef".into(), &true.into())
        );
    }

    #[test]
    fn times_before_the_epoch_and_far_away_are_written_right() {
        for (time, expected) in [
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (0, "1970-01-01T00:00:00.000000000Z"),
            (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
            (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
        ] {
            let mut out = Vec::new();
            Clock::default().write(&mut out, time);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    proptest::proptest! {
        /// serde_json is the judge: whatever the text, it reads back the same.
        #[test]
        fn any_string_reads_back_the_same(text in "(?s)[\\x00-\\x7f\"\\\\äü€😀]{0,64}") {
            let mut out = Vec::new();
            write_string(&mut out, &text);
            proptest::prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }

        #[test]
        fn the_scan_finds_the_first_byte_to_escape(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
            proptest::prop_assert_eq!(next_special(&bytes), bytes.iter().position(|byte| needs_escape(*byte)));
        }
    }
}
