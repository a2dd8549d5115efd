//! Lists by name: two teams can each own an entry.

use serde_json::Value;
use tests::in_process::control_plane;
use tests::kubectl::Namespace;

use super::{object, with};

fn apply_as(namespace: &Namespace, manager: &str, manifest: &str) -> Result<String, String> {
    let manager = format!("--field-manager={manager}");
    namespace.feed(&["apply", "--server-side", &manager, "--filename=-"], manifest)
}

fn names(object: &Value, list: &str) -> Vec<String> {
    let entries = object["spec"][list].as_array().into_iter().flatten();
    entries
        .map(|entry| entry["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn sources_of_two_managers_merge_by_name() {
    let namespace = Namespace::create(control_plane(), "crd");
    let platform = with("sources", "[{name: access, paths: [/var/log/access.log]}]");
    let team = object(
        "sources: [{name: audit, paths: [/var/log/audit.log]}], destinations: [{name: audit, sources: [audit], stdout: {format: JSON}}]",
    );
    apply_as(&namespace, "platform", &platform).unwrap();
    apply_as(&namespace, "team", &team).unwrap();
    let stored = namespace.get("logshipping", "logs").unwrap();
    assert_eq!(names(&stored, "sources"), ["access", "audit"]);
    assert_eq!(names(&stored, "destinations"), ["out", "audit"]);

    // What the team no longer writes goes, and what the platform wrote stays.
    apply_as(&namespace, "team", &object("priority: 1")).unwrap();
    let stored = namespace.get("logshipping", "logs").unwrap();
    assert_eq!(names(&stored, "sources"), ["access"]);
    assert_eq!(names(&stored, "destinations"), ["out"]);
}

#[test]
fn one_source_has_one_owner() {
    let namespace = Namespace::create(control_plane(), "crd");
    let platform = with("sources", "[{name: s, paths: [/var/log/a.log], encoding: utf-8}]");
    apply_as(&namespace, "platform", &platform).unwrap();
    let refused = apply_as(&namespace, "team", &object("sources: [{name: s, encoding: latin1}]"));
    assert!(
        refused.as_ref().is_err_and(|answer| answer.contains("conflict")),
        "{refused:?}"
    );
}
