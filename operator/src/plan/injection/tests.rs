//! User, resources, shape: over the owner's fields and the sidecar's.

use k8s_openapi::api::core::v1::SecurityContext;
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
        namespace: "shop",
        name: "server",
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
        ("", "runAsUser: 0, runAsGroup: 0", "", (None, Some(0))),
        ("", "runAsGroup: 2000", "", (None, Some(2000))),
        (
            "runAsUser: 1000",
            "runAsUser: 0, runAsGroup: 2000",
            "",
            (None, Some(2000)),
        ),
        (
            "runAsNonRoot: true, fsGroup: 3000, supplementalGroups: [4000]",
            "",
            "",
            (None, None),
        ),
        (
            "seccompProfile: {type: Unconfined}, runAsUser: 1000",
            "",
            "",
            (None, None),
        ),
        ("", "runAsUser: 1000", "runAsUser: 5", (Some(5), None)),
        ("", "", "runAsGroup: 6", (None, Some(6))),
        ("runAsUser: 0", "", "", (Some(65532), None)),
        ("runAsUser: 0, runAsGroup: 0", "runAsUser: 0", "", (Some(65532), None)),
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

#[test]
fn whatever_the_pod_allows_our_container_is_restricted() {
    let expected: SecurityContext = yaml(
        "{runAsNonRoot: true, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}, \
          seccompProfile: {type: RuntimeDefault}}",
    );
    for pod in [
        "",
        "securityContext: {runAsNonRoot: false, seccompProfile: {type: Unconfined}, fsGroup: 0, supplementalGroups: [0]}",
        "hostUsers: false",
        "automountServiceAccountToken: false",
        "hostPID: true, hostIPC: true, shareProcessNamespace: true",
    ] {
        let parts = injected(pod, "securityContext: {privileged: true}", "");
        let container = parts.container().unwrap();
        assert_eq!(container.security_context.as_ref(), Some(&expected), "{pod}");
        let probes = [
            &container.liveness_probe,
            &container.readiness_probe,
            &container.startup_probe,
        ];
        assert!(probes.into_iter().all(Option::is_none));
        let mounts = container.volume_mounts.as_deref().unwrap_or_default();
        let writable: Vec<_> = mounts.iter().filter(|mount| mount.read_only != Some(true)).collect();
        assert_eq!(writable.len(), 1, "only the state: {writable:?}");
        let no_token = mounts
            .iter()
            .find(|mount| mount.mount_path == names::paths::SERVICE_ACCOUNT);
        assert_eq!(
            no_token.map(|mount| mount.name.as_str()),
            Some(names::NO_TOKEN_VOLUME),
            "{pod}"
        );
    }
}

fn resources(app: &str, sidecar: &str) -> String {
    resources_in("", app, sidecar)
}

fn resources_in(pod: &str, app: &str, sidecar: &str) -> String {
    let parts = injected(pod, app, sidecar);
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
        (
            guaranteed,
            "resources: {requests: {cpu: 1, memory: 1Gi}, limits: {}}",
            "cpu 1, memory 1Gi / cpu 1, memory 1Gi",
        ),
        (
            "resources: {limits: {cpu: 0, memory: 1Gi}}",
            "",
            "cpu 10m, memory 16Mi / memory 64Mi",
        ),
        ("", "resources: {limits: {}}", "cpu 10m, memory 16Mi / "),
        (
            "",
            "resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: 5m, memory: 8Mi}}",
            "cpu 5m, memory 8Mi / cpu 5m, memory 8Mi",
        ),
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
fn an_init_container_without_limits_makes_a_pod_burstable() {
    let fixed = "resources: {limits: {cpu: 1, memory: 1Gi}}";
    for (init, expected) in [
        (fixed, "cpu 200m, memory 64Mi / cpu 200m, memory 64Mi"),
        ("resources: {limits: {cpu: 1}}", "cpu 10m, memory 16Mi / memory 64Mi"),
    ] {
        let pod = format!("initContainers: [{{name: init, image: x, {init}}}]");
        assert_eq!(resources_in(&pod, fixed, ""), expected, "{init}");
    }
}

#[test]
fn in_a_pod_with_resources_of_its_own_the_sidecar_stays_within_them() {
    for (pod, sidecar, expected) in [
        ("limits: {cpu: 1, memory: 1Gi}", "", "cpu 0, memory 0 / memory 64Mi"),
        ("limits: {memory: 32Mi}", "", "cpu 0, memory 0 / memory 32Mi"),
        ("requests: {memory: 32Mi}", "", "cpu 0, memory 0 / memory 64Mi"),
        (
            "limits: {cpu: 100m}",
            "resources: {limits: {cpu: 200m}}",
            "cpu 0, memory 0 / cpu 100m",
        ),
    ] {
        let pod_resources = format!("resources: {{{pod}}}");
        assert_eq!(resources_in(&pod_resources, "", sidecar), expected, "{pod} / {sidecar}");
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

/// What is injected for sources at these paths whose volumes are as that.
fn injected_for(owner: &str, sidecar: &str, sources: &[(&str, &str)]) -> Parts {
    let owner: PodTemplateSpec = yaml(owner);
    let ground = Ground {
        template: &owner,
        host_paths: HostPaths::Refused,
        pods: Pods::AtMostOne,
    };
    let target = |(path, volume): &(&str, &str)| {
        let source: Source = yaml(&format!("{{name: s, paths: [{path}]}}"));
        target::resolve(ground, &source, &yaml(volume)).unwrap()
    };
    let targets: Vec<_> = sources.iter().map(target).collect();
    parts(Wanted {
        owner: &owner,
        namespace: "shop",
        name: "server",
        config_map: "config",
        sidecar: &yaml(&format!("{{{sidecar}}}")),
        image: "sidecar:1",
        targets: &targets,
        references: &References::default(),
    })
}

/// Volumes that the sidecar may write to.
fn writable(parts: &Parts) -> Vec<String> {
    let mounts = parts.container().unwrap().volume_mounts.clone().unwrap_or_default();
    let writable = mounts.into_iter().filter(|mount| mount.read_only != Some(true));
    writable.map(|mount| mount.name).collect()
}

#[test]
fn logs_are_writable_only_where_a_pipeline_gives_back_what_is_delivered() {
    let (gives_back, only_reads) = ("{reclaim: AfterDelivery}", "{}");
    let written = |sources: &[(&str, &str)]| {
        let parts = injected_for("{spec: {containers: [{name: app, image: x}]}}", "", sources);
        let mut volumes = writable(&parts);
        volumes.retain(|name| name != names::STATE_VOLUME);
        volumes
    };
    let (a, b) = (names::logs_volume("/a"), names::logs_volume("/b"));
    assert_eq!(written(&[("/a/x.log", only_reads), ("/b/x.log", only_reads)]), [""; 0]);
    assert_eq!(written(&[("/a/x.log", gives_back), ("/b/x.log", only_reads)]), [a]);
    let one_of_two = [("/b/x.log", only_reads), ("/b/y.log", gives_back)];
    assert_eq!(written(&one_of_two), [b]);
}

#[test]
fn positions_beside_the_logs_are_in_the_first_volume_that_outlives_the_pod() {
    let owner = "{spec: {containers: [{name: app, image: x, volumeMounts: [{name: data, mountPath: /data}, \
                 {name: more, mountPath: /more, subPath: logs}]}], \
                 volumes: [{name: data, persistentVolumeClaim: {claimName: c}}, \
                 {name: more, persistentVolumeClaim: {claimName: d}}]}}";
    for (sources, volume) in [
        (&["/a/x.log"][..], names::logs_volume("/a")),
        (&["/a/x.log", "/more/x.log"], "more".to_owned()),
        (&["/more/x.log", "/data/x.log", "/a/x.log"], "data".to_owned()),
    ] {
        let sources: Vec<_> = sources.iter().map(|path| (*path, "{}")).collect();
        let parts = injected_for(owner, "stateVolume: LogVolume", &sources);
        assert_eq!(writable(&parts), std::slice::from_ref(&volume), "{sources:?}");
        assert!(!parts.volumes.contains_key(names::STATE_VOLUME));
        let container = parts.container().unwrap();
        let mounts = container.volume_mounts.iter().flatten();
        let at = mounts
            .into_iter()
            .find(|mount| mount.name == volume)
            .unwrap()
            .mount_path
            .clone();
        let arguments = container.args.clone().unwrap();
        let state = arguments.iter().position(|word| word == "--state").unwrap();
        assert_eq!(arguments[state + 1], format!("{at}/.logshipping/shop/server"));
    }
}
