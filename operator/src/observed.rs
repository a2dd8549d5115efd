//! What the plan is made from: one target Deployment and everything known about it. No decision is taken here.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::core::v1::Pod as ApiPod;

use crds::names;
use pipeline::validate::FieldError;

use crate::validate::Accepted;

/// One target Deployment at one moment.
#[derive(Clone, Debug)]
pub struct Observed {
    pub deployment: Deployment,
    /// The LogShippings whose selector matches it and that aren't being deleted, in any order.
    pub shippings: Vec<Shipping>,
    /// Names of LogShippings that are being deleted and leave what they made, whether they select it or not.
    pub retaining: BTreeSet<String>,
    /// The ConfigMap of the name that ours would have, whoever made it.
    pub config_map: Option<ConfigMap>,
    /// The pods of the Deployment, in any order.
    pub pods: Vec<Pod>,
}

/// A LogShipping that selects the Deployment, after [`crate::validate::validate`].
#[derive(Clone, Debug)]
pub struct Shipping {
    pub name: String,
    pub verdict: Result<Accepted, Vec<FieldError>>,
}

/// What the plan needs to know about a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    pub name: String,
    pub uid: String,
    /// Annotation [`names::POD_SHAPE`]: which key of the ConfigMap it mounts.
    pub shape: Option<String>,
    /// Annotation [`names::CONFIG_REVISION`]: which configuration it was last nudged for.
    pub nudged: Option<String>,
    pub sidecar: SidecarContainer,
    /// `configHash` of the last report, empty when it had none loaded; none when the sidecar was never heard of.
    pub loaded: Option<String>,
    pub life: Life,
}

/// Our container as it stands in a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SidecarContainer {
    Absent,
    /// An init container with `restartPolicy: Always`.
    Native,
    /// One of the containers.
    Plain,
    /// An init container without `restartPolicy`: something between us and the kubelet took it away, and the
    /// application waits for ever behind a container that never ends.
    Stripped,
}

/// Whether a pod still counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Live,
    /// Being deleted, or all its containers have ended for good.
    Ending,
}

impl Pod {
    /// The view of a pod, given what its sidecar last reported as loaded.
    pub fn view(pod: &ApiPod, loaded: Option<String>) -> Self {
        let annotation = |key: &str| pod.metadata.annotations.as_ref().and_then(|map| map.get(key)).cloned();
        Self {
            name: pod.metadata.name.clone().unwrap_or_default(),
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            shape: annotation(names::POD_SHAPE),
            nudged: annotation(names::CONFIG_REVISION),
            sidecar: SidecarContainer::of(pod),
            loaded,
            life: Life::of(pod),
        }
    }
}

impl SidecarContainer {
    fn of(pod: &ApiPod) -> Self {
        let Some(spec) = &pod.spec else { return Self::Absent };
        let init = spec.init_containers.iter().flatten();
        if let Some(container) = init.into_iter().find(|container| container.name == names::CONTAINER) {
            return match container.restart_policy.as_deref() {
                Some("Always") => Self::Native,
                _ => Self::Stripped,
            };
        }
        let plain = spec
            .containers
            .iter()
            .any(|container| container.name == names::CONTAINER);
        if plain { Self::Plain } else { Self::Absent }
    }
}

impl Life {
    fn of(pod: &ApiPod) -> Self {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        let ended = matches!(phase, Some("Succeeded" | "Failed"));
        if ended || pod.metadata.deletion_timestamp.is_some() {
            Self::Ending
        } else {
            Self::Live
        }
    }
}
