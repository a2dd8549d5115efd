//! A record while it is worked on: its line, and what is known of it by now.
//!
//! Nothing is copied before it has to be: names and values are ranges of the line, of texts that the configuration
//! gave, or of `extra`, where everything goes that was written anew.

use pipeline::transform::Severity;

use super::transform::Redaction;
use crate::batch::{FieldKind, narrow};

/// A piece of text and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) place: Place,
    pub(super) start: u32,
    pub(super) end: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The record's line.
    Line,
    /// Texts of the configuration.
    Known,
    /// What was written for this record.
    Extra,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DraftField {
    pub(super) name: Text,
    pub(super) value: Text,
    pub(super) kind: FieldKind,
}

/// What the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// The line as it was read; no field has been found in it.
    Line,
    /// The line as it was read, and the fields stand in it.
    Fields,
    /// The fields have changed since it was read or written: it has to be written before anybody sees it.
    Stale,
    /// Written of the fields as they are.
    Written(Text),
    /// The value of the field that the format names: what happens to that field happens to it.
    Named(Text),
    /// A text of its own.
    Own(Text),
}

/// Buffers of a draft, kept from record to record.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    extra: Vec<u8>,
    fields: Vec<DraftField>,
    /// What is being written, before it is kept.
    out: Vec<u8>,
    /// Brackets that are open while JSON is read.
    brackets: Vec<u8>,
}

#[cfg(test)]
impl Buffers {
    pub(super) fn bytes(&self) -> usize {
        self.extra.len() + self.fields.len() * size_of::<DraftField>() + self.brackets.capacity()
    }
}

#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) line: &'a [u8],
    known: &'a [u8],
    buffers: &'a mut Buffers,
    pub(super) body: Body,
    pub(super) time: Option<i64>,
    pub(super) severity: Option<Severity>,
    /// The line isn't of its format.
    pub(super) unparsed: bool,
    /// What has to be done again when the body is written anew, because it has parts that are no field.
    pub(super) redactions: Vec<&'a Redaction>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(line: &'a [u8], known: &'a [u8], buffers: &'a mut Buffers) -> Self {
        buffers.extra.clear();
        buffers.fields.clear();
        Self {
            line,
            known,
            buffers,
            body: Body::Line,
            time: None,
            severity: None,
            unparsed: false,
            redactions: Vec::new(),
        }
    }

    pub(super) fn get(&self, text: Text) -> &[u8] {
        let range = text.start as usize..text.end as usize;
        match text.place {
            Place::Line => &self.line[range],
            Place::Known => &self.known[range],
            Place::Extra => &self.buffers.extra[range],
        }
    }

    /// Where the body stands. One that is stale has to be written first.
    pub(super) fn body_text(&self) -> Text {
        match self.body {
            Body::Written(text) | Body::Named(text) | Body::Own(text) => text,
            Body::Line | Body::Fields | Body::Stale => text(Place::Line, 0, self.line.len()),
        }
    }

    pub(super) fn fields(&self) -> &[DraftField] {
        &self.buffers.fields
    }

    pub(super) fn fields_mut(&mut self) -> &mut Vec<DraftField> {
        &mut self.buffers.fields
    }

    /// Leaves out the fields that aren't wanted.
    pub(super) fn keep_fields(&mut self, is_wanted: impl Fn(&Self, DraftField) -> bool) {
        let mut kept = 0;
        for index in 0..self.buffers.fields.len() {
            let field = self.buffers.fields[index];
            if is_wanted(self, field) {
                self.buffers.fields[kept] = field;
                kept += 1;
            }
        }
        self.buffers.fields.truncate(kept);
    }

    /// The last field of this name.
    pub(super) fn field(&self, name: &[u8]) -> Option<DraftField> {
        let fields = self.buffers.fields.iter().rev();
        fields.copied().find(|field| self.get(field.name) == name)
    }

    /// A part of the line, which has to be one.
    pub(super) fn in_line(&self, part: &[u8]) -> Text {
        let start = part.as_ptr().addr().wrapping_sub(self.line.as_ptr().addr());
        debug_assert!(start <= self.line.len() && start + part.len() <= self.line.len());
        text(Place::Line, start, start + part.len())
    }

    /// Keeps a text that doesn't stand in the line.
    pub(super) fn keep(&mut self, bytes: &[u8]) -> Text {
        let start = self.buffers.extra.len();
        self.buffers.extra.extend_from_slice(bytes);
        text(Place::Extra, start, start + bytes.len())
    }

    /// Keeps a text that is written at once.
    pub(super) fn keep_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Text {
        let start = self.buffers.extra.len();
        write(&mut self.buffers.extra);
        text(Place::Extra, start, self.buffers.extra.len())
    }

    /// Keeps two names with a point between them.
    pub(super) fn keep_joined(&mut self, first: Text, second: Text) -> Text {
        let start = self.buffers.extra.len();
        self.append(first);
        self.buffers.extra.push(b'.');
        self.append(second);
        text(Place::Extra, start, self.buffers.extra.len())
    }

    fn append(&mut self, text: Text) {
        let range = text.start as usize..text.end as usize;
        let extra = &mut self.buffers.extra;
        match text.place {
            Place::Line => extra.extend_from_slice(&self.line[range]),
            Place::Known => extra.extend_from_slice(&self.known[range]),
            Place::Extra => extra.extend_from_within(range),
        }
    }

    pub(super) fn brackets(&mut self) -> &mut Vec<u8> {
        &mut self.buffers.brackets
    }

    /// Writes a text from what is known by now.
    pub(super) fn write(&mut self, write: impl FnOnce(&mut Vec<u8>, &Self)) -> Text {
        let mut out = std::mem::take(&mut self.buffers.out);
        out.clear();
        write(&mut out, self);
        let text = self.keep(&out);
        self.buffers.out = out;
        text
    }

    /// A field has changed.
    pub(super) fn touch(&mut self) {
        if matches!(self.body, Body::Fields | Body::Written(_)) {
            self.body = Body::Stale;
        }
    }

    pub(super) fn push(&mut self, name: Text, value: Text, kind: FieldKind) {
        self.buffers.fields.push(DraftField { name, value, kind });
    }
}

pub(super) fn text(place: Place, start: usize, end: usize) -> Text {
    Text {
        place,
        start: narrow(start),
        end: narrow(end),
    }
}
