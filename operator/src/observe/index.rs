//! Everything that is known about the cluster, and which keys have to look again when something changes.
//!
//! A plain struct: no client, no lock, no clock. [`super::kinds`] feeds it, the queries here are for observing,
//! polling and reporting. Pods are found through their ReplicaSets by uid, never by name, so a pod can't claim to
//! belong to a Deployment.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crds::names;
use crds::spec::DeletionPolicy;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::farewell::Farewells;
use super::key::{ConfigMapKey, Namespaced, PodKey, ReplicaSetKey, ShippingKey, TargetKey};
use super::pod::SidecarPod;
use super::shipping::{ShippingEntry, ShippingLife};
use super::stray::is_marked;
use crate::observed::Life;
use crate::plan::{ExpectedConfig, Standing, TargetState};
use crate::poll::Sighting;
use crate::settings::Switch;
use crate::validate::pipeline_name;

/// Who has to look again.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wakes {
    pub(crate) targets: BTreeSet<TargetKey>,
    /// These may wait a little for more about them: of a rollout one pod comes after the other.
    pub(crate) gathering: BTreeSet<TargetKey>,
    pub(crate) shippings: BTreeSet<ShippingKey>,
    /// Pods whose sidecar should be asked soon.
    pub(crate) pods: BTreeSet<PodKey>,
}

/// A ReplicaSet: all that matters is whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReplicaSetEntry {
    pub(crate) uid: String,
    pub(crate) deployment_uid: String,
}

impl ReplicaSetEntry {
    /// None where no Deployment controls it.
    pub(super) fn of(metadata: &ObjectMeta) -> Option<Self> {
        let owners = metadata.owner_references.iter().flatten();
        let owner = owners
            .into_iter()
            .find(|owner| owner.controller == Some(true) && owner.kind == "Deployment")?;
        Some(Self {
            uid: metadata.uid.clone()?,
            deployment_uid: owner.uid.clone(),
        })
    }
}

/// A ConfigMap, and the names of the LogShippings whose pipelines stand in it, but for those that are retained.
#[derive(Clone, Debug)]
pub(crate) struct ConfigMapEntry {
    pub(crate) object: Arc<ConfigMap>,
    pub(crate) pipelines: BTreeSet<String>,
}

/// Whether the operator stays in the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stay {
    #[default]
    Stays,
    /// Every LogShipping counts as being deleted.
    Leaves,
}

/// Answers are late by seconds at most.
const MAX_DEPARTED: usize = 256;

/// What is known.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(super) stay: Stay,
    pub(super) shippings: BTreeMap<ShippingKey, ShippingEntry>,
    pub(super) deployments: BTreeMap<TargetKey, Arc<Deployment>>,
    pub(super) config_maps: BTreeMap<ConfigMapKey, ConfigMapEntry>,
    pub(super) replica_sets: BTreeMap<ReplicaSetKey, ReplicaSetEntry>,
    pub(super) pods: BTreeMap<PodKey, SidecarPod>,
    /// By uid of the pod: a pod of the same name is another pod.
    sightings: BTreeMap<String, Sighting>,
    pub(super) farewells: Farewells,
    /// Uids of ConfigMaps that are gone, the latest of them: an answer about one comes too late.
    departed: VecDeque<String>,
    /// How each target stood when it was last worked on.
    states: BTreeMap<TargetKey, TargetState>,
    // Derived from the above, by uid:
    pub(super) target_of_uid: BTreeMap<String, TargetKey>,
    pub(super) replica_set_of_uid: BTreeMap<String, ReplicaSetKey>,
    pub(super) pods_of_replica_set: BTreeMap<String, BTreeSet<PodKey>>,
    pub(super) replica_sets_of_deployment: BTreeMap<String, BTreeSet<ReplicaSetKey>>,
}

impl Index {
    /// From now on every LogShipping that becomes known counts as being deleted.
    pub(super) fn leave(&mut self) -> Wakes {
        self.stay = Stay::Leaves;
        Wakes::default()
    }

    pub(crate) fn all_shippings(&self) -> impl Iterator<Item = (&ShippingKey, &ShippingEntry)> {
        self.shippings.iter()
    }

    pub(crate) fn target_keys(&self) -> impl Iterator<Item = &TargetKey> {
        self.deployments.keys()
    }

    pub(crate) fn shipping(&self, key: &ShippingKey) -> Option<&ShippingEntry> {
        self.shippings.get(key)
    }

    pub(crate) fn deployment(&self, key: &TargetKey) -> Option<&Arc<Deployment>> {
        self.deployments.get(key)
    }

    pub(crate) fn config_map(&self, target: &TargetKey) -> Option<&ConfigMapEntry> {
        let key = ConfigMapKey::new(&target.namespace, &names::config_map(&target.name));
        self.config_maps.get(&key)
    }

    pub(crate) fn pod(&self, key: &PodKey) -> Option<&SidecarPod> {
        self.pods.get(key)
    }

    pub(crate) fn state(&self, key: &TargetKey) -> Option<&TargetState> {
        self.states.get(key)
    }

    pub(crate) fn sighting(&self, pod: &SidecarPod) -> Option<&Sighting> {
        self.sightings.get(&pod.view.uid)
    }

    /// The pods of a Deployment that carry a sidecar, by owner chain.
    pub(crate) fn pods_of(&self, target: &TargetKey) -> impl Iterator<Item = &SidecarPod> {
        self.pod_keys_of(target).filter_map(|key| self.pods.get(key))
    }

    pub(super) fn pod_keys_of(&self, target: &TargetKey) -> impl Iterator<Item = &PodKey> {
        let uid = self
            .deployments
            .get(target)
            .and_then(|deployment| deployment.metadata.uid.as_ref());
        let replica_sets = uid
            .and_then(|uid| self.replica_sets_of_deployment.get(uid))
            .into_iter()
            .flatten();
        let entries = replica_sets.filter_map(|key| self.replica_sets.get(key));
        entries
            .filter_map(|entry| self.pods_of_replica_set.get(&entry.uid))
            .flatten()
    }

    /// The Deployment that a pod belongs to.
    pub(crate) fn target_of(&self, pod: &SidecarPod) -> Option<&TargetKey> {
        let replica_set = self.replica_set_of_uid.get(&pod.owner_uid)?;
        self.target_with_uid(&self.replica_sets.get(replica_set)?.deployment_uid)
    }

    pub(super) fn target_with_uid(&self, uid: &str) -> Option<&TargetKey> {
        self.target_of_uid.get(uid)
    }

    /// The LogShippings that have a say about a Deployment: those that select it, and those that can't be read now and
    /// that it carries already.
    pub(crate) fn shippings_on(&self, target: &TargetKey) -> impl Iterator<Item = (&ShippingKey, &ShippingEntry)> {
        let labels = self.deployments.get(target).map(|deployment| labels(deployment));
        let carried = self.carried(target);
        self.shippings_in(&target.namespace).filter(move |(key, entry)| {
            labels.is_some_and(|labels| entry.selects(labels)) || (!entry.is_readable() && carried.contains(&key.name))
        })
    }

    pub(crate) fn shippings_in(&self, namespace: &str) -> impl Iterator<Item = (&ShippingKey, &ShippingEntry)> {
        within(&self.shippings, namespace)
    }

    /// Names of the LogShippings that are being deleted and leave what they made.
    pub(crate) fn retaining(&self, namespace: &str) -> BTreeSet<String> {
        let leaving = self.shippings_in(namespace).filter(|(_, entry)| {
            entry.life == ShippingLife::Deleting && entry.deletion_policy == DeletionPolicy::Retain
        });
        leaving.map(|(key, _)| key.name.clone()).collect()
    }

    /// The Deployments that a LogShipping selects or, having gone from the selection, that still carry it.
    pub(crate) fn targets_of(&self, key: &ShippingKey, entry: &ShippingEntry) -> BTreeSet<TargetKey> {
        within(&self.deployments, &key.namespace)
            .filter(|(target, deployment)| {
                entry.selects(labels(deployment)) || self.carried(target).contains(&key.name)
            })
            .map(|(target, _)| target.clone())
            .collect()
    }

    /// The Deployments that a LogShipping selects.
    pub(crate) fn selected_by(&self, key: &ShippingKey, entry: &ShippingEntry) -> BTreeSet<TargetKey> {
        let mut targets = self.targets_of(key, entry);
        targets.retain(|target| {
            !entry.is_readable() || self.deployments.get(target).is_some_and(|d| entry.selects(labels(d)))
        });
        targets
    }

    /// Whether every Deployment that a LogShipping selects was worked on, and every sidecar there asked, at least once.
    pub(crate) fn is_surveyed(&self, key: &ShippingKey, entry: &ShippingEntry, polling: Switch) -> bool {
        let counts = |pod: &SidecarPod| pod.view.life == Life::Live && pod.askable().is_some();
        let asked = |pod: &SidecarPod| !counts(pod) || self.sighting(pod).is_some();
        self.selected_by(key, entry).iter().all(|target| {
            let sidecars = polling == Switch::Off || self.pods_of(target).all(asked);
            self.states.contains_key(target) && sidecars
        })
    }

    /// Names of the LogShippings that the Deployment carried when it was last worked on; before that, as its ConfigMap
    /// says.
    pub(crate) fn carried(&self, target: &TargetKey) -> &BTreeSet<String> {
        static NONE: BTreeSet<String> = BTreeSet::new();
        match (self.states.get(target), self.config_map(target)) {
            (Some(state), _) => &state.carried,
            (None, Some(config_map)) => &config_map.pipelines,
            (None, None) => &NONE,
        }
    }

    /// Whether the operator has anything to do with a Deployment.
    pub(crate) fn concerns(&self, target: &TargetKey) -> bool {
        let marked = self
            .deployments
            .get(target)
            .is_some_and(|deployment| is_marked(deployment));
        marked || self.config_map(target).is_some() || self.shippings_on(target).next().is_some()
    }

    /// What the sidecar of a pod should have loaded.
    pub(crate) fn expected(&self, pod: &SidecarPod) -> Option<&ExpectedConfig> {
        self.states
            .get(self.target_of(pod)?)?
            .configs
            .get(pod.view.shape.as_ref()?)
    }

    /// An object of this uid will never be there again.
    pub(super) fn departs(&mut self, uid: Option<&String>) {
        self.departed.extend(uid.cloned());
        if self.departed.len() > MAX_DEPARTED {
            self.departed.pop_front();
        }
    }

    pub(super) fn has_departed(&self, uid: Option<&String>) -> bool {
        uid.is_some_and(|uid| self.departed.contains(uid))
    }

    /// Takes in an answer to a write of a LogShipping's finalizer before the watch delivers it.
    pub(crate) fn learn_shipping(&mut self, key: &ShippingKey, metadata: &ObjectMeta) -> Wakes {
        let uid = metadata.uid.as_deref();
        if let Some(entry) = self.shippings.get_mut(key).filter(|entry| uid == Some(&entry.uid)) {
            entry.finalizers = metadata.finalizers.clone().unwrap_or_default();
            entry.resource_version.clone_from(&metadata.resource_version);
        }
        Wakes::default()
    }

    /// Remembers how a target stands; none when it is of no concern any more.
    pub(crate) fn set_state(&mut self, target: &TargetKey, state: Option<TargetState>) -> Wakes {
        let mut wakes = Wakes::default();
        if self.states.get(target) == state.as_ref() {
            return wakes;
        }
        self.wake_shippings_on(target, &mut wakes);
        let configs = |state: Option<&TargetState>| state.map(|state| state.configs.clone());
        if configs(self.states.get(target)) != configs(state.as_ref()) {
            wakes.pods.extend(self.pod_keys_of(target).cloned());
        }
        match state {
            Some(state) => self.states.insert(target.clone(), state),
            None => self.states.remove(target),
        };
        self.wake_shippings_on(target, &mut wakes);
        wakes
    }

    /// Remembers what a sidecar said.
    pub(crate) fn set_sighting(&mut self, key: &PodKey, uid: &str, sighting: Sighting) -> Wakes {
        let mut wakes = Wakes::default();
        let Some(pod) = self.pods.get(key).filter(|pod| pod.view.uid == uid) else {
            return wakes;
        };
        let before = self.sightings.get(uid);
        if let Some(target) = self.target_of(pod) {
            if before.is_none_or(|before| before.differs_for_status(&sighting)) {
                self.wake_shippings_on(target, &mut wakes);
            }
            if before.and_then(Sighting::loaded) != sighting.loaded() {
                wakes.gathering.insert(target.clone());
            }
        }
        self.sightings.insert(uid.to_owned(), sighting);
        wakes
    }

    pub(super) fn forget_sighting(&mut self, uid: &str) {
        self.sightings.remove(uid);
    }

    pub(super) fn wake_shippings_on(&self, target: &TargetKey, wakes: &mut Wakes) {
        wakes
            .shippings
            .extend(self.shippings_on(target).map(|(key, _)| key.clone()));
        let carried = self.carried(target).iter();
        wakes
            .shippings
            .extend(carried.map(|name| ShippingKey::new(&target.namespace, name)));
    }

    /// The Deployments that a LogShipping which is being deleted still has to be taken out of.
    pub(crate) fn not_yet_clean(&self, key: &ShippingKey, entry: &ShippingEntry) -> BTreeSet<TargetKey> {
        debug_assert_eq!(entry.life, ShippingLife::Deleting);
        let mut targets = self.targets_of(key, entry);
        // A target that was never looked at may be anything.
        targets.retain(|target| self.carried(target).contains(&key.name) || !self.states.contains_key(target));
        targets
    }

    /// Targets by the worst standing that any LogShipping has there, every state named.
    pub(crate) fn count_targets(&self) -> [(&'static str, i64); 5] {
        let states = ["injected", "in_progress", "waiting", "skipped", "failed"];
        let mut counts = states.map(|state| (state, 0));
        for state in self.states.values() {
            let worst = state.shippings.values().map(|shipping| match shipping.standing {
                Standing::Injected => 0,
                Standing::InProgress => 1,
                Standing::Preview(_) | Standing::Paused(_) => 2,
                Standing::Skipped(_) => 3,
                Standing::Failed(_) => 4,
            });
            if let Some(worst) = worst.max() {
                counts[worst].1 += 1;
            }
        }
        counts
    }
}

/// Labels of a Deployment.
pub(super) fn labels(deployment: &Deployment) -> &BTreeMap<String, String> {
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    deployment.metadata.labels.as_ref().unwrap_or(&NONE)
}

/// Entries of one namespace.
fn within<'a, K: Namespaced, V>(map: &'a BTreeMap<K, V>, namespace: &str) -> impl Iterator<Item = (&'a K, &'a V)> {
    map.range(K::first_in(namespace)..)
        .take_while(move |(key, _)| key.namespace() == namespace)
}

impl ConfigMapEntry {
    /// Read as far as it can be: people may have edited it.
    pub(crate) fn of(config_map: ConfigMap) -> Self {
        let namespace = config_map.metadata.namespace.clone().unwrap_or_default();
        let prefix = pipeline_name(&namespace, "");
        let files = config_map.data.iter().flat_map(BTreeMap::values);
        let documents = files.filter_map(|text| serde_json::from_str::<Value>(text).ok());
        let lists = documents.filter_map(|document| document.get("pipelines")?.as_array().cloned());
        let names = lists
            .flatten()
            .filter_map(|pipeline| pipeline.get("name")?.as_str()?.strip_prefix(&prefix).map(str::to_owned));
        let retained = crate::plan::retained(&config_map);
        Self {
            pipelines: names.filter(|name| !retained.contains(name)).collect(),
            object: Arc::new(config_map),
        }
    }
}
