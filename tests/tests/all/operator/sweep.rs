//! What people do behind the operator's back: what is ours is put right, and what nobody asks for any more goes.

use serde_json::Value;
use tests::in_process::Operator;
use tests::wait;

use super::removal::{await_policy, injected, policy};
use super::shop::{CONFIG_MAP, PATIENCE, Shop};

const NO_OWNER: &str = r#"{"metadata":{"ownerReferences":null}}"#;
const NO_FINALIZER: &str = r#"{"metadata":{"finalizers":null}}"#;

fn merge(shop: &Shop, kind: &str, name: &str, patch: &str) {
    shop.namespace
        .run(&["patch", kind, name, "--type=merge", "--patch", patch]);
}

/// Past its finalizer, as somebody does who can't wait.
fn force_deletion(shop: &Shop) {
    merge(shop, "logshipping", "logs", NO_FINALIZER);
    shop.namespace.run(&["delete", "logshipping", "logs"]);
}

#[test]
fn a_config_map_that_was_edited_or_deleted_by_hand_is_restored_and_restarts_nothing() {
    let (shop, _operator, _) = injected("by-hand");
    let as_written = |found: &Option<Value>| {
        found
            .as_ref()
            .map(|found| (found["data"].clone(), found["metadata"]["ownerReferences"].clone()))
    };
    let before = as_written(&shop.config_map());
    for spoil in [r#"{"data":null}"#, r#"{"data":{"more.json":"{}"}}"#, NO_OWNER] {
        merge(&shop, "configmap", CONFIG_MAP, spoil);
        wait::until_is(
            "it is restored",
            PATIENCE,
            || as_written(&shop.config_map()),
            |found| *found == before,
        );
    }
    shop.namespace.run(&["delete", "configmap", CONFIG_MAP]);
    wait::until_is(
        "it is back",
        PATIENCE,
        || as_written(&shop.config_map()),
        |found| *found == before,
    );
    assert_eq!(shop.replica_sets(), 2);
}

#[test]
fn a_config_map_that_has_lost_its_owner_goes_with_its_deployment() {
    let (shop, operator, _) = injected("ownerless");
    operator.stop();
    merge(&shop, "configmap", CONFIG_MAP, NO_OWNER);
    shop.namespace.run(&["delete", "deployment", "server"]);
    let theirs = [
        "create",
        "configmap",
        "logshipping-deployment-of-ours",
        "--from-literal=a=b",
    ];
    shop.namespace.run(&theirs);
    let _operator = Operator::start(&shop.namespace);
    wait::until("the ConfigMap is gone", PATIENCE, || {
        shop.config_map().is_none().then_some(())
    });
    assert!(shop.namespace.get("configmap", theirs[2]).is_some(), "it isn't ours");
}

#[test]
fn a_sidecar_without_a_label_and_a_config_map_is_taken_out_all_the_same() {
    let (shop, operator, original) = injected("unmarked");
    operator.stop();
    force_deletion(&shop);
    shop.namespace
        .run(&["label", "deployment", "server", "logshipping.dev/sidecar-"]);
    shop.namespace.run(&["delete", "configmap", CONFIG_MAP]);
    let _operator = Operator::start(&shop.namespace);
    shop.await_clean(&original);
}

#[test]
fn a_log_shipping_that_can_not_be_cleaned_up_goes_at_its_deadline_and_is_cleaned_up_later() {
    let (shop, operator, original) = injected("overdue");
    operator.stop();
    let _operator = Operator::start_with(&shop.namespace, |settings| {
        settings.cleanup_deadline = pipeline::Duration::from_secs(8);
    });
    shop.namespace.apply(&policy(shop.namespace.name()));
    await_policy(&shop);
    shop.namespace.run(&["delete", "logshipping", "logs", "--wait=false"]);
    let message = shop.await_condition("Stalled", "True CleanupBlocked: ");
    assert!(
        message.contains("goes all the same 8 s after its deletion"),
        "{message}"
    );
    wait::until("the LogShipping is gone", PATIENCE, || {
        shop.namespace.get("logshipping", "logs").is_none().then_some(())
    });
    assert_ne!(shop.template(), original);
    shop.namespace.run(&[
        "delete",
        "validatingadmissionpolicybinding,validatingadmissionpolicy",
        shop.namespace.name(),
    ]);
    shop.await_clean(&original);
}

#[test]
fn a_deployment_that_somebody_keeps_from_being_deleted_does_not_hold_up_its_namespace() {
    let (shop, _operator, _) = injected("held");
    let held = r#"{"metadata":{"finalizers":["example.com/held"]}}"#;
    merge(&shop, "deployment", "server", held);
    let name = shop.namespace.name();
    shop.namespace.run(&["delete", "namespace", name, "--wait=false"]);
    wait::until("the LogShipping is gone", PATIENCE, || {
        shop.namespace.get("logshipping", "logs").is_none().then_some(())
    });
    assert!(shop.namespace.get("deployment", "server").is_some());
    merge(&shop, "deployment", "server", NO_FINALIZER);
    let gone = ["wait", "--for=delete", "namespace", name, "--timeout=60s"];
    shop.namespace.run(&gone);
}
