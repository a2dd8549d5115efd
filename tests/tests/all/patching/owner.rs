//! The Deployment of these tests, its owner, and what the owner sees.

use std::time::Duration;

use serde_json::Value;
use tests::kubectl::Namespace;
use tests::planner::Planner;
use tests::wait::{until, until_is};

/// Two init containers, two containers, and a volume of the owner's.
pub const MANIFEST: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: server
  labels: {app: server}
  annotations: {team: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: server}}
  template:
    metadata:
      labels: {app: server}
      annotations: {team: shop}
    spec:
      initContainers:
      - {name: migrate, image: "registry.example/migrate:1"}
      - {name: second, image: "registry.example/second:1"}
      containers:
      - name: app
        image: registry.example/app:1
        ports: [{containerPort: 8080}]
        volumeMounts: [{name: data, mountPath: /data}]
      - {name: proxy, image: "registry.example/proxy:1"}
      volumes:
      - {name: data, emptyDir: {}}
"#;

/// A source without a mount of the owner's: an emptyDir is added.
pub const SHIPPED: &str =
    "sources: [{name: access, paths: [/var/log/access.log]}], destinations: [{name: out, stdout: {}}]";

/// How an owner writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    ClientSide,
    ServerSide,
    ForcedServerSide,
    Replace,
}

impl Way {
    const fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::ClientSide => &["apply", "--filename=-"],
            Self::ServerSide => &["apply", "--server-side", "--filename=-"],
            Self::ForcedServerSide => &["apply", "--server-side", "--force-conflicts", "--filename=-"],
            Self::Replace => &["replace", "--filename=-"],
        }
    }
}

/// A namespace in which the owner has created the Deployment.
pub fn namespace(way: Way) -> Namespace {
    let namespace = Namespace::create(tests::in_process::control_plane(), "patching");
    write(&namespace, way, MANIFEST).unwrap_or_else(|error| panic!("{way:?}: {error}"));
    rollouts(&namespace);
    namespace
}

/// What the owner writes, again when a controller was faster.
pub fn write(namespace: &Namespace, way: Way, manifest: &str) -> Result<String, String> {
    namespace.feed_again(way.arguments(), manifest)
}

/// The drift that the owner sees.
pub fn drift(namespace: &Namespace, way: Way, manifest: &str) -> String {
    let seen = match way {
        Way::ClientSide => namespace.feed(&["diff", "--filename=-"], manifest),
        _ => namespace.feed(&["diff", "--server-side", "--filename=-"], manifest),
    };
    seen.unwrap_or_else(|difference| difference)
}

/// Asserts that the owner sees no drift. kubectl compares two readings, between which controllers may write the status.
pub fn sees_no_drift(namespace: &Namespace, way: Way, manifest: &str) {
    let what = format!("an owner who writes {way:?} sees no drift");
    until_is(
        &what,
        Duration::from_secs(15),
        || drift(namespace, way, manifest),
        String::is_empty,
    );
}

/// The Deployment with a sidecar, and the planner that made it.
pub fn injected(namespace: &Namespace) -> Planner<'_> {
    let mut planner = Planner::new(namespace, "server");
    planner.ship(SHIPPED);
    assert!(planner.carry_out().patch.is_some());
    planner
}

/// How many templates the Deployment has had so far, each of which is a ReplicaSet. Waits for the controller.
pub fn rollouts(namespace: &Namespace) -> usize {
    settled(namespace);
    namespace.list("replicasets", "app=server").len()
}

/// Waits until the controllers have seen the newest template and made its ReplicaSet, which is returned.
pub fn settled(namespace: &Namespace) -> Value {
    until("the Deployment's ReplicaSet is there", Duration::from_secs(30), || {
        let deployment = namespace.get("deployment", "server")?;
        let observed = deployment["status"]["observedGeneration"] == deployment["metadata"]["generation"];
        let revision = |object: &Value| object["metadata"]["annotations"]["deployment.kubernetes.io/revision"].clone();
        let sets = namespace.list("replicasets", "app=server");
        let current = sets
            .into_iter()
            .find(|set| revision(set) == revision(&deployment) && revision(set).is_string());
        current.filter(|_| observed)
    })
}

/// The pod template as it is.
pub fn template(namespace: &Namespace) -> Value {
    let deployment = namespace
        .get("deployment", "server")
        .unwrap_or_else(|| panic!("no Deployment"));
    deployment["spec"]["template"].clone()
}

/// Names of the items of a list in the pod spec.
pub fn names(template: &Value, list: &str) -> Vec<String> {
    let items = template["spec"][list].as_array().cloned().unwrap_or_default();
    items
        .iter()
        .filter_map(|item| item["name"].as_str().map(str::to_owned))
        .collect()
}

/// A container of either list.
fn container(template: &Value, name: &str) -> Option<Value> {
    let lists =
        ["initContainers", "containers"].map(|list| template["spec"][list].as_array().cloned().unwrap_or_default());
    lists.concat().into_iter().find(|container| container["name"] == name)
}

/// Our container.
pub fn sidecar(template: &Value) -> Value {
    container(template, crds::names::CONTAINER).unwrap_or_else(|| panic!("no sidecar in {template:#}"))
}

/// Paths that a container has mounted.
pub fn mounted(template: &Value, name: &str) -> Vec<String> {
    let found = container(template, name);
    let mounts = found
        .and_then(|container| container["volumeMounts"].as_array().cloned())
        .unwrap_or_default();
    mounts
        .iter()
        .filter_map(|mount| mount["mountPath"].as_str().map(str::to_owned))
        .collect()
}
