//! Standard output: one writer thread for the process, so that lines of several pipelines never mix.
//!
//! A record is settled when the pipe took it. What the container runtime then does with it can't be known; it may lose
//! the pipe's 64 KiB when it dies.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use super::Writer;

/// Starts the thread on the process's standard output.
///
/// # Errors
/// When the system gives no thread.
pub fn writer() -> io::Result<Writer> {
    writer_on(io::stdout())
}

/// Starts the thread on any descriptor.
///
/// # Errors
/// When the system gives no thread.
pub fn writer_on(output: impl AsFd + Send + 'static) -> io::Result<Writer> {
    Writer::start("stdout", move |text| write_all(output.as_fd(), text))
}

/// Also for a descriptor that somebody who shares it has made non-blocking. Part of the text may have been written when
/// it fails.
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
