//! A limit by the time of records, not by the clock: the backlog of an outage, read at once, is judged as if it had been
//! read when it was written.
//!
//! Time is divided into windows of a burst's length, and in each a burst may pass. So it doesn't matter in which order
//! records come: files that are read by turns, each a piece at a time, don't take each other's share, and one record with
//! a time of next century uses up nothing but that.

use pipeline::transform::RateLimit;

/// How much passes in how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    burst: u32,
    /// What a burst is the rate of, in nanoseconds.
    window: i64,
}

/// How many have passed, by window.
#[derive(Clone, Debug, Default)]
pub(in crate::processing) struct Bucket {
    /// Each window has its place; one that is this many windows away takes it over.
    windows: Vec<Window>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    number: i64,
    passed: u32,
}

/// By default a window is a second: files may be a quarter of an hour apart.
const WINDOWS: u16 = 1024;
const SECOND: u64 = 1_000_000_000;

impl Rate {
    pub(super) fn new(limit: &RateLimit) -> Self {
        let burst = limit.burst.unwrap_or(limit.records_per_second);
        let window = u64::from(burst) * SECOND / u64::from(limit.records_per_second.max(1));
        Self {
            burst,
            window: i64::try_from(window.max(1)).unwrap_or(i64::MAX),
        }
    }

    /// Counts a record of `time`, nanoseconds since the Unix epoch, if it may pass; whether it may.
    pub(super) fn take(self, bucket: &mut Bucket, time: i64) -> bool {
        bucket.windows.resize(usize::from(WINDOWS), Window::default());
        let number = time.div_euclid(self.window);
        let place = usize::try_from(number.rem_euclid(i64::from(WINDOWS))).unwrap_or(0);
        let Some(window) = bucket.windows.get_mut(place) else {
            return true;
        };
        if window.number != number {
            *window = Window { number, passed: 0 };
        }
        let passes = window.passed < self.burst;
        window.passed += u32::from(passes);
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn rate(records_per_second: u32, burst: Option<u32>) -> Rate {
        Rate::new(&RateLimit {
            records_per_second,
            burst,
            on_exceed: pipeline::transform::OnExceed::Drop,
        })
    }

    fn passed(rate: Rate, times: impl Iterator<Item = i64>) -> usize {
        let mut bucket = Bucket::default();
        times.filter(|time| rate.take(&mut bucket, *time)).count()
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let at_once = std::iter::repeat_n(1_793_491_200 * SECOND, 100);
        assert_eq!(passed(rate(10, Some(30)), at_once), 30);
        let ten_seconds = (0..10_000).map(|milli| milli * SECOND / 1000);
        assert_eq!(passed(rate(10, Some(1)), ten_seconds.clone()), 100);
        assert_eq!(passed(rate(10, None), ten_seconds.clone()), 100);
        assert_eq!(passed(rate(10, Some(50)), ten_seconds), 100);
    }

    #[test]
    fn a_backlog_is_judged_by_its_own_time() {
        let written_slowly = (0..1000).map(|record| record * SECOND / 5);
        assert_eq!(passed(rate(10, None), written_slowly), 1000);
    }

    #[test]
    fn the_backlogs_of_files_that_are_read_by_turns_all_pass() {
        // Three files with 3 records a second each, of which a minute is read at a time.
        let minutes = (0..60).flat_map(|minute| (0..3).map(move |_| minute));
        let times = minutes.flat_map(|minute| (0..180).map(move |record| (minute * 60 + record / 3) * SECOND));
        assert_eq!(passed(rate(10, None), times.clone()), 3 * 180 * 60);
        assert_eq!(passed(rate(8, None), times), 8 * 3600);
    }

    #[test]
    fn a_time_of_next_century_takes_nothing_from_the_others() {
        let now = 1_793_491_200 * SECOND;
        let times = [now, i64::MAX, now, i64::MIN]
            .into_iter()
            .chain((0..20).map(|second| now + second * SECOND));
        assert_eq!(
            passed(rate(2, None), times),
            23,
            "the third in the first second is too many"
        );
    }

    #[test]
    fn times_that_jump_back_give_nothing_away() {
        let jumping = (0..1000).map(|record| if record % 2 == 0 { 0 } else { SECOND });
        assert_eq!(passed(rate(1, Some(1)), jumping), 2);
    }
}
