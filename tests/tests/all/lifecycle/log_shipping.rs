//! LogShippings that get another name or another selector.

use tests::chronicle::Step::{Ours, Removed};
use tests::wait;

use super::life::Life;
use crate::operator::shop::{DEPLOYMENT, LOG_SHIPPING, PATIENCE};

fn renamed() -> String {
    LOG_SHIPPING.replace("name: logs", "name: audit")
}

/// Tools that apply from Git create first and prune afterwards.
#[test]
fn a_log_shipping_that_is_renamed_by_creation_and_deletion_restarts_nothing() {
    let life = Life::begin("renamed");
    let namespace = &life.shop.namespace;
    namespace.apply(&renamed());
    let audit = || namespace.condition("audit", "Ready");
    wait::until_is("the new one is ready", PATIENCE, audit, |found| {
        found.starts_with("True Healthy")
    });
    namespace.run(&["delete", "logshipping", "logs", "--timeout=30s"]);
    let files = || life.files();
    wait::until_is("only the new one is configured", PATIENCE, files, |files| {
        files.contains("/audit\\\"") && !files.contains("/logs\\\"")
    });
    wait::until_is("the new one is ready", PATIENCE, audit, |found| {
        found.starts_with("True Healthy")
    });
    life.await_steps(&[Ours]);
}

#[test]
fn a_log_shipping_that_is_deleted_and_then_created_under_another_name_takes_over() {
    let life = Life::begin("renamed-late");
    let namespace = &life.shop.namespace;
    namespace.run(&["delete", "logshipping", "logs", "--timeout=30s"]);
    namespace.apply(&renamed());
    let audit = || namespace.condition("audit", "Ready");
    wait::until_is("the new one is ready", PATIENCE, audit, |found| {
        found.starts_with("True Healthy")
    });
    life.await_steps(&[Ours, Removed, Ours]);
    assert!(!life.files().contains("/logs\\\""), "{}", life.files());
}

#[test]
fn a_selector_that_becomes_narrower_lets_go_of_one_and_leaves_the_other_alone() {
    let life = Life::begin("narrowed");
    let namespace = &life.shop.namespace;
    let worker = DEPLOYMENT
        .replace("  name: server\n", "  name: worker\n")
        .replace("labels: {app: server}\nspec", "labels: {app: server, tier: back}\nspec")
        .replace("matchLabels: {app: server}", "matchLabels: {app: worker}")
        .replace("metadata: {labels: {app: server}}", "metadata: {labels: {app: worker}}");
    namespace.apply(&worker);
    life.shop.await_condition("Injected", "True AllInjected: 2 of 2");
    let generation = || namespace.get("deployment", "worker").unwrap()["metadata"]["generation"].clone();
    let before = generation();
    namespace.apply(&LOG_SHIPPING.replace("{app: server}", "{app: server, tier: back}"));
    life.shop.await_condition("Injected", "True AllInjected: 1 of 1");
    life.await_steps(&[Ours, Removed]);
    assert_eq!(life.shop.template(), life.original);
    assert_eq!(generation(), before, "the other one was not touched");
    assert!(namespace.get("configmap", "logshipping-deployment-worker").is_some());
    wait::until("the ConfigMap of the one is gone", PATIENCE, || {
        life.shop.config_map().is_none().then_some(())
    });
}
