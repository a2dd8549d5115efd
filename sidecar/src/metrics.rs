//! What the process knows about itself at one moment, and its rendering for Prometheus.
//!
//! The hot path counts in plain integers that belong to their owners; they are copied when somebody asks, and nothing
//! here is touched between two scrapes. Names, help texts and labels are all in `families`.

mod families;

pub use families::render;
use pipeline::report::Report;

use crate::sending::health;

/// Everything that `/status` and `/metrics` show, taken at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub report: Report,
    pub sources: Vec<SourceCounters>,
    pub flows: Vec<Flow>,
    pub destinations: Vec<DestinationHealth>,
    pub checkpoint_errors: u64,
    /// Configuration files taken over, and files or pipelines refused.
    pub reloads_succeeded: u64,
    pub reloads_refused: u64,
}

/// What the report doesn't say about a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceCounters {
    pub pipeline: String,
    pub source: String,
    pub rotated: u64,
    pub truncated: u64,
    /// By a bounded reason, such as `permission` or `tooManyFiles`.
    pub errors: Vec<(&'static str, u64)>,
}

/// The accounting of one source towards one destination, in source bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    pub pipeline: String,
    pub source: String,
    pub destination: String,
    pub discovered_bytes: u64,
    pub acknowledged: Amount,
    /// By reason: `filtered`, `sampled`, `rateLimited`.
    pub filtered: Vec<(&'static str, Amount)>,
    /// By reason: `rejected`, `unconfirmed`, `tooLarge`, `gaveUp`, `vanished`.
    pub dropped: Vec<(&'static str, Amount)>,
    pub pending_bytes: u64,
    pub oldest_pending_seconds: u64,
}

/// Records and the source bytes they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    pub records: u64,
    pub bytes: u64,
}

/// The health of one destination.
#[derive(Clone, Debug, Default)]
pub struct DestinationHealth {
    pub pipeline: String,
    pub destination: String,
    pub health: health::Snapshot,
}
