//! A thread that writes: whole texts, one after the other, so that a blocked pipe or a slow disk stalls nothing but the
//! lanes that write to it.

use std::io;

use bytes::Bytes;
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
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(
        name: &str,
        mut write: impl FnMut(&[u8]) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(QUEUE);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            while let Some(job) = waiting.blocking_recv() {
                // Nobody listens when the lane was aborted meanwhile.
                let _ = job.done.send(write(&job.text));
            }
        })?;
        Ok(Self { jobs })
    }

    /// Writes whole lines; returns when all of them are written.
    ///
    /// # Errors
    /// What the system says, such as a closed pipe or a full disk.
    pub async fn write(&self, text: Bytes) -> io::Result<()> {
        let (done, finished) = oneshot::channel();
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        self.jobs.send(Job { text, done }).await.map_err(|_| gone())?;
        finished.await.map_err(|_| gone())?
    }
}
