//! Formats: what stands in a line, as fields. A line that isn't of its format stays as it is.

pub(super) mod cri;
mod json;
mod logfmt;
mod regex;
mod severity;
mod timestamp;

use pipeline::source::{Format as Settings, FormatType};

use self::regex::Pattern;
use self::timestamp::Layout;
use super::ProcessingError;
use super::draft::{Body, Draft};
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
            draft.body = Body::Own(field.value);
        }
    }

    fn syntax(&self, draft: &mut Draft<'_>) -> Result<(), NotOfFormat> {
        match &self.syntax {
            Syntax::Text => Ok(()),
            Syntax::Json => json::parse(draft).map(|()| draft.body = Body::Fields),
            Syntax::Logfmt => logfmt::parse(draft).map(|()| draft.body = Body::Fields),
            Syntax::Regex(pattern) => pattern.parse(draft),
            Syntax::Cri => cri::parse(draft),
        }
    }

    /// The body as bytes, written anew where fields have changed.
    pub(super) fn body<'d>(&self, draft: &'d mut Draft<'_>) -> &'d [u8] {
        if draft.body == Body::Stale {
            let write = match self.syntax {
                Syntax::Logfmt => logfmt::write,
                // The bodies of the others are never made of fields.
                Syntax::Json | Syntax::Text | Syntax::Regex(_) | Syntax::Cri => json::write,
            };
            draft.body = Body::Own(draft.write(write));
        }
        match draft.body {
            Body::Own(text) => draft.get(text),
            Body::Line | Body::Fields | Body::Stale => draft.line,
        }
    }
}
