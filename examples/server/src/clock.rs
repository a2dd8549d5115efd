//! Moments in time as the two logs write them, always in UTC.

use std::fmt;
use std::time::{Duration, SystemTime};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A moment, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    year: u64,
    month: usize,
    day: u64,
    second_of_day: u64,
    millisecond: u32,
}

impl Moment {
    /// Takes a moment apart. A clock before 1970 counts as 1970.
    pub fn of(time: SystemTime) -> Self {
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let seconds = since_epoch.as_secs();
        let (year, month, day) = civil(seconds / 86_400);
        Self {
            year,
            month,
            day,
            second_of_day: seconds % 86_400,
            millisecond: since_epoch.subsec_millis(),
        }
    }

    /// `23/Nov/2026:06:49:29 +0000`, the form of the Common Log Format.
    pub fn common_log(self) -> impl fmt::Display {
        CommonLog(self)
    }

    /// `2026-11-23T06:49:29.123Z`, RFC 3339.
    pub fn rfc3339(self) -> impl fmt::Display {
        Rfc3339(self)
    }

    fn clock(self) -> (u64, u64, u64) {
        (
            self.second_of_day / 3600,
            self.second_of_day / 60 % 60,
            self.second_of_day % 60,
        )
    }
}

struct CommonLog(Moment);

impl fmt::Display for CommonLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second) = self.0.clock();
        let Moment { year, month, day, .. } = self.0;
        let month = MONTHS[month - 1];
        write!(
            formatter,
            "{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000"
        )
    }
}

struct Rfc3339(Moment);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second) = self.0.clock();
        let Moment {
            year,
            month,
            day,
            millisecond,
            ..
        } = self.0;
        write!(
            formatter,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z"
        )
    }
}

/// Year, month and day of a day counted from 1970-01-01, by Howard Hinnant's `civil_from_days`
/// (<https://howardhinnant.github.io/date_algorithms.html>), without its part for days before the epoch.
fn civil(days: u64) -> (u64, usize, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, usize::try_from(month).unwrap_or(1), day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_both_forms() {
        let cases = [
            (0, "01/Jan/1970:00:00:00 +0000", "1970-01-01T00:00:00.000Z"),
            (
                951_782_399_999,
                "28/Feb/2000:23:59:59 +0000",
                "2000-02-28T23:59:59.999Z",
            ),
            (
                951_782_400_000,
                "29/Feb/2000:00:00:00 +0000",
                "2000-02-29T00:00:00.000Z",
            ),
            (
                1_795_416_569_123,
                "23/Nov/2026:06:49:29 +0000",
                "2026-11-23T06:49:29.123Z",
            ),
            (
                4_107_542_400_000,
                "01/Mar/2100:00:00:00 +0000",
                "2100-03-01T00:00:00.000Z",
            ),
        ];
        for (milliseconds, common, rfc3339) in cases {
            let moment = Moment::of(SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds));
            assert_eq!(moment.common_log().to_string(), common);
            assert_eq!(moment.rfc3339().to_string(), rfc3339);
        }
    }
}
