//! The way of a request to its destination and back: the effect that the lane waits for.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use pipeline::report::{DestinationState, FailureReason};
use tokio::time::timeout;

use super::{BuildError, Health};
use crate::batch::{Answer, Suspicion};
use crate::destination::{self, Writer};
use crate::transport::{Messenger, Response, Surroundings};

/// One destination's way.
pub(super) enum Route {
    Local {
        writer: Writer,
        /// How people call it.
        name: String,
        patience: Duration,
        health: Arc<Health>,
    },
    Http {
        messenger: Box<Messenger>,
        classify: fn(&Response) -> Answer,
    },
}

impl Route {
    pub(super) fn new(
        channel: destination::Channel,
        destination: &pipeline::Destination,
        around: &Surroundings,
        (stdout, health): (&Writer, &Arc<Health>),
        answers: Arc<AtomicUsize>,
    ) -> Result<Self, BuildError> {
        let local = |writer, name| Self::Local {
            writer,
            name,
            patience: destination.timeout.to_std(),
            health: Arc::clone(health),
        };
        Ok(match channel {
            destination::Channel::Stdout => local(stdout.clone(), "standard output".to_owned()),
            destination::Channel::File(path) => local(destination::file::writer(&path)?, path),
            destination::Channel::Http { endpoint, classify, .. } => Self::Http {
                messenger: Box::new(Messenger::new(*endpoint, destination, around)?.counting(answers)),
                classify,
            },
        })
    }

    /// Takes one body there and comes back with what it came to.
    pub(super) async fn carry(&self, body: Bytes) -> Answer {
        match self {
            Self::Local {
                writer,
                name,
                patience,
                health,
            } => write((writer, name), *patience, health, body).await,
            Self::Http { messenger, classify } => match messenger.post(body).await {
                Ok(response) => classify(&response),
                Err(error) => destination::of_request_error(&error),
            },
        }
    }
}

/// A write that has begun can't be taken back, so it isn't given up when nobody reads the pipe; the health says so.
async fn write((writer, name): (&Writer, &str), patience: Duration, health: &Health, text: Bytes) -> Answer {
    let write = writer.write(text);
    tokio::pin!(write);
    loop {
        match timeout(patience, &mut write).await {
            Ok(Ok(())) => {
                return destination::stored();
            }
            Ok(Err(error)) => {
                return Answer::Retry {
                    failure: unwritable(name, &error),
                    after: None,
                    suspicion: Suspicion::None,
                };
            }
            Err(_) => health.failed(DestinationState::Retrying, &unread(name, patience), Timestamp::now()),
        }
    }
}

fn unwritable(name: &str, error: &io::Error) -> crate::batch::Failure {
    destination::of_words(FailureReason::Unreachable, &format!("{name} can't be written: {error}"))
}

fn unread(name: &str, patience: Duration) -> crate::batch::Failure {
    destination::of_words(
        FailureReason::Unreachable,
        &format!("{name} has not taken a write for {patience:?}"),
    )
}
