//! What users write. The doc comments are the descriptions in the CRD: `kubectl explain` shows them.

#![allow(
    clippy::duplicated_attributes,
    reason = "printer columns of one type repeat `type_`; the lint takes them for one list"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use pipeline::config::{LogLevel, Reclaim};
use pipeline::form;
use pipeline::schema::rules;
use pipeline::{ByteSize, Destination, Duration, Source, Transform};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::Resources;
use crate::rollout::Rollout;
use crate::schema;
use crate::status::LogShippingStatus;

/// What to ship and where: a sidecar is added to the Deployments that `selector` matches; it tails the files of
/// `sources`, applies `transforms`, and sends the records to `destinations`.
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
    validation = ("size(self.metadata.name) <= 63", "metadata.name must be at most 63 characters: names of revisions begin with it"),
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
#[schemars(extend("x-kubernetes-validations" = schema::specification()))]
pub struct LogShippingSpec {
    /// `Enforce` acts. `Preview` computes and reports what would be done, and changes nothing.
    #[serde(default)]
    pub mode: Mode,
    /// Decides where several LogShippings disagree about the one sidecar of a Deployment, for example about its image:
    /// the higher priority wins, then the name that comes first. -1000 to 1000.
    #[serde(default)]
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: i32,
    /// Deployments in this namespace, by the labels of the Deployments themselves (not of their pods). An empty
    /// selector is refused. Example: `matchLabels: {app: server}`.
    #[schemars(schema_with = "schema::selector")]
    pub selector: LabelSelector,
    /// Files to read: each source is a name and the globs of files of one container. At most 16. Example:
    /// `sources: [{name: access, paths: ["/var/log/access.log"]}]`.
    #[schemars(length(min = 1, max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub sources: Vec<Source>,
    /// What happens to records between reading and sending, in order; each transform is exactly one verb. At most 32.
    /// Example: `transforms: [{drop: {when: {field: body, matches: "GET /healthz"}}}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub transforms: Vec<Transform>,
    /// Where records go: each destination is a name and exactly one type. Every destination gets all records of its
    /// sources, at its own pace. At most 8. Example:
    /// `destinations: [{name: loki, loki: {url: "http://loki.logging:3100"}}]`.
    #[schemars(length(min = 1, max = 8))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub destinations: Vec<Destination>,
    /// The volume that application and sidecar share.
    #[serde(default)]
    pub volume: Volume,
    /// The container that is added to the pods.
    #[serde(default)]
    pub sidecar: Sidecar,
    /// How changes reach the Deployments: how many at once, and when to stop.
    #[serde(default)]
    pub rollout: Rollout,
    /// How many old revisions are kept to go back to.
    #[serde(default = "default_revision_history_limit")]
    #[schemars(range(min = 0, max = 100))]
    pub revision_history_limit: i32,
    /// What happens to the Deployments when this object is deleted: `Revert` takes the sidecar out, which restarts
    /// their pods, `Retain` leaves it in.
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
#[schemars(extend("x-kubernetes-validations" = rules::rules(&[
    ("self.policy != 'ExistingOnly' || !has(self.sizeLimit)", "sizeLimit is of the volume that is added: policy ExistingOnly adds none"),
])))]
pub struct Volume {
    /// `Auto` uses a volume that the application has mounted at the directory of the logs, else adds an emptyDir there.
    /// The emptyDir hides what the image has in that directory. `ExistingOnly` never adds one.
    #[serde(default)]
    pub policy: VolumePolicy,
    /// Size limit of the emptyDir that is added, in bytes or as a quantity. Default: none. Exceeding it makes the
    /// kubelet evict the pod, so leave room for logs that wait. Example: `2Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = schema::volume_size()))]
    pub size_limit: Option<ByteSize>,
    /// `AfterDelivery` gives delivered ranges of a file back to the file system, so that a log that never rotates
    /// can't fill the volume. The volume is then mounted writable in the sidecar, which has to run as the owner of the
    /// files; a change restarts the pods. `Never` leaves files alone.
    #[serde(default)]
    pub reclaim: Reclaim,
    /// How many bytes of deleted files are kept open until delivered; beyond it the oldest file is given up and counted
    /// as lost. Default: `sizeLimit`, else 1Gi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = schema::held_bytes()))]
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
    /// Image of the sidecar. Default: the operator's setting, recorded in `status.sidecarImage`. Example:
    /// `registry.example/logshipping-sidecar:0.1.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512), extend("x-kubernetes-validations" = schema::image()))]
    pub image: Option<String>,
    /// Whether a new default image of the operator is rolled out like any other change (`Rollout`), or the image stays until
    /// the spec changes (`Manual`). No effect in this version: a new default image alone restarts nothing.
    #[serde(default)]
    pub image_update: ImageUpdate,
    /// When the kubelet pulls the image.
    #[serde(default)]
    pub image_pull_policy: ImagePullPolicy,
    /// Names of Secrets for pulling the image; those that the pod lacks are added to it. At most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(max = 253)))]
    #[schemars(extend("x-kubernetes-list-type" = "set", "x-kubernetes-validations" = rules::each(&form::OBJECT_NAME)))]
    pub image_pull_secrets: Vec<String>,
    /// `Auto` is a native sidecar: it starts before and stops after the application. `Container` is a plain container
    /// beside it.
    #[serde(default)]
    pub placement: Placement,
    /// Requests and limits of the container.
    #[serde(default)]
    pub resources: Resources,
    /// User id, at least 1: never root. Default: the application's, if it has one that isn't root, else the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub run_as_user: Option<i64>,
    /// Group id, at least 1. Default: the application's, also if it is 0, else the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub run_as_group: Option<i64>,
    /// How long the sidecar may go on sending after the application has ended, within the grace period of the pod.
    #[serde(default = "default_drain_timeout")]
    #[schemars(extend("x-kubernetes-validations" = schema::drain_timeout()))]
    pub drain_timeout: Duration,
    /// Port at which the sidecar tells how it does. It must be free in the pod.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1024, max = 65535))]
    pub port: i32,
    /// How much the sidecar says about itself on its standard error.
    #[serde(default)]
    pub log_level: LogLevel,
    /// Where positions in the files are kept. `EmptyDir`: they live as long as the pod. `LogVolume`: in a hidden
    /// directory beside the logs, for volumes that outlive the pod; of pods that share the volume one sidecar ships.
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
