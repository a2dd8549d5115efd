//! Everything of ours in a pod template, told apart from what is the owner's.
//!
//! The same type says what is there and what should be there, so that a patch is the difference of two values
//! ([`super::patch`]), and whether a sidecar is injected is judged from the objects alone.
//!
//! What is ours is recognised by the names of [`crds::names`], which are reserved; pull secrets, whose names are the
//! owner's, are recorded in an annotation beside them.

use std::collections::{BTreeMap, BTreeSet};

use crds::names;
use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec, Volume, VolumeMount};
use serde_json::json;

use super::comparable::Comparable;

/// What separates entries of annotations that are lists.
pub(super) const SEPARATOR: char = ',';

/// The two lists of containers in a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum List {
    Init,
    Main,
}

impl List {
    pub(super) const ALL: [Self; 2] = [Self::Init, Self::Main];

    pub(super) const fn field(self) -> &'static str {
        match self {
            Self::Init => "initContainers",
            Self::Main => "containers",
        }
    }

    pub(super) fn of(self, spec: &PodSpec) -> &[Container] {
        match self {
            Self::Init => spec.init_containers.as_deref().unwrap_or_default(),
            Self::Main => &spec.containers,
        }
    }
}

/// Where a mount of ours stands in a container of the owner.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MountPoint {
    pub list: List,
    pub container: String,
    pub path: String,
}

/// Everything of ours in a pod template.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Parts {
    /// At most one is wanted; both are seen, since something else may have added one.
    pub sidecar: BTreeMap<List, Container>,
    pub volumes: BTreeMap<String, Volume>,
    pub mounts: BTreeMap<MountPoint, VolumeMount>,
    /// Those that the owner lacks.
    pub pull_secrets: BTreeSet<String>,
    pub annotations: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
}

/// A pod template taken apart.
#[derive(Clone, Debug)]
pub(super) struct Split {
    /// The template as if we had never been there.
    pub owner: PodTemplateSpec,
    pub ours: Parts,
}

impl Parts {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn container(&self) -> Option<&Container> {
        self.sidecar.values().next()
    }

    pub(super) fn shape(&self) -> Option<&str> {
        self.annotations.get(names::POD_SHAPE).map(String::as_str)
    }

    /// Something under a reserved name in a template that carries neither of our marks: somebody else put it there.
    pub(super) fn foreign(&self) -> Option<&str> {
        let is_marked = self.shape().is_some() || !self.labels.is_empty();
        let containers = self.sidecar.values().map(|container| &container.name);
        let mut names = containers.chain(self.volumes.keys()).filter(|_| !is_marked);
        names.next().map(String::as_str)
    }

    /// Hash of everything here; the same for parts that are [`Comparable::same_as`] each other.
    pub(super) fn hash(&self) -> String {
        let parts = self.clone().normalised();
        let sidecar: Vec<_> = parts
            .sidecar
            .iter()
            .map(|(list, container)| (list.field(), container))
            .collect();
        let mounts: Vec<_> = parts
            .mounts
            .iter()
            .map(|(point, mount)| (point.list.field(), &point.container, mount))
            .collect();
        let volumes: Vec<_> = parts.volumes.values().collect();
        let all = json!([
            sidecar,
            volumes,
            mounts,
            parts.pull_secrets,
            parts.annotations,
            parts.labels
        ]);
        names::hash_bytes(all.to_string().as_bytes())
    }
}

/// Takes a template apart.
pub(super) fn split(template: &PodTemplateSpec) -> Split {
    let mut owner = template.clone();
    let mut ours = Parts::default();
    if let Some(metadata) = &mut owner.metadata {
        ours.labels = take_labels(&mut metadata.labels);
        ours.annotations = take_annotations(&mut metadata.annotations);
    }
    if let Some(spec) = &mut owner.spec {
        ours.pull_secrets = take_pull_secrets(spec, &ours.annotations);
        ours.volumes = take_volumes(spec);
        ours.sidecar = take_sidecar(spec);
        ours.mounts = take_mounts(spec);
    }
    Split { owner, ours }
}

fn take_labels(labels: &mut Option<BTreeMap<String, String>>) -> BTreeMap<String, String> {
    take_entries(labels, |key, _| key == names::SIDECAR_LABEL)
}

fn take_annotations(annotations: &mut Option<BTreeMap<String, String>>) -> BTreeMap<String, String> {
    take_entries(annotations, |key, value| match key {
        names::POD_SHAPE | names::PULL_SECRETS => true,
        names::SAFE_TO_EVICT => value.split(SEPARATOR).all(names::is_volume),
        _ => false,
    })
}

fn take_entries(
    map: &mut Option<BTreeMap<String, String>>,
    ours: impl Fn(&str, &str) -> bool,
) -> BTreeMap<String, String> {
    let (taken, left): (BTreeMap<_, _>, BTreeMap<_, _>) = map
        .take()
        .unwrap_or_default()
        .into_iter()
        .partition(|(key, value)| ours(key, value));
    *map = (!left.is_empty()).then_some(left);
    taken
}

fn take_pull_secrets(spec: &mut PodSpec, annotations: &BTreeMap<String, String>) -> BTreeSet<String> {
    let recorded: BTreeSet<_> = annotations
        .get(names::PULL_SECRETS)
        .map(|list| list.split(SEPARATOR).collect())
        .unwrap_or_default();
    take_items(&mut spec.image_pull_secrets, |secret| {
        recorded.contains(secret.name.as_str())
    })
    .into_iter()
    .map(|secret| secret.name)
    .collect()
}

fn take_volumes(spec: &mut PodSpec) -> BTreeMap<String, Volume> {
    take_items(&mut spec.volumes, |volume| names::is_volume(&volume.name))
        .into_iter()
        .map(|volume| (volume.name.clone(), volume))
        .collect()
}

fn take_sidecar(spec: &mut PodSpec) -> BTreeMap<List, Container> {
    let is_ours = |container: &Container| container.name == names::CONTAINER;
    let native = take_items(&mut spec.init_containers, is_ours);
    let (plain, containers) = std::mem::take(&mut spec.containers).into_iter().partition(is_ours);
    spec.containers = containers;
    let plain: Vec<_> = plain;
    let native = native.into_iter().map(|container| (List::Init, container));
    native
        .chain(plain.into_iter().map(|container| (List::Main, container)))
        .collect()
}

fn take_mounts(spec: &mut PodSpec) -> BTreeMap<MountPoint, VolumeMount> {
    let init = spec
        .init_containers
        .iter_mut()
        .flatten()
        .map(|container| (List::Init, container));
    let main = spec.containers.iter_mut().map(|container| (List::Main, container));
    let mut mounts = BTreeMap::new();
    for (list, container) in init.chain(main) {
        for mount in take_items(&mut container.volume_mounts, |mount| names::is_volume(&mount.name)) {
            let point = MountPoint {
                list,
                container: container.name.clone(),
                path: mount.mount_path.clone(),
            };
            mounts.insert(point, mount);
        }
    }
    mounts
}

/// A list that becomes empty becomes absent, as the API server has it.
fn take_items<T>(list: &mut Option<Vec<T>>, ours: impl Fn(&T) -> bool) -> Vec<T> {
    let (taken, left): (Vec<_>, Vec<_>) = list.take().unwrap_or_default().into_iter().partition(|item| ours(item));
    *list = (!left.is_empty()).then_some(left);
    taken
}
