//! Token buckets. What is above a rate is left out by the time of records, not by the clock: the backlog of an outage, read
//! at once, is judged as if it had been read when it was written. Where reading has to wait instead, the clock fills the
//! bucket, and no more records are read than it has tokens.

use std::time::Duration;

use pipeline::transform::RateLimit;

/// How fast a bucket fills and how much it holds, in millionths of a record per nanosecond's worth of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::processing) struct Rate {
    per_second: u64,
    /// In nanoseconds' worth of tokens: a record takes a second's worth divided by the rate.
    burst: u64,
}

/// How full a bucket is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::processing) struct Bucket {
    /// Record-nanoseconds: a record costs 10^9, a nanosecond adds `per_second`.
    tokens: Option<u64>,
    at: i64,
}

const RECORD: u64 = 1_000_000_000;

impl Rate {
    pub(super) fn new(limit: &RateLimit) -> Self {
        let per_second = u64::from(limit.records_per_second.max(1));
        let burst = limit.burst.map_or(per_second, u64::from).max(1);
        Self {
            per_second,
            burst: burst.saturating_mul(RECORD),
        }
    }

    /// Takes a record's worth at `time`, nanoseconds since the Unix epoch; whether there was enough. A time before an
    /// earlier record's adds nothing.
    pub(super) fn take(self, bucket: &mut Bucket, time: i64) -> bool {
        let has = self.fill(bucket, time);
        let left = has.checked_sub(RECORD);
        bucket.tokens = Some(left.unwrap_or(has));
        left.is_some()
    }

    /// How many records' worth there is at `time`.
    pub(in crate::processing) fn ready(self, bucket: &mut Bucket, time: i64) -> u64 {
        self.fill(bucket, time) / RECORD
    }

    /// How long it takes from when the bucket was last filled until it is worth while to read on: a tenth of a second's
    /// worth, so that a slow flow isn't read record by record, unless a burst is less.
    pub(in crate::processing) fn pause(self, bucket: &Bucket) -> Duration {
        let wanted = (self.per_second / 10).saturating_mul(RECORD).clamp(RECORD, self.burst);
        let lacking = wanted.saturating_sub(bucket.tokens.unwrap_or(self.burst));
        Duration::from_nanos(lacking.div_ceil(self.per_second))
    }

    fn fill(self, bucket: &mut Bucket, time: i64) -> u64 {
        let elapsed = match bucket.tokens {
            None => 0,
            Some(_) => u64::try_from(time.saturating_sub(bucket.at)).unwrap_or(0),
        };
        bucket.at = bucket.at.max(time);
        let had = bucket.tokens.unwrap_or(self.burst);
        let has = had
            .saturating_add(elapsed.saturating_mul(self.per_second))
            .min(self.burst);
        bucket.tokens = Some(has);
        has
    }
}

impl Bucket {
    /// Takes a record's worth of what is known to be there.
    pub(super) fn spend(&mut self) {
        self.tokens = self.tokens.map(|tokens| tokens.saturating_sub(RECORD));
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
        assert_eq!(passed(rate(10, Some(1)), ten_seconds), 100);
    }

    #[test]
    fn a_backlog_is_judged_by_its_own_time() {
        let written_slowly = (0..1000).map(|record| record * SECOND / 5);
        assert_eq!(passed(rate(10, None), written_slowly), 1000);
    }

    #[test]
    fn reading_waits_until_it_is_worth_while() {
        for (records_per_second, burst, pause) in [
            (1000, None, 100),
            (1000, Some(5), 5),
            (10, None, 100),
            (2, None, 500),
            (2, Some(1), 500),
        ] {
            let (rate, mut bucket) = (rate(records_per_second, burst), Bucket::default());
            let at_once = rate.ready(&mut bucket, 0);
            assert_eq!(at_once, u64::from(burst.unwrap_or(records_per_second)));
            (0..at_once).for_each(|_| bucket.spend());
            assert_eq!(rate.ready(&mut bucket, 0), 0);
            let wait = rate.pause(&bucket);
            assert_eq!(wait, Duration::from_millis(pause), "{records_per_second} {burst:?}");
            let later = i64::try_from(wait.as_nanos()).unwrap();
            assert!(rate.ready(&mut bucket, later - 1) < rate.ready(&mut bucket, later));
        }
    }

    #[test]
    fn times_that_jump_back_give_nothing_away() {
        let jumping = (0..1000).map(|record| if record % 2 == 0 { 0 } else { SECOND });
        assert_eq!(passed(rate(1, Some(1)), jumping), 2);
        assert_eq!(passed(rate(1, Some(1)), [i64::MIN, i64::MAX, i64::MIN].into_iter()), 2);
    }
}
