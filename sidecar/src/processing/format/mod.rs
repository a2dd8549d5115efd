//! Formats: what stands in a line, as fields. A line that isn't of its format stays as it is.

pub(super) mod cri;
mod escape;
mod json;
mod logfmt;
mod regex;
mod severity;
mod timestamp;

use pipeline::source::{Format as Settings, FormatType};

use self::regex::Pattern;
use self::timestamp::Layout;
use super::ProcessingError;
use super::draft::{Body, Draft, DraftField, Text};
use crate::batch::FieldKind;

pub(super) use self::json::redacted as redacted_json;
pub(super) use self::severity::of_text as severity_of_text;

/// How lines of a source are read.
#[derive(Debug)]
pub(super) struct Format {
    syntax: Syntax,
    body: Option<Vec<u8>>,
    timestamp: Option<(Vec<u8>, Layout)>,
    severity: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Syntax {
    Text,
    Json,
    Logfmt,
    Regex(Box<Pattern>),
    Cri,
}

/// The line isn't of its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotOfFormat;

impl Format {
    /// `known` collects the texts that drafts may refer to.
    pub(super) fn new(settings: &Settings, known: &mut Vec<u8>) -> Result<Self, ProcessingError> {
        let syntax = match settings.kind {
            FormatType::Text => Syntax::Text,
            FormatType::Json => Syntax::Json,
            FormatType::Logfmt => Syntax::Logfmt,
            FormatType::Cri => Syntax::Cri,
            FormatType::Regex => {
                let regex = settings.regex.as_ref().ok_or(ProcessingError::NoPattern)?;
                Syntax::Regex(Box::new(Pattern::new(&regex.pattern, known)?))
            }
        };
        let timestamp = settings.timestamp.as_ref().map(|timestamp| {
            let layout = Layout::new(&timestamp.layout, timestamp.time_zone.as_deref())?;
            Ok::<_, ProcessingError>((timestamp.field.clone().into_bytes(), layout))
        });
        Ok(Self {
            syntax,
            body: settings.body.clone().map(String::into_bytes),
            timestamp: timestamp.transpose()?,
            severity: settings
                .severity
                .as_ref()
                .map(|severity| severity.field.clone().into_bytes()),
        })
    }

    /// Whether lines are taken as they are.
    pub(super) const fn is_plain(&self) -> bool {
        matches!(self.syntax, Syntax::Text)
    }

    /// Finds the fields, and among them body, time and severity. `read_at` is when the line was read, in nanoseconds
    /// since the Unix epoch.
    pub(super) fn parse(&self, draft: &mut Draft<'_>, read_at: i64) {
        if self.syntax(draft).is_err() {
            draft.fields_mut().clear();
            draft.body = Body::Line;
            draft.unparsed = true;
            return;
        }
        if let Some((field, layout)) = &self.timestamp {
            draft.time = draft
                .field(field)
                .and_then(|field| layout.read(draft.get(field.value), read_at));
            draft.unparsed |= draft.time.is_none();
        }
        if let Some(field) = self.severity.as_deref().and_then(|name| draft.field(name)) {
            draft.severity = severity::of_text(draft.get(field.value));
        }
        if let Some(field) = self.body.as_deref().and_then(|name| draft.field(name)) {
            draft.body = Body::Named(field.value);
        }
    }

    /// Whether this is the field that the body is.
    pub(super) fn is_body(&self, name: &[u8]) -> bool {
        self.body.as_deref() == Some(name)
    }

    /// How a field is written in the body, where the body is made of nothing but fields.
    pub(super) const fn member_syntax(&self) -> Option<MemberSyntax> {
        match self.syntax {
            Syntax::Json => Some(MemberSyntax::Json),
            Syntax::Logfmt => Some(MemberSyntax::Logfmt),
            Syntax::Text | Syntax::Regex(_) | Syntax::Cri => None,
        }
    }

    /// Whether the body has parts that are no field.
    pub(super) const fn has_text_between(&self) -> bool {
        matches!(self.syntax, Syntax::Regex(_))
    }

    fn syntax(&self, draft: &mut Draft<'_>) -> Result<(), NotOfFormat> {
        match &self.syntax {
            Syntax::Text => Ok(()),
            Syntax::Json => json::parse(draft).map(|()| draft.body = Body::Fields),
            Syntax::Logfmt => logfmt::parse(draft).map(|()| draft.body = Body::Fields),
            Syntax::Regex(pattern) => pattern.parse(draft).map(|()| draft.body = Body::Fields),
            Syntax::Cri => cri::parse(draft),
        }
    }

    /// The body as bytes, written anew where fields have changed.
    pub(super) fn body<'d>(&self, draft: &'d mut Draft<'_>) -> &'d [u8] {
        if draft.body == Body::Stale {
            let text = draft.write(|out, draft| match &self.syntax {
                Syntax::Logfmt => logfmt::write(out, draft),
                Syntax::Regex(pattern) => pattern.write(out, draft),
                // The bodies of the others are never made of fields.
                Syntax::Json | Syntax::Text | Syntax::Cri => json::write(out, draft),
            });
            draft.body = Body::Written(redacted_again(draft, text));
        }
        draft.get(draft.body_text())
    }
}

fn redacted_again(draft: &mut Draft<'_>, mut text: Text) -> Text {
    for index in 0..draft.redactions.len() {
        let redaction = draft.redactions[index];
        if let Some(new) = redaction.redacted(draft.get(text)) {
            text = draft.keep(&new);
        }
    }
    text
}

/// How a name and its value are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MemberSyntax {
    Json,
    Logfmt,
}

impl MemberSyntax {
    pub(super) fn write(self, out: &mut Vec<u8>, draft: &Draft<'_>, field: DraftField) {
        self.write_name(out, draft, field);
        match self {
            Self::Json => json::write_value(out, draft, field),
            Self::Logfmt => logfmt::write_value(out, draft, field),
        }
    }

    /// The name, and what stands between it and the value.
    pub(super) fn write_name(self, out: &mut Vec<u8>, draft: &Draft<'_>, field: DraftField) {
        match self {
            Self::Json => json::write_name(out, draft, field),
            Self::Logfmt => logfmt::write_name(out, draft, field),
        }
    }

    /// The text of a value that a pattern has changed: whatever is there, when it isn't of the format any more.
    pub(super) fn read_value(written: &[u8]) -> Vec<u8> {
        let is_text = written.len() > 1 && written.starts_with(b"\"") && written.ends_with(b"\"");
        let mut out = Vec::new();
        let whole = is_text.then(|| &written[1..written.len() - 1]);
        match whole.and_then(|inner| escape::unescape(&mut out, inner)) {
            Some(()) => out,
            None => written.to_vec(),
        }
    }
}
