//! What is accepted, what is refused, and by which path.

use super::*;

fn shipping(spec: &str) -> LogShipping {
    let yaml = format!(
        "{{apiVersion: logshipping.dev/v1alpha1, kind: LogShipping, metadata: {{name: logs, namespace: shop}}, spec: {spec}}}"
    );
    let object: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
    serde_json::from_value(object).unwrap()
}

fn with(more: &str) -> LogShipping {
    shipping(&format!(
        "{{selector: {{matchLabels: {{app: a}}}}, sources: [{{name: s, paths: [/var/log/a.log]}}], \
          destinations: [{{name: out, stdout: {{}}}}], {more}}}"
    ))
}

fn errors(shipping: &LogShipping) -> Vec<String> {
    validate(shipping)
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_usable_specification_gets_a_revision_of_its_name() {
    let accepted = validate(&with("mode: Enforce")).unwrap();
    assert_eq!(accepted.pipeline(), "shop/logs");
    assert!(accepted.revision.starts_with("logs-") && accepted.revision.len() == "logs-".len() + 8);
}

#[test]
fn the_revision_follows_what_the_sidecar_runs_and_nothing_else() {
    let revision = |more: &str| validate(&with(more)).unwrap().revision;
    let base = revision("priority: 0");
    for same in [
        "priority: 7",
        "rollout: {allowRecreate: true}",
        "volume: {policy: Auto}",
        "sidecar: {drainTimeout: 20s}",
    ] {
        assert_eq!(revision(same), base, "{same}");
    }
    for other in [
        "sidecar: {drainTimeout: 21s}",
        "volume: {policy: ExistingOnly}",
        "sidecar: {image: x}",
    ] {
        assert_ne!(revision(other), base, "{other}");
    }
}

#[test]
fn what_the_operator_does_not_do_yet_is_refused_by_its_field() {
    let found = errors(&with(
        "revisionHistoryLimit: 3, \
         rollout: {maxConcurrentRestarts: 2, maxConcurrentReloads: 2, canary: {soak: 1m}, healthyFor: 1s, \
         deadline: 1m, onFailure: Revert}",
    ));
    let expected = [
        "spec.rollout.maxConcurrentRestarts",
        "spec.rollout.maxConcurrentReloads",
        "spec.rollout.canary",
        "spec.rollout.healthyFor",
        "spec.rollout.deadline",
        "spec.rollout.onFailure",
        "spec.revisionHistoryLimit",
    ]
    .map(|path| format!("{path}: {}", pipeline::support::NOT_YET));
    assert_eq!(found, expected);
}

#[test]
fn both_image_updates_are_accepted() {
    for update in ["Rollout", "Manual"] {
        assert!(validate(&with(&format!("sidecar: {{imageUpdate: {update}}}"))).is_ok());
    }
}

#[test]
fn a_limit_below_the_default_request_lowers_it() {
    for (resources, refused) in [
        ("limits: {memory: 8Mi}", None),
        (
            "requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: 5m, memory: 8Mi}",
            None,
        ),
        (
            "requests: {memory: 17Mi}, limits: {memory: 8Mi}",
            Some("spec.sidecar.resources.requests.memory: 17Mi is more than the limit 8Mi"),
        ),
    ] {
        let shipping = with(&format!("sidecar: {{resources: {{{resources}}}}}"));
        let found = validate(&shipping).err().map(|errors| errors[0].to_string());
        assert_eq!(found.as_deref(), refused, "{resources}");
    }
}

#[test]
fn errors_of_the_pipeline_carry_the_path_in_the_object() {
    let bad = shipping(
        "{selector: {matchExpressions: [{key: app, operator: Like}]}, sources: [{name: s, paths: [/a/b, '/a/[']}], \
          destinations: [{name: out, sources: [t], stdout: {}}], \
          sidecar: {resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 64Mi}}}}",
    );
    let found = errors(&bad);
    let begins = [
        "spec.sources[0].paths[1]: ",
        "spec.destinations[0].sources[0]: there is no source",
        "spec.selector: ",
        "spec.sidecar.resources.requests.memory: 1Gi is more than the limit 64Mi",
    ];
    assert_eq!(found.len(), begins.len(), "{found:#?}");
    for (found, begin) in found.iter().zip(begins) {
        assert!(found.starts_with(begin), "{found} should begin with {begin}");
    }
}

#[test]
fn a_configuration_that_does_not_fit_twice_into_a_config_map_is_refused() {
    let path = format!("/var/log/{}", "x".repeat(1000));
    let sources: Vec<_> = (0..16)
        .map(|n| {
            let list = vec![path.as_str(); 16].join(", ");
            format!("{{name: s{n}, paths: [{list}], exclude: [{list}]}}")
        })
        .collect();
    let large = shipping(&format!(
        "{{selector: {{matchLabels: {{app: a}}}}, sources: [{}], destinations: [{{name: out, stdout: {{}}}}]}}",
        sources.join(", ")
    ));
    assert!(errors(&large)[0].starts_with("spec.sources: sources, transforms and destinations make 5"));
}
