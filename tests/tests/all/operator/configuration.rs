//! Changes of the configuration: they reach the running sidecars, restart nothing, and a bad one changes nothing.

use std::time::{Duration, Instant};

use serde_json::Value;
use tests::pods::{Edit, Reload};
use tests::wait;

use super::shop::{LOG_SHIPPING, PATIENCE, Shop, text};

/// Only the destination differs, which the pods' shape doesn't depend on.
fn with_other_url() -> String {
    LOG_SHIPPING.replace("loki.logging:3100", "other.logging:3100")
}

fn annotations(shop: &Shop) -> Vec<String> {
    let pods = shop.namespace.list("pods", "app=server");
    let revision = |pod: &Value| text(&pod["metadata"]["annotations"]["logshipping.dev/config-revision"]);
    pods.iter().map(revision).collect()
}

/// `hash` of the one configuration in the ConfigMap.
fn written(shop: &Shop) -> String {
    let config_map = shop.config_map().unwrap();
    let files = config_map["data"].as_object().unwrap();
    assert_eq!(files.len(), 1, "one shape");
    let file: Value = serde_json::from_str(files.values().next().unwrap().as_str().unwrap()).unwrap();
    text(&file["hash"])
}

#[test]
fn a_change_of_the_configuration_is_loaded_and_restarts_nothing() {
    let (shop, _operator) = Shop::healthy("change");
    let (pods, before) = (shop.pod_names(), written(&shop));
    let template = shop.template();
    shop.pods.direct(|script| script.reload = Reload::Never);
    shop.namespace.apply(&with_other_url());
    let message = shop.await_condition("ConfigLoaded", "False Loading: Deployment server, pod server-");
    assert!(message.contains("doesn't run revision logs-"), "{message}");
    shop.await_condition("Ready", "False Loading");
    let after = written(&shop);
    assert_ne!(before, after);
    assert_eq!(annotations(&shop), [after.clone(), after], "both pods were nudged");

    shop.pods.direct(|script| script.reload = Reload::AtOnce);
    shop.await_condition("ConfigLoaded", "True AllLoaded");
    shop.await_condition("Ready", "True Healthy");
    assert_eq!((shop.replica_sets(), shop.pod_names()), (2, pods));
    assert_eq!(shop.template(), template);
    for kind in ["LogShipping", "Deployment"] {
        let told = shop.await_event("ConfigReloaded", kind);
        assert!(told.contains("2 of 2 sidecars run revision logs-"), "{told}");
    }
}

#[test]
fn after_a_quiet_time_the_status_says_at_once_that_a_change_is_loaded() {
    let (shop, _operator) = Shop::healthy("soon");
    let object = || shop.namespace.get("logshipping", "logs").unwrap();
    let quiet = Instant::now();
    wait::until("the status may be written again", PATIENCE, || {
        (quiet.elapsed() > Duration::from_secs(6)).then_some(())
    });
    shop.namespace.apply(&with_other_url());
    let began = Instant::now();
    wait::until_is("the new generation is loaded", PATIENCE, object, |object| {
        let generation = &object["metadata"]["generation"];
        let conditions = object["status"]["conditions"].as_array().unwrap();
        conditions
            .iter()
            .any(|condition| condition["reason"] == "AllLoaded" && condition["observedGeneration"] == *generation)
    });
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    println!("said after {:?}", began.elapsed());
}

#[test]
fn a_sidecar_that_refuses_its_configuration_is_named_with_its_reason() {
    let (shop, _operator) = Shop::healthy("refused");
    shop.pods
        .direct(|script| script.reload = Reload::Refuses("destinations[0]: not today".to_owned()));
    shop.namespace.apply(&with_other_url());
    let message = shop.await_condition("ConfigLoaded", "False ReloadFailed: Deployment server, pod server-");
    assert!(message.contains("destinations[0]: not today"), "{message}");
    shop.await_condition("Ready", "False ReloadFailed");
}

#[test]
fn a_bad_specification_never_replaces_a_good_configuration() {
    let (shop, _operator) = Shop::healthy("invalid");
    let before = written(&shop);
    let revision = text(&shop.namespace.get("logshipping", "logs").unwrap()["status"]["revision"]);
    shop.namespace.apply(&LOG_SHIPPING.replace(
        "paths: [/var/log/access.log]",
        "paths: [/var/log/access.log], encoding: klingon",
    ));
    let message = shop.await_condition("Accepted", "False InvalidSpec: spec.sources[0].encoding: ");
    assert!(message.ends_with("The last good configuration runs on"), "{message}");
    for (condition, begin) in [
        ("Stalled", "True InvalidSpec"),
        ("Ready", "False InvalidSpec"),
        ("Injected", "True AllInjected"),
        ("ConfigLoaded", "True AllLoaded"),
        ("Delivering", "True FlowHealthy"),
    ] {
        shop.await_condition(condition, begin);
    }
    assert_eq!(written(&shop), before);
    let status = shop.namespace.get("logshipping", "logs").unwrap()["status"].take();
    assert_eq!(
        (text(&status["revision"]), text(&status["summary"]["state"])),
        (revision, "InvalidSpec".to_owned())
    );

    shop.namespace.apply(LOG_SHIPPING);
    shop.await_condition("Ready", "True Healthy");
    shop.await_condition("Stalled", "");
}

#[test]
fn a_configuration_that_somebody_deletes_or_edits_comes_back() {
    let (shop, _operator) = Shop::healthy("config-map");
    let before = shop.config_map().unwrap()["data"].take();
    let is_back = || shop.config_map().map(|mut config_map| config_map["data"].take());
    shop.namespace.run(&["delete", "configmap", super::shop::CONFIG_MAP]);
    wait::until_is("it is back", PATIENCE, is_back, |data| data.as_ref() == Some(&before));
    let key = before.as_object().unwrap().keys().next().unwrap();
    let spoiled = serde_json::json!({"data": {key: "spoiled"}}).to_string();
    shop.namespace.run(&[
        "patch",
        "configmap",
        super::shop::CONFIG_MAP,
        "--type=merge",
        "--patch",
        &spoiled,
    ]);
    wait::until_is("it is as before", PATIENCE, is_back, |data| {
        data.as_ref() == Some(&before)
    });
}

#[test]
fn the_status_keeps_to_names_of_the_specification() {
    let (shop, _operator) = Shop::healthy("names");
    shop.pods.direct(|script| {
        script.edit = Edit::new(|report| {
            for pipeline in &mut report.pipelines {
                let mut stranger = pipeline.destinations[0].clone();
                stranger.name = "\u{1b}[31mstranger".to_owned();
                pipeline.destinations.push(stranger);
                pipeline.destinations[0].state = pipeline::report::DestinationState::Idle;
            }
        });
    });
    let look = || shop.namespace.get("logshipping", "logs").unwrap()["status"]["destinations"].take();
    wait::until_is("the change is seen", PATIENCE, look, |found| {
        found[0]["reason"] == "NoTraffic"
    });
    assert_eq!(look().as_array().map(Vec::len), Some(1));
}
