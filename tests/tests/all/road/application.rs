//! The example's application, adjusted to a test, and the view of its pods.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use tests::kubectl::Namespace;
use tests::road;
use tests::wait;

/// How long something may take that takes seconds on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The example's Deployment with other settings.
pub fn deployment(replicas: u32, environment: &[(&str, &str)]) -> String {
    let mut deployment = example("deployment.yaml");
    deployment["spec"]["replicas"] = json!(replicas);
    let variables: Vec<_> = environment
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    deployment["spec"]["template"]["spec"]["containers"][0]["env"] = json!(variables);
    deployment.to_string()
}

/// The example's LogShipping, which ships each file of each pod to streams of their own.
pub fn shipping() -> Value {
    let mut shipping = example("logshipping.yaml");
    shipping["spec"]["destinations"][1]["loki"]["labels"] = json!({"pod": "k8s.pod.name", "file": "log.file.name"});
    shipping["spec"]["destinations"][1]["loki"]["structuredMetadata"] = json!(["k8s.node.name"]);
    shipping
}

fn example(name: &str) -> Value {
    let path = road::file("examples/server-logs").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What one log of one pod wrote. A file that was rotated away while no sidecar ran is shipped under the name that it was
/// found by.
pub fn stream(pod: &str, file: &str) -> String {
    format!("{{pod=\"{pod}\", file=~\"{file}.*\"}}")
}

/// A pod of the application as the API server has it.
#[derive(Debug, Clone)]
pub struct Pod(Value);

impl Pod {
    pub fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().unwrap_or_default()
    }

    pub fn address(&self) -> &str {
        self.0["status"]["podIP"].as_str().unwrap_or_default()
    }

    fn sidecar(&self) -> Option<&Value> {
        let statuses = self.0["status"]["initContainerStatuses"].as_array()?;
        statuses.iter().find(|status| status["name"] == crds::names::CONTAINER)
    }

    /// The runtime's name of the sidecar's container, once it runs.
    pub fn sidecar_id(&self) -> Option<&str> {
        self.sidecar()?["containerID"].as_str()
    }

    pub fn sidecar_restarts(&self) -> u64 {
        self.sidecar()
            .and_then(|status| status["restartCount"].as_u64())
            .unwrap_or(0)
    }

    pub fn has_sidecar(&self) -> bool {
        self.sidecar().is_some()
    }

    fn is_ready(&self) -> bool {
        let conditions = self.0["status"]["conditions"].as_array();
        let is_deleted = !self.0["metadata"]["deletionTimestamp"].is_null();
        let ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
        !is_deleted && conditions.is_some_and(|conditions| conditions.iter().any(ready))
    }
}

/// All pods of the application, those that are ending included.
pub fn pods(namespace: &Namespace) -> Vec<Pod> {
    namespace.list("pods", "app=server").into_iter().map(Pod).collect()
}

/// Waits until exactly `count` pods are there, ready, and carry the sidecar.
pub fn injected_pods(namespace: &Namespace, count: usize) -> Vec<Pod> {
    wait::until_is(
        "all pods are ready and carry the sidecar",
        PATIENCE,
        || pods(namespace),
        |pods| pods.len() == count && pods.iter().all(|pod| pod.is_ready() && pod.has_sidecar()),
    )
}

/// Waits until a condition begins with `begin`, as in `True AllInjected`.
pub fn await_condition(namespace: &Namespace, kind: &str, begin: &str) -> String {
    wait::until_is(
        &format!("{kind} is {begin}"),
        PATIENCE,
        || namespace.condition("server-logs", kind),
        |condition| condition.starts_with(begin),
    )
}

/// The sidecar's own report, asked through the API server.
pub fn report(namespace: &Namespace, pod: &str) -> Option<pipeline::report::Report> {
    let path = format!("/api/v1/namespaces/{}/pods/{pod}:19600/proxy/status", namespace.name());
    serde_json::from_str(&namespace.try_run(&["get", "--raw", &path]).ok()?).ok()
}
