//! What the chart renders: as reviewed (snapshots), as the API server takes it, with restricted pods, and nothing for
//! values that make no sense.

use cluster::control_plane::ControlPlane;
use serde_json::{Value, json};
use tests::chart::{self, RELEASE};
use tests::in_process;
use tests::kubectl::Namespace;
use tests::road;

/// Values of the installations that are looked at. `NAMESPACE` stands for that of an application.
fn variants() -> [(&'static str, Value); 5] {
    [
        ("defaults", json!({})),
        (
            "namespaced",
            json!({
                "namespaces": ["NAMESPACE"], "nudge": false, "poll": false,
                "crd": {"install": false}, "admissionPolicy": {"create": false}, "rbac": {"aggregate": false},
            }),
        ),
        (
            "one_replica_and_nothing_that_can_be_left_out",
            json!({
                "replicas": 1, "crd": {"install": false}, "podDisruptionBudget": {"create": false},
                "serviceAccount": {"create": false, "name": "default"}, "rbac": {"create": false, "aggregate": false},
                "admissionPolicy": {"create": false}, "uninstall": {"cleanUp": false},
            }),
        ),
        (
            "monitors",
            json!({
                "crd": {"install": false}, "rbac": {"create": false}, "uninstall": {"cleanUp": false},
                "metrics": {
                    "serviceMonitor": {"create": true, "labels": {"release": "prometheus"}},
                    "podMonitor": {"create": true, "interval": "1m"},
                },
                "networkPolicy": {"create": true},
            }),
        ),
        ("everything_customised", customised()),
    ]
}

fn customised() -> Value {
    json!({
        "global": {"imageRegistry": "registry.example:5000/mirror", "imagePullSecrets": ["shared"]},
        "image": {"tag": "1.2.3", "pullPolicy": "Always"},
        "sidecarImage": {"repository": "team/sidecar", "tag": "1.2.4"},
        "imagePullSecrets": ["own", "shared"],
        "replicas": 3,
        "logLevel": "info,operator=debug",
        "namespaces": ["NAMESPACE"],
        "allowHostPath": true,
        "crd": {"install": true, "keep": false},
        "serviceAccount": {"name": "shipper", "annotations": {"example.com/role": "logs"}},
        "resources": {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
        "metrics": {"service": {"create": true, "annotations": {"prometheus.io/scrape": "true"}}},
        "networkPolicy": {"create": true, "metricsFrom": [{"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}]},
        "podDisruptionBudget": {"maxUnavailable": "50%"},
        "commonLabels": {"team": "platform"},
        "podAnnotations": {"example.com/note": "hello"},
        "podLabels": {"example.com/tier": "control"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{
            "weight": 1,
            "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"team": "platform"}}},
        }]}},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"},
        ],
        "extraEnv": [{"name": "LOGSHIPPING_CLEANUP_DEADLINE", "value": "30m"}],
        "priorityClassName": "system-cluster-critical",
        "uninstall": {"timeout": "1h", "concurrency": 20, "pause": "5s"},
        "fullnameOverride": "logs",
    })
}

/// Values for an application's namespace.
fn with(values: &Value, namespace: &str) -> Value {
    serde_json::from_str(&values.to_string().replace("NAMESPACE", namespace)).unwrap()
}

#[test]
fn each_variant_renders_what_was_reviewed() {
    for (name, values) in variants() {
        let text = chart::text("logshipping-system", &with(&values, "shop")).unwrap();
        let documents = text.split("\n---\n");
        // It has snapshots of its own, and is longer than all of the rest.
        let documents: Vec<_> = documents
            .filter(|document| !document.contains("kind: CustomResourceDefinition"))
            .map(str::trim_end)
            .collect();
        insta::assert_snapshot!(name, documents.join("\n---\n"));
    }
}

/// The Prometheus operator's kinds, as far as it takes to tell a misspelt field.
fn monitors(control_plane: &ControlPlane) {
    let objects = [
        ("ServiceMonitor", "servicemonitors", "endpoints"),
        ("PodMonitor", "podmonitors", "podMetricsEndpoints"),
    ];
    let objects = objects.map(|(kind, plural, endpoints)| {
        let mut fields = json!({
            "selector": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "namespaceSelector": {"type": "object", "properties": {
                "any": {"type": "boolean"}, "matchNames": {"type": "array", "items": {"type": "string"}}}},
        });
        fields[endpoints] = json!({"type": "array", "items": {"type": "object", "properties": {
            "port": {"type": "string"}, "interval": {"type": "string"}}}});
        let spec = json!({"type": "object", "required": ["selector", endpoints], "properties": fields});
        let schema = json!({"type": "object", "properties": {"spec": spec}});
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.monitoring.coreos.com")},
            "spec": {
                "group": "monitoring.coreos.com", "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
            },
        })
    });
    chart::install(control_plane, &objects);
    let wait = ["wait", "--for=condition=Established", "--timeout=30s"];
    let names = [
        "crd/servicemonitors.monitoring.coreos.com",
        "crd/podmonitors.monitoring.coreos.com",
    ];
    let output = control_plane.kubectl().args(wait).args(names).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_api_server_takes_every_variant_without_a_warning() {
    let control_plane = in_process::control_plane();
    monitors(control_plane);
    let home = Namespace::create(control_plane, "variants");
    for (name, values) in variants() {
        let objects = chart::objects(home.name(), &with(&values, home.name()));
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        let apply = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "--validate=strict",
            "--filename=-",
        ];
        let answer = home.feed(&apply, &list);
        let answer = answer.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(answer.lines().count(), objects.len(), "{name}: {answer}");
        assert!(!answer.contains("Warning"), "{name}: {answer}");
    }
    let policy = std::fs::read_to_string(road::file("examples/network-policy/sidecar.yaml")).unwrap();
    home.feed(
        &["apply", "--dry-run=server", "--validate=strict", "--filename=-"],
        &policy,
    )
    .unwrap();
}

#[test]
fn all_pods_of_the_chart_are_restricted() {
    let home = Namespace::create(in_process::control_plane(), "restricted");
    let enforce = "pod-security.kubernetes.io/enforce=restricted";
    home.run(&["label", "namespace", home.name(), enforce]);
    let objects = chart::objects(home.name(), &json!({}));
    let workloads = objects.iter().filter(|object| !object["spec"]["template"].is_null());
    let mut kinds = Vec::new();
    for workload in workloads {
        let mut pod = workload["spec"]["template"].clone();
        home.run(&[
            "create",
            "serviceaccount",
            pod["spec"]["serviceAccountName"].as_str().unwrap(),
        ]);
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        pod["metadata"]["name"] = "one".into();
        let create = ["create", "--dry-run=server", "--filename=-"];
        home.feed(&create, &pod.to_string()).unwrap();
        pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = true.into();
        assert!(home.feed(&create, &pod.to_string()).is_err(), "the profile is enforced");
        kinds.push(workload["kind"].as_str().unwrap_or_default());
    }
    kinds.sort_unstable();
    assert_eq!(kinds, ["Deployment", "Job"]);
}

#[test]
fn the_job_is_of_no_concern_to_what_selects_the_operators_pods() {
    let objects = chart::objects("logshipping-system", &json!({"metrics": {"service": {"create": true}}}));
    let of = |kind: &str| objects.iter().find(|object| object["kind"] == kind).unwrap();
    let labels = &of("Job")["spec"]["template"]["metadata"]["labels"];
    for selector in [
        &of("Deployment")["spec"]["selector"]["matchLabels"],
        &of("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        &of("Service")["spec"]["selector"],
    ] {
        let selected = selector
            .as_object()
            .unwrap()
            .iter()
            .all(|(key, value)| labels[key] == *value);
        assert!(!selected, "{selector} selects {labels}");
    }
}

#[test]
fn values_that_make_no_sense_are_refused_by_name() {
    for (values, part) in [
        (json!({"replica": 2}), "replica"),
        (json!({"replicas": 0}), "replicas"),
        (json!({"namespaces": ["Shop"]}), "namespaces"),
        (json!({"namespaces": ["shop", "shop"]}), "namespaces"),
        (json!({"nudge": "off"}), "nudge"),
        (json!({"image": {"repository": ""}}), "repository"),
        (json!({"image": {"pullPolicy": "Sometimes"}}), "pullPolicy"),
        (json!({"resources": {"limits": {"memory": "lots"}}}), "memory"),
        (
            json!({"commonLabels": {"app.kubernetes.io/name": "other"}}),
            "app.kubernetes.io/name",
        ),
        (json!({"podLabels": {"helm.sh/chart": "other"}}), "helm.sh/chart"),
        (json!({"uninstall": {"timeout": "soon"}}), "timeout"),
        (
            json!({"metrics": {"podMonitor": {"create": true, "interval": "often"}}}),
            "interval",
        ),
        (json!({"podDisruptionBudget": {"maxUnavailable": 0}}), "maxUnavailable"),
        (
            json!({"topologySpreadConstraints": [{"maxSkew": 1}]}),
            "topologySpreadConstraints",
        ),
        (json!({"serviceAccount": {"create": false}}), "serviceAccount.name"),
    ] {
        let error = chart::text("logshipping-system", &values).unwrap_err();
        assert!(error.contains(part), "{values}: {error}");
    }
    assert!(chart::text(RELEASE, &json!({"global": {"somebody": "else's"}})).is_ok());
}
