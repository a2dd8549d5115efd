//! What must be accepted: the definition itself, every example, numbers beside strings, and an object that uses every
//! field, so that no rule refuses what the documents promise.

use std::path::{Path, PathBuf};

use tests::in_process::control_plane;
use tests::kubectl::Namespace;

use super::{dry_run, with};

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

#[test]
fn numbers_are_as_good_as_strings_where_both_make_sense() {
    let namespace = Namespace::create(control_plane(), "crd");
    for (field, value) in [
        ("volume", "{sizeLimit: 1073741824}"),
        ("volume", "{sizeLimit: 1.5Gi}"),
        ("sidecar", "{resources: {limits: {cpu: 1, memory: 64Mi}}}"),
        ("sidecar", "{resources: {limits: {memory: 67108864}}}"),
        ("rollout", "{maxConcurrentRestarts: 3}"),
        ("rollout", "{maxConcurrentRestarts: 30%}"),
    ] {
        let answer = dry_run(&namespace, &with(field, value));
        assert!(answer.is_ok(), "{field}: {value}: {answer:?}");
    }
}

/// Every field of the specification, and every variant of those that exclude each other.
const EVERYTHING: &str = include_str!("everything.yaml");

fn every_object() -> impl Iterator<Item = &'static str> {
    EVERYTHING.split("\n---\n")
}

#[test]
fn every_field_of_the_documents_is_accepted() {
    let namespace = Namespace::create(control_plane(), "crd");
    for manifest in every_object() {
        let answer = dry_run(&namespace, manifest);
        assert!(answer.is_ok(), "{answer:?}\n{manifest}");
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

/// A field that the schema has and this object hasn't is one that nobody tries.
#[test]
fn the_object_with_every_field_has_every_field() {
    let crd = crds::generate::crd();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let objects: Vec<serde_json::Value> = every_object()
        .map(|text| serde_saphyr::from_str(text).unwrap())
        .collect();
    let specs: Vec<_> = objects.iter().map(|object| &object["spec"]).collect();
    let mut missing = Vec::new();
    compare(schema, &specs, "spec", &mut missing);
    assert_eq!(missing, Vec::<String>::new());
}

fn compare(schema: &serde_json::Value, values: &[&serde_json::Value], path: &str, missing: &mut Vec<String>) {
    let properties = schema["properties"].as_object().into_iter().flatten();
    for (name, schema) in properties {
        let below: Vec<_> = values.iter().filter_map(|value| value.get(name)).collect();
        let path = format!("{path}.{name}");
        if below.is_empty() {
            missing.push(path);
        } else {
            compare(schema, &below, &path, missing);
        }
    }
    if schema["items"].is_object() {
        let items: Vec<_> = values.iter().filter_map(|value| value.as_array()).flatten().collect();
        compare(&schema["items"], &items, &format!("{path}[]"), missing);
    }
}

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let folders = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = folders
        .filter(|path| path.is_dir())
        .flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let files = files.map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .filter(|path| std::fs::read_to_string(path).unwrap().contains("kind: LogShipping"))
        .collect()
}

#[test]
fn the_examples_are_accepted() {
    let namespace = Namespace::create(control_plane(), "crd");
    let examples = examples();
    assert!(!examples.is_empty());
    for example in examples {
        let manifest = std::fs::read_to_string(&example).unwrap();
        let answer = dry_run(&namespace, &manifest);
        assert!(answer.is_ok(), "{}: {answer:?}", example.display());
        let object: serde_json::Value = serde_saphyr::from_str(&manifest).unwrap();
        let shipping: crds::LogShipping = serde_json::from_value(object).unwrap();
        assert!(operator::validate::validate(&shipping).is_ok(), "{}", example.display());
    }
}
