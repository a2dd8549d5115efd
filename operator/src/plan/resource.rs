//! Resource attributes of everything that a Deployment's sidecars ship, by their OpenTelemetry names. Pod, uid and node
//! are added by the sidecar itself.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;

/// The label that says which application a pod belongs to.
const APPLICATION_LABEL: &str = "app.kubernetes.io/name";

pub(super) fn attributes(deployment: &Deployment) -> BTreeMap<String, String> {
    let metadata = &deployment.metadata;
    let name = metadata.name.clone().unwrap_or_default();
    let template = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.template.metadata.as_ref());
    let labels = [
        template.and_then(|template| template.labels.as_ref()),
        metadata.labels.as_ref(),
    ];
    let application = labels
        .into_iter()
        .flatten()
        .find_map(|labels| labels.get(APPLICATION_LABEL));
    [
        ("service.name", application.cloned().unwrap_or_else(|| name.clone())),
        ("k8s.namespace.name", metadata.namespace.clone().unwrap_or_default()),
        ("k8s.deployment.name", name),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}
