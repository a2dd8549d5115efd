//! One JSON object a line. Its members are the fields; those of objects in it have names joined by `.`, arrays stay
//! JSON. Read in one pass without a tree: a line is an object exactly where `serde_json` says so.
//!
//! What a line may cost is bounded by its length: an object stays JSON, too, that is nested deeper than
//! [`MAX_DEPTH`], that is empty, or whose members' joined names would take more room than the line itself.

mod redact;
mod scan;

use self::scan::{Quoted, Scanner};
use super::escape::unescape;
use super::{Draft, FieldKind, NotOfFormat};
use crate::destination::write_json_string;
use crate::processing::draft::{DraftField, Text};

pub(in crate::processing) use self::redact::redacted;

/// Objects in objects, the line's own included, whose members are fields.
const MAX_DEPTH: usize = 8;
/// What joined names may take where the line is short.
const LEAST_NAMES: usize = 4096;

pub(super) fn parse(draft: &mut Draft<'_>) -> Result<(), NotOfFormat> {
    let line = draft.line;
    std::str::from_utf8(line).map_err(|_| NotOfFormat)?;
    let mut reader = Reader {
        scanner: Scanner::new(line),
        open: std::mem::take(draft.brackets()),
        names: line.len().max(LEAST_NAMES),
    };
    let outcome = reader.members(draft, None, 1);
    let is_all = reader.scanner.next().is_none();
    *draft.brackets() = reader.open;
    if outcome.is_ok() && is_all {
        Ok(())
    } else {
        Err(NotOfFormat)
    }
}

struct Reader<'a> {
    scanner: Scanner<'a>,
    /// A buffer of the scanner's.
    open: Vec<u8>,
    /// What joined names may still take.
    names: usize,
}

/// Why the members of an object aren't fields.
enum Stop {
    NotJson,
    TooMuch,
}

impl<'a> Reader<'a> {
    /// The members of an object, whose name stands before theirs.
    fn members(&mut self, draft: &mut Draft<'a>, prefix: Option<Text>, depth: usize) -> Result<(), Stop> {
        self.scanner.take(b'{').ok_or(Stop::NotJson)?;
        let mut is_first = true;
        loop {
            match self.scanner.next() {
                Some(b'}') => break,
                Some(b',') if !is_first => self.scanner.at += 1,
                _ if is_first => {}
                _ => return Err(Stop::NotJson),
            }
            is_first = false;
            let name = self.scanner.name().ok_or(Stop::NotJson)?;
            let name = self.joined(draft, prefix, name)?;
            self.member(draft, name, depth)?;
        }
        self.scanner.at += 1;
        Ok(())
    }

    fn member(&mut self, draft: &mut Draft<'a>, name: Text, depth: usize) -> Result<(), Stop> {
        match self.scanner.next() {
            Some(b'"') => {
                let text = self.scanner.string().ok_or(Stop::NotJson)?;
                let value = whole(draft, text);
                draft.push(name, value, FieldKind::Text);
                Ok(())
            }
            Some(b'{') if depth < MAX_DEPTH => self.nested(draft, name, depth),
            _ => self.as_json(draft, name),
        }
    }

    fn nested(&mut self, draft: &mut Draft<'a>, name: Text, depth: usize) -> Result<(), Stop> {
        let (start, fields) = (self.scanner.at, draft.fields().len());
        match self.members(draft, Some(name), depth + 1) {
            Ok(()) if draft.fields().len() > fields => Ok(()),
            Err(Stop::NotJson) => Err(Stop::NotJson),
            Ok(()) | Err(Stop::TooMuch) => {
                self.scanner.at = start;
                draft.fields_mut().truncate(fields);
                self.as_json(draft, name)
            }
        }
    }

    fn as_json(&mut self, draft: &mut Draft<'a>, name: Text) -> Result<(), Stop> {
        let json = self.scanner.value(&mut self.open).ok_or(Stop::NotJson)?;
        let value = draft.in_line(json);
        draft.push(name, value, FieldKind::Json);
        Ok(())
    }

    fn joined(&mut self, draft: &mut Draft<'a>, prefix: Option<Text>, name: Quoted<'a>) -> Result<Text, Stop> {
        let Some(prefix) = prefix else {
            return Ok(whole(draft, name));
        };
        let length = (prefix.end - prefix.start) as usize + 1 + name.inner.len();
        self.names = self.names.checked_sub(length).ok_or(Stop::TooMuch)?;
        let name = whole(draft, name);
        Ok(draft.keep_joined(prefix, name))
    }
}

/// The text of a string; a part of the line unless it has escapes. The scanner has seen that they are whole.
fn whole(draft: &mut Draft<'_>, string: Quoted<'_>) -> Text {
    if string.escaped {
        draft.keep_with(|out| unescape(out, string.inner).unwrap_or_default())
    } else {
        draft.in_line(string.inner)
    }
}

/// The fields as an object, in their order.
pub(super) fn write(out: &mut Vec<u8>, draft: &Draft<'_>) {
    out.push(b'{');
    for (index, field) in draft.fields().iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_name(out, draft, *field);
        write_value(out, draft, *field);
    }
    out.push(b'}');
}

pub(super) fn write_name(out: &mut Vec<u8>, draft: &Draft<'_>, field: DraftField) {
    write_json_string(out, &String::from_utf8_lossy(draft.get(field.name)));
    out.push(b':');
}

pub(super) fn write_value(out: &mut Vec<u8>, draft: &Draft<'_>, field: DraftField) {
    match field.kind {
        FieldKind::Text => write_json_string(out, &String::from_utf8_lossy(draft.get(field.value))),
        FieldKind::Json => out.extend_from_slice(draft.get(field.value)),
    }
}

#[cfg(test)]
mod tests;
