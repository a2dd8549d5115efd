//! Fields as their formats write them, name and value, for patterns that are meant for the line.

use regex::bytes::Match;

use super::check::Points;
use super::{Redaction, Rules};
use crate::batch::FieldKind;
use crate::processing::draft::{Draft, DraftField, Place};
use crate::processing::format::MemberSyntax;

impl Redaction {
    /// A field with the user's own patterns applied to what the format would write of it.
    pub(super) fn in_member(
        &self,
        draft: &mut Draft<'_>,
        field: DraftField,
        (syntax, in_line): (MemberSyntax, Rules),
    ) -> DraftField {
        let is_verbatim = field.value.place == Place::Line && field.name.place == Place::Line;
        let is_meant = |index: usize| self.rules[index].is_own && (!is_verbatim || in_line.contains(index));
        if !(0..self.rules.len()).any(is_meant) {
            return field;
        }
        let mut written = Vec::new();
        syntax.write(&mut written, draft, field);
        let mut name = Vec::new();
        syntax.write_name(&mut name, draft, field);
        let mut changed = false;
        for index in (0..self.rules.len()).filter(|index| is_meant(*index)) {
            let rule = &self.rules[index];
            // Matches inside of the name or of the value have been replaced already.
            let spans = |found: Match<'_>| found.start() < name.len() && found.end() > name.len();
            if rule.regex.find_iter(&written).any(spans)
                && let Some(new) = rule.redacted(&written, Points::Join)
            {
                written = new;
                changed = true;
            }
        }
        if !changed {
            return field;
        }
        let value = written.strip_prefix(name.as_slice()).unwrap_or(&written);
        let value = MemberSyntax::read_value(value);
        DraftField {
            value: draft.keep(&value),
            kind: FieldKind::Text,
            ..field
        }
    }
}
