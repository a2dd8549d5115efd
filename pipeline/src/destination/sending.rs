//! How requests are made up and repeated, for every type of destination.

use serde::{Deserialize, Serialize};

use crate::{ByteSize, Duration};

/// Compression of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Compression {
    #[default]
    Auto,
    None,
    Gzip,
    Zstd,
    Snappy,
    Lz4,
}

/// How records are grouped into requests; what is unset takes the default of the destination's type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Batch {
    /// Size of the log text in one request at which it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<ByteSize>,
    /// Longest time that a record waits for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_delay: Option<Duration>,
    /// Requests under way at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 64)))]
    pub in_flight: Option<u32>,
}

/// What happens when a request fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retry {
    /// First pause; it doubles with each failure, with jitter.
    #[serde(default = "default_initial_backoff")]
    pub initial_backoff: Duration,
    /// Longest pause.
    #[serde(default = "default_max_backoff")]
    pub max_backoff: Duration,
    /// Records older than this are dropped and counted. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub give_up_after: Option<Duration>,
}

const fn default_initial_backoff() -> Duration {
    Duration::from_millis(200)
}

const fn default_max_backoff() -> Duration {
    Duration::from_secs(30)
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            initial_backoff: default_initial_backoff(),
            max_backoff: default_max_backoff(),
            give_up_after: None,
        }
    }
}
