//! Requests and limits of the sidecar.
//!
//! Requests are always there, since a HorizontalPodAutoscaler works on a pod only when all its containers have them. A
//! Guaranteed pod stays Guaranteed: there requests are raised to the limits, and a CPU limit is added. A pod with
//! resources of its own (`spec.resources`, KEP-2837) has set aside what it wants to: there the sidecar asks for nothing
//! more and stays within the pod's limits, or the API server would refuse the pod.

use std::collections::BTreeMap;

use crds::quantity::{Amounts, Quantity, Resources};
use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use crate::amount::Amount;

/// The CPU limit in a Guaranteed pod, where none is written.
const GUARANTEED_CPU: &str = "200m";

/// What the class of a pod depends on, and its order.
const RESOURCES: [&str; 2] = ["cpu", "memory"];

pub(super) fn requirements(wanted: &Resources, owner: &PodSpec) -> ResourceRequirements {
    let amounts = match &owner.resources {
        Some(pod) => within(wanted, pod),
        None if is_guaranteed(owner) => guaranteed(wanted),
        None => burstable(wanted),
    };
    ResourceRequirements {
        requests: Some(map(&amounts.requests)),
        limits: Some(map(&amounts.limits)).filter(|limits| !limits.is_empty()),
        claims: None,
    }
}

/// A request of nothing is one for the autoscaler all the same, and keeps the API server from making the limit one.
fn within(wanted: &Resources, pod: &ResourceRequirements) -> Resources {
    let nothing = || Some(Quantity("0".to_owned()));
    let lower = |wanted: &Option<Quantity>, resource: &str| {
        let pod = pod.limits.as_ref().and_then(|limits| limits.get(resource));
        let pod = pod.map(|limit| Quantity(limit.0.clone()));
        let exceeds = |wanted: &&Quantity| pod.as_ref().is_some_and(|pod| value(Some(wanted)) > value(Some(pod)));
        match wanted {
            Some(wanted) if exceeds(&wanted) => pod,
            wanted => wanted.clone(),
        }
    };
    Resources {
        requests: Amounts {
            cpu: nothing(),
            memory: nothing(),
        },
        limits: Amounts {
            cpu: lower(&wanted.limits.cpu, "cpu"),
            memory: lower(&wanted.limits.memory, "memory"),
        },
    }
}

/// Limits that aren't written are the default, or what is requested if that is more.
fn guaranteed(wanted: &Resources) -> Resources {
    let Resources { requests, limits } = wanted;
    let limit = |limit: &Option<Quantity>, request: &Option<Quantity>, default: Option<Quantity>| {
        let more = request
            .clone()
            .filter(|request| value(Some(request)) > value(default.as_ref()));
        limit.clone().or(more).or(default)
    };
    let limits = Amounts {
        cpu: limit(&limits.cpu, &requests.cpu, Some(Quantity(GUARANTEED_CPU.to_owned()))),
        memory: limit(&limits.memory, &requests.memory, Resources::default().limits.memory),
    };
    Resources {
        requests: limits.clone(),
        limits,
    }
}

fn burstable(wanted: &Resources) -> Resources {
    Resources {
        requests: requests(wanted),
        limits: wanted.limits.clone(),
    }
}

/// What the sidecar requests: always something.
pub(crate) fn requests(wanted: &Resources) -> Amounts {
    let Amounts { cpu, memory } = Resources::default_requests();
    let Resources { requests, limits } = wanted;
    Amounts {
        cpu: request(requests.cpu.as_ref(), cpu, limits.cpu.as_ref()),
        memory: request(requests.memory.as_ref(), memory, limits.memory.as_ref()),
    }
}

/// What is written, else the default, unless the limit is lower. A request that equals the default gives way to a lower
/// limit as well.
fn request(written: Option<&Quantity>, default: Option<Quantity>, limit: Option<&Quantity>) -> Option<Quantity> {
    let written = written.filter(|written| value(Some(written)) != value(default.as_ref()));
    let limit = limit.filter(|limit| value(Some(limit)) < value(default.as_ref()));
    written.or(limit).cloned().or(default)
}

fn value(quantity: Option<&Quantity>) -> Option<Amount> {
    Amount::parse(&quantity?.0)
}

fn map(amounts: &Amounts) -> BTreeMap<String, ApiQuantity> {
    RESOURCES
        .into_iter()
        .zip([&amounts.cpu, &amounts.memory])
        .filter_map(|(name, quantity)| Some((name.to_owned(), ApiQuantity(quantity.as_ref()?.0.clone()))))
        .collect()
}

/// Whether the kubelet gives the owner's pod the class Guaranteed (`k8s.io/kubernetes/pkg/apis/core/v1/helper/qos`): every
/// container, init containers included, has limits of CPU and memory, and no request below them. A limit of zero is none.
fn is_guaranteed(spec: &PodSpec) -> bool {
    let mut containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    !spec.containers.is_empty()
        && containers.all(|container| RESOURCES.iter().all(|resource| is_fixed(container, resource)))
}

fn is_fixed(container: &Container, resource: &str) -> bool {
    let Some(resources) = &container.resources else {
        return false;
    };
    let value = |list: &Option<BTreeMap<String, ApiQuantity>>| {
        let quantity = list.as_ref().and_then(|list| list.get(resource));
        quantity.and_then(|quantity| Amount::parse(&quantity.0))
    };
    let limit = value(&resources.limits).filter(|limit| Some(*limit) != Amount::parse("0"));
    limit.is_some() && value(&resources.requests).is_none_or(|request| Some(request) == limit)
}
