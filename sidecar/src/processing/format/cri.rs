//! What container runtimes write: `2026-11-01T00:00:00.000000001Z stdout F text`. The text is the body, the stream a
//! field, the time the record's. `P` says that the line goes on in the next one; lines that belong together come here
//! as one, joined by newlines, and leave without them.

use super::timestamp;
use super::{Draft, FieldKind, NotOfFormat};
use crate::processing::draft::Body;

/// OpenTelemetry's name of the stream.
const STREAM: &[u8] = b"log.iostream";

/// One line, taken apart.
struct Entry<'a> {
    time: &'a [u8],
    stream: &'a [u8],
    goes_on: bool,
    text: &'a [u8],
}

fn entry(line: &[u8]) -> Option<Entry<'_>> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let (time, stream, tags) = (parts.next()?, parts.next()?, parts.next()?);
    let tag = tags.split(|byte| *byte == b':').next()?;
    let known = matches!(stream, b"stdout" | b"stderr") && matches!(tag, b"P" | b"F");
    known.then(|| Entry {
        time,
        stream,
        goes_on: tag == b"P",
        text: parts.next().unwrap_or(&tags[tags.len()..]),
    })
}

/// Whether the next line belongs to this one.
pub(in crate::processing) fn goes_on(line: &[u8]) -> bool {
    entry(line).is_some_and(|entry| entry.goes_on)
}

pub(super) fn parse(draft: &mut Draft<'_>) -> Result<(), NotOfFormat> {
    let line = draft.line;
    let mut lines = line.split(|byte| *byte == b'\n');
    let first = lines.next().and_then(entry).ok_or(NotOfFormat)?;
    draft.time = Some(timestamp::rfc3339(first.time).ok_or(NotOfFormat)?);
    let stream = draft.in_line(first.stream);
    let body = if memchr::memchr(b'\n', line).is_none() {
        draft.in_line(first.text)
    } else {
        let mut whole = first.text.to_vec();
        for next in lines {
            whole.extend_from_slice(entry(next).ok_or(NotOfFormat)?.text);
        }
        draft.keep(&whole)
    };
    draft.body = Body::Own(body);
    let name = draft.keep(STREAM);
    draft.push(name, stream, FieldKind::Text);
    Ok(())
}
