//! What keeps the operator from a Deployment: other people's objects and other people's wishes.

use serde_json::json;
use tests::in_process::Operator;
use tests::wait;

use super::shop::{CONFIG_MAP, DEPLOYMENT, LOG_SHIPPING, PATIENCE, Shop};

#[test]
fn a_config_map_of_somebody_else_is_a_conflict_and_is_not_overwritten() {
    let shop = Shop::open("foreign");
    let _operator = Operator::start(&shop.namespace);
    shop.namespace
        .run(&["create", "configmap", CONFIG_MAP, "--from-literal=theirs=precious"]);
    shop.namespace.apply(DEPLOYMENT);
    let template = shop.template();
    shop.namespace.apply(LOG_SHIPPING);
    let message = shop.await_condition("Injected", "False Conflict: Deployment server: ConfigMap");
    assert!(message.contains(CONFIG_MAP), "{message}");
    shop.await_condition("Stalled", "True Conflict");
    shop.await_event("ConflictDetected", "LogShipping");
    shop.await_event("ConflictDetected", "Deployment");
    assert_eq!(shop.config_map().unwrap()["data"], json!({"theirs": "precious"}));
    assert_eq!(shop.template(), template);

    shop.namespace.run(&["delete", "configmap", CONFIG_MAP]);
    // Nobody tells the operator, so a change of the Deployment does.
    shop.namespace.run(&["annotate", "deployment", "server", "look=again"]);
    shop.await_condition("Ready", "True Healthy");
    shop.await_condition("Stalled", "");
}

#[test]
fn a_deployment_that_opted_out_is_skipped_and_named() {
    let shop = Shop::open("opted-out");
    let _operator = Operator::start(&shop.namespace);
    shop.namespace.apply(DEPLOYMENT);
    shop.namespace
        .run(&["annotate", "deployment", "server", "logshipping.dev/inject=false"]);
    let template = shop.template();
    shop.namespace.apply(LOG_SHIPPING);
    shop.await_condition(
        "Injected",
        "True AllInjected: 0 of 0 Deployments carry the sidecar; 1 skipped",
    );
    shop.await_event("Skipped", "Deployment");
    let status = || shop.namespace.get("logshipping", "logs").unwrap()["status"].take();
    wait::until_is("it is listed", PATIENCE, status, |status| {
        status["worst"][0]["reason"] == "OptedOut"
    });
    assert_eq!(shop.template(), template);
}

#[test]
fn one_that_cannot_be_used_does_not_disturb_another() {
    let (shop, _operator) = Shop::healthy("neighbours");
    let second = LOG_SHIPPING
        .replace("name: logs", "name: audit")
        .replace("access", "audit");
    shop.namespace.apply(&second);
    let audit = || shop.namespace.condition("audit", "Ready");
    wait::until_is("the second one is ready, too", PATIENCE, audit, |found| {
        found.starts_with("True Healthy")
    });
    shop.namespace
        .apply(&second.replace("name: audit, paths", "name: audit, encoding: latin1, paths"));
    wait::until_is("the second one is refused", PATIENCE, audit, |found| {
        found.starts_with("False InvalidSpec")
    });
    shop.await_condition("Ready", "True Healthy");
    shop.await_condition("Delivering", "True FlowHealthy");
}
