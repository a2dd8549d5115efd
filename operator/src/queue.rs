//! What is to be done next: keys that are woken, each waiting at most once and worked on by at most one task.
//!
//! A key that is woken while it is worked on is worked on again afterwards, so no change is missed. The queue is bounded
//! by the number of keys, and waking never blocks. Failures are repeated with [`Backoff`].

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
    running: BTreeSet<K>,
}

impl<K: Ord + Clone> Schedule<K> {
    const fn new() -> Self {
        Self {
            due: BTreeMap::new(),
            order: BTreeSet::new(),
            running: BTreeSet::new(),
        }
    }

    /// The earliest time wins.
    fn wake(&mut self, key: K, at: Instant) {
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
        self.schedule().finished(&key);
        if next != Next::Retry {
            backoff.succeeded(&key);
        }
        match next {
            // It may have been woken while it ran.
            Next::Wait => self.changed.notify_one(),
            Next::After(wait) => self.wake_at(key, Instant::now() + wait),
            Next::Retry => {
                let wait = backoff.failed(key.clone(), random());
                self.wake_at(key, Instant::now() + wait);
            }
        }
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
