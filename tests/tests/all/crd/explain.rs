//! `kubectl explain` is the reference that people have at hand, so it must read well.

use tests::in_process::control_plane;

/// Path, and what its explanation must say.
const EXPLAINED: &[(&str, &[&str])] = &[
    (
        "logshipping.spec",
        &["a sidecar is added to the Deployments that `selector` matches"],
    ),
    (
        "logshipping.spec.sources",
        &["Files to read", "Example:", "-required-", "absolute globs"],
    ),
    (
        "logshipping.spec.sources.paths",
        &["as the application sees them", "/var/log/app/*.log"],
    ),
    (
        "logshipping.spec.sources.format",
        &["type", "enum: Text, JSON, Logfmt", "Default: the raw line"],
    ),
    ("logshipping.spec.sources.maxLineBytes", &["in bytes", "256Ki"]),
    (
        "logshipping.spec.transforms",
        &["exactly one verb", "rateLimit", "they count as filtered, not as lost"],
    ),
    (
        "logshipping.spec.destinations",
        &["exactly one type", "Grafana Loki", "-required-"],
    ),
    (
        "logshipping.spec.destinations.tls",
        &["Default: the public", "insecureSkipVerify"],
    ),
    ("logshipping.spec.volume.sizeLimit", &["evict", "Default: none"]),
    ("logshipping.spec.sidecar.runAsUser", &["never root"]),
    ("logshipping.spec.rollout", &["maxConcurrentRestarts", "3` or `10%"]),
    ("logshipping.status", &["conditions", "worst"]),
];

#[test]
fn every_field_is_explained() {
    let kubectl = |path: &str| {
        let output = control_plane().kubectl().args(["explain", path]).output().unwrap();
        assert!(output.status.success(), "{path}: {output:?}");
        // kubectl breaks lines where its margin is.
        String::from_utf8(output.stdout)
            .unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    for (path, expected) in EXPLAINED {
        let text = kubectl(path).to_lowercase();
        for words in *expected {
            assert!(
                text.contains(&words.to_lowercase()),
                "{path} should say {words:?}: {text}"
            );
        }
    }
}

/// A field without a description is one that `kubectl explain` can't explain.
#[test]
fn every_field_has_a_description() {
    let crd = crds::generate::crd();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut silent = Vec::new();
    look(&schema["properties"]["spec"], "spec", &mut silent);
    look(&schema["properties"]["status"], "status", &mut silent);
    assert_eq!(silent, Vec::<String>::new());
}

fn look(schema: &serde_json::Value, path: &str, silent: &mut Vec<String>) {
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let description = schema["description"].as_str().unwrap_or_default();
        if description.len() < 10 || !description.contains(' ') {
            silent.push(path.clone());
        }
        look(schema, &path, silent);
    }
    if schema["items"].is_object() {
        look(&schema["items"], &format!("{path}[]"), silent);
    }
}
