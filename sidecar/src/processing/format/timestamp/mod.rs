//! The time that stands in a line. `jiff` reads it, with the time zones that are embedded in the binary.

mod rfc3339;

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::processing::ProcessingError;

/// How a time is written.
#[derive(Debug)]
pub(super) enum Layout {
    /// Without an offset the time is one of the zone.
    Rfc3339(TimeZone),
    /// Seconds, with a fraction or without.
    Unix,
    UnixMilli,
    Strftime(String, TimeZone),
}

static PARSER: DateTimeParser = DateTimeParser::new();

impl Layout {
    pub(super) fn new(layout: &str, zone: Option<&str>) -> Result<Self, ProcessingError> {
        let zone = match zone {
            Some(name) => TimeZone::get(name).map_err(|_| ProcessingError::TimeZone(name.to_owned()))?,
            None => TimeZone::UTC,
        };
        Ok(match layout {
            "RFC3339" => Self::Rfc3339(zone),
            "Unix" => Self::Unix,
            "UnixMilli" => Self::UnixMilli,
            _ => Self::Strftime(layout.to_owned(), zone),
        })
    }

    /// Nanoseconds since the Unix epoch. `read_at`, in the same unit, gives the year where the layout has none.
    pub(super) fn read(&self, text: &[u8], read_at: i64) -> Option<i64> {
        match self {
            Self::Rfc3339(zone) => in_rfc3339(text, zone),
            Self::Unix => decimal(text, 9),
            Self::UnixMilli => decimal(text, 6),
            Self::Strftime(layout, zone) => strftime(layout, zone, text, read_at),
        }
    }
}

pub(super) fn rfc3339(text: &[u8]) -> Option<i64> {
    let plain = rfc3339::read(text).and_then(rfc3339::Plain::timestamp);
    plain.or_else(|| nanoseconds(PARSER.parse_timestamp(text).ok()?))
}

fn in_rfc3339(text: &[u8], zone: &TimeZone) -> Option<i64> {
    match rfc3339::read(text) {
        Some(plain) if *zone == TimeZone::UTC => Some(plain.or_utc()),
        Some(plain) if plain.timestamp().is_some() => plain.timestamp(),
        _ => rfc3339(text).or_else(|| in_zone(PARSER.parse_datetime(text).ok()?, zone)),
    }
}

fn strftime(layout: &str, zone: &TimeZone, text: &[u8], read_at: i64) -> Option<i64> {
    let mut time = strtime::parse(layout, text).ok()?;
    if time.year().is_some() || time.timestamp().is_some() {
        return complete(&time, zone);
    }
    let now = Timestamp::from_nanosecond(i128::from(read_at))
        .ok()?
        .to_zoned(zone.clone());
    time.set_year(Some(now.year())).ok()?;
    // The last lines of a year are read in the next one. The 29th of February has no other year to go to.
    let this_year = complete(&time, zone);
    let tomorrow = nanoseconds(now.timestamp().checked_add(24.hours()).ok()?)?;
    if this_year.is_some_and(|time| time <= tomorrow) {
        return this_year;
    }
    time.set_year(Some(now.year() - 1)).ok()?;
    complete(&time, zone).or(this_year)
}

fn complete(time: &strtime::BrokenDownTime, zone: &TimeZone) -> Option<i64> {
    if time.offset().is_some() || time.timestamp().is_some() {
        return nanoseconds(time.to_timestamp().ok()?);
    }
    if time.iana_time_zone().is_some() {
        return nanoseconds(time.to_zoned().ok()?.timestamp());
    }
    in_zone(time.to_datetime().ok()?, zone)
}

/// In the hour that a change of clocks repeats the first is taken.
fn in_zone(time: DateTime, zone: &TimeZone) -> Option<i64> {
    nanoseconds(zone.to_ambiguous_timestamp(time).compatible().ok()?)
}

fn nanoseconds(time: Timestamp) -> Option<i64> {
    i64::try_from(time.as_nanosecond()).ok()
}

/// A decimal number in units of 10^-`digits`; finer digits are cut off.
fn decimal(text: &[u8], digits: usize) -> Option<i64> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let point = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let (whole, fraction) = (&text[..point], text.get(point + 1..).unwrap_or_default());
    if whole.is_empty() || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let padding = std::iter::repeat(&b'0');
    let number = whole.iter().chain(fraction.iter().chain(padding).take(digits));
    let value = number.into_iter().try_fold(0_i64, |value, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        value.checked_mul(10)?.checked_add(i64::from(digit))
    })?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn read(layout: &str, zone: Option<&str>, text: &str, now: &str) -> Option<i64> {
        let now = nanoseconds(now.parse().unwrap()).unwrap();
        Layout::new(layout, zone).unwrap().read(text.as_bytes(), now)
    }

    fn at(time: &str) -> Option<i64> {
        nanoseconds(time.parse().unwrap())
    }

    #[test]
    fn times_are_read_as_they_are_written() {
        let now = "2026-11-23T10:00:00Z";
        for (layout, zone, text, expected) in [
            (
                "RFC3339",
                None,
                "2026-11-01T12:00:00.5+02:00",
                at("2026-11-01T10:00:00.5Z"),
            ),
            ("RFC3339", None, "2026-11-01 12:00:00Z", at("2026-11-01T12:00:00Z")),
            (
                "RFC3339",
                Some("Europe/Berlin"),
                "2026-07-01T12:00:00",
                at("2026-07-01T10:00:00Z"),
            ),
            ("RFC3339", None, "yesterday", None),
            ("Unix", None, "1793491200", Some(1_793_491_200 * SECOND)),
            ("Unix", None, "1793491200.25", Some(1_793_491_200 * SECOND + SECOND / 4)),
            ("Unix", None, "-1.5", Some(-SECOND - SECOND / 2)),
            ("Unix", None, "1e9", None),
            ("Unix", None, "99999999999999", None),
            ("UnixMilli", None, "1793491200123", Some(1_793_491_200_123 * 1_000_000)),
            (
                "%Y-%m-%d %H:%M:%S%.f",
                None,
                "2026-11-01 12:00:00.123",
                at("2026-11-01T12:00:00.123Z"),
            ),
            (
                "%Y-%m-%d %H:%M:%S",
                Some("America/New_York"),
                "2026-11-02 12:00:00",
                at("2026-11-02T17:00:00Z"),
            ),
            (
                "%d/%b/%Y:%H:%M:%S %z",
                None,
                "01/Nov/2026:12:00:00 +0100",
                at("2026-11-01T11:00:00Z"),
            ),
            ("%s", None, "1793491200", Some(1_793_491_200 * SECOND)),
        ] {
            assert_eq!(read(layout, zone, text, now), expected, "{layout} {text}");
        }
    }

    #[test]
    fn a_time_without_a_year_is_of_the_last_twelve_months() {
        for (text, now, expected) in [
            ("Nov 22 10:00:00", "2026-11-23T10:00:00Z", "2026-11-22T10:00:00Z"),
            ("Dec 31 23:59:59", "2027-01-01T00:00:01Z", "2026-12-31T23:59:59Z"),
            ("Nov 23 20:00:00", "2026-11-23T10:00:00Z", "2026-11-23T20:00:00Z"),
        ] {
            assert_eq!(read("%b %d %H:%M:%S", None, text, now), at(expected), "{text}");
        }
    }

    #[test]
    fn a_time_that_the_clocks_repeat_or_leave_out_is_still_a_time() {
        let now = "2026-11-23T10:00:00Z";
        let berlin = |text| read("%Y-%m-%d %H:%M:%S", Some("Europe/Berlin"), text, now);
        assert_eq!(berlin("2026-10-25 02:30:00"), at("2026-10-25T00:30:00Z"));
        assert_eq!(berlin("2026-03-29 02:30:00"), at("2026-03-29T01:30:00Z"));
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in proptest::collection::vec(proptest::num::u8::ANY, 0..40), now in proptest::num::i64::ANY) {
            for layout in ["RFC3339", "Unix", "UnixMilli", "%b %d %H:%M:%S", "%a, %d %b %Y %T %Q"] {
                let _ = Layout::new(layout, Some("Europe/Berlin")).unwrap().read(&text, now);
            }
        }
    }
}
