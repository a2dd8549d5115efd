//! What is known about the cluster: watches feed one index, and an [`Observed`] is taken out of it for a plan.
//!
//! No decision is taken here. The fan-out is our own, not kube's shared streams, because those don't dispatch deletes.

mod event;
mod farewell;
mod index;
mod key;
mod kinds;
mod lean;
mod pod;
mod seen;
mod shipping;
mod stray;
#[cfg(test)]
mod tests;
pub(crate) mod watch;

use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use crds::names;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};

use self::event::Watched;
use self::kinds::{ConfigMaps, Deployments};

pub(crate) use self::farewell::Farewell;
use self::index::ConfigMapEntry;
pub(crate) use self::index::{Index, Wakes};
use self::key::{ConfigMapKey, Namespaced as _};
pub(crate) use self::key::{PodKey, ShippingKey, TargetKey};
pub(crate) use self::pod::{SidecarCondition, SidecarPod};
pub(crate) use self::shipping::{ShippingEntry, ShippingLife, SpecNames};
pub(crate) use self::stray::Strays;
use crate::observed::{Observed, Shipping};
use crate::poll::Sighting;
use crate::queue::Queue;
use crate::settings::Switch;

/// For how long changes of targets are gathered before they are summed up, and changes of pods before their targets are
/// planned: a thousand of them are one sum, not a thousand.
const GATHER: Duration = Duration::from_millis(100);

/// Whether an answer told anything that wasn't known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Learnt {
    News,
    Nothing,
}

/// The index, and the queues of those who work on it.
#[derive(Debug)]
pub(crate) struct Cluster {
    index: RwLock<Index>,
    pub(crate) targets: Queue<TargetKey>,
    pub(crate) shippings: Queue<ShippingKey>,
    pub(crate) pods: Queue<PodKey>,
    polling: Switch,
}

impl Cluster {
    pub(crate) fn new(polling: Switch) -> Self {
        Self {
            polling,
            index: RwLock::default(),
            targets: Queue::new(),
            shippings: Queue::new(),
            pods: Queue::new(),
        }
    }

    /// One in which every LogShipping counts as being deleted, because the operator goes.
    pub(crate) fn leaving() -> Self {
        let cluster = Self::new(Switch::Off);
        cluster.change(Index::leave);
        cluster
    }

    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in an answer of the API server before the watch delivers it. One about a Deployment that isn't there any more
    /// comes too late: nothing would ever take it out again.
    pub(crate) fn learn_deployment(&self, mut deployment: Deployment) -> Learnt {
        watch::trim(&mut deployment.metadata);
        let key = TargetKey::of(&deployment.metadata);
        let version = deployment.metadata.resource_version.clone();
        let mut learnt = Learnt::Nothing;
        self.change(|index| {
            let known = index.deployment(&key).map(|known| &known.metadata);
            if known.is_none_or(|known| known.uid != deployment.metadata.uid || known.resource_version == version) {
                return Wakes::default();
            }
            let wakes = Deployments::put(index, key.clone(), deployment);
            let known = index.deployment(&key).map(|known| &known.metadata.resource_version);
            if known == Some(&version) {
                learnt = Learnt::News;
            }
            wakes
        });
        learnt
    }

    /// Takes in an answer to a write before the watch delivers it, unless the watch has told already that it is gone.
    pub(crate) fn learn_config_map(&self, mut config_map: ConfigMap) {
        watch::trim(&mut config_map.metadata);
        let entry = ConfigMapEntry::of(config_map);
        self.change(|index| {
            let metadata = &entry.object.metadata;
            if index.has_departed(metadata.uid.as_ref()) {
                return Wakes::default();
            }
            ConfigMaps::put(index, ConfigMapKey::of(metadata), entry.clone())
        });
    }

    /// Changes the index and wakes whom that concerns.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Index) -> Wakes) {
        let wakes = change(&mut self.index.write().unwrap_or_else(PoisonError::into_inner));
        let Wakes {
            targets,
            gathering,
            shippings,
            pods,
        } = wakes;
        self.targets.wake_all(targets);
        self.targets.wake_all_after(GATHER, gathering);
        self.shippings.wake_all_after(GATHER, shippings);
        // Where nobody asks them they would gather for ever.
        if self.polling == Switch::On {
            self.pods.wake_all(pods);
        }
    }
}

/// Asks the API server for what the index can't know: a ConfigMap of our name that is somebody else's is not watched, since
/// it lacks our label.
pub(crate) async fn find_config_map(client: &Client, target: &TargetKey) -> kube::Result<Option<ConfigMap>> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &target.namespace);
    api.get_opt(&names::config_map(&target.name)).await
}

/// Everything known about a Deployment; none when it doesn't exist or is of no concern.
pub(crate) fn snapshot(index: &Index, target: &TargetKey) -> Option<Observed> {
    let deployment = index.deployment(target).filter(|_| index.concerns(target))?;
    let live = index
        .shippings_on(target)
        .filter(|(_, entry)| entry.life == ShippingLife::Live);
    Some(Observed {
        deployment: (**deployment).clone(),
        shippings: live
            .map(|(key, entry)| Shipping {
                name: key.name.clone(),
                verdict: entry.verdict.clone(),
            })
            .collect(),
        retaining: index.retaining(&target.namespace),
        config_map: index.config_map(target).map(|entry| (*entry.object).clone()),
        pods: index
            .pods_of(target)
            .map(|pod| {
                let mut view = pod.view.clone();
                view.loaded = index.sighting(pod).and_then(Sighting::loaded);
                view
            })
            .collect(),
    })
}
