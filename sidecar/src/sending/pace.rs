//! When the next request may start, and how many at once: exponential backoff with jitter, and one request at a time
//! while a destination fails. Pure; time and chance come in as arguments.

use std::time::Duration;

use pipeline::destination::Retry;
use tokio::time::Instant;

/// However long a server asks to be left alone, it is asked again after this.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);
/// What needs somebody to act starts with a pause this many doublings further up.
const SLOW_DOUBLINGS: u32 = 3;

/// How long to wait after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// It passes by itself; the server may have said when.
    Soon { after: Option<Duration> },
    /// Somebody has to act.
    Slow,
    /// Not at all: what is sent next differs from what failed.
    None,
}

/// Whether a request may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Now,
    At(Instant),
    /// When one that is under way has ended.
    Later,
}

/// The pace of one lane.
#[derive(Debug)]
pub(super) struct Pace {
    initial: Duration,
    max: Duration,
    in_flight: usize,
    allowed: usize,
    failures: u32,
    not_before: Option<Instant>,
    generation: Generation,
}

/// Requests that were under way together when one failed belong to one generation: their failures count once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Generation(u64);

impl Pace {
    pub(super) fn new(retry: &Retry, in_flight: usize) -> Self {
        Self {
            initial: retry.initial_backoff.to_std(),
            max: retry.max_backoff.to_std(),
            in_flight,
            allowed: in_flight,
            failures: 0,
            not_before: None,
            generation: Generation::default(),
        }
    }

    /// For a request that starts now.
    pub(super) fn generation(&self) -> Generation {
        self.generation
    }

    pub(super) fn start(&self, under_way: usize, now: Instant) -> Start {
        match self.not_before {
            _ if under_way >= self.allowed => Start::Later,
            Some(at) if at > now => Start::At(at),
            _ => Start::Now,
        }
    }

    /// Nothing was accepted since a request failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// A request was accepted: the number at once doubles up to the full one. A pause under way is kept, for another
    /// request may be failing while this one is not.
    pub(super) fn accepted(&mut self) {
        self.failures = 0;
        self.allowed = (self.allowed * 2).min(self.in_flight);
    }

    /// A request of `generation` failed. `chance` is from 0 to 1.
    pub(super) fn failed(&mut self, generation: Generation, pause: Pause, chance: f64, now: Instant) {
        if pause == Pause::None || generation != self.generation {
            return;
        }
        self.generation.0 += 1;
        self.allowed = 1;
        let wait = match pause {
            Pause::Soon { after: Some(after) } => after.min(MAX_RETRY_AFTER) + self.initial.mul_f64(chance),
            // Full jitter: clients that failed together don't come back together.
            Pause::Soon { after: None } | Pause::None => self.backoff(0).mul_f64(chance),
            Pause::Slow => self.backoff(SLOW_DOUBLINGS).mul_f64(0.5 + chance / 2.0),
        };
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + wait);
    }

    fn backoff(&self, ahead: u32) -> Duration {
        let doublings = self.failures.saturating_add(ahead).min(30);
        self.initial.saturating_mul(1 << doublings).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(in_flight: usize) -> Pace {
        Pace::new(&Retry::default(), in_flight)
    }

    fn wait(pace: &Pace, now: Instant) -> Duration {
        match pace.start(0, now) {
            Start::At(at) => at - now,
            Start::Now | Start::Later => Duration::ZERO,
        }
    }

    fn fail(pace: &mut Pace, pause: Pause, chance: f64, now: Instant) -> u128 {
        pace.failed(pace.generation(), pause, chance, now);
        wait(pace, now).as_millis()
    }

    const SOON: Pause = Pause::Soon { after: None };

    #[test]
    fn pauses_double_up_to_the_longest_and_start_anew_after_success() {
        let (mut pace, now) = (pace(1), Instant::now());
        let pauses: Vec<u128> = (0..10).map(|_| fail(&mut pace, SOON, 1.0, now)).collect();
        assert_eq!(
            pauses,
            [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]
        );
        pace.accepted();
        assert_eq!(fail(&mut pace, SOON, 1.0, now), 200);
        assert_eq!(fail(&mut pace, SOON, 0.5, now), 200, "any part of 400");
    }

    #[test]
    fn what_needs_somebody_to_act_is_tried_slowly() {
        let (mut pace, now) = (pace(1), Instant::now());
        assert_eq!(fail(&mut pace, Pause::Slow, 0.0, now), 800);
        assert_eq!(fail(&mut pace, Pause::Slow, 1.0, now), 3200);
        for _ in 0..100 {
            pace.failed(pace.generation(), Pause::Slow, 0.0, now);
        }
        assert_eq!(fail(&mut pace, Pause::Slow, 0.0, now), 15_000);
    }

    #[test]
    fn a_server_is_left_alone_as_long_as_it_asks_within_reason() {
        let (mut pace, now) = (pace(1), Instant::now());
        let after = |seconds| Pause::Soon {
            after: Some(Duration::from_secs(seconds)),
        };
        assert_eq!(fail(&mut pace, after(7), 0.0, now), 7_000);
        assert_eq!(fail(&mut pace, after(7), 1.0, now), 7_200, "never earlier");
        assert_eq!(fail(&mut pace, after(86_400), 0.0, now), 300_000);
    }

    #[test]
    fn a_failing_destination_gets_one_request_at_a_time() {
        let (mut pace, now) = (pace(4), Instant::now());
        assert_eq!((pace.start(3, now), pace.start(4, now)), (Start::Now, Start::Later));
        pace.failed(pace.generation(), SOON, 0.0, now);
        assert_eq!((pace.start(0, now), pace.start(1, now)), (Start::Now, Start::Later));
        pace.accepted();
        assert_eq!((pace.start(1, now), pace.start(2, now)), (Start::Now, Start::Later));
        pace.accepted();
        assert_eq!(pace.start(3, now), Start::Now);
    }

    #[test]
    fn requests_that_fail_together_count_once() {
        let (mut pace, now) = (pace(4), Instant::now());
        let together = pace.generation();
        for _ in 0..4 {
            pace.failed(together, SOON, 1.0, now);
        }
        assert_eq!(wait(&pace, now).as_millis(), 200);
    }
}
