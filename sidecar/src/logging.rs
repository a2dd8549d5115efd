//! The sidecar's own log: JSON lines on standard error, never on standard output, which may be a destination.
//!
//! Lines are rate-limited, so that a dead destination makes a line a minute and not thousands. A limit is kept per
//! *topic*: the place in the code together with the fields that say what it is about ([`TOPIC_FIELDS`]), so that one
//! noisy destination doesn't silence another. `tracing-subscriber` has no limiter; this filter sits in front of its
//! formatter and is all there is of our own.

mod limiter;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use pipeline::config::LogLevel;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use limiter::Limiter;

/// Fields whose values tell topics apart. All of them are bounded by the configuration or by an enum, but for `path`.
const TOPIC_FIELDS: [&str; 7] = [
    "pipeline",
    "revision",
    "source",
    "destination",
    "path",
    "reason",
    "cause",
];

/// Changes the level while the process runs.
#[derive(Clone, Debug)]
pub struct Logging {
    level: Arc<AtomicU8>,
}

impl Logging {
    /// Takes effect at once.
    pub fn set_level(&self, level: LogLevel) {
        if self.level.swap(level as u8, Ordering::Relaxed) != level as u8 {
            tracing::callsite::rebuild_interest_cache();
        }
    }
}

/// Installs the process's logger. Where one is installed already, as in tests, that one stays.
pub fn start(level: LogLevel) -> Logging {
    let level = Arc::new(AtomicU8::new(level as u8));
    let quiet = Quiet {
        level: Arc::clone(&level),
        limiter: Mutex::new(Limiter::default()),
    };
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_writer(std::io::stderr)
        .with_filter(quiet);
    // The only error is that there is a logger, which is fine.
    let _ = tracing_subscriber::registry().with(lines).try_init();
    Logging { level }
}

/// Lets through what the level allows and the limiter has not seen too often.
struct Quiet {
    level: Arc<AtomicU8>,
    limiter: Mutex<Limiter>,
}

impl Quiet {
    fn level(&self) -> LevelFilter {
        match self.level.load(Ordering::Relaxed) {
            level if level == LogLevel::Error as u8 => LevelFilter::ERROR,
            level if level == LogLevel::Warn as u8 => LevelFilter::WARN,
            level if level == LogLevel::Info as u8 => LevelFilter::INFO,
            level if level == LogLevel::Debug as u8 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        }
    }
}

impl<S: Subscriber> Filter<S> for Quiet {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        *metadata.level() <= self.level()
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if *metadata.level() <= self.level() {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level())
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        // Whoever asks for details gets all of them.
        if *event.metadata().level() > Level::INFO {
            return true;
        }
        let mut topic = Topic(DefaultHasher::new());
        event.metadata().callsite().hash(&mut topic.0);
        event.record(&mut topic);
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.admits(
            topic.0.finish(),
            limiter::burst(*event.metadata().level()),
            Instant::now(),
        )
    }
}

/// Hashes the fields that say what an event is about.
struct Topic(DefaultHasher);

impl Visit for Topic {
    fn record_str(&mut self, field: &Field, value: &str) {
        if TOPIC_FIELDS.contains(&field.name()) {
            (field.name(), value).hash(&mut self.0);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if TOPIC_FIELDS.contains(&field.name()) {
            (field.name(), format!("{value:?}")).hash(&mut self.0);
        }
    }
}
