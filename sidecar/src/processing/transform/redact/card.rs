//! Card numbers: the first digits and the length of a scheme, the Luhn check (ISO/IEC 7812-1, annex B), and digits as
//! people group them. One number in ten passes the check by chance, so the rest has to be exact.

/// Digits of the shortest number.
const LEAST: usize = 13;

/// Whether digits stand so close together anywhere that they may be a card's. Every byte of a number is a digit or a
/// separator, so it is enough to look at every thirteenth.
pub(super) fn may_have_card(text: &[u8]) -> bool {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b' ' | b'-');
    let mut at = LEAST - 1;
    while let Some(byte) = text.get(at) {
        if is_part(byte) {
            let before = text[..at].iter().rev().take_while(|byte| is_part(byte)).count();
            let after = text[at..].iter().take_while(|byte| is_part(byte)).count();
            let digits = text[at - before..at + after]
                .iter()
                .filter(|byte| byte.is_ascii_digit());
            if digits.count() >= LEAST {
                return true;
            }
            at += after;
        }
        at += LEAST;
    }
    false
}

/// A number that a card may have, and as one would be written.
pub(super) fn is_card(text: &[u8]) -> bool {
    let mut digits = [0; 19];
    let mut count = 0;
    for byte in text.iter().filter(|byte| byte.is_ascii_digit()) {
        let Some(digit) = digits.get_mut(count) else {
            return false;
        };
        *digit = u32::from(byte - b'0');
        count += 1;
    }
    let digits = &digits[..count];
    is_grouped(text) && is_issued(digits) && passes_luhn(digits)
}

/// No separators, or always the same one between groups of four digits, the last of which may be shorter; American
/// Express and Diners print four, six, and five or four.
fn is_grouped(text: &[u8]) -> bool {
    let Some(separator) = text.iter().copied().find(|byte| !byte.is_ascii_digit()) else {
        return true;
    };
    let mut groups = text.split(|byte| *byte == separator).map(|group| {
        let all_digits = group.iter().all(u8::is_ascii_digit);
        if all_digits { group.len() } else { 0 }
    });
    let Some((4, second)) = groups.next().zip(groups.next()) else {
        return false;
    };
    match second {
        6 => matches!((groups.next(), groups.next()), (Some(4 | 5), None)),
        4 => {
            let rest: Vec<usize> = groups.collect();
            rest.split_last()
                .is_some_and(|(last, whole)| (1..=4).contains(last) && whole.iter().all(|length| *length == 4))
        }
        _ => false,
    }
}

/// First digits and lengths by scheme: American Express, Diners, JCB, Mastercard, Mir, Visa, `RuPay`, Elo and Hipercard,
/// Maestro, Discover, `UnionPay`.
fn is_issued(digits: &[u32]) -> bool {
    let first = digits.iter().take(4).fold(0, |number, digit| number * 10 + digit);
    match first {
        3400..=3499 | 3700..=3799 => digits.len() == 15,
        3000..=3059 | 3095 | 3600..=3699 | 3800..=3999 => matches!(digits.len(), 14..=19),
        5100..=5599 | 2221..=2720 | 6000..=6010 | 6012..=6099 | 8100..=8299 | 6362 | 6363 => digits.len() == 16,
        4000..=4999 => matches!(digits.len(), 13 | 16 | 19),
        5000..=5099 | 5600..=5899 | 6304 | 6390 | 6700..=6799 => matches!(digits.len(), 13..=19),
        3528..=3589 | 2200..=2204 | 6011 | 6200..=6299 | 6440..=6599 => matches!(digits.len(), 16..=19),
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
