//! Counts events per topic in windows of a minute.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tracing::Level;

const WINDOW: Duration = Duration::from_secs(60);
/// Bounds the memory; beyond it, topics whose window is over are forgotten, and if that isn't enough all are.
const MAX_TOPICS: usize = 1024;

/// How many lines of a topic a window admits. Warnings and errors repeat for as long as their cause lasts; news about
/// the life cycle comes in short bursts that should be seen whole.
pub(super) fn burst(level: Level) -> u32 {
    if level <= Level::WARN { 1 } else { 30 }
}

#[derive(Debug, Default)]
pub(super) struct Limiter {
    topics: HashMap<u64, Window>,
}

#[derive(Debug)]
struct Window {
    start: Instant,
    admitted: u32,
}

impl Limiter {
    pub(super) fn admits(&mut self, topic: u64, burst: u32, now: Instant) -> bool {
        self.make_room(now);
        let window = self.topics.entry(topic).or_insert(Window {
            start: now,
            admitted: 0,
        });
        if now.duration_since(window.start) >= WINDOW {
            *window = Window {
                start: now,
                admitted: 0,
            };
        }
        let admitted = window.admitted < burst;
        window.admitted += u32::from(admitted);
        admitted
    }

    fn make_room(&mut self, now: Instant) {
        if self.topics.len() < MAX_TOPICS {
            return;
        }
        self.topics
            .retain(|_, window| now.duration_since(window.start) < WINDOW);
        if self.topics.len() >= MAX_TOPICS {
            self.topics.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_gets_its_burst_once_a_minute() {
        let (mut limiter, start) = (Limiter::default(), Instant::now());
        let admitted =
            |limiter: &mut Limiter, topic, second| limiter.admits(topic, 1, start + Duration::from_secs(second));
        let pattern: Vec<bool> = [0, 1, 59, 60, 61, 119, 120]
            .map(|second| admitted(&mut limiter, 7, second))
            .to_vec();
        assert_eq!(pattern, [true, false, false, true, false, false, true]);
        assert!(admitted(&mut limiter, 8, 121), "another topic is not silenced");
    }

    #[test]
    fn memory_is_bounded_however_many_topics_there_are() {
        let (mut limiter, now) = (Limiter::default(), Instant::now());
        for topic in 0..10 * MAX_TOPICS as u64 {
            limiter.admits(topic, 1, now);
        }
        assert!(limiter.topics.len() <= MAX_TOPICS);
    }
}
