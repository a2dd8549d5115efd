//! Bounds of durations and sizes, for the CRD's rules and the validator alike.

use crate::{ByteSize, Duration};

/// From the smallest to the largest duration that is accepted.
#[derive(Clone, Copy, Debug)]
pub struct Durations {
    pub min: Duration,
    pub max: Duration,
}

/// From the smallest to the largest size that is accepted.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub min: ByteSize,
    pub max: ByteSize,
}

impl Durations {
    pub const fn new(min: Duration, max: Duration) -> Self {
        Self { min, max }
    }

    pub fn sentence(self) -> String {
        format!("must be from {} to {}", self.min, self.max)
    }

    /// # Errors
    /// The duration and the bounds.
    pub fn check(self, duration: Duration) -> Result<(), String> {
        if (self.min..=self.max).contains(&duration) {
            return Ok(());
        }
        Err(format!("{duration} {}", self.sentence()))
    }
}

impl Sizes {
    pub const fn new(min: ByteSize, max: ByteSize) -> Self {
        Self { min, max }
    }

    pub fn sentence(self) -> String {
        format!("must be from {} to {}", self.min, self.max)
    }

    /// # Errors
    /// The size and the bounds.
    pub fn check(self, size: ByteSize) -> Result<(), String> {
        if (self.min..=self.max).contains(&size) {
            return Ok(());
        }
        Err(format!("{size} {}", self.sentence()))
    }
}

const DAY: u64 = 24 * 3600;

/// Shorter makes no sense: the last change of a file is known to the second.
pub const IGNORE_OLDER: Durations = Durations::new(Duration::from_secs(1), Duration::from_secs(3650 * DAY));
/// The wait for the rest of a line, or for more lines of a record.
pub const WAIT_FOR_MORE: Durations = Durations::new(Duration::from_millis(1), Duration::from_secs(3600));
/// One request, connecting included.
pub const TIMEOUT: Durations = Durations::new(Duration::from_millis(1), Duration::from_secs(600));
/// Zero means: send at once.
pub const MAX_DELAY: Durations = Durations::new(Duration::from_secs(0), Duration::from_secs(600));
/// Zero would hammer a server that is down.
pub const BACKOFF: Durations = Durations::new(Duration::from_millis(1), Duration::from_secs(3600));
pub const GIVE_UP_AFTER: Durations = Durations::new(Duration::from_secs(1), Duration::from_secs(3650 * DAY));

/// A line is held in memory as a whole.
pub const MAX_LINE_BYTES: Sizes = Sizes::new(ByteSize::from_bytes(1), ByteSize::from_mib(16));
pub const BATCH_BYTES: Sizes = Sizes::new(ByteSize::from_bytes(1), ByteSize::from_mib(64));
pub const MAX_HELD_BYTES: Sizes = Sizes::new(ByteSize::from_bytes(1), ByteSize::from_mib(1 << 30));

/// Of a pipeline as it stands in a ConfigMap, which takes 1 MiB and may have to hold the configurations of two pod shapes.
pub const MAX_RENDERED_BYTES: usize = 450 * 1024;

/// Requests under way at once.
pub const IN_FLIGHT: std::ops::RangeInclusive<u32> = 1..=64;
/// A share of records.
pub const PERCENT: std::ops::RangeInclusive<u8> = 0..=100;
/// Records per second, and at once.
pub const RATE: std::ops::RangeInclusive<u32> = 1..=10_000_000;
