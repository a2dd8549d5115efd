//! What a match of a preset has to be beside matching: the shape alone would find too much.

use std::ops::Range;

use super::card::{is_card, may_have_card};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    None,
    CardNumber,
    Address,
    Mail,
}

/// What a point beside a match means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Points {
    /// It joins parts of a number, such as those of a version.
    Join,
    /// It parts names that objects in objects have.
    Part,
}

/// Names before a slash and four numbers that are a version (RFC 9110 section 10.1.5). A host's name before a slash and
/// its address, as Java prints them, looks the same otherwise.
const PRODUCTS: [&[u8]; 9] = [
    b"Chrome",
    b"Chromium",
    b"CriOS",
    b"Edg",
    b"EdgA",
    b"OPR",
    b"Electron",
    b"YaBrowser",
    b"Vivaldi",
];

/// Last parts of names with an `@` in them that are units of systemd or files, and no domains.
const NO_DOMAINS: [&[u8]; 18] = [
    b"service",
    b"socket",
    b"target",
    b"timer",
    b"slice",
    b"scope",
    b"mount",
    b"automount",
    b"swap",
    b"png",
    b"jpg",
    b"jpeg",
    b"gif",
    b"svg",
    b"webp",
    b"ico",
    b"css",
    b"js",
];

impl Check {
    /// Whether it is worth looking closer: most lines have nothing that looks like it.
    pub(super) fn may_match(self, text: &[u8]) -> bool {
        match self {
            Self::None => true,
            Self::CardNumber => may_have_card(text),
            Self::Mail => memchr::memchr(b'@', text).is_some(),
            Self::Address => {
                let is_digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
                let points = memchr::memchr_iter(b'.', text);
                points
                    .filter(|at| *at > 0 && is_digit(at - 1) && is_digit(at + 1))
                    .nth(2)
                    .is_some()
            }
        }
    }

    /// Where what is to be replaced ends; none when it isn't what it looks like.
    pub(super) fn accepts(self, text: &[u8], range: Range<usize>, points: Points) -> Option<usize> {
        match self {
            Self::None => Some(range.end),
            Self::CardNumber => ends_of_groups(text, &range).find(|end| {
                let range = range.start..*end;
                is_apart(text, &range, points) && is_card(&text[range])
            }),
            Self::Address => {
                let is_address = is_apart(text, &range, points) && !is_version(text, range.start);
                is_address.then_some(range.end)
            }
            Self::Mail => is_domain(&text[range.clone()]).then_some(range.end),
        }
    }

    /// Where to look on after a refusal: no part of a longer run may be taken for the whole.
    pub(super) fn after_refusal(self, text: &[u8], range: Range<usize>) -> usize {
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

/// It is no part of a longer word or number, nor of one with points in it. A point that ends a sentence doesn't count,
/// and the `n` of `\n`, in a line that nobody has taken apart, is no letter.
fn is_apart(text: &[u8], range: &Range<usize>, points: Points) -> bool {
    let at = |index: Option<usize>| index.and_then(|index| text.get(index)).copied();
    let is_word = |index: Option<usize>| at(index).is_some_and(|byte| byte.is_ascii_alphanumeric());
    let is_point = |index: Option<usize>| points == Points::Join && at(index) == Some(b'.');
    let back = |count: usize| range.start.checked_sub(count);
    let is_escape = matches!(at(back(1)), Some(b'n' | b't' | b'r')) && at(back(2)) == Some(b'\\');
    let joined_before = (is_word(back(1)) && !is_escape) || (is_point(back(1)) && is_word(back(2)));
    let after = Some(range.end);
    let joined_after = is_word(after) || (is_point(after) && is_word(Some(range.end + 1)));
    !joined_before && !joined_after
}

/// `Chrome/120.0.0.0`, `Version=8.0.0.0`, `version: 1.2.3.4`.
fn is_version(text: &[u8], start: usize) -> bool {
    let before = &text[..start];
    let word = |text: &[u8]| {
        text.iter()
            .rev()
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .count()
    };
    if let Some(before) = before.strip_suffix(b"/") {
        return PRODUCTS.contains(&&before[before.len() - word(before)..]);
    }
    let is_sign = |byte: &&u8| matches!(byte, b' ' | b'=' | b':' | b'"' | b'\'' | b'v');
    let signs = before.iter().rev().take(4).take_while(is_sign).count();
    let before = &before[..start - signs];
    signs > 0
        && before[before.len() - word(before).min(32)..]
            .to_ascii_lowercase()
            .ends_with(b"version")
}

fn is_domain(address: &[u8]) -> bool {
    let last = address.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    !NO_DOMAINS.iter().any(|name| last.eq_ignore_ascii_case(name))
}
