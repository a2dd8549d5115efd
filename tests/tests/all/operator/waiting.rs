//! LogShippings that wait or leave something behind, and two that disagree: what the operator does not do.

use serde_json::Value;
use tests::in_process::Operator;
use tests::wait;

use super::shop::{DEPLOYMENT, LOG_SHIPPING, PATIENCE, Shop, text};

/// Selects the same Deployment as `logs`, and ships another file.
fn audit() -> String {
    LOG_SHIPPING
        .replace("name: logs", "name: audit")
        .replace("access", "audit")
}

/// A LogShipping with more in its spec.
fn with(manifest: &str, more: &str) -> String {
    manifest.replace("\nspec:\n", &format!("\nspec:\n  {more}\n"))
}

fn await_condition_of(shop: &Shop, name: &str, condition: &str, begin: &str) -> String {
    let what = format!("{condition} of {name} is {begin}");
    let look = || shop.namespace.condition(name, condition);
    wait::until_is(&what, PATIENCE, look, |found| found.starts_with(begin))
}

/// What was written last into an object, by anybody.
fn version(object: &Value) -> String {
    text(&object["metadata"]["resourceVersion"])
}

fn annotation(shop: &Shop, name: &str) -> Option<String> {
    let config_map = shop.config_map()?;
    config_map["metadata"]["annotations"][name].as_str().map(str::to_owned)
}

#[test]
fn a_preview_tells_what_would_be_done_and_writes_nothing() {
    let shop = Shop::open("preview");
    let operator = Operator::start(&shop.namespace);
    shop.namespace.apply(DEPLOYMENT);
    let settled = |deployment: &Value| deployment["status"]["availableReplicas"] == 2;
    let before = wait::until_is("the pods are available", PATIENCE, || shop.deployment(), settled);
    shop.namespace.apply(&with(LOG_SHIPPING, "mode: Preview"));
    let message = shop.await_condition("Injected", "False Preview: spec.mode is Preview");
    assert!(
        message.contains("Of 1 Deployments 1 would restart: server"),
        "{message}"
    );
    shop.await_condition("Ready", "True Healthy");
    let shipping = shop.namespace.get("logshipping", "logs").unwrap();
    let worst = text(&shipping["status"]["worst"][0]["message"]);
    for part in [
        "container logshipping-sidecar is added",
        "mounted at /var/log of container server",
    ] {
        assert!(worst.contains(part), "{part:?} in {worst}");
    }
    assert_eq!(shipping["status"]["summary"]["state"], "Preview");
    assert_eq!(shipping["metadata"].get("finalizers"), None);
    operator.stop();
    assert_eq!(version(&shop.deployment()), version(&before));
    assert_eq!(shop.config_map(), None);

    let _operator = Operator::start(&shop.namespace);
    shop.namespace.apply(LOG_SHIPPING);
    shop.await_condition("Ready", "True Healthy: everything");
    shop.await_condition("Injected", "True AllInjected");
}

#[test]
fn while_paused_only_the_others_go_on() {
    let (shop, _operator) = Shop::healthy("paused");
    let template = shop.template();
    let changed = LOG_SHIPPING.replace("access.log", "error.log");
    let paused = with(&changed, "sidecar: {port: 20000}\n  rollout: {paused: true}");
    shop.namespace.apply(&paused);
    let message = shop.await_condition("Injected", "False Paused: spec.rollout.paused is true");
    assert!(message.contains("1 would restart: server"), "{message}");
    shop.await_condition("Ready", "True Healthy");

    shop.namespace.apply(&audit());
    await_condition_of(&shop, "audit", "Ready", "True Healthy");
    assert_eq!(shop.template(), template);
    let files = || shop.config_map().unwrap()["data"].to_string();
    assert!(files().contains("access.log") && files().contains("audit.log") && !files().contains("error.log"));

    shop.namespace.apply(&with(&changed, "sidecar: {port: 20000}"));
    wait::until("the change arrives", PATIENCE, || {
        let ports = shop.template()["spec"]["initContainers"][0]["ports"].to_string();
        (ports.contains("20000") && files().contains("error.log")).then_some(())
    });
    shop.await_condition("Injected", "True AllInjected");
}

#[test]
fn what_is_retained_works_on_until_somebody_takes_it_over() {
    let (shop, operator) = Shop::healthy("retain");
    shop.namespace.apply(&with(LOG_SHIPPING, "deletionPolicy: Retain"));
    let (template, data) = (shop.template(), shop.config_map().unwrap()["data"].take());
    shop.namespace.run(&["delete", "logshipping", "logs", "--timeout=30s"]);
    assert_eq!(annotation(&shop, crds::names::RETAINED).as_deref(), Some("logs"));
    operator.stop();
    let _operator = Operator::start(&shop.namespace);
    // Another one comes and goes: the operator has looked at the Deployment.
    shop.namespace.apply(&audit());
    await_condition_of(&shop, "audit", "Ready", "True Healthy");
    shop.namespace.run(&["delete", "logshipping", "audit", "--timeout=30s"]);
    assert_eq!(shop.template(), template);
    assert_eq!(shop.config_map().unwrap()["data"], data);

    shop.namespace.apply(LOG_SHIPPING);
    shop.await_condition("Injected", "True AllInjected");
    wait::until("it is taken over", PATIENCE, || {
        annotation(&shop, crds::names::RETAINED).is_none().then_some(())
    });
    assert_eq!(shop.template(), template);
    assert_eq!(shop.replica_sets(), 2, "taking over restarts nothing");
    shop.namespace.run(&["delete", "logshipping", "logs", "--timeout=30s"]);
    wait::until("it is taken out", PATIENCE, || {
        shop.config_map().is_none().then_some(())
    });
}

#[test]
fn taking_the_mark_off_takes_out_what_was_retained() {
    let shop = Shop::open("unmark");
    shop.namespace.apply(DEPLOYMENT);
    let original = shop.template();
    let _operator = Operator::start(&shop.namespace);
    shop.namespace.apply(&with(LOG_SHIPPING, "deletionPolicy: Retain"));
    shop.await_condition("Ready", "True Healthy");
    shop.namespace.run(&["delete", "logshipping", "logs", "--timeout=30s"]);
    assert_ne!(shop.template(), original);
    let mark = format!("{}-", crds::names::RETAINED);
    shop.namespace
        .run(&["annotate", "configmap", super::shop::CONFIG_MAP, &mark]);
    shop.await_clean(&original);
}

#[test]
fn the_one_that_loses_a_disagreement_says_so_and_is_ready() {
    let (shop, _operator) = Shop::healthy("disagree");
    shop.namespace
        .apply(&with(&audit(), "sidecar: {port: 20001}\n  priority: 5"));
    await_condition_of(&shop, "audit", "Ready", "True Healthy");
    shop.namespace.apply(&with(LOG_SHIPPING, "sidecar: {port: 20000}"));
    let note = "Deployment server: sidecar.port is 20001, as LogShipping audit has it, not 20000";
    let told = |found: &String| found.starts_with("True AllInjected") && found.contains(note);
    wait::until_is(
        "the loser is told",
        PATIENCE,
        || shop.namespace.condition("logs", "Injected"),
        told,
    );
    shop.await_condition("Ready", "True Healthy");
    assert!(!shop.namespace.condition("audit", "Injected").contains("not"));
}
