//! From `kubectl apply` to a Deployment that carries the sidecar, and to a status that says so.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::in_process::{Operator, SIDECAR_IMAGE};
use tests::wait;

use super::shop::{LOG_SHIPPING, PATIENCE, Shop, columns, text};

#[test]
fn a_log_shipping_puts_the_sidecar_into_the_deployment_and_says_so() {
    let (shop, operator) = Shop::healthy("injection");
    assert_eq!(shop.replica_sets(), 2, "the owner's rollout and one of ours");
    let sidecar = &shop.template()["spec"]["initContainers"][0];
    assert_eq!(
        (&sidecar["name"], &sidecar["image"]),
        (&json!("logshipping-sidecar"), &json!(SIDECAR_IMAGE))
    );

    let object = shop.namespace.get("logshipping", "logs").unwrap();
    assert_eq!(object["metadata"]["finalizers"], json!(["logshipping.dev/cleanup"]));
    let status = &object["status"];
    assert_eq!(status["observedGeneration"], object["metadata"]["generation"]);
    assert_eq!(
        status["targets"],
        json!({"matched": 1, "injected": 1, "updated": 1, "skipped": 0, "failed": 0})
    );
    assert_eq!(
        status["sidecars"],
        json!({"desired": 2, "ready": 2, "configLoaded": 2, "delivering": 2, "unreachable": 0})
    );
    assert_eq!(
        status["destinations"],
        json!([{"name": "loki", "delivering": 2, "reason": "FlowHealthy"}])
    );
    assert_eq!(status["worst"], json!(null));
    for (condition, begin) in [
        ("Accepted", "True Valid"),
        ("Injected", "True AllInjected: 1 of 1 Deployments"),
        ("ConfigLoaded", "True AllLoaded: 2 of 2 sidecars"),
        ("Delivering", "True FlowHealthy"),
        ("Ready", "True Healthy"),
        ("Stalled", ""),
    ] {
        shop.await_condition(condition, begin);
    }
    let on_deployment = shop.await_event("Injected", "Deployment");
    assert!(
        on_deployment.contains("/var/log of container server"),
        "{on_deployment}"
    );
    let on_shipping = shop.await_event("Injected", "LogShipping");
    assert!(on_shipping.starts_with("Deployment server: "), "{on_shipping}");

    let metrics = operator.get("/metrics").unwrap();
    for line in [
        format!(
            "logshipping_status_condition{{name=\"logs\",namespace=\"{}\",reason=\"Healthy\",status=\"True\",type=\"Ready\"}} 1",
            shop.namespace.name()
        ),
        "logshipping_targets{state=\"injected\"} 1".to_owned(),
        "logshipping_leader 1".to_owned(),
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
    operator.stop();
}

#[test]
fn kubectl_shows_the_state_in_one_row() {
    let (shop, _operator) = Shop::healthy("columns");
    let table = shop.namespace.run(&["get", "logshipping", "--output=wide"]);
    let found = columns(&table);
    let revision = text(&shop.namespace.get("logshipping", "logs").unwrap()["status"]["revision"]);
    assert!(revision.starts_with("logs-"), "{revision}");
    for (name, cell) in [
        ("NAME", "logs"),
        ("MATCHED", "1"),
        ("INJECTED", "1/1"),
        ("DELIVERING", "2/2"),
        ("READY", "True"),
        ("STATUS", "Healthy"),
        ("LOADED", "2/2"),
        ("REVISION", revision.as_str()),
    ] {
        assert!(
            found.contains(&(name.to_owned(), cell.to_owned())),
            "{name}={cell} in\n{table}"
        );
    }
}

#[test]
fn a_deployment_that_comes_later_is_found_and_none_is_no_failure() {
    let shop = Shop::open("later");
    let _operator = Operator::start(&shop.namespace);
    shop.namespace.apply(LOG_SHIPPING);
    shop.await_condition("Injected", "False NoTargets: no Deployment in namespace");
    shop.await_condition("Ready", "True Healthy");
    shop.namespace.apply(super::shop::DEPLOYMENT);
    shop.await_condition("Delivering", "True FlowHealthy");
}

#[test]
fn while_nothing_changes_nothing_is_written() {
    let (shop, _operator) = Shop::healthy("steady");
    let versions = || {
        let kinds = "logshippings,deployments,configmaps,pods,replicasets,events.events.k8s.io";
        let path = "--output=jsonpath={range .items[*]}{.kind}/{.metadata.name}={.metadata.resourceVersion}\n{end}";
        shop.namespace.run(&["get", kinds, path])
    };
    // The Deployment controller is still counting pods at first.
    let settled = wait::until("two looks are equal", PATIENCE, || {
        let first = versions();
        let status = &shop.deployment()["status"];
        let done = status["availableReplicas"] == 2 && status["updatedReplicas"] == 2 && status["replicas"] == 2;
        (done && first == versions()).then_some(first)
    });
    let began = Instant::now();
    wait::until("ten seconds have passed", PATIENCE, || {
        assert_eq!(versions(), settled);
        (began.elapsed() > Duration::from_secs(10)).then_some(())
    });
}
