//! `when`: a test of one field. A field that isn't there passes no test but `exists: false` and what `not` turns round.

use std::borrow::Cow;

use pipeline::transform::{Severity, When};
use regex::bytes::Regex;

use crate::destination::attribute_of_file;
use crate::processing::draft::Draft;
use crate::processing::format::{Format, severity_of_text};
use crate::processing::{ProcessingError, Site, compile, severity_name};

/// What a transform speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Body,
    Severity,
    /// An attribute of the file, else a field of the record.
    Field(String),
}

impl Target {
    pub(super) fn new(name: &str) -> Self {
        match name {
            "body" => Self::Body,
            "severity" => Self::Severity,
            _ => Self::Field(name.to_owned()),
        }
    }

    pub(super) fn value<'d>(
        &self,
        draft: &'d mut Draft<'_>,
        format: &Format,
        site: &Site<'d>,
    ) -> Option<Cow<'d, [u8]>> {
        match self {
            Self::Body => Some(Cow::Borrowed(format.body(draft))),
            Self::Severity => draft.severity.map(|severity| severity_name(severity).as_bytes().into()),
            // What a line says about itself never stands for what is known of its file and its pod.
            Self::Field(name) => match attribute_of_file(site.origin, name) {
                Some(value) => Some(value.as_bytes().into()),
                None => draft.field(name.as_bytes()).map(|field| draft.get(field.value).into()),
            },
        }
    }
}

#[derive(Debug)]
pub(super) struct Condition {
    target: Target,
    test: Test,
    /// What the test has to say for the condition to hold.
    wanted: bool,
}

#[derive(Debug)]
enum Test {
    OneOf(Vec<String>),
    Exists,
    Matches(Regex),
    AtLeast(Severity),
}

impl Condition {
    pub(super) fn new(when: &When) -> Result<Self, ProcessingError> {
        let mut wanted = !when.not;
        let test = if let Some(text) = &when.equals {
            Test::OneOf(vec![text.clone()])
        } else if let Some(texts) = &when.one_of {
            Test::OneOf(texts.clone())
        } else if let Some(pattern) = &when.matches {
            Test::Matches(compile(pattern)?)
        } else if let Some(severity) = when.at_least {
            Test::AtLeast(severity)
        } else if let Some(exists) = when.exists {
            wanted = wanted == exists;
            Test::Exists
        } else {
            return Err(ProcessingError::NoTest(when.field.clone()));
        };
        Ok(Self {
            target: Target::new(&when.field),
            test,
            wanted,
        })
    }

    pub(super) fn holds(&self, draft: &mut Draft<'_>, format: &Format, site: &Site<'_>) -> bool {
        self.passes(draft, format, site) == self.wanted
    }

    fn passes(&self, draft: &mut Draft<'_>, format: &Format, site: &Site<'_>) -> bool {
        if let (Test::AtLeast(least), Target::Severity) = (&self.test, &self.target) {
            return draft.severity.is_some_and(|severity| severity >= *least);
        }
        let Some(value) = self.target.value(draft, format, site) else {
            return false;
        };
        match &self.test {
            Test::Exists => true,
            // Severities are compared as people write them.
            Test::OneOf(texts) if self.target == Target::Severity => {
                texts.iter().any(|text| value.eq_ignore_ascii_case(text.as_bytes()))
            }
            Test::OneOf(texts) => texts.iter().any(|text| text.as_bytes() == &*value),
            Test::Matches(regex) => regex.is_match(&value),
            Test::AtLeast(least) => severity_of_text(&value).is_some_and(|severity| severity >= *least),
        }
    }
}
