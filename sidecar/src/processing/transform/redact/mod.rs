//! Secrets and personal data, replaced. In the body, in every text field and every name that came with the line, and in
//! every string inside nested values; a body that is made of fields is written anew.
//!
//! Presets find what is there and little else: a card number has a known first digit, passes the Luhn check and isn't
//! part of a longer number; an address of four numbers isn't part of a longer version.
//!
//! A pattern of one's own is also tried on a field as its format writes it, name and value, so that `token=\S+` and
//! `"token":"[^"]*"` mean in fields what they mean in the line.

mod card;
mod check;
mod member;

use std::borrow::Cow;

use pipeline::transform::{Redact, RedactPreset};
use regex::bytes::{Captures, Regex};

use self::check::{Check, Points};
use crate::batch::FieldKind;
use crate::processing::draft::{Body, Draft, DraftField, Place, Text};
use crate::processing::format::{Format, redacted_json};
use crate::processing::{ProcessingError, compile};

#[derive(Debug)]
pub(in crate::processing) struct Redaction {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    regex: Regex,
    /// May refer to groups: `$1`, `${name}`; `$$` is a dollar sign.
    replacement: Vec<u8>,
    /// What a match has to be beside matching.
    check: Check,
    /// A pattern of the user's, not a preset.
    is_own: bool,
    /// Whether a match in a part of a text is one in the whole text: the pattern doesn't ask what stands around it.
    is_local: bool,
}

/// The rules that may find something, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rules(u64);

impl Rules {
    const ALL: Self = Self(u64::MAX);

    fn contains(self, index: usize) -> bool {
        // There are 32 at most; those beyond 64 would always be tried.
        u32::try_from(index).is_ok_and(|index| self.0.checked_shr(index).is_none_or(|bits| bits & 1 == 1))
    }

    fn without(self, index: usize) -> Self {
        let bit = u32::try_from(index).ok().and_then(|index| 1_u64.checked_shl(index));
        Self(self.0 & !bit.unwrap_or(0))
    }
}

impl Redaction {
    pub(super) fn new(redact: &Redact) -> Result<Self, ProcessingError> {
        let presets = redact.presets.iter().map(|preset| Rule::preset(*preset));
        let patterns = redact.patterns.iter();
        let patterns = patterns.map(|own| Rule::own(&own.pattern, &own.replacement));
        let rules = presets.chain(patterns).collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    pub(super) fn apply<'a>(&'a self, draft: &mut Draft<'a>, format: &Format) {
        // What isn't in the line isn't in a part of it either, so most lines are looked through once.
        let in_line = self.found_in(draft.line);
        let fields_changed = self.apply_to_fields(draft, format, in_line);
        match draft.body {
            Body::Line => {
                if let Some(new) = self.redacted_by(draft.line, in_line) {
                    draft.body = Body::Own(draft.keep(&new));
                }
            }
            // It is one of the fields.
            Body::Named(_) => {}
            Body::Own(text) => {
                if let Some(new) = self.in_text(draft, text, in_line) {
                    draft.body = Body::Own(new);
                }
            }
            Body::Fields | Body::Written(_) | Body::Stale if format.has_text_between() => {
                self.apply_to_text_between(draft, in_line, &fields_changed);
            }
            // There is nothing in it but fields.
            Body::Fields | Body::Written(_) | Body::Stale => {
                if !fields_changed.is_empty() {
                    draft.touch();
                }
            }
        }
    }

    /// A line with groups in it. Where a value is found in its field but not in the line, because the pattern asks what
    /// stands around it, the line gets what the field got.
    fn apply_to_text_between<'a>(&'a self, draft: &mut Draft<'a>, in_line: Rules, changed: &[Text]) {
        let new = self.redacted_by(draft.get(draft.body_text()), in_line);
        if new.is_none() && changed.is_empty() {
            return;
        }
        draft.redactions.push(self);
        if draft.body == Body::Stale {
            return;
        }
        if let Some(new) = new {
            draft.body = Body::Written(draft.keep(&new));
        }
        let body = draft.get(draft.body_text());
        let survives = |old: &Text| memchr::memmem::find(body, draft.get(*old)).is_some();
        if changed.iter().any(survives) {
            draft.touch();
        }
    }

    /// The values that were replaced.
    fn apply_to_fields(&self, draft: &mut Draft<'_>, format: &Format, in_line: Rules) -> Vec<Text> {
        let mut changed = Vec::new();
        if in_line == Rules(0) && draft.fields().iter().all(is_in_line) {
            return changed;
        }
        for index in 0..draft.fields().len() {
            let before = draft.fields()[index];
            let mut field = before;
            if field.name.place != Place::Known
                && let Some(name) = self.in_name(draft, field.name, in_line)
            {
                field.name = name;
            }
            field = self.in_value(draft, field, in_line);
            if let Some(member) = format.member_syntax() {
                field = self.in_member(draft, field, (member, in_line));
            }
            if field != before {
                draft.fields_mut()[index] = field;
                if draft.body == Body::Named(before.value) {
                    draft.body = Body::Named(field.value);
                }
                changed.push(before.value);
            }
        }
        changed
    }

    fn in_value(&self, draft: &mut Draft<'_>, field: DraftField, in_line: Rules) -> DraftField {
        if field.kind == FieldKind::Text {
            let value = self.in_text(draft, field.value, in_line).unwrap_or(field.value);
            return DraftField { value, ..field };
        }
        let json = draft.get(field.value);
        let is_verbatim = field.value.place == Place::Line && memchr::memchr(b'\\', json).is_none();
        let rules = if is_verbatim { in_line } else { Rules::ALL };
        let new = redacted_json(json, &mut |text| self.redacted_by(text, rules));
        match new {
            Some(new) => DraftField {
                value: draft.keep(&new),
                ..field
            },
            None => field,
        }
    }

    /// `in_line` tells of texts that are parts of the line.
    fn in_text(&self, draft: &mut Draft<'_>, text: Text, in_line: Rules) -> Option<Text> {
        let rules = if text.place == Place::Line { in_line } else { Rules::ALL };
        let new = self.redacted_by(draft.get(text), rules)?;
        Some(draft.keep(&new))
    }

    fn in_name(&self, draft: &mut Draft<'_>, name: Text, in_line: Rules) -> Option<Text> {
        let (rules, points) = match name.place {
            Place::Line => (in_line, Points::Join),
            Place::Known | Place::Extra => (Rules::ALL, Points::Part),
        };
        let new = self.replaced(draft.get(name), rules, points)?;
        Some(draft.keep(&new))
    }

    /// The rules that may find something in a text or in a part of it.
    fn found_in(&self, text: &[u8]) -> Rules {
        let rules = self.rules.iter().enumerate();
        rules.fold(Rules(Rules::ALL.0 & self.all()), |found, (index, rule)| {
            if rule.is_local && !(rule.check.may_match(text) && rule.regex.is_match(text)) {
                found.without(index)
            } else {
                found
            }
        })
    }

    fn all(&self) -> u64 {
        let count = u32::try_from(self.rules.len()).unwrap_or(u32::MAX);
        1_u64.checked_shl(count).map_or(u64::MAX, |bit| bit - 1)
    }

    /// The text with everything replaced; none when there is nothing to replace.
    pub(in crate::processing) fn redacted(&self, text: &[u8]) -> Option<Vec<u8>> {
        self.redacted_by(text, Rules::ALL)
    }

    fn redacted_by(&self, text: &[u8], rules: Rules) -> Option<Vec<u8>> {
        self.replaced(text, rules, Points::Join)
    }

    fn replaced(&self, text: &[u8], rules: Rules, points: Points) -> Option<Vec<u8>> {
        let mut out = Cow::Borrowed(text);
        for (index, rule) in self.rules.iter().enumerate() {
            // What a replacement has made is known to no one.
            let is_new = matches!(out, Cow::Owned(_));
            if (is_new || rules.contains(index))
                && let Some(new) = rule.redacted(&out, points)
            {
                out = Cow::Owned(new);
            }
        }
        match out {
            Cow::Owned(new) => Some(new),
            Cow::Borrowed(_) => None,
        }
    }
}

fn is_in_line(field: &DraftField) -> bool {
    let is_verbatim = |text: Text| text.place != Place::Extra;
    field.kind == FieldKind::Text && is_verbatim(field.name) && is_verbatim(field.value)
}

impl Rule {
    fn preset(preset: RedactPreset) -> Result<Self, ProcessingError> {
        let (pattern, replacement, check) = match preset {
            RedactPreset::CreditCard => (r"[0-9](?:[ -]?[0-9]){12,18}", "[CreditCard]", Check::CardNumber),
            RedactPreset::Email => (
                r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}",
                "[Email]",
                Check::Mail,
            ),
            // Signed with three parts, or encrypted with five (RFC 7515, RFC 7516: compact serialisation).
            RedactPreset::Jwt => (
                r"eyJ[A-Za-z0-9_-]+\.(?:eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*|(?:[A-Za-z0-9_-]*\.){3}[A-Za-z0-9_-]+)",
                "[JWT]",
                Check::None,
            ),
            RedactPreset::IPv4 => (
                r"(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[0-9]{1,2})",
                "[IPv4]",
                Check::Address,
            ),
        };
        Ok(Self {
            regex: compile(pattern)?,
            replacement: replacement.as_bytes().to_vec(),
            check,
            is_own: false,
            is_local: true,
        })
    }

    fn own(pattern: &str, replacement: &str) -> Result<Self, ProcessingError> {
        Ok(Self {
            regex: compile(pattern)?,
            replacement: replacement.as_bytes().to_vec(),
            check: Check::None,
            is_own: true,
            is_local: !pipeline::pattern::looks_around(pattern),
        })
    }

    fn redacted(&self, text: &[u8], points: Points) -> Option<Vec<u8>> {
        if !self.check.may_match(text) {
            return None;
        }
        let mut out = Vec::new();
        let (mut copied, mut from) = (0, 0);
        while let Some(found) = self.regex.find_at(text, from) {
            let Some(end) = self.check.accepts(text, found.range(), points) else {
                from = self.check.after_refusal(text, found.range());
                continue;
            };
            // Nothing can't be replaced, and would be found again for ever.
            if end == found.start() {
                from = end + 1;
                if from > text.len() {
                    break;
                }
                continue;
            }
            out.extend_from_slice(&text[copied..found.start()]);
            self.expand(text, found.start(), &mut out);
            (copied, from) = (end, end);
        }
        (copied > 0).then(|| {
            out.extend_from_slice(&text[copied..]);
            out
        })
    }

    fn expand(&self, text: &[u8], at: usize, out: &mut Vec<u8>) {
        if memchr::memchr(b'$', &self.replacement).is_none() {
            out.extend_from_slice(&self.replacement);
        } else if let Some(captures) = self.regex.captures_at(text, at) {
            Captures::expand(&captures, &self.replacement, out);
        }
    }
}

#[cfg(test)]
mod tests;
