//! A change of the configuration reaches running sidecars, and nothing restarts.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::kubectl::Namespace;
use tests::road;
use tests::wait;

use super::application::{PATIENCE, Pod, await_condition, deployment, injected_pods, report, shipping, stream};

/// The revision that a pod's sidecar says it runs.
fn running(namespace: &Namespace, pod: &Pod) -> Option<String> {
    let report = report(namespace, pod.name())?;
    report.pipelines.first().map(|pipeline| pipeline.revision.clone())
}

#[test]
fn a_change_of_the_configuration_reaches_running_sidecars_without_a_restart() {
    let road = road::shared();
    let namespace = road.namespace("change");
    namespace.apply(&deployment(2, &[("SERVER_RATE", "20")]));
    namespace.apply(&shipping().to_string());
    await_condition(&namespace, "ConfigLoaded", "True AllLoaded");
    let before = injected_pods(&namespace, 2);

    let old = running(&namespace, &before[0]).unwrap();
    let mut changed = shipping();
    changed["spec"]["destinations"][0]["stdout"] = json!({"format": "JSON"});
    let began = Instant::now();
    namespace.apply(&changed.to_string());
    for pod in &before {
        wait::until("the sidecar runs another revision", PATIENCE, || {
            running(&namespace, pod).filter(|new| *new != old)
        });
    }
    let took = began.elapsed();
    eprintln!("a changed configuration ran in both sidecars {took:?} after `kubectl apply`");
    assert!(
        took < Duration::from_secs(20),
        "without the nudge it takes the kubelet a minute: {took:?}"
    );

    let new = running(&namespace, &before[0]);
    wait::until("the status names the revision that runs", PATIENCE, || {
        let object = namespace.get("logshipping", "server-logs")?;
        (object["status"]["revision"].as_str() == new.as_deref()).then_some(())
    });
    await_condition(&namespace, "ConfigLoaded", "True AllLoaded");

    let after = injected_pods(&namespace, 2);
    let names = |pods: &[Pod]| pods.iter().map(|pod| pod.name().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&after), names(&before));
    for pod in &after {
        assert_eq!(pod.sidecar_restarts(), 0);
        wait::until("its output is JSON now", PATIENCE, || {
            let logs = namespace.run(&["logs", pod.name(), "--container=logshipping-sidecar", "--tail=5"]);
            logs.lines()
                .any(|line| line.starts_with('{') && line.contains("\"log.file.name\""))
                .then_some(())
        });
    }
}

#[test]
fn a_configuration_that_is_refused_leaves_the_last_good_one_running() {
    let road = road::shared();
    let namespace = road.namespace("refused");
    namespace.apply(&deployment(1, &[("SERVER_RATE", "20")]));
    namespace.apply(&shipping().to_string());
    await_condition(&namespace, "Delivering", "True FlowHealthy");
    let pod = injected_pods(&namespace, 1).remove(0);
    let before = running(&namespace, &pod);

    let mut wrong = shipping();
    wrong["spec"]["sources"][0]["paths"] = json!(["/var/log/[access.log"]);
    namespace.apply(&wrong.to_string());
    let condition = await_condition(&namespace, "Accepted", "False InvalidSpec");
    assert!(condition.contains("spec.sources[0].paths[0]"), "{condition}");

    let access = stream(pod.name(), "access.log");
    let seen = road.store.numbers(&access).highest();
    wait::until("lines go on to arrive", PATIENCE, || {
        (road.store.numbers(&access).highest() > seen + 20).then_some(())
    });
    assert_eq!(running(&namespace, &pod), before);
}

#[test]
fn pods_start_without_the_configuration_and_it_comes_back_when_deleted() {
    let road = road::shared();
    let namespace = road.namespace("deleted");
    namespace.apply(&deployment(1, &[("SERVER_RATE", "20")]));
    namespace.apply(&shipping().to_string());
    await_condition(&namespace, "Delivering", "True FlowHealthy");
    namespace.run(&["delete", "configmap", "logshipping-deployment-server"]);
    namespace.run(&["rollout", "restart", "deployment/server"]);
    namespace.run(&["rollout", "status", "deployment/server", "--timeout=60s"]);
    let pod = injected_pods(&namespace, 1).remove(0);
    let access = stream(pod.name(), "access.log");
    wait::until("the new pod's lines arrive", PATIENCE, || {
        (road.store.numbers(&access).highest() > 0).then_some(())
    });
}
