//! The server's own traffic: requests at an adjustable rate, without sockets in between.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::clock::Moment;
use crate::logs::{Access, Logs};
use crate::shop::{self, Consequence};

/// Requests are made in groups where the rate is higher than this often.
const TICK: Duration = Duration::from_millis(5);
/// A server that was held up makes up for this much, no more.
const MAX_ARREARS: Duration = Duration::from_secs(1);

/// The switchboard between the thread that makes traffic and those that steer it.
#[derive(Debug)]
pub struct Traffic {
    orders: Mutex<Orders>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Orders {
    Make { rate: f64 },
    Stop,
}

impl Traffic {
    /// Traffic at a rate in requests a second.
    pub fn new(rate: f64) -> Self {
        Self {
            orders: Mutex::new(Orders::Make { rate }),
            changed: Condvar::new(),
        }
    }

    /// Changes the rate at once.
    pub fn set_rate(&self, rate: f64) {
        let mut orders = self.locked();
        if *orders != Orders::Stop {
            *orders = Orders::Make { rate };
            self.changed.notify_all();
        }
    }

    /// Ends the traffic after the request under way.
    pub fn stop(&self) {
        *self.locked() = Orders::Stop;
        self.changed.notify_all();
    }

    /// Makes traffic until told to stop, or until `limit` requests were made. Returns how many there were.
    pub fn run(&self, logs: &Logs, limit: Option<u64>) -> u64 {
        let limit = limit.unwrap_or(u64::MAX);
        let mut visitors = Visitors::new(SystemTime::now());
        let mut made = 0;
        let mut pace = None;
        while made < limit {
            let Orders::Make { rate } = *self.locked() else { break };
            let pace = pace.get_or_insert_with(|| Pace::new(rate, Instant::now()));
            if pace.rate.to_bits() != rate.to_bits() {
                *pace = Pace::new(rate, Instant::now());
            }
            let due = pace.take_due(Instant::now()).min(limit - made);
            for _ in 0..due {
                visit(logs, &mut visitors);
            }
            made += due;
            self.pause(rate, pace.until_next(Instant::now()));
        }
        made
    }

    /// Waits, but not longer than the orders stay as they are.
    fn pause(&self, rate: f64, time: Option<Duration>) {
        let as_before = |orders: &mut Orders| *orders == Orders::Make { rate };
        let orders = self.locked();
        match time {
            Some(time) => drop(self.changed.wait_timeout_while(orders, time.max(TICK), as_before)),
            None => drop(self.changed.wait_while(orders, as_before)),
        }
    }

    fn locked(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When which request is due, at an even rate.
#[derive(Debug, Clone, PartialEq)]
struct Pace {
    rate: f64,
    began: Instant,
    taken: u64,
}

impl Pace {
    fn new(rate: f64, now: Instant) -> Self {
        Self {
            rate,
            began: now,
            taken: 0,
        }
    }

    /// How many requests are due and not yet taken. What is older than the arrears allow is forgotten.
    fn take_due(&mut self, now: Instant) -> u64 {
        let due = count(now.duration_since(self.began).as_secs_f64() * self.rate).saturating_sub(self.taken);
        let arrears = count(MAX_ARREARS.as_secs_f64() * self.rate).max(1);
        if due > arrears {
            *self = Self::new(self.rate, now);
            return arrears;
        }
        self.taken += due;
        due
    }

    /// Time until the next request is due; `None` where none ever is.
    fn until_next(&self, now: Instant) -> Option<Duration> {
        #[allow(clippy::cast_precision_loss, reason = "a request more or less in 2^52 is no matter")]
        let seconds = (self.taken + 1) as f64 / self.rate;
        let at = Duration::try_from_secs_f64(seconds).ok()?;
        Some(at.saturating_sub(now.duration_since(self.began)))
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the number is never negative, and the cast saturates"
)]
fn count(number: f64) -> u64 {
    number as u64
}

/// One request of an invented visitor.
fn visit(logs: &Logs, visitors: &mut Visitors) {
    let visit = visitors.next();
    let answer = shop::answer(visit.method, &visit.target);
    let moment = Moment::of(SystemTime::now());
    if let Consequence::Failed(failure) = &answer.consequence {
        logs.failure(moment, failure);
    }
    let access = Access {
        client: visit.client,
        request: format!("{} {}", visit.method, visit.target),
        status: answer.status,
        bytes: answer.body.len(),
        agent: visit.agent.to_owned(),
        latency: visit.latency,
    };
    logs.access(moment, &access);
}

struct Visit {
    client: String,
    method: &'static str,
    target: String,
    agent: &'static str,
    latency: Duration,
}

const AGENTS: [&str; 3] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "curl/8.5.0",
];

/// Invents visits: most see an order, some look for what isn't there, a few try to pay.
#[derive(Debug)]
struct Visitors {
    state: u64,
}

impl Visitors {
    /// Two servers that start at different moments are visited differently.
    fn new(start: SystemTime) -> Self {
        let since_epoch = start.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // The generator would stay at zero for ever. The factor, 2^64 by the golden ratio, spreads near moments.
        let moment = since_epoch.as_secs() << 30 | u64::from(since_epoch.subsec_nanos());
        let seed = (moment | 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self { state: seed }
    }

    fn next(&mut self) -> Visit {
        let (method, target) = match self.below(100) {
            0..=1 => ("POST", "/checkout".to_owned()),
            2..=6 => ("GET", "/favicon.ico".to_owned()),
            7..=26 => ("GET", "/".to_owned()),
            _ => ("GET", format!("/orders/{}", 1 + self.below(1_000))),
        };
        // Most answers are quick, one in sixteen is slow.
        let slowest = if self.below(16) == 0 { 900 } else { 40 };
        Visit {
            // An address kept for documentation, RFC 5737.
            client: format!("203.0.113.{}", 1 + self.below(254)),
            method,
            target,
            agent: AGENTS[usize::try_from(self.below(3)).unwrap_or(0)],
            latency: Duration::from_millis(1 + self.below(slowest)),
        }
    }

    /// A number below `end`, by Marsaglia's xorshift64 (Journal of Statistical Software 8, 2003).
    fn below(&mut self, end: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotation::Limits;

    fn after(began: Instant, milliseconds: u64) -> Instant {
        began + Duration::from_millis(milliseconds)
    }

    #[test]
    fn requests_are_due_at_an_even_rate() {
        let began = Instant::now();
        let mut pace = Pace::new(10.0, began);
        let due: Vec<_> = [0, 99, 100, 350, 1_000]
            .map(|time| pace.take_due(after(began, time)))
            .to_vec();
        assert_eq!(due, [0, 0, 1, 2, 7]);
        assert_eq!(pace.until_next(after(began, 1_000)), Some(Duration::from_millis(100)));
    }

    #[test]
    fn a_long_pause_is_not_made_up_for() {
        let began = Instant::now();
        let mut pace = Pace::new(10.0, began);
        assert_eq!(pace.take_due(after(began, 60_000)), 10);
        assert_eq!(pace.take_due(after(began, 60_100)), 1);
    }

    #[test]
    fn a_rate_below_one_a_second_is_kept_too() {
        let began = Instant::now();
        let mut pace = Pace::new(0.2, began);
        assert_eq!(pace.take_due(after(began, 4_999)), 0);
        assert_eq!(pace.take_due(after(began, 5_001)), 1);
    }

    #[test]
    fn at_rate_zero_nothing_is_ever_due() {
        let began = Instant::now();
        let mut pace = Pace::new(0.0, began);
        assert_eq!(pace.take_due(after(began, 60_000)), 0);
        assert_eq!(pace.until_next(began), None);
    }

    fn lines(folder: &std::path::Path) -> usize {
        std::fs::read_to_string(folder.join("access.log"))
            .unwrap()
            .lines()
            .count()
    }

    #[test]
    fn servers_that_start_at_different_moments_are_visited_differently() {
        let targets = |start: Duration| {
            let mut visitors = Visitors::new(SystemTime::UNIX_EPOCH + start);
            (0..10).map(|_| visitors.next().target).collect::<Vec<_>>()
        };
        let start = Duration::from_secs(1_795_416_569);
        assert_eq!(targets(start), targets(start));
        assert_ne!(targets(start), targets(start + Duration::from_micros(1)));
        assert_ne!(targets(Duration::ZERO)[1..], targets(Duration::ZERO)[..9]);
    }

    #[test]
    fn exactly_the_wanted_number_of_lines_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::open(
            folder.path(),
            Limits {
                bytes: u64::MAX,
                keep: 0,
            },
        )
        .unwrap();
        assert_eq!(Traffic::new(1_000_000.0).run(&logs, Some(2_500)), 2_500);
        assert_eq!(lines(folder.path()), 2_500);
    }

    #[test]
    fn traffic_can_be_stopped_and_its_rate_changed_while_it_rests() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::open(
            folder.path(),
            Limits {
                bytes: u64::MAX,
                keep: 0,
            },
        )
        .unwrap();
        let traffic = Traffic::new(0.0);
        std::thread::scope(|threads| {
            let maker = threads.spawn(|| traffic.run(&logs, None));
            traffic.set_rate(1_000.0);
            let began = Instant::now();
            while lines(folder.path()) == 0 {
                assert!(
                    began.elapsed() < Duration::from_secs(10),
                    "no traffic after the rate was raised"
                );
                std::thread::yield_now();
            }
            traffic.stop();
            assert_eq!(maker.join().unwrap(), lines(folder.path()) as u64);
        });
    }
}
