//! Sizes in bytes, written as Kubernetes quantities (`64Mi`, `1G`, `1048576`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What a size must look like when it is a string; the same pattern stands in the CRD.
pub const PATTERN: &str = "^[0-9]{1,15}(\\.[0-9]{1,3})?(Ki|Mi|Gi|Ti|k|M|G|T)?$";

const UNITS: [(&str, u64); 8] = [
    ("Ti", 1 << 40),
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1_000),
];

/// A number of bytes, read from a number or a quantity string, rounded up to whole bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteSize(u64);

/// The text is not a size.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a size in bytes: write a number, or a number with a unit such as 64Mi or 1Gi")]
pub struct ParseByteSizeError(String);

impl ByteSize {
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    pub const fn from_kib(kib: u64) -> Self {
        Self(kib << 10)
    }

    pub const fn from_mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    pub const fn as_bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = ParseByteSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map(Self).ok_or_else(|| ParseByteSizeError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<u64> {
    let (number, factor) = UNITS
        .iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, *factor)))
        .unwrap_or((text, 1));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let has_dot = number.contains('.');
    if whole.is_empty() || whole.len() > 15 || fraction.len() > 3 || !digits(whole) || !digits(fraction) {
        return None;
    }
    if has_dot && fraction.is_empty() {
        return None;
    }
    let thousandths = format!("{fraction:0<3}").parse::<u64>().ok()?;
    let whole = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    whole.checked_add((factor * thousandths).div_ceil(1_000))
}

/// The largest binary unit that divides the size exactly, else plain bytes.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, factor) in &UNITS[..4] {
            if self.0 != 0 && self.0.is_multiple_of(*factor) {
                return write!(f, "{}{unit}", self.0 / factor);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrText;
        impl de::Visitor<'_> for NumberOrText {
            type Value = ByteSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size in bytes, as a number or a string such as 64Mi")
            }

            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(bytes))
            }

            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
                u64::try_from(bytes)
                    .map(ByteSize)
                    .map_err(|_| E::custom("a size in bytes can't be negative"))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(NumberOrText)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_of_kubernetes_are_read() {
        let table = [
            ("0", 0),
            ("1048576", 1 << 20),
            ("64Mi", 64 << 20),
            ("1.5Gi", 3 << 29),
            ("1k", 1_000),
            ("0.001k", 1),
        ];
        for (text, bytes) in table {
            assert_eq!(text.parse::<ByteSize>().unwrap().as_bytes(), bytes, "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "Mi",
            "1.",
            ".5Mi",
            "-1",
            "1m",
            "1 Mi",
            "1e3",
            "1.2345Mi",
            "999999999999999Ti",
        ] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_is_as_good_as_a_string() {
        assert_eq!(
            serde_json::from_str::<ByteSize>("1024").unwrap(),
            serde_json::from_str(r#""1Ki""#).unwrap()
        );
        assert!(serde_json::from_str::<ByteSize>("-1").is_err());
    }

    proptest::proptest! {
        #[test]
        fn writing_and_reading_gives_the_same_size(bytes in 0_u64..999_999_999_999_999) {
            let size = ByteSize::from_bytes(bytes);
            proptest::prop_assert_eq!(size.to_string().parse::<ByteSize>().unwrap(), size);
        }
    }
}
