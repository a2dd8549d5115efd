//! The objects of a fleet. Deployments are of the size that applications have, not the smallest possible: what they cost
//! to watch and to keep depends on it.

use serde_json::{Value, json};

use crate::size::Size;

/// Selected by label, as most people do.
const LABEL: &str = "logs";
/// Environment variables of an application.
const VARIABLES: u32 = 20;

/// A LogShipping's destination, which configurations differ by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Destination<'a>(pub(crate) &'a str);

pub(crate) fn namespace_name(number: u32) -> String {
    format!("fleet-{number}")
}

pub(crate) fn shipping_name(number: u32) -> String {
    format!("logs-{number}")
}

/// Several objects in one document.
pub(crate) fn list(items: impl Iterator<Item = Value>) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": items.collect::<Vec<_>>()})
}

pub(crate) fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// All LogShippings of a fleet.
pub(crate) fn shippings(size: Size, destination: Destination<'_>) -> impl Iterator<Item = Value> {
    (0..size.shippings).map(move |number| {
        let namespace = namespace_name(size.namespace_of(number));
        shipping(&namespace, &shipping_name(number), destination)
    })
}

/// All Deployments of a fleet.
pub(crate) fn deployments(size: Size) -> impl Iterator<Item = Value> {
    (0..size.shippings).flat_map(move |shipping| {
        let namespace = namespace_name(size.namespace_of(shipping));
        size.selected_by(shipping).map(move |number| {
            let name = format!("server-{number}");
            deployment(&namespace, &name, &shipping_name(shipping), size.replicas(number))
        })
    })
}

/// Selects Deployments whose label has its name.
pub(crate) fn shipping(namespace: &str, name: &str, destination: Destination<'_>) -> Value {
    json!({
        "apiVersion": "logshipping.dev/v1alpha1",
        "kind": "LogShipping",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": {LABEL: name}},
            "sources": [
                {"name": "access", "paths": ["/var/log/server/access.log"]},
                {"name": "error", "paths": ["/var/log/server/error.log"]},
            ],
            "destinations": [{
                "name": "loki",
                "loki": {
                    "url": destination.0,
                    "labels": {"app": "k8s.deployment.name", "file": "log.file.name"},
                    "structuredMetadata": ["k8s.pod.name"],
                },
            }],
        },
    })
}

/// Selected by the LogShipping of that name.
pub(crate) fn deployment(namespace: &str, name: &str, shipping: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "fleet", LABEL: shipping},
            "annotations": {"example.com/contact": "the team that runs this application"},
        },
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "template": {
                "metadata": {"labels": {"app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "fleet"}},
                "spec": {
                    "containers": [application(name)],
                    "volumes": [{"name": "settings", "configMap": {"name": "settings", "optional": true}}],
                },
            },
        },
    })
}

fn application(name: &str) -> Value {
    let environment = (0..VARIABLES).map(|number| {
        let value = format!("a value such as applications are given, number {number} of {name}");
        json!({"name": format!("SETTING_{number}"), "value": value})
    });
    let probe = json!({"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10});
    json!({
        "name": "server",
        "image": "registry.example/team/server:1.2.3",
        "args": ["--listen=:8080", "--log-folder=/var/log/server"],
        "env": environment.collect::<Vec<_>>(),
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": probe,
        "livenessProbe": probe,
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"memory": "256Mi"},
        },
        "volumeMounts": [{"name": "settings", "mountPath": "/etc/server"}],
    })
}
