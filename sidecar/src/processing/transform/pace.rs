//! Token buckets that the clock fills: where reading has to wait instead of leaving records out, no more records are read
//! than a bucket has tokens.

use std::time::Duration;

use pipeline::transform::RateLimit;

/// How fast a bucket fills and how much it holds, in millionths of a record per nanosecond's worth of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::processing) struct Pace {
    per_second: u64,
    /// In nanoseconds' worth of tokens: a record takes a second's worth divided by the rate.
    burst: u64,
}

/// How full a bucket is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::processing) struct Tokens {
    /// Record-nanoseconds: a record costs 10^9, a nanosecond adds `per_second`.
    tokens: Option<u64>,
    at: i64,
}

const RECORD: u64 = 1_000_000_000;

impl Pace {
    pub(super) fn new(limit: &RateLimit) -> Self {
        let per_second = u64::from(limit.records_per_second.max(1));
        let burst = limit.burst.map_or(per_second, u64::from).max(1);
        Self {
            per_second,
            burst: burst.saturating_mul(RECORD),
        }
    }

    /// How many records' worth there is at `time`.
    pub(in crate::processing) fn ready(self, bucket: &mut Tokens, time: i64) -> u64 {
        self.fill(bucket, time) / RECORD
    }

    /// How long it takes from when the bucket was last filled until it is worth while to read on: a tenth of a second's
    /// worth, so that a slow flow isn't read record by record, unless a burst is less.
    pub(in crate::processing) fn pause(self, bucket: &Tokens) -> Duration {
        let wanted = (self.per_second / 10).saturating_mul(RECORD).clamp(RECORD, self.burst);
        let lacking = wanted.saturating_sub(bucket.tokens.unwrap_or(self.burst));
        Duration::from_nanos(lacking.div_ceil(self.per_second))
    }

    fn fill(self, bucket: &mut Tokens, time: i64) -> u64 {
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

impl Tokens {
    /// Takes a record's worth of what is known to be there.
    pub(super) fn spend(&mut self) {
        self.tokens = self.tokens.map(|tokens| tokens.saturating_sub(RECORD));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(records_per_second: u32, burst: Option<u32>) -> Pace {
        Pace::new(&RateLimit {
            records_per_second,
            burst,
            on_exceed: pipeline::transform::OnExceed::Wait,
        })
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
            let (rate, mut bucket) = (pace(records_per_second, burst), Tokens::default());
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
}
