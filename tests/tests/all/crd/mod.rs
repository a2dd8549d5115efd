//! The CustomResourceDefinition on a real API server: accepted without a warning, and a bad object is refused when it
//! is applied, with words that name the field.

use std::path::Path;

use tests::in_process::control_plane;
use tests::kubectl::Namespace;

/// A LogShipping with these members in its spec.
fn object(spec: &str) -> String {
    format!("{{apiVersion: logshipping.dev/v1alpha1, kind: LogShipping, metadata: {{name: logs}}, spec: {{{spec}}}}}")
}

/// A good one, with one of its three required members replaced, or with another one added.
fn with(field: &str, value: &str) -> String {
    let mut members = vec![
        ("selector", "{matchLabels: {app: server}}"),
        ("sources", "[{name: s, paths: [/var/log/a.log]}]"),
        ("destinations", "[{name: out, stdout: {}}]"),
    ];
    members.retain(|(name, _)| *name != field);
    members.push((field, value));
    let members: Vec<_> = members.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    object(&members.join(", "))
}

fn dry_run(namespace: &Namespace, manifest: &str) -> Result<String, String> {
    namespace.feed(&["create", "--dry-run=server", "--filename=-"], manifest)
}

#[test]
fn the_definition_is_accepted_without_a_warning() {
    let control_plane = control_plane();
    let file = control_plane.logs().join("crd-once-more.yaml");
    std::fs::write(&file, crds::crd_yaml()).unwrap();
    let output = control_plane
        .kubectl()
        .args(["apply", "--server-side", "--dry-run=server", "--filename"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "",
        "unknown formats, for one, give a warning"
    );
}

/// Field, value, and what the API server's answer must say.
const REFUSED: &[(&str, &str, &[&str])] = &[
    (
        "selector",
        "{}",
        &["spec.selector", "an empty selector would match every Deployment"],
    ),
    ("sources", "[]", &["spec.sources", "at least 1"]),
    (
        "sources",
        "[{name: s, paths: [var/log/a.log]}]",
        &["spec.sources[0].paths[0]"],
    ),
    ("sources", "[{name: s, paths: []}]", &["spec.sources[0].paths"]),
    ("sources", "[{name: S_1, paths: [/a/b]}]", &["spec.sources[0].name"]),
    (
        "sources",
        "[{name: s, paths: [/a/b]}, {name: s, paths: [/a/c]}]",
        &["spec.sources[1]", "Duplicate value"],
    ),
    (
        "sources",
        "[{name: s, paths: [/a/b], pathes: [/x]}]",
        &["unknown field \"spec.sources[0].pathes\""],
    ),
    (
        "sources",
        "[{name: s, paths: [/a/b], ignoreOlder: 1d}]",
        &["spec.sources[0].ignoreOlder"],
    ),
    (
        "sources",
        "[{name: s, paths: [/a/b], maxLineBytes: lots}]",
        &["spec.sources[0].maxLineBytes"],
    ),
    (
        "sources",
        "[{name: s, paths: [/a/b], startAt: Middle}]",
        &["spec.sources[0].startAt", "Beginning"],
    ),
    (
        "sources",
        "[{name: s, paths: [/a/b], format: {type: Regex}}]",
        &["spec.sources[0].format", "regex is required with type Regex"],
    ),
    (
        "sources",
        "[{name: s, paths: [/a/b], format: {body: msg}}]",
        &["spec.sources[0].format", "choose a type other than Text"],
    ),
    (
        "sources",
        "[{name: s, paths: [/a/b], multiline: {flushAfter: 1s}}]",
        &["spec.sources[0].multiline", "give either preset"],
    ),
    ("destinations", "[]", &["spec.destinations", "at least 1"]),
    (
        "destinations",
        "[{name: out}]",
        &["spec.destinations[0]", "exactly one of stdout"],
    ),
    (
        "destinations",
        "[{name: out, stdout: {}, loki: {url: 'http://loki'}}]",
        &["spec.destinations[0]", "exactly one of stdout"],
    ),
    (
        "destinations",
        "[{name: out, sources: [other], stdout: {}}]",
        &["spec", "a destination names a source that is not in sources"],
    ),
    (
        "destinations",
        "[{name: out, http: {url: 'http://user:secret@host'}}]",
        &["spec.destinations[0].http.url"],
    ),
    (
        "destinations",
        "[{name: out, loki: {url: 'ftp://loki'}}]",
        &["spec.destinations[0].loki.url"],
    ),
    (
        "destinations",
        "[{name: out, file: {path: /x}}]",
        &["unknown field \"spec.destinations[0].file\""],
    ),
    (
        "destinations",
        "[{name: out, loki: {url: 'https://loki'}, tls: {insecureSkipVerify: true, ca: {secretKeyRef: {name: a, key: b}}}}]",
        &["spec.destinations[0].tls", "insecureSkipVerify makes ca meaningless"],
    ),
    (
        "destinations",
        "[{name: out, http: {url: 'https://h'}, auth: {}}]",
        &["spec.destinations[0].auth", "exactly one of basic"],
    ),
    ("sidecar", "{port: 80}", &["spec.sidecar.port", "1024"]),
    ("sidecar", "{runAsUser: 0}", &["spec.sidecar.runAsUser", "1"]),
    (
        "sidecar",
        "{drainTimeout: 2h}",
        &["spec.sidecar.drainTimeout", "must be from 1s to 1h"],
    ),
    ("sidecar", "{placement: First}", &["spec.sidecar.placement", "Auto"]),
    (
        "sidecar",
        "{resources: {limits: {memory: much}}}",
        &["spec.sidecar.resources.limits.memory"],
    ),
    ("volume", "{sizeLimit: -1Gi}", &["spec.volume.sizeLimit"]),
    (
        "rollout",
        "{maxConcurrentRestarts: 110%}",
        &["spec.rollout.maxConcurrentRestarts"],
    ),
    ("mode", "Dry", &["spec.mode", "Preview"]),
];

#[test]
fn a_bad_object_is_refused_by_the_name_of_its_field() {
    let namespace = Namespace::create(control_plane(), "crd");
    assert!(
        dry_run(&namespace, &with("priority", "1")).is_ok(),
        "the objects below are good but for one thing"
    );
    let mut wrong = Vec::new();
    for (field, value, expected) in REFUSED {
        match dry_run(&namespace, &with(field, value)) {
            Ok(_) => wrong.push(format!("{field}: {value} is accepted")),
            Err(answer) if expected.iter().all(|words| answer.contains(words)) => {}
            Err(answer) => wrong.push(format!("{field}: {value} gives {answer:?} instead of {expected:?}")),
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn numbers_are_as_good_as_strings_where_both_make_sense() {
    let namespace = Namespace::create(control_plane(), "crd");
    for (field, value) in [
        ("volume", "{sizeLimit: 1073741824}"),
        ("volume", "{sizeLimit: 1.5Gi}"),
        ("sidecar", "{resources: {limits: {cpu: 1, memory: 64Mi}}}"),
        ("rollout", "{maxConcurrentRestarts: 3}"),
        ("rollout", "{maxConcurrentRestarts: 30%}"),
    ] {
        let answer = dry_run(&namespace, &with(field, value));
        assert!(answer.is_ok(), "{field}: {value}: {answer:?}");
    }
}

/// A schema default that the types read differently would show up as a change here.
#[test]
fn what_the_server_fills_in_is_what_the_types_fill_in() {
    let namespace = Namespace::create(control_plane(), "crd");
    namespace.apply(&with("priority", "0"));
    let mut stored = namespace.get("logshipping", "logs").unwrap();
    let read: crds::LogShipping = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read.spec).unwrap(), stored["spec"].take());
}

#[test]
fn the_examples_are_accepted() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/server-logs/logshipping.yaml");
    let namespace = Namespace::create(control_plane(), "crd");
    let manifest = std::fs::read_to_string(examples).unwrap();
    let answer = dry_run(&namespace, &manifest);
    assert!(answer.is_ok(), "{answer:?}");
    let object: serde_json::Value = serde_saphyr::from_str(&manifest).unwrap();
    let shipping: crds::LogShipping = serde_json::from_value(object).unwrap();
    assert!(operator::validate::validate(&shipping).is_ok());
}
