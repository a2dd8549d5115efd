//! What users write. The doc comments are the descriptions in the CRD: `kubectl explain` shows them.

#![allow(
    clippy::duplicated_attributes,
    reason = "printer columns of one type repeat `type_`; the lint takes them for one list"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use pipeline::config::{LogLevel, Reclaim};
use pipeline::{ByteSize, Destination, Duration, Source, Transform};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::Resources;
use crate::rollout::Rollout;
use crate::status::LogShippingStatus;

/// Ships the log files of Deployments: a sidecar is added to the Deployments that the selector matches; it tails the
/// files of `sources` and sends them to `destinations`.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "logshipping.dev",
    version = "v1alpha1",
    kind = "LogShipping",
    plural = "logshippings",
    singular = "logshipping",
    shortname = "lgs",
    category = "logging",
    namespaced,
    status = "LogShippingStatus",
    derive = "PartialEq",
    doc = "Ships the log files of Deployments to log stores, by a sidecar that the operator adds to their pods.",
    printcolumn(
        name = "Matched",
        type_ = "integer",
        json_path = ".status.targets.matched",
        description = "Deployments that the selector matches"
    ),
    printcolumn(
        name = "Injected",
        type_ = "string",
        json_path = ".status.summary.injected",
        description = "Deployments that carry the sidecar as desired"
    ),
    printcolumn(
        name = "Delivering",
        type_ = "string",
        json_path = ".status.summary.delivering",
        description = "Sidecars whose logs arrive"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Everything is as the spec wants it"
    ),
    printcolumn(
        name = "Status",
        type_ = "string",
        json_path = ".status.summary.state",
        description = "What holds it back, or Healthy"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Since creation"
    ),
    printcolumn(
        name = "Loaded",
        type_ = "string",
        json_path = ".status.summary.loaded",
        description = "Sidecars that run their revision of the configuration",
        priority = 1
    ),
    printcolumn(
        name = "Revision",
        type_ = "string",
        json_path = ".status.revision",
        description = "Revision of the spec that is rolled out",
        priority = 1
    ),
    printcolumn(
        name = "Lag",
        type_ = "string",
        json_path = ".status.lag",
        description = "Age of the oldest byte that is not delivered",
        priority = 1
    ),
    printcolumn(
        name = "Lost",
        type_ = "string",
        json_path = ".status.lost",
        description = "Records that were lost",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = ("self.destinations.all(d, !has(d.sources) || d.sources.all(s, self.sources.exists(x, x.name == s)))", "a destination names a source that is not in sources"))]
pub struct LogShippingSpec {
    /// `Enforce` acts. `Preview` computes and reports what would be done, and changes nothing.
    #[serde(default)]
    pub mode: Mode,
    /// Decides where several LogShippings disagree about one sidecar: the higher one wins, then the smaller name.
    #[serde(default)]
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: i32,
    /// Deployments in this namespace, by the labels of the Deployments themselves (not of their pods).
    #[x_kube(validation = ("(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)", "an empty selector would match every Deployment of the namespace: name labels"))]
    pub selector: LabelSelector,
    /// Files to read.
    #[schemars(length(min = 1, max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub sources: Vec<Source>,
    /// What happens to records between reading and sending, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub transforms: Vec<Transform>,
    /// Where records go. Every destination gets all records of its sources.
    #[schemars(length(min = 1, max = 8))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub destinations: Vec<Destination>,
    /// The volume that application and sidecar share.
    #[serde(default)]
    pub volume: Volume,
    /// The sidecar's container.
    #[serde(default)]
    pub sidecar: Sidecar,
    /// How changes reach the Deployments.
    #[serde(default)]
    pub rollout: Rollout,
    /// How many old revisions are kept.
    #[serde(default = "default_revision_history_limit")]
    #[schemars(range(min = 0, max = 100))]
    pub revision_history_limit: i32,
    /// What happens to the Deployments when this object is deleted: `Revert` takes the sidecar out, `Retain` leaves it.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

pub const DEFAULT_REVISION_HISTORY_LIMIT: i32 = 10;

const fn default_revision_history_limit() -> i32 {
    DEFAULT_REVISION_HISTORY_LIMIT
}

/// Whether the operator acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    #[default]
    Enforce,
    Preview,
}

/// What deletion does to the Deployments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    #[default]
    Revert,
    Retain,
}

/// The volume that application and sidecar share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Volume {
    /// `Auto` uses a mount of the application that covers the path, else adds an emptyDir there. `ExistingOnly` never
    /// adds one.
    #[serde(default)]
    pub policy: VolumePolicy,
    /// Size limit of the emptyDir that is added. Default: none. Exceeding it makes the kubelet evict the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_limit: Option<ByteSize>,
    /// `AfterDelivery` gives delivered ranges of a file back to the file system, so that a log that never rotates
    /// can't fill the volume.
    #[serde(default)]
    pub reclaim: Reclaim,
    /// Bound on deleted files that are kept open until delivered. Default: `sizeLimit`, else 1Gi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_held_bytes: Option<ByteSize>,
}

/// Where the shared volume comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VolumePolicy {
    #[default]
    Auto,
    ExistingOnly,
}

/// The sidecar's container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sidecar {
    /// Image. Default: the operator's setting, recorded in `status.sidecarImage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[^\s]+$"))]
    pub image: Option<String>,
    /// `Rollout` treats a new default image like any other change. `Manual` keeps the image until the spec changes.
    #[serde(default)]
    pub image_update: ImageUpdate,
    /// When the image is pulled.
    #[serde(default)]
    pub image_pull_policy: ImagePullPolicy,
    /// Secrets for pulling the image; those that the pod lacks are added to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 253)))]
    pub image_pull_secrets: Vec<String>,
    /// `Auto` is a native sidecar: it starts before and stops after the application. `Container` is a plain container.
    #[serde(default)]
    pub placement: Placement,
    /// Requests and limits.
    #[serde(default)]
    pub resources: Resources,
    /// User id. Default: the application's, if it has one, else the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub run_as_user: Option<i64>,
    /// Group id. Default: the application's, if it has one, else the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub run_as_group: Option<i64>,
    /// How long the sidecar may go on sending after the application has ended, within the pod's grace period.
    #[serde(default = "default_drain_timeout")]
    #[x_kube(validation = ("duration(self) >= duration('1s') && duration(self) <= duration('1h')", "must be from 1s to 1h"))]
    pub drain_timeout: Duration,
    /// Port of the sidecar's status.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1024, max = 65535))]
    pub port: i32,
    /// How much the sidecar says about itself.
    #[serde(default)]
    pub log_level: LogLevel,
    /// Where positions are kept: in an emptyDir, or beside the logs on a volume that outlives the pod.
    #[serde(default)]
    pub state_volume: StateVolume,
}

const fn default_drain_timeout() -> Duration {
    Duration::from_secs(20)
}

pub const DEFAULT_PORT: i32 = 19600;

const fn default_port() -> i32 {
    DEFAULT_PORT
}

impl Default for Sidecar {
    fn default() -> Self {
        Self {
            image: None,
            image_update: ImageUpdate::default(),
            image_pull_policy: ImagePullPolicy::default(),
            image_pull_secrets: Vec::new(),
            placement: Placement::default(),
            resources: Resources::default(),
            run_as_user: None,
            run_as_group: None,
            drain_timeout: default_drain_timeout(),
            port: default_port(),
            log_level: LogLevel::default(),
            state_volume: StateVolume::default(),
        }
    }
}

/// What a new default image does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ImageUpdate {
    #[default]
    Rollout,
    Manual,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ImagePullPolicy {
    Always,
    #[default]
    IfNotPresent,
    Never,
}

impl ImagePullPolicy {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// How the sidecar's container stands in the pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Placement {
    #[default]
    Auto,
    Container,
}

/// Where positions are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StateVolume {
    #[default]
    EmptyDir,
    LogVolume,
}
