//! What was measured of an operator, in the units that the table shows.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet::Size;

/// Numbers of requests, by verb and resource.
pub type Requests = BTreeMap<String, usize>;

/// From the operator's start until nothing is left to do.
#[derive(Debug)]
pub struct Injection {
    pub size: Size,
    /// Until the last Deployment was patched.
    pub patched_after: Duration,
    /// Processor time until then.
    pub patching: Duration,
    /// Requests until then.
    pub requests: Requests,
    /// Processor time from then on, until every pod was replaced and the status said so.
    pub rollout: Duration,
    /// Requests during that.
    pub rollout_requests: Requests,
    /// Most memory so far, in bytes.
    pub peak: u64,
}

/// A minute in which nothing happens.
#[derive(Debug)]
pub struct Idle {
    pub lasted: Duration,
    pub cpu: Duration,
    /// All of them, reads and writes.
    pub requests: Requests,
    /// Memory at its end, in bytes.
    pub memory: u64,
}

/// Another configuration for every Deployment, in the same pods.
#[derive(Debug)]
pub struct Reconfiguration {
    /// From the first changed LogShipping to the last nudged pod.
    pub took: Duration,
    pub cpu: Duration,
    pub requests: Requests,
}

/// An operator that starts where all is done.
#[derive(Debug)]
pub struct Restart {
    pub ready_after: Duration,
    pub cpu: Duration,
    pub requests: Requests,
    /// Most memory, in bytes.
    pub peak: u64,
}

/// Everything.
#[derive(Debug)]
pub struct Figures {
    pub injection: Injection,
    pub idle: Idle,
    pub reconfiguration: Reconfiguration,
    /// From a Deployment's creation to its patch, one after the other, shortest first.
    pub latencies: Vec<Duration>,
    /// Sizes of each LogShipping's status as JSON, in bytes, smallest first.
    pub statuses: Vec<usize>,
    pub restart: Restart,
    /// Most memory until the restart, in bytes.
    pub peak: u64,
}

/// The value that a share of the sorted values doesn't exceed.
pub fn percentile<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let sorted: Vec<_> = (1..=100).collect();
        assert_eq!(percentile(&sorted, 50), Some(50));
        assert_eq!(percentile(&sorted, 99), Some(99));
        assert_eq!(percentile(&sorted[..3], 99), Some(3));
        assert_eq!(percentile::<u32>(&[], 50), None);
    }
}
