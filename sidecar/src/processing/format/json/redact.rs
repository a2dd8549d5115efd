//! Strings inside JSON values, replaced without touching anything else: numbers keep their digits, members their order.

use std::borrow::Cow;

use super::super::escape::unescape;
use super::scan::Scanner;
use crate::destination::write_json_string;

/// A JSON value with every string in it, names of members included, and every number given to `redact`; none when
/// nothing was changed. A number that is replaced becomes a string.
pub(in crate::processing) fn redacted(
    json: &[u8],
    redact: &mut impl FnMut(&[u8]) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut copied = 0;
    let mut scanner = Scanner::new(json);
    while let Some(first) = scanner.next() {
        let start = scanner.at;
        let new = match first {
            b'"' => {
                let string = scanner.string()?;
                redact(&text(string.inner, string.escaped))
            }
            b'-' | b'0'..=b'9' => {
                let rest = &json[start..];
                let is_part = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                scanner.at += rest.iter().take_while(is_part).count();
                redact(&json[start..scanner.at])
            }
            _ => {
                scanner.at += 1;
                None
            }
        };
        if let Some(new) = new {
            out.extend_from_slice(&json[copied..start]);
            write_json_string(&mut out, &String::from_utf8_lossy(&new));
            copied = scanner.at;
        }
    }
    (copied > 0).then(|| {
        out.extend_from_slice(&json[copied..]);
        out
    })
}

fn text(inner: &[u8], escaped: bool) -> Cow<'_, [u8]> {
    if !escaped {
        return Cow::Borrowed(inner);
    }
    let mut out = Vec::with_capacity(inner.len());
    // Incomplete escapes can't be: the value was read before.
    unescape(&mut out, inner).unwrap_or_default();
    Cow::Owned(out)
}
