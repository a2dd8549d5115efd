//! What an owner does to a Deployment in its life.

use std::time::Duration;

use serde_json::Value;
use tests::chronicle::Step::{Ours, Owner, Removed, Reverted};
use tests::in_process::Operator;
use tests::wait;

use super::life::{Life, reconfigured, reshaped};
use crate::operator::shop::{DEPLOYMENT, LOG_SHIPPING, PATIENCE, Shop};

fn annotate(life: &Life, annotation: &str) {
    life.shop
        .namespace
        .run(&["annotate", "deployment", "server", annotation]);
}

#[test]
fn a_deployment_that_opts_out_is_as_before_and_can_come_back() {
    let life = Life::begin("opt-out");
    annotate(&life, "logshipping.dev/inject=false");
    life.shop.await_condition(
        "Injected",
        "True AllInjected: 0 of 0 Deployments carry the sidecar; 1 skipped",
    );
    life.shop.await_clean(&life.original);
    annotate(&life, "logshipping.dev/inject-");
    life.shop.await_condition("Injected", "True AllInjected: 1 of 1");
    life.shop.await_condition("Ready", "True Healthy");
    life.await_steps(&[Ours, Removed, Ours]);
    assert_eq!(life.shop.replica_sets(), 2, "both of them are used again");
}

/// Mounts of a container, by name.
fn mounts(template: &Value) -> String {
    template["spec"]["containers"][0]["volumeMounts"].to_string()
}

#[test]
fn a_container_that_is_renamed_gets_its_mount_again_by_one_write() {
    let life = Life::begin("container");
    let renamed = DEPLOYMENT.replace("{name: server, image", "{name: web, image");
    life.shop.namespace.apply(&renamed);
    // With the old container its mount went, so both parts changed; then ours is put right.
    life.await_steps(&[Ours, Reverted, Ours]);
    let template = life.shop.template();
    assert_eq!(template["spec"]["containers"][0]["name"], "web");
    assert!(mounts(&template).contains("/var/log"), "{}", mounts(&template));
    life.shop.await_condition("Ready", "True Healthy");
}

#[test]
fn a_deployment_without_replicas_is_injected_and_its_first_pods_have_the_sidecar() {
    let none = DEPLOYMENT.replace("replicas: 2", "replicas: 0");
    let life = Life::begin_with("asleep", &none);
    life.shop.await_condition("ConfigLoaded", "False NoSidecars");
    life.shop
        .namespace
        .run(&["scale", "deployment", "server", "--replicas=2"]);
    life.shop.await_condition("ConfigLoaded", "True AllLoaded: 2 of 2");
    life.await_steps(&[Ours]);
    assert_eq!(life.shop.replica_sets(), 2);
}

#[test]
fn a_paused_deployment_is_reconfigured_but_not_reshaped_until_it_is_resumed() {
    let life = Life::begin("paused");
    let namespace = &life.shop.namespace;
    namespace.run(&["rollout", "pause", "deployment", "server"]);
    namespace.apply(&reconfigured());
    let files = || life.files();
    wait::until_is("the configuration has changed", PATIENCE, files, |files| {
        files.contains("other.logging")
    });
    life.shop.await_condition("Ready", "True Healthy");

    namespace.apply(&reshaped());
    let worst = || {
        let object = namespace.get("logshipping", "logs").unwrap();
        object.pointer("/status/worst/0/reason").cloned()
    };
    wait::until_is("it is told", PATIENCE, worst, |reason| {
        reason.as_ref().is_some_and(|reason| reason == "DeploymentPaused")
    });
    life.await_steps(&[Ours]);
    namespace.run(&["rollout", "resume", "deployment", "server"]);
    life.await_steps(&[Ours, Ours]);
    life.shop.await_condition("Injected", "True AllInjected: 1 of 1");
    life.shop.await_condition("Ready", "True Healthy");
}

#[test]
fn a_deployment_that_is_paused_from_the_start_is_injected_when_it_is_resumed() {
    let shop = Shop::open("paused-first");
    let _operator = Operator::start(&shop.namespace);
    shop.namespace
        .apply(&DEPLOYMENT.replace("replicas: 2", "replicas: 2\n  paused: true"));
    let original = shop.template();
    shop.namespace.apply(LOG_SHIPPING);
    shop.await_condition(
        "Injected",
        "True AllInjected: 0 of 0 Deployments carry the sidecar; 1 skipped",
    );
    assert_eq!(shop.template(), original);
    shop.namespace.run(&["rollout", "resume", "deployment", "server"]);
    shop.await_condition("Injected", "True AllInjected: 1 of 1");
}

/// Nobody who leaves is held up: the template is put right, and the pods follow once the Deployment is resumed.
#[test]
fn a_paused_deployment_holds_up_no_log_shipping_that_leaves() {
    let life = Life::begin("paused-last");
    life.shop.namespace.run(&["rollout", "pause", "deployment", "server"]);
    life.shop
        .namespace
        .run(&["delete", "logshipping", "logs", "--timeout=30s"]);
    wait::until_is(
        "it is as before",
        PATIENCE,
        || life.shop.template(),
        |template| *template == life.original,
    );
    life.await_steps(&[Ours, Removed]);
    life.shop.namespace.run(&["rollout", "resume", "deployment", "server"]);
    life.shop.await_clean(&life.original);
}

/// Without a container's name it means all of them, ours included: it is put right once, and `docs/gitops.md` tells.
#[test]
fn what_kubectl_sets_in_all_containers_is_taken_out_of_ours_by_one_write() {
    let life = Life::begin("set-env");
    life.shop.namespace.run(&["set", "env", "deployment/server", "DEBUG=1"]);
    life.await_steps(&[Ours, Reverted, Ours]);
    let template = life.shop.template();
    assert!(template["spec"]["containers"][0].to_string().contains("DEBUG"));
    assert!(!template["spec"]["initContainers"].to_string().contains("DEBUG"));
    life.shop.await_condition("Ready", "True Healthy");
    let quiet = std::time::Instant::now();
    wait::until("nothing more happens", PATIENCE, || {
        assert_eq!(life.chronicle.steps(), [Ours, Reverted, Ours]);
        (quiet.elapsed() > Duration::from_secs(3)).then_some(())
    });
}

#[test]
fn a_restart_by_the_owner_is_one_rollout_and_keeps_the_sidecar() {
    let life = Life::begin("restart");
    let before = life.shop.pod_names();
    life.shop.namespace.run(&["rollout", "restart", "deployment/server"]);
    life.await_steps(&[Ours, Owner]);
    wait::until_is(
        "the pods are new ones",
        PATIENCE,
        || life.shop.pod_names(),
        |pods| pods.len() == 2 && pods.iter().all(|pod| !before.contains(pod)),
    );
    life.shop.await_condition("ConfigLoaded", "True AllLoaded: 2 of 2");
}
