//! A Deployment that is deleted and made anew under its name: another one, whatever of the old one is still there.

use serde_json::Value;
use tests::wait;

use super::life::Life;
use crate::operator::shop::{DEPLOYMENT, PATIENCE, text};

fn uid(object: &Value) -> String {
    text(&object["metadata"]["uid"])
}

/// The one owner that the ConfigMap has.
fn owner(life: &Life) -> Option<String> {
    let config_map = life.shop.config_map()?;
    let owners = config_map["metadata"]["ownerReferences"].as_array()?;
    assert!(owners.len() <= 1, "{owners:?}");
    owners.first().map(|owner| text(&owner["uid"]))
}

/// Waits until the ConfigMap belongs to the Deployment that is there now, and outlives the collection of garbage.
fn await_own_config_map(life: &Life) {
    let after = uid(&life.shop.deployment());
    wait::until_is(
        "the ConfigMap is its own",
        PATIENCE,
        || owner(life),
        |owner| owner.as_ref() == Some(&after),
    );
    life.shop.await_condition("Ready", "True Healthy");
    life.shop.await_condition("ConfigLoaded", "True AllLoaded: 2 of 2");
    // By then the collector has been here: it removes the pods of the one that is gone.
    let pods = || life.shop.namespace.list("pods", "app=server").len();
    wait::until_is("only the new pods are left", PATIENCE, pods, |pods| *pods == 2);
    assert_eq!(owner(life), Some(after));
}

#[test]
fn a_deployment_that_is_replaced_before_its_garbage_is_collected_has_a_config_map_of_its_own() {
    let life = Life::begin("in-a-hurry");
    for _ in 0..5 {
        life.shop
            .namespace
            .run(&["delete", "deployment", "server", "--cascade=background"]);
        life.shop.namespace.apply(DEPLOYMENT);
    }
    await_own_config_map(&life);
    // The status may still be about the one before: it is written every five seconds at most.
    let init = || life.shop.template()["spec"]["initContainers"].to_string();
    wait::until_is("it carries the sidecar", PATIENCE, init, |init| {
        init.contains("logshipping-sidecar")
    });
}

/// The ConfigMap of the old one has no owner then; the new one takes it over with everything else.
#[test]
fn a_deployment_that_adopts_what_an_old_one_left_takes_over_its_config_map() {
    let life = Life::begin("orphaned");
    life.shop
        .namespace
        .run(&["delete", "deployment", "server", "--cascade=orphan"]);
    life.shop.namespace.apply(DEPLOYMENT);
    await_own_config_map(&life);
}

#[test]
fn a_successor_that_nobody_selects_gets_nothing_of_the_old_one() {
    let life = Life::begin("successor");
    let other = DEPLOYMENT.replace("labels: {app: server}\nspec", "labels: {app: other}\nspec");
    life.shop
        .namespace
        .run(&["delete", "deployment", "server", "--cascade=orphan"]);
    life.shop.namespace.apply(&other);
    life.shop.await_condition("Injected", "False NoTargets");
    let (template, generation) = {
        let deployment = life.shop.deployment();
        (
            deployment["spec"]["template"].clone(),
            deployment["metadata"]["generation"].clone(),
        )
    };
    assert_eq!(template, life.original);
    wait::until("the old ConfigMap is gone", PATIENCE, || {
        life.shop.config_map().is_none().then_some(())
    });
    assert_eq!(life.shop.deployment()["metadata"]["generation"], generation);
    life.shop
        .namespace
        .run(&["delete", "logshipping", "logs", "--timeout=30s"]);
}
