//! The one strategic merge patch that leads from the parts of ours in a template to those that should be there.
//!
//! Invariants, each measured on a real API server:
//! * only keyed list items and map entries of ours are named, never a scalar of the pod spec;
//! * a changed item is deleted and added in the same list, since a merge never shrinks an item: an environment
//!   variable, limit or mount that is left out would stay;
//! * `$patch: replace` is never used: on one item it wipes the whole list, the owner's items included;
//! * a label that the Deployment's own selector needs is never removed, since every such patch is refused;
//! * a list of containers or volumes is sent with `$setElementOrder`, since a merge puts new items first;
//! * a difference in order alone is never a reason to patch.

use std::collections::{BTreeMap, BTreeSet};

use crds::names;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::comparable::Comparable;
use super::parts::{List, MountPoint, Parts};

/// The body of the patch; none when there is nothing to change.
pub(super) fn diff(deployment: &Deployment, ours: &Parts, desired: &Parts) -> Option<Value> {
    let live_spec = live_pod_spec(&deployment.spec.as_ref()?.template);
    let template = object([
        ("metadata", template_metadata(deployment, ours, desired)),
        ("spec", pod_spec(&live_spec, ours, desired)),
    ]);
    let labels = deployment_labels(deployment, desired);
    if template.is_none() && labels.is_none() {
        return None;
    }
    let metadata = object([
        ("uid", deployment.metadata.uid.clone().map(Value::from)),
        (
            "resourceVersion",
            deployment.metadata.resource_version.clone().map(Value::from),
        ),
        ("labels", labels),
    ]);
    let spec = object([("template", template)]);
    object([("metadata", metadata), ("spec", spec)])
}

fn live_pod_spec(template: &PodTemplateSpec) -> PodSpec {
    template.spec.clone().unwrap_or_default()
}

/// The members that are there; none when there are none.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Option<Value> {
    let map: Map<String, Value> = members
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect();
    (!map.is_empty()).then_some(Value::Object(map))
}

/// The Deployment carries the label as long as its template carries anything of ours.
fn deployment_labels(deployment: &Deployment, desired: &Parts) -> Option<Value> {
    let live = deployment
        .metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(names::SIDECAR_LABEL));
    match (live.map(String::as_str), desired.is_empty()) {
        (Some(names::TRUE), false) | (None, true) => None,
        (_, false) => Some(json!({ names::SIDECAR_LABEL: names::TRUE })),
        (_, true) => Some(json!({ names::SIDECAR_LABEL: null })),
    }
}

fn template_metadata(deployment: &Deployment, ours: &Parts, desired: &Parts) -> Option<Value> {
    let mut removable = ours.labels.clone();
    removable.retain(|key, _| desired.labels.contains_key(key) || !is_selected_by(deployment, key));
    object([
        ("labels", entries(&removable, &desired.labels)),
        ("annotations", entries(&ours.annotations, &desired.annotations)),
    ])
}

/// Whether the Deployment's own selector needs the label. It can't change, so the server refuses every template without
/// it.
fn is_selected_by(deployment: &Deployment, label: &str) -> bool {
    let Some(selector) = deployment.spec.as_ref().map(|spec| &spec.selector) else {
        return false;
    };
    let mut expressions = selector.match_expressions.iter().flatten();
    selector.match_labels.iter().flatten().any(|(key, _)| key == label)
        || expressions
            .any(|expression| expression.key == label && ["In", "Exists"].contains(&expression.operator.as_str()))
}

fn entries(ours: &BTreeMap<String, String>, desired: &BTreeMap<String, String>) -> Option<Value> {
    let keys: BTreeSet<_> = ours.keys().chain(desired.keys()).collect();
    let changed: Map<String, Value> = keys
        .into_iter()
        .filter(|key| ours.get(*key) != desired.get(*key))
        .map(|key| (key.clone(), json!(desired.get(key))))
        .collect();
    (!changed.is_empty()).then_some(Value::Object(changed))
}

fn pod_spec(live: &PodSpec, ours: &Parts, desired: &Parts) -> Option<Value> {
    let mut spec = Map::new();
    for list in List::ALL {
        put_list(&mut spec, list.field(), containers(list, ours, desired), || {
            container_order(list, live, desired)
        });
    }
    put_list(&mut spec, "volumes", volumes(ours, desired), || {
        volume_order(live, desired)
    });
    let secrets = pull_secrets(ours, desired);
    if !secrets.is_empty() {
        spec.insert("imagePullSecrets".to_owned(), Value::Array(secrets));
    }
    (!spec.is_empty()).then_some(Value::Object(spec))
}

/// The server refuses a list whose items stand in another order than `$setElementOrder` says.
fn put_list(spec: &mut Map<String, Value>, field: &str, mut items: Vec<Value>, order: impl FnOnce() -> Vec<String>) {
    if items.is_empty() {
        return;
    }
    let order = order();
    items.sort_by_key(|item| order.iter().position(|name| item["name"] == *name));
    if !order.is_empty() {
        let order = order.into_iter().map(|name| json!({ "name": name })).collect();
        spec.insert(format!("$setElementOrder/{field}"), Value::Array(order));
    }
    spec.insert(field.to_owned(), Value::Array(items));
}

fn containers(list: List, ours: &Parts, desired: &Parts) -> Vec<Value> {
    let key = ("name", names::CONTAINER);
    let sidecar = replaced(key, ours.sidecar.get(&list), desired.sidecar.get(&list));
    mounts(list, ours, desired).into_iter().chain(sidecar).collect()
}

/// Items for the owner's containers, each with nothing but mounts of ours.
fn mounts(list: List, ours: &Parts, desired: &Parts) -> Vec<Value> {
    let points: BTreeSet<&MountPoint> = ours.mounts.keys().chain(desired.mounts.keys()).collect();
    let mut by_container: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for point in points.into_iter().filter(|point| point.list == list) {
        let key = ("mountPath", point.path.as_str());
        let items = replaced(key, ours.mounts.get(point), desired.mounts.get(point));
        if !items.is_empty() {
            by_container.entry(&point.container).or_default().extend(items);
        }
    }
    by_container
        .into_iter()
        .map(|(container, mounts)| json!({ "name": container, "volumeMounts": mounts }))
        .collect()
}

fn volumes(ours: &Parts, desired: &Parts) -> Vec<Value> {
    let volumes: BTreeSet<_> = ours.volumes.keys().chain(desired.volumes.keys()).collect();
    volumes
        .into_iter()
        .flat_map(|name| replaced(("name", name), ours.volumes.get(name), desired.volumes.get(name)))
        .collect()
}

fn pull_secrets(ours: &Parts, desired: &Parts) -> Vec<Value> {
    let gone = ours.pull_secrets.difference(&desired.pull_secrets);
    let new = desired.pull_secrets.difference(&ours.pull_secrets);
    gone.map(|name| json!({ "$patch": "delete", "name": name }))
        .chain(new.map(|name| json!({ "name": name })))
        .collect()
}

/// What a list must say so that the item of this key becomes `desired`.
fn replaced<T: Serialize + Comparable>((key, name): (&str, &str), live: Option<&T>, desired: Option<&T>) -> Vec<Value> {
    if let (Some(live), Some(desired)) = (live, desired)
        && live.same_as(desired)
    {
        return Vec::new();
    }
    let delete = live.map(|_| json!({ "$patch": "delete", key: name }));
    let add = desired.map(|item| json!(item));
    delete.into_iter().chain(add).collect()
}

/// A native sidecar comes first: it starts before and stops after the others. A plain one comes last, so that it never
/// becomes kubectl's default container.
fn container_order(list: List, live: &PodSpec, desired: &Parts) -> Vec<String> {
    let owners = list.of(live).iter().map(|container| container.name.clone());
    let owners = owners.filter(|name| name != names::CONTAINER);
    let sidecar = desired.sidecar.get(&list).map(|container| container.name.clone());
    match list {
        List::Init => sidecar.into_iter().chain(owners).collect(),
        List::Main => owners.chain(sidecar).collect(),
    }
}

fn volume_order(live: &PodSpec, desired: &Parts) -> Vec<String> {
    let owners = live.volumes.iter().flatten().map(|volume| volume.name.clone());
    let owners = owners.filter(|name| !names::is_volume(name));
    owners.chain(desired.volumes.keys().cloned()).collect()
}
