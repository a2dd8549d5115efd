//! Waiting for something to become true: a poll with a deadline, never a sleep that hopes.

use std::thread;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(100);

/// Polls until `look` returns something.
///
/// # Panics
/// When `deadline` passes; the message says what was waited for.
pub fn until<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < deadline, "waited {deadline:?} in vain until {what}");
        thread::sleep(PAUSE);
    }
}

/// Like [`until`], for a test that also wants to know what was there instead.
///
/// # Panics
/// When `deadline` passes; the message says what the last look found.
pub fn until_is<T: std::fmt::Debug>(
    what: &str,
    deadline: Duration,
    mut look: impl FnMut() -> T,
    is_right: impl Fn(&T) -> bool,
) -> T {
    let began = Instant::now();
    loop {
        let found = look();
        if is_right(&found) {
            return found;
        }
        assert!(
            began.elapsed() < deadline,
            "waited {deadline:?} in vain until {what}; last seen: {found:#?}"
        );
        thread::sleep(PAUSE);
    }
}

/// Does something now and then every `period` until `length` has passed, for what works by the clock, such as a tool that
/// looks every second. `turn` is told how much time has passed.
pub fn every(period: Duration, length: Duration, mut turn: impl FnMut(Duration)) {
    let began = Instant::now();
    while began.elapsed() < length {
        let next = began.elapsed() + period;
        turn(began.elapsed());
        thread::sleep(next.saturating_sub(began.elapsed()));
    }
}
