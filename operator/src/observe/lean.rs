//! As much of each kind of object as anybody here asks for. Everything else is skipped in the text: managed fields above all,
//! which are half of many objects, and of pods nearly everything.

use std::collections::BTreeMap;

use crds::{LogShipping, LogShippingSpec, LogShippingStatus};
use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, Container, ContainerPort, ContainerState, ContainerStatus, Pod, PodSpec, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use serde::Deserialize;

use super::watch::LAST_APPLIED;

/// Metadata of any object.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    namespace: Option<String>,
    name: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
    finalizers: Option<Vec<String>>,
}

/// An object of which only the metadata counts.
#[derive(Deserialize)]
pub(super) struct MetadataOnly {
    pub(super) metadata: Metadata,
}

/// The status is its controller's business.
#[derive(Deserialize)]
pub(super) struct LeanDeployment {
    metadata: Metadata,
    spec: Option<DeploymentSpec>,
}

#[derive(Deserialize)]
pub(super) struct LeanShipping {
    metadata: Metadata,
    spec: LogShippingSpec,
    status: Option<LogShippingStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LeanConfigMap {
    metadata: Metadata,
    data: Option<BTreeMap<String, String>>,
    binary_data: Option<BTreeMap<String, ByteString>>,
    immutable: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct LeanPod {
    metadata: Metadata,
    spec: Option<LeanPodSpec>,
    status: Option<LeanPodStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeanPodSpec {
    host_network: Option<bool>,
    #[serde(default)]
    containers: Vec<LeanContainer>,
    init_containers: Option<Vec<LeanContainer>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeanContainer {
    name: String,
    restart_policy: Option<String>,
    ports: Option<Vec<ContainerPort>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeanPodStatus {
    phase: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    container_statuses: Option<Vec<LeanContainerStatus>>,
    init_container_statuses: Option<Vec<LeanContainerStatus>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeanContainerStatus {
    name: String,
    state: Option<ContainerState>,
    last_state: Option<ContainerState>,
}

impl From<Metadata> for ObjectMeta {
    fn from(lean: Metadata) -> Self {
        let mut annotations = lean.annotations;
        if let Some(annotations) = &mut annotations {
            annotations.remove(LAST_APPLIED);
        }
        Self {
            namespace: lean.namespace,
            name: lean.name,
            uid: lean.uid,
            resource_version: lean.resource_version,
            generation: lean.generation,
            deletion_timestamp: lean.deletion_timestamp,
            labels: lean.labels,
            annotations,
            owner_references: lean.owner_references,
            finalizers: lean.finalizers,
            ..Self::default()
        }
    }
}

impl From<LeanDeployment> for Deployment {
    fn from(lean: LeanDeployment) -> Self {
        Self {
            metadata: lean.metadata.into(),
            spec: lean.spec,
            status: None,
        }
    }
}

impl From<LeanShipping> for LogShipping {
    fn from(lean: LeanShipping) -> Self {
        Self {
            metadata: lean.metadata.into(),
            spec: lean.spec,
            status: lean.status,
        }
    }
}

impl From<LeanConfigMap> for ConfigMap {
    fn from(lean: LeanConfigMap) -> Self {
        Self {
            metadata: lean.metadata.into(),
            data: lean.data,
            binary_data: lean.binary_data,
            immutable: lean.immutable,
        }
    }
}

impl From<LeanPod> for Pod {
    fn from(lean: LeanPod) -> Self {
        Self {
            metadata: lean.metadata.into(),
            spec: lean.spec.map(Into::into),
            status: lean.status.map(Into::into),
        }
    }
}

impl From<LeanPodSpec> for PodSpec {
    fn from(lean: LeanPodSpec) -> Self {
        let all = |containers: Vec<LeanContainer>| containers.into_iter().map(Into::into).collect();
        Self {
            host_network: lean.host_network,
            containers: all(lean.containers),
            init_containers: lean.init_containers.map(all),
            ..Self::default()
        }
    }
}

impl From<LeanContainer> for Container {
    fn from(lean: LeanContainer) -> Self {
        Self {
            name: lean.name,
            restart_policy: lean.restart_policy,
            ports: lean.ports,
            ..Self::default()
        }
    }
}

impl From<LeanPodStatus> for PodStatus {
    fn from(lean: LeanPodStatus) -> Self {
        let all = |statuses: Vec<LeanContainerStatus>| statuses.into_iter().map(Into::into).collect();
        Self {
            phase: lean.phase,
            pod_ip: lean.pod_ip,
            container_statuses: lean.container_statuses.map(all),
            init_container_statuses: lean.init_container_statuses.map(all),
            ..Self::default()
        }
    }
}

impl From<LeanContainerStatus> for ContainerStatus {
    fn from(lean: LeanContainerStatus) -> Self {
        Self {
            name: lean.name,
            state: lean.state,
            last_state: lean.last_state,
            ..Self::default()
        }
    }
}
