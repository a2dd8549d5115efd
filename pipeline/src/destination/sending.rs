//! How requests are made up and repeated, for every type of destination.

use serde::{Deserialize, Serialize};

use crate::{ByteSize, Duration};
#[cfg(feature = "schema")]
use crate::{limits, schema::rules};

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

impl Compression {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "Auto",
            Self::None => "None",
            Self::Gzip => "Gzip",
            Self::Zstd => "Zstd",
            Self::Snappy => "Snappy",
            Self::Lz4 => "Lz4",
        }
    }
}

/// How records are grouped into requests; what is unset takes the default of the destination's type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Batch {
    /// Size of the log text in one request at which it is sent, in bytes. Default: 8Mi for `s3`, 4Mi for
    /// `elasticsearch`, 900Ki for `kafka`, else 1Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::size(limits::BATCH_BYTES))))]
    pub max_bytes: Option<ByteSize>,
    /// Longest time that a record waits for others; `0s` sends at once. Default: 60s for `s3`, else 200ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::duration(limits::MAX_DELAY))))]
    pub max_delay: Option<Duration>,
    /// Requests under way at once. Default: 1 where the order of lines is kept (`http`, `stdout`, `syslog`, `splunk`),
    /// else 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 64)))]
    pub in_flight: Option<u32>,
}

/// What happens when a request fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::rules(&[
    ("duration(self.initialBackoff) <= duration(self.maxBackoff)", BACKOFFS),
]))))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retry {
    /// First pause after a failure; it doubles with each further one, with jitter.
    #[serde(default = "default_initial_backoff")]
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::duration(limits::BACKOFF))))]
    pub initial_backoff: Duration,
    /// Longest pause.
    #[serde(default = "default_max_backoff")]
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::duration(limits::BACKOFF))))]
    pub max_backoff: Duration,
    /// Records that wait for longer than this are dropped and counted as lost. Default: they wait for ever, in the
    /// file. Example: `24h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::duration(limits::GIVE_UP_AFTER))))]
    pub give_up_after: Option<Duration>,
}

pub(crate) const BACKOFFS: &str = "initialBackoff must not be longer than maxBackoff";

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
