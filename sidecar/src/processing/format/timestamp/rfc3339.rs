//! RFC 3339 by hand, for the forms that nearly all programs write. What is written otherwise is for `jiff` to judge, and
//! so is whatever looks wrong here: this is only a shorter way to the same answer.

/// A time of day in a calendar, and how it stands to UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plain {
    /// Nanoseconds since the Unix epoch, if the time were one of UTC.
    nanoseconds: i64,
    offset: Offset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offset {
    Unsaid,
    Seconds(i64),
}

impl Plain {
    pub(super) const fn timestamp(self) -> Option<i64> {
        match self.offset {
            Offset::Seconds(offset) => Some(self.nanoseconds - offset * 1_000_000_000),
            Offset::Unsaid => None,
        }
    }

    /// Without an offset it is taken for UTC.
    pub(super) fn or_utc(self) -> i64 {
        self.timestamp().unwrap_or(self.nanoseconds)
    }
}

/// `2026-11-01T12:00:00`, or with a blank for the T; a fraction after a point or a comma; `Z`, an offset, or nothing.
pub(super) fn read(text: &[u8]) -> Option<Plain> {
    let (fixed, rest) = text.split_at_checked(19)?;
    let is_shaped = fixed[4] == b'-'
        && fixed[7] == b'-'
        && matches!(fixed[10], b'T' | b't' | b' ')
        && fixed[13] == b':'
        && fixed[16] == b':';
    if !is_shaped {
        return None;
    }
    let [year, month, day] = [number(&fixed[..4])?, number(&fixed[5..7])?, number(&fixed[8..10])?];
    let [hour, minute, second] = [number(&fixed[11..13])?, number(&fixed[14..16])?, number(&fixed[17..])?];
    // Those whose nanoseconds fit into 64 bits for sure.
    let is_date = (1700..2262).contains(&year) && (1..=12).contains(&month) && (1..=days(year, month)).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = days_since_epoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let (fraction, rest) = fraction(rest)?;
    Some(Plain {
        nanoseconds: seconds * 1_000_000_000 + fraction,
        offset: offset(rest)?,
    })
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| {
        let is_digit = digit.is_ascii_digit();
        is_digit.then(|| number * 10 + i64::from(digit - b'0'))
    })
}

/// One to nine digits, in nanoseconds, and what follows them.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(b'.' | b',') = rest.first() else {
        return Some((0, rest));
    };
    let digits = rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&digits) {
        return None;
    }
    let (fraction, rest) = rest[1..].split_at(digits);
    let missing = u32::try_from(9 - digits).ok()?;
    Some((number(fraction)? * 10_i64.pow(missing), rest))
}

fn offset(rest: &[u8]) -> Option<Offset> {
    match rest {
        [] => Some(Offset::Unsaid),
        b"Z" | b"z" => Some(Offset::Seconds(0)),
        [sign @ (b'+' | b'-'), hours @ .., b':', _, _] => {
            let minutes = number(&rest[rest.len() - 2..]).filter(|minutes| *minutes < 60)?;
            let hours = (hours.len() == 2).then(|| number(hours))?.filter(|hours| *hours < 24)?;
            let seconds = hours * 3600 + minutes * 60;
            Some(Offset::Seconds(if *sign == b'-' { -seconds } else { seconds }))
        }
        _ => None,
    }
}

const fn days(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Of the Gregorian calendar, with years that begin in March, so that the day that is left out is the last.
const fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_common_forms_are_read_and_the_others_left_to_the_library() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29 23:59:59,5", Some(951_868_799_500_000_000)),
            ("2026-11-01T12:00:00.000000001+02:00", Some(1_793_527_200_000_000_001)),
            ("1969-12-31T23:59:59.999999999-00:00", Some(-1)),
            ("2100-02-29T00:00:00Z", None),
            ("2026-11-01T24:00:00Z", None),
            ("2026-11-01T23:59:60Z", None),
            ("2026-11-01T00:00:00.Z", None),
            ("2026-11-01T00:00:00.1234567890Z", None),
            ("2026-11-01T00:00:00+0200", None),
            ("2026-11-01T00:00:00+1:00", None),
            ("2026-11-01T00:00:00[Europe/Berlin]", None),
            ("2026-11-01T00:00", None),
            ("9999-01-01T00:00:00Z", None),
        ] {
            assert_eq!(read(text.as_bytes()).map(Plain::or_utc), expected, "{text}");
        }
    }

    proptest! {
        /// jiff is the judge: what is read here it reads the same.
        #[test]
        fn it_never_says_anything_but_what_the_library_says(
            text in "(1[789][0-9]{2}|2[0-2][0-9]{2})-[0-3][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-5][0-9]:[0-6][0-9]([.,][0-9]{0,10})?(Z|z|[+-][0-2][0-9]:[0-7][0-9])",
        ) {
            if let Some(plain) = read(text.as_bytes()) {
                let expected: jiff::Timestamp = text.parse().unwrap();
                prop_assert_eq!(i128::from(plain.timestamp().unwrap()), expected.as_nanosecond(), "{}", text);
            }
        }

        #[test]
        fn every_day_has_its_number(days in -90_000_i64..100_000) {
            let date = jiff::civil::date(1970, 1, 1) + jiff::Span::new().days(days);
            let [year, month, day] = [i64::from(date.year()), i64::from(date.month()), i64::from(date.day())];
            prop_assert_eq!(days_since_epoch(year, month, day), days);
            prop_assert!(day <= super::days(year, month));
        }
    }
}
