//! Layouts and zones of times, judged by the library that the sidecar parses them with.

use jiff::civil::date;
use jiff::fmt::strtime;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::form;
use crate::source::{LAYOUT, ZONE_BELONGS};

/// Layouts that have a name. Seconds since 1970 know no zone.
const NAMED: [&str; 3] = ["RFC3339", "Unix", "UnixMilli"];
const WITHOUT_ZONE: [&str; 2] = ["Unix", "UnixMilli"];

/// A layout must say date and time of day, or seconds since 1970.
pub(super) fn layout(layout: &str) -> Result<(), String> {
    if NAMED.contains(&layout) {
        return Ok(());
    }
    if !layout.contains('%') {
        return Err(format!("{layout:?}: {LAYOUT}"));
    }
    form::TEXT.check(layout)?;
    let unusable = |error: jiff::Error| format!("{layout:?} is not a usable layout: {error}");
    // A layout is usable when a time written with it can be read with it.
    let time = date(2026, 11, 9)
        .at(18, 7, 6, 123_456_789)
        .to_zoned(TimeZone::UTC)
        .map_err(unusable)?;
    let text = strtime::format(layout, &time).map_err(unusable)?;
    let mut read = strtime::parse(layout, &text).map_err(unusable)?;
    if read.timestamp().is_some() {
        return Ok(());
    }
    if read.year().is_none() {
        // The sidecar takes the year in which the line was read.
        read.set_year(Some(time.year())).map_err(unusable)?;
    }
    if read.to_date().is_err() {
        return Err(format!("{layout:?} does not say month and day"));
    }
    if read.hour().is_none() {
        return Err(format!("{layout:?} does not say the time of day"));
    }
    Ok(())
}

/// The zone must be in the database that is part of the program; the image of the sidecar holds no other.
pub(super) fn zone(zone: &str, layout: &str) -> Result<(), String> {
    if WITHOUT_ZONE.contains(&layout) {
        return Err(ZONE_BELONGS.to_owned());
    }
    form::TIME_ZONE.check(zone)?;
    TimeZoneDatabase::bundled()
        .get(zone)
        .map(drop)
        .map_err(|_| format!("{zone:?} is not a known time zone: write a name such as UTC or Europe/Berlin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_judged_by_what_they_say() {
        let table = [
            ("RFC3339", ""),
            ("UnixMilli", ""),
            ("%Y-%m-%d %H:%M:%S", ""),
            ("%Y-%m-%dT%H:%M:%S%.f%:z", ""),
            ("%d/%b/%Y:%H:%M:%S %z", ""),
            ("%d.%m.%y %I:%M %p", ""),
            ("%s", ""),
            ("ISO", "must be RFC3339"),
            ("%H:%M:%S", "does not say month and day"),
            ("%b %d %H:%M:%S", ""),
            ("%Y %H:%M", "does not say month and day"),
            ("%Y-%m-%d", "does not say the time of day"),
            ("%Q%Y", "is not a usable layout"),
            ("%Y-%m-%d %H:%M:%S %", "is not a usable layout"),
        ];
        for (text, expected) in table {
            match layout(text) {
                Ok(()) => assert_eq!(expected, "", "{text}"),
                Err(message) => assert!(!expected.is_empty() && message.contains(expected), "{text}: {message}"),
            }
        }
    }

    #[test]
    fn zones_are_looked_up() {
        for (zone, layout, expected) in [
            ("Europe/Berlin", "%F %T", true),
            ("UTC", "%F %T", true),
            ("Europe/Bonn", "%F %T", false),
            ("../UTC", "%F %T", false),
            ("UTC", "RFC3339", true),
            ("UTC", "Unix", false),
        ] {
            assert_eq!(super::zone(zone, layout).is_ok(), expected, "{zone} {layout}");
        }
    }
}
