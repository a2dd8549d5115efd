//! Secrets and personal data, replaced. In the body, in every text field, and in every string inside nested values; a
//! body that is made of fields is written anew.
//!
//! Presets find what is there and little else: a card number has a known first digit, passes the Luhn check (ISO/IEC
//! 7812-1, annex B) and isn't part of a longer number; an address of four numbers isn't part of a longer version.

use std::borrow::Cow;
use std::ops::Range;

use pipeline::transform::{Redact, RedactPreset};
use regex::bytes::{Captures, Regex};

use crate::batch::FieldKind;
use crate::processing::draft::{Body, Draft};
use crate::processing::format::redacted_json;
use crate::processing::{ProcessingError, compile};

#[derive(Debug)]
pub(super) struct Redaction {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    regex: Regex,
    /// May refer to groups: `$1`, `${name}`; `$$` is a dollar sign.
    replacement: Vec<u8>,
    /// What a match has to be beside matching.
    check: Check,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    None,
    CardNumber,
    Address,
}

impl Redaction {
    pub(super) fn new(redact: &Redact) -> Result<Self, ProcessingError> {
        let presets = redact.presets.iter().map(|preset| {
            let (pattern, replacement, check) = match preset {
                RedactPreset::CreditCard => (r"[0-9](?:[ -]?[0-9]){12,18}", "[CreditCard]", Check::CardNumber),
                RedactPreset::Email => (
                    r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}",
                    "[Email]",
                    Check::None,
                ),
                RedactPreset::Jwt => (
                    r"eyJ[A-Za-z0-9_-]+\.eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*",
                    "[JWT]",
                    Check::None,
                ),
                RedactPreset::IPv4 => (
                    r"(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[0-9]{1,2})",
                    "[IPv4]",
                    Check::Address,
                ),
            };
            Rule::new(pattern, replacement, check)
        });
        let patterns = redact.patterns.iter();
        let patterns = patterns.map(|own| Rule::new(&own.pattern, &own.replacement, Check::None));
        let rules = presets.chain(patterns).collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    pub(super) fn apply(&self, draft: &mut Draft<'_>) {
        let body = match draft.body {
            Body::Line => self.redacted(draft.line),
            Body::Own(text) => self.redacted(draft.get(text)),
            Body::Fields | Body::Stale => None,
        };
        if let Some(body) = body {
            draft.body = Body::Own(draft.keep(&body));
        }
        for index in 0..draft.fields().len() {
            let field = draft.fields()[index];
            let value = draft.get(field.value);
            let (new, kind) = match field.kind {
                FieldKind::Text => (self.redacted(value), FieldKind::Text),
                FieldKind::Json => (redacted_json(value, &mut |text| self.redacted(text)), FieldKind::Json),
            };
            if let Some(new) = new {
                let value = draft.keep(&new);
                draft.fields_mut()[index].value = value;
                draft.fields_mut()[index].kind = kind;
                draft.touch();
            }
        }
    }

    /// The text with everything replaced; none when there is nothing to replace.
    fn redacted(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut out = Cow::Borrowed(text);
        for rule in &self.rules {
            if let Some(new) = rule.redacted(&out) {
                out = Cow::Owned(new);
            }
        }
        match out {
            Cow::Owned(new) => Some(new),
            Cow::Borrowed(_) => None,
        }
    }
}

impl Rule {
    fn new(pattern: &str, replacement: &str, check: Check) -> Result<Self, ProcessingError> {
        Ok(Self {
            regex: compile(pattern)?,
            replacement: replacement.as_bytes().to_vec(),
            check,
        })
    }

    fn redacted(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let (mut copied, mut from) = (0, 0);
        while let Some(found) = self.regex.find_at(text, from) {
            let Some(end) = self.check.accepts(text, found.range()) else {
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

impl Check {
    /// Where what is to be replaced ends; none when it isn't what it looks like.
    fn accepts(self, text: &[u8], range: Range<usize>) -> Option<usize> {
        match self {
            Self::None => Some(range.end),
            Self::CardNumber => ends_of_groups(text, &range).find(|end| {
                let range = range.start..*end;
                is_apart(text, &range) && is_card(&text[range])
            }),
            Self::Address => is_apart(text, &range).then_some(range.end),
        }
    }

    /// Where to look on after a refusal: no part of a longer run may be taken for the whole.
    fn after_refusal(self, text: &[u8], range: Range<usize>) -> usize {
        let next_group = text[range.clone()].iter().position(|byte| !byte.is_ascii_digit());
        if let (Self::CardNumber, Some(separator)) = (self, next_group) {
            return range.start + separator + 1;
        }
        let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || (self == Self::Address && *byte == b'.');
        let rest = text[range.end..].iter().position(|byte| !belongs(byte));
        range.end + rest.unwrap_or(text.len() - range.end)
    }
}

/// The ends that a number may have: the longest first, then before each separator.
fn ends_of_groups<'a>(text: &'a [u8], range: &Range<usize>) -> impl Iterator<Item = usize> + use<'a> {
    let start = range.start;
    let shorter = (start..range.end).rev().filter(|at| !text[*at].is_ascii_digit());
    std::iter::once(range.end).chain(shorter)
}

/// It is no part of a longer word or number, nor of one with points in it. A point that ends a sentence doesn't count.
fn is_apart(text: &[u8], range: &Range<usize>) -> bool {
    let is_word = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    let is_point = |at: Option<usize>| at.and_then(|at| text.get(at)) == Some(&b'.');
    let (before, after) = (range.start.checked_sub(1), Some(range.end));
    let joined_before = is_point(before) && is_word(range.start.checked_sub(2));
    let joined_after = is_point(after) && is_word(Some(range.end + 1));
    !is_word(before) && !is_word(after) && !joined_before && !joined_after
}

/// A number that a card may have.
fn is_card(text: &[u8]) -> bool {
    let digits: Vec<u32> = text.iter().filter_map(|byte| char::from(*byte).to_digit(10)).collect();
    is_issued(&digits) && passes_luhn(&digits)
}

/// First digits and lengths of the large schemes (ISO/IEC 7812 issuer numbers): American Express, Diners, JCB, Visa,
/// Mastercard, Discover, UnionPay, Maestro.
fn is_issued(digits: &[u32]) -> bool {
    let first = digits.iter().take(4).fold(0, |number, digit| number * 10 + digit);
    match first {
        3400..=3499 | 3700..=3799 => digits.len() == 15,
        3000..=3059 | 3600..=3699 | 3800..=3999 => matches!(digits.len(), 14..=19),
        3528..=3589 | 5100..=5599 | 2221..=2720 => matches!(digits.len(), 16..=19),
        4000..=4999 => matches!(digits.len(), 13 | 16 | 19),
        5000..=5099 | 5600..=5899 | 6000..=6999 => matches!(digits.len(), 13..=19),
        _ => false,
    }
}

fn passes_luhn(digits: &[u32]) -> bool {
    let doubled = |digit: u32| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| if place % 2 == 1 { doubled(*digit) } else { *digit })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use pipeline::transform::RedactPattern;

    use super::*;

    fn redacted(presets: &[RedactPreset], patterns: &[(&str, &str)], text: &str) -> String {
        let patterns = patterns.iter().map(|(pattern, replacement)| RedactPattern {
            pattern: (*pattern).to_owned(),
            replacement: (*replacement).to_owned(),
        });
        let redaction = Redaction::new(&Redact {
            presets: presets.to_vec(),
            patterns: patterns.collect(),
        });
        let new = redaction.unwrap().redacted(text.as_bytes());
        new.map_or_else(|| text.to_owned(), |new| String::from_utf8(new).unwrap())
    }

    #[test]
    fn card_numbers_are_found_and_other_numbers_left_alone() {
        for (text, expected) in [
            ("paid 4111111111111111 ok", "paid [CreditCard] ok"),
            ("4111-1111-1111-1111,", "[CreditCard],"),
            ("card=5555 5555 5555 4444.", "card=[CreditCard]."),
            ("amex 378282246310005", "amex [CreditCard]"),
            ("diners 30569309025904", "diners [CreditCard]"),
            ("order 12 4111 1111 1111 1111 34 end", "order 12 [CreditCard] 34 end"),
            ("two 4111111111111111 4012888888881881", "two [CreditCard] [CreditCard]"),
            // The last digit is wrong; a number without a scheme; longer; part of an id; a fraction; a time.
            ("4111111111111112", "4111111111111112"),
            ("9999999999999995", "9999999999999995"),
            ("41111111111111111111111", "41111111111111111111111"),
            ("id-a4111111111111111", "id-a4111111111111111"),
            ("0.4111111111111111", "0.4111111111111111"),
            ("ts=1793491200123456789", "ts=1793491200123456789"),
        ] {
            assert_eq!(redacted(&[RedactPreset::CreditCard], &[], text), expected);
        }
    }

    #[test]
    fn addresses_are_found_and_versions_left_alone() {
        for (text, expected) in [
            ("from 10.0.0.1:80", "from [IPv4]:80"),
            ("from 192.168.1.255.", "from [IPv4]."),
            ("10.0.0.1,10.0.0.2", "[IPv4],[IPv4]"),
            ("version 1.2.3.4.5", "version 1.2.3.4.5"),
            ("v1.2.3.4", "v1.2.3.4"),
            ("1.2.3.256", "1.2.3.256"),
            ("1.2.3", "1.2.3"),
        ] {
            assert_eq!(redacted(&[RedactPreset::IPv4], &[], text), expected);
        }
    }

    #[test]
    fn mail_addresses_and_tokens_are_found() {
        for (text, expected) in [
            ("to jane.doe+x@mail.example.com now", "to [Email] now"),
            ("user@localhost", "user@localhost"),
            ("a@b.c", "a@b.c"),
            (
                "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln end",
                "Bearer [JWT] end",
            ),
            ("eyJ is not a token", "eyJ is not a token"),
        ] {
            assert_eq!(redacted(&[RedactPreset::Email, RedactPreset::Jwt], &[], text), expected);
        }
    }

    #[test]
    fn own_patterns_may_keep_a_part() {
        let own = [(r"(token=)\S+", "$1***"), ("secret", "$$$$")];
        assert_eq!(
            redacted(&[], &own, "a token=abc secret token=d"),
            "a token=*** $$ token=***"
        );
        assert_eq!(redacted(&[], &[("x*", "-")], "axb"), "a-b", "nothing isn't replaced");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]
        #[test]
        fn any_text_is_gone_through_and_valid_text_stays_valid(text in "[0-9. @a-zé-]{0,60}") {
            let all = [RedactPreset::CreditCard, RedactPreset::Email, RedactPreset::Jwt, RedactPreset::IPv4];
            let once = redacted(&all, &[("", "")], &text);
            proptest::prop_assert_eq!(redacted(&all, &[], &once), once.clone());
        }
    }
}
