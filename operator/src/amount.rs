//! The exact value of a Kubernetes quantity.
//!
//! The API server rewrites quantities (`0.5` becomes `500m`, `1024Mi` becomes `1Gi`), so two of them are compared by
//! value and never by their text. Syntax: `k8s.io/apimachinery/pkg/api/resource`, `Quantity`.

use std::fmt;

/// Thousand millionths of the unit, the finest that a quantity can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(i128);

const UNIT: i128 = 1_000_000_000;

/// Suffixes that begin with another one stand before it.
const SUFFIXES: [(&str, i128); 15] = [
    ("Ki", UNIT << 10),
    ("Mi", UNIT << 20),
    ("Gi", UNIT << 30),
    ("Ti", UNIT << 40),
    ("Pi", UNIT << 50),
    ("Ei", UNIT << 60),
    ("n", 1),
    ("u", 1_000),
    ("m", 1_000_000),
    ("k", UNIT * 1_000),
    ("M", UNIT * 1_000_000),
    ("G", UNIT * 1_000_000_000),
    ("T", UNIT * 1_000_000_000_000),
    ("P", UNIT * 1_000_000_000_000_000),
    ("E", UNIT * 1_000_000_000_000_000_000),
];

impl Amount {
    /// The value of `text`; none when it isn't a quantity.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, factor) = SUFFIXES
            .iter()
            .find_map(|(suffix, factor)| text.strip_suffix(suffix).map(|number| (number, *factor)))
            .or_else(|| exponent(text))
            .unwrap_or((text, UNIT));
        decimal(number, factor).map(Self)
    }

    /// Whole units, rounded up: bytes, for a quantity of memory.
    pub fn rounded_up(self) -> Option<u64> {
        let whole = self.0 / UNIT + i128::from(self.0 % UNIT > 0);
        u64::try_from(whole).ok()
    }
}

/// The bare number: the same text for equal amounts, not meant for people.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// `1e3` and `1E3`.
fn exponent(text: &str) -> Option<(&str, i128)> {
    let (number, exponent) = text.split_once(['e', 'E'])?;
    let exponent: u32 = exponent.parse().ok()?;
    let factor = 10_i128.checked_pow(exponent)?.checked_mul(UNIT)?;
    Some((number, factor))
}

fn decimal(number: &str, factor: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) || fraction.len() > 9 {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: i128 = format!("{fraction:0<9}").parse().ok()?;
    let part = factor.checked_mul(fraction)?;
    let rounded = part / UNIT + i128::from(part % UNIT > 0);
    whole.checked_mul(factor)?.checked_add(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_makes_of_a_quantity_has_the_same_value() {
        for (written, stored) in [
            ("0.5", "500m"),
            ("1024Mi", "1Gi"),
            ("1000000", "1M"),
            ("1.5Gi", "1536Mi"),
            ("1000m", "1"),
            ("1e3", "1k"),
            (".5", "500m"),
        ] {
            assert_eq!(Amount::parse(written), Amount::parse(stored), "{written}");
            assert!(Amount::parse(written).is_some(), "{written}");
        }
    }

    #[test]
    fn amounts_are_ordered_by_value_and_nonsense_has_none() {
        assert!(Amount::parse("64Mi") > Amount::parse("64M"));
        assert!(Amount::parse("10m") < Amount::parse("1"));
        assert_eq!(Amount::parse("64Mi").and_then(Amount::rounded_up), Some(64 << 20));
        for text in ["", "x", "-1", "1 Mi", "Mi", "1..2"] {
            assert!(Amount::parse(text).is_none(), "{text}");
        }
    }
}
