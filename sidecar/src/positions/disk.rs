//! The only way into the file of positions. In tests the process can be killed before any of its writes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// One `pwrite`; a process that is killed has done it or not.
pub(super) fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    #[cfg(test)]
    kill::before_write();
    file.write_all_at(bytes, at)
}

#[cfg(test)]
pub(crate) mod kill {
    //! A kill is an unwinding that the test catches. Nothing of the engine may be used after it.

    use std::cell::Cell;

    thread_local! {
        static WRITES_LEFT: Cell<Option<usize>> = const { Cell::new(None) };
    }

    /// What a killed thread unwinds with.
    #[derive(Debug)]
    pub(crate) struct Killed;

    /// Kills the thread before its write number `writes`, counted from 0.
    pub(crate) fn after(writes: usize) {
        WRITES_LEFT.set(Some(writes));
    }

    pub(crate) fn never() {
        WRITES_LEFT.set(None);
    }

    pub(super) fn before_write() {
        let Some(left) = WRITES_LEFT.get() else { return };
        match left.checked_sub(1) {
            Some(left) => WRITES_LEFT.set(Some(left)),
            None => std::panic::resume_unwind(Box::new(Killed)),
        }
    }
}
