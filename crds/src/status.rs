//! What users see. Written by the operator only on change; nothing in it ticks.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many entries [`LogShippingStatus::worst`] has at most.
pub const MAX_WORST: usize = 20;

/// State of a LogShipping over all its Deployments and their pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogShippingStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Revision of the effective spec that is rolled out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The last revision that was healthy everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable_revision: Option<String>,
    /// Image of the sidecar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sidecar_image: Option<String>,
    /// Numbers of Deployments.
    #[serde(default)]
    pub targets: TargetCounts,
    /// Numbers of pods, which have a sidecar each.
    #[serde(default)]
    pub sidecars: SidecarCounts,
    /// Age of the oldest byte that is not delivered, in buckets: `<10s`, `<1m`, `<10m`, `<1h`, `>=1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<String>,
    /// Records that were lost, over all pods that ever were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
    /// The numbers above in the form that `kubectl get` shows.
    #[serde(default)]
    pub summary: Summary,
    /// How each destination does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub destinations: Vec<DestinationStatus>,
    /// The Deployments that are worst off, worst first, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub worst: Vec<WorstTarget>,
    /// Conditions; their reasons are a closed list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Numbers of Deployments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TargetCounts {
    /// Matched by the selector.
    pub matched: i32,
    /// Carry the sidecar as desired.
    pub injected: i32,
    /// Have the newest revision.
    pub updated: i32,
    /// Left alone, with a reason.
    pub skipped: i32,
    /// Couldn't be changed.
    pub failed: i32,
}

/// Numbers of pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SidecarCounts {
    /// Pods that should have a sidecar.
    pub desired: i32,
    /// Whose sidecar runs.
    pub ready: i32,
    /// Whose sidecar runs its revision of the configuration.
    pub config_loaded: i32,
    /// Whose logs arrive at every destination.
    pub delivering: i32,
    /// Whose sidecar can't be asked.
    pub unreachable: i32,
}

/// Printer columns can't format numbers, so the operator does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    /// Deployments that carry the sidecar as desired, of those that should.
    pub injected: String,
    /// Pods whose sidecar runs its revision of the configuration, of all that should.
    pub loaded: String,
    /// Pods whose logs arrive at every destination, of all that should.
    pub delivering: String,
    /// What holds it back, by the reason of a condition, or `Healthy`.
    pub state: String,
}

/// How one destination does, over all pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DestinationStatus {
    /// Name of the destination in the spec.
    pub name: String,
    /// Pods whose records arrive there.
    pub delivering: i32,
    /// A reason of the condition `Delivering`.
    pub reason: String,
    /// What is wrong and where, with the words of the server.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// One Deployment that is not as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorstTarget {
    /// Which Deployment.
    pub target: TargetRef,
    /// Why it is not as it should be.
    pub reason: String,
    /// What is wrong, where, and what to do.
    pub message: String,
    /// Since when, in RFC 3339.
    pub since: String,
}

/// A Deployment in the namespace of the LogShipping.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TargetRef {
    /// Always `Deployment`.
    pub kind: String,
    /// Name of the Deployment.
    pub name: String,
}
