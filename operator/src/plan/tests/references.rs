//! Secrets and ConfigMaps that destinations refer to: mounted, never read.

use crds::names;
use serde_json::{Value, json};

use super::world::{OWNER, observed, reconcile, shape, template, unjudged};
use crate::observed::Observed;

const SOURCES: &str = "sources: [{name: access, paths: [/var/log/access.log]}]";

fn with(destination: &str) -> String {
    format!("{SOURCES}, destinations: [{{name: out, http: {{url: 'https://logs.example'}}, {destination}}}]")
}

/// Our volumes for references, and where the sidecar has them.
fn references(world: &Observed) -> (Vec<Value>, Vec<Value>) {
    let template = template(world);
    let ours = |list: &Value| {
        let items = list.as_array().cloned().unwrap_or_default();
        let is_reference = |item: &Value| {
            item["name"]
                .as_str()
                .is_some_and(|name| name.starts_with("logshipping-ref-"))
        };
        items.into_iter().filter(is_reference).collect()
    };
    let sidecar = &template["spec"]["initContainers"][0];
    (ours(&template["spec"]["volumes"]), ours(&sidecar["volumeMounts"]))
}

#[test]
fn only_the_keys_that_are_asked_for_are_mounted_and_a_pod_starts_without_them() {
    let spec = with(
        "tls: {ca: {configMapKeyRef: {name: trust, key: ca.crt}}, clientCertificate: {secretRef: {name: loki}}}, \
         auth: {bearer: {secretKeyRef: {name: loki, key: token}}}",
    );
    let mut world = observed(OWNER, vec![unjudged("logs", &spec)]);
    reconcile(&mut world);
    let (secret, config_map) = (
        names::ref_volume("secrets", "loki"),
        names::ref_volume("configmaps", "trust"),
    );
    let items = |keys: &[&str]| -> Value { keys.iter().map(|key| json!({"key": key, "path": key})).collect() };
    let (volumes, mounts) = references(&world);
    let expected = [
        json!({"name": config_map, "configMap": {"name": "trust", "optional": true, "defaultMode": 0o644, "items": items(&["ca.crt"])}}),
        json!({"name": secret, "secret": {"secretName": "loki", "optional": true, "defaultMode": 0o644,
            "items": items(&["tls.crt", "tls.key", "token"])}}),
    ];
    for volume in &expected {
        assert!(volumes.contains(volume), "{volume:#} is not among {volumes:#?}");
    }
    assert_eq!(volumes.len(), 2);
    assert_eq!(
        mounts,
        [
            json!({"name": secret, "mountPath": "/logshipping/refs/secrets/loki", "readOnly": true}),
            json!({"name": config_map, "mountPath": "/logshipping/refs/configmaps/trust", "readOnly": true}),
        ]
    );
}

#[test]
fn two_that_refer_to_one_secret_share_a_volume_of_it() {
    let key = |key: &str| {
        with(&format!(
            "auth: {{bearer: {{secretKeyRef: {{name: shared, key: {key}}}}}}}"
        ))
    };
    let mut world = observed(OWNER, vec![unjudged("a", &key("one")), unjudged("b", &key("two"))]);
    reconcile(&mut world);
    let (volumes, mounts) = references(&world);
    assert_eq!((volumes.len(), mounts.len()), (1, 1));
    let items = json!([{"key": "one", "path": "one"}, {"key": "two", "path": "two"}]);
    assert_eq!(volumes[0]["secret"]["items"], items);
}

#[test]
fn what_is_referred_to_is_part_of_the_shape_and_what_it_is_used_for_is_not() {
    let shape_of = |destination: &str| {
        let mut world = observed(OWNER, vec![unjudged("logs", &with(destination))]);
        reconcile(&mut world);
        shape(&world)
    };
    let bearer = shape_of("auth: {bearer: {secretKeyRef: {name: s, key: k}}}");
    assert_eq!(
        shape_of("auth: {header: {name: X-Key, secretKeyRef: {name: s, key: k}}}"),
        bearer
    );
    assert_ne!(
        shape_of("auth: {bearer: {secretKeyRef: {name: s, key: other}}}"),
        bearer
    );
    assert_ne!(
        shape_of("auth: {bearer: {secretKeyRef: {name: other, key: k}}}"),
        bearer
    );
    assert_ne!(shape_of("timeout: 10s"), bearer);
}

#[test]
fn references_go_with_the_one_that_made_them() {
    let spec = with("auth: {basic: {secretRef: {name: s}}}");
    let mut world = observed(OWNER, vec![unjudged("a", &spec), unjudged("b", &with("timeout: 10s"))]);
    reconcile(&mut world);
    assert_eq!(references(&world).0.len(), 1);
    world.shippings.remove(0);
    reconcile(&mut world);
    assert_eq!(references(&world), (Vec::new(), Vec::new()));
    assert_eq!(reconcile(&mut world).patch, None);
}
