//! The API server goes away beneath the operator, and what it serves: each in a control plane of its own.

use std::time::Duration;

use cluster::control_plane::{self, ControlPlane};
use serde_json::Value;
use tests::in_process::{self, Operator, USER};
use tests::kubectl::Namespace;
use tests::wait;

use super::shop::{DEPLOYMENT, LOG_SHIPPING, text};

/// A start of the API server takes a few seconds, on a busy machine a multiple of that.
const PATIENCE: Duration = Duration::from_secs(120);
const FLEET: usize = 12;

/// Deployments without replicas: no pods are needed to see what is written.
fn fleet() -> String {
    let one = |number: usize| {
        DEPLOYMENT
            .replace("name: server\n", &format!("name: server-{number}\n"))
            .replace("replicas: 2", "replicas: 0")
    };
    (0..FLEET).map(one).collect::<Vec<_>>().join("---")
}

fn with_memory(limit: &str) -> String {
    format!("{LOG_SHIPPING}  sidecar: {{resources: {{limits: {{memory: {limit}}}}}}}\n")
}

fn control_plane() -> (ControlPlane, Operator, Namespace) {
    let control_plane = control_plane::start().unwrap();
    let operator = Operator::start_everywhere(in_process::install(&control_plane));
    let namespace = Namespace::create(&control_plane, "outage");
    (control_plane, operator, namespace)
}

/// Names of the Deployments whose sidecar has this memory limit.
fn with_limit(namespace: &Namespace, limit: &str) -> usize {
    let has = |deployment: &Value| {
        let sidecar = &deployment["spec"]["template"]["spec"]["initContainers"][0];
        sidecar["resources"]["limits"]["memory"] == limit
    };
    namespace.list("deployments", "").iter().filter(|one| has(one)).count()
}

fn await_limit(namespace: &Namespace, limit: &str) {
    // While the API server is down kubectl has nothing to say.
    let look = || {
        namespace
            .try_run(&["get", "deployments"])
            .map_or(0, |_| with_limit(namespace, limit))
    };
    wait::until_is(&format!("all have the limit {limit}"), PATIENCE, look, |count| {
        *count == FLEET
    });
}

/// Waits until it serves again, whatever it had cached.
fn await_api(namespace: &Namespace) {
    wait::until("the API server is back", PATIENCE, || {
        namespace.try_run(&["get", "logshippings"]).ok()
    });
}

#[test]
fn a_restart_of_the_api_server_in_the_middle_of_a_change_is_made_up_for_and_nothing_is_done_twice() {
    let (control_plane, operator, namespace) = control_plane();
    namespace.apply(&fleet());
    namespace.apply(&with_memory("80Mi"));
    await_limit(&namespace, "80Mi");

    for limit in ["90Mi", "100Mi"] {
        namespace.apply(&with_memory(limit));
        wait::until("it is in the middle of its work", PATIENCE, || {
            (with_limit(&namespace, limit) > 0).then_some(())
        });
        control_plane.restart_api_server().unwrap();
        await_api(&namespace);
        await_limit(&namespace, limit);
    }
    // One that comes after it is seen, so the watches live.
    namespace.apply(&DEPLOYMENT.replace("name: server\n", "name: late\n"));
    wait::until("a Deployment that comes later is served", PATIENCE, || {
        let late = namespace.get("deployment", "late")?;
        (late["spec"]["template"]["spec"]["initContainers"][0]["name"] == "logshipping-sidecar").then_some(())
    });

    let patches = namespace.changes_by(USER);
    let patches = patches
        .iter()
        .filter(|change| change.is("patch", "deployments") && change.has_succeeded());
    // A patch whose answer the restart took away may be missing in the log, but none is there twice.
    assert!(patches.count() <= 3 * FLEET + 1);
    let of_fleet = |set: &Value| text(&set["metadata"]["ownerReferences"][0]["name"]).starts_with("server-");
    let sets = || {
        namespace
            .list("replicasets", "")
            .iter()
            .filter(|set| of_fleet(set))
            .count()
    };
    wait::until_is("each has four templates", PATIENCE, sets, |sets| *sets == 4 * FLEET);
    namespace.run(&["delete", "logshipping", "logs", "--timeout=60s"]);
    assert!(namespace.list("deployments", "logshipping.dev/sidecar=true").is_empty());
    operator.stop();
}

#[test]
fn without_its_definition_everything_is_taken_out_and_with_it_back_all_goes_on() {
    let (control_plane, operator, namespace) = control_plane();
    namespace.apply(&fleet());
    namespace.apply(LOG_SHIPPING);
    await_limit(&namespace, "64Mi");
    let definition = namespace.run(&["get", "crd", "logshippings.logshipping.dev", "--output=json"]);

    namespace.run(&["delete", "crd", "logshippings.logshipping.dev", "--timeout=60s"]);
    assert!(namespace.list("deployments", "logshipping.dev/sidecar=true").is_empty());
    let mut definition: Value = serde_json::from_str(&definition).unwrap();
    let metadata = definition["metadata"].as_object_mut().unwrap();
    metadata.retain(|key, _| ["name", "labels", "annotations"].contains(&key.as_str()));
    definition.as_object_mut().unwrap().remove("status");
    let created = namespace.feed(&["create", "--filename", "-"], &definition.to_string());
    assert!(created.is_ok(), "{created:?}");
    wait::until("the definition serves", PATIENCE, || {
        namespace.feed(&["apply", "--filename", "-"], LOG_SHIPPING).ok()
    });
    await_limit(&namespace, "64Mi");
    operator.stop();
    drop(control_plane);
}
