//! Escapes in quoted texts: those of JSON (RFC 8259 section 7), and those that Go's `strconv.Quote` writes beside them:
//! `\a`, `\v`, `\xNN` and `\UNNNNNNNN`.

/// Appends what stands between quotes, without its escapes. `None` where one isn't complete; what was appended by then
/// means nothing. Half of a surrogate pair, which JavaScript may write, becomes U+FFFD.
pub(super) fn unescape(out: &mut Vec<u8>, inner: &[u8]) -> Option<()> {
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let (character, after) = rest[at + 1..].split_first()?;
        rest = after;
        match character {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'a' => out.push(7),
            b'v' => out.push(11),
            b'x' => out.push(u8::try_from(hex(&mut rest, 2)?).ok()?),
            b'u' => push(out, sixteen_bits(&mut rest)?),
            b'U' => push(out, char::from_u32(hex(&mut rest, 8)?)?),
            other => out.push(*other),
        }
    }
    out.extend_from_slice(rest);
    Some(())
}

/// A character beyond the first 65,536 is written as two halves.
fn sixteen_bits(rest: &mut &[u8]) -> Option<char> {
    let first = hex(rest, 4)?;
    if !(0xD800..0xDC00).contains(&first) {
        return Some(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    let mut after = *rest;
    let second = after.strip_prefix(b"\\u").and_then(|digits| {
        after = digits;
        hex(&mut after, 4)
    });
    let low = second
        .and_then(|second| second.checked_sub(0xDC00))
        .filter(|low| *low < 0x400);
    let Some(low) = low else {
        return Some(char::REPLACEMENT_CHARACTER);
    };
    *rest = after;
    char::from_u32(0x10000 + ((first - 0xD800) << 10) + low)
}

fn hex(rest: &mut &[u8], digits: usize) -> Option<u32> {
    let (number, after) = rest.split_at_checked(digits)?;
    *rest = after;
    number.iter().try_fold(0, |value: u32, digit| {
        Some(value.wrapping_shl(4) | char::from(*digit).to_digit(16)?)
    })
}

fn push(out: &mut Vec<u8>, character: char) {
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_resolved_and_half_characters_replaced() {
        for (inner, expected) in [
            (r"plain", Some("plain")),
            (r#"\"\\\/\n\t\r"#, Some("\"\\/\n\t\r")),
            (r"\u00fc\ud83d\ude00", Some("ü😀")),
            (r"\ud83d", Some("\u{fffd}")),
            (r"\ud83d\n", Some("\u{fffd}\n")),
            (r"\ud83d\u0041", Some("\u{fffd}A")),
            (r"\ude00x", Some("\u{fffd}x")),
            (r"\x41\U0001F600\a\v", Some("A😀\u{7}\u{b}")),
            (r"\u12", None),
            (r"\U00110000", None),
            (r"\", None),
        ] {
            let mut out = Vec::new();
            let whole = unescape(&mut out, inner.as_bytes());
            assert_eq!(
                whole.map(|()| String::from_utf8(out).unwrap()).as_deref(),
                expected,
                "{inner}"
            );
        }
    }
}
