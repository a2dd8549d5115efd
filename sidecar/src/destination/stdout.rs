//! Standard output: one writer thread for the process, so that lines of several pipelines never mix and a blocked pipe
//! stalls nothing but the lanes that write to it.
//!
//! A record is settled when the pipe took it. What the container runtime then does with it can't be known; it may lose
//! the pipe's 64 KiB when it dies.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use tokio::sync::{mpsc, oneshot};

/// Jobs that wait for the thread. Each lane waits for its one job, so this bounds nothing but bursts.
const QUEUE: usize = 16;

/// A handle to the writer thread, which ends when the last handle is gone.
#[derive(Clone, Debug)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
}

#[derive(Debug)]
struct Job {
    text: Bytes,
    done: oneshot::Sender<io::Result<()>>,
}

impl Writer {
    /// Starts the thread on the process's standard output.
    pub fn start() -> io::Result<Self> {
        Self::start_on(io::stdout())
    }

    /// Starts the thread on any descriptor.
    pub fn start_on(output: impl AsFd + Send + 'static) -> io::Result<Self> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(QUEUE);
        std::thread::Builder::new().name("stdout".to_owned()).spawn(move || {
            while let Some(job) = waiting.blocking_recv() {
                // Nobody listens when the lane was aborted meanwhile.
                let _ = job.done.send(write_all(output.as_fd(), &job.text));
            }
        })?;
        Ok(Self { jobs })
    }

    /// Writes whole lines; returns when the pipe took all of them.
    ///
    /// # Errors
    /// What the system says, such as a closed pipe. Part of the text may have been written.
    pub async fn write(&self, text: Bytes) -> io::Result<()> {
        let (done, finished) = oneshot::channel();
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        self.jobs.send(Job { text, done }).await.map_err(|_| gone())?;
        finished.await.map_err(|_| gone())?
    }
}

/// Also for a descriptor that somebody who shares it has made non-blocking.
fn write_all(output: BorrowedFd<'_>, mut text: &[u8]) -> io::Result<()> {
    while !text.is_empty() {
        match rustix::io::write(output, text) {
            Ok(written) => text = &text[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                rustix::event::poll(&mut [PollFd::new(&output, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
