//! When a process that was asked to end may end. Pure.
//!
//! A native sidecar gets SIGTERM after the application has ended: what is in the files is all there will be. A plain
//! container gets it at the same moment as the application, which still writes its last lines.

use std::time::Duration;

use pipeline::config::Placement;

/// Nothing more is expected from an application that has ended after so long.
const QUIET_NATIVE: Duration = Duration::from_millis(300);
/// An application that is ending may pause for so long.
const QUIET_CONTAINER: Duration = Duration::from_secs(2);
/// Before the end of the time, what is there leaves in any case.
const RESERVE: Duration = Duration::from_secs(2);

/// What is known at one moment of the drain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drain {
    pub(crate) placement: Placement,
    /// `drainTimeout`.
    pub(crate) timeout: Duration,
    /// Since SIGTERM.
    pub(crate) elapsed: Duration,
    /// Since the last growth of any file, or SIGTERM.
    pub(crate) quiet: Duration,
    /// Every file that was being written at SIGTERM or since was closed by its writer.
    pub(crate) all_closed: bool,
    pub(crate) pending_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There may be more to come.
    ReadOn,
    /// Nothing more will come: ship also lines without an end.
    ShipRest,
    Exit,
}

impl Drain {
    pub(crate) fn next(self) -> Step {
        if self.elapsed >= self.timeout {
            return Step::Exit;
        }
        let complete = match self.placement {
            Placement::Native => self.quiet >= QUIET_NATIVE,
            Placement::Container => self.all_closed && self.quiet >= QUIET_CONTAINER,
        };
        let last_call = self.elapsed + RESERVE >= self.timeout;
        match (complete, self.pending_bytes) {
            (true, 0) => Step::Exit,
            // Out of patience with a writer; what it still writes is shipped as long as there is time.
            (false, 0) if last_call && self.placement == Placement::Container => Step::Exit,
            (true, _) => Step::ShipRest,
            (false, _) if last_call => Step::ShipRest,
            _ => Step::ReadOn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(placement: Placement, elapsed: u64, quiet: u64, all_closed: bool, pending_bytes: u64) -> Step {
        let (elapsed, quiet) = (Duration::from_millis(elapsed), Duration::from_millis(quiet));
        Drain {
            placement,
            timeout: Duration::from_secs(20),
            elapsed,
            quiet,
            all_closed,
            pending_bytes,
        }
        .next()
    }

    #[test]
    fn a_native_sidecar_ends_when_all_is_acknowledged_and_quiet() {
        use Placement::Native;
        assert_eq!(step(Native, 100, 100, false, 0), Step::ReadOn);
        assert_eq!(step(Native, 300, 300, false, 0), Step::Exit);
        assert_eq!(step(Native, 300, 300, false, 7), Step::ShipRest);
        assert_eq!(step(Native, 20_000, 0, false, 7), Step::Exit);
    }

    #[test]
    fn a_plain_container_waits_for_the_application() {
        use Placement::Container;
        assert_eq!(step(Container, 5_000, 5_000, false, 0), Step::ReadOn);
        assert_eq!(step(Container, 5_000, 1_000, true, 0), Step::ReadOn);
        assert_eq!(step(Container, 5_000, 2_000, true, 0), Step::Exit);
        assert_eq!(step(Container, 18_000, 0, false, 9), Step::ShipRest);
        assert_eq!(step(Container, 18_000, 0, false, 0), Step::Exit);
    }
}
