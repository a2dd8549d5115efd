//! The chart, rendered by the pinned Helm: what it would install, and the rights that it grants.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use cluster::control_plane::ControlPlane;
use serde_json::Value;

use crate::road;

/// Name of the release.
pub const RELEASE: &str = "logshipping";
/// ServiceAccount of the Job that runs before an uninstallation, and name of the Job.
pub const UNINSTALLER: &str = "logshipping-uninstall";

/// Helm, and nothing said yet.
///
/// # Panics
/// When it can't be built.
pub fn helm() -> Command {
    let program = cluster::tools::ensure("helm").unwrap_or_else(|error| panic!("no helm: {error}"));
    Command::new(program)
}

/// Where the chart is.
pub fn folder() -> PathBuf {
    road::file("charts/logshipping")
}

/// What `helm template` prints for these values.
///
/// # Errors
/// Helm's words.
pub fn text(namespace: &str, values: &Value) -> Result<String, String> {
    let mut helm = helm();
    helm.arg("template")
        .arg(RELEASE)
        .arg(folder())
        .args(["--namespace", namespace, "--values", "-"]);
    let output = feed(&mut helm, &values.to_string()).map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

fn feed(command: &mut Command, input: &str) -> std::io::Result<std::process::Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    child.wait_with_output()
}

/// The objects that Helm installs for these values, hooks included.
///
/// # Panics
/// When Helm refuses, with its words.
pub fn objects(namespace: &str, values: &Value) -> Vec<Value> {
    let text = text(namespace, values).unwrap_or_else(|error| panic!("helm template: {error}"));
    let documents = text.split("\n---\n");
    let parsed = documents.map(|document| {
        serde_saphyr::from_str::<Value>(document).unwrap_or_else(|error| panic!("no YAML: {error}\n{document}"))
    });
    parsed.filter(|object| !object.is_null()).collect()
}

/// Installs the rights and whatever else there is but Deployments, of which a control plane without nodes has no use, and
/// returns the kubeconfig of the operator's ServiceAccount.
///
/// # Panics
/// When the API server refuses.
pub fn install_rights(control_plane: &ControlPlane, namespace: &str, values: &Value) -> PathBuf {
    let mut items = objects(namespace, values);
    items.retain(|object| object["kind"] != "Deployment" && !is_hook(object));
    install(control_plane, &items);
    bearer(control_plane, namespace, RELEASE)
}

/// Installs the rights that `helm uninstall` has its Job make use of, and returns the kubeconfig of its ServiceAccount.
///
/// # Panics
/// When the API server refuses.
pub fn install_uninstaller(control_plane: &ControlPlane, namespace: &str, values: &Value) -> PathBuf {
    let mut items = objects(namespace, values);
    items.retain(|object| is_hook(object) && object["kind"] != "Job");
    install(control_plane, &items);
    bearer(control_plane, namespace, UNINSTALLER)
}

/// Applies objects as they are.
///
/// # Panics
/// When the API server refuses.
pub fn install(control_plane: &ControlPlane, items: &[Value]) {
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items});
    let apply = ["apply", "--server-side", "--force-conflicts", "--filename=-"];
    kubectl(control_plane, &apply, &list.to_string());
}

fn bearer(control_plane: &ControlPlane, namespace: &str, account: &str) -> PathBuf {
    let create = ["create", "token", account, "--namespace", namespace, "--duration=6h"];
    let token = kubectl(control_plane, &create, "");
    control_plane
        .kubeconfig_with_token(token.trim())
        .unwrap_or_else(|error| panic!("no kubeconfig: {error}"))
}

fn kubectl(control_plane: &ControlPlane, arguments: &[&str], input: &str) -> String {
    let output = feed(control_plane.kubectl().args(arguments), input);
    let output = output.unwrap_or_else(|error| panic!("no kubectl: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "kubectl {arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Whether Helm makes the object only for a moment.
pub fn is_hook(object: &Value) -> bool {
    !object["metadata"]["annotations"]["helm.sh/hook"].is_null()
}

/// The user name of a ServiceAccount of the release.
pub fn user(namespace: &str, account: &str) -> String {
    format!("system:serviceaccount:{namespace}:{account}")
}

/// The rights in the roles among these objects that pass `which`, each as `verb resource.group`.
pub fn granted(objects: &[Value], which: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    let is_role = |object: &&Value| object["kind"] == "Role" || object["kind"] == "ClusterRole";
    let roles = objects.iter().filter(is_role).filter(|role| which(role));
    let rules = roles.flat_map(|role| role["rules"].as_array().into_iter().flatten());
    rules
        .flat_map(|rule| {
            let mut rights = Vec::new();
            for group in strings(&rule["apiGroups"]) {
                for resource in strings(&rule["resources"]) {
                    rights.extend(strings(&rule["verbs"]).map(|verb| right(verb, resource, group)));
                }
            }
            rights
        })
        .collect()
}

/// The rights that a user has made use of, as the API server recorded them; also those that were refused.
///
/// # Panics
/// When there is no audit log.
pub fn used(control_plane: &ControlPlane, user: &str) -> BTreeSet<String> {
    let log = std::fs::read_to_string(control_plane.audit_log()).unwrap_or_else(|error| panic!("{error}"));
    let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events
        .filter(|event| event["user"]["username"] == user)
        .map(|event| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let object = &event["objectRef"];
            if object.is_null() {
                return text(&event["requestURI"]);
            }
            let resource = match &object["subresource"] {
                Value::String(subresource) => format!("{}/{subresource}", text(&object["resource"])),
                _ => text(&object["resource"]),
            };
            right(&text(&event["verb"]), &resource, &text(&object["apiGroup"]))
        })
        .collect()
}

fn right(verb: &str, resource: &str, group: &str) -> String {
    match group {
        "" => format!("{verb} {resource}"),
        group => format!("{verb} {resource}.{group}"),
    }
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}
