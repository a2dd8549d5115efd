//! `key=value key="quoted value" flag`, as Go programs write it. Keys and bare values end at a space; a key without a
//! value is a field with an empty text. A line without a single `=` isn't logfmt.

use super::escape::unescape;
use super::{Draft, FieldKind, NotOfFormat};
use crate::processing::draft::{DraftField, Text};

pub(super) fn parse(draft: &mut Draft<'_>) -> Result<(), NotOfFormat> {
    let line = draft.line;
    let mut at = 0;
    let mut has_value = false;
    loop {
        at += blanks(&line[at..]);
        if at == line.len() {
            return if has_value { Ok(()) } else { Err(NotOfFormat) };
        }
        let key = &line[at..at + key_length(&line[at..])];
        if key.is_empty() {
            return Err(NotOfFormat);
        }
        at += key.len();
        let name = draft.in_line(key);
        let mut value = draft.in_line(&line[at..at]);
        if line.get(at) == Some(&b'=') {
            at += 1;
            has_value = true;
            let length;
            (value, length) = read_value(draft, &line[at..])?;
            at += length;
        }
        if line.get(at).is_some_and(|byte| !is_blank(*byte)) {
            return Err(NotOfFormat);
        }
        draft.push(name, value, FieldKind::Text);
    }
}

/// The value and how many bytes it takes.
fn read_value(draft: &mut Draft<'_>, rest: &[u8]) -> Result<(Text, usize), NotOfFormat> {
    // The slice is of the line; its own lifetime is what the draft knows it by.
    let line = draft.line;
    let from = line.len() - rest.len();
    if rest.first() != Some(&b'"') {
        let length = rest.iter().position(|byte| is_blank(*byte)).unwrap_or(rest.len());
        return Ok((draft.in_line(&line[from..from + length]), length));
    }
    let (end, escaped) = end_of_quotes(rest).ok_or(NotOfFormat)?;
    let inner = &line[from + 1..from + end];
    let text = if escaped {
        let mut whole = None;
        let text = draft.keep_with(|out| whole = unescape(out, inner));
        whole.ok_or(NotOfFormat)?;
        text
    } else {
        draft.in_line(inner)
    };
    Ok((text, end + 1))
}

/// Where the closing quote stands, and whether there are escapes before it.
fn end_of_quotes(quoted: &[u8]) -> Option<(usize, bool)> {
    let mut escaped = false;
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', quoted.get(at..)?)?;
        if quoted[at] == b'"' {
            return Some((at, escaped));
        }
        escaped = true;
        at += 2;
    }
}

fn blanks(rest: &[u8]) -> usize {
    rest.iter().position(|byte| !is_blank(*byte)).unwrap_or(rest.len())
}

fn key_length(rest: &[u8]) -> usize {
    let is_end = |byte: &u8| is_blank(*byte) || matches!(byte, b'=' | b'"');
    rest.iter().position(is_end).unwrap_or(rest.len())
}

const fn is_blank(byte: u8) -> bool {
    byte <= b' '
}

/// The fields again, quoted where they have to be.
pub(super) fn write(out: &mut Vec<u8>, draft: &Draft<'_>) {
    for (index, field) in draft.fields().iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        write_name(out, draft, *field);
        write_value(out, draft, *field);
    }
}

/// A set field may have a name that no key can have.
pub(super) fn write_name(out: &mut Vec<u8>, draft: &Draft<'_>, field: DraftField) {
    let name = draft.get(field.name).iter();
    out.extend(name.map(|byte| {
        if is_blank(*byte) || matches!(byte, b'=' | b'"') {
            b'_'
        } else {
            *byte
        }
    }));
    out.push(b'=');
}

pub(super) fn write_value(out: &mut Vec<u8>, draft: &Draft<'_>, field: DraftField) {
    let value = draft.get(field.value);
    let is_bare = |byte: &u8| !is_blank(*byte) && !matches!(byte, b'=' | b'"' | b'\\' | 0x7f);
    if value.iter().all(is_bare) {
        out.extend_from_slice(value);
    } else {
        crate::destination::write_json_string(out, &String::from_utf8_lossy(value));
    }
}
