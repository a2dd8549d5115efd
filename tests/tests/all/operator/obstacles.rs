//! What keeps the operator from a Deployment: other people's objects and other people's wishes.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tests::in_process::{self, Operator};
use tests::wait;
use tests::wire::Wire;

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
fn what_was_told_is_not_told_again_after_a_restart() {
    let shop = Shop::open("told-once");
    let operator = Operator::start(&shop.namespace);
    shop.namespace.apply(DEPLOYMENT);
    shop.namespace
        .run(&["annotate", "deployment", "server", "logshipping.dev/inject=false"]);
    shop.namespace.apply(LOG_SHIPPING);
    let status = || shop.namespace.get("logshipping", "logs").unwrap()["status"].take();
    wait::until_is("it is listed", PATIENCE, status, |status| {
        status["worst"][0]["reason"] == "OptedOut"
    });
    shop.await_event("Skipped", "Deployment");
    operator.stop();

    let _operator = Operator::start(&shop.namespace);
    // Its name is the later one, and so is its event.
    shop.namespace
        .apply(&LOG_SHIPPING.replace("name: logs", "name: traces"));
    let told = |name: &str| {
        let events = shop.namespace.list("events.events.k8s.io", "");
        let of = |event: &&Value| event["reason"] == "Skipped" && event["regarding"]["name"] == name;
        events.iter().filter(of).count()
    };
    wait::until("the other one is told", PATIENCE, || {
        (told("traces") == 1).then_some(())
    });
    assert_eq!(told("logs"), 1);
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
        .apply(&second.replace("name: audit, paths", "name: audit, encoding: klingon, paths"));
    wait::until_is("the second one is refused", PATIENCE, audit, |found| {
        found.starts_with("False InvalidSpec")
    });
    shop.await_condition("Ready", "True Healthy");
    shop.await_condition("Delivering", "True FlowHealthy");
}

#[test]
fn what_happens_while_the_api_server_is_out_of_reach_is_made_up_for() {
    let shop = Shop::open("cut");
    let wire = Wire::to(&in_process::identity());
    shop.namespace.apply(DEPLOYMENT);
    let original = shop.template();
    let second = LOG_SHIPPING
        .replace("name: logs", "name: audit")
        .replace("app: server", "app: other");
    let _operator = Operator::start_with(&shop.namespace, |settings| {
        settings.reach.kubeconfig = Some(wire.kubeconfig());
    });
    shop.namespace.apply(LOG_SHIPPING);
    shop.await_condition("Ready", "True Healthy");
    wire.cut();
    // One is deleted past its finalizer, another one comes.
    let no_finalizer = r#"{"metadata":{"finalizers":null}}"#;
    shop.namespace.run(&["delete", "logshipping", "logs", "--wait=false"]);
    shop.namespace
        .run(&["patch", "logshipping", "logs", "--type=merge", "--patch", no_finalizer]);
    shop.namespace.apply(&second);
    wire.mend();
    shop.await_clean(&original);
    let other = || shop.namespace.condition("audit", "Injected");
    wait::until_is("the new one has a status", PATIENCE, other, |found| {
        found.starts_with("False NoTargets")
    });
}

#[test]
fn an_owner_who_never_stops_writing_does_not_keep_the_sidecar_out() {
    let shop = Shop::open("busy");
    let _operator = Operator::start(&shop.namespace);
    shop.namespace.apply(DEPLOYMENT);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let labels = (0..).map(|number| format!("turn={number}"));
            for label in labels.take_while(|_| !done.load(Ordering::Relaxed)) {
                shop.namespace
                    .run(&["label", "deployment", "server", "--overwrite", &label]);
            }
        });
        let _end = SetWhenDropped(&done);
        shop.namespace.apply(LOG_SHIPPING);
        shop.await_condition("Ready", "True Healthy");
    });
    assert_eq!(shop.replica_sets(), 2);
}

/// Ends the owner's writing, also when the test fails.
struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
