//! The way of a request to its destination and back: the effect that the lane waits for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use pipeline::report::{DestinationState, FailureReason};
use tokio::time::timeout;

use super::{BuildError, Health};
use crate::batch::Answer;
use crate::destination::{self, stdout};
use crate::transport::{Messenger, Response, Surroundings};

/// One destination's way.
pub(super) enum Route {
    Stdout {
        writer: stdout::Writer,
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
        (stdout, health): (&stdout::Writer, &Arc<Health>),
    ) -> Result<Self, BuildError> {
        Ok(match channel {
            destination::Channel::Stdout => Self::Stdout {
                writer: stdout.clone(),
                patience: destination.timeout.to_std(),
                health: Arc::clone(health),
            },
            destination::Channel::Http { endpoint, classify, .. } => Self::Http {
                messenger: Box::new(Messenger::new(*endpoint, destination, around)?),
                classify,
            },
        })
    }

    /// Takes one body there and comes back with what it came to.
    pub(super) async fn carry(&self, body: Bytes) -> Answer {
        match self {
            Self::Stdout {
                writer,
                patience,
                health,
            } => write(writer, *patience, health, body).await,
            Self::Http { messenger, classify } => match messenger.post(body).await {
                Ok(response) => classify(&response),
                Err(error) => destination::of_request_error(&error),
            },
        }
    }
}

/// A write that has begun can't be taken back, so it isn't given up when nobody reads the pipe; the health says so.
async fn write(writer: &stdout::Writer, patience: Duration, health: &Health, text: Bytes) -> Answer {
    let write = writer.write(text);
    tokio::pin!(write);
    loop {
        match timeout(patience, &mut write).await {
            Ok(Ok(())) => {
                return destination::stored();
            }
            Ok(Err(error)) => {
                return Answer::Retry {
                    failure: unwritable(&error),
                    after: None,
                };
            }
            Err(_) => health.failed(DestinationState::Retrying, &unread(patience), Timestamp::now()),
        }
    }
}

fn unwritable(error: &io::Error) -> crate::batch::Failure {
    destination::of_words(
        FailureReason::Unreachable,
        &format!("standard output can't be written: {error}"),
    )
}

fn unread(patience: Duration) -> crate::batch::Failure {
    destination::of_words(
        FailureReason::Unreachable,
        &format!("nobody has read standard output for {patience:?}"),
    )
}
