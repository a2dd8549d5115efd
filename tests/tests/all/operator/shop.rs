//! What most tests of the operator begin with: a Deployment, a LogShipping that selects it, and their pods.

use std::time::Duration;

use serde_json::Value;
use tests::in_process::{self, Operator};
use tests::kubectl::Namespace;
use tests::pods::Pods;
use tests::wait;

/// For everything that the operator or a controller does.
pub const PATIENCE: Duration = Duration::from_secs(30);
pub const CONFIG_MAP: &str = "logshipping-deployment-server";

pub const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata:
  name: server
  labels: {app: server}
spec:
  replicas: 2
  selector: {matchLabels: {app: server}}
  template:
    metadata: {labels: {app: server}}
    spec:
      containers:
      - {name: server, image: registry.example/server:1}
";

/// One source, one destination.
pub const LOG_SHIPPING: &str = "
apiVersion: logshipping.dev/v1alpha1
kind: LogShipping
metadata: {name: logs}
spec:
  selector: {matchLabels: {app: server}}
  sources:
  - {name: access, paths: [/var/log/access.log]}
  destinations:
  - {name: loki, loki: {url: 'http://loki.logging:3100'}}
";

/// A namespace with pods that run.
#[derive(Debug)]
pub struct Shop {
    pub namespace: Namespace,
    pub pods: Pods,
}

impl Shop {
    /// Without an operator, a Deployment, or a LogShipping yet.
    pub fn open(prefix: &str) -> Self {
        let namespace = Namespace::create(in_process::control_plane(), prefix);
        let pods = Pods::run(namespace.kubeconfig(), namespace.name());
        Self { namespace, pods }
    }

    /// With all of them, everything healthy.
    pub fn healthy(prefix: &str) -> (Self, Operator) {
        let shop = Self::open(prefix);
        let operator = Operator::start(&shop.namespace);
        shop.namespace.apply(DEPLOYMENT);
        shop.namespace.apply(LOG_SHIPPING);
        shop.await_condition("Delivering", "True FlowHealthy");
        shop.await_condition("Ready", "True Healthy");
        (shop, operator)
    }

    /// Waits until a condition of the LogShipping begins like that, and returns all of it.
    pub fn await_condition(&self, condition: &str, begin: &str) -> String {
        let what = format!("{condition} is {begin}");
        let look = || self.namespace.condition("logs", condition);
        wait::until_is(&what, PATIENCE, look, |found| found.starts_with(begin))
    }

    pub fn deployment(&self) -> Value {
        self.namespace.get("deployment", "server").unwrap()
    }

    pub fn template(&self) -> Value {
        self.deployment()["spec"]["template"].take()
    }

    /// The configuration of the sidecars, of the only shape.
    pub fn config_map(&self) -> Option<Value> {
        self.namespace.get("configmap", CONFIG_MAP)
    }

    /// Names of the pods, sorted.
    pub fn pod_names(&self) -> Vec<String> {
        let pods = self.namespace.list("pods", "app=server");
        let mut names: Vec<_> = pods.iter().map(|pod| text(&pod["metadata"]["name"])).collect();
        names.sort();
        names
    }

    pub fn replica_sets(&self) -> usize {
        self.namespace.list("replicasets", "app=server").len()
    }

    /// Notes of the events with a reason, by kind and name of what they are about.
    pub fn events(&self, reason: &str, kind: &str) -> Vec<String> {
        let events = self.namespace.run(&["get", "events.events.k8s.io", "--output=json"]);
        let events: Value = serde_json::from_str(&events).unwrap();
        let items = events["items"].as_array().cloned().unwrap_or_default();
        let ours = items
            .iter()
            .filter(|event| event["reason"] == reason && event["regarding"]["kind"] == kind);
        ours.map(|event| text(&event["note"])).collect()
    }

    pub fn await_event(&self, reason: &str, kind: &str) -> String {
        let what = format!("event {reason} on the {kind}");
        wait::until(&what, PATIENCE, || self.events(reason, kind).pop())
    }

    /// Waits until nothing of ours is left but the LogShipping.
    pub fn await_clean(&self, original: &Value) {
        wait::until_is(
            "the template is as before",
            PATIENCE,
            || self.template(),
            |template| template == original,
        );
        wait::until("the ConfigMap is gone", PATIENCE, || {
            self.config_map().is_none().then_some(())
        });
        assert_eq!(
            self.deployment()["metadata"]["labels"],
            serde_json::json!({"app": "server"})
        );
    }
}

/// A string of an object; empty where there is none.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The cells of a row of `kubectl get`, by the name of the column.
pub fn columns(table: &str) -> Vec<(String, String)> {
    let mut lines = table.lines();
    let (head, row) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let starts: Vec<_> = head
        .char_indices()
        .filter(|(at, c)| *c != ' ' && (*at == 0 || head[..*at].ends_with(' ')))
        .map(|(at, _)| at)
        .collect();
    let ends = starts.iter().skip(1).copied().chain([usize::MAX]);
    let cell = |line: &str, start: usize, end: usize| {
        line.get(start..end.min(line.len()))
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| (cell(head, *start, end), cell(row, *start, end)))
        .collect()
}
