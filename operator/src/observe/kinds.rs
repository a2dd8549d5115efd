//! What each kind of object that is watched means to the index: which keys have to look again when one of them changes.
//!
//! An object that can't be read doesn't stop the others: of a LogShipping that is told in its status, of anything else
//! what was known before stays. How events become calls of these is in [`super::event`].

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

use crds::LogShipping;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;

use super::event::Watched;
use super::index::{ConfigMapEntry, Index, ReplicaSetEntry, Stay, Wakes, labels};
use super::key::{ConfigMapKey, PodKey, ReplicaSetKey, ShippingKey, TargetKey};
use super::lean::{LeanConfigMap, LeanDeployment, LeanPod, LeanShipping, MetadataOnly};
use super::pod::SidecarPod;
use super::shipping::{ShippingEntry, ShippingLife};

/// LogShippings.
#[derive(Debug)]
pub(crate) struct Shippings;

impl Watched for Shippings {
    type Api = LogShipping;
    type Object = ShippingEntry;
    type Key = ShippingKey;

    fn read(text: &str) -> serde_json::Result<(ObjectMeta, ShippingEntry)> {
        let shipping: LogShipping = serde_json::from_str::<LeanShipping>(text)?.into();
        let entry = ShippingEntry::of(&shipping);
        Ok((shipping.metadata, entry))
    }

    fn unreadable(metadata: ObjectMeta, error: String) -> Result<ShippingEntry, String> {
        Ok(ShippingEntry::unreadable(&metadata, error))
    }

    fn put(index: &mut Index, key: ShippingKey, mut entry: ShippingEntry) -> Wakes {
        if index.stay == Stay::Leaves {
            entry.life = ShippingLife::Deleting;
        }
        let before = index.shippings.get(&key).cloned();
        let mut wakes = Wakes::default();
        if before.as_ref().is_none_or(|before| before.differs_for_targets(&entry)) {
            wakes
                .targets
                .extend(before.iter().flat_map(|before| index.targets_of(&key, before)));
            wakes.targets.extend(index.targets_of(&key, &entry));
        }
        wakes.shippings.insert(key.clone());
        index.shippings.insert(key, entry);
        wakes
    }

    fn remove(index: &mut Index, key: &ShippingKey) -> Wakes {
        let mut wakes = Wakes::default();
        if let Some(entry) = index.shippings.remove(key) {
            wakes.targets = index.targets_of(key, &entry);
        }
        wakes.shippings.insert(key.clone());
        wakes
    }

    fn keys(index: &Index) -> impl Iterator<Item = &ShippingKey> {
        index.shippings.keys()
    }
}

/// Deployments, all of them: any may be selected.
#[derive(Debug)]
pub(crate) struct Deployments;

impl Watched for Deployments {
    type Api = Deployment;
    type Object = Deployment;
    type Key = TargetKey;

    fn read(text: &str) -> serde_json::Result<(ObjectMeta, Deployment)> {
        let deployment: Deployment = serde_json::from_str::<LeanDeployment>(text)?.into();
        Ok((deployment.metadata.clone(), deployment))
    }

    fn put(index: &mut Index, key: TargetKey, object: Deployment) -> Wakes {
        let mut wakes = Wakes::default();
        let before = index.deployments.get(&key).cloned();
        if before
            .as_ref()
            .is_some_and(|before| is_older(&object.metadata, &before.metadata))
        {
            return wakes;
        }
        if before.as_ref().is_some_and(|before| !differs(before, &object)) {
            index.deployments.insert(key, Arc::new(object));
            return wakes;
        }
        index.wake_shippings_on(&key, &mut wakes);
        let uid_before = before.and_then(|before| before.metadata.uid.clone());
        let is_new = uid_before != object.metadata.uid;
        if let Some(uid) = uid_before {
            index.target_of_uid.remove(&uid);
        }
        if let Some(uid) = &object.metadata.uid {
            index.target_of_uid.insert(uid.clone(), key.clone());
        }
        index.deployments.insert(key.clone(), Arc::new(object));
        if is_new {
            wakes.pods.extend(index.pod_keys_of(&key).cloned());
        }
        index.wake_shippings_on(&key, &mut wakes);
        if index.concerns(&key) || index.state(&key).is_some() {
            wakes.targets.insert(key);
        }
        wakes
    }

    fn remove(index: &mut Index, key: &TargetKey) -> Wakes {
        let mut wakes = Wakes::default();
        index.wake_shippings_on(key, &mut wakes);
        let deployment = index.deployments.remove(key);
        if let Some(uid) = deployment.and_then(|deployment| deployment.metadata.uid.clone()) {
            index.target_of_uid.remove(&uid);
        }
        wakes.targets.insert(key.clone());
        wakes
    }

    fn keys(index: &Index) -> impl Iterator<Item = &TargetKey> {
        index.deployments.keys()
    }
}

/// Whether a watch delivers what an answer to a write of ours has overtaken. Resource versions are numbers that grow
/// (KEP-5504); where they aren't, nothing is older.
fn is_older(object: &ObjectMeta, than: &ObjectMeta) -> bool {
    let number = |metadata: &ObjectMeta| metadata.resource_version.as_ref()?.parse::<u64>().ok();
    match (number(object), number(than)) {
        (Some(object_version), Some(than_version)) => object.uid == than.uid && object_version < than_version,
        _ => false,
    }
}

/// Whether more than the status of a Deployment changed.
fn differs(before: &Deployment, after: &Deployment) -> bool {
    let (old, new) = (&before.metadata, &after.metadata);
    (&old.uid, old.generation, &old.annotations, &old.owner_references)
        != (&new.uid, new.generation, &new.annotations, &new.owner_references)
        || labels(before) != labels(after)
        || old.deletion_timestamp.is_some() != new.deletion_timestamp.is_some()
}

/// ReplicaSets whose template carries our label, metadata only.
#[derive(Debug)]
pub(crate) struct ReplicaSets;

impl Watched for ReplicaSets {
    type Api = PartialObjectMeta<ReplicaSet>;
    /// None for one that no Deployment controls.
    type Object = Option<ReplicaSetEntry>;
    type Key = ReplicaSetKey;

    fn read(text: &str) -> serde_json::Result<(ObjectMeta, Self::Object)> {
        let metadata = serde_json::from_str::<MetadataOnly>(text)?.metadata.into();
        let entry = ReplicaSetEntry::of(&metadata);
        Ok((metadata, entry))
    }

    fn put(index: &mut Index, key: ReplicaSetKey, object: Self::Object) -> Wakes {
        let Some(entry) = object else {
            return Self::remove(index, &key);
        };
        if index.replica_sets.get(&key) == Some(&entry) {
            return Wakes::default();
        }
        let mut wakes = Self::remove(index, &key);
        let siblings = index
            .replica_sets_of_deployment
            .entry(entry.deployment_uid.clone())
            .or_default();
        siblings.insert(key.clone());
        wakes
            .targets
            .extend(index.target_with_uid(&entry.deployment_uid).cloned());
        // Until now nobody knew whose they are, so nobody asked them.
        let pods = index.pods_of_replica_set.get(&entry.uid);
        wakes.pods.extend(pods.into_iter().flatten().cloned());
        index.replica_set_of_uid.insert(entry.uid.clone(), key.clone());
        index.replica_sets.insert(key, entry);
        wake_with_their_shippings(index, wakes)
    }

    fn remove(index: &mut Index, key: &ReplicaSetKey) -> Wakes {
        let mut wakes = Wakes::default();
        if let Some(entry) = index.replica_sets.remove(key) {
            wakes
                .targets
                .extend(index.target_with_uid(&entry.deployment_uid).cloned());
            index.replica_set_of_uid.remove(&entry.uid);
            take_out(&mut index.replica_sets_of_deployment, &entry.deployment_uid, key);
        }
        wake_with_their_shippings(index, wakes)
    }

    fn keys(index: &Index) -> impl Iterator<Item = &ReplicaSetKey> {
        index.replica_sets.keys()
    }
}

/// Pods that carry our label.
#[derive(Debug)]
pub(crate) struct Pods;

impl Watched for Pods {
    type Api = Pod;
    /// None for one that belongs to no ReplicaSet.
    type Object = Option<SidecarPod>;
    type Key = PodKey;

    fn read(text: &str) -> serde_json::Result<(ObjectMeta, Self::Object)> {
        let pod: Pod = serde_json::from_str::<LeanPod>(text)?.into();
        let kept = SidecarPod::of(&pod);
        Ok((pod.metadata, kept))
    }

    fn put(index: &mut Index, key: PodKey, object: Self::Object) -> Wakes {
        let Some(pod) = object else {
            return Self::remove(index, &key);
        };
        let before = index.pods.get(&key);
        if before == Some(&pod) {
            return Wakes::default();
        }
        let same_for_plan = before.is_some_and(|before| before.view == pod.view);
        let mut wakes = match before {
            Some(before) if before.view.uid == pod.view.uid && before.owner_uid == pod.owner_uid => Wakes::default(),
            _ => Self::remove(index, &key),
        };
        let siblings = index.pods_of_replica_set.entry(pod.owner_uid.clone()).or_default();
        siblings.insert(key.clone());
        if let Some(target) = index.target_of(&pod).cloned() {
            index.wake_shippings_on(&target, &mut wakes);
            if !same_for_plan {
                wakes.gathering.insert(target);
            }
        }
        index.pods.insert(key.clone(), pod);
        wakes.pods.insert(key);
        wakes
    }

    fn remove(index: &mut Index, key: &PodKey) -> Wakes {
        let mut wakes = Wakes::default();
        if let Some(pod) = index.pods.remove(key) {
            index.say_farewell(key, &pod);
            wakes.gathering.extend(index.target_of(&pod).cloned());
            take_out(&mut index.pods_of_replica_set, &pod.owner_uid, key);
            index.forget_sighting(&pod.view.uid);
        }
        wake_with_their_shippings(index, wakes)
    }

    fn keys(index: &Index) -> impl Iterator<Item = &PodKey> {
        index.pods.keys()
    }
}

/// ConfigMaps that carry our label.
#[derive(Debug)]
pub(crate) struct ConfigMaps;

impl Watched for ConfigMaps {
    type Api = ConfigMap;
    type Object = ConfigMapEntry;
    type Key = ConfigMapKey;

    fn read(text: &str) -> serde_json::Result<(ObjectMeta, ConfigMapEntry)> {
        let config_map: ConfigMap = serde_json::from_str::<LeanConfigMap>(text)?.into();
        Ok((config_map.metadata.clone(), ConfigMapEntry::of(config_map)))
    }

    fn put(index: &mut Index, key: ConfigMapKey, entry: ConfigMapEntry) -> Wakes {
        let before = index.config_maps.get(&key).map(|entry| entry.object.clone());
        if before
            .as_ref()
            .is_some_and(|before| is_older(&entry.object.metadata, &before.metadata))
        {
            return Wakes::default();
        }
        let mut wakes = of_owner(index, &key, &entry.object);
        if let Some(before) = before {
            // Whoever took the owner away took it away from this one.
            wakes.targets.append(&mut of_owner(index, &key, &before).targets);
        }
        index.config_maps.insert(key, entry);
        for target in &wakes.targets {
            let keys: Vec<_> = index.pod_keys_of(target).cloned().collect();
            wakes.pods.extend(keys);
        }
        wake_with_their_shippings(index, wakes)
    }

    fn remove(index: &mut Index, key: &ConfigMapKey) -> Wakes {
        let Some(entry) = index.config_maps.remove(key) else {
            return Wakes::default();
        };
        index.departs(entry.object.metadata.uid.as_ref());
        wake_with_their_shippings(index, of_owner(index, key, &entry.object))
    }

    fn keys(index: &Index) -> impl Iterator<Item = &ConfigMapKey> {
        index.config_maps.keys()
    }
}

/// The Deployment that a ConfigMap is for. One without an owner of ours waits for the garbage collector or for people.
fn of_owner(index: &Index, key: &ConfigMapKey, object: &ConfigMap) -> Wakes {
    let owners = object.metadata.owner_references.iter().flatten();
    let owners = owners
        .filter(|owner| owner.kind == "Deployment")
        .map(|owner| TargetKey::new(&key.namespace, &owner.name));
    Wakes {
        targets: owners.filter(|target| index.deployments.contains_key(target)).collect(),
        ..Wakes::default()
    }
}

fn wake_with_their_shippings(index: &Index, mut wakes: Wakes) -> Wakes {
    let targets: Vec<_> = wakes.targets.union(&wakes.gathering).cloned().collect();
    for target in targets {
        index.wake_shippings_on(&target, &mut wakes);
    }
    wakes
}

fn take_out<K: Ord>(sets: &mut std::collections::BTreeMap<String, BTreeSet<K>>, of: &str, key: &K) {
    if let Some(set) = sets.get_mut(of) {
        set.remove(key);
        if set.is_empty() {
            sets.remove(of);
        }
    }
}
