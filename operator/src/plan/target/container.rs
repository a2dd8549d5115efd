//! Which container of the owner writes a source's files.

use crds::names;
use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};

use crate::plan::parts::List;

/// The container that writes a source's files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::plan) struct Writer {
    pub list: List,
    pub container: String,
}

/// There is no such container.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::plan) enum NotFound {
    #[error(
        "the pod template has no container {name:?}, only {known}: correct `container`, or leave it out for the default one"
    )]
    Unknown { name: String, known: String },
    #[error(
        "{name:?} is an init container that ends before the application starts: only one with restartPolicy Always can be read"
    )]
    Ends { name: String },
    #[error("the pod template has no container")]
    None,
}

/// The named container, else the one that kubectl takes by default, else the first.
pub(super) fn find<'a>(template: &'a PodTemplateSpec, name: Option<&str>) -> Result<(Writer, &'a Container), NotFound> {
    let spec = template.spec.as_ref().ok_or(NotFound::None)?;
    if let Some(name) = name {
        return named(spec, name);
    }
    let marked = default_container(template).and_then(|name| named(spec, name).ok());
    let first = || {
        spec.containers
            .first()
            .map(|container| (writer(List::Main, container), container))
    };
    marked.or_else(first).ok_or(NotFound::None)
}

fn default_container(template: &PodTemplateSpec) -> Option<&str> {
    let annotations = template.metadata.as_ref()?.annotations.as_ref()?;
    annotations.get(names::DEFAULT_CONTAINER).map(String::as_str)
}

fn named<'a>(spec: &'a PodSpec, name: &str) -> Result<(Writer, &'a Container), NotFound> {
    let found = List::ALL.into_iter().find_map(|list| {
        let container = list.of(spec).iter().find(|container| container.name == name)?;
        Some((list, container))
    });
    let (list, container) = found.ok_or_else(|| NotFound::Unknown {
        name: name.to_owned(),
        known: spec
            .containers
            .iter()
            .map(|c| c.name.as_str())
            .collect::<Vec<_>>()
            .join(", "),
    })?;
    if list == List::Init && container.restart_policy.as_deref() != Some("Always") {
        return Err(NotFound::Ends { name: name.to_owned() });
    }
    Ok((writer(list, container), container))
}

fn writer(list: List, container: &Container) -> Writer {
    let container = container.name.clone();
    Writer { list, container }
}
