//! Durations in the syntax of Go (`1m30s`, `200ms`), which is what Kubernetes users write everywhere else.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a duration must look like; the same pattern stands in the CRD.
pub const PATTERN: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";

/// Units from the largest to the smallest, in milliseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A span of time with millisecond resolution, written like `1m30s`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration {
    millis: u64,
}

/// The text is not a duration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a duration: write a number with a unit h, m, s or ms, such as 30s or 1m30s")]
pub struct ParseDurationError(String);

impl Duration {
    pub const fn from_millis(millis: u64) -> Self {
        Self { millis }
    }

    pub const fn from_secs(secs: u64) -> Self {
        Self { millis: secs * 1_000 }
    }

    pub const fn as_millis(self) -> u64 {
        self.millis
    }

    pub const fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.millis)
    }
}

impl FromStr for Duration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text)
            .map(Self::from_millis)
            .ok_or_else(|| ParseDurationError(text.to_owned()))
    }
}

/// One to four groups of at most five digits and a unit; the sum can't overflow within these bounds.
fn parse(text: &str) -> Option<u64> {
    let (mut rest, mut millis) = (text, 0);
    for _ in 0..4 {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        if digits == 0 || digits > 5 {
            return None;
        }
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        millis += number.parse::<u64>().ok()? * factor;
        if tail.is_empty() {
            return Some(millis);
        }
        rest = tail;
    }
    None
}

/// The shortest spelling, largest unit first; what was written as `90s` reads back as `1m30s`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.millis == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.millis;
        for (unit, factor) in UNITS {
            if rest >= factor {
                write!(f, "{}{unit}", rest / factor)?;
                rest %= factor;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_syntax_of_go_is_read() {
        for (text, millis) in [
            ("30s", 30_000),
            ("1m30s", 90_000),
            ("200ms", 200),
            ("24h", 86_400_000),
            ("0s", 0),
        ] {
            assert_eq!(text.parse::<Duration>().unwrap().as_millis(), millis, "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in ["", "30", "s", "1d", "-1s", "1.5s", "123456s", "1s2s3s4s5s", " 1s"] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn writing_and_reading_gives_the_same_duration(millis in 0_u64..99_999 * 3_600_000) {
            let duration = Duration::from_millis(millis);
            proptest::prop_assert_eq!(duration.to_string().parse::<Duration>().unwrap(), duration);
        }
    }
}
