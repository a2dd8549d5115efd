//! The ConfigMap of a Deployment: one key of configuration for each pod shape that live pods use.
//!
//! Reading it back is how the plan knows what runs: which pipelines the Deployment carries, and the last good
//! configuration of one whose LogShipping has become invalid.

use std::collections::{BTreeMap, BTreeSet};

use crds::names;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use pipeline::Config;

use super::composition::Admitted;
use super::parts::SEPARATOR;
use super::state::ExpectedConfig;
use super::{ConfigMapDeletion, ConfigMapWrite};

/// Configuration by key, as text.
pub(super) type Data = BTreeMap<String, String>;

/// What is in the ConfigMap.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Contents {
    pub data: Data,
    /// What the LogShippings of the pipelines of each shape asked of the sidecar they share. In the annotation
    /// [`names::ADMITTED`]: the sidecar has no use for it.
    pub admitted: BTreeMap<String, Admitted>,
    /// LogShippings that are gone and whose pipelines stay: annotation [`names::RETAINED`].
    pub retained: BTreeSet<String>,
}

/// Names of the LogShippings that are gone and whose pipelines stay.
pub(crate) fn retained(config_map: &ConfigMap) -> BTreeSet<String> {
    let annotations = config_map.metadata.annotations.as_ref();
    let list = annotations.and_then(|annotations| annotations.get(names::RETAINED));
    let names = list.into_iter().flat_map(|list| list.split(SEPARATOR));
    names
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

impl Contents {
    fn of(config_map: &ConfigMap) -> Self {
        let annotations = config_map.metadata.annotations.as_ref();
        let admitted = annotations.and_then(|annotations| serde_json::from_str(annotations.get(names::ADMITTED)?).ok());
        Self {
            data: config_map.data.clone().unwrap_or_default(),
            admitted: admitted.unwrap_or_default(),
            retained: retained(config_map),
        }
    }

    /// What pods of a shape run.
    pub(super) fn config(&self, shape: &str) -> Option<Config> {
        serde_json::from_str(self.data.get(&names::config_key(shape))?).ok()
    }

    /// What pods of a shape are to run; the configuration is sealed.
    pub(super) fn put(&mut self, shape: &str, config: &Config, admitted: Admitted) {
        self.data.insert(names::config_key(shape), render(config));
        self.admitted.insert(shape.to_owned(), admitted);
    }

    /// Leaves what is for these shapes.
    pub(super) fn keep_shapes(&mut self, shapes: &BTreeSet<&str>) {
        self.data
            .retain(|key, _| shapes.iter().any(|shape| names::config_key(shape) == *key));
        self.admitted.retain(|shape, _| shapes.contains(shape.as_str()));
    }

    /// Writes the annotations of ours into those that are there.
    fn annotate(&self, annotations: &mut Option<BTreeMap<String, String>>) {
        let admitted = serde_json::to_string(&self.admitted).unwrap_or_default();
        let annotations = annotations.get_or_insert_default();
        annotations.insert(names::ADMITTED.to_owned(), admitted);
        if self.retained.is_empty() {
            annotations.remove(names::RETAINED);
        } else {
            let names: Vec<_> = self.retained.iter().map(String::as_str).collect();
            annotations.insert(names::RETAINED.to_owned(), names.join(&SEPARATOR.to_string()));
        }
    }
}

/// The ConfigMap as it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Current<'a> {
    Missing,
    Ours(&'a ConfigMap),
    /// Somebody else's, under the name that ours would have. Never overwritten.
    Foreign,
}

impl<'a> Current<'a> {
    pub(super) fn of(config_map: Option<&'a ConfigMap>) -> Self {
        let Some(config_map) = config_map else {
            return Self::Missing;
        };
        let label = config_map
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(names::MANAGED_LABEL));
        if label.is_some_and(|value| value == names::TRUE) {
            Self::Ours(config_map)
        } else {
            Self::Foreign
        }
    }

    pub(super) fn contents(self) -> Contents {
        match self {
            Self::Ours(config_map) => Contents::of(config_map),
            Self::Missing | Self::Foreign => Contents::default(),
        }
    }

    /// What to write so that the ConfigMap holds `contents`; none when it does.
    pub(super) fn write(self, deployment: &Deployment, contents: &Contents) -> Option<ConfigMapWrite> {
        match self {
            Self::Foreign => None,
            Self::Missing => Some(ConfigMapWrite::Create(create(deployment, contents))),
            Self::Ours(live) if live.immutable == Some(true) => {
                let fresh = without_history(brought_up_to_date(live, deployment, contents));
                // One that is going already is waited for.
                Some(ConfigMapWrite::Recreate(self.deletion()?, fresh))
            }
            Self::Ours(live) => {
                let desired = brought_up_to_date(live, deployment, contents);
                let same = live.data == desired.data
                    && live.binary_data.is_none()
                    && live.metadata.annotations == desired.metadata.annotations
                    && live.metadata.owner_references == desired.metadata.owner_references;
                (!same).then_some(ConfigMapWrite::Replace(desired))
            }
        }
    }

    pub(super) fn deletion(self) -> Option<ConfigMapDeletion> {
        let Self::Ours(live) = self else { return None };
        live.metadata.deletion_timestamp.is_none().then(|| ConfigMapDeletion {
            name: live.metadata.name.clone().unwrap_or_default(),
            uid: live.metadata.uid.clone(),
            resource_version: live.metadata.resource_version.clone(),
        })
    }
}

/// Labels and annotations that people have added stay.
fn brought_up_to_date(live: &ConfigMap, deployment: &Deployment, contents: &Contents) -> ConfigMap {
    let mut desired = live.clone();
    desired.metadata.managed_fields = None;
    desired.metadata.owner_references = Some(vec![owner_reference(deployment)]);
    contents.annotate(&mut desired.metadata.annotations);
    desired.data = Some(contents.data.clone());
    desired.binary_data = None;
    desired
}

/// As an object that isn't there yet.
fn without_history(config_map: ConfigMap) -> ConfigMap {
    let ObjectMeta {
        name,
        namespace,
        labels,
        annotations,
        owner_references,
        ..
    } = config_map.metadata;
    ConfigMap {
        metadata: ObjectMeta {
            name,
            namespace,
            labels,
            annotations,
            owner_references,
            ..ObjectMeta::default()
        },
        data: config_map.data,
        ..ConfigMap::default()
    }
}

fn create(deployment: &Deployment, contents: &Contents) -> ConfigMap {
    let name = deployment.metadata.name.as_deref().unwrap_or_default();
    let labels = [(names::MANAGED_LABEL.to_owned(), names::TRUE.to_owned())];
    let mut metadata = ObjectMeta {
        name: Some(names::config_map(name)),
        namespace: deployment.metadata.namespace.clone(),
        labels: Some(labels.into()),
        owner_references: Some(vec![owner_reference(deployment)]),
        ..ObjectMeta::default()
    };
    contents.annotate(&mut metadata.annotations);
    ConfigMap {
        metadata,
        data: Some(contents.data.clone()),
        ..ConfigMap::default()
    }
}

/// The Deployment's labels are never copied: a tool that prunes by label would take the ConfigMap for its own.
fn owner_reference(deployment: &Deployment) -> OwnerReference {
    OwnerReference {
        api_version: "apps/v1".to_owned(),
        kind: "Deployment".to_owned(),
        name: deployment.metadata.name.clone().unwrap_or_default(),
        uid: deployment.metadata.uid.clone().unwrap_or_default(),
        controller: Some(false),
        block_owner_deletion: Some(false),
    }
}

/// The text of a key. Indented, since people read it with kubectl.
fn render(config: &Config) -> String {
    serde_json::to_string_pretty(config).unwrap_or_default()
}

/// What each key means for the pods that mount it.
pub(super) fn expected(data: &Data) -> BTreeMap<String, ExpectedConfig> {
    data.iter()
        .filter_map(|(key, text)| {
            let shape = key.strip_suffix(".json")?;
            let config: Config = serde_json::from_str(text).ok()?;
            let revisions = config
                .pipelines
                .into_iter()
                .map(|pipeline| (pipeline.name, pipeline.revision));
            let expected = ExpectedConfig {
                hash: config.hash,
                revisions: revisions.collect(),
            };
            Some((shape.to_owned(), expected))
        })
        .collect()
}
