//! What happens to a child process before its program runs. The one module with unsafe code.
//!
//! Why unsafe at all: `Command::pre_exec` runs a closure in the forked child, where another thread may have held a lock
//! (the allocator's, for one) at the moment of the fork. So the closures here make system calls and nothing else: they
//! neither allocate nor lock.

#![allow(
    unsafe_code,
    reason = "the standard library offers no safe way to prepare a child between fork and exec"
)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Where a child sees its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parent {
    /// In the same PID namespace.
    Visible,
    /// In another one; the child sees no parent at all.
    Outside,
}

/// Makes the kernel kill the child when the **thread** that spawns it ends, so spawn from a thread that stays.
pub(crate) fn dies_with_parent(command: &mut Command, parent: Parent) -> &mut Command {
    let expected = match parent {
        Parent::Visible => Pid::from_raw(std::process::id().cast_signed()),
        Parent::Outside => None,
    };
    let prepare = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died before the line above; then nobody would ever send the signal.
        if getppid() == expected {
            Ok(())
        } else {
            Err(io::Error::from(rustix::io::Errno::SRCH))
        }
    };
    // SAFETY: two system calls; no allocation, no lock.
    unsafe { command.pre_exec(prepare) }
}

/// Puts the calling thread, and the children it will have, into new namespaces: mounts, network, IPC and host name for
/// both, process ids for the children only. The first child becomes process 1 of the latter.
pub(crate) fn leave_namespaces() -> io::Result<()> {
    let namespaces =
        UnshareFlags::NEWNS | UnshareFlags::NEWNET | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS | UnshareFlags::NEWPID;
    // SAFETY: unsafe only because of `UnshareFlags::FILES`, which is not among the flags.
    unsafe { unshare_unsafe(namespaces) }.map_err(io::Error::from)
}
