//! Which keys look again after which event. The events are those of a watch, written down.

use std::error::Error;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher::Event;
use serde_json::{Value, json};

use super::Cluster;
use super::event::{Relist, Watched, on_event};
use super::index::{Index, Wakes};
use super::key::{PodKey, ShippingKey, TargetKey};
use super::kinds::{ConfigMaps, Deployments, Pods, ReplicaSets, Shippings};
use super::seen::Seen;
use crate::plan::TargetState;
use crate::poll::Sighting;
use crate::settings::Switch;

type Outcome = Result<(), Box<dyn Error>>;

#[allow(clippy::needless_pass_by_value, reason = "most are made for the call")]
fn read<W: Watched>(object: Value) -> Result<Seen<W>, serde_json::Error> {
    serde_json::from_str(&object.to_string())
}

/// One event of a watch over all namespaces.
fn seen<W: Watched>(index: &mut Index, event: Event<Seen<W>>) -> Wakes {
    on_event::<W>(index, &mut Relist::new(None), event)
}

fn deployment(version: u64, app: &str) -> Value {
    json!({
        "metadata": {"namespace": "shop", "name": "server", "uid": "d", "resourceVersion": version.to_string(),
            "generation": version, "labels": {"app": app}},
        "spec": {"selector": {}, "template": {}},
    })
}

fn shipping(name: &str) -> Value {
    json!({
        "metadata": {"namespace": "shop", "name": name, "uid": name, "generation": 1},
        "spec": {
            "selector": {"matchLabels": {"app": "server"}},
            "sources": [{"name": "access", "paths": ["/var/log/access.log"]}],
            "destinations": [{"name": "out", "stdout": {}}],
        },
    })
}

fn owner(kind: &str, uid: &str) -> Value {
    json!([{"apiVersion": "apps/v1", "kind": kind, "name": "n", "uid": uid, "controller": true}])
}

/// A Deployment with a LogShipping, a ReplicaSet and a pod.
fn shop() -> Result<Index, Box<dyn Error>> {
    let mut index = Index::default();
    seen::<Deployments>(&mut index, Event::Apply(read(deployment(1, "server"))?));
    seen::<Shippings>(&mut index, Event::Apply(read(shipping("logs"))?));
    seen::<ReplicaSets>(&mut index, Event::Apply(read(replica_set())?));
    seen::<Pods>(&mut index, Event::Apply(read(pod("p", "r"))?));
    Ok(index)
}

fn replica_set() -> Value {
    json!({"metadata": {"namespace": "shop", "name": "r", "uid": "r", "ownerReferences": owner("Deployment", "d")}})
}

fn pod(name: &str, replica_set: &str) -> Value {
    json!({
        "metadata": {"namespace": "shop", "name": name, "uid": name, "ownerReferences": owner("ReplicaSet", replica_set)},
        "spec": {"containers": [{"name": "app"}]},
    })
}

fn target() -> TargetKey {
    TargetKey::new("shop", "server")
}

fn logs() -> ShippingKey {
    ShippingKey::new("shop", "logs")
}

#[test]
fn a_deployment_wakes_itself_and_the_log_shippings_that_select_it_or_did() -> Outcome {
    let mut index = shop()?;
    let wakes = seen::<Deployments>(&mut index, Event::Apply(read(deployment(2, "other"))?));
    assert_eq!(wakes.shippings, [logs()].into());
    let mut labelled = deployment(3, "server");
    labelled["metadata"]["labels"]["logshipping.dev/sidecar"] = json!("true");
    let wakes = seen::<Deployments>(&mut index, Event::Apply(read(labelled)?));
    assert_eq!((wakes.targets, wakes.shippings), ([target()].into(), [logs()].into()));
    let wakes = seen::<Deployments>(&mut index, Event::Delete(read(deployment(3, "server"))?));
    assert_eq!((wakes.targets, wakes.shippings), ([target()].into(), [logs()].into()));
    Ok(())
}

#[test]
fn pods_are_asked_once_their_owners_are_known_whatever_comes_first() -> Outcome {
    let mut index = Index::default();
    seen::<Pods>(&mut index, Event::Apply(read(pod("p", "r"))?));
    let wakes = seen::<ReplicaSets>(&mut index, Event::Apply(read(replica_set())?));
    assert_eq!(wakes.pods, [PodKey::new("shop", "p")].into());
    let wakes = seen::<Deployments>(&mut index, Event::Apply(read(deployment(1, "server"))?));
    assert_eq!(wakes.pods, [PodKey::new("shop", "p")].into());
    let wakes = seen::<Deployments>(&mut index, Event::Apply(read(deployment(2, "server"))?));
    assert!(wakes.pods.is_empty(), "{wakes:?}");
    Ok(())
}

#[test]
fn a_deployment_of_no_concern_or_with_a_new_status_only_wakes_nobody() -> Outcome {
    let mut index = Index::default();
    assert_eq!(
        seen::<Deployments>(&mut index, Event::Apply(read(deployment(1, "other"))?)),
        Wakes::default()
    );
    let mut index = shop()?;
    let mut counted = deployment(1, "server");
    counted["metadata"]["resourceVersion"] = json!("7");
    counted["status"] = json!({"replicas": 1});
    assert_eq!(
        seen::<Deployments>(&mut index, Event::Apply(read(counted)?)),
        Wakes::default()
    );
    Ok(())
}

#[test]
fn what_a_write_of_ours_has_overtaken_is_not_taken_in() -> Outcome {
    let mut index = shop()?;
    seen::<Deployments>(&mut index, Event::Apply(read(deployment(9, "server"))?));
    assert_eq!(
        seen::<Deployments>(&mut index, Event::Apply(read(deployment(8, "server"))?)),
        Wakes::default()
    );
    let version = index
        .deployment(&target())
        .and_then(|deployment| deployment.metadata.resource_version.clone());
    assert_eq!(version.as_deref(), Some("9"));
    Ok(())
}

#[test]
fn deletions_during_an_interruption_are_noticed_within_the_scope_of_the_watch() -> Outcome {
    let mut index = shop()?;
    let mut elsewhere = shipping("logs");
    elsewhere["metadata"]["namespace"] = json!("bank");
    seen::<Shippings>(&mut index, Event::Apply(read(elsewhere)?));
    let mut relist = Relist::new(Some("shop".to_owned()));
    on_event::<Shippings>(&mut index, &mut relist, Event::Init);
    on_event::<Shippings>(&mut index, &mut relist, Event::InitApply(read(shipping("audit"))?));
    assert!(index.shipping(&logs()).is_some(), "the list isn't complete yet");
    let wakes = on_event::<Shippings>(&mut index, &mut relist, Event::InitDone);
    assert_eq!((wakes.targets, wakes.shippings), ([target()].into(), [logs()].into()));
    assert!(index.shipping(&logs()).is_none());
    assert!(index.shipping(&ShippingKey::new("shop", "audit")).is_some());
    assert!(index.shipping(&ShippingKey::new("bank", "logs")).is_some());
    Ok(())
}

#[test]
fn a_pod_belongs_to_a_deployment_by_the_uids_of_its_owners() -> Outcome {
    let mut index = shop()?;
    let of_target = |index: &Index| -> Vec<_> { index.pods_of(&target()).map(|pod| pod.view.name.clone()).collect() };
    let wakes = seen::<Pods>(&mut index, Event::Apply(read(pod("claims-to", "another"))?));
    assert_eq!((wakes.targets, wakes.gathering), ([].into(), [].into()));
    assert_eq!(of_target(&index), ["p"]);
    let claimant = index
        .pod(&PodKey::new("shop", "claims-to"))
        .and_then(|pod| index.target_of(pod));
    assert_eq!(claimant, None);
    let mut reborn = deployment(5, "server");
    reborn["metadata"]["uid"] = json!("d2");
    seen::<Deployments>(&mut index, Event::Apply(read(reborn)?));
    assert_eq!(
        of_target(&index),
        [] as [&str; 0],
        "a Deployment of the same name has other pods"
    );
    Ok(())
}

#[test]
fn a_pod_wakes_its_target_and_is_asked_soon() -> Outcome {
    let mut index = shop()?;
    let mut nudged = pod("p", "r");
    nudged["metadata"]["annotations"] = json!({"logshipping.dev/config-revision": "abc"});
    let wakes = seen::<Pods>(&mut index, Event::Apply(read(nudged.clone())?));
    let key = PodKey::new("shop", "p");
    assert_eq!((wakes.gathering, wakes.pods), ([target()].into(), [key.clone()].into()));
    assert_eq!(
        seen::<Pods>(&mut index, Event::Apply(read(nudged)?)),
        Wakes::default(),
        "nothing new"
    );
    let wakes = seen::<Pods>(&mut index, Event::Delete(read(pod("p", "r"))?));
    assert_eq!((wakes.gathering, wakes.shippings), ([target()].into(), [logs()].into()));
    assert!(index.pod(&key).is_none());
    Ok(())
}

#[test]
fn a_configuration_that_is_deleted_wakes_its_deployment() -> Outcome {
    let mut index = shop()?;
    let config_map: Value = json!({"metadata": {"namespace": "shop", "name": "logshipping-deployment-server", "uid": "c",
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "server", "uid": "d"}]}});
    seen::<ConfigMaps>(&mut index, Event::Apply(read(config_map.clone())?));
    assert!(index.config_map(&target()).is_some());
    let mut disowned = config_map.clone();
    disowned["metadata"]["ownerReferences"] = json!(null);
    let wakes = seen::<ConfigMaps>(&mut index, Event::Apply(read(disowned)?));
    assert_eq!(wakes.targets, [target()].into(), "it was its own before");
    seen::<ConfigMaps>(&mut index, Event::Apply(read(config_map.clone())?));
    let wakes = seen::<ConfigMaps>(&mut index, Event::Delete(read(config_map)?));
    assert_eq!(wakes.targets, [target()].into());
    assert!(index.config_map(&target()).is_none());
    Ok(())
}

#[test]
fn an_answer_about_a_config_map_that_is_gone_brings_nothing_back() -> Outcome {
    let cluster = Cluster::new(Switch::Off);
    let object = json!({"metadata": {"namespace": "shop", "name": "logshipping-deployment-server", "uid": "c"}});
    let config_map: ConfigMap = serde_json::from_value(object.clone())?;
    let known = || cluster.index().config_map(&target()).is_some();
    cluster.learn_config_map(config_map.clone());
    assert!(known());
    let gone = Event::Delete(read(object)?);
    cluster.change(|index| seen::<ConfigMaps>(index, gone));
    cluster.learn_config_map(config_map.clone());
    assert!(!known());
    let mut another = config_map;
    another.metadata.uid = Some("c2".to_owned());
    cluster.learn_config_map(another);
    assert!(known());
    Ok(())
}

#[test]
fn a_log_shipping_that_is_deleted_is_held_until_no_deployment_carries_it() -> Outcome {
    let mut index = shop()?;
    let carrying = |name: &str| TargetState {
        carried: [name.to_owned()].into(),
        ..TargetState::default()
    };
    let mut deleted = shipping("logs");
    deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let wakes = seen::<Shippings>(&mut index, Event::Apply(read(deleted)?));
    assert_eq!(wakes.targets, [target()].into());
    let unclean = |index: &Index| {
        index
            .shipping(&logs())
            .map(|entry| index.not_yet_clean(&logs(), entry).len())
    };
    assert_eq!(unclean(&index), Some(1), "the Deployment was never looked at");
    index.set_state(&target(), Some(carrying("logs")));
    assert_eq!(unclean(&index), Some(1));
    let wakes = index.set_state(&target(), Some(carrying("audit")));
    assert_eq!(unclean(&index), Some(0));
    assert!(wakes.shippings.contains(&logs()), "it is told");
    Ok(())
}

#[test]
fn a_log_shipping_that_cannot_be_read_keeps_what_carries_it() -> Outcome {
    let mut index = shop()?;
    let state = TargetState {
        carried: ["logs".to_owned()].into(),
        ..TargetState::default()
    };
    index.set_state(&target(), Some(state));
    let mut newer = shipping("logs");
    newer["metadata"]["generation"] = json!(2);
    newer["spec"]["fieldOfTheFuture"] = json!(1);
    let wakes = seen::<Shippings>(&mut index, Event::Apply(read(newer)?));
    assert_eq!(wakes.targets, [target()].into());
    let on: Vec<_> = index
        .shippings_on(&target())
        .map(|(key, entry)| (key.clone(), entry.verdict.is_err()))
        .collect();
    assert_eq!(on, [(logs(), true)]);
    Ok(())
}

#[test]
fn a_log_shipping_is_surveyed_once_its_deployments_and_sidecars_were_seen() -> Outcome {
    let mut index = shop()?;
    let surveyed = |index: &Index, polling| {
        index
            .shipping(&logs())
            .map(|entry| index.is_surveyed(&logs(), entry, polling))
    };
    assert_eq!(surveyed(&index, Switch::Off), Some(false));
    index.set_state(&target(), Some(TargetState::default()));
    assert_eq!(
        surveyed(&index, Switch::On),
        Some(true),
        "the pod has no sidecar to ask"
    );
    let mut running = pod("p", "r");
    running["spec"]["containers"] =
        json!([{"name": "logshipping-sidecar", "ports": [{"name": "logshipping", "containerPort": 1}]}]);
    running["status"] = json!({"podIP": "10.0.0.7", "containerStatuses": [{"name": "logshipping-sidecar", "image": "",
        "imageID": "", "ready": true, "restartCount": 0, "state": {"running": {}}}]});
    seen::<Pods>(&mut index, Event::Apply(read(running)?));
    assert_eq!(
        (surveyed(&index, Switch::On), surveyed(&index, Switch::Off)),
        (Some(false), Some(true))
    );
    index.set_sighting(&PodKey::new("shop", "p"), "p", Sighting::default());
    assert_eq!(surveyed(&index, Switch::On), Some(true));
    Ok(())
}

#[test]
fn a_deployment_that_cannot_be_read_stays_as_it_was_and_does_not_hide_the_others() -> Outcome {
    let (mut index, mut relist) = (shop()?, Relist::new(None));
    let known = index.deployment(&target()).cloned();
    let mut odd = deployment(2, "server");
    odd["spec"]["replicas"] = json!("two");
    let mut other = deployment(1, "server");
    other["metadata"]["name"] = json!("cart");
    other["metadata"]["uid"] = json!("c");
    for event in [
        Event::Init,
        Event::InitApply(read(odd)?),
        Event::InitApply(read(other)?),
        Event::InitDone,
    ] {
        on_event::<Deployments>(&mut index, &mut relist, event);
    }
    assert_eq!(index.deployment(&target()), known.as_ref());
    assert!(index.deployment(&TargetKey::new("shop", "cart")).is_some());
    Ok(())
}

#[test]
fn a_pod_that_goes_while_a_destination_fails_is_remembered_until_that_is_told() -> Outcome {
    let mut index = shop()?;
    let key = PodKey::new("shop", "p");
    let held_up = |pipeline: &str| {
        let mut sighting = Sighting::default();
        sighting.held_up = [((pipeline.to_owned(), "loki".to_owned()), 7)].into();
        sighting
    };
    for (pipeline, remembered) in [
        ("shop/logs", 1),
        ("shop/unknown", 1),
        ("bank/logs", 1),
        ("shop/logs", 2),
    ] {
        index.set_sighting(&key, "p", held_up(pipeline));
        seen::<Pods>(&mut index, Event::Delete(read(pod("p", "r"))?));
        assert_eq!(index.farewells(&logs()).len(), remembered, "{pipeline}");
        seen::<Pods>(&mut index, Event::Apply(read(pod("p", "r"))?));
    }
    assert_eq!(index.farewells(&logs())[0].pending_bytes, 7);
    index.forget_farewells(&logs());
    seen::<Pods>(&mut index, Event::Delete(read(pod("p", "r"))?));
    assert!(index.farewells(&logs()).is_empty(), "it was never heard of");
    Ok(())
}
