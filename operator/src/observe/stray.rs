//! What of ours is where nobody asks for it. No event tells of that: somebody took off a label or an owner while no
//! operator ran, or a Deployment was copied with all that had been added to it.

use std::collections::BTreeSet;

use crds::names;
use k8s_openapi::api::apps::v1::Deployment;

use super::index::{Index, labels};
use super::key::{ConfigMapKey, TargetKey};
use crate::plan::ConfigMapDeletion;

/// What a sweep has to do with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Strays {
    /// They concern us, and nobody has looked at them.
    pub(crate) targets: BTreeSet<TargetKey>,
    /// By namespace: those of no Deployment that exists, and without an owner that the garbage collector could miss.
    pub(crate) config_maps: Vec<(String, ConfigMapDeletion)>,
}

impl Index {
    pub(crate) fn strays(&self) -> Strays {
        let targets = self.deployments.keys();
        let unseen = targets.filter(|target| self.state(target).is_none() && self.concerns(target));
        let in_use: BTreeSet<_> = self
            .deployments
            .keys()
            .map(|target| ConfigMapKey::new(&target.namespace, &names::config_map(&target.name)))
            .collect();
        let metadata = self
            .config_maps
            .iter()
            .map(|(key, entry)| (key, &entry.object.metadata));
        let ownerless = metadata.filter(|(key, metadata)| {
            key.name.starts_with(names::CONFIG_MAP_PREFIX)
                && metadata.owner_references.as_ref().is_none_or(Vec::is_empty)
                && metadata.deletion_timestamp.is_none()
        });
        Strays {
            targets: unseen.cloned().collect(),
            config_maps: ownerless
                .filter(|(key, _)| !in_use.contains(*key))
                .map(|(key, metadata)| {
                    let deletion = ConfigMapDeletion {
                        name: key.name.clone(),
                        uid: metadata.uid.clone(),
                        resource_version: metadata.resource_version.clone(),
                    };
                    (key.namespace.clone(), deletion)
                })
                .collect(),
        }
    }
}

/// Whether a Deployment shows that we were there, by its label or by what is in its template.
pub(super) fn is_marked(deployment: &Deployment) -> bool {
    let is_true = |value: Option<&String>| value.is_some_and(|value| value == names::TRUE);
    if is_true(labels(deployment).get(names::SIDECAR_LABEL)) {
        return true;
    }
    let Some(template) = deployment.spec.as_ref().map(|spec| &spec.template) else {
        return false;
    };
    let on_template = template.metadata.as_ref().and_then(|metadata| metadata.labels.as_ref());
    let containers = template.spec.iter().flat_map(|spec| {
        let init = spec.init_containers.iter().flatten();
        init.chain(&spec.containers)
    });
    is_true(on_template.and_then(|labels| labels.get(names::SIDECAR_LABEL)))
        || containers
            .into_iter()
            .any(|container| container.name == names::CONTAINER)
}
