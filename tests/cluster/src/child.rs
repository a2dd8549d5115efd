//! What a child process does between fork and exec. The one module with unsafe code.
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

/// Makes the kernel kill the child when the **thread** that spawns it ends, so spawn from a thread that stays.
pub(crate) fn dies_with_parent(command: &mut Command) -> &mut Command {
    let parent = Pid::from_raw(std::process::id().cast_signed());
    let prepare = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died before the line above; then nobody would ever send the signal.
        if getppid() == parent {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(rustix::io::Errno::SRCH.raw_os_error()))
        }
    };
    // SAFETY: two system calls; no allocation, no lock.
    unsafe { command.pre_exec(prepare) }
}
