//! What is kept of a pod: enough to plan, to ask its sidecar, and to say what is wrong with it. A whole pod takes
//! 30 KiB, this a few hundred bytes.

use std::net::{IpAddr, SocketAddr};

use crds::names;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};

use crate::observed::{self, SidecarContainer};

/// A pod with a sidecar of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SidecarPod {
    /// As the plan sees it, but for what its sidecar has loaded.
    pub(crate) view: observed::Pod,
    /// Of the ReplicaSet that controls it. Names are not looked at: they can be taken by others.
    pub(crate) owner_uid: String,
    /// Where its sidecar answers; none until it has an address, and for pods in the host's network.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) condition: SidecarCondition,
}

/// How the kubelet sees our container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SidecarCondition {
    Running,
    /// Not yet, and nothing is known to be wrong.
    Starting,
    /// It can't run; the kubelet's words.
    Failing(String),
}

impl SidecarPod {
    /// None for a pod that no controller owns: it belongs to no Deployment.
    pub(crate) fn of(pod: &Pod) -> Option<Self> {
        let owner = pod.metadata.owner_references.iter().flatten();
        let owner = owner
            .into_iter()
            .find(|owner| owner.controller == Some(true) && owner.kind == "ReplicaSet")?;
        Some(Self {
            view: observed::Pod::view(pod, None),
            owner_uid: owner.uid.clone(),
            address: address(pod),
            condition: SidecarCondition::of(pod),
        })
    }

    /// Whether its sidecar can and should be asked. One that is ending still sends what is left, and tells what it can't.
    pub(crate) fn askable(&self) -> Option<SocketAddr> {
        let runs = self.condition == SidecarCondition::Running;
        self.address
            .filter(|_| runs && self.view.sidecar != SidecarContainer::Absent)
    }
}

fn address(pod: &Pod) -> Option<SocketAddr> {
    let spec = pod.spec.as_ref().filter(|spec| spec.host_network != Some(true))?;
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    let ours = containers
        .into_iter()
        .find(|container| container.name == names::CONTAINER)?;
    let port = ours
        .ports
        .iter()
        .flatten()
        .find(|port| port.name.as_deref() == Some(names::PORT))?;
    let ip: IpAddr = pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()?;
    Some(SocketAddr::new(ip, u16::try_from(port.container_port).ok()?))
}

impl SidecarCondition {
    fn of(pod: &Pod) -> Self {
        let status = pod.status.as_ref();
        let mut statuses = status.into_iter().flat_map(|status| {
            let init = status.init_container_statuses.iter().flatten();
            init.chain(status.container_statuses.iter().flatten())
        });
        match statuses.find(|status| status.name == names::CONTAINER) {
            Some(status) => Self::of_container(status),
            None => Self::Starting,
        }
    }

    fn of_container(status: &ContainerStatus) -> Self {
        match &status.state {
            Some(ContainerState { running: Some(_), .. }) => Self::Running,
            Some(ContainerState {
                terminated: Some(ended),
                ..
            }) => Self::Failing(words(
                ended.reason.as_deref().unwrap_or("Terminated"),
                ended.message.as_deref(),
            )),
            Some(ContainerState {
                waiting: Some(waiting), ..
            }) => {
                let reason = waiting.reason.as_deref().unwrap_or_default();
                if matches!(reason, "" | "ContainerCreating" | "PodInitializing") {
                    return Self::Starting;
                }
                let last = status.last_state.as_ref().and_then(|last| last.terminated.as_ref());
                let why = last
                    .and_then(|ended| ended.reason.as_deref())
                    .map(|why| format!("last ended with {why}"));
                Self::Failing(words(reason, why.as_deref().or(waiting.message.as_deref())))
            }
            _ => Self::Starting,
        }
    }
}

fn words(reason: &str, message: Option<&str>) -> String {
    message.map_or_else(|| reason.to_owned(), |message| format!("{reason}: {message}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(host_network: bool, state: &serde_json::Value) -> Option<SidecarPod> {
        let pod = json!({
            "metadata": {"name": "p", "uid": "u", "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "r-uid", "controller": true}]},
            "spec": {"hostNetwork": host_network, "containers": [{"name": "app"}], "initContainers": [
                {"name": "logshipping-sidecar", "restartPolicy": "Always",
                 "ports": [{"name": "logshipping", "containerPort": 19600}]}]},
            "status": {"podIP": "10.0.0.7", "initContainerStatuses": [
                {"name": "logshipping-sidecar", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state}]},
        });
        SidecarPod::of(&serde_json::from_value(pod).ok()?)
    }

    #[test]
    fn a_running_sidecar_is_asked_at_the_address_of_its_pod() {
        let running = json!({"running": {}});
        let asked = |host_network| {
            pod(host_network, &running)
                .and_then(|pod| pod.askable())
                .map(|at| at.to_string())
        };
        assert_eq!(asked(false).as_deref(), Some("10.0.0.7:19600"));
        assert_eq!(asked(true), None, "the node's address is not the pod's");
    }

    #[test]
    fn what_keeps_a_sidecar_from_running_is_told_in_the_kubelets_words() {
        for (state, expected) in [
            (
                json!({"waiting": {"reason": "PodInitializing"}}),
                SidecarCondition::Starting,
            ),
            (
                json!({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}),
                SidecarCondition::Failing("ImagePullBackOff: no such image".to_owned()),
            ),
            (
                json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}),
                SidecarCondition::Failing("OOMKilled".to_owned()),
            ),
        ] {
            assert_eq!(pod(false, &state).map(|pod| pod.condition), Some(expected));
        }
    }
}
