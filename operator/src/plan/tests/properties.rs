//! What holds for every owner and every set of LogShippings.

use std::collections::BTreeSet;

use crds::spec::Mode;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::world::{observed, reconcile, shipping, template};
use crate::observed::{Observed, Shipping};
use crate::plan::Plan;
use crate::plan::parts::split;

fn owner() -> impl Strategy<Value = Value> {
    let annotations = prop_oneof![
        Just(json!({})),
        Just(json!({"team": "shop"})),
        Just(json!({"cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes": "scratch"})),
        Just(json!({"kubectl.kubernetes.io/default-container": "b"})),
    ];
    let containers = vec(container(), 1..4);
    let secrets = prop_oneof![Just(json!([])), Just(json!([{"name": "regcred"}]))];
    (annotations, containers, 0..3_usize, secrets, any::<bool>()).prop_map(|(annotations, containers, inits, secrets, guaranteed)| {
        let name = |index: usize| ["b", "a", "c", "d"][index];
        let containers: Vec<_> = containers
            .into_iter()
            .enumerate()
            .map(|(index, mut container)| {
                container["name"] = json!(name(index));
                if guaranteed {
                    container["resources"] = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
                }
                container
            })
            .collect();
        let inits: Vec<_> = (0..inits).map(init_container).collect();
        without_empties(json!({
            "metadata": {"name": "server", "namespace": "shop", "uid": "d-1", "resourceVersion": "1"},
            "spec": {"selector": {}, "template": {
                "metadata": {"labels": {"app": "server"}, "annotations": annotations},
                "spec": {
                    "initContainers": inits, "containers": containers, "imagePullSecrets": secrets,
                    "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}}, {"name": "data", "persistentVolumeClaim": {"claimName": "d"}}],
                },
            }},
        }))
    })
}

/// The first one is a sidecar of the owner's, and may be a source.
fn init_container(index: usize) -> Value {
    let policy = if index == 0 { json!("Always") } else { Value::Null };
    let mut container = json!({"name": format!("init-{index}"), "image": "x", "restartPolicy": policy});
    if policy.is_null() {
        container.as_object_mut().unwrap().remove("restartPolicy");
    }
    container
}

fn container() -> impl Strategy<Value = Value> {
    let mount = prop_oneof![
        Just(json!([])),
        Just(json!([{"name": "scratch", "mountPath": "/var/log"}])),
        Just(
            json!([{"name": "data", "mountPath": "/srv", "subPath": "x"}, {"name": "scratch", "mountPath": "/srv/deep/"}])
        ),
    ];
    let user = prop_oneof![Just(json!({})), Just(json!({"runAsUser": 1000, "runAsGroup": 2000}))];
    (mount, user)
        .prop_map(|(mounts, user)| json!({"name": "", "image": "x", "volumeMounts": mounts, "securityContext": user}))
}

/// As the API server has it.
fn without_empties(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let members = map.into_iter().map(|(key, value)| (key, without_empties(value)));
            let kept = members.filter(|(key, value)| key == "selector" || !is_empty(value));
            Value::Object(kept.collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(without_empties).collect()),
        other => other,
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

fn shippings() -> impl Strategy<Value = Vec<Shipping>> {
    vec(specification(), 0..4).prop_map(|specs| {
        let named = specs.iter().enumerate();
        named
            .map(|(index, spec)| shipping(&format!("logs-{index}"), spec))
            .collect()
    })
}

fn specification() -> impl Strategy<Value = String> {
    let path = proptest::sample::select(vec![
        "/var/log/*.log",
        "/var/log/app/x.log",
        "/srv/x.log",
        "/srv/deep/er/*.log",
        "/logs/{a,b}/x.log",
        "/etc/x.log",
    ]);
    let container = proptest::sample::select(vec![
        "",
        "container: a, ",
        "container: b, ",
        "container: init-0, ",
        "container: nowhere, ",
    ]);
    let source = (path, container).prop_map(|(path, container)| format!("{container}paths: ['{path}']"));
    let sidecar = proptest::sample::select(vec![
        "",
        "sidecar: {placement: Container}",
        "sidecar: {imagePullSecrets: [regcred, other]}",
        "sidecar: {resources: {limits: {cpu: 1, memory: 1024Mi}}}",
        "sidecar: {resources: {limits: {}, requests: {cpu: 0.5}}}",
        "sidecar: {image: 'other:2', port: 20000, runAsUser: 7}",
        "volume: {sizeLimit: 1000000}",
        "volume: {policy: ExistingOnly}",
        "mode: Preview",
        "rollout: {paused: true}",
        "sidecar: {resources: {requests: {cpu: 2}, limits: {cpu: 1}}}",
        "priority: 5",
    ]);
    (vec(source, 1..3), sidecar).prop_map(|(sources, sidecar)| {
        let sources: Vec<_> = sources
            .iter()
            .enumerate()
            .map(|(n, source)| format!("{{name: s{n}, {source}}}"))
            .collect();
        format!(
            "sources: [{}], destinations: [{{name: out, stdout: {{}}}}], {sidecar}",
            sources.join(", ")
        )
    })
}

/// Names of some that may have been there.
fn retaining() -> impl Strategy<Value = BTreeSet<String>> {
    let names = (0..4).map(|index| format!("logs-{index}")).collect::<Vec<_>>();
    proptest::sample::subsequence(names, 0..3).prop_map(|names| names.into_iter().collect())
}

/// Those that act and those that wait, as the operator sees them while the ones before them go.
fn replace(world: &mut Observed, shippings: Vec<Shipping>, retaining: BTreeSet<String>) {
    world.retaining = retaining;
    world
        .retaining
        .retain(|name| shippings.iter().all(|shipping| shipping.name != *name));
    world.shippings = shippings;
}

fn is_nothing(plan: &Plan) -> bool {
    let Plan {
        config_map,
        patch,
        nudges,
        delete_config_map,
        events,
        state: _,
    } = plan;
    config_map.is_none() && patch.is_none() && nudges.is_empty() && delete_config_map.is_none() && events.is_empty()
}

fn world(owner: &Value, shippings: Vec<Shipping>) -> Observed {
    observed(&owner.to_string(), shippings)
}

/// Every field of a patch below the pod spec.
const PATCHED: [&str; 7] = [
    "initContainers",
    "containers",
    "volumes",
    "imagePullSecrets",
    "$setElementOrder/initContainers",
    "$setElementOrder/containers",
    "$setElementOrder/volumes",
];

fn check_patch(body: &Value) -> Result<(), TestCaseError> {
    prop_assert!(!body.to_string().contains("replace"), "{body}");
    prop_assert_eq!(&body["metadata"]["uid"], "d-1");
    prop_assert!(body["metadata"]["resourceVersion"].is_string());
    let spec = body["spec"]["template"]["spec"].as_object();
    for field in spec.into_iter().flat_map(serde_json::Map::keys) {
        prop_assert!(PATCHED.contains(&field.as_str()), "{field}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_plan_that_was_carried_out_leaves_nothing_to_do(
        owner in owner(), first in shippings(), second in shippings(), retain in retaining(), retain_then in retaining(),
    ) {
        let mut world = world(&owner, first);
        for (next, retain) in [(second, retain), (Vec::new(), retain_then)] {
            if let Some(patch) = reconcile(&mut world).patch {
                check_patch(&patch.body)?;
            }
            // No pod is left of an older shape, so its key goes.
            prop_assert_eq!(reconcile(&mut world).patch, None);
            let again = reconcile(&mut world);
            prop_assert!(is_nothing(&again), "{again:#?}");
            replace(&mut world, next, retain);
        }
    }

    #[test]
    fn who_waits_changes_nothing_for_the_others(owner in owner(), shippings in shippings()) {
        let waits = |shipping: &Shipping| match &shipping.verdict {
            Ok(accepted) => accepted.spec.mode == Mode::Preview || accepted.spec.rollout.paused,
            Err(_) => true,
        };
        let others = shippings.iter().filter(|shipping| !waits(shipping)).cloned().collect();
        let (mut world, mut without) = (world(&owner, shippings), world(&owner, others));
        reconcile(&mut world);
        reconcile(&mut without);
        prop_assert_eq!(template(&world), template(&without));
        prop_assert_eq!(&world.config_map, &without.config_map);
    }

    #[test]
    fn a_change_of_the_configuration_only_never_changes_the_shape(owner in owner(), shippings in shippings()) {
        let mut world = world(&owner, shippings);
        reconcile(&mut world);
        let before = template(&world);
        for shipping in &mut world.shippings {
            if let Ok(accepted) = &mut shipping.verdict {
                let spec = &mut accepted.spec;
                spec.destinations[0].timeout = pipeline::Duration::from_secs(7);
                spec.sources[0].exclude.push("*.gz".to_owned());
                spec.sidecar.drain_timeout = pipeline::Duration::from_secs(7);
                spec.sidecar.log_level = pipeline::config::LogLevel::Debug;
                accepted.revision.push('x');
            }
        }
        prop_assert_eq!(reconcile(&mut world).patch, None);
        prop_assert_eq!(template(&world), before);
    }

    #[test]
    fn stripping_an_injected_template_gives_the_owners(owner in owner(), shippings in shippings()) {
        let mut world = world(&owner, shippings);
        let original = template(&world);
        reconcile(&mut world);
        let stripped = split(&world.deployment.spec.clone().unwrap().template).owner;
        prop_assert_eq!(serde_json::to_value(&stripped).unwrap(), original);
        prop_assert!(split(&stripped).ours.is_empty());
    }

    #[test]
    fn removal_gives_the_original_back(owner in owner(), first in shippings(), second in shippings()) {
        let mut world = world(&owner, first);
        let original = serde_json::to_value(&world.deployment).unwrap();
        reconcile(&mut world);
        world.shippings = second;
        reconcile(&mut world);
        world.shippings.clear();
        reconcile(&mut world);
        prop_assert_eq!(serde_json::to_value(&world.deployment).unwrap(), original);
        reconcile(&mut world);
        prop_assert_eq!(&world.config_map, &None);
    }

    #[test]
    fn the_order_in_which_objects_arrive_does_not_matter(
        owner in owner(), first in shippings(), second in shippings(), retain in retaining(),
    ) {
        let mut world = world(&owner, first);
        let mut reversed = world.clone();
        reversed.shippings.reverse();
        prop_assert_eq!(reconcile(&mut world), reconcile(&mut reversed));
        replace(&mut world, second, retain);
        reversed = world.clone();
        reversed.shippings.reverse();
        prop_assert_eq!(reconcile(&mut world), reconcile(&mut reversed));
    }

    #[test]
    fn an_order_of_our_items_that_somebody_changed_is_no_reason_to_patch(owner in owner(), shippings in shippings()) {
        let mut world = world(&owner, shippings);
        reconcile(&mut world);
        let pod = world.deployment.spec.as_mut().unwrap().template.spec.as_mut().unwrap();
        pod.init_containers.iter_mut().for_each(|list| list.reverse());
        pod.volumes.iter_mut().for_each(|list| list.reverse());
        prop_assert_eq!(reconcile(&mut world).patch, None);
    }
}
