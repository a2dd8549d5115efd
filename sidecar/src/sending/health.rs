//! How one destination is doing: written by its lane, read by `/status` and `/metrics`.
//!
//! The state is that of the last finished request, so a destination without traffic keeps what it had. All times are
//! wall-clock times of the lane; none of them ticks while nothing happens.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use pipeline::report::{DestinationState, FailureReason, LastError};

use crate::batch::Failure;

/// Upper bounds of the request duration histogram, in seconds.
pub const DURATION_BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Shared between a lane and the report.
#[derive(Debug, Default)]
pub struct Health {
    inner: Mutex<Snapshot>,
}

/// A copy of everything that is known about a destination's health.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    pub state: DestinationState,
    /// Set while the state is retrying or blocked.
    pub reason: Option<FailureReason>,
    pub failing_since: Option<Timestamp>,
    pub last_error: Option<(Timestamp, String)>,
    pub last_acknowledged_at: Option<Timestamp>,
    /// Failed requests that are sent again, by [`FailureReason::as_str`].
    pub retries: BTreeMap<&'static str, u64>,
    pub durations: Durations,
}

/// A histogram of request durations, failed ones included.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Durations {
    /// One count per bucket of [`DURATION_BUCKETS`], not cumulative; what is longer is only in `count`.
    pub buckets: [u64; DURATION_BUCKETS.len()],
    pub count: u64,
    pub sum_seconds: f64,
}

impl Health {
    pub fn snapshot(&self) -> Snapshot {
        self.lock().clone()
    }

    /// A request was acknowledged. Returns since when the destination had been failing, if it had.
    pub(crate) fn acknowledged(&self, now: Timestamp) -> Option<Timestamp> {
        let mut health = self.lock();
        health.state = DestinationState::Healthy;
        health.reason = None;
        health.last_acknowledged_at = Some(now);
        health.failing_since.take()
    }

    /// A request failed and its records wait.
    pub(crate) fn failed(&self, state: DestinationState, failure: &Failure, now: Timestamp) {
        let mut health = self.lock();
        health.state = state;
        health.reason = Some(failure.reason);
        health.failing_since.get_or_insert(now);
        health.last_error = Some((now, failure.message.clone()));
        *health.retries.entry(failure.reason.as_str()).or_default() += 1;
    }

    /// Records were given up, and the destination said this; the others go on.
    pub(crate) fn noted(&self, words: &str, now: Timestamp) {
        self.lock().last_error = Some((now, words.to_owned()));
    }

    /// A request took so long, whatever came of it.
    pub(crate) fn took(&self, duration: Duration) {
        self.lock().durations.observe(duration.as_secs_f64());
    }

    /// The lock is never held across code that can panic, so a poisoned one still holds a consistent value.
    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Snapshot {
    /// In the form of the report.
    pub fn last_error(&self) -> Option<LastError> {
        self.last_error.as_ref().map(|(at, message)| LastError {
            at: at.to_string(),
            message: message.clone(),
        })
    }
}

impl Durations {
    fn observe(&mut self, seconds: f64) {
        self.count += 1;
        self.sum_seconds += seconds;
        if let Some(bucket) = DURATION_BUCKETS.iter().position(|bound| seconds <= *bound) {
            self.buckets[bucket] += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(message: &str) -> Failure {
        Failure {
            reason: FailureReason::ServerError,
            message: message.to_owned(),
        }
    }

    #[test]
    fn failing_since_is_the_first_failure_until_something_is_acknowledged() {
        let health = Health::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(health.snapshot().state, DestinationState::Idle);
        health.failed(DestinationState::Retrying, &failure("503"), at(10));
        health.failed(DestinationState::Blocked, &failure("401"), at(20));
        let failing = health.snapshot();
        assert_eq!(
            (failing.failing_since, failing.state),
            (Some(at(10)), DestinationState::Blocked)
        );
        assert_eq!(failing.retries["ServerError"], 2);
        assert_eq!(failing.last_error().unwrap().message, "401");
        health.acknowledged(at(30));
        let healthy = health.snapshot();
        assert_eq!((healthy.failing_since, healthy.reason), (None, None));
        assert_eq!(
            healthy.last_error().unwrap().at,
            "1970-01-01T00:00:20Z",
            "history stays visible"
        );
    }

    #[test]
    fn durations_fall_into_the_bucket_whose_bound_they_do_not_exceed() {
        let mut durations = Durations::default();
        for seconds in [0.005, 0.006, 31.0] {
            durations.observe(seconds);
        }
        assert_eq!((durations.buckets[0], durations.buckets[1], durations.count), (1, 1, 3));
        assert_eq!(durations.buckets.iter().sum::<u64>(), 2);
    }
}
