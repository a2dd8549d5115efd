//! Every pod template that a Deployment has had, in order: who changed whose part of it, and how often.
//!
//! Rollouts are told from templates, never from `generation`, which also moves when annotations change. Every version
//! is seen, because the watch delivers every write. What is ours is judged here by names alone, without the operator's
//! own eyes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crds::names;
use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::runtime::watcher::{self, Event};
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

use crate::kubectl::Namespace;
use crate::runtime;

/// A pod template taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// As if we had never been there.
    pub owner: Value,
    /// Null where there is nothing of ours.
    pub ours: Value,
}

/// From one template to the next, which is a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Only the owner's part differs.
    Owner,
    /// Only our part differs, and there is one afterwards.
    Ours,
    /// Nothing of ours is left.
    Removed,
    /// Both parts differ, and there is one of ours afterwards: somebody went back to an older template.
    Reverted,
}

/// Follows one Deployment until it is dropped.
#[derive(Debug)]
pub struct Chronicle {
    templates: Arc<Mutex<Vec<Template>>>,
    task: JoinHandle<()>,
}

impl Chronicle {
    /// Begins to follow a Deployment, which need not be there yet.
    ///
    /// # Panics
    /// When the kubeconfig is of no use.
    pub fn follow(namespace: &Namespace, deployment: &str) -> Self {
        let client = runtime::get()
            .block_on(operator::client::connect(Some(namespace.kubeconfig())))
            .unwrap_or_else(|error| panic!("no client: {error}"));
        let api: Api<Deployment> = Api::namespaced(client, namespace.name());
        let only = watcher::Config::default().fields(&format!("metadata.name={deployment}"));
        let templates = Arc::new(Mutex::new(Vec::new()));
        let task = runtime::get().spawn(record(api, only, templates.clone()));
        Self { templates, task }
    }

    /// All templates so far.
    pub fn templates(&self) -> Vec<Template> {
        lock(&self.templates).clone()
    }

    /// What happened so far, after the Deployment was created.
    pub fn steps(&self) -> Vec<Step> {
        let templates = self.templates();
        templates.windows(2).map(|pair| step(&pair[0], &pair[1])).collect()
    }

    /// How many different templates there were, each of which has a ReplicaSet.
    pub fn distinct(&self) -> usize {
        let mut different: Vec<Template> = Vec::new();
        for template in self.templates() {
            if !different.contains(&template) {
                different.push(template);
            }
        }
        different.len()
    }
}

impl Drop for Chronicle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(templates: &Mutex<Vec<Template>>) -> MutexGuard<'_, Vec<Template>> {
    templates.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn record(api: Api<Deployment>, only: watcher::Config, templates: Arc<Mutex<Vec<Template>>>) {
    let mut events = std::pin::pin!(watcher::watcher(api, only));
    while let Some(event) = events.next().await {
        let Ok(Event::Apply(deployment) | Event::InitApply(deployment)) = event else {
            continue;
        };
        let template = Template::of(&json!(deployment)["spec"]["template"]);
        let mut templates = lock(&templates);
        if templates.last() != Some(&template) {
            templates.push(template);
        }
    }
}

fn step(before: &Template, after: &Template) -> Step {
    match (before.owner == after.owner, before.ours == after.ours) {
        (_, false) if after.ours.is_null() => Step::Removed,
        (true, _) => Step::Ours,
        (false, true) => Step::Owner,
        (false, false) => Step::Reverted,
    }
}

impl Template {
    /// Takes a template apart.
    pub fn of(template: &Value) -> Self {
        let mut owner = template.clone();
        let mut ours = Map::new();
        let metadata = &mut owner["metadata"];
        for (map, keys) in [
            ("labels", &[names::SIDECAR_LABEL][..]),
            (
                "annotations",
                &[names::POD_SHAPE, names::PULL_SECRETS, names::SAFE_TO_EVICT],
            ),
        ] {
            take_entries(metadata, map, keys, &mut ours);
        }
        for (list, is_ours) in [
            ("initContainers", (|name| name == names::CONTAINER) as fn(&str) -> bool),
            ("containers", |name| name == names::CONTAINER),
            ("volumes", names::is_volume),
        ] {
            let taken = take_items(&mut owner["spec"], list, is_ours);
            ours.extend((!taken.is_empty()).then(|| (list.to_owned(), json!(taken))));
        }
        for list in ["initContainers", "containers"] {
            for container in owner["spec"][list].as_array_mut().into_iter().flatten() {
                let taken = take_items(container, "volumeMounts", names::is_volume);
                let name = container["name"].to_string();
                ours.extend((!taken.is_empty()).then(|| (name, json!(taken))));
            }
        }
        let ours = if ours.is_empty() {
            Value::Null
        } else {
            Value::Object(ours)
        };
        Self { owner, ours }
    }
}

/// A map that becomes empty becomes absent, as the API server has it.
fn take_entries(metadata: &mut Value, map: &str, keys: &[&str], ours: &mut Map<String, Value>) {
    let Some(entries) = metadata.get_mut(map).and_then(Value::as_object_mut) else {
        return;
    };
    for key in keys {
        ours.extend(entries.remove(*key).map(|value| ((*key).to_owned(), value)));
    }
    if entries.is_empty() {
        metadata.as_object_mut().map(|metadata| metadata.remove(map));
    }
}

/// Like [`take_entries`], of a list of named items.
fn take_items(holder: &mut Value, list: &str, is_ours: impl Fn(&str) -> bool) -> Vec<Value> {
    let Some(items) = holder.get_mut(list).and_then(Value::as_array_mut) else {
        return Vec::new();
    };
    let is_ours = |item: &Value| item["name"].as_str().is_some_and(&is_ours);
    let (taken, left): (Vec<_>, Vec<_>) = std::mem::take(items).into_iter().partition(is_ours);
    *items = left;
    if items.is_empty() {
        holder.as_object_mut().map(|holder| holder.remove(list));
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(image: &str, sidecar: Option<&str>) -> Template {
        let own = json!({"name": "app", "image": image});
        let ours = sidecar.map(|image| json!({"name": names::CONTAINER, "image": image}));
        let init: Vec<_> = ours.into_iter().collect();
        let mut spec = json!({"containers": [own]});
        if !init.is_empty() {
            spec["initContainers"] = json!(init);
        }
        Template::of(&json!({"metadata": {"labels": {"app": "a"}}, "spec": spec}))
    }

    #[test]
    fn a_template_is_told_apart_and_its_changes_are_named() {
        let (plain, carrying) = (template("a", None), template("a", Some("s")));
        assert_eq!(plain.owner, carrying.owner);
        assert_eq!(plain.ours, Value::Null);
        for (before, after, expected) in [
            (&plain, &carrying, Step::Ours),
            (&carrying, &template("a", Some("t")), Step::Ours),
            (&carrying, &template("b", Some("s")), Step::Owner),
            (&plain, &template("b", None), Step::Owner),
            (&carrying, &plain, Step::Removed),
            (&carrying, &template("b", None), Step::Removed),
            (&carrying, &template("b", Some("t")), Step::Reverted),
        ] {
            assert_eq!(step(before, after), expected, "{before:?} {after:?}");
        }
    }
}
