//! The task of one lane: moves batches through the window, requests through the route, and tells the world about it.
//! All decisions are the window's and the pace's.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use jiff::Timestamp;
use pipeline::report::{DestinationState, FailureReason};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error, info, warn};

use super::chance::Chance;
use super::pace::{Generation, Pace, Pause, Start};
use super::route::Route;
use super::window::{Notice, Piece, TooOld, What, Window};
use super::{BuildError, LaneParts};
use crate::batch::{Answer, DropCause, Failure, Parcel, Suspicion};
use crate::destination::{self, Encoder, Limits};

/// How often a Secret that is missing is looked for.
const SECRET_RETRY: Duration = Duration::from_secs(1);

pub(super) struct Lane {
    parts: LaneParts,
    destination: String,
    encoder: Encoder,
    route: Arc<Route>,
    window: Window,
    pace: Pace,
    give_up_after: Option<Duration>,
    chance: Chance,
    requests: JoinSet<Outcome>,
}

/// A request that has ended.
struct Outcome {
    piece: Piece,
    generation: Generation,
    answer: Answer,
    took: Duration,
}

/// What the task woke up for.
enum Event {
    Batch(Parcel),
    /// No more batches will come.
    Closed,
    Ended(Outcome),
    /// A request panicked: the piece is lost and with it the window's account.
    Broken,
    Time,
}

impl Lane {
    pub(super) fn new(destination: &pipeline::Destination, parts: LaneParts) -> Result<Self, BuildError> {
        let limits = Limits::of(destination);
        let (encoder, channel) = destination::build(destination, &limits)?;
        let route = Route::new(
            channel,
            destination,
            &parts.around,
            (&parts.stdout, &parts.health),
            parts.holding.answers(),
        )?;
        Ok(Self {
            parts,
            destination: destination.name.clone(),
            encoder,
            route: Arc::new(route),
            window: Window::default(),
            pace: Pace::new(&destination.retry, limits.in_flight),
            give_up_after: destination.retry.give_up_after.map(pipeline::Duration::to_std),
            chance: Chance::new(),
            requests: JoinSet::new(),
        })
    }

    /// Ends when no more batches can come and all are settled.
    pub(super) async fn run(mut self) {
        let mut open = true;
        while open || !self.window.is_empty() {
            let wake_at = self.start_requests();
            match self.event(open, wake_at).await {
                Event::Batch(parcel) => {
                    let requests = self.encoder.requests(&parcel.batch);
                    self.window.hold(parcel, requests);
                }
                Event::Closed => open = false,
                Event::Ended(outcome) => self.conclude(outcome),
                Event::Broken => {
                    error!(
                        pipeline = self.parts.pipeline,
                        destination = self.destination,
                        "a request panicked, the lane ends"
                    );
                    return;
                }
                Event::Time => {}
            }
            self.give_up_old();
            self.settle();
        }
    }

    async fn event(&mut self, open: bool, wake_at: Option<Instant>) -> Event {
        let time = async {
            match wake_at {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            batch = self.parts.batches.recv(), if open => batch.map_or(Event::Closed, Event::Batch),
            Some(ended) = self.requests.join_next() => ended.map_or(Event::Broken, Event::Ended),
            () = time => Event::Time,
        }
    }

    /// Starts what may start now. Returns when to look again, if that is a matter of time.
    fn start_requests(&mut self) -> Option<Instant> {
        loop {
            match self.pace.start(self.requests.len(), Instant::now()) {
                Start::Later => return None,
                Start::At(at) => return self.window.next_at(Instant::now()).map(|next| next.max(at)),
                Start::Now => {}
            }
            let now = Instant::now();
            let Some(mut piece) = self.window.next(now) else {
                return self.window.next_at(now);
            };
            self.encode(&mut piece);
            self.request(piece);
        }
    }

    /// Encoded once, so that what is sent again is the same byte for byte.
    fn encode(&mut self, piece: &mut Piece) {
        if let (None, Some(batch)) = (&piece.body, self.window.contents(piece.sequence)) {
            match self.encoder.encode(batch, &piece.records, piece.max_record_bytes) {
                Ok(body) => piece.body = Some(self.parts.holding.count(body)),
                Err(error) => error!(
                    pipeline = self.parts.pipeline,
                    destination = self.destination,
                    %error,
                    "a request can't be written, it is tried again"
                ),
            }
            self.parts.holding.set_buffers(self.encoder.buffers());
        }
    }

    fn request(&mut self, piece: Piece) {
        let (route, generation) = (Arc::clone(&self.route), self.pace.generation());
        self.requests.spawn(async move {
            let started = Clock::now();
            let answer = match piece.body.clone() {
                Some(body) => route.carry(body).await,
                None => unwritten(),
            };
            Outcome {
                piece,
                generation,
                answer,
                took: started.elapsed(),
            }
        });
    }

    fn conclude(&mut self, outcome: Outcome) {
        let Outcome {
            piece,
            generation,
            answer,
            took,
        } = outcome;
        self.parts.health.took(took);
        let pause = pause_after(&answer, &piece);
        match &answer {
            Answer::Accepted { .. } => self.accepted(),
            Answer::Blocked { failure } => self.failed(DestinationState::Blocked, failure),
            Answer::Retry { failure, .. } | Answer::Split { failure } | Answer::Refused { failure } => {
                self.failed(DestinationState::Retrying, failure);
            }
        }
        if let Some(pause) = pause {
            self.pace.failed(generation, pause, self.chance.next(), Instant::now());
        }
        for notice in self.window.judge(piece, &answer, Instant::now()) {
            self.tell(&notice, words(&answer));
        }
    }

    /// Lets go of what has waited for longer than the user wants it to, where it can't be delivered.
    fn give_up_old(&mut self) {
        let Some(patience) = self.give_up_after else {
            return;
        };
        let which = if self.pace.is_failing() {
            TooOld::Anywhere
        } else {
            TooOld::InFailed
        };
        let before = Timestamp::now().as_nanosecond() - i128::try_from(patience.as_nanos()).unwrap_or(i128::MAX / 2);
        let before = i64::try_from(before).unwrap_or(i64::MIN);
        for notice in self.window.give_up(before, which) {
            let error = self.parts.health.snapshot().last_error;
            self.tell(&notice, error.as_ref().map_or("", |(_, words)| words));
        }
    }

    fn accepted(&mut self) {
        self.pace.accepted();
        if let Some(since) = self.parts.health.acknowledged(Timestamp::now()) {
            info!(
                pipeline = self.parts.pipeline,
                destination = self.destination,
                failing_since = %since,
                "the destination accepts records again"
            );
        }
    }

    fn failed(&self, state: DestinationState, failure: &Failure) {
        self.parts.health.failed(state, failure, Timestamp::now());
        warn!(
            pipeline = self.parts.pipeline,
            destination = self.destination,
            reason = failure.reason.as_str(),
            error = failure.message,
            "the destination takes no records, they wait"
        );
    }

    /// The words of the server are in the log and in the report, for nobody can ask the server again.
    fn tell(&self, notice: &Notice, error: &str) {
        self.parts.health.noted(error, Timestamp::now());
        let Notice {
            what,
            records,
            origin,
            bytes,
        } = notice;
        error!(
            pipeline = self.parts.pipeline,
            destination = self.destination,
            cause = ?what,
            records,
            path = origin.path,
            from = bytes.start,
            to = bytes.end,
            error,
            "{}",
            sentence(*what),
        );
    }

    fn settle(&mut self) {
        for settled in self.window.take_settled() {
            debug!(destination = self.destination, batch = settled.sequence, "settled");
            // Without a reader there is nobody to tell, and the process is ending.
            let _ = self.parts.settled.send((self.parts.id, settled));
            (self.parts.wake)();
        }
    }
}

/// There is no body to send, for want of memory.
fn unwritten() -> Answer {
    Answer::Retry {
        failure: destination::of_words(FailureReason::Unreachable, "a request can't be written"),
        after: None,
        suspicion: Suspicion::None,
    }
}

const fn sentence(what: What) -> &'static str {
    match what {
        What::GivenUp(DropCause::GaveUp) => "records are older than giveUpAfter and are given up",
        What::GivenUp(_) => "records were refused by the destination and are given up",
        What::SetAside => {
            "the destination fails at this record; others go on, and it is tried again every five minutes"
        }
    }
}

/// What the destination said against a request or a part of it.
fn words(answer: &Answer) -> &str {
    match answer {
        Answer::Accepted { failure, .. } => failure.as_ref().map_or("", |failure| &failure.message),
        Answer::Retry { failure, .. }
        | Answer::Blocked { failure }
        | Answer::Split { failure }
        | Answer::Refused { failure } => &failure.message,
    }
}

/// How long the lane waits after an answer; not at all after success.
fn pause_after(answer: &Answer, piece: &Piece) -> Option<Pause> {
    match answer {
        Answer::Accepted { .. } => None,
        Answer::Retry { after, .. } => Some(Pause::Soon { after: *after }),
        // Nobody is bothered by another look at a file.
        Answer::Blocked { failure } if failure.reason == FailureReason::SecretMissing => Some(Pause::Soon {
            after: Some(SECRET_RETRY),
        }),
        Answer::Blocked { .. } => Some(Pause::Slow),
        Answer::Split { .. } if piece.records.len() > 1 => Some(Pause::None),
        Answer::Split { .. } | Answer::Refused { .. } => Some(Pause::Soon { after: None }),
    }
}

#[cfg(test)]
mod tests;
