//! Requests and limits of the sidecar.
//!
//! Requests are always there, since a HorizontalPodAutoscaler works on a pod only when all its containers have them. A
//! Guaranteed pod stays Guaranteed: there requests are raised to the limits, and a CPU limit is added.

use std::collections::BTreeMap;

use crds::quantity::{Amounts, Quantity, Resources};
use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use crate::amount::Amount;

/// The CPU limit in a Guaranteed pod, where none is written.
const GUARANTEED_CPU: &str = "200m";

pub(super) fn requirements(wanted: &Resources, owner: &PodSpec) -> ResourceRequirements {
    let amounts = if is_guaranteed(owner) {
        guaranteed(wanted)
    } else {
        burstable(wanted)
    };
    ResourceRequirements {
        requests: Some(map(&amounts.requests)),
        limits: Some(map(&amounts.limits)).filter(|limits| !limits.is_empty()),
        claims: None,
    }
}

fn guaranteed(wanted: &Resources) -> Resources {
    let cpu = || Quantity(GUARANTEED_CPU.to_owned());
    let limits = Amounts {
        cpu: wanted.limits.cpu.clone().or_else(|| Some(cpu())),
        memory: wanted.limits.memory.clone().or(Resources::default().limits.memory),
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
    let Amounts { cpu, memory } = Resources::default().requests;
    let Resources { requests, limits } = wanted;
    Amounts {
        cpu: request(requests.cpu.as_ref(), cpu, limits.cpu.as_ref()),
        memory: request(requests.memory.as_ref(), memory, limits.memory.as_ref()),
    }
}

/// What is written, else the default, unless the limit is lower. A default may have been written by the API server, so
/// it gives way to a lower limit all the same.
fn request(written: Option<&Quantity>, default: Option<Quantity>, limit: Option<&Quantity>) -> Option<Quantity> {
    let value = |quantity: Option<&Quantity>| quantity.and_then(|quantity| Amount::parse(&quantity.0));
    let written = written.filter(|written| value(Some(written)) != value(default.as_ref()));
    let limit = limit.filter(|limit| value(Some(limit)) < value(default.as_ref()));
    written.or(limit).cloned().or(default)
}

fn map(amounts: &Amounts) -> BTreeMap<String, ApiQuantity> {
    [("cpu", &amounts.cpu), ("memory", &amounts.memory)]
        .into_iter()
        .filter_map(|(name, quantity)| Some((name.to_owned(), ApiQuantity(quantity.as_ref()?.0.clone()))))
        .collect()
}

/// Whether the kubelet gives the owner's pod the class Guaranteed: every container has limits of CPU and memory, and no
/// request below them.
fn is_guaranteed(spec: &PodSpec) -> bool {
    let mut containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    !spec.containers.is_empty()
        && containers.all(|container| ["cpu", "memory"].iter().all(|name| is_fixed(container, name)))
}

fn is_fixed(container: &Container, resource: &str) -> bool {
    let Some(resources) = &container.resources else {
        return false;
    };
    let value = |list: &Option<BTreeMap<String, ApiQuantity>>| {
        let quantity = list.as_ref().and_then(|list| list.get(resource));
        quantity.and_then(|quantity| Amount::parse(&quantity.0))
    };
    let limit = value(&resources.limits);
    limit.is_some() && value(&resources.requests).is_none_or(|request| Some(request) == limit)
}
