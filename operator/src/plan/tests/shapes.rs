//! The pod shape of representative specifications and owners, in full.
//!
//! A snapshot that changes is a restart of every pod that is injected already, at the next start of a new operator. Where
//! that can't be avoided the changelog has to announce it, as "restarts every injected application".

use insta::assert_json_snapshot;

use super::world::{OWNER, SIMPLE, body, observed, reconcile, shipping, unjudged};
use crate::observed::Shipping;

/// Everything that is written into the owner's Deployment.
fn written(owner: &str, shippings: Vec<Shipping>) -> serde_json::Value {
    let mut world = observed(owner, shippings);
    body(&reconcile(&mut world)).clone()
}

#[test]
fn a_native_sidecar_with_a_volume_of_ours() {
    assert_json_snapshot!(written(OWNER, vec![shipping("logs", SIMPLE)]));
}

#[test]
fn a_plain_container_with_everything_set() {
    let spec = "sidecar: {placement: Container, image: 'registry.example/own:2', imagePullPolicy: Always, imagePullSecrets: [regcred], \
                runAsUser: 1000, runAsGroup: 2000, port: 20000, resources: {requests: {cpu: 50m}, limits: {cpu: 1, memory: 1Gi}}}, \
                volume: {sizeLimit: 2Gi}";
    assert_json_snapshot!(written(OWNER, vec![shipping("logs", &format!("{SIMPLE}, {spec}"))]));
}

#[test]
fn two_with_references_in_a_guaranteed_pod_of_root() {
    let fixed = "resources: {limits: {cpu: 1, memory: 1Gi}}";
    let owner = OWNER
        .replace(":1'}", &format!(":1', {fixed}}}"))
        .replace("image: 'app:1'\n", &format!("image: 'app:1'\n        {fixed}\n"))
        .replace(
            "    spec:\n      initContainers",
            "    spec:\n      securityContext: {runAsUser: 0}\n      initContainers",
        )
        .replace(
            "annotations: {team: shop}",
            "annotations: {cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes: tmp}",
        );
    let secure = "http: {url: 'https://x'}, tls: {ca: {configMapKeyRef: {name: trust, key: ca.crt}}}, auth: {basic: {secretRef: {name: s}}}";
    let first = SIMPLE.replace("stdout: {}", secure);
    let second = "sources: [{name: data, paths: [/data/x/*.log]}], \
                  destinations: [{name: out, http: {url: 'https://y'}, auth: {bearer: {secretKeyRef: {name: s, key: token}}}}]";
    let shippings = vec![unjudged("first", &first), unjudged("second", second)];
    assert_json_snapshot!(written(&owner, shippings));
}
