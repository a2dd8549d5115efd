//! Every way in which a Deployment stops being selected, or stops being: nothing of ours stays behind.

use tests::in_process::Operator;
use tests::wait;

use super::shop::{DEPLOYMENT, LOG_SHIPPING, PATIENCE, Shop};

/// A healthy shop, and the template as it was before.
pub fn injected(prefix: &str) -> (Shop, Operator, serde_json::Value) {
    let shop = Shop::open(prefix);
    shop.namespace.apply(DEPLOYMENT);
    let original = shop.template();
    let operator = Operator::start(&shop.namespace);
    shop.namespace.apply(LOG_SHIPPING);
    shop.await_condition("Ready", "True Healthy");
    assert_ne!(shop.template(), original);
    (shop, operator, original)
}

#[test]
fn a_deleted_log_shipping_is_taken_out_by_one_rollout_and_then_goes() {
    let (shop, _operator, original) = injected("deleted");
    shop.namespace.run(&["delete", "logshipping", "logs", "--timeout=30s"]);
    shop.await_clean(&original);
    assert_eq!(shop.replica_sets(), 2, "the original ReplicaSet is used again");
    let note = shop.await_event("CleanedUp", "Deployment");
    assert!(note.starts_with("Removed container logshipping-sidecar"), "{note}");
    shop.await_event("CleanedUp", "LogShipping");
}

#[test]
fn a_label_that_is_taken_away_takes_the_sidecar_away() {
    let (shop, _operator, original) = injected("label");
    shop.namespace.run(&["label", "deployment", "server", "app-"]);
    shop.await_condition("Injected", "False NoTargets");
    wait::until_is(
        "the template is as before",
        PATIENCE,
        || shop.template(),
        |template| *template == original,
    );
    wait::until("the ConfigMap is gone", PATIENCE, || {
        shop.config_map().is_none().then_some(())
    });
    assert!(shop.namespace.get("logshipping", "logs").is_some());
}

#[test]
fn a_selector_that_looks_elsewhere_takes_the_sidecar_away() {
    let (shop, _operator, original) = injected("selector");
    shop.namespace.apply(&LOG_SHIPPING.replace("app: server", "app: other"));
    shop.await_condition("Injected", "False NoTargets");
    shop.await_clean(&original);
}

#[test]
fn what_is_deleted_while_the_operator_is_down_is_cleaned_when_it_is_back() {
    let (shop, operator, original) = injected("down-meanwhile");
    operator.stop();
    shop.namespace.run(&["delete", "logshipping", "logs", "--wait=false"]);
    assert!(
        shop.namespace.get("logshipping", "logs").is_some(),
        "the finalizer holds it"
    );
    let _operator = Operator::start(&shop.namespace);
    shop.await_clean(&original);
    wait::until("the LogShipping is gone", PATIENCE, || {
        shop.namespace.get("logshipping", "logs").is_none().then_some(())
    });
}

#[test]
fn a_sidecar_that_nobody_asked_for_is_taken_out_at_the_start() {
    let (shop, operator, original) = injected("orphan");
    operator.stop();
    let no_finalizer = r#"{"metadata":{"finalizers":null}}"#;
    shop.namespace
        .run(&["patch", "logshipping", "logs", "--type=merge", "--patch", no_finalizer]);
    shop.namespace.run(&["delete", "logshipping", "logs"]);
    let _operator = Operator::start(&shop.namespace);
    shop.await_clean(&original);
}

#[test]
fn a_deleted_deployment_leaves_nothing_behind() {
    let (shop, _operator, _) = injected("gone");
    shop.namespace.run(&["delete", "deployment", "server"]);
    wait::until("the ConfigMap is gone", PATIENCE, || {
        shop.config_map().is_none().then_some(())
    });
    shop.await_condition("Injected", "False NoTargets");
    shop.namespace.run(&["delete", "logshipping", "logs", "--timeout=30s"]);
}

#[test]
fn of_two_log_shippings_only_the_deleted_one_goes() {
    let (shop, _operator, original) = injected("two");
    let second = LOG_SHIPPING
        .replace("name: logs", "name: audit")
        .replace("access", "audit");
    shop.namespace.apply(&second);
    let ready = || shop.namespace.condition("audit", "Ready");
    wait::until_is("the second one is ready", PATIENCE, ready, |found| {
        found.starts_with("True Healthy")
    });
    shop.namespace.run(&["delete", "logshipping", "logs", "--timeout=30s"]);
    assert_ne!(shop.template(), original);
    let files = || shop.config_map().unwrap()["data"].to_string();
    wait::until_is("only the second one is configured", PATIENCE, files, |files| {
        !files.contains("/logs\\\"") && files.contains("/audit\\\"")
    });
    shop.namespace.run(&["delete", "logshipping", "audit", "--timeout=30s"]);
    shop.await_clean(&original);
}

#[test]
fn a_deployment_that_got_a_controller_holds_up_nobody_who_leaves() {
    let (shop, _operator, original) = injected("controlled");
    let second = LOG_SHIPPING
        .replace("name: logs", "name: audit")
        .replace("access", "audit");
    shop.namespace.apply(&second);
    let audit = |condition: &'static str| shop.namespace.condition("audit", condition);
    wait::until_is(
        "the second one is ready",
        PATIENCE,
        || audit("Ready"),
        |found| found.starts_with("True Healthy"),
    );
    shop.namespace
        .run(&["create", "configmap", "tenant", "--from-literal=a=b"]);
    let uid = super::shop::text(&shop.namespace.get("configmap", "tenant").unwrap()["metadata"]["uid"]);
    let controller = serde_json::json!({"metadata": {"ownerReferences": [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "tenant", "uid": uid, "controller": true}]}});
    let patch = ["patch", "deployment", "server", "--type=merge", "--patch"];
    shop.namespace.run(&[&patch[..], &[&controller.to_string()]].concat());
    wait::until_is(
        "it is skipped",
        PATIENCE,
        || audit("Injected"),
        |found| found.contains("1 skipped"),
    );
    let carrying = shop.template();
    shop.namespace.run(&["delete", "logshipping", "logs", "--timeout=30s"]);
    assert_eq!(shop.template(), carrying, "the controller's Deployment is left alone");
    shop.namespace.run(&["delete", "logshipping", "audit", "--timeout=30s"]);
    shop.await_clean(&original);
}

/// An administrator's policy for one namespace that keeps the sidecar in.
pub fn policy(namespace: &str) -> String {
    format!(
        "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: {namespace}}}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - {{apiGroups: [apps], apiVersions: [v1], operations: [UPDATE], resources: [deployments]}}
  validations:
  - expression: object.spec.template.spec.?initContainers.orValue([]).exists(c, c.name == 'logshipping-sidecar')
    message: the sidecar must stay
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {namespace}}}
spec:
  policyName: {namespace}
  validationActions: [Deny]
  matchResources: {{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}}}
"
    )
}

pub fn await_policy(shop: &Shop) {
    wait::until("the policy is in force", PATIENCE, || {
        let answer = shop
            .namespace
            .feed(&["replace", "--dry-run=server", "--filename=-"], DEPLOYMENT);
        answer.is_err_and(|error| error.contains("must stay")).then_some(())
    });
}

#[test]
fn a_removal_that_is_refused_is_told_and_made_up_for() {
    let (shop, _operator, original) = injected("kept");
    let name = shop.namespace.name();
    shop.namespace.apply(&policy(name));
    await_policy(&shop);
    shop.namespace.run(&["delete", "logshipping", "logs", "--wait=false"]);
    let message = shop.await_condition("Stalled", "True CleanupBlocked: ");
    for part in ["Deployment server", "the sidecar must stay", "logshipping.dev/cleanup"] {
        assert!(message.contains(part), "{part:?} in {message}");
    }
    let status = shop.namespace.get("logshipping", "logs").unwrap()["status"].take();
    assert_eq!(status["summary"]["state"], "CleanupBlocked");
    shop.namespace.run(&[
        "delete",
        "validatingadmissionpolicybinding,validatingadmissionpolicy",
        name,
    ]);
    wait::until("the LogShipping is gone", PATIENCE, || {
        shop.namespace.get("logshipping", "logs").is_none().then_some(())
    });
    shop.await_clean(&original);
}

#[test]
fn a_namespace_can_be_deleted_with_everything_in_it() {
    let (shop, _operator, _) = injected("namespace");
    shop.namespace
        .run(&["delete", "namespace", shop.namespace.name(), "--timeout=60s"]);
}

#[test]
fn a_deployment_that_is_replaced_by_one_of_the_same_name_is_injected_anew() {
    let (shop, _operator, _) = injected("replaced");
    let uid = |object: &serde_json::Value| super::shop::text(&object["metadata"]["uid"]);
    let before = uid(&shop.deployment());
    shop.namespace.run(&[
        "delete",
        "deployment",
        "server",
        "--cascade=foreground",
        "--timeout=30s",
    ]);
    shop.namespace.apply(DEPLOYMENT);
    let owner = || {
        shop.config_map()
            .map(|config_map| super::shop::text(&config_map["metadata"]["ownerReferences"][0]["uid"]))
    };
    let after = uid(&shop.deployment());
    assert_ne!(before, after);
    wait::until_is("its ConfigMap is its own", PATIENCE, owner, |owner| {
        owner.as_ref() == Some(&after)
    });
    shop.await_condition("Ready", "True Healthy");
    shop.await_condition("ConfigLoaded", "True AllLoaded: 2 of 2");
}
