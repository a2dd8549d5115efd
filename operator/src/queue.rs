//! What is to be done next: keys that are woken, each waiting at most once and worked on by at most one task.
//!
//! A key that is woken while it is worked on is worked on again afterwards, so no change is missed. The queue is bounded
//! by the number of keys, and waking never blocks. Failures are repeated with [`Backoff`]. Waking a key that has failed
//! shortens its wait to [`AFTER_FAILURE`], never to nothing, so one that changes all the time isn't tried all the time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;

/// How long a key that has failed is left alone though it is woken, where its backoff isn't shorter. Long enough to spare
/// the API server, short enough for somebody who has just put things right and looks on.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// What follows from having worked on a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing until something wakes the key.
    Wait,
    /// Again after this time, unless it is woken earlier.
    After(Duration),
    /// It failed: again after the backoff of the key.
    Retry,
}

/// Keys and when they are due. Pure: the time comes in as an argument. No step looks at more than the key that it is
/// about, since there are as many keys as pods.
#[derive(Debug)]
struct Schedule<K> {
    due: BTreeMap<K, Instant>,
    /// Those that are due and not running, the earliest first.
    order: BTreeSet<(Instant, K)>,
    /// Those that have failed and are due again, and when they may be taken at the earliest.
    held: BTreeMap<K, Instant>,
    running: BTreeSet<K>,
}

impl<K: Ord + Clone> Schedule<K> {
    const fn new() -> Self {
        Self {
            due: BTreeMap::new(),
            order: BTreeSet::new(),
            held: BTreeMap::new(),
            running: BTreeSet::new(),
        }
    }

    /// The earliest time wins, but none before the key may be taken.
    fn wake(&mut self, key: K, at: Instant) {
        let at = self.held.get(&key).map_or(at, |held| at.max(*held));
        let before = self.due.get(&key).copied();
        if before.is_some_and(|before| before <= at) {
            return;
        }
        if !self.running.contains(&key) {
            if let Some(before) = before {
                self.order.remove(&(before, key.clone()));
            }
            self.order.insert((at, key.clone()));
        }
        self.due.insert(key, at);
    }

    /// Takes a key that is due, or tells when the next one will be.
    fn take(&mut self, now: Instant) -> Result<K, Option<Instant>> {
        let Some((at, key)) = self.order.first().cloned() else {
            return Err(None);
        };
        if at > now {
            return Err(Some(at));
        }
        self.order.pop_first();
        self.due.remove(&key);
        self.held.remove(&key);
        self.running.insert(key.clone());
        Ok(key)
    }

    /// It may have been woken while it ran.
    fn finished(&mut self, key: &K) {
        self.running.remove(key);
        if let Some(at) = self.due.get(key) {
            self.order.insert((*at, key.clone()));
        }
    }

    /// Due again after `wait`, or after [`AFTER_FAILURE`] if it is woken until then or was while it ran.
    fn failed(&mut self, key: K, now: Instant, wait: Duration) {
        let woken = self.due.remove(&key);
        self.finished(&key);
        self.held.insert(key.clone(), now + wait.min(AFTER_FAILURE));
        self.wake(key.clone(), now + wait);
        if let Some(woken) = woken {
            self.wake(key, woken);
        }
    }
}

/// A queue of keys, shared by those who wake them and the one who works on them.
pub(crate) struct Queue<K> {
    schedule: Mutex<Schedule<K>>,
    changed: Notify,
}

impl<K: fmt::Debug> fmt::Debug for Queue<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.schedule.fmt(f)
    }
}

impl<K: Ord + Clone + Send + 'static> Queue<K> {
    pub(crate) fn new() -> Self {
        Self {
            schedule: Mutex::new(Schedule::new()),
            changed: Notify::new(),
        }
    }

    pub(crate) fn wake_all(&self, keys: impl IntoIterator<Item = K>) {
        self.wake_all_after(Duration::ZERO, keys);
    }

    /// Wakes them in a while, so that more reasons to do so become one.
    pub(crate) fn wake_all_after(&self, wait: Duration, keys: impl IntoIterator<Item = K>) {
        let at = Instant::now() + wait;
        for key in keys {
            self.wake_at(key, at);
        }
    }

    fn wake_at(&self, key: K, at: Instant) {
        self.schedule().wake(key, at);
        self.changed.notify_one();
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule<K>> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn next(&self) -> K {
        loop {
            // Asked for before looking, so that a wake in between isn't lost.
            let changed = self.changed.notified();
            let taken = self.schedule().take(Instant::now());
            match taken {
                Ok(key) => return key,
                Err(None) => changed.await,
                Err(Some(at)) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(at) => {}
                },
            }
        }
    }

    /// Works on keys, at most `limit` at once, until `stop`; what is being worked on then is still finished.
    pub(crate) async fn work<F>(&self, limit: usize, stop: &CancellationToken, step: impl Fn(K) -> F)
    where
        F: Future<Output = Next> + Send + 'static,
    {
        let mut backoff = Backoff::default();
        let mut running = JoinSet::new();
        // Keys of running tasks, so that one that panics is tried again like one that fails.
        let mut keys = BTreeMap::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                key = self.next(), if running.len() < limit => {
                    let task = running.spawn(step(key.clone()));
                    keys.insert(task.id(), key);
                }
                Some(done) = running.join_next_with_id() => {
                    let (id, next) = done.unwrap_or_else(|error| (error.id(), Next::Retry));
                    if let Some(key) = keys.remove(&id) {
                        self.finish(key, next, &mut backoff);
                    }
                }
            }
        }
        while running.join_next().await.is_some() {}
    }

    fn finish(&self, key: K, next: Next, backoff: &mut Backoff<K>) {
        let mut schedule = self.schedule();
        match next {
            Next::Wait => {
                backoff.succeeded(&key);
                schedule.finished(&key);
            }
            Next::After(wait) => {
                backoff.succeeded(&key);
                schedule.finished(&key);
                schedule.wake(key, Instant::now() + wait);
            }
            Next::Retry => {
                let wait = backoff.failed(key.clone(), random());
                schedule.failed(key, Instant::now(), wait);
            }
        }
        // Whatever came of it: the key may have been woken while it ran.
        self.changed.notify_one();
    }
}

/// From 0 to 1. Good enough for jitter, and saves a dependency: every `RandomState` is seeded anew.
pub(crate) fn random() -> f64 {
    let bits = u32::try_from(RandomState::new().hash_one(0) >> 32).unwrap_or(0);
    f64::from(bits) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::collection::vec;
    use proptest::prelude::{Strategy, prop_assert_eq, prop_oneof, proptest};

    use super::*;

    #[test]
    fn a_key_waits_once_and_the_earliest_time_wins() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let mut schedule = Schedule::new();
        schedule.wake("a", now + second);
        schedule.wake("a", now);
        schedule.wake("b", now + second);
        assert_eq!(schedule.take(now), Ok("a"));
        assert_eq!(schedule.take(now), Err(Some(now + second)));
        schedule.wake("a", now);
        assert_eq!(schedule.take(now), Err(Some(now + second)), "a is being worked on");
        schedule.finished(&"a");
        assert_eq!(schedule.take(now), Ok("a"));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Wake(u8, u64),
        Take(u64),
        Finish(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..5_u8, 0..100_u64).prop_map(|(key, at)| Step::Wake(key, at)),
            (0..100_u64).prop_map(Step::Take),
            (0..5_u8).prop_map(Step::Finish),
        ]
    }

    proptest! {
        #[test]
        fn the_key_that_is_due_first_is_taken_unless_it_is_being_worked_on(steps in vec(step(), 0..60)) {
            let start = Instant::now();
            let at = |seconds: u64| start + Duration::from_secs(seconds);
            let (mut schedule, mut due, mut running) = (Schedule::new(), BTreeMap::new(), BTreeSet::new());
            for step in steps {
                match step {
                    Step::Wake(key, seconds) => {
                        schedule.wake(key, at(seconds));
                        let known = due.entry(key).or_insert(seconds);
                        *known = seconds.min(*known);
                    }
                    Step::Take(now) => {
                        let free = due.iter().filter(|(key, _)| !running.contains(*key));
                        let first = free.map(|(key, seconds)| (*seconds, *key)).min();
                        let expected = match first {
                            Some((seconds, key)) if seconds <= now => Ok(key),
                            first => Err(first.map(|(seconds, _)| at(seconds))),
                        };
                        prop_assert_eq!(schedule.take(at(now)), expected);
                        if let Ok(key) = expected {
                            due.remove(&key);
                            running.insert(key);
                        }
                    }
                    Step::Finish(key) => {
                        if running.remove(&key) {
                            schedule.finished(&key);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn waking_a_key_that_failed_shortens_its_wait_but_not_to_nothing() {
        let now = Instant::now();
        let minute = Duration::from_secs(60);
        let mut schedule = Schedule::new();
        for key in ["alone", "woken while it ran", "woken afterwards", "failed once"] {
            schedule.wake(key, now);
            assert_eq!(schedule.take(now), Ok(key));
        }
        schedule.wake("woken while it ran", now);
        schedule.failed("alone", now, minute);
        schedule.failed("woken while it ran", now, minute);
        schedule.failed("woken afterwards", now, minute);
        schedule.wake("woken afterwards", now);
        schedule.failed("failed once", now, AFTER_FAILURE / 10);
        schedule.wake("failed once", now);

        let expected = [
            (AFTER_FAILURE / 10, "failed once"),
            (AFTER_FAILURE, "woken afterwards"),
            (AFTER_FAILURE, "woken while it ran"),
            (minute, "alone"),
        ];
        let mut before = now;
        for (wait, key) in expected {
            let due = now + wait;
            if before < due {
                assert_eq!(schedule.take(before), Err(Some(due)), "{key}");
            }
            assert_eq!(schedule.take(due), Ok(key));
            before = due;
        }
    }

    #[test]
    fn a_key_is_held_back_once_per_failure() {
        let now = Instant::now();
        let mut schedule = Schedule::new();
        schedule.wake("a", now);
        assert_eq!(schedule.take(now), Ok("a"));
        schedule.failed("a", now, AFTER_FAILURE);
        let later = now + AFTER_FAILURE;
        assert_eq!(schedule.take(later), Ok("a"));
        schedule.finished(&"a");
        schedule.wake("a", later);
        assert_eq!(schedule.take(later), Ok("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_woken_all_the_time_fails_at_the_pace_of_its_backoff() {
        let queue = Arc::new(Queue::new());
        let tries = Arc::new(AtomicUsize::new(0));
        let stop = CancellationToken::new();
        queue.wake_all(["a"]);
        let (waker, counter, end) = (queue.clone(), tries.clone(), stop.clone());
        let working = queue.work(2, &stop, move |key| {
            counter.fetch_add(1, Ordering::SeqCst);
            waker.wake_all([key]);
            async { Next::Retry }
        });
        let minute = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            end.cancel();
        };
        tokio::join!(working, minute);
        let tries = tries.load(Ordering::SeqCst);
        assert!((20..=40).contains(&tries), "{tries} tries in a minute");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_repeated_and_panics_count_as_such() {
        let queue = Queue::new();
        let tries = Arc::new(AtomicUsize::new(0));
        let stop = CancellationToken::new();
        queue.wake_all(["a"]);
        let (counter, end) = (tries.clone(), stop.clone());
        queue
            .work(2, &stop, move |_| {
                let (counter, end) = (counter.clone(), end.clone());
                async move {
                    match counter.fetch_add(1, Ordering::SeqCst) {
                        0 => Next::Retry,
                        1 => unreachable!("a defect of a step"),
                        _ => {
                            end.cancel();
                            Next::Wait
                        }
                    }
                }
            })
            .await;
        assert_eq!(tries.load(Ordering::SeqCst), 3);
    }
}
