//! What is observed, seen with the plan's eyes: what is the owner's, what is ours, and what runs.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use pipeline::Config;

use super::composition::Admitted;
use super::config::{Contents, Current};
use super::parts::{Split, split};
use crate::observed::{Life, Observed, Pod, SidecarContainer};
use crate::validate::pipeline_name;

#[derive(Debug)]
pub(super) struct Situation<'a> {
    pub observed: &'a Observed,
    pub split: Split,
    pub current: Current<'a>,
    /// What is in the ConfigMap.
    pub before: Contents,
    /// What pods of the live template run.
    pub running: Option<Config>,
}

impl<'a> Situation<'a> {
    pub(super) fn of(observed: &'a Observed) -> Self {
        let nothing = PodTemplateSpec::default();
        let template = observed
            .deployment
            .spec
            .as_ref()
            .map_or(&nothing, |spec| &spec.template);
        let split = split(template);
        let current = Current::of(observed.config_map.as_ref());
        let before = current.contents();
        let running = split.ours.shape().and_then(|shape| before.config(shape));
        Self {
            observed,
            split,
            current,
            before,
            running,
        }
    }

    /// What the LogShippings of the running pipelines asked of the sidecar.
    pub(super) fn admitted(&self) -> &Admitted {
        static NONE: Admitted = Admitted::new();
        let shape = self.split.ours.shape();
        shape.and_then(|shape| self.before.admitted.get(shape)).unwrap_or(&NONE)
    }

    pub(super) const fn deployment(&self) -> &'a Deployment {
        &self.observed.deployment
    }

    pub(super) fn name(&self) -> &'a str {
        self.deployment().metadata.name.as_deref().unwrap_or_default()
    }

    pub(super) fn namespace(&self) -> &'a str {
        self.deployment().metadata.namespace.as_deref().unwrap_or_default()
    }

    pub(super) const fn is_being_deleted(&self) -> bool {
        self.deployment().metadata.deletion_timestamp.is_some()
    }

    /// There is a sidecar, but its configuration can't be read back, so nothing can be kept by composing it anew.
    pub(super) fn runs_something_unknown(&self) -> bool {
        self.split.ours.container().is_some() && self.running.is_none()
    }

    /// LogShippings whose pipelines the live template runs.
    pub(super) fn pipelines(&self) -> BTreeSet<String> {
        let prefix = pipeline_name(self.namespace(), "");
        let running = self.running.iter().filter(|_| self.split.ours.container().is_some());
        let pipelines = running.flat_map(|config| &config.pipelines);
        pipelines
            .filter_map(|pipeline| pipeline.name.strip_prefix(&prefix).map(str::to_owned))
            .collect()
    }

    /// LogShippings that are gone or going, and whose pipelines stay all the same.
    pub(super) fn retained(&self) -> BTreeSet<String> {
        let mut retained = self.pipelines();
        retained.retain(|name| self.before.retained.contains(name) || self.observed.retaining.contains(name));
        retained
    }

    /// LogShippings whose pipelines the live template has to be rid of before they can go. Where one is to be retained
    /// it has to be written down first.
    pub(super) fn carried(&self) -> BTreeSet<String> {
        if self.is_being_deleted() {
            return BTreeSet::new();
        }
        self.pipelines().difference(&self.before.retained).cloned().collect()
    }

    /// Live pods with a sidecar of ours, whatever their template is by now.
    pub(super) fn injected_pods(&self) -> impl Iterator<Item = &'a Pod> {
        let pods = self.observed.pods.iter();
        pods.filter(|pod| pod.life == Life::Live && pod.sidecar != SidecarContainer::Absent)
    }

    /// A pod of the live template whose native sidecar has become an ordinary init container.
    pub(super) fn stripped_pod(&self) -> Option<&'a Pod> {
        let shape = self.split.ours.shape();
        self.injected_pods()
            .find(|pod| pod.sidecar == SidecarContainer::Stripped && pod.shape.as_deref() == shape)
    }

    /// What the ConfigMap has for shapes that the live template or live pods use.
    pub(super) fn contents_in_use(&self) -> Contents {
        let pods = self.injected_pods().filter_map(|pod| pod.shape.as_deref());
        let used: BTreeSet<_> = pods.chain(self.split.ours.shape()).collect();
        let mut contents = self.before.clone();
        contents.keep_shapes(&used);
        contents.retained = self.retained();
        contents
    }
}
