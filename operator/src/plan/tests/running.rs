//! Changes while pods run: keys by shape, nudges, images, the owner's own writes.

use crds::names;
use serde_json::json;

use super::world::{OWNER, SIMPLE, body, config, observed, reconcile, shape, shipping, template};
use crate::observed::{Life, Observed, Pod, SidecarContainer};
use crate::plan::{Action, Settings, plan};

/// A pod of the template as it is now.
fn pod(observed: &Observed, name: &str) -> Pod {
    Pod {
        name: name.to_owned(),
        uid: format!("{name}-uid"),
        shape: Some(shape(observed)),
        nudged: None,
        sidecar: SidecarContainer::Native,
        loaded: None,
        life: Life::Live,
    }
}

fn keys(observed: &Observed) -> Vec<String> {
    observed
        .config_map
        .iter()
        .flat_map(|map| map.data.iter().flatten())
        .map(|(key, _)| key.clone())
        .collect()
}

fn injected() -> Observed {
    let mut world = observed(OWNER, vec![shipping("logs", SIMPLE)]);
    reconcile(&mut world);
    world.pods = vec![pod(&world, "a"), pod(&world, "b")];
    world
}

#[test]
fn a_change_of_configuration_nudges_every_pod_once() {
    let mut world = injected();
    assert_eq!(reconcile(&mut world).nudges, [], "a new pod mounts what is there");
    world.shippings = vec![shipping("logs", &SIMPLE.replace("access.log", "error.log"))];
    let plan = reconcile(&mut world);
    let nudged: Vec<_> = plan
        .nudges
        .iter()
        .map(|nudge| (nudge.pod.as_str(), nudge.uid.as_str()))
        .collect();
    assert_eq!(nudged, [("a", "a-uid"), ("b", "b-uid")]);
    assert!(plan.nudges.iter().all(|nudge| nudge.revision == config(&world).hash));
    assert_eq!(reconcile(&mut world).nudges, []);
}

#[test]
fn a_nudge_that_did_not_get_through_is_made_up_for() {
    let mut world = injected();
    world.pods[0].nudged = Some("older".to_owned());
    world.pods[1].loaded = Some(String::new());
    let nudged: Vec<_> = reconcile(&mut world)
        .nudges
        .into_iter()
        .map(|nudge| nudge.pod)
        .collect();
    assert_eq!(nudged, ["a", "b"]);
    assert_eq!(
        reconcile(&mut world).nudges,
        [],
        "a pod that doesn't load it is not nudged for ever"
    );
}

#[test]
fn pods_that_end_or_have_no_sidecar_are_not_nudged() {
    let mut world = injected();
    world.pods[0].life = Life::Ending;
    world.pods[1].sidecar = SidecarContainer::Absent;
    world.shippings = vec![shipping("logs", &SIMPLE.replace("access.log", "error.log"))];
    assert_eq!(reconcile(&mut world).nudges, []);
}

#[test]
fn pods_of_the_old_shape_keep_their_key_until_they_are_gone() {
    let mut world = injected();
    let old = shape(&world);
    world.shippings = vec![shipping("logs", &format!("{SIMPLE}, sidecar: {{port: 20000}}"))];
    let plan = reconcile(&mut world);
    assert_eq!(plan.patch.unwrap().action, Action::Update);
    let mut both = [names::config_key(&old), names::config_key(&shape(&world))];
    both.sort();
    assert_eq!(keys(&world), both);
    assert_eq!(plan.state.configs.len(), 2);
    world.pods = vec![pod(&world, "new")];
    reconcile(&mut world);
    assert_eq!(keys(&world), [names::config_key(&shape(&world))]);
}

#[test]
fn the_config_map_stays_until_no_pod_mounts_it() {
    let mut world = injected();
    world.shippings.clear();
    assert_eq!(reconcile(&mut world).delete_config_map, None);
    assert_eq!(
        reconcile(&mut world).delete_config_map,
        None,
        "pods still have the sidecar"
    );
    world
        .pods
        .iter_mut()
        .for_each(|pod| pod.sidecar = SidecarContainer::Absent);
    let deletion = reconcile(&mut world).delete_config_map.unwrap();
    assert_eq!(deletion.name, "logshipping-deployment-server");
}

#[test]
fn a_config_map_that_was_deleted_or_edited_comes_back() {
    let mut world = injected();
    let original = world.config_map.clone();
    world.config_map = None;
    reconcile(&mut world);
    assert_eq!(world.config_map, original);
    world
        .config_map
        .as_mut()
        .unwrap()
        .data
        .as_mut()
        .unwrap()
        .insert("x".to_owned(), "y".to_owned());
    reconcile(&mut world);
    assert_eq!(world.config_map, original);
}

#[test]
fn the_config_map_belongs_to_the_deployment_that_is_there_now() {
    let mut world = injected();
    world.deployment.metadata.uid = Some("d-2".to_owned());
    reconcile(&mut world);
    let owners = world.config_map.unwrap().metadata.owner_references.unwrap();
    assert_eq!((owners.len(), owners[0].uid.as_str()), (1, "d-2"));
}

#[test]
fn the_service_is_called_like_the_application_else_like_the_deployment() {
    for (owner, expected) in [
        (OWNER.to_owned(), "web-shop"),
        (OWNER.replace(", app.kubernetes.io/name: web-shop", ""), "server"),
        (
            OWNER.replace(", app.kubernetes.io/name: web-shop", "").replace(
                "labels: {app: server}}\nspec",
                "labels: {app: server, app.kubernetes.io/name: shop}}\nspec",
            ),
            "shop",
        ),
    ] {
        let mut world = observed(&owner, vec![shipping("logs", SIMPLE)]);
        reconcile(&mut world);
        assert_eq!(config(&world).resource["service.name"], expected);
    }
}

#[test]
fn a_new_default_image_alone_restarts_nothing() {
    let mut world = injected();
    let newer = Settings {
        sidecar_image: "registry.example/logshipping-sidecar:0.2.0".to_owned(),
        ..super::world::settings()
    };
    let next = plan(&world, &newer);
    assert_eq!((next.patch, next.config_map), (None, None));
    assert_eq!(
        next.state.sidecar_image.unwrap(),
        super::world::settings().sidecar_image
    );
    world.shippings = vec![shipping("logs", &format!("{SIMPLE}, sidecar: {{port: 20000}}"))];
    let changed = plan(&world, &newer);
    assert_eq!(
        changed.state.sidecar_image.unwrap(),
        newer.sidecar_image,
        "what restarts anyway takes it along"
    );
}

#[test]
fn an_image_that_somebody_else_set_is_put_right() {
    let mut world = injected();
    let original = template(&world);
    let pod = world.deployment.spec.as_mut().unwrap().template.spec.as_mut().unwrap();
    pod.init_containers.as_mut().unwrap()[0].image = Some("evil:1".to_owned());
    assert_eq!(reconcile(&mut world).patch.unwrap().action, Action::Update);
    assert_eq!(template(&world), original);
}

#[test]
fn fields_that_somebody_added_to_our_container_go() {
    let mut world = injected();
    let original = template(&world);
    let pod = world.deployment.spec.as_mut().unwrap().template.spec.as_mut().unwrap();
    let sidecar = &mut pod.init_containers.as_mut().unwrap()[0];
    sidecar.tty = Some(true);
    sidecar.env.as_mut().unwrap().push(k8s_openapi::api::core::v1::EnvVar {
        name: "X".to_owned(),
        ..Default::default()
    });
    reconcile(&mut world);
    assert_eq!(template(&world), original);
}

#[test]
fn the_annotation_alone_proves_nothing() {
    let mut world = injected();
    let original = template(&world);
    let pod = world.deployment.spec.as_mut().unwrap().template.spec.as_mut().unwrap();
    pod.init_containers
        .as_mut()
        .unwrap()
        .retain(|container| container.name != names::CONTAINER);
    let plan = reconcile(&mut world);
    assert_eq!(plan.patch.unwrap().action, Action::Inject);
    assert_eq!(template(&world), original);
}

#[test]
fn the_mount_follows_the_owner_who_renames_the_container() {
    let mut world = injected();
    let pod = world.deployment.spec.as_mut().unwrap().template.spec.as_mut().unwrap();
    pod.containers[0].name = "web".to_owned();
    pod.containers[0]
        .volume_mounts
        .as_mut()
        .unwrap()
        .retain(|mount| !names::is_volume(&mount.name));
    let patch = reconcile(&mut world);
    assert_eq!(
        body(&patch)["spec"]["template"]["spec"]["containers"],
        json!([{"name": "web", "volumeMounts": [{"mountPath": "/var/log", "name": names::logs_volume("/var/log")}]}])
    );
    assert_eq!(
        config(&world).pipelines[0].sources[0].resource["k8s.container.name"],
        "web"
    );
}

#[test]
fn when_the_owner_mounts_the_path_himself_ours_goes() {
    let mut world = injected();
    let pod = world.deployment.spec.as_mut().unwrap().template.spec.as_mut().unwrap();
    let mounts = pod.containers[0].volume_mounts.as_mut().unwrap();
    mounts.retain(|mount| !names::is_volume(&mount.name));
    mounts.push(k8s_openapi::api::core::v1::VolumeMount {
        name: "data".to_owned(),
        mount_path: "/var/log".to_owned(),
        ..Default::default()
    });
    reconcile(&mut world);
    let template = template(&world);
    assert!(
        !template["spec"]["volumes"].to_string().contains("logshipping-logs-"),
        "{template:#}"
    );
    let mount = &config(&world).pipelines[0].sources[0].mounts[0];
    assert_eq!(mount.path, "/var/log");
    let sidecar_mounts = template["spec"]["initContainers"][0]["volumeMounts"].to_string();
    assert!(
        sidecar_mounts.contains(&mount.at) && sidecar_mounts.contains("\"data\""),
        "{sidecar_mounts}"
    );
}

#[test]
fn the_owners_own_autoscaler_annotation_is_left_alone() {
    let mut world = injected();
    let metadata = world
        .deployment
        .spec
        .as_mut()
        .unwrap()
        .template
        .metadata
        .as_mut()
        .unwrap();
    metadata
        .annotations
        .as_mut()
        .unwrap()
        .insert(names::SAFE_TO_EVICT.to_owned(), "data".to_owned());
    reconcile(&mut world);
    assert_eq!(
        template(&world)["metadata"]["annotations"][names::SAFE_TO_EVICT],
        "data"
    );
    assert_eq!(reconcile(&mut world).patch, None);
    world.shippings.clear();
    reconcile(&mut world);
    assert_eq!(
        template(&world)["metadata"]["annotations"],
        json!({"team": "shop", names::SAFE_TO_EVICT: "data"})
    );
}
