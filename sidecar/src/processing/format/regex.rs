//! A regular expression whose named groups are the fields. Linear time, whatever the pattern: the crate `regex` doesn't
//! backtrack.

use std::sync::{Mutex, PoisonError};

use regex::bytes::{CaptureLocations, Regex};

use super::{Draft, FieldKind, NotOfFormat};
use crate::processing::ProcessingError;
use crate::processing::draft::{Place, Text, text};

#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
    /// Number of the group, and its name among the known texts.
    groups: Vec<(usize, Text)>,
    /// Kept from line to line; one thread reads.
    locations: Mutex<CaptureLocations>,
}

impl Pattern {
    pub(super) fn new(pattern: &str, known: &mut Vec<u8>) -> Result<Self, ProcessingError> {
        let regex = crate::processing::compile(pattern)?;
        let groups = regex.capture_names().enumerate().filter_map(|(number, name)| {
            let start = known.len();
            known.extend_from_slice(name?.as_bytes());
            Some((number, text(Place::Known, start, known.len())))
        });
        let groups = groups.collect();
        let locations = Mutex::new(regex.capture_locations());
        Ok(Self {
            regex,
            groups,
            locations,
        })
    }

    pub(super) fn parse(&self, draft: &mut Draft<'_>) -> Result<(), NotOfFormat> {
        let line = draft.line;
        let mut locations = self.locations.lock().unwrap_or_else(PoisonError::into_inner);
        self.regex.captures_read(&mut locations, line).ok_or(NotOfFormat)?;
        for (number, name) in &self.groups {
            if let Some((start, end)) = locations.get(*number) {
                draft.push(*name, text(Place::Line, start, end), FieldKind::Text);
            }
        }
        Ok(())
    }

    /// The line, with what has become of the fields in the places of their groups: nothing where one is gone.
    pub(super) fn write(&self, out: &mut Vec<u8>, draft: &Draft<'_>) {
        let line = draft.line;
        let mut locations = self.locations.lock().unwrap_or_else(PoisonError::into_inner);
        if self.regex.captures_read(&mut locations, line).is_none() {
            return;
        }
        let changed = self.groups.iter().filter_map(|(number, name)| {
            let (start, end) = locations.get(*number)?;
            let field = draft.field(draft.get(*name));
            let value = field.map(|field| draft.get(field.value)).unwrap_or_default();
            (value != &line[start..end]).then_some((start, end, value))
        });
        let mut changed: Vec<(usize, usize, &[u8])> = changed.collect();
        // Of groups within each other the outer one counts.
        changed.sort_by_key(|(start, end, _)| (*start, std::cmp::Reverse(*end)));
        let mut at = 0;
        for (start, end, value) in changed {
            if start >= at {
                out.extend_from_slice(&line[at..start]);
                out.extend_from_slice(value);
                at = end;
            }
        }
        out.extend_from_slice(&line[at..]);
    }
}
