//! What a template should carry of ours: a pure function of the owner's template and of what the sidecar is to do.
//!
//! Everything here is part of the pod shape: a change of what these functions give for an unchanged input restarts
//! every injected application. A snapshot test guards it.

mod container;
mod references;
mod resources;
mod state;
mod user;

use std::collections::{BTreeMap, BTreeSet};

use crds::names;
use crds::spec::{Placement, Sidecar};
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EmptyDirVolumeSource, KeyToPath, PodSpec, PodTemplateSpec, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

pub(super) use self::references::References;
pub(crate) use self::resources::requests;
use self::state::State;
pub(super) use self::state::place as state_place;
use super::parts::{List, MountPoint, Parts, SEPARATOR};
use super::target::{Access, Origin, Place, SourceTarget, SubPath, Writer};

/// What the sidecar of one Deployment is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// The owner's template, without anything of ours.
    pub owner: &'a PodTemplateSpec,
    /// Of the Deployment.
    pub namespace: &'a str,
    pub name: &'a str,
    pub config_map: &'a str,
    pub sidecar: &'a Sidecar,
    pub image: &'a str,
    /// Of all pipelines in their order: where two ask for the same volume the first one decides.
    pub targets: &'a [SourceTarget],
    pub references: &'a References,
}

/// Everything of ours, with the hash of it all as the pod shape.
pub(super) fn parts(wanted: Wanted<'_>) -> Parts {
    // The shape is also the key of the ConfigMap that the pod mounts, so it must be known without that.
    let shape = shaped(wanted, "").hash();
    let mut parts = shaped(wanted, &shape);
    parts.annotations.insert(names::POD_SHAPE.to_owned(), shape);
    parts
}

fn shaped(wanted: Wanted<'_>, shape: &str) -> Parts {
    let spec = wanted.owner.spec.clone().unwrap_or_default();
    let list = match wanted.sidecar.placement {
        Placement::Auto => List::Init,
        Placement::Container => List::Main,
    };
    let state = State::of(wanted);
    let mounts = log_mounts(wanted, &state).chain(wanted.references.mounts());
    let container = container::container(wanted.sidecar, (list, wanted.image), &state, mounts.collect());
    let container = k8s_openapi::api::core::v1::Container {
        env: Some(container::variables(&fields(wanted))),
        resources: Some(resources::requirements(&wanted.sidecar.resources, &spec)),
        security_context: Some(user::security_context(wanted.sidecar, &spec, first_writer(wanted))),
        ..container
    };
    let volumes = volumes(wanted, shape);
    let pull_secrets = lacking_pull_secrets(wanted.sidecar, &spec);
    Parts {
        sidecar: [(list, container)].into(),
        mounts: application_mounts(wanted),
        annotations: annotations(wanted.owner, &volumes, &pull_secrets),
        labels: [(names::SIDECAR_LABEL.to_owned(), names::TRUE.to_owned())].into(),
        volumes,
        pull_secrets,
    }
}

fn places(wanted: Wanted<'_>) -> impl Iterator<Item = (&Writer, &Place)> {
    let targets = wanted.targets.iter();
    targets.flat_map(|target| target.places.iter().map(move |place| (&target.writer, place)))
}

/// The container whose user the sidecar takes over.
fn first_writer(wanted: Wanted<'_>) -> Option<&Writer> {
    wanted.targets.first().map(|target| &target.writer)
}

/// The fields of the pod that mounts of logs speak of, by their paths.
fn fields(wanted: Wanted<'_>) -> BTreeSet<&str> {
    places(wanted).flat_map(|(_, place)| place.sub_path.fields()).collect()
}

/// Writable only where a pipeline asks for more than reading.
fn log_mounts(wanted: Wanted<'_>, state: &State<'_>) -> impl Iterator<Item = VolumeMount> {
    let mut mounts = BTreeMap::new();
    for target in wanted.targets {
        for place in &target.places {
            let mount = mounts.entry(place.mounted_at()).or_insert_with(|| log_mount(place));
            if target.access == Access::Write || state.is_in(place) {
                mount.read_only = None;
            }
        }
    }
    mounts.into_values()
}

fn log_mount(place: &Place) -> VolumeMount {
    let (sub_path, sub_path_expr) = match place.sub_path.clone() {
        SubPath::Whole => (None, None),
        SubPath::Fixed(path) => (Some(path), None),
        SubPath::Expression { text, .. } => (None, Some(text)),
    };
    VolumeMount {
        name: place.volume.clone(),
        mount_path: place.mounted_at(),
        mount_propagation: place.propagation.mode(),
        sub_path,
        sub_path_expr,
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

/// Mounts of volumes that we add, in the containers that log into them.
fn application_mounts(wanted: Wanted<'_>) -> BTreeMap<MountPoint, VolumeMount> {
    places(wanted)
        .filter(|(_, place)| place.is_added())
        .map(|(writer, place)| {
            let point = MountPoint {
                list: writer.list,
                container: writer.container.clone(),
                path: place.path.clone(),
            };
            let mount = VolumeMount {
                name: place.volume.clone(),
                mount_path: place.path.clone(),
                ..VolumeMount::default()
            };
            (point, mount)
        })
        .collect()
}

fn volumes(wanted: Wanted<'_>, shape: &str) -> BTreeMap<String, Volume> {
    let mut volumes = BTreeMap::new();
    for (_, place) in places(wanted) {
        if let Origin::Added { size_limit } = place.origin {
            let limit = size_limit.map(|size| size.to_string());
            volumes
                .entry(place.volume.clone())
                .or_insert_with(|| empty_dir(&place.volume, limit));
        }
    }
    let own = [
        config_volume(wanted.config_map, shape),
        empty_dir(names::NO_TOKEN_VOLUME, Some("1Mi".to_owned())),
    ];
    let own = own.into_iter().chain(State::of(wanted).volume());
    let own = own.chain(wanted.references.volumes());
    volumes.extend(own.map(|volume| (volume.name.clone(), volume)));
    volumes
}

/// Optional, so that a pod starts without it; one key, so that it carries the configuration of pods of this shape only.
fn config_volume(config_map: &str, shape: &str) -> Volume {
    Volume {
        name: names::CONFIG_VOLUME.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: config_map.to_owned(),
            optional: Some(true),
            default_mode: Some(0o644),
            items: Some(vec![KeyToPath {
                key: names::config_key(shape),
                path: names::paths::CONFIG_FILE.to_owned(),
                mode: None,
            }]),
        }),
        ..Volume::default()
    }
}

fn empty_dir(name: &str, size_limit: Option<String>) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: size_limit.map(Quantity),
            medium: None,
        }),
        ..Volume::default()
    }
}

fn lacking_pull_secrets(sidecar: &Sidecar, spec: &PodSpec) -> BTreeSet<String> {
    let has = |name: &String| {
        spec.image_pull_secrets
            .iter()
            .flatten()
            .any(|secret| secret.name == *name)
    };
    sidecar
        .image_pull_secrets
        .iter()
        .filter(|name| !has(name))
        .cloned()
        .collect()
}

fn annotations(
    owner: &PodTemplateSpec,
    volumes: &BTreeMap<String, Volume>,
    pull_secrets: &BTreeSet<String>,
) -> BTreeMap<String, String> {
    let owners = owner
        .metadata
        .as_ref()
        .and_then(|metadata| metadata.annotations.as_ref());
    let mut annotations = BTreeMap::new();
    if !owners.is_some_and(|owners| owners.contains_key(names::SAFE_TO_EVICT)) {
        let local = volumes.values().filter(|volume| volume.empty_dir.is_some());
        annotations.insert(
            names::SAFE_TO_EVICT.to_owned(),
            list(local.map(|volume| volume.name.as_str())),
        );
    }
    if !pull_secrets.is_empty() {
        annotations.insert(
            names::PULL_SECRETS.to_owned(),
            list(pull_secrets.iter().map(String::as_str)),
        );
    }
    annotations
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    items.collect::<Vec<_>>().join(&SEPARATOR.to_string())
}

#[cfg(test)]
mod tests;
