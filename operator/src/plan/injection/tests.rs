//! User, resources, shape: over the owner's fields and the sidecar's.

use pipeline::Source;

use super::*;
use crate::plan::HostPaths;
use crate::plan::target::{self, Ground, Pods};

fn yaml<T: serde::de::DeserializeOwned>(text: &str) -> T {
    let value: serde_json::Value = serde_saphyr::from_str(text).unwrap();
    serde_json::from_value(value).unwrap()
}

/// What is injected into a pod with these fields and a container `app` with those.
fn injected(pod: &str, app: &str, sidecar: &str) -> Parts {
    let owner: PodTemplateSpec = yaml(&format!(
        "{{spec: {{containers: [{{name: app, image: x, {app}}}], {pod}}}}}"
    ));
    let source: Source = yaml("{name: s, paths: [/logs/x.log]}");
    let ground = Ground {
        template: &owner,
        host_paths: HostPaths::Refused,
        pods: Pods::AtMostOne,
    };
    let target = target::resolve(ground, &source, &crds::spec::Volume::default()).unwrap();
    parts(Wanted {
        owner: &owner,
        config_map: "config",
        sidecar: &yaml(&format!("{{{sidecar}}}")),
        image: "sidecar:1",
        targets: &[target],
        references: &References::default(),
    })
}

fn users(pod: &str, app: &str, sidecar: &str) -> (Option<i64>, Option<i64>) {
    let parts = injected(pod, app, sidecar);
    let context = parts.container().unwrap().security_context.clone().unwrap();
    assert_eq!(context.run_as_non_root, Some(true));
    (context.run_as_user, context.run_as_group)
}

#[test]
fn the_sidecar_runs_as_the_application_but_never_as_root() {
    let container = |ids: &str| format!("securityContext: {{{ids}}}");
    for (pod, app, sidecar, expected) in [
        ("", "", "", (None, None)),
        ("", "runAsUser: 1000, runAsGroup: 2000", "", (Some(1000), Some(2000))),
        ("", "runAsUser: 0, runAsGroup: 0", "", (None, None)),
        ("runAsUser: 0", "", "", (Some(65532), None)),
        (
            "runAsUser: 0, runAsGroup: 0",
            "runAsUser: 0",
            "",
            (Some(65532), Some(65532)),
        ),
        ("runAsUser: 0", "runAsUser: 1000", "", (Some(1000), None)),
        ("runAsUser: 3000, runAsGroup: 3000", "runAsUser: 0", "", (None, None)),
        (
            "runAsUser: 0",
            "runAsUser: 1000, runAsGroup: 2000",
            "runAsUser: 5, runAsGroup: 6",
            (Some(5), Some(6)),
        ),
    ] {
        assert_eq!(
            users(&container(pod), &container(app), sidecar),
            expected,
            "{pod} / {app} / {sidecar}"
        );
    }
}

fn resources(app: &str, sidecar: &str) -> String {
    let parts = injected("", app, sidecar);
    let resources = parts.container().unwrap().resources.clone().unwrap();
    let text = |list: Option<BTreeMap<String, Quantity>>| {
        let items: Vec<_> = list
            .into_iter()
            .flatten()
            .map(|(name, quantity)| format!("{name} {}", quantity.0))
            .collect();
        items.join(", ")
    };
    format!("{} / {}", text(resources.requests), text(resources.limits))
}

#[test]
fn requests_are_always_there_and_a_guaranteed_pod_stays_guaranteed() {
    let guaranteed = "resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 1000m}}";
    let burstable = "resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 500m}}";
    for (app, sidecar, expected) in [
        ("", "", "cpu 10m, memory 16Mi / memory 64Mi"),
        (burstable, "", "cpu 10m, memory 16Mi / memory 64Mi"),
        (guaranteed, "", "cpu 200m, memory 64Mi / cpu 200m, memory 64Mi"),
        (
            guaranteed,
            "resources: {limits: {cpu: 1}}",
            "cpu 1, memory 64Mi / cpu 1, memory 64Mi",
        ),
        ("", "resources: {limits: {}}", "cpu 10m, memory 16Mi / "),
        (
            "",
            "resources: {requests: {cpu: 5m}, limits: {memory: 8Mi}}",
            "cpu 5m, memory 8Mi / memory 8Mi",
        ),
    ] {
        assert_eq!(resources(app, sidecar), expected, "{app} / {sidecar}");
    }
}

#[test]
fn quantities_that_mean_the_same_give_the_same_shape() {
    let shape = |sidecar: &str| injected("", "", sidecar).shape().unwrap().to_owned();
    assert_eq!(
        shape("resources: {limits: {memory: 1Gi}}"),
        shape("resources: {limits: {memory: 1024Mi}}")
    );
    assert_ne!(
        shape("resources: {limits: {memory: 1Gi}}"),
        shape("resources: {limits: {memory: 1G}}")
    );
}

#[test]
fn nothing_about_the_configuration_is_in_the_shape() {
    let shape = |sidecar: &str| injected("", "", sidecar).shape().unwrap().to_owned();
    assert_eq!(
        shape("drainTimeout: 5s, logLevel: Debug, imageUpdate: Manual"),
        shape("")
    );
    assert_ne!(shape("port: 20000"), shape(""));
}

#[test]
fn only_pull_secrets_that_the_owner_lacks_are_added_and_recorded() {
    let parts = injected("imagePullSecrets: [{name: a}]", "", "imagePullSecrets: [a, b, c]");
    assert_eq!(parts.pull_secrets, ["b".to_owned(), "c".to_owned()].into());
    assert_eq!(parts.annotations[names::PULL_SECRETS], "b,c");
    assert!(!injected("", "", "").annotations.contains_key(names::PULL_SECRETS));
}

#[test]
fn the_autoscaler_is_told_of_our_volumes_only() {
    let parts = injected("", "", "");
    let logs = names::logs_volume("/logs");
    assert_eq!(
        parts.annotations[names::SAFE_TO_EVICT],
        format!("{logs},logshipping-no-token,logshipping-state")
    );
}
