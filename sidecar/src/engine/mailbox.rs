//! How other threads reach the reader thread: an eventfd that it waits on together with inotify, and two channels.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};

use crate::batch::Settled;
use crate::destination::{BuildError, Limits, Writer};
use crate::sending::{self, Health, Holding, LaneId, LaneParts};
use crate::transport::Surroundings;

use super::lane::Link;

/// Ends a wait of the reader thread; may be called from any thread, also before the wait.
#[derive(Clone, Debug)]
pub(crate) struct Wake {
    event: Arc<OwnedFd>,
    drain: Arc<AtomicBool>,
}

/// The reader thread's end.
#[derive(Debug)]
pub(crate) struct Mailbox {
    wake: Wake,
    settled: mpsc::Receiver<(LaneId, Settled)>,
}

/// What new lanes are made with.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) stdout: Writer,
    around: Surroundings,
    settled: mpsc::Sender<(LaneId, Settled)>,
    wake: Wake,
    next_lane: u64,
}

impl Wake {
    pub(crate) fn new() -> std::io::Result<Self> {
        let event = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            event: Arc::new(event),
            drain: Arc::default(),
        })
    }

    pub(crate) fn wake(&self) {
        // The only error is a counter that is full, which wakes too.
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
    }

    /// Asks the reader thread to deliver what there is and end.
    pub(crate) fn drain(&self) {
        self.drain.store(true, Ordering::Release);
        self.wake();
    }
}

/// Both ends.
pub(crate) fn connect(
    wake: Wake,
    runtime: tokio::runtime::Handle,
    stdout: Writer,
    around: Surroundings,
) -> (Mailbox, Sending) {
    let (sender, settled) = mpsc::channel();
    let sending = Sending {
        runtime,
        stdout,
        around,
        settled: sender,
        wake: wake.clone(),
        next_lane: 0,
    };
    (Mailbox { wake, settled }, sending)
}

impl Mailbox {
    /// Waits for a wake-up, for `also` to become readable, or for the deadline.
    pub(crate) fn wait(&self, also: Option<std::os::fd::BorrowedFd<'_>>, until: Instant) {
        // Rounded up, so that a deadline isn't missed by a fraction and the loop spins.
        let wait = until.saturating_duration_since(Instant::now()) + Duration::from_micros(50);
        let timeout = Timespec::try_from(wait).ok();
        let mut fds = vec![PollFd::from_borrowed_fd(self.wake.event.as_fd(), PollFlags::IN)];
        fds.extend(also.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        // An interrupted wait is a short wait.
        let _ = rustix::event::poll(&mut fds, timeout.as_ref());
        let _ = rustix::io::read(&self.wake.event, &mut [0; 8]);
    }

    pub(crate) fn settled(&self) -> impl Iterator<Item = (LaneId, Settled)> + '_ {
        self.settled.try_iter()
    }

    pub(crate) fn must_drain(&self) -> bool {
        self.wake.drain.load(Ordering::Acquire)
    }
}

impl Sending {
    /// Starts the sending task of a lane.
    pub(crate) fn link(
        &mut self,
        pipeline: &str,
        destination: &pipeline::Destination,
        health: &Arc<Health>,
    ) -> Result<Link, BuildError> {
        self.next_lane += 1;
        let id = LaneId(self.next_lane);
        let (batches, receiver) = tokio::sync::mpsc::channel(Limits::of(destination).window);
        let wake = self.wake.clone();
        let holding = Arc::<Holding>::default();
        let parts = LaneParts {
            id,
            pipeline: pipeline.to_owned(),
            batches: receiver,
            settled: self.settled.clone(),
            wake: Arc::new(move || wake.wake()),
            health: Arc::clone(health),
            holding: Arc::clone(&holding),
            stdout: self.stdout.clone(),
            around: self.around.clone(),
        };
        let handle = sending::spawn(&self.runtime, destination, parts)?;
        Ok(Link {
            id,
            batches,
            holding,
            handle,
        })
    }
}
