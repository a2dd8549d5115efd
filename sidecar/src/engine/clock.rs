//! The two clocks, read once per turn and handed down.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// One moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    /// Nanoseconds since the Unix epoch.
    pub(crate) wall: i64,
}

impl Now {
    pub(crate) fn read() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            instant: Instant::now(),
            wall: i64::try_from(wall.as_nanos()).unwrap_or(i64::MAX),
        }
    }

    pub(crate) const fn seconds(self) -> i64 {
        self.wall / 1_000_000_000
    }
}
