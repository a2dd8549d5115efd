//! What the README promises: apply two files, and the lines arrive.

use std::fs;

use tests::in_process;
use tests::road;
use tests::wait;

use super::application::{PATIENCE, await_condition, injected_pods};

#[test]
fn the_example_ships_its_lines_to_both_destinations_and_its_owner_sees_no_drift() {
    let road = road::shared();
    let namespace = road.namespace("example");
    let manifest = |name: &str| fs::read_to_string(road::file("examples/server-logs").join(name)).unwrap();
    namespace.apply(&manifest("deployment.yaml"));
    namespace.run(&["rollout", "status", "deployment/server", "--timeout=60s"]);
    namespace.apply(&manifest("logshipping.yaml"));

    for (condition, begin) in [
        ("Accepted", "True Valid"),
        ("Injected", "True AllInjected"),
        ("ConfigLoaded", "True AllLoaded"),
        ("Delivering", "True FlowHealthy"),
        ("Ready", "True Healthy"),
    ] {
        await_condition(&namespace, condition, begin);
    }
    let pods = injected_pods(&namespace, 2);
    for pod in &pods {
        let line = format!(
            "{{app=\"server\", file=\"access.log\"}} | k8s_pod_name=\"{}\"",
            pod.name()
        );
        wait::until("its lines are in the store", PATIENCE, || road.store.lines(&line).pop());
        let logs = namespace.run(&["logs", pod.name(), "--container=logshipping-sidecar"]);
        assert!(logs.contains(" seq=1\n"), "{logs}");
        assert_eq!(pod.sidecar_restarts(), 0);
    }

    let replica_sets = namespace.list("replicasets", "app=server");
    assert_eq!(replica_sets.len(), 2, "one rollout of the owner's, one of ours");
    let drift = namespace.feed(&["diff", "--filename", "-"], &manifest("deployment.yaml"));
    assert_eq!(drift.as_deref(), Ok(""), "the owner sees no drift");

    // As docs/status.md shows it.
    let forward = namespace.forward("deployment/server", 19600);
    let said = in_process::fetch(forward.address, "/status").unwrap();
    assert!(
        said.contains(r#""unreadable":[]"#) && said.contains(r#""state":"healthy""#),
        "{said}"
    );

    let table = namespace.run(&["get", "logshipping", "--output=wide"]);
    let row = table.lines().nth(1).unwrap_or_default();
    for cell in ["server-logs", "1/1", "2/2", "True", "Healthy"] {
        assert!(row.split_whitespace().any(|found| found == cell), "{cell} in\n{table}");
    }
}

#[test]
fn deleting_the_object_takes_the_sidecar_out_and_leaves_nothing_behind() {
    let road = road::shared();
    let namespace = road.namespace("removal");
    let manifest = |name: &str| fs::read_to_string(road::file("examples/server-logs").join(name)).unwrap();
    namespace.apply(&manifest("deployment.yaml"));
    let before = namespace.get("deployment", "server").unwrap()["spec"]["template"].take();
    namespace.apply(&manifest("logshipping.yaml"));
    await_condition(&namespace, "Injected", "True AllInjected");

    namespace.run(&["delete", "logshipping", "server-logs", "--timeout=60s"]);
    namespace.run(&["rollout", "status", "deployment/server", "--timeout=60s"]);
    let after = namespace.get("deployment", "server").unwrap()["spec"]["template"].take();
    assert_eq!(after, before);
    wait::until("the ConfigMap is gone", PATIENCE, || {
        namespace
            .get("configmap", "logshipping-deployment-server")
            .is_none()
            .then_some(())
    });
}
