//! From `kubectl apply` to a Deployment that carries the sidecar, and to a status that says so.

use std::time::{Duration, Instant};

use operator::settings::Switch;
use serde_json::json;
use tests::in_process::{self, Operator, SIDECAR_IMAGE};
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

/// Writes of the operator in the namespace so far, also those that changed nothing.
fn writes(shop: &Shop) -> Vec<String> {
    let changes = shop.namespace.changes_by(in_process::USER);
    let lines = changes.iter().map(|change| format!("{} {}", change.verb, change.uri));
    lines.collect()
}

/// Waits until the controllers have counted the pods, and the operator has said so.
fn settle(shop: &Shop) {
    wait::until("all pods are counted", PATIENCE, || {
        let status = &shop.deployment()["status"];
        let counts = ["availableReplicas", "updatedReplicas", "replicas"];
        counts.iter().all(|count| status[count] == 2).then_some(())
    });
    let mut before = (writes(shop).len(), Instant::now());
    wait::until("the operator has been quiet for six seconds", PATIENCE, || {
        let now = writes(shop).len();
        if now != before.0 {
            before = (now, Instant::now());
        }
        (before.1.elapsed() > Duration::from_secs(6)).then_some(())
    });
}

fn assert_quiet(shop: &Shop, before: &[String], time: Duration) {
    let began = Instant::now();
    wait::until("the time has passed", PATIENCE, || {
        assert_eq!(writes(shop), before);
        (began.elapsed() > time).then_some(())
    });
}

#[test]
fn while_nothing_changes_nothing_is_written_not_even_by_a_new_operator() {
    let (shop, operator) = Shop::healthy("steady");
    settle(&shop);
    let before = writes(&shop);
    for request in ["create", "patch"] {
        assert!(before.iter().any(|found| found.starts_with(request)), "{before:#?}");
    }
    assert_quiet(&shop, &before, Duration::from_secs(10));
    operator.stop();
    let _operator = Operator::start(&shop.namespace);
    assert_quiet(&shop, &before, Duration::from_secs(5));
}

#[test]
fn pods_that_are_added_are_counted() {
    let (shop, _operator) = Shop::healthy("scaled");
    shop.namespace.run(&["scale", "deployment", "server", "--replicas=3"]);
    shop.await_condition("ConfigLoaded", "True AllLoaded: 3 of 3 sidecars");
    shop.namespace.run(&["scale", "deployment", "server", "--replicas=0"]);
    shop.await_condition("ConfigLoaded", "False NoSidecars");
    shop.await_condition("Delivering", "Unknown NoSidecars");
    shop.await_condition("Ready", "True Healthy");
}

#[test]
fn polling_and_nudging_can_be_switched_off() {
    let shop = Shop::open("quiet");
    let _operator = Operator::start_with(&shop.namespace, |settings| {
        settings.poll = Switch::Off;
        settings.nudge = Switch::Off;
    });
    shop.namespace.apply(super::shop::DEPLOYMENT);
    shop.namespace.apply(LOG_SHIPPING);
    shop.await_condition("Injected", "True AllInjected");
    let written = || shop.config_map().map(|config_map| config_map["data"].to_string());
    let before = wait::until("there is a configuration", PATIENCE, written);
    shop.namespace
        .apply(&LOG_SHIPPING.replace("loki.logging", "other.logging"));
    wait::until_is("the configuration changes", PATIENCE, written, |now| {
        now.as_ref() != Some(&before)
    });
    shop.await_condition("Ready", "True Healthy");
    assert_eq!(
        ["ConfigLoaded", "Delivering"].map(|kind| shop.namespace.condition("logs", kind)),
        ["", ""]
    );
    for pod in shop.namespace.list("pods", "app=server") {
        assert_eq!(
            pod["metadata"]["annotations"]["logshipping.dev/config-revision"],
            json!(null)
        );
    }
}
