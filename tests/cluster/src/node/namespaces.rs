//! Going into the node's namespaces.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

use crate::child::{Parent, dies_with_parent, leave_namespaces};

/// Starts a program as process 1 of new namespaces. It is killed when this process ends.
pub(crate) fn launch(mut command: Command) -> io::Result<Child> {
    let (sender, receiver) = mpsc::sync_channel(1);
    // A thread of its own leaves the namespaces, so that the rest of the process stays. It must never end: the kernel
    // kills the child with the thread that started it.
    thread::Builder::new().name("launcher".to_owned()).spawn(move || {
        let child = leave_namespaces().and_then(|()| dies_with_parent(&mut command, Parent::Outside).spawn());
        let _ = sender.send(child);
        loop {
            thread::park();
        }
    })?;
    receiver.recv().map_err(io::Error::other)?
}

/// The namespaces of a process. They can be entered as long as this value lives, even for a moment after the process.
#[derive(Debug)]
pub(crate) struct Namespaces {
    process: OwnedFd,
}

impl Namespaces {
    /// Those of the process with that id.
    pub(crate) fn of(process: u32) -> io::Result<Self> {
        let pid = Pid::from_raw(process.cast_signed()).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self {
            process: pidfd_open(pid, PidfdFlags::empty())?,
        })
    }

    /// Puts the calling thread into the network. Sockets made now belong to it for ever, whoever uses them later.
    pub(crate) fn enter_network(&self) -> io::Result<()> {
        Ok(move_into_thread_name_spaces(
            self.process.as_fd(),
            ThreadNameSpaceType::NETWORK,
        )?)
    }

    /// Puts the calling process, which must have one thread only, into all of them. Process ids count for its children.
    pub(crate) fn enter_all(&self) -> io::Result<()> {
        let all = ThreadNameSpaceType::NETWORK
            | ThreadNameSpaceType::MOUNT
            | ThreadNameSpaceType::PROCESS_ID
            | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION
            | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME;
        Ok(move_into_thread_name_spaces(self.process.as_fd(), all)?)
    }

    /// Does something on a thread that is inside the network, and hands back what came of it.
    pub(crate) fn in_network<T: Send>(&self, inside: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        thread::scope(|scope| {
            let work = scope.spawn(|| self.enter_network().and_then(|()| inside()));
            work.join()
                .unwrap_or_else(|_| Err(io::Error::other("the work inside the node's network panicked")))
        })
    }
}
