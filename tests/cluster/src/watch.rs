//! What can happen to a cluster while it starts and runs, as one stream of events for one thread.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::supervisor::{Death, Orphans, Supervisor};

/// How often dead children are looked for.
const ROUND: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// Whoever held the other end of the lifeline is gone.
    LifelineCut,
    /// A signal asked for the end.
    Signalled,
    /// A component ended.
    Died(Death),
    /// A client connected to the control socket.
    Client(UnixStream),
    /// Nothing within one round.
    Quiet,
}

/// Why waiting for something was given up.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// A component ended meanwhile.
    #[error(transparent)]
    Died(#[from] Death),
    /// It took too long.
    #[error("{what} took longer than {} s; the logs are in the folder named below", within.as_secs())]
    TooLong {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        within: Duration,
    },
    /// The starter is gone or a signal came.
    #[error("told to stop while starting")]
    ToldToStop,
    /// The system can't wait.
    #[error("cannot wait for events")]
    Poll(#[from] io::Error),
}

/// The event sources, and the children among them.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) supervisor: Supervisor,
    lifeline: Option<io::Stdin>,
    signals: UnixStream,
    control: Option<UnixListener>,
}

impl Watch {
    /// Begins to watch. Must be called before anything is started that has to be removed again.
    pub(crate) fn new(orphans: Orphans) -> io::Result<Self> {
        let (signals, writer) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        Ok(Self {
            supervisor: Supervisor::new(orphans),
            lifeline: Some(io::stdin()),
            signals,
            control: None,
        })
    }

    /// Takes requests from now on.
    pub(crate) fn listen(&mut self, control: UnixListener) {
        self.control = Some(control);
    }

    /// The next event, or [`Event::Quiet`] after a tenth of a second.
    pub(crate) fn next(&mut self) -> io::Result<Event> {
        if let Some(death) = self.supervisor.death() {
            return Ok(Event::Died(death));
        }
        let ready = self.poll()?;
        if ready.signals {
            return Ok(Event::Signalled);
        }
        if let Some(lifeline) = self.lifeline.as_mut().filter(|_| ready.lifeline) {
            if lifeline.read(&mut [0; 64])? == 0 {
                return Ok(Event::LifelineCut);
            }
            // Let go: from now on only a request or a signal ends it.
            self.lifeline = None;
        }
        if let Some(control) = self.control.as_ref().filter(|_| ready.control) {
            return Ok(Event::Client(control.accept()?.0));
        }
        Ok(Event::Quiet)
    }

    /// Waits until `is_there` says so, at most `within`.
    pub(crate) fn wait_for(
        &mut self,
        what: &'static str,
        within: Duration,
        mut is_there: impl FnMut() -> bool,
    ) -> Result<(), WaitError> {
        let deadline = Instant::now() + within;
        while !is_there() {
            match self.next()? {
                Event::Died(death) => return Err(death.into()),
                Event::LifelineCut | Event::Signalled => return Err(WaitError::ToldToStop),
                Event::Client(_) | Event::Quiet => {}
            }
            if Instant::now() >= deadline {
                return Err(WaitError::TooLong { what, within });
            }
        }
        Ok(())
    }

    fn poll(&self) -> io::Result<Ready> {
        let lifeline = self.lifeline.as_ref().map(AsFd::as_fd);
        let control = self.control.as_ref().map(AsFd::as_fd);
        let sources: [Option<BorrowedFd<'_>>; 3] = [Some(self.signals.as_fd()), lifeline, control];
        let mut fds: Vec<_> = sources
            .iter()
            .flatten()
            .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
            .collect();
        match poll(&mut fds, Some(&ROUND)) {
            // A child that ended interrupts the wait.
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut happened = fds.iter().map(|fd| !fd.revents().is_empty());
        let mut next = |source: Option<BorrowedFd<'_>>| source.is_some() && happened.next().unwrap_or(false);
        Ok(Ready {
            signals: next(sources[0]),
            lifeline: next(sources[1]),
            control: next(sources[2]),
        })
    }
}

struct Ready {
    signals: bool,
    lifeline: bool,
    control: bool,
}
