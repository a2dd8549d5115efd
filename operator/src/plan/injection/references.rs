//! Secrets and ConfigMaps that destinations refer to, as volumes of the sidecar: one for each object, shared by all
//! pipelines, with the keys that are asked for and no others.
//!
//! All of them are optional, so that a pod starts without them; the sidecar says what it misses. Their content is no
//! part of the pod shape: the kubelet refreshes the files and the sidecar reads them again. Nothing here reads a Secret.

use std::collections::{BTreeMap, BTreeSet};

use crds::names;
use k8s_openapi::api::core::v1::{ConfigMapVolumeSource, KeyToPath, SecretVolumeSource, Volume, VolumeMount};
use pipeline::reference::Object;
use pipeline::{Destination, Pipeline};

/// Everything that a sidecar refers to: keys by object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::plan) struct References(BTreeMap<(Object, String), BTreeSet<String>>);

impl References {
    pub(in crate::plan) fn of(pipelines: &[Pipeline]) -> Self {
        let destinations = pipelines.iter().flat_map(|pipeline| &pipeline.destinations);
        let mut all: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for reference in destinations.flat_map(Destination::references) {
            let object = (reference.object, reference.name.to_owned());
            all.entry(object).or_default().insert(reference.key.to_owned());
        }
        Self(all)
    }

    pub(super) fn volumes(&self) -> impl Iterator<Item = Volume> {
        self.0.iter().map(|((object, name), keys)| volume(*object, name, keys))
    }

    pub(super) fn mounts(&self) -> impl Iterator<Item = VolumeMount> {
        self.0.keys().map(|(object, name)| VolumeMount {
            name: names::ref_volume(object.directory(), name),
            mount_path: names::ref_mount(object.directory(), name),
            read_only: Some(true),
            ..VolumeMount::default()
        })
    }
}

fn volume(object: Object, name: &str, keys: &BTreeSet<String>) -> Volume {
    // As the server fills it in. The sidecar runs as a user of its own: a narrower mode would lock it out.
    let default_mode = Some(0o644);
    let items = keys.iter().map(|key| KeyToPath {
        key: key.clone(),
        path: key.clone(),
        mode: None,
    });
    let items = Some(items.collect());
    let optional = Some(true);
    let bare = Volume {
        name: names::ref_volume(object.directory(), name),
        ..Volume::default()
    };
    match object {
        Object::Secret => Volume {
            secret: Some(SecretVolumeSource {
                secret_name: Some(name.to_owned()),
                items,
                optional,
                default_mode,
            }),
            ..bare
        },
        Object::ConfigMap => Volume {
            config_map: Some(ConfigMapVolumeSource {
                name: name.to_owned(),
                items,
                optional,
                default_mode,
            }),
            ..bare
        },
    }
}
