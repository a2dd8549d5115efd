//! Sending: one task per lane takes batches, sends them until each record's fate is settled, and gives them back.
//!
//! A *lane* is one destination of one pipeline. Its task ends when the sender of batches is dropped and everything
//! handed over is settled, or when it is aborted. An aborted lane gives its batches never back: the reader reads the
//! ranges again from the last settled position.
//!
//! Nothing here knows files or positions, and nothing here drops a record but for the reasons of [`DropCause`].
//!
//! [`DropCause`]: crate::batch::DropCause

mod chance;
pub mod health;
mod holding;
mod lane;
mod pace;
mod route;
mod window;

use std::fmt;
use std::sync::{Arc, mpsc as std_mpsc};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::batch::{Parcel, Settled};
pub use crate::destination::BuildError;
use crate::destination::Writer;
use crate::transport::Surroundings;
pub use health::Health;
pub use holding::Holding;

/// Tells the lanes of a process apart. Chosen by the reader, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(pub u64);

/// What a lane is given.
pub struct LaneParts {
    pub id: LaneId,
    /// For log lines; the destination's own name is part of its settings.
    pub pipeline: String,
    /// Batches to send, at most [`Limits::window`](crate::destination::Limits::window) of them unsettled at once.
    pub batches: mpsc::Receiver<Parcel>,
    /// Where settled batches go, in any order.
    pub settled: std_mpsc::Sender<(LaneId, Settled)>,
    /// Called after each settlement.
    pub wake: Arc<dyn Fn() + Send + Sync>,
    pub health: Arc<Health>,
    pub holding: Arc<Holding>,
    /// The process's one writer to standard output.
    pub stdout: Writer,
    /// References and environment.
    pub around: Surroundings,
}

/// A running lane. Dropping it aborts the lane.
#[derive(Debug)]
pub struct LaneHandle {
    task: JoinHandle<()>,
}

impl LaneHandle {
    /// True once the task has ended: everything is settled and the sender of batches is gone, or the task panicked.
    /// A lane that has ended while its sender is alive must be built anew.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// It sends nothing more.
    pub fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for LaneHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for LaneParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaneParts")
            .field("id", &self.id)
            .field("pipeline", &self.pipeline)
            .finish_non_exhaustive()
    }
}

/// Starts a lane on `runtime`. May be called from any thread.
///
/// # Errors
/// When the destination's settings can't be turned into requests; validation has refused most of these before.
pub fn spawn(
    runtime: &tokio::runtime::Handle,
    destination: &pipeline::Destination,
    parts: LaneParts,
) -> Result<LaneHandle, BuildError> {
    let lane = lane::Lane::new(destination, parts)?;
    Ok(LaneHandle {
        task: runtime.spawn(lane.run()),
    })
}
