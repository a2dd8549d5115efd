//! The sidecar's own log: JSON lines on standard error, never on standard output, which may be a destination.
//!
//! Lines are rate-limited, so that a dead destination makes a line a minute and not thousands. A limit is kept per
//! *topic*: the place in the code together with the fields that say what it is about ([`TOPIC_FIELDS`]), so that one
//! noisy destination doesn't silence another. `tracing-subscriber` has no limiter; this layer sits in front of its
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
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
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
    let logging = Logging {
        level: Arc::new(AtomicU8::new(level as u8)),
    };
    // The only error is that there is a logger, which is fine.
    let _ = subscriber(&logging, std::io::stderr).try_init();
    logging
}

fn subscriber<W>(logging: &Logging, writer: W) -> impl SubscriberInitExt
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let quiet = Quiet {
        level: Arc::clone(&logging.level),
        limiter: Mutex::new(Limiter::default()),
    };
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_writer(writer);
    tracing_subscriber::registry().with(lines).with(quiet)
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

impl<S: Subscriber> Layer<S> for Quiet {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= self.level()
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if *metadata.level() <= self.level() {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level())
    }

    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::{info, warn};

    /// What is logged meanwhile, a JSON object a line.
    fn logged(level: LogLevel, work: impl FnOnce(&Logging)) -> Vec<serde_json::Value> {
        let text = Arc::new(Mutex::new(Vec::new()));
        let logging = Logging {
            level: Arc::new(AtomicU8::new(level as u8)),
        };
        let guard = subscriber(&logging, Shared(Arc::clone(&text))).set_default();
        work(&logging);
        drop(guard);
        let text = text.lock().unwrap();
        text.split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl<'a> MakeWriter<'a> for Shared {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            Self(Arc::clone(&self.0))
        }
    }

    impl std::io::Write for Shared {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_dead_destination_makes_one_line_and_another_one_its_own() {
        let lines = logged(LogLevel::Info, |_| {
            for attempt in 0..1000 {
                for destination in ["loki", "http"] {
                    warn!(destination, attempt, reason = "Unreachable", "no answer");
                }
            }
        });
        let destinations: Vec<_> = lines.iter().map(|line| line["destination"].as_str().unwrap()).collect();
        assert_eq!(destinations, ["loki", "http"]);
        assert_eq!(
            (&lines[0]["level"], &lines[0]["message"]),
            (&"WARN".into(), &"no answer".into())
        );
    }

    #[test]
    fn the_level_can_be_changed() {
        let lines = logged(LogLevel::Warn, |logging| {
            info!("not yet");
            logging.set_level(LogLevel::Info);
            info!("now");
        });
        let messages: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
        assert_eq!(messages, ["now"]);
    }
}
