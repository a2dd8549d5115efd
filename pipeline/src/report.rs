//! The sidecar's answer to `GET /status`, schema version 1. The operator reads it with defaults everywhere, so that a
//! report of a newer sidecar can be understood as far as both know the fields.

use serde::{Deserialize, Serialize};

/// The only schema version so far.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything a sidecar says about itself. No secret and no log text appears in it, but what a server quotes in an
/// error, cut to 256 characters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    pub schema_version: u32,
    /// Version of the sidecar.
    pub version: String,
    /// Versions of the configuration format that it understands.
    pub config_versions: Vec<u32>,
    pub pod_uid: String,
    /// RFC 3339.
    pub started_at: String,
    pub state: State,
    /// Hash of the configuration file that runs.
    pub config_hash: String,
    /// Pipelines, or the whole file, that were refused; what ran before runs on.
    pub rejected: Vec<Rejected>,
    pub memory: Memory,
    pub watch: Watch,
    /// Bytes of deleted files held open because they aren't delivered yet.
    pub held_deleted_bytes: u64,
    pub volumes: Vec<Volume>,
    pub pipelines: Vec<PipelineReport>,
    /// Only while another sidecar ships by the same positions: why this one waits. It takes over when that one ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standby: Option<String>,
    /// Only where positions can't be kept on disk, so that a restart begins anew: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub positions_error: Option<String>,
}

/// What the sidecar is doing as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    #[default]
    Starting,
    NoConfig,
    Running,
    Draining,
}

/// A refused part of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rejected {
    /// Empty when the file as a whole was refused.
    pub pipeline: String,
    pub revision: String,
    /// All errors, each with its field path.
    pub error: String,
}

/// Memory held by batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    pub used_bytes: u64,
    pub budget_bytes: u64,
}

/// How changes of files are noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Watch {
    #[default]
    Inotify,
    Poll,
}

/// A volume with logs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Volume {
    /// As the application names it.
    pub path: String,
    pub used_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_bytes: Option<u64>,
}

/// One pipeline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PipelineReport {
    pub name: String,
    /// The revision that runs.
    pub revision: String,
    pub sources: Vec<SourceReport>,
    pub destinations: Vec<DestinationReport>,
    /// Only where the pipeline asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reclaim: Option<ReclaimReport>,
}

/// What became of `reclaim: AfterDelivery`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReclaimReport {
    /// Bytes of delivered text that were given back to the volume since the sidecar started.
    pub reclaimed_bytes: u64,
    /// Files of which nothing can be given back, and why; at most [`MAX_UNREADABLE`].
    pub failed: Vec<Unreadable>,
}

/// One source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceReport {
    pub name: String,
    pub files: u64,
    /// At most [`MAX_UNREADABLE`].
    pub unreadable: Vec<Unreadable>,
    pub read_bytes: u64,
    pub read_records: u64,
    pub truncated_lines: u64,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_read_at: Option<String>,
}

/// How many unreadable files a source lists.
pub const MAX_UNREADABLE: usize = 20;

/// A file that matches and can't be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Unreadable {
    pub path: String,
    pub error: String,
}

/// One destination, summed over its sources. Bytes are source bytes, and at every moment
/// `discovered = acknowledged + filtered + dropped + pending`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DestinationReport {
    pub name: String,
    pub state: DestinationState,
    /// Only where the state is retrying or blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<FailureReason>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<String>,
    pub discovered_bytes: u64,
    pub acknowledged_bytes: u64,
    pub filtered_bytes: u64,
    pub dropped_bytes: u64,
    pub pending_bytes: u64,
    pub oldest_pending_seconds: u64,
    pub acknowledged_records: u64,
    pub filtered_records: FilteredRecords,
    pub dropped_records: DroppedRecords,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_acknowledged_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
}

/// What a destination is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DestinationState {
    /// The last request was acknowledged.
    Healthy,
    /// Nothing was sent yet.
    #[default]
    Idle,
    /// The last request failed in a way that passes by itself.
    Retrying,
    /// The last request failed in a way that needs somebody to act.
    Blocked,
}

/// Why a destination fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FailureReason {
    Unreachable,
    Unauthorized,
    TlsFailure,
    SecretMissing,
    RateLimited,
    ServerError,
    NotFound,
    Refused,
    UnexpectedAnswer,
}

impl FailureReason {
    /// The name as it stands in the report; also a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "Unreachable",
            Self::Unauthorized => "Unauthorized",
            Self::TlsFailure => "TlsFailure",
            Self::SecretMissing => "SecretMissing",
            Self::RateLimited => "RateLimited",
            Self::ServerError => "ServerError",
            Self::NotFound => "NotFound",
            Self::Refused => "Refused",
            Self::UnexpectedAnswer => "UnexpectedAnswer",
        }
    }
}

/// Records left out by policy; no loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FilteredRecords {
    pub filtered: u64,
    pub sampled: u64,
    pub rate_limited: u64,
}

/// Records lost, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DroppedRecords {
    /// The destination refused the record itself.
    pub rejected: u64,
    /// Sent, and the destination can't say whether it was stored.
    pub unconfirmed: u64,
    /// Refused for its size even after it was cut.
    pub too_large: u64,
    /// Older than `giveUpAfter`.
    pub gave_up: u64,
    /// The bytes were gone before they could be read.
    pub vanished: u64,
}

impl DroppedRecords {
    pub const fn total(self) -> u64 {
        self.rejected + self.unconfirmed + self.too_large + self.gave_up + self.vanished
    }
}

/// The last failure of a destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LastError {
    /// RFC 3339.
    pub at: String,
    /// With the server's own words, at most 256 characters.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_with_unknown_and_missing_fields_is_understood() {
        let report: Report = serde_json::from_str(r#"{"state":"noConfig","future":{"a":1}}"#).unwrap();
        assert_eq!(report.state, State::NoConfig);
        assert_eq!(report.pipelines, []);
    }

    #[test]
    fn names_are_those_of_the_contract() {
        let report = Report {
            pipelines: vec![PipelineReport {
                destinations: vec![DestinationReport {
                    reason: Some(FailureReason::TlsFailure),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        let text = serde_json::to_string(&report).unwrap();
        for name in [
            "schemaVersion",
            "configVersions",
            "podUid",
            "heldDeletedBytes",
            "oldestPendingSeconds",
            "\"rateLimited\":0",
            "\"tooLarge\":0",
            "\"TlsFailure\"",
        ] {
            assert!(text.contains(name), "{name} in {text}");
        }
    }
}
