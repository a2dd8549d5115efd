//! Simulated nodes: pods that only say that they run, and an audit log of users alone.

use super::{Error, Outcome, eventually, output};

#[test]
fn pods_are_said_to_run_and_the_cluster_s_own_components_are_not_audited() -> Outcome {
    let cluster = cluster::control_plane::start_simulation()?;
    output(cluster.kubectl().args([
        "create",
        "deployment",
        "web",
        "--image=localhost/none:1",
        "--replicas=30",
    ]))?;
    let available = || -> Result<String, Box<dyn Error>> {
        let mut get = cluster.kubectl();
        output(get.args([
            "get",
            "deployment",
            "web",
            "--output=jsonpath={.status.availableReplicas}",
        ]))
    };
    eventually("all pods are available", || Ok(available()? == "30"))?;
    output(
        cluster
            .kubectl()
            .args(["delete", "deployment", "web", "--cascade=foreground"]),
    )?;
    eventually("all pods are gone", || {
        Ok(output(cluster.kubectl().args(["get", "pods", "--output=name"]))?.is_empty())
    })?;
    let log = std::fs::read_to_string(cluster.audit_log())?;
    assert!(log.contains(r#""username":"admin""#));
    for component in ["kwok", "kube-scheduler", "deployment-controller"] {
        assert!(!log.contains(component), "{component} is in the audit log");
    }
    Ok(())
}
