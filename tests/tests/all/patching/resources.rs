//! What the API server makes of our container's resources and of volumes for references.

use std::time::Duration;

use serde_json::Value;
use tests::kubectl::Namespace;
use tests::planner::Planner;
use tests::wait::until;

use super::owner::{self, MANIFEST, SHIPPED, Way};

/// The class that the API server gave to a pod with the sidecar, or without.
fn class(namespace: &Namespace, sidecar: &str) -> String {
    let selector = format!("app=server,{}{sidecar}", crds::names::SIDECAR_LABEL);
    let pod = until("a pod is there", Duration::from_secs(30), || {
        namespace.list("pods", &selector).into_iter().next()
    });
    pod["status"]["qosClass"].as_str().unwrap_or_default().to_owned()
}

/// The owner's manifest with resources of every container, and of the pod.
fn manifest(containers: &str, pod: &str) -> String {
    let pod = format!("\n      {pod}\n      containers:");
    MANIFEST
        .replace(
            "\n      containers:",
            if pod.trim() == "containers:" {
                "\n      containers:"
            } else {
                &pod
            },
        )
        .replace(":1\"}", &format!(":1\", resources: {{{containers}}}}}"))
        .replace(
            "image: registry.example/app:1",
            &format!("image: registry.example/app:1\n        resources: {{{containers}}}"),
        )
}

#[test]
fn the_class_of_the_owners_pod_stays_as_it_is() {
    let fixed = "limits: {cpu: 100m, memory: 64Mi}";
    for (containers, pod, before, after) in [
        (fixed, "", "Guaranteed", "Guaranteed"),
        ("requests: {cpu: 10m}", "", "Burstable", "Burstable"),
        // Requests are always there, for a HorizontalPodAutoscaler.
        ("", "", "BestEffort", "Burstable"),
        (
            "requests: {cpu: 100m, memory: 64Mi}",
            "resources: {requests: {cpu: 400m, memory: 256Mi}, limits: {cpu: 400m, memory: 256Mi}}",
            "Guaranteed",
            "Guaranteed",
        ),
        ("", "resources: {limits: {memory: 32Mi}}", "Burstable", "Burstable"),
    ] {
        let namespace = Namespace::create(tests::in_process::control_plane(), "class");
        owner::write(&namespace, Way::ClientSide, &manifest(containers, pod)).unwrap();
        assert_eq!(class(&namespace, "!=true"), before, "{containers} / {pod}");
        let planner = owner::injected(&namespace);
        assert_eq!(class(&namespace, "=true"), after, "{containers} / {pod}");
        assert_eq!(planner.plan().patch, None, "{containers} / {pod}");
    }
}

#[test]
fn references_are_volumes_that_the_server_accepts_as_they_were_sent() {
    let namespace = owner::namespace(Way::ClientSide);
    let mut planner = Planner::new(&namespace, "server");
    let secure = "tls: {ca: {configMapKeyRef: {name: trust.example, key: ca.crt}}, clientCertificate: {secretRef: {name: loki}}}, \
                  auth: {basic: {secretRef: {name: loki}}}";
    planner.ship(&SHIPPED.replace("stdout: {}", &format!("http: {{url: 'https://x'}}, {secure}")));
    planner.carry_out();
    let next = planner.plan();
    assert_eq!((next.patch, next.config_map), (None, None));
    let sidecar = until("a pod is there", Duration::from_secs(30), || {
        let selector = format!("{}=true", crds::names::SIDECAR_LABEL);
        namespace.list("pods", &selector).first().map(owner::sidecar)
    });
    let at = |path: &str| {
        let mounts = sidecar["volumeMounts"].as_array().cloned().unwrap_or_default();
        mounts
            .iter()
            .any(|mount: &Value| mount["mountPath"] == path && mount["readOnly"] == true)
    };
    assert!(
        at("/logshipping/refs/secrets/loki") && at("/logshipping/refs/configmaps/trust.example"),
        "{sidecar:#}"
    );
}
